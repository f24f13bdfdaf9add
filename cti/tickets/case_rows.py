"""Rows of tickets and clocks as the values that life and clocks reckon with, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.tickets import clocks, lifecycle
from schemas.calendar import Calendar
from schemas.case_moves import Answer, CaseMove, Finish, Told
from schemas.case_tables import ClockRow
from schemas.casebook import Casebook
from schemas.cases import (
    Case,
    Clock,
    ClockName,
    Pause,
    Resolution,
    TicketState,
    Urgency,
    Waiting,
)
from schemas.identity import Who
from schemas.tables import TicketRow


@dataclass(frozen=True, slots=True)
class Rules:
    """What the city has laid down, as it is while one thing is done."""

    book: Casebook
    calendar: Calendar

    def step(self, case: Case, move: CaseMove, at: float) -> Case:
        """Return *case* after *move* (`lifecycle.step`)."""
        limits = self.book.limits
        return lifecycle.step(
            case,
            move,
            at=at,
            most_returns=limits.most_returns,
            most_extensions=limits.most_extensions,
        )

    def allowed(self, case: Case, who: Who, above: frozenset[str]) -> tuple[str, ...]:
        """Return the moves that *who* may make (`lifecycle.allowed`)."""
        limits = self.book.limits
        return lifecycle.allowed(
            case,
            who,
            above=above,
            most_returns=limits.most_returns,
            most_extensions=limits.most_extensions,
        )

    def follow(
        self,
        running: tuple[Clock, ...],
        before: Case | None,
        after: Case,
        move: CaseMove | None,
        at: float,
    ) -> tuple[Clock, ...]:
        """Return the clocks after a step (`clocks.follow`)."""
        return clocks.follow(
            running,
            before,
            after,
            move,
            at=at,
            limits=self.book.limits,
            units=self.book.units,
            calendar=self.calendar,
        )


def case_of(row: TicketRow, book: Casebook) -> Case:
    """Return the ticket *row* as its life knows it, but for `complained_of`."""
    return Case(
        id=row.id,
        state=TicketState(row.state),
        kind=row.kind,
        urgency=Urgency(row.urgency),
        unit=row.unit,
        assisting=tuple(row.assisting),
        waiting=Waiting(row.waiting) if row.waiting else None,
        asked_until=row.asked_until,
        with_coordinator=row.with_coordinator,
        returns=row.returns,
        extensions=row.extensions,
        reworks=row.reworks,
        supervised=row.supervised,
        urged=row.urged,
        scope=row.scope,
        merged_into=row.merged_into,
        resolution=Resolution(row.resolution) if row.resolution else None,
        told_at=row.told_at,
        solved=row.solved,
        satisfied=row.satisfied,
        complete=bool(row.kind and row.title.strip() and row.body.strip()),
    )


def conduct(row: TicketRow, book: Casebook) -> bool:
    """Return whether the citizen complains of a unit's conduct (作风效能)."""
    category = book.catalogue.category(row.category) if row.category else None
    return category is not None and category.conduct


def named(row: TicketRow, book: Casebook) -> str | None:
    """Return the unit whose name stands first in the text of *row*."""
    said = row.title + "\n" + row.body
    found = [
        (said.find(short), code)
        for code, unit in book.units.units.items()
        if (short := unit.name.removeprefix("宝鸡").removeprefix("市")) and short in said
    ]
    return min(found)[1] if found else None


def columns(
    row: TicketRow, after: Case, running: Sequence[Clock], move: CaseMove | None, at: float
) -> dict[str, Any]:
    """Return the columns of *row* that follow from its life: *after* and its clocks *running*.

    Args:
        move: what led there; None for an edit and for what the service does by itself.
        at: Unix seconds.
    """
    next_due = None if after.state.closed else clocks.pressing(tuple(running))
    values: dict[str, Any] = {
        "state": after.state.value,
        "kind": after.kind,
        "urgency": after.urgency.value,
        "unit": after.unit,
        "assisting": list(after.assisting),
        "waiting": after.waiting.value if after.waiting else None,
        "asked_until": after.asked_until,
        "with_coordinator": after.with_coordinator,
        "returns": after.returns,
        "extensions": after.extensions,
        "reworks": after.reworks,
        "supervised": after.supervised,
        "urged": after.urged,
        "scope": after.scope,
        "merged_into": after.merged_into,
        "resolution": after.resolution.value if after.resolution else None,
        "told_at": after.told_at,
        "solved": after.solved,
        "satisfied": after.satisfied,
        "owner": lifecycle.owner_of(after),
        "due_at": next_due.due_at if next_due else None,
        "yellow_at": next_due.yellow_at if next_due else None,
    }
    if move is not None:
        values |= _said(move) | _dates(row, after, lifecycle.name_of(type(move)), at)
    return values


def _said(move: CaseMove) -> dict[str, Any]:
    match move:
        case Answer(text=text):
            return {"reply": text}
        case Finish(told=told):
            told_call = {"told_call": move.call_id} if told else {}
            return {"reply": move.text, "policy": move.policy, **told_call}
        case Told():
            return {"told_call": move.call_id}
        case _:
            return {}


DATES: Mapping[str, Mapping[str, bool]] = {
    "accept": {"accepted_at": True},
    "answer": {"done_at": True},
    "dispatch": {"dispatched_at": True, "signed_at": False, "done_at": False},
    "sign": {"signed_at": True},
    "finish": {"done_at": True},
    "send_back": {"done_at": False},
    "rework": {"dispatched_at": True, "signed_at": False, "done_at": False},
}
"""Dates that a move sets (true) or clears (false); of several times the last one stands."""
BACK = {"dispatched_at": None, "signed_at": None, "done_at": None}
"""Accepted again: it is nobody's, and the unit it was with sees it no longer (`sight`)."""


def _dates(row: TicketRow, after: Case, do: str, at: float) -> dict[str, float | None]:
    dates: dict[str, float | None] = {
        name: at if set_ else None for name, set_ in DATES.get(do, {}).items()
    }
    if do == "answer" and row.accepted_at is None:
        dates["accepted_at"] = at
    if after.state is TicketState.ACCEPTED:
        dates |= BACK if do != "accept" else {}
    if after.state.closed:
        dates["closed_at"] = at
    return dates


# ---- clocks


def clock_of(row: ClockRow) -> Clock:
    """Return the clock *row* as a value."""
    return Clock(
        name=ClockName(row.name),
        begun_at=row.begun_at,
        amount=row.amount,
        measure=row.measure,
        hours=row.hours,
        extra=row.extra,
        fixed_due=row.fixed_due,
        pauses=tuple(Pause(at=p["at"], until=p["until"], why=p["why"]) for p in row.pauses),
        ended_at=row.ended_at,
        met=row.met,
        due_at=row.due_at,
        yellow_at=row.yellow_at,
        rung=row.rung,
        unit=row.unit,
        basis=row.basis,
    )


def clock_columns(clock: Clock) -> dict[str, Any]:
    """Return *clock* as columns of its row."""
    return {
        "name": clock.name.value,
        "unit": clock.unit,
        "begun_at": clock.begun_at,
        "amount": clock.amount,
        "measure": clock.measure,
        "hours": clock.hours,
        "extra": clock.extra,
        "fixed_due": clock.fixed_due,
        "pauses": [{"at": p.at, "until": p.until, "why": p.why} for p in clock.pauses],
        "ended_at": clock.ended_at,
        "met": clock.met,
        "yellow_at": clock.yellow_at,
        "due_at": clock.due_at,
        "rung": clock.rung,
        "basis": clock.basis,
    }


async def clock_rows(session: AsyncSession, ticket: str) -> list[ClockRow]:
    """Return the clocks of *ticket* in the order they began to be."""
    return list(
        await session.scalars(
            select(ClockRow).where(ClockRow.ticket_id == ticket).order_by(ClockRow.id)
        )
    )


def keep(
    session: AsyncSession, ticket: str, rows: Sequence[ClockRow], now: Sequence[Clock]
) -> None:
    """Write *now*, the clocks of *ticket*, over *rows*; new ones stand at the end."""
    for row, clock in zip(rows, now, strict=False):
        for name, value in clock_columns(clock).items():
            if getattr(row, name) != value:
                setattr(row, name, value)
    for clock in now[len(rows) :]:
        session.add(ClockRow(ticket_id=ticket, **clock_columns(clock)))
