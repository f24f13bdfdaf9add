"""Probes of duty phones in the database. The caller owns the transaction.

A probe is `planned`, then `calling`, then `ended`; each step is one statement that looks at the
state before it, so whatever dies in between, nobody is ever rung twice for one row.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pydantic import Field
from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti.paging import Limit
from cti.rows import insert_into
from cti.units.probes import Planned, monday_of
from schemas.case_tables import ProbeRow
from schemas.errors import TooMany
from schemas.http import Asks
from schemas.probes import RESULT_LABELS, ProbeOut, ProbeResult, ProbeState, ReachOut
from schemas.tables import MarkRow
from schemas.times import Since, Until, iso, iso_or_none, midnight

MARK = "unit-probes"
LATE = 600.0
"""Seconds after its time at which a planned call is not made any more."""
AGAIN = 300.0
"""Seconds between two calls to the same unit, however they were asked for."""
LONGEST = 180.0
"""Seconds after which a call that nobody ended was cut off by a crash."""
REACH_DAYS = 30


class ProbeFilter(Asks):
    """Which probes of a unit."""

    result: ProbeResult | None = None
    since: Since | None = Field(default=None, description="Planned at this time or later")
    until: Until | None = Field(
        default=None, description="Planned before this time; that of the last one: the next page"
    )
    limit: Limit = 50


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a call."""

    result: ProbeResult
    rang: float | None = None
    """Seconds until the answer or the end."""
    cause: int | None = None


async def planned(
    session: AsyncSession,
    day: date,
    calls: Callable[[], Iterable[Planned]],
    phones: Mapping[str, str],
    *,
    per_week: int,
    at: float,
) -> int:
    """Write the plan of a day, once whoever asks; return how many calls were written.

    What is past by *at* is left out. However often the plan changes within a week, no unit gets
    more than *per_week* calls from it.

    Args:
        calls: asked only when this day is not planned yet.
        phones: by unit; who has none is left out.
        at: Unix seconds now.
    """
    mark = await _alone(session)
    if mark.value.get("planned", "") >= day.isoformat():
        return 0
    mark.value = {**mark.value, "planned": day.isoformat()}
    monday = monday_of(day)
    there = await session.execute(
        select(ProbeRow.unit, func.count())
        .where(
            ProbeRow.planned_at >= midnight(monday),
            ProbeRow.planned_at < midnight(monday + timedelta(days=7)),
            ProbeRow.asked_by.is_(None),
        )
        .group_by(ProbeRow.unit)
    )
    counts: dict[str, int] = {}
    counts.update(there.all())
    written = 0
    for call in calls():
        count = counts.get(call.unit, 0)
        if call.at <= at or count >= per_week or call.unit not in phones:
            continue
        counts[call.unit] = count + 1
        session.add(_row(call.unit, phones[call.unit], call.at, None))
        written += 1
    await session.flush()
    return written


async def ask(session: AsyncSession, unit: str, phone: str, *, who: str, at: float) -> ProbeOut:
    """Write a probe that somebody wants now.

    Raises:
        TooMany: the unit is being rung, or was a moment ago.
    """
    await _alone(session)
    last = await session.scalar(
        select(func.max(func.coalesce(ProbeRow.called_at, ProbeRow.planned_at))).where(
            ProbeRow.unit == unit,
            ProbeRow.planned_at <= at,
            func.coalesce(ProbeRow.called_at, ProbeRow.planned_at) > at - AGAIN,
        )
    )
    if last is not None:
        wait = max(1, round(last + AGAIN - at))
        raise TooMany(f"刚刚拨测过该单位，请 {wait} 秒后再试", retry_after=wait)
    row = _row(unit, phone, at, who[:64])
    session.add(row)
    await session.flush()
    return probe_out(row)


async def claim(session: AsyncSession, *, now: float, at_once: int) -> Sequence[ProbeRow]:
    """Take the calls that are due, oldest first, and mark them as being made.

    Never so many that more than *at_once* are being made; two claimers never take the same row.
    """
    await _alone(session)
    calling = select(func.count()).where(ProbeRow.state == ProbeState.CALLING)
    free = at_once - (await session.scalar(calling) or 0)
    if free <= 0:
        return ()
    due = (
        select(ProbeRow.id)
        .where(ProbeRow.state == ProbeState.PLANNED, ProbeRow.planned_at <= now)
        .order_by(ProbeRow.planned_at, ProbeRow.id)
        .limit(free)
        .with_for_update(skip_locked=True)
        # as a plain subquery PostgreSQL may run it once for each row, and then takes them all
        .cte("due")
    )
    taken = await session.scalars(
        update(ProbeRow)
        .where(ProbeRow.id.in_(select(due.c.id)), ProbeRow.state == ProbeState.PLANNED)
        .values(state=ProbeState.CALLING.value, called_at=now)
        .returning(ProbeRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return sorted(taken, key=lambda row: (row.planned_at, row.id))


async def end(session: AsyncSession, id: int, ended: Ended) -> bool:
    """Say what became of a call; False when that was said already."""
    found = await session.scalar(
        update(ProbeRow)
        .where(ProbeRow.id == id, ProbeRow.state == ProbeState.CALLING)
        .values(
            state=ProbeState.ENDED.value,
            result=ended.result.value,
            rang=ended.rang,
            cause=ended.cause,
        )
        .returning(ProbeRow.id)
        .execution_options(synchronize_session=False)
    )
    return found is not None


async def repair(session: AsyncSession, *, now: float, but: Collection[int] = ()) -> int:
    """End what a crash or a long pause left behind as `failed`; return how many.

    Args:
        but: calls that are known to go on.
    """
    cut_off = (ProbeRow.state == ProbeState.CALLING) & (ProbeRow.called_at < now - LONGEST)
    missed = (ProbeRow.state == ProbeState.PLANNED) & (ProbeRow.planned_at < now - LATE)
    found = await session.scalars(
        update(ProbeRow)
        .where(cut_off | missed, ProbeRow.id.not_in(but))
        .values(state=ProbeState.ENDED.value, result=ProbeResult.FAILED.value)
        .returning(ProbeRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(found.all())


async def next_due(session: AsyncSession) -> float | None:
    """Return when the next planned call is due, Unix seconds."""
    due: float | None = await session.scalar(
        select(func.min(ProbeRow.planned_at)).where(ProbeRow.state == ProbeState.PLANNED)
    )
    return due


async def find(session: AsyncSession, unit: str | None, asked: ProbeFilter) -> Sequence[ProbeRow]:
    """Return probes, newest first; plans of times to come are nobody's to know.

    Args:
        unit: whose; None: all units'.
    """
    known = (ProbeRow.state != ProbeState.PLANNED) | ProbeRow.asked_by.is_not(None)
    query = (
        select(ProbeRow)
        .where(known)
        .order_by(ProbeRow.planned_at.desc(), ProbeRow.id.desc())
        .limit(asked.limit)
    )
    if unit is not None:
        query = query.where(ProbeRow.unit == unit)
    if asked.result is not None:
        query = query.where(ProbeRow.result == asked.result.value)
    if asked.since is not None:
        query = query.where(ProbeRow.planned_at >= asked.since)
    if asked.until is not None:
        query = query.where(ProbeRow.planned_at < asked.until)
    return (await session.scalars(query)).all()


async def last(session: AsyncSession, units: Collection[str]) -> Mapping[str, ProbeRow]:
    """Return the last ended probe of each of these units that has one."""
    newest = (
        select(ProbeRow.unit, func.max(ProbeRow.planned_at).label("at"))
        .where(ProbeRow.unit.in_(units), ProbeRow.state == ProbeState.ENDED)
        .group_by(ProbeRow.unit)
        .subquery()
    )
    rows = await session.scalars(
        select(ProbeRow)
        .join(newest, (ProbeRow.unit == newest.c.unit) & (ProbeRow.planned_at == newest.c.at))
        .where(ProbeRow.state == ProbeState.ENDED)
        .order_by(ProbeRow.id)
    )
    return {row.unit: row for row in rows}


async def reach(
    session: AsyncSession, units: Collection[str], *, now: float
) -> Mapping[str, ReachOut]:
    """Return how often each of these units answered in the last 30 days."""
    answered = func.sum(case((ProbeRow.result == ProbeResult.ANSWERED, 1), else_=0))
    rows = await session.execute(
        select(ProbeRow.unit, answered, func.count())
        .where(
            ProbeRow.unit.in_(units),
            ProbeRow.state == ProbeState.ENDED,
            ProbeRow.result != ProbeResult.FAILED,
            ProbeRow.planned_at > now - REACH_DAYS * 86400,
        )
        .group_by(ProbeRow.unit)
    )
    found = {unit: _reach(int(good), all_) for unit, good, all_ in rows}
    return {unit: found.get(unit, _reach(0, 0)) for unit in units}


def probe_out(row: ProbeRow, *, phones: bool = True) -> ProbeOut:
    """Return a probe as JSON, without its number unless *phones*."""
    result = None if row.result is None else ProbeResult(row.result)
    return ProbeOut(
        id=row.id,
        unit=row.unit,
        phone=row.phone if phones else None,
        state=ProbeState(row.state),
        planned_at=iso(row.planned_at),
        asked_by=row.asked_by,
        called_at=iso_or_none(row.called_at),
        result=result,
        result_label=None if result is None else RESULT_LABELS[result],
        rang=row.rang,
        cause=row.cause,
    )


def _reach(answered: int, all_: int) -> ReachOut:
    share = round(answered / all_, 4) if all_ else None
    return ReachOut(days=REACH_DAYS, answered=answered, all=all_, share=share)


def _row(unit: str, phone: str, at: float, who: str | None) -> ProbeRow:
    return ProbeRow(
        unit=unit,
        phone=phone,
        planned_at=at,
        state=ProbeState.PLANNED.value,
        asked_by=who,
        called_at=None,
        result=None,
        rang=None,
        cause=None,
    )


async def _alone(session: AsyncSession) -> MarkRow:
    """Return our mark, and let no other transaction plan, ask or claim until this one ends.

    Counting before writing needs it on PostgreSQL; SQLite has one writer anyway.
    """
    await session.execute(
        insert_into(session, MarkRow).values(name=MARK, value={}).on_conflict_do_nothing()
    )
    found = await session.scalars(
        select(MarkRow)
        .where(MarkRow.name == MARK)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.one()
