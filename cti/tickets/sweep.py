"""What clocks do when nobody moves: they are reckoned by a new calendar, and climb the ladder.

Idempotent and safe in several processes: what is to be done is found without a lock, and found
again under the ticket's lock before anything is written. Closed tickets are left alone.
"""

import asyncio
import hashlib
import importlib.metadata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, exists, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti import fulltext
from cti.rows import insert_into
from cti.tickets import changing, clocks
from cti.tickets.case_rows import Rules, case_of, clock_of, clock_rows, keep
from cti.tickets.history import Deed
from cti.tickets.ladder import Climb, climbs
from schemas.case_tables import ClockRow, TextRow
from schemas.cases import Clock, ClockName
from schemas.errors import NotFound
from schemas.limits import ladder_of
from schemas.tables import MarkRow, TicketRow
from schemas.tickets import Swept
from schemas.times import iso, iso_or_none

Sessions = async_sessionmaker[AsyncSession]
Ids = Select[str]
MARK = "case-calendar"
PAGE = 100
"""Tickets looked at in one go."""
TEXTS_MARK = "ticket-texts"
"""How far the tickets of before there was full-text search are found by it."""
TEXTS = 200
"""Of them, how many a sweep looks at."""
BREATH = 0.02
"""Seconds between two of our transactions: SQLite's waiters do not stand in line, they look again
from time to time, and would never see it free."""
TELLS = {"clerk": "经办人", "head": "负责人", "monitors": "督办", "leader": "分管领导"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One sweep.

    Args:
        at: Unix seconds now.
    """

    read: Sessions
    write: Sessions
    rules: Rules
    at: float

    async def run(self) -> Swept:
        """Do all that is due; a crash on the way leaves the rest to the next sweep."""
        swept = Swept(
            reckoned=await self._reckon(),
            begun=await self._each(_idle, self._begin),
            climbed=await self._each(self._late, self._climb, needs=self._climbing),
        )
        await self._find_old()
        return swept

    async def _each(
        self,
        page: Callable[[str], Ids],
        do: Callable[[AsyncSession, TicketRow], Awaitable[int]],
        *,
        needs: Callable[[Sequence[str]], Awaitable[Sequence[str]]] | None = None,
    ) -> int:
        """Return how often *do* did something, each ticket in a transaction of its own.

        Args:
            page: query of the ids of some tickets after an id, in order.
            needs: those of them that are worth a lock; None: all.
        """
        done, last, more = 0, "", True
        while more:
            async with self.read() as session:
                ids = (await session.scalars(page(last))).all()
            for id in ids if needs is None else await needs(ids):
                done += await self._one(id, do)
            more = len(ids) == PAGE
            last = ids[-1] if ids else last
        return done

    async def _one(
        self,
        id: str,
        do: Callable[[AsyncSession, TicketRow], Awaitable[int]],
        *,
        closed: bool = False,
    ) -> int:
        done = 0
        async with self.write.begin() as session:
            try:
                row = await changing.locked(session, id)
            except NotFound:
                return 0
            if closed or row.closed_at is None:
                done = await do(session, row)
        await asyncio.sleep(BREATH)
        return done

    # ---- open tickets without a clock: drafts of before case work

    async def _begin(self, session: AsyncSession, row: TicketRow) -> int:
        rows = await clock_rows(session, row.id)
        case = case_of(row, self.rules.book)
        running = self.rules.follow(tuple(map(clock_of, rows)), None, case, None, self.at)
        first = clocks.pressing(running)
        if first is None:
            return 0
        keep(session, row.id, rows, running)
        _due(row, running)
        deed = Deed(move="reckon", why="补上时限", detail={"clock": first.name.value})
        await changing.noted(session, row, deed, at=self.at)
        return 1

    # ---- another calendar

    def fingerprint(self) -> str:
        """Return what a due time hangs on beside its clock, as one word."""
        known = importlib.metadata.version("chinesecalendar")
        book, calendar = self.rules.book, self.rules.calendar
        said = f"{known} {calendar.model_dump_json()} {book.limits.model_dump_json()}"
        return hashlib.sha256(said.encode()).hexdigest()

    async def _reckon(self) -> int:
        now = self.fingerprint()
        async with self.read() as session:
            mark = await session.get(MarkRow, MARK)
            if mark is not None and mark.value.get("sha256") == now:
                return 0
        moved = await self._each(_running, self._reckon_one, needs=self._moved)
        value = {"sha256": now, "at": self.at}
        await self._note(MARK, value)  # only now: after a crash all are looked at again
        return moved

    async def _note(self, mark: str, value: dict[str, Any]) -> None:
        async with self.write.begin() as session:
            await session.execute(
                insert_into(session, MarkRow)
                .values(name=mark, value=value)
                .on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )
        await asyncio.sleep(BREATH)

    async def _moved(self, ids: Sequence[str]) -> Sequence[str]:
        running = await self._clocks(ids)

        def moved() -> set[str]:
            return {id for id, clock in running if self._now(clock) != clock}

        return sorted(await asyncio.to_thread(moved))

    async def _clocks(self, ids: Sequence[str]) -> Sequence[tuple[str, Clock]]:
        """Return the running clocks of the tickets *ids*, each with whose it is."""
        async with self.read() as session:
            rows = await session.scalars(
                select(ClockRow).where(ClockRow.ticket_id.in_(ids), ClockRow.ended_at.is_(None))
            )
            return [(row.ticket_id, clock_of(row)) for row in rows]

    def _now(self, clock: Clock) -> Clock:
        return clocks.reckon(clock, self.rules.calendar, self.rules.book.limits)

    async def _reckon_one(self, session: AsyncSession, row: TicketRow) -> int:
        rows = await clock_rows(session, row.id)
        were = [clock_of(clock) for clock in rows]
        running = [self._now(clock) for clock in were]
        keep(session, row.id, rows, running)
        _due(row, running)
        moved = [
            (old, new) for old, new in zip(were, running, strict=True) if old.due_at != new.due_at
        ]
        for old, new in moved:
            detail = {
                "clock": new.name.value,
                "from": iso_or_none(old.due_at),
                "to": iso_or_none(new.due_at),
            }
            why = f"日历或时限有变，{new.name.label}时限重算"
            deed = Deed(move="reckon", why=why, detail=detail)
            await changing.noted(session, row, deed, at=self.at)
        return len(moved)

    # ---- the ladder

    def _late(self, after: str) -> Ids:
        """Return tickets with a clock past yellow whose ladder has rungs left."""
        limits = self.rules.book.limits
        left = [
            and_(ClockRow.name == name.value, ClockRow.rung < len(rungs))
            for name in ClockName
            if (rungs := ladder_of(limits, name))
        ]
        return (
            select(ClockRow.ticket_id)
            .where(
                ClockRow.ended_at.is_(None),
                ClockRow.due_at.is_not(None),
                or_(ClockRow.due_at <= self.at, ClockRow.yellow_at <= self.at),
                or_(false(), *left),
                ClockRow.ticket_id > after,
            )
            .distinct()
            .order_by(ClockRow.ticket_id)
            .limit(PAGE)
        )

    async def _climbing(self, ids: Sequence[str]) -> Sequence[str]:
        running = await self._clocks(ids)
        limits, calendar = self.rules.book.limits, self.rules.calendar

        def climbing() -> set[str]:
            return {id for id, clock in running if any(climbs((clock,), limits, calendar, self.at))}

        return sorted(await asyncio.to_thread(climbing))

    async def _climb(self, session: AsyncSession, row: TicketRow) -> int:
        rows = await clock_rows(session, row.id)
        taken = 0
        for clock_row in rows:
            found = climbs(
                (clock_of(clock_row),), self.rules.book.limits, self.rules.calendar, self.at
            )
            for climb in found:
                clock_row.rung = climb.clock.rung
                await changing.noted(session, row, _deed(climb), at=self.at)
                taken += 1
        return taken

    # ---- tickets of before full-text search

    async def _find_old(self) -> None:
        """Let some tickets be found that have words and no row of them; once all are, none."""
        async with self.read() as session:
            mark = await session.get(MarkRow, TEXTS_MARK)
            if mark is not None and mark.value["done"]:
                return
            after = str(mark.value["after"]) if mark is not None else ""
            known = exists().where(TextRow.kind == "ticket", TextRow.ref == TicketRow.id)
            rows = await session.scalars(
                select(TicketRow)
                .where(TicketRow.id > after, ~known)
                .order_by(TicketRow.id)
                .limit(TEXTS)
            )
            found = [(row.id, bool(changing.text_of(row))) for row in rows]
        for id, worded in found:
            if worded:
                await self._one(id, _put_text, closed=True)
        after = found[-1][0] if found else after
        await self._note(TEXTS_MARK, {"after": after, "done": len(found) < TEXTS})


async def _put_text(session: AsyncSession, row: TicketRow) -> int:
    await fulltext.put(session, "ticket", row.id, changing.text_of(row), at=row.created_at)
    return 1


def _deed(climb: Climb) -> Deed:
    clock = climb.clock
    return Deed(
        move="escalate",
        why=f"{clock.name.label}时限：提醒{TELLS[climb.tell]}",
        detail={
            "clock": clock.name.value,
            "tell": climb.tell,
            "rung": clock.rung,
            "unit": clock.unit,
            "since": iso(climb.at),
            "due_at": iso_or_none(clock.due_at),
            "source": climb.source,
        },
    )


def _due(row: TicketRow, running: Sequence[Clock]) -> None:
    first = clocks.pressing(tuple(running))
    row.due_at = first.due_at if first else None
    row.yellow_at = first.yellow_at if first else None


def _idle(after: str) -> Ids:
    return (
        select(TicketRow.id)
        .where(TicketRow.closed_at.is_(None), TicketRow.due_at.is_(None), TicketRow.id > after)
        .order_by(TicketRow.id)
        .limit(PAGE)
    )


def _running(after: str) -> Ids:
    return (
        select(ClockRow.ticket_id)
        .where(ClockRow.ended_at.is_(None), ClockRow.ticket_id > after)
        .distinct()
        .order_by(ClockRow.ticket_id)
        .limit(PAGE)
    )
