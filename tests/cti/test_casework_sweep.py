"""What clocks do when nobody moves: the ladder, and a calendar edited later."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.tickets.case_rows import Rules
from cti.tickets.casework import Casework
from cti.tickets.sweep import BREATH, Sweep
from hotline import db
from schemas.calendar import Calendar, Override
from schemas.case_tables import ClockRow, HistoryRow, OutboxRow, TextRow
from schemas.numbers import Register
from schemas.tables import MarkRow, TicketRow
from schemas.tickets import TicketFilter
from schemas.times import read
from tests.cti.case_desk import AGENT, CALENDAR, UNITS, Desk, desk

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
ZHUJIAN = UNITS["zhujian"]


@pytest.fixture
def city(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


def beside(city: Desk, engine: AsyncEngine, calendar: Calendar) -> Casework:
    """Return case work of a process with another calendar, on the same database and time."""
    return Casework(
        db.readers(engine),
        db.writers(engine),
        book=lambda: city.book,
        calendar=lambda: calendar,
        register=lambda: Register({}),
        files=Path("nowhere"),
        clock=city.clock,
    )


def holidays(*days: str) -> Calendar:
    made = [Override(date=date.fromisoformat(day), kind="holiday", why="试验") for day in days]
    return Calendar(schedules=CALENDAR.schedules, overrides=tuple(made))


async def moves(sessions: Sessions, move: str) -> list[HistoryRow]:
    async with sessions() as session:
        query = select(HistoryRow).where(HistoryRow.move == move).order_by(HistoryRow.id)
        return list(await session.scalars(query))


async def test_a_late_ticket_climbs_each_rung_once(city: Desk, sessions: Sessions) -> None:
    ticket = await city.dispatched(urgency="urgent")
    assert (await city.casework.sweep()).climbed == 0
    city.clock.now = read(ticket.due_at or "") + 1
    first = await city.casework.sweep()
    assert first.climbed >= 1
    assert (await city.casework.sweep()).climbed == 0
    rows = await moves(sessions, "escalate")
    assert len(rows) == first.climbed
    assert rows[0].who == "system"
    assert rows[0].detail["tell"] in ("clerk", "head", "monitors", "leader")
    city.clock.now += 40 * 86400
    later = await city.casework.sweep()
    assert later.climbed >= 1
    assert (await city.casework.sweep()).climbed == 0
    whole = await city.casework.get(AGENT, ticket.id)
    assert whole.version == ticket.version  # a form made before stays good
    assert (await city.casework.history(AGENT, ticket.id)).verified
    async with sessions() as session:
        told = select(func.count()).where(OutboxRow.topic == "ticket.escalate")
        assert await session.scalar(told) == first.climbed + later.climbed


class Counting:
    """Makes sessions that write, and counts them."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions, self.count = sessions, 0

    def begin(self) -> Any:
        self.count += 1
        return self.sessions.begin()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_only_what_is_due_is_locked(
    city: Desk, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [await city.dispatched(urgency="urgent") for _ in range(3)]
    city.clock.now = read(late[0].due_at or "") + 1
    counting, naps = Counting(sessions), []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(0)

    monkeypatch.setattr("cti.tickets.sweep.asyncio.sleep", nap)
    rules = Rules(city.book, CALENDAR)

    async def sweep() -> int:
        counting.count = 0
        naps.clear()
        made = Sweep(read=sessions, write=cast(Sessions, counting), rules=rules, at=city.clock.now)
        swept = await made.run()
        assert naps == [BREATH] * counting.count  # between any two others may write
        return swept.climbed

    assert await sweep() >= 3
    assert counting.count == 3 + 2  # the marks of calendar and texts
    assert await sweep() == 0
    assert counting.count == 0  # though rungs are left


async def test_several_processes_climb_together_once(
    city: Desk, engine: AsyncEngine, sessions: Sessions
) -> None:
    for _ in range(3):
        await city.dispatched(urgency="urgent")
    city.clock.now += 90 * 86400
    others = [beside(city, engine, CALENDAR) for _ in range(3)]
    swept = await asyncio.gather(*(other.sweep() for other in others))
    rows = await moves(sessions, "escalate")
    assert sum(one.climbed for one in swept) == len(rows) > 0
    taken = [(row.ticket_id, row.detail["clock"], row.detail["rung"]) for row in rows]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_closed_tickets_are_left_alone(city: Desk, sessions: Sessions) -> None:
    closed = await city.closed()
    city.clock.now += 90 * 86400
    swept = await city.casework.sweep()
    assert (swept.climbed, swept.begun) == (0, 0)
    assert (await city.casework.get(AGENT, closed.id)).updated_at == closed.updated_at


async def test_a_holiday_told_later_moves_due_times_with_a_note(
    city: Desk, engine: AsyncEngine, sessions: Sessions
) -> None:
    ticket = await city.dispatched()
    before = await city.casework.get(AGENT, ticket.id)
    assert (await city.casework.sweep()).reckoned == 0
    work = beside(city, engine, holidays("2026-11-02", "2026-11-04"))
    swept = await work.sweep()
    after = await work.get(AGENT, ticket.id)
    assert (after.due_at or "") > (before.due_at or "")
    notes = await moves(sessions, "reckon")
    changed = [
        new.name
        for old, new in zip(before.clocks, after.clocks, strict=True)
        if old.due_at != new.due_at
    ]
    assert [note.detail["clock"] for note in notes] == changed
    assert swept.reckoned == len(changed) > 0
    assert notes[0].detail["to"] > notes[0].detail["from"]
    assert (await work.sweep()).reckoned == 0
    assert after.version == before.version
    assert (await work.history(AGENT, ticket.id)).verified
    async with sessions() as session:
        told = select(func.count()).where(OutboxRow.topic == "ticket.reckon")
        assert await session.scalar(told) == 0


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_sweep_that_died_begins_anew(
    city: Desk, engine: AsyncEngine, sessions: Sessions
) -> None:
    for _ in range(3):
        await city.dispatched()
    await city.casework.sweep()
    work = beside(city, engine, holidays("2026-11-03"))
    async with asyncio.timeout(20):
        dead = asyncio.create_task(work.sweep())
        await asyncio.sleep(0)
        dead.cancel()
        await asyncio.gather(dead, return_exceptions=True)
    await work.sweep()
    again = beside(city, engine, holidays("2026-11-03"))
    assert (await again.sweep()).reckoned == 0
    notes = await moves(sessions, "reckon")
    assert len({(row.ticket_id, row.detail["clock"]) for row in notes}) == len(notes) > 0


async def test_several_processes_reckon_once(
    city: Desk, engine: AsyncEngine, sessions: Sessions
) -> None:
    await city.dispatched()
    await city.casework.sweep()
    works = [beside(city, engine, holidays("2026-11-03")) for _ in range(3)]
    swept = await asyncio.gather(*(work.sweep() for work in works))
    assert sum(one.reckoned for one in swept) == len(await moves(sessions, "reckon")) > 0


async def test_open_tickets_of_before_get_their_clock(city: Desk, sessions: Sessions) -> None:
    ticket, closed = await city.open(), await city.closed()
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM ticket_clocks"))
        await session.execute(update(TicketRow).values(due_at=None, yellow_at=None))
    assert (await city.casework.sweep()).begun == 1
    assert (await city.casework.sweep()).begun == 0
    whole = await city.casework.get(AGENT, ticket.id)
    assert whole.due_at is not None
    assert [clock.name for clock in whole.clocks] == ["accept"]
    assert (await city.casework.get(AGENT, closed.id)).due_at is None
    async with sessions() as session:
        assert await session.get(MarkRow, "case-calendar") is not None
        assert await session.scalar(select(func.count()).select_from(ClockRow)) == 1


async def test_tickets_of_before_are_found_by_their_words_so_many_a_sweep(
    city: Desk, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.tickets.sweep.TEXTS", 2)
    old = [(await city.open(title="路灯不亮")).id for _ in range(2)]
    old += [(await city.closed()).id, (await city.open(title="路灯不亮")).id]
    async with sessions.begin() as session:
        await session.execute(delete(TextRow))
        wordless = update(TicketRow).where(TicketRow.id == old[1])
        await session.execute(wordless.values(title="", body=""))
    for known in ({old[0]}, {old[0], *old[2:]}, {old[0], *old[2:]}):
        await city.casework.sweep()
        async with sessions() as session:
            assert set(await session.scalars(select(TextRow.ref))) == known
    page = await city.casework.find(AGENT, TicketFilter(text="路灯"))
    assert {ticket.id for ticket in page.items} == {old[0], old[3]}
    async with sessions.begin() as session:
        mark = await session.get(MarkRow, "ticket-texts")
        assert mark is not None
        assert mark.value == {"after": old[-1], "done": True}
        await session.execute(delete(TextRow))
    await city.casework.sweep()  # once all are found, nobody looks again
    async with sessions() as session:
        assert (await session.scalars(select(TextRow.ref))).all() == []
