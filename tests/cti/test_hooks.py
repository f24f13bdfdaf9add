import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.hooks import deliveries, http, outbox, store
from cti.hooks.sender import KEEP, Guarded, RefusedAddress, Sender
from cti.hooks.wire import genuine, payload
from hotline import db
from schemas.case_tables import AuditRow, DeliveryRow, HookRow, OutboxRow
from schemas.hooks import HookIn, HookMade
from schemas.identity import Role, Who
from tests.cti.case_desk import desk
from tests.cti.hook_receiver import (
    Client,
    Receiver,
    answering,
    as_role,
    eventually,
    receiving,
)

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
T0 = 1_795_400_000.0
ADMIN = Who(kind="user", id="root", role=Role.ADMIN)


class Clock:
    """Time that tests turn."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def hook(sessions: Sessions, url: str, *topics: str, active: bool = True) -> HookMade:
    async with sessions.begin() as session:
        asked = HookIn(url=url, topics=list(topics), active=active)
        return await store.create(session, ADMIN, asked, at=T0)


async def tell(
    sessions: Sessions, *seqs: int, ref: str = "BJ1", topic: str = "ticket.note", at: float = T0
) -> None:
    async with sessions.begin() as session:
        for seq in seqs:
            await outbox.put(session, topic=topic, ref=ref, seq=seq, body={"n": seq}, at=at)


def sender(engine: AsyncEngine, clock: Clock, **more: Any) -> Sender:
    return Sender(
        db.readers(engine),
        db.writers(engine),
        **{"loopback": True, "timeout": 5.0, "every": 0.02, "clock": clock, **more},
    )


@asynccontextmanager
async def running(made: Sender) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def states(sessions: Sessions, hook: int) -> dict[int, str]:
    async with sessions() as session:
        found = await store.deliveries(session, hook, state=None, limit=500, before=None)
    return {one.seq: one.state for one in found}


async def settled(sessions: Sessions, hook: int, wanted: dict[int, str]) -> None:
    async def fine() -> bool:
        return await states(sessions, hook) == wanted

    await eventually(fine)


async def test_news_is_delivered_in_order_and_signed(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    await tell(sessions, 1, 2, 3)
    async with running(sender(engine, clock)):
        await receiver.until(lambda: len(receiver.got) == 3)
        await settled(sessions, made.id, dict.fromkeys((1, 2, 3), "delivered"))
    assert receiver.seqs("BJ1") == [1, 2, 3]
    for one in receiver.got:
        assert one.headers["X-Hotline-Delivery"] == str(one.body["id"])
        stamp, signature = one.headers["X-Hotline-Timestamp"], one.headers["X-Hotline-Signature"]
        assert genuine(made.secret, stamp, one.raw, signature, now=clock())
        assert not genuine("other", stamp, one.raw, signature, now=clock())


async def test_news_of_a_change_that_was_rolled_back_is_never_told(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    await hook(sessions, f"{receiver.url}/hook")

    async def change_that_fails() -> None:
        async with sessions.begin() as session:
            await outbox.put(session, topic="ticket.note", ref="BJ1", seq=1, body={}, at=T0)
            raise KeyError

    with pytest.raises(KeyError):
        await change_that_fails()
    await tell(sessions, 2)
    async with running(sender(engine, clock)):
        await receiver.until(lambda: receiver.seqs("BJ1") == [2])


async def test_a_failed_delivery_holds_back_later_ones_of_its_ticket_alone(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    receiver.statuses["BJ1"] = [500]
    await tell(sessions, 1, 2)
    await tell(sessions, 7, ref="BJ2")
    async with running(sender(engine, clock)):
        await receiver.until(lambda: receiver.seqs("BJ2") == [7] and receiver.seqs("BJ1") == [1])
        await settled(sessions, made.id, {1: "waiting", 2: "waiting", 7: "delivered"})
        clock.now += 1.5
        await receiver.until(lambda: receiver.seqs("BJ1") == [1, 1, 2])
    ids = [one.body["id"] for one in receiver.got if one.body["seq"] == 1]
    assert ids[0] == ids[1]


async def test_who_never_answers_well_is_given_up_and_the_next_has_its_turn(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    receiver.statuses["BJ1"] = [500, 404, 301, 500, 503]
    await tell(sessions, 1, 2)
    async with running(sender(engine, clock)):
        for tries in range(1, 6):
            await receiver.until(lambda n=tries: len(receiver.got) >= n)  # type: ignore[misc]
            await tried(sessions, tries)
            clock.now += 86_400.0
        await settled(sessions, made.id, {1: "given_up", 2: "delivered"})
    assert receiver.seqs("BJ1") == [1, 1, 1, 1, 1, 2]


async def tried(sessions: Sessions, times: int, *, rows: int = 1) -> None:
    async def fine() -> bool:
        enough = select(func.count()).where(DeliveryRow.tries >= times)
        async with sessions() as session:
            return await session.scalar(enough) == rows

    await eventually(fine)


async def test_a_redirect_is_a_failure_and_not_followed(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/away")
    await tell(sessions, 1)
    async with running(sender(engine, clock)):
        await tried(sessions, 1)
    assert [one.path for one in receiver.got] == ["/away"]
    async with sessions() as session:
        (one,) = await store.deliveries(session, made.id, state="waiting", limit=5, before=None)
    assert (one.status, one.error, one.tries) == (302, "HTTP 302", 1)


async def test_a_slow_hook_holds_nobody_up_and_has_few_connections(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    receiver.held = asyncio.Event()
    await hook(sessions, f"{receiver.url}/slow")
    await hook(sessions, f"{receiver.url}/hook")
    for number in range(20):
        await tell(sessions, 1, ref=f"BJ{number}")
    async with running(sender(engine, clock, timeout=60.0, per_hook=2)):
        await receiver.until(lambda: sum(g.path == "/hook" for g in receiver.got) == 20)
        await receiver.until(lambda: sum(g.path == "/slow" for g in receiver.got) == 2)
        receiver.held.set()
        await receiver.until(lambda: sum(g.path == "/slow" for g in receiver.got) == 20)


async def test_who_dies_after_the_post_sends_again_under_the_same_id(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    receiver.held = asyncio.Event()
    await hook(sessions, f"{receiver.url}/slow")
    await tell(sessions, 1)
    async with running(sender(engine, clock)):
        await receiver.until(lambda: len(receiver.got) == 1)
    clock.now += 60.0  # the lease of the dead one has ended
    receiver.held.set()
    async with running(sender(engine, clock)):
        await receiver.until(lambda: len(receiver.got) == 2)
    first, second = receiver.got
    assert first.raw == second.raw
    assert first.headers["X-Hotline-Delivery"] == second.headers["X-Hotline-Delivery"]
    assert first.headers["X-Hotline-Signature"] != second.headers["X-Hotline-Signature"]


async def test_two_senders_share_the_work(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    for number in range(30):
        await tell(sessions, number, ref=f"BJ{number % 5}")
    async with running(sender(engine, clock)), running(sender(engine, clock)):
        await settled(sessions, made.id, dict.fromkeys(range(30), "delivered"))
    assert len(receiver.got) == 30
    for number in range(5):
        assert receiver.seqs(f"BJ{number}") == list(range(number, 30, 5))


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_what_was_taken_meanwhile_is_not_taken_again(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    made = await hook(sessions, "https://example.org/")
    await tell(sessions, 1, 2)
    await tell(sessions, 3, ref="BJ2")
    async with sessions.begin() as session:
        await deliveries.spread(session, now=T0)
        due = await deliveries.due(session, made.id, now=T0, limit=9)
        first = await deliveries.claim(session, made.id, due[:1], now=T0, lease=9)
        second = await deliveries.claim(session, made.id, due, now=T0, lease=9)
    assert [[one.news.seq for one in taken] for taken in (first, second)] == [[1], [3]]


async def test_topics_and_turned_off_hooks(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    closed = await hook(sessions, f"{receiver.url}/hook", "ticket.close")
    off = await hook(sessions, f"{receiver.url}/off", active=False)
    await tell(sessions, 1)
    await tell(sessions, 2, topic="ticket.close")
    async with running(sender(engine, clock)):
        await settled(sessions, closed.id, {2: "delivered"})
    assert await states(sessions, off.id) == {}
    assert {one.path for one in receiver.got} == {"/hook"}


async def test_a_hook_that_was_turned_off_keeps_what_is_due_to_it(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    await tell(sessions, 1)
    async with sessions.begin() as session:
        await deliveries.spread(session, now=T0)
        (await session.get_one(HookRow, made.id)).active = False
    async with sessions() as session:
        assert not (await deliveries.work(session, now=T0)).targets
    async with sessions.begin() as session:
        (await session.get_one(HookRow, made.id)).active = True
    async with running(sender(engine, clock)):
        await settled(sessions, made.id, {1: "delivered"})


async def test_an_address_that_was_fine_once_is_refused_when_it_is_not(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    port = receiver.url.rpartition(":")[2]
    literal = await hook(sessions, f"{receiver.url}/hook")
    # a name that says nothing but leads home
    named = await hook(sessions, f"http://2130706433:{port}/hook")
    await tell(sessions, 1)
    async with running(sender(engine, clock, loopback=False)):
        await tried(sessions, 1, rows=2)
    assert receiver.got == []
    async with sessions() as session:
        said = {row.hook_id: row.error for row in await session.scalars(select(DeliveryRow))}
    assert said[literal.id] == "不能发往本机"
    assert said[named.id]


async def test_names_resolve_only_to_places_a_hook_may_go() -> None:
    guard = Guarded(loopback=False)
    with pytest.raises(RefusedAddress):
        await guard.resolve("localhost", 80)
    assert await Guarded(loopback=True).resolve("localhost", 80)
    await guard.close()


async def test_a_hook_that_nobody_answers_rests_as_a_whole(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    for number in range(20):
        await tell(sessions, 1, ref=f"BJ{number}")
    resting = sender(engine, clock, per_hook=4)

    async def tries_after(seconds: float) -> int:
        """Return how many deliveries had been tried *seconds* later, after two looks."""
        clock.now += seconds
        for _ in range(2):
            async with asyncio.TaskGroup() as tries:
                await resting._look(asking, tries)
        async with sessions() as session:
            return await session.scalar(select(func.sum(DeliveryRow.tries))) or 0

    async def move(url: str) -> None:
        async with sessions.begin() as session:
            (await session.get_one(HookRow, made.id)).url = url

    async with ClientSession() as asking:
        await move("http://127.0.0.1:1/hook")
        assert await tries_after(0) == 4  # the first look only spreads
        assert await tries_after(0.9) == 4
        assert await tries_after(0.2) == 5  # one at a time
        assert await tries_after(1.9) == 5
        assert await tries_after(0.2) == 6
        assert await tries_after(3.9) == 6
        resting.wake()  # somebody pings it
        assert await tries_after(0) == 10
        await move(f"{receiver.url}/hook")
        assert await tries_after(1.1) == 10
        assert len(receiver.got) == 5  # one that is answered, and then as many as ever


async def test_old_news_is_forgotten_with_its_deliveries(
    engine: AsyncEngine, sessions: Sessions, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    await tell(sessions, 1, at=T0 - KEEP - 1)
    await tell(sessions, 2, at=T0 - KEEP + 1)
    async with sessions.begin() as session:
        await deliveries.spread(session, now=T0)
    async with running(sender(engine, clock)):
        await settled(sessions, made.id, {2: "delivered"})
    async with sessions() as session:
        assert (await session.scalars(select(OutboxRow.seq))).all() == [2]


async def test_news_that_cannot_be_told_stops_nobody(
    engine: AsyncEngine,
    sessions: Sessions,
    receiver: Receiver,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hook(sessions, f"{receiver.url}/hook")
    async with sessions.begin() as session:
        session.add(OutboxRow(topic="bad", ref="x", seq=1, body={}, at=1e300, spread=False))
    await tell(sessions, 2)
    async with running(sender(engine, clock)):
        await receiver.until(lambda: receiver.seqs("BJ1") == [2])
        await tried(sessions, 1)
    assert "cannot be told" in caplog.text


async def test_the_sender_outlives_a_database_that_fails(
    engine: AsyncEngine,
    sessions: Sessions,
    receiver: Receiver,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook")
    table = "outbox" if engine.dialect.name == "sqlite" else '"outbox"'

    async def rename(old: str, new: str) -> None:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    await rename(table, "away")
    async with running(sender(engine, clock)):

        async def said() -> bool:
            return "the database fails" in caplog.text

        await eventually(said)
        await rename("away", table)
        await tell(sessions, 1)
        await settled(sessions, made.id, {1: "delivered"})


async def test_news_of_tickets_says_neither_who_called_nor_what_they_said(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    at_desk = desk(engine, tmp_path)
    for confidential in (True, False):
        await at_desk.closed(confidential=confidential)
    async with sessions() as session:
        news = (await session.scalars(select(OutboxRow).order_by(OutboxRow.id))).all()
    assert [row.seq for row in news] == [*range(1, 9)] * 2
    for row in news:
        told = str(json.loads(payload(deliveries.news_of(row))))
        for never in ("13912348000", "赵钱孙", "家里停水", "从昨天起没有水"):
            assert never not in told


# ---- REST


@pytest.fixture
async def client(engine: AsyncEngine, clock: Clock) -> AsyncIterator[Client]:
    routes = http.routes(db.readers(engine), db.writers(engine), clock=clock)
    async with answering(routes) as made:
        yield made


async def test_a_hook_is_made_shown_changed_and_deleted(client: Client, sessions: Sessions) -> None:
    asked = {
        "url": "https://oa.example.gov.cn/x?key=abc",
        "topics": ["ticket"],
        "label": "数字城管",
    }
    answer = await client.post("/api/v1/hooks", json=asked)
    assert answer.status == 201
    made = await answer.json()
    assert len(made["secret"]) >= 40
    (listed,) = await (await client.get("/api/v1/hooks")).json()
    assert "secret" not in listed
    assert (listed["url"], listed["label"], listed["waiting"]) == (asked["url"], "数字城管", 0)
    where = f"/api/v1/hooks/{made['id']}"
    changed = await (await client.patch(where, json={"active": False, "topics": []})).json()
    assert (changed["active"], changed["topics"], changed["url"]) == (False, [], asked["url"])
    renewed = await (await client.post(f"{where}/secret")).json()
    assert renewed["secret"] != made["secret"]
    assert (await client.delete(where)).status == 204
    assert (await client.get(where)).status == 404
    async with sessions() as session:
        notes = (await session.scalars(select(AuditRow).order_by(AuditRow.id))).all()
    assert [n.what for n in notes] == ["hook.create", "hook.change", "hook.secret", "hook.delete"]
    assert all(made["secret"] not in str(note.detail) for note in notes)
    assert all("abc" not in str(note.detail) for note in notes)
    assert {note.ref for note in notes} == {f"hook-{made['id']}"}


@pytest.mark.parametrize(
    "asked",
    [
        {"url": "http://169.254.169.254/latest"},
        {"url": "http://127.0.0.1:5038/"},
        {"url": "ftp://example.org/x"},
        {"url": "https://a:b@example.org/"},
        {"url": "https://example.org/\0"},
        {"url": "https://example.org/", "topics": ["Ticket"]},
        {"url": "https://example.org/", "secret": "mine"},
        {"url": "https://example.org/", "label": "x" * 81},
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_what_no_hook_may_be_is_refused(client: Client, asked: dict[str, Any]) -> None:
    assert (await client.post("/api/v1/hooks", json=asked)).status == 422
    made = await (await client.post("/api/v1/hooks", json={"url": "https://example.org/"})).json()
    assert (await client.patch(f"/api/v1/hooks/{made['id']}", json=asked)).status == 422


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_only_admins_see_hooks(client: Client) -> None:
    for role in Role:
        status = (await client.get("/api/v1/hooks", headers=as_role(role))).status
        assert status == (200 if role is Role.ADMIN else 403)


async def test_a_ping_is_delivered_and_can_be_sent_again(
    engine: AsyncEngine, sessions: Sessions, client: Client, receiver: Receiver, clock: Clock
) -> None:
    made = await hook(sessions, f"{receiver.url}/hook", "ticket.close")
    where = f"/api/v1/hooks/{made.id}"
    answer = await client.post(f"{where}/ping")
    assert (answer.status, (await answer.json())["state"]) == (202, "waiting")
    async with running(sender(engine, clock)):
        await receiver.until(lambda: len(receiver.got) == 1)
        await settled(sessions, made.id, {1: "delivered"})
        (one,) = await (await client.get(f"{where}/deliveries?state=delivered")).json()
        assert (one["topic"], one["status"]) == ("hook.ping", 204)
        again = await client.post(f"{where}/deliveries/{one['id']}/redeliver")
        assert (again.status, (await again.json())["state"]) == (202, "waiting")
        await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.got[0].raw == receiver.got[1].raw
    assert (await client.post(f"{where}/deliveries/999/redeliver")).status == 404
    await client.patch(where, json={"active": False})
    assert (await client.post(f"{where}/ping")).status == 409
    assert (await client.get("/api/v1/hooks/99/deliveries")).status == 404
    assert (await client.get(f"{where}/deliveries?before=99999999999")).status == 422


async def test_deliveries_are_walked_newest_first(client: Client, sessions: Sessions) -> None:
    made = await hook(sessions, "https://example.org/")
    await tell(sessions, *range(5))
    async with sessions.begin() as session:
        await deliveries.spread(session, now=T0)
    where = f"/api/v1/hooks/{made.id}/deliveries"
    first = await (await client.get(where, params={"limit": 3})).json()
    rest = await (await client.get(where, params={"before": first[-1]["id"]})).json()
    assert [one["seq"] for one in first + rest] == [4, 3, 2, 1, 0]
    (shown,) = await (await client.get("/api/v1/hooks")).json()
    assert shown["waiting"] == 5


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_there_are_not_more_hooks_than_fit(client: Client) -> None:
    for _ in range(store.MOST):
        assert (await client.post("/api/v1/hooks", json={"url": "http://x.cn/"})).status == 201
    assert (await client.post("/api/v1/hooks", json={"url": "http://x.cn/"})).status == 409
