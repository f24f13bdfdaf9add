"""The follower of risks on both databases: in time, once, whatever died; decisions and figures."""

import asyncio
import threading
import tomllib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.tickets import alarm_rows, alarms_http, changes
from cti.tickets.alarms import EVERY, FIRST, MARK, Alarms
from cti.tickets.changes import OVERLAP, Changes
from cti.tickets.clusters import Danger, Report, dangers
from cti.tickets.wording import Said, listen
from hotline import db
from schemas.alarms import AlarmFilter, AlarmOut, DecisionIn, FiguresAsked
from schemas.case_tables import OutboxRow
from schemas.casebook import Casebook
from schemas.errors import Conflict, NotFound
from schemas.gazetteer import County, Gazetteer
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.risks import Risks
from schemas.tables import MarkRow, TicketRow
from schemas.times import iso

pytestmark = pytest.mark.unit

ONE = pytest.mark.parametrize("database_kind", ["sqlite"])
"""What does not depend on the database."""
Sessions = async_sessionmaker[AsyncSession]
T0 = 1_795_400_000.0
RISKS = Risks.model_validate(
    tomllib.loads((Path(__file__).parents[2] / "dialplans/baoji/risks.toml").read_text())
)
BOOK = Casebook(
    risks=RISKS,
    gazetteer=Gazetteer(
        counties={
            "jintai": County(name="金台区", unit="jintai", towns={"陈仓镇": ()}),
            "weibin": County(name="渭滨区", unit="weibin"),
        }
    ),
)


@dataclass
class City:
    """A clock, tickets, and followers that may die."""

    engine: AsyncEngine
    now: float = T0
    told: list[AlarmOut] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    @property
    def write(self) -> Sessions:
        return db.writers(self.engine)

    def follower(self, book: Casebook = BOOK) -> Alarms:
        return Alarms(
            db.readers(self.engine),
            self.write,
            book=lambda: book,
            raised=self.told.append,
            clock=lambda: self.now,
        )

    async def save(self, text: str, *, at: float | None = None, **more: Any) -> str:
        """Save a ticket as if it were opened now."""
        n = next(self.numbers)
        id, when = f"BJ20261123-{n:06d}", self.now if at is None else at
        values = {
            "id": id,
            "state": "draft",
            "caller": f"1390917{n:04d}",
            "title": text[:200],
            "county": "jintai",
            "created_at": when,
            "updated_at": when,
            **more,
        }
        async with self.write.begin() as session:
            session.add(TicketRow(**values))
        return id

    async def edit(self, id: str, at: float, **values: Any) -> None:
        async with self.write.begin() as session:
            await session.execute(
                update(TicketRow)
                .where(TicketRow.id == id)
                .values(**values, version=TicketRow.version + 1, updated_at=at)
            )

    async def alarms(self) -> list[AlarmOut]:
        async with self.write() as session:
            found = await alarm_rows.find(session, AlarmFilter(), BOOK)
        return list(found)[::-1]

    async def decide(self, id: int, *, confirm: bool) -> AlarmOut:
        async with self.write.begin() as session:
            return await alarm_rows.decide(
                session,
                id,
                DecisionIn(confirm=confirm, why="已核实"),
                BOOK,
                who="user:li",
                at=self.now,
            )

    async def news(self) -> list[tuple[str, str, int]]:
        async with self.write() as session:
            rows = await session.scalars(select(OutboxRow).order_by(OutboxRow.id))
            return [(row.topic, row.ref, row.seq) for row in rows]


@pytest.fixture
def city(engine: AsyncEngine) -> City:
    return City(engine)


async def test_words_raise_an_alarm_at_the_next_look(city: City) -> None:
    follower = city.follower()
    await follower.poll()
    id = await city.save("家里燃气泄漏，味道很大", town="陈仓镇")
    city.now += EVERY
    assert await follower.poll() == 1
    (alarm,) = await city.alarms()
    assert city.told == [alarm]
    assert (alarm.kind, alarm.topic, alarm.topic_label) == ("word", "gas", "燃气泄漏")
    assert (alarm.level, alarm.level_label, alarm.state_label) == ("grave", "严重", "待研判")
    assert (alarm.county_label, alarm.town) == ("金台区", "陈仓镇")
    assert alarm.hand_to.startswith("119")
    assert (alarm.tickets, alarm.words) == ([id], ["燃气泄漏"])
    assert (alarm.saved_at, alarm.raised_at) == (iso(T0), iso(T0 + EVERY))
    assert await city.news() == [("alarm.raised", "alarm:1", 1)]
    assert "1390917" not in alarm.model_dump_json()


async def test_three_alike_raise_one_that_grows(city: City) -> None:
    follower = city.follower()
    ids = []
    for minutes in range(4):
        city.now = T0 + 60 * minutes
        ids.append(await city.save("小区停水了"))
        await follower.poll()
    (alarm,) = await city.alarms()
    assert alarm.kind == "cluster"
    assert alarm.tickets == ids
    assert alarm.saved_at == iso(T0 + 120)
    assert [len(told.tickets) for told in city.told] == [3, 4]
    assert await city.news() == [("alarm.raised", "alarm:1", 3), ("alarm.grown", "alarm:1", 4)]


async def test_a_storm_is_told_once_at_a_time(city: City) -> None:
    follower = city.follower()
    await follower.poll()
    for _ in range(9):
        await city.save("小区停水了")
    await follower.poll()
    for _ in range(9):
        await city.save("小区停水了")
    await follower.poll()
    assert await city.news() == [("alarm.raised", "alarm:1", 9), ("alarm.grown", "alarm:1", 18)]
    assert [len(told.tickets) for told in city.told] == [9, 18]


@ONE
async def test_a_confirmed_alarm_takes_more_without_a_word(city: City) -> None:
    follower = city.follower()
    for _ in range(3):
        await city.save("小区停水了")
    await follower.poll()
    await city.decide(1, confirm=True)
    city.now += 60
    await city.save("小区停水了")
    await follower.poll()
    (alarm,) = await city.alarms()
    assert len(alarm.tickets) == 4
    assert len(city.told) == 1
    assert [topic for topic, _, _ in await city.news()] == ["alarm.raised", "alarm.confirmed"]


@ONE
async def test_what_is_long_ago_is_no_part_of_a_cluster(city: City) -> None:
    follower = city.follower()
    for hours in (0, 1, 8, 9):
        city.now = T0 + hours * 3600
        await city.save("小区停水了")
        await follower.poll()
    assert await city.alarms() == []
    assert len(follower._reports) < 4  # nor kept for ever
    city.now += 60
    await city.save("小区停水了")
    await follower.poll()
    assert [len(alarm.tickets) for alarm in await city.alarms()] == [3]


@ONE
async def test_a_new_casebook_counts_from_the_next_look(city: City) -> None:
    books = [Casebook(), BOOK]
    follower = Alarms(
        db.readers(city.engine),
        city.write,
        book=lambda: books[0],
        raised=city.told.append,
        clock=lambda: city.now,
    )
    for text in ("停水", "没水"):
        await city.save(text)
    await follower.poll()
    books.pop(0)
    await city.save("停水了")
    await follower.poll()
    assert [(one.topic, len(one.tickets)) for one in await city.alarms()] == [("water_cut", 3)]


def test_what_the_caller_said_stands_for_the_text_until_it_is_written() -> None:
    ticket = changes.Ticket(
        *("BJ1", 1, T0, T0, None, None, False, None, None, "", None, None, "", "", "停水")
    )
    assert ticket.text == ticket.everything == "停水"
    written = replace(ticket, title="断电", body="全楼")
    assert written.text == "断电。全楼"
    assert written.everything == "断电。全楼。停水"


@ONE
async def test_what_stands_in_the_text_is_its_place_when_nobody_chose_one(city: City) -> None:
    follower = city.follower()
    for text in ("金台区停水了", "金台区东风路没水了", "停水，在金台区陈仓镇"):
        await city.save(text, county=None)
    await city.save("渭滨区停水", county=None)
    await follower.poll()
    (alarm,) = await city.alarms()
    assert alarm.county == "jintai"
    assert len(alarm.tickets) == 3


@ONE
async def test_what_the_caller_said_counts_before_anything_is_typed(city: City) -> None:
    await city.save("", transcript="我家着火了快来")
    await city.follower().poll()
    assert [alarm.topic for alarm in await city.alarms()] == ["fire"]


@ONE
async def test_praise_and_questions_raise_nothing(city: City) -> None:
    await city.save("表扬消防员，着火时来得快", kind="praise")
    for _ in range(4):
        await city.save("咨询医保异地报销怎么办理需要什么材料", kind="consult")
    await city.follower().poll()
    assert await city.alarms() == []


@ONE
async def test_a_word_typed_later_is_found_and_dated_from_then(city: City) -> None:
    follower = city.follower()
    id = await city.save("反映一件事")
    await follower.poll()
    city.now = T0 + 300
    await city.edit(id, city.now, body="有人要跳楼")
    city.now += 2
    await follower.poll()
    (alarm,) = await city.alarms()
    assert alarm.saved_at == iso(T0 + 300)
    assert alarm.raised_at == iso(T0 + 302)


async def test_killed_between_saving_and_looking_nothing_is_missed_or_doubled(city: City) -> None:
    first = city.follower()
    await city.save("小区停水了")
    await first.poll()
    ids = [await city.save(text) for text in ("燃气泄漏", "停水了", "又停水了")]
    del first  # dead; hours later another process starts
    city.now += 5 * 3600
    second = city.follower()
    while await second.poll():
        pass
    by_topic = {alarm.topic: alarm.tickets for alarm in await city.alarms()}
    assert by_topic["gas"] == ids[:1]
    assert len(by_topic["water_cut"]) == 3
    third = city.follower()  # reads the last minute again
    while await third.poll():
        pass
    assert len(await city.alarms()) == 2
    assert len(await city.news()) == 2


@ONE
async def test_killed_before_its_first_look_a_day_is_looked_back_at(city: City) -> None:
    await city.save("燃气泄漏")
    await city.save("着火了", at=T0 - FIRST - OVERLAP - 1)
    city.now += 3600
    await city.follower().poll()
    assert [alarm.topic for alarm in await city.alarms()] == ["gas"]


async def test_killed_while_writing_everything_is_read_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = city.follower()
    await city.save("燃气泄漏")

    async def dies(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr("cti.hooks.outbox.put", dies)
        with pytest.raises(OSError, match="disk full"):
            await follower.poll()
    assert await city.alarms() == []
    assert city.told == []
    await follower.poll()
    assert len(await city.alarms()) == 1
    assert len(city.told) == 1


async def test_two_followers_at_once_raise_each_alarm_once(city: City) -> None:
    followers = [city.follower() for _ in range(3)]
    for follower in followers:
        await follower.poll()
    for round in range(4):
        city.now = T0 + round
        for text in ("燃气泄漏", "停水了", "着火了", "有人跳楼"):
            await city.save(f"{text}", county=("jintai", "weibin")[round % 2])
        async with asyncio.timeout(60):
            await asyncio.gather(*(follower.poll() for follower in followers))
    alarms = await city.alarms()
    topics = sorted((alarm.topic, alarm.county, len(alarm.tickets)) for alarm in alarms)
    assert topics == sorted(
        [(t, c, 2) for t in ("gas", "fire") for c in ("jintai", "weibin")]
        + [("suicide", c, 1) for c in ("jintai", "jintai", "weibin", "weibin")]
    )
    news = await city.news()
    assert len(news) == len(set(news)) == 12
    assert len(city.told) == 12


async def test_a_transaction_that_commits_late_is_seen(city: City) -> None:
    follower = city.follower()
    await city.save("一件平常事")
    await follower.poll()
    city.now += 40
    await city.save("又一件")
    await follower.poll()
    await city.save("燃气泄漏", at=T0 + 1)  # written before, committed behind us
    await follower.poll()
    assert [alarm.topic for alarm in await city.alarms()] == ["gas"]


@ONE
async def test_a_clock_that_runs_ahead_does_not_hide_what_follows(city: City) -> None:
    follower = city.follower()
    await city.save("一件平常事", at=T0 + 9 * 3600)
    await follower.poll()
    city.now += 120
    await city.save("燃气泄漏")
    assert await follower.poll() == 1
    assert [alarm.topic for alarm in await city.alarms()] == ["gas"]
    async with city.write() as session:
        mark = await session.get_one(MarkRow, MARK)
    assert mark.value["at"] <= city.now


async def test_many_changes_are_read_in_batches_and_none_is_left_out(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "BATCH", 7)
    monkeypatch.setattr(changes, "PAGE", 5)
    ids = {await city.save("平常事", at=T0 - n // 10) for n in range(40)}
    read: list[str] = []
    place = Changes(T0 - 100, clock=lambda: city.now)
    async with city.write() as session:
        while found := await place.read(session):
            again = await place.read(session)
            assert [t.id for t in again] == [t.id for t in found]  # until it is done
            place.done()
            read += [ticket.id for ticket in found]
    assert sorted(read) == sorted(ids)
    assert place.at == T0


@ONE
async def test_an_edit_while_a_batch_is_read_does_not_jump_over_the_others(city: City) -> None:
    first = await city.save("平常事", at=T0 - 3000)
    await city.save("燃气泄漏", at=T0 - 2000)
    place = Changes(T0 - 4000, clock=lambda: city.now)
    async with city.write() as session:
        found = await place.read(session)
    place._given = {id: stamp for id, stamp in place._given.items() if id == first}
    await city.edit(first, T0, title="改过了")
    place.done()
    assert place.at == T0 - 3000
    assert len(found) == 2
    async with city.write() as session:
        assert len(await place.read(session)) == 2


async def test_dismissed_it_comes_back_for_new_tickets_only(city: City) -> None:
    follower = city.follower()
    id = await city.save("着火了")
    await follower.poll()
    await city.decide(1, confirm=False)
    city.now += 60
    await city.edit(id, city.now, body="着火了，改了几个字")
    await follower.poll()
    await city.follower().poll()
    assert len(await city.alarms()) == 1
    await city.save("着火了")
    await follower.poll()
    assert [alarm.state for alarm in await city.alarms()] == ["dismissed", "open"]


@ONE
async def test_a_ticket_edited_weeks_later_does_not_ring_again(city: City) -> None:
    follower = city.follower()
    id = await city.save("着火了")
    await follower.poll()
    city.now += 3600
    await city.decide(1, confirm=True)
    city.now += 30 * 86400
    await city.edit(id, city.now, reply="火已扑灭", closed_at=city.now)
    await city.follower().poll()
    assert len(await city.alarms()) == 1


async def test_a_decision_is_made_once(city: City) -> None:
    await city.save("燃气泄漏")
    await city.follower().poll()
    decided = await city.decide(1, confirm=True)
    assert (decided.state, decided.decided_by, decided.why) == ("confirmed", "user:li", "已核实")
    with pytest.raises(Conflict):
        await city.decide(1, confirm=False)
    with pytest.raises(NotFound):
        await city.decide(99, confirm=True)
    assert (await city.news())[-1] == ("alarm.confirmed", "alarm:1", 2)


async def test_only_one_of_two_decisions_at_once_counts(city: City) -> None:
    await city.save("燃气泄漏")
    await city.follower().poll()
    async with asyncio.timeout(30):
        both = await asyncio.gather(
            *(city.decide(1, confirm=yes) for yes in (True, False)), return_exceptions=True
        )
    assert sorted(type(one).__name__ for one in both) == ["AlarmOut", "Conflict"]


async def test_figures_say_how_many_were_false_and_how_fast_they_came(city: City) -> None:
    follower = city.follower()
    await follower.poll()
    for n, (text, decision) in enumerate(
        [("燃气泄漏", True), ("着火了", False), ("着火了", False), ("有人跳楼", None)]
    ):
        await city.save(text)
        city.now += 2
        await follower.poll()
        city.now += 58
        if decision is not None:
            await city.decide(n + 1, confirm=decision)
    async with city.write() as session:
        found = await alarm_rows.figures(session, FiguresAsked(), BOOK)
        none = await alarm_rows.figures(session, FiguresAsked(since=city.now), BOOK)
        part = await alarm_rows.figures(session, FiguresAsked(until=T0 + 60), BOOK)
    whole = found.all
    assert (whole.raised, whole.open, whole.confirmed, whole.dismissed) == (4, 1, 1, 2)
    assert whole.false_rate == pytest.approx(2 / 3, abs=1e-4)
    by_topic = {one.topic: one for one in found.topics}
    assert [one.topic for one in found.topics] == ["fire", "gas", "suicide"]
    assert (by_topic["fire"].false_rate, by_topic["gas"].false_rate) == (1, 0)
    assert by_topic["suicide"].false_rate is None
    assert by_topic["suicide"].topic_label == "轻生"
    assert (found.to_raising.p50, found.to_raising.p99) == (2, 2)
    assert (found.to_decision.p50, found.to_decision.p99) == (58, 58)
    assert (none.all.raised, none.to_raising.p50) == (0, None)
    assert part.all.raised == 1


@ONE
async def test_without_a_casebook_alike_texts_are_still_an_alarm(city: City) -> None:
    for _ in range(3):
        await city.save("阳光小区物业把消防通道锁死了不让走", county="nowhere")
    await city.follower(Casebook()).poll()
    (alarm,) = await city.alarms()
    assert (alarm.topic_label, alarm.county_label) == ("同类诉求集中", "nowhere")


@ONE
async def test_a_topic_that_was_taken_out_leaves_its_alarms_readable(city: City) -> None:
    await city.save("燃气泄漏")
    await city.follower().poll()
    async with city.write() as session:
        (alarm,) = await alarm_rows.find(session, AlarmFilter(), Casebook())
    assert (alarm.topic_label, alarm.hand_to) == ("gas", "")


@ONE
async def test_run_goes_on_after_the_database_was_away(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cti.tickets.alarms.EVERY", 0.01)
    follower, poll, failed, worked = city.follower(), Alarms.poll, asyncio.Event(), asyncio.Event()

    async def first_fails(self: Alarms) -> int:
        if not failed.is_set():
            failed.set()
            raise OSError("away")
        found = await poll(self)
        if city.told:
            worked.set()
        return found

    monkeypatch.setattr(Alarms, "poll", first_fails)
    await city.save("燃气泄漏")
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(30):
        await worked.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "it is tried again" in caplog.text
    assert len(city.told) == 1


@ONE
async def test_one_ticket_that_nobody_foresaw_ends_no_other_alarm(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(said: str) -> Said:
        if "坏" in said:
            raise ValueError(said)
        return listen(said)

    monkeypatch.setattr("cti.tickets.alarms.listen", wrong)
    bad = await city.save("坏了，燃气泄漏")
    good = await city.save("燃气泄漏", county="weibin")
    await city.follower().poll()
    assert [alarm.tickets for alarm in await city.alarms()] == [[good]]
    assert bad in caplog.text


@ONE
async def test_one_ticket_that_cannot_be_compared_ends_no_other_alarm(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = await city.save("燃气泄漏")
    good = await city.save("燃气泄漏", county="weibin")

    def wrong(report: Report, *others: Any) -> Iterator[Danger]:
        if report.ticket == bad:
            raise ValueError(bad)
        return dangers(report, *others)

    monkeypatch.setattr("cti.tickets.alarms.dangers", wrong)
    await city.follower().poll()
    assert [alarm.tickets for alarm in await city.alarms()] == [[good]]
    assert bad in caplog.text


@ONE
async def test_run_says_how_each_look_went(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cti.tickets.alarms.EVERY", 0.0)
    away = OSError("away")
    looks: list[int | Exception] = [away, 1, 0]
    heard: list[Exception | None] = []

    async def poll(_: Alarms) -> int:
        if not looks:
            raise asyncio.CancelledError
        look = looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look

    monkeypatch.setattr(Alarms, "poll", poll)
    with pytest.raises(asyncio.CancelledError):
        await city.follower().run(heard.append)
    assert heard == [away, None, None]


@ONE
async def test_what_is_settled_waits_for_no_thread_of_the_loop(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.get_running_loop().set_default_executor(shared := ThreadPoolExecutor(1))
    settle, free = Alarms._settle, threading.Event()

    async def busy(*asked: Any) -> Any:
        shared.submit(free.wait)
        return await settle(*asked)

    monkeypatch.setattr(Alarms, "_settle", busy)
    await city.save("燃气泄漏")
    try:
        async with asyncio.timeout(30):
            await city.follower().poll()
    finally:
        free.set()
    assert len(city.told) == 1


@ONE
async def test_an_alarm_does_not_tell_who_a_confidential_caller_is(city: City) -> None:
    topic = next(topic for topic in RISKS.topics.values() if topic.personal)
    said = f"我{topic.words[0]}"
    hidden = await city.save(said, caller="13987654321", confidential=True)
    open_ones = [await city.save(said, caller="13987654321") for _ in range(2)]
    await city.follower().poll()
    assert [alarm.tickets for alarm in await city.alarms()] == [[hidden], open_ones]


# --- REST -----------------------------------------------------------------------------------------

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(city: City) -> AsyncIterator[Client]:
    @web.middleware
    async def door(request: web.Request, handler: Any) -> web.StreamResponse:
        role = request.headers.get("role", "supervisor")
        request[WHO] = Who(kind="user", id="li", role=Role(role))
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(
        alarms_http.routes(
            db.readers(city.engine), city.write, book=lambda: BOOK, clock=lambda: city.now
        )
    )
    async with TestClient(TestServer(app, host="127.0.0.1")) as made:
        yield made


async def test_a_supervisor_lists_and_decides(city: City, client: Client) -> None:
    for text in ("燃气泄漏", "着火了", "楼塌了"):
        await city.save(text)
    await city.follower().poll()
    listed = await (await client.get("/api/v1/alarms?state=open&limit=2")).json()
    assert [one["topic"] for one in listed] == ["collapse", "fire"]
    more = await (await client.get(f"/api/v1/alarms?before={listed[-1]['id']}")).json()
    assert [one["topic"] for one in more] == ["gas"]
    one = await (await client.get("/api/v1/alarms?topic=fire&county=jintai")).json()
    assert len(one) == 1
    there = f"/api/v1/alarms/{one[0]['id']}/decision"
    for body in ({"confirm": False}, {"confirm": False, "why": "  "}, {"confirm": 1, "why": "x"}):
        assert (await client.post(there, json=body)).status == 422
    answer = await client.post(there, json={"confirm": False, "why": "烧纸，不是火灾"})
    assert answer.status == 200
    assert (await answer.json())["decided_by"] == "user:li"
    assert (await client.post(there, json={"confirm": True, "why": "x"})).status == 409
    figures = await (await client.get("/api/v1/alarms/figures?since=2026-01-01")).json()
    assert figures["all"]["false_rate"] == 1


@ONE
@pytest.mark.parametrize(
    ("role", "reads", "decides"),
    [("agent", 403, 403), ("unit", 403, 403), ("inspector", 200, 403), ("monitor", 200, 404)],
)
async def test_who_may_what(client: Client, role: str, reads: int, decides: int) -> None:
    for path in ("/api/v1/alarms", "/api/v1/alarms/figures"):
        assert (await client.get(path, headers={"role": role})).status == reads
    decision = {"confirm": True, "why": "x"}
    answer = await client.post("/api/v1/alarms/7/decision", json=decision, headers={"role": role})
    assert answer.status == decides


@ONE
@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1/alarms?state=x", "/api/v1/alarms?before=99999999999", "/api/v1/alarms?limit=0"),
        *("/api/v1/alarms?topic=%00", "/api/v1/alarms/figures?since=x"),
    ],
)
async def test_nonsense_is_refused(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 422
