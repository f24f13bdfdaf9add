"""The index that follows the database, and its REST: what was saved a moment ago is found."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.tickets import changes, likeness, likeness_http
from cti.tickets.likeness import Likeness
from hotline import db
from schemas.casebook import Casebook
from schemas.errors import NotFound
from schemas.gazetteer import County, Gazetteer
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.likeness import AlikeIn
from schemas.tables import TicketRow

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
NOW = T0 + 7200
Sessions = async_sessionmaker[AsyncSession]
BOOK = Casebook(
    gazetteer=Gazetteer(
        counties={
            "jintai": County(name="金台区", unit="jintai", towns={"陈仓镇": ()}),
            "weibin": County(name="渭滨区", unit="weibin"),
        }
    )
)


def following(engine: AsyncEngine) -> Likeness:
    return Likeness(db.readers(engine), book=lambda: BOOK, clock=lambda: NOW)


async def save(sessions: Sessions, n: int, title: str, **more: Any) -> str:
    id = f"BJ20261123-{n:06d}"
    values = {
        "id": id,
        "state": "draft",
        "caller": f"1390917{n:04d}",
        "title": title,
        "created_at": T0,
        "updated_at": NOW,
        **more,
    }
    async with sessions.begin() as session:
        session.add(TicketRow(**values))
    return id


async def edit(sessions: Sessions, id: str, **values: Any) -> None:
    async with sessions.begin() as session:
        await session.execute(
            update(TicketRow)
            .where(TicketRow.id == id)
            .values(**values, version=TicketRow.version + 1, updated_at=NOW)
        )


async def test_what_is_open_is_found_from_the_start(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    old = await save(sessions, 1, "金台区阳光小区停水", created_at=T0 - 9e5, updated_at=T0 - 9e5)
    await save(sessions, 2, "金台区阳光小区停水", closed_at=T0, state="archived")
    new = await save(sessions, 3, "阳光小区没水了，金台区")
    (found,) = await following(engine).of_ticket(new)
    assert found.ticket_id == old
    assert (found.title, found.state_label) == ("金台区阳光小区停水", "草稿")
    assert "同一地点" in found.reasons
    assert found.reasons[-1] == "10天前"


async def test_what_was_saved_changed_or_closed_a_moment_ago_is_known(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    index = following(engine)
    asked = AlikeIn(title="阳光小区没水了", county="jintai")
    assert await index.of_text(asked) == []
    id = await save(sessions, 1, "阳光小区停水", county="jintai")
    assert [one.ticket_id for one in await index.of_text(asked)] == [id]
    await edit(sessions, id, title="咨询养老金怎么领取")
    assert await index.of_text(asked) == []
    await edit(sessions, id, title="阳光小区停水")
    assert [one.ticket_id for one in await index.of_text(asked)] == [id]
    await edit(sessions, id, closed_at=T0, state="merged")
    assert await index.of_text(asked) == []


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_place_is_taken_from_the_text_when_nobody_chose_one(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    await save(sessions, 1, "渭滨区停水两天没人管")
    await save(sessions, 2, "村里停水两天没人管", county="jintai")
    found = await following(engine).of_text(AlikeIn(body="金台区陈仓镇停水两天没人管"))
    assert [one.ticket_id for one in found] == ["BJ20261123-000002"]
    assert "同在金台区" in found[0].reasons


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_draft_without_a_word_finds_the_callers_other_ticket(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    mine = await save(sessions, 1, "阳光小区停水", caller="13909170001")
    draft = await save(sessions, 2, "", caller="+8613909170001")
    (found,) = await following(engine).of_ticket(draft)
    assert found.ticket_id == mine
    assert found.repeat
    assert not found.likely


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_number_of_a_confidential_ticket_cannot_be_tried_out(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    id = await save(
        sessions, 1, "举报某局长在阳光小区违建", caller="13909170001", confidential=True
    )
    index = following(engine)
    for caller in ("13909170001", "13909170002"):
        (found,) = await index.of_text(AlikeIn(title="举报局长阳光小区违建", caller=caller))
        assert found.ticket_id == id
        assert not found.repeat
        assert "同一来电号码" not in found.reasons
    assert await index.of_text(AlikeIn(caller="13909170001")) == []
    draft = await save(sessions, 2, "", caller="13909170001")
    assert await index.of_ticket(draft) == []
    also = await save(sessions, 3, "阳光小区停水", caller="13909170003")
    hidden = await save(sessions, 4, "", caller="13909170003", confidential=True)
    assert also not in str(await index.of_ticket(hidden))


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_newest_are_kept_when_there_are_too_many(
    engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "MOST", 3)
    for n in range(6):
        await save(sessions, n, "阳光小区停水", created_at=T0 + n, updated_at=T0 + n)
    index = following(engine)
    found = await index.of_text(AlikeIn(title="阳光小区停水"))
    assert sorted(one.ticket_id[-1] for one in found) == ["3", "4", "5"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("tickets", [3, 4, 5])
async def test_the_start_reads_in_pages(
    engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, tickets: int
) -> None:
    monkeypatch.setattr(changes, "BATCH", 2)
    monkeypatch.setattr(likeness, "MOST", 4)
    for n in range(tickets):  # as an old stock: only the start reads them
        await save(sessions, n, "阳光小区停水", created_at=T0 - n // 3, updated_at=T0)
    found = await following(engine).of_text(AlikeIn(title="阳光小区停水"))
    assert len(found) == min(tickets, 4)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_words_are_cut_beside_the_loop(
    engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    listen = likeness.Index.put

    def put(self: Any, matter: Any) -> None:
        threads.add(threading.get_ident())
        listen(self, matter)

    monkeypatch.setattr(likeness.Index, "put", put)
    await save(sessions, 1, "阳光小区停水")
    await following(engine).follow()
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_ticket_that_is_not_there(engine: AsyncEngine) -> None:
    with pytest.raises(NotFound):
        await following(engine).of_ticket("BJ20261123-000009")


async def test_many_questions_at_once_with_changes_between(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    index = following(engine)
    for n in range(4):
        await save(sessions, n, f"阳光小区{n}号楼停水")
    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(index.of_text(AlikeIn(title="阳光小区停水")) for _ in range(8)),
            *(save(sessions, 10 + n, "阳光小区停水") for n in range(3)),
        )
    assert all(len(found) >= 4 for found in answers[:8])
    assert len(await index.of_text(AlikeIn(title="阳光小区停水"))) == 7


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_run_goes_on_after_the_database_was_away(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(likeness, "EVERY", 0.01)
    times: list[int] = []
    twice = asyncio.Event()

    async def follow(_: Likeness) -> None:
        times.append(1)
        if len(times) == 1:
            raise OSError("away")
        twice.set()

    monkeypatch.setattr(Likeness, "follow", follow)
    running = asyncio.create_task(following(engine).run())
    async with asyncio.timeout(30):
        await twice.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "it is tried again" in caplog.text


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_one_ticket_that_nobody_foresaw_hides_no_other(
    engine: AsyncEngine,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = await save(sessions, 1, "阳光小区停水坏了")
    good = await save(sessions, 2, "阳光小区停水")
    put = likeness.Index.put

    def wrong(self: Any, matter: Any) -> None:
        if matter.id == bad:
            raise ValueError(bad)
        put(self, matter)

    monkeypatch.setattr(likeness.Index, "put", wrong)
    found = await following(engine).of_text(AlikeIn(title="阳光小区停水"))
    assert [one.ticket_id for one in found] == [good]
    assert bad in caplog.text


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_run_says_how_each_look_went(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "EVERY", 0.0)
    away = OSError("away")
    looks: list[Exception | None] = [away, None]
    heard: list[Exception | None] = []

    async def follow(_: Likeness) -> None:
        if not looks:
            raise asyncio.CancelledError
        if (look := looks.pop(0)) is not None:
            raise look

    monkeypatch.setattr(Likeness, "follow", follow)
    with pytest.raises(asyncio.CancelledError):
        await following(engine).run(heard.append)
    assert heard == [away, None]


# --- REST -----------------------------------------------------------------------------------------

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[Client]:
    @web.middleware
    async def door(request: web.Request, handler: Any) -> web.StreamResponse:
        request[WHO] = Who(kind="user", id="li", role=Role(request.headers.get("role", "agent")))
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(likeness_http.routes(following(engine)))
    async with TestClient(TestServer(app, host="127.0.0.1")) as made:
        yield made


async def test_agents_ask_for_a_ticket_and_for_a_text(client: Client, sessions: Sessions) -> None:
    await save(sessions, 1, "阳光小区停水两天")
    id = await save(sessions, 2, "阳光小区没水")
    found = await (await client.get(f"/api/v1/tickets/{id}/alike")).json()
    assert [one["ticket_id"] for one in found] == ["BJ20261123-000001"]
    body = {"title": "阳光小区没水", "caller": "13909170001", "place": "阳光小区3号楼"}
    found = await (await client.post("/api/v1/tickets/alike", json=body)).json()
    assert found[0]["repeat"]
    assert found[0]["reasons"][0] == "同一来电号码"
    assert "1390917" not in str(found)
    assert set(found[0]) == {
        *("ticket_id", "title", "state", "state_label", "created_at"),
        *("score", "likely", "repeat", "reasons"),
    }


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_units_and_readers_may_not_ask(client: Client) -> None:
    for role in ("unit", "reader", "inspector"):
        who = {"role": role}
        asked = await client.post("/api/v1/tickets/alike", json={}, headers=who)
        of_one = await client.get("/api/v1/tickets/BJ20261123-000001/alike", headers=who)
        assert (asked.status, of_one.status) == (403, 403)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_hostile_texts_are_answered_or_refused(client: Client, sessions: Sessions) -> None:
    await save(sessions, 1, "<script>alert(1)</script>停水%' OR 1=1 --")
    for body, status in (
        ({}, 200),
        ({"title": "<script>alert(1)</script>停水%' OR 1=1"}, 200),
        ({"body": "停" * 8000, "place": "🚰" * 100, "county": "{at}", "town": "{at}"}, 200),
        ({"body": "\x00"}, 422),
        ({"body": "停" * 8001}, 422),
        ({"caller": "anonymous"}, 422),
        ({"id": "BJ20261123-000001"}, 422),
    ):
        assert (await client.post("/api/v1/tickets/alike", json=body)).status == status
    raw = await client.post(
        "/api/v1/tickets/alike",
        data=b'{"body": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert raw.status in (200, 422)
    assert (await client.get("/api/v1/tickets/BJ1/alike")).status == 422
    assert (await client.get("/api/v1/tickets/BJ20261123-000009/alike")).status == 404
