from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.tickets import masks
from cti.transcripts import http, store
from cti.transcripts.store import Due, TranscriptFilter
from hotline import db
from schemas.calls import CallOut
from schemas.case_tables import TicketCallRow
from schemas.tables import CallRow
from schemas.transcripts import Part
from tests.cti.case_desk import desk
from tests.cti.hook_receiver import answering, as_role

pytestmark = pytest.mark.unit
Sessions = async_sessionmaker[AsyncSession]
T0 = 1_795_400_000.0


def a_call(
    id: str, *, node: str = "n1", ended: float | None = T0, recording: str | None
) -> CallRow:
    outcome = None if ended is None else "answered"
    return CallRow(
        id=id, node=node, state="ended", chain=[], started_at=T0 - 60, ended_at=ended,
        outcome=outcome, recording=recording,
    )  # fmt: skip


async def calls(sessions: Sessions, *rows: CallRow) -> None:
    async with sessions.begin() as session:
        session.add_all(rows)


async def due(sessions: Sessions, **more: object) -> list[str]:
    asked = {"node": "n1", "limit": 9, "before": T0 + 10, **more}
    async with sessions() as session:
        return [one.call for one in await store.due(session, **asked)]  # type: ignore[arg-type]


async def heard(sessions: Sessions, call: str, *texts: str, at: float = T0) -> None:
    parts = [Part(at=n, until=n + 1, text=text, score=80) for n, text in enumerate(texts)]
    of = Due(call=call, recording=f"{call}.wav")
    async with sessions.begin() as session:
        await store.save(session, of, engine="whisper-base", seconds=9.0, parts=parts, at=at)


async def found(sessions: Sessions, **asked: object) -> list[str]:
    async with sessions() as session:
        page = await store.find(session, TranscriptFilter.model_validate(asked))
    return [one.call_id for one in page.items]


async def test_recordings_of_closed_calls_of_this_node_are_due_once(sessions: Sessions) -> None:
    await calls(
        sessions,
        a_call("n1-2", recording="b.wav", ended=T0 + 5),
        a_call("n1-1", recording="a.wav"),
        a_call("n1-3", recording=None),
        a_call("n1-4", recording="d.wav", ended=None),
        a_call("n1-5", recording="e.wav", ended=T0 + 20),
        a_call("n2-1", recording="f.wav", node="n2"),
    )
    assert await due(sessions) == ["n1-1", "n1-2"]
    assert await due(sessions, limit=1) == ["n1-1"]
    assert await due(sessions, only=["n1-2", "n1-3"]) == ["n1-2"]
    await heard(sessions, "n1-1", "我家停水了")
    assert await due(sessions) == ["n1-2"]
    assert await due(sessions, again=True) == ["n1-1", "n1-2"]


async def test_a_recording_that_is_gone_is_not_tried_for_ever(sessions: Sessions) -> None:
    await calls(sessions, a_call("n1-1", recording="a.wav"))
    async with sessions.begin() as session:
        of = Due(call="n1-1", recording="a.wav")
        await store.save(session, of, engine="", seconds=0, parts=(), at=T0, error="gone" * 100)
    assert await due(sessions) == []
    async with sessions() as session:
        kept = await store.get(session, "n1-1")
    assert kept is not None
    assert (kept.text, kept.parts, len(kept.error or "")) == ("", [], 200)


async def test_what_was_heard_is_found_by_words_and_replaced_by_a_better_ear(
    sessions: Sessions,
) -> None:
    await heard(sessions, "n1-1", "我家停水了", "两天了", at=T0)
    await heard(sessions, "n1-2", "暖气不热 100%", at=T0 + 1)
    assert await found(sessions) == ["n1-2", "n1-1"]
    assert await found(sessions, text="停水") == ["n1-1"]
    assert await found(sessions, text="%") == ["n1-2"], "no wildcard of the database's"
    assert await found(sessions, since="2026-11-23T00:00:00+08:00", text="没有人说") == []
    await heard(sessions, "n1-1", "我家停气了", at=T0 + 2)
    assert await found(sessions, text="停水") == []
    async with sessions() as session:
        first = await store.find(session, TranscriptFilter(limit=1))
        then = await store.find(session, TranscriptFilter(limit=1, cursor=first.next))
        assert [p.text for p in then.items[0].parts] == ["暖气不热 100%"]
        assert then.next is None
        assert await store.get(session, "n1-9") is None


async def test_of_a_confidential_caller_nothing_that_was_said_is_told(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    city = desk(engine, tmp_path)
    hidden, plain = await city.open(confidential=True), await city.open()
    for number, ticket in enumerate((hidden, plain), 1):
        async with sessions.begin() as session:
            link = TicketCallRow(ticket_id=ticket.id, call_id=f"n1-{number}", why="about", at=T0)
            session.add(link)
        await heard(sessions, f"n1-{number}", "我叫赵钱孙", at=T0 + number)
    await heard(sessions, "n1-3", "喂")  # a call without a ticket
    async with answering(http.routes(db.readers(engine))) as client:
        listed = await client.get("/api/v1/transcripts", headers=as_role("quality"))
        assert [one["call_id"] for one in await listed.json()] == ["n1-2", "n1-3"]
        for call, status in (("n1-1", 404), ("n1-2", 200), ("n1-3", 200), ("n1-9", 404)):
            assert (await client.get(f"/api/v1/calls/{call}/transcript")).status == status


def test_a_masked_call_says_nothing() -> None:
    known: dict[str, Any] = {"id": "n1-1", "caller": "13912348000", "transcript": "我叫赵钱孙"}
    call = CallOut.model_construct(None, **known, recording="a.wav")
    assert masks.call_out(call).transcript is None
