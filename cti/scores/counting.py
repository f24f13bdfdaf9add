"""What happened to the units' tickets in a month, from history and clocks: nothing is kept for it.

Whose it was at that time says the last dispatch before it, not the ticket as it is now: a matter
that went on to another unit does not take the first one's month along.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from cti.scores.formula import Counts, rating
from schemas.case_tables import ClockRow, HistoryRow
from schemas.cases import ClockName
from schemas.times import midnight

TOLD = ("dispatch", "return", "finish", "close", "rework")
"""Moves that a month is reckoned from."""
AT_A_TIME = 500
"""Moves counted before anybody else has a turn: a month has tens of thousands."""


def span(month: str) -> tuple[float, float]:
    """Return begin and end of *month*, `2026-10`, in Unix seconds; the end is not included."""
    year, number = int(month[:4]), int(month[5:])
    following = date(year + number // 12, number % 12 + 1, 1)
    return midnight(date(year, number, 1)), midnight(following)


async def count(session: AsyncSession, month: str, *, now: float) -> Mapping[str, Counts]:
    """Return the counts of each unit that had anything in *month*.

    Args:
        now: Unix seconds; what is due later has not been missed yet.
    """
    begin, end = span(month)
    moves = await _moves(session, begin, end)
    clocks = await _clocks(session, begin, end, now)
    return {
        unit: replace(moves.get(unit, Counts()), **clocks.get(unit, {}))
        for unit in sorted(moves.keys() | clocks.keys())
    }


async def _moves(session: AsyncSession, begin: float, end: float) -> dict[str, Counts]:
    earlier = aliased(HistoryRow)
    to = (
        select(earlier.detail)
        .where(
            earlier.ticket_id == HistoryRow.ticket_id,
            earlier.seq < HistoryRow.seq,
            earlier.move == "dispatch",
        )
        .order_by(earlier.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = await session.stream(
        select(HistoryRow.ticket_id, HistoryRow.move, HistoryRow.detail, to)
        .where(HistoryRow.move.in_(TOLD), HistoryRow.at >= begin, HistoryRow.at < end)
        .order_by(HistoryRow.at, HistoryRow.id)
    )
    tickets: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ratings: dict[str, list[bool]] = defaultdict(list)
    unreached: dict[str, int] = defaultdict(int)
    async for part in rows.partitions(AT_A_TIME):
        for ticket, move, detail, sent in part:
            unit = (detail if move == "dispatch" else sent or {}).get("unit")
            if not isinstance(unit, str):
                continue  # answered or refused by the hotline: nobody's
            tickets[unit][move].add(ticket)
            if move in ("close", "rework"):
                said = rating(detail.get("solved"), detail.get("satisfied"))
                if said is not None and detail.get("reached", True):
                    ratings[unit].append(said)
                elif move == "close" and not detail.get("reached", False):
                    unreached[unit] += 1
        await asyncio.sleep(0)  # calls in progress come first
    return {
        unit: Counts(
            dispatched=len(by["dispatch"]),
            returned=len(by["return"]),
            finished=len(by["finish"]),
            reworked=len(by["rework"]),
            rated=len(ratings[unit]),
            satisfied=sum(ratings[unit]),
            unreached=unreached[unit],
        )
        for unit, by in tickets.items()
    }


async def _clocks(
    session: AsyncSession, begin: float, end: float, now: float
) -> dict[str, dict[str, int]]:
    """Count the clocks due in the month: ended ones by how they ended, overdue ones as missed."""
    decided = or_(
        ClockRow.met.is_not(None), and_(ClockRow.ended_at.is_(None), ClockRow.due_at < now)
    )
    rows = await session.execute(
        select(
            ClockRow.unit,
            ClockRow.name,
            func.count(),
            func.sum(case((ClockRow.met.is_(True), 1), else_=0)),
        )
        .where(
            ClockRow.name.in_([ClockName.SIGN.value, ClockName.CLOSE.value]),
            ClockRow.unit.is_not(None),
            ClockRow.due_at >= begin,
            ClockRow.due_at < end,
            decided,
        )
        .group_by(ClockRow.unit, ClockRow.name)
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for unit, name, due, met in rows:
        found[unit or ""] |= {f"{name}s_due": int(due), f"{name}s_met": int(met or 0)}
    return found
