"""The ledger's reader: calls with their timelines, and the service level counted from them."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import Field
from sqlalchemy import ColumnElement, FunctionElement, Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import Integer

from cti.calls.journal import row_of
from cti.paging import Cursor, Key, Limit, Page, cursor_of, key_of, older_than
from schemas.calls import Call, CallOut, Outcome, TimelineEntry
from schemas.http import Asks
from schemas.numbers import PROBE_CALLER
from schemas.reports import HourLevel, Level, NumberLevel, Rolling, ServiceLevel
from schemas.tables import CallRow, TimelineRow
from schemas.times import Since, Until, iso, iso_or_none

L = TypeVar("L", bound=Level)

DAY = 86400.0
ABANDONED = (Outcome.ABANDONED_IN_FLOW, Outcome.ABANDONED_IN_QUEUE)
SERVED_BY_NOTICE = (Outcome.SELF_SERVICE, Outcome.OUT_OF_SCOPE)
"""Outcomes of callers who wanted no person, or heard where to find one."""


class Live(Protocol):
    """Calls as they are in memory: newer than the ledger by as much as it takes to commit."""

    def get(self, call: str, /) -> Call | None:
        """Return the call, running or just ended."""
        ...

    def all(self) -> Iterable[Call]:
        """Return the running calls."""
        ...


class CallFilter(Asks):
    """Which calls."""

    since: Since | None = Field(default=None, description="Began at this time or later")
    until: Until | None = Field(default=None, description="Began before this time")
    number: str | None = Field(default=None, max_length=32)
    caller: str | None = Field(default=None, max_length=64)
    outcome: Outcome | None = None
    agent: str | None = Field(default=None, max_length=32)
    limit: Limit = 50
    cursor: Cursor | None = None


async def get(session: AsyncSession, id: str, *, live: Live, node: str) -> CallOut | None:
    """Return the call *id* with its timeline, or None."""
    running = live.get(id)
    row = _row(running, node) if running else await session.get(CallRow, id)
    if row is None:
        return None
    happened = await session.scalars(
        select(TimelineRow)
        .where(TimelineRow.call_id == id)
        .order_by(TimelineRow.at, TimelineRow.id)
    )
    out = call_out(row)
    out.timeline = [TimelineEntry(at=iso(t.at), kind=t.kind, detail=t.detail) for t in happened]
    return out


async def find(session: AsyncSession, asked: CallFilter, *, live: Live, node: str) -> Page[CallOut]:
    """Return the calls that *asked* describes, newest first, without timelines.

    Raises:
        Invalid: the cursor is not ours.
    """
    after = key_of(asked.cursor) if asked.cursor else None
    query = _filtered(asked)
    if after:
        query = query.where(older_than(after, CallRow.started_at, CallRow.id))
    found: Sequence[CallRow] = (await session.scalars(query.limit(asked.limit + 1))).all()
    more, rows = len(found) > asked.limit, found[: asked.limit]
    last = _key(rows[-1]) if more else None
    running = {call.id: _row(call, node) for call in live.all()}
    merged = [row for row in rows if row.id not in running]
    merged += (
        row
        for row in running.values()
        if _fits(row, asked)
        and (not after or _key(row) < after)
        and (not last or _key(row) >= last)
    )
    merged.sort(key=_key, reverse=True)
    if len(merged) > asked.limit:
        merged = merged[: asked.limit]
        last = _key(merged[-1])
    return Page([call_out(row) for row in merged], cursor_of(last) if last else None)


async def earlier_calls(
    session: AsyncSession, caller: str, *, before: float, limit: int
) -> Sequence[CallOut]:
    """Return the newest *limit* calls of *caller* that began before Unix seconds *before*."""
    rows = await session.scalars(
        select(CallRow)
        .where(CallRow.caller == caller, CallRow.started_at < before)
        .order_by(CallRow.started_at.desc(), CallRow.id.desc())
        .limit(limit)
    )
    return [call_out(row) for row in rows]


def call_out(row: CallRow) -> CallOut:
    """Return *row* as JSON people and machines read; the timeline stays empty."""
    return CallOut(
        id=row.id,
        node=row.node,
        number=row.number,
        line_no=row.line_no,
        hotline=row.hotline,
        integration=row.integration,
        attribution=row.attribution,
        did=row.did,
        caller=row.caller,
        state=row.state,
        started_at=iso(row.started_at),
        answered_at=iso_or_none(row.answered_at),
        ended_at=iso_or_none(row.ended_at),
        sla_seconds=row.sla_seconds,
        outcome=Outcome(row.outcome) if row.outcome else None,
        route=row.route,
        queue=row.queue,
        agent=row.agent,
        ticket_id=row.ticket_id,
        transcript=row.transcript,
        intent=row.intent,
        confidence=row.confidence,
        recording=row.recording,
    )


def _row(call: Call, node: str) -> CallRow:
    return CallRow(**row_of(call, node=node))


def _key(row: CallRow) -> Key:
    return row.started_at, row.id


def _filtered(asked: CallFilter) -> Select[Any]:
    query = select(CallRow).order_by(CallRow.started_at.desc(), CallRow.id.desc())
    if asked.since is not None:
        query = query.where(CallRow.started_at >= asked.since)
    if asked.until is not None:
        query = query.where(CallRow.started_at < asked.until)
    for column, wanted in _exact(asked).items():
        query = query.where(getattr(CallRow, column) == wanted)
    return query


def _fits(row: CallRow, asked: CallFilter) -> bool:
    return (
        (asked.since is None or row.started_at >= asked.since)
        and (asked.until is None or row.started_at < asked.until)
        and all(getattr(row, column) == wanted for column, wanted in _exact(asked).items())
    )


def _exact(asked: CallFilter) -> dict[str, str]:
    columns = {
        "number": asked.number,
        "caller": asked.caller,
        "outcome": asked.outcome,
        "agent": asked.agent,
    }
    return {column: str(wanted) for column, wanted in columns.items() if wanted is not None}


class _HourOf(FunctionElement[int]):
    """Hours from the epoch to a column of Unix seconds; whole hours are the same in Shanghai."""

    type = Integer()
    inherit_cache = True
    name = "hour_of"


@compiles(_HourOf)
def _floored(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST(FLOOR({compiler.process(element.clauses, **kw)} / 3600.0) AS INTEGER)"


@compiles(_HourOf, "sqlite")
def _cut(element: Any, compiler: Any, **kw: Any) -> str:
    # SQLite's CAST cuts and PostgreSQL's rounds; not every SQLite has FLOOR
    return f"CAST({compiler.process(element.clauses, **kw)} / 3600.0 AS INTEGER)"


async def service_level(
    session: AsyncSession, *, since: float, until: float, now: float, limit: float
) -> ServiceLevel:
    """Count the calls that began in [*since*, *until*); all in Unix seconds.

    Args:
        limit: seconds from INVITE to a human's answer that count as in time.
    """
    counts = _counts(now=now, limit=limit)

    def within(start: float, end: float) -> ColumnElement[bool]:
        return and_(
            CallRow.started_at >= start,
            CallRow.started_at < end,
            # test calls are no citizens'; a caller who hides the number is one
            or_(CallRow.caller.is_(None), CallRow.caller.not_like(f"{PROBE_CALLER}%")),
        )

    hour = _HourOf(CallRow.started_at)
    numbers = await session.execute(
        select(CallRow.number, func.max(CallRow.hotline).label("hotline"), *counts)
        .where(within(since, until))
        .group_by(CallRow.number)
        .order_by(CallRow.number)
    )
    hours = await session.execute(
        select(hour.label("hour"), *counts)
        .where(within(since, until))
        .group_by(hour)
        .order_by(hour)
    )
    total = (await session.execute(select(*counts).where(within(since, until)))).one()
    end = min(until, now)
    rolling = (await session.execute(select(*counts).where(within(end - DAY, end)))).one()
    return ServiceLevel(
        **{"from": iso(since), "to": iso(until)},
        limit_seconds=limit,
        total=_level(Level, total),
        rolling_24h=_level(Rolling, rolling, since=iso(end - DAY), until=iso(end)),
        by_number=[_level(NumberLevel, r, number=r.number, hotline=r.hotline) for r in numbers],
        by_hour=[_level(HourLevel, r, hour=iso(r.hour * 3600.0)) for r in hours],
    )


def _counts(*, now: float, limit: float) -> list[ColumnElement[Any]]:
    answered = CallRow.answered_at.is_not(None)
    decided = or_(answered, CallRow.outcome.is_not(None), CallRow.started_at <= now - limit)
    noticed = and_(CallRow.answered_at.is_(None), CallRow.outcome.in_(SERVED_BY_NOTICE))
    wanted = or_(
        CallRow.outcome.is_(None), ~noticed
    )  # NULL would make NOT IN neither true nor false

    def count(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0).label(name)

    return [
        func.count().label("calls"),
        count(and_(decided, wanted), "offered"),
        count(answered, "answered"),
        count(and_(answered, CallRow.sla_seconds <= limit), "in_time"),
        count(CallRow.outcome.in_(ABANDONED), "abandoned"),
        count(CallRow.outcome == Outcome.FAILED, "failed"),
        func.avg(CallRow.sla_seconds).label("mean_answer_seconds"),
    ]


def _level(model: type[L], row: Any, **more: object) -> L:
    mean = row.mean_answer_seconds
    return model(
        calls=row.calls,
        offered=row.offered,
        answered=row.answered,
        in_time=row.in_time,
        abandoned=row.abandoned,
        failed=row.failed,
        rate=_share(row.in_time, row.offered),
        answer_rate=_share(row.answered, row.offered),
        mean_answer_seconds=None if mean is None else round(mean, 3),
        **more,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
