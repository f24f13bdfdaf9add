import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.tickets import lists
from cti.tickets.casework import Casework
from schemas.calendar import Calendar
from schemas.calls import Call, CallId, State
from schemas.case_tables import ClockRow, HistoryRow, TicketCallRow
from schemas.casebook import Casebook
from schemas.cases import TicketState
from schemas.numbers import Attribution, Integration, Number, Register
from schemas.tables import TicketRow
from schemas.tickets import TicketOut

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
Sessions = async_sessionmaker[AsyncSession]
LINE = Number(
    number="12319",
    line_no=2,
    hotline="城管热线",
    owner_unit="市城管执法局",
    unit="urban",
    integration=Integration.DUAL_RUN,
    notice="moved",
    flow="dual_run",
)


def a_call(id: str, caller: str | None = "09173260000") -> Call:
    return Call(
        id=CallId(id),
        state=State.TALKING,
        started_at=T0,
        since=T0,
        caller=caller,
        number=LINE,
        attribution=Attribution.DIVERSION,
        transcript="我家停水两天了",
        confidence=0.86,
    )


async def draft(sessions: Sessions, call: Call, at: float = T0) -> TicketOut:
    casework = Casework(
        sessions,
        sessions,
        book=Casebook,
        calendar=Calendar,
        register=lambda: Register({}),
        files=Path(),
    )
    async with sessions.begin() as session:
        return await casework.open_draft(session, call, agent="1001", at=at)


async def opened(sessions: Sessions, call: Call, at: float = T0) -> str:
    return (await draft(sessions, call, at)).id


async def test_a_draft_carries_what_the_call_knows(sessions: Sessions) -> None:
    ticket = await draft(sessions, a_call("n1-1"))
    assert ticket.id == "BJ20261123-000001"
    assert (ticket.call_id, ticket.caller, ticket.agent) == ("n1-1", "09173260000", "1001")
    assert (ticket.number, ticket.hotline, ticket.unit) == ("12319", "城管热线", "urban")
    assert (ticket.attribution, ticket.state) == ("diversion", TicketState.DRAFT)
    assert (ticket.transcript, ticket.confidence) == ("我家停水两天了", 0.86)


async def test_a_call_has_one_ticket_however_often_it_is_opened(sessions: Sessions) -> None:
    first = await opened(sessions, a_call("n1-1"))
    assert await opened(sessions, a_call("n1-1"), at=T0 + 9) == first
    together = await asyncio.gather(*(opened(sessions, a_call("n1-2")) for _ in range(5)))
    assert len(set(together)) == 1
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(TicketRow)) == 2


async def test_ids_are_unique_and_without_gaps_when_many_open_at_once(sessions: Sessions) -> None:
    async with asyncio.timeout(60):
        ids = await asyncio.gather(*(opened(sessions, a_call(f"n1-{n}")) for n in range(30)))
    assert sorted(ids) == [f"BJ20261123-{n:06d}" for n in range(1, 31)]


async def test_the_day_of_an_id_is_shanghais(sessions: Sessions) -> None:
    from schemas.times import day_of, midnight

    start = midnight(day_of(T0))
    assert await opened(sessions, a_call("n1-1"), at=start - 1) == "BJ20261122-000001"
    assert await opened(sessions, a_call("n1-2"), at=start) == "BJ20261123-000001"


@pytest.mark.parametrize("caller", ["9" * 4000, "\0'; DROP TABLE tickets; --", "\ud800", "", None])
async def test_a_hostile_caller_still_gets_a_ticket(sessions: Sessions, caller: str | None) -> None:
    assert await opened(sessions, a_call("n1-1", caller))


async def test_a_draft_begins_history_clock_and_chain_of_calls(sessions: Sessions) -> None:
    ticket = await draft(sessions, a_call("n1-1"))
    assert (ticket.owner, ticket.light) == ("agent", "green")
    assert ticket.due_at is not None
    async with sessions() as session:
        (row,) = (await session.scalars(select(HistoryRow))).all()
        assert (row.seq, row.move, row.who, row.call_id) == (1, "open", "1001", "n1-1")
        (clock,) = (await session.scalars(select(ClockRow))).all()
        assert (clock.name, clock.ended_at) == ("accept", None)
        (call,) = (await session.scalars(select(TicketCallRow))).all()
        assert (call.call_id, call.why) == ("n1-1", "opened")


async def test_open_tickets_of_a_caller_are_the_newest(sessions: Sessions) -> None:
    ids = [await opened(sessions, a_call(f"n1-{n}"), at=T0 + n // 2) for n in range(5)]
    async with sessions.begin() as session:
        found = await lists.open_of(session, "09173260000", limit=2)
        assert [row.id for row in found] == [ids[4], ids[3]]
        for row in found:
            row.closed_at = T0
    async with sessions() as session:
        found = await lists.open_of(session, "09173260000", limit=9)
    assert [row.id for row in found] == ids[2::-1]
