"""Alarms in the database: read, decided, counted. The caller owns the transaction."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti.hooks import outbox
from cti.tickets.clusters import Known
from schemas.alarms import (
    KIND_LABELS,
    STATE_LABELS,
    AlarmFigures,
    AlarmFilter,
    AlarmOut,
    DecisionIn,
    FiguresAsked,
    Spread,
    TopicFigures,
)
from schemas.case_tables import AlarmRow
from schemas.casebook import Casebook
from schemas.errors import Conflict, NotFound
from schemas.risks import LEVEL_LABELS, Level
from schemas.times import iso, iso_or_none

State = Literal["open", "confirmed", "dismissed"]


@dataclass(frozen=True, slots=True)
class _Counted:
    topic: str
    state: str
    saved_at: float
    raised_at: float
    decided_at: float | None


async def find(session: AsyncSession, asked: AlarmFilter, book: Casebook) -> Sequence[AlarmOut]:
    """Return the alarms that *asked* describes, newest first."""
    query = select(AlarmRow).order_by(AlarmRow.id.desc()).limit(asked.limit)
    for column, wanted in (
        (AlarmRow.state, asked.state),
        (AlarmRow.topic, asked.topic),
        (AlarmRow.county, asked.county),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if asked.before is not None:
        query = query.where(AlarmRow.id < asked.before)
    return [alarm_out(row, book) for row in await session.scalars(query)]


async def decide(
    session: AsyncSession, id: int, asked: DecisionIn, book: Casebook, *, who: str, at: float
) -> AlarmOut:
    """Confirm or dismiss the alarm *id*, once.

    Args:
        who: as `user:chen`.
        at: Unix seconds.

    Raises:
        NotFound: there is no such alarm.
        Conflict: somebody decided already.
    """
    state = "confirmed" if asked.confirm else "dismissed"
    row = await session.scalar(
        update(AlarmRow)
        .where(AlarmRow.id == id, AlarmRow.state == "open")
        .values(state=state, decided_by=who[:64], decided_at=at, why=asked.why)
        .returning(AlarmRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if row is None:
        there = await session.get(AlarmRow, id)
        if there is None:
            raise NotFound("there is no such alarm")
        raise Conflict("somebody decided already", state=there.state, decided_by=there.decided_by)
    alarm = alarm_out(row, book)
    await outbox.put(
        session,
        topic=f"alarm.{state}",
        ref=f"alarm:{id}",
        seq=len(alarm.tickets) + 1,  # after its raising and growing, which are counted by tickets
        body=alarm.model_dump(mode="json"),
        at=at,
    )
    return alarm


async def figures(session: AsyncSession, asked: FiguresAsked, book: Casebook) -> AlarmFigures:
    """Return how many alarms were raised, what became of them, and how long that took."""
    query = select(
        AlarmRow.topic,
        AlarmRow.state,
        AlarmRow.first_at.label("saved_at"),
        AlarmRow.raised_at,
        AlarmRow.decided_at,
    )
    if asked.since is not None:
        query = query.where(AlarmRow.raised_at >= asked.since)
    if asked.until is not None:
        query = query.where(AlarmRow.raised_at < asked.until)
    counted = [_Counted(**row._mapping) for row in await session.execute(query)]
    topics: defaultdict[str, list[_Counted]] = defaultdict(list)
    for one in counted:
        topics[one.topic].append(one)
    return AlarmFigures(
        all=_topic("", "全部", counted),
        topics=[
            _topic(code, book.risks.label(code), of_topic)
            for code, of_topic in sorted(topics.items(), key=lambda item: (-len(item[1]), item[0]))
        ],
        to_raising=_spread(one.raised_at - one.saved_at for one in counted),
        to_decision=_spread(
            one.decided_at - one.raised_at for one in counted if one.decided_at is not None
        ),
    )


def _topic(code: str, label: str, counted: Sequence[_Counted]) -> TopicFigures:
    states = [one.state for one in counted]
    confirmed, dismissed = states.count("confirmed"), states.count("dismissed")
    decided = confirmed + dismissed
    return TopicFigures(
        topic=code,
        topic_label=label,
        raised=len(counted),
        open=states.count("open"),
        confirmed=confirmed,
        dismissed=dismissed,
        false_rate=round(dismissed / decided, 4) if decided else None,
    )


def _spread(seconds: Iterable[float]) -> Spread:
    ordered = sorted(max(0.0, one) for one in seconds)
    if not ordered:
        return Spread(p50=None, p99=None)
    p50, p99 = (ordered[math.ceil(part * len(ordered)) - 1] for part in (0.5, 0.99))
    return Spread(p50=round(p50, 3), p99=round(p99, 3))


def known(row: AlarmRow) -> Known:
    """Return *row* as the pure core reads it."""
    return Known(
        id=row.id,
        topic=row.topic,
        county=row.county,
        town=row.town,
        tickets=tuple(row.tickets),
        state=cast("State", row.state),
        decided_at=row.decided_at,
    )


def alarm_out(row: AlarmRow, book: Casebook) -> AlarmOut:
    """Return *row* as JSON people and machines read."""
    county = book.gazetteer.counties.get(row.county) if row.county else None
    topic = book.risks.topics.get(row.topic)
    return AlarmOut(
        id=row.id,
        kind=cast("Literal['word', 'cluster']", row.kind),
        kind_label=KIND_LABELS[row.kind],
        topic=row.topic,
        topic_label=book.risks.label(row.topic),
        level=cast("Level", row.level),
        level_label=LEVEL_LABELS[row.level],
        county=row.county,
        county_label=county.name if county else row.county,
        town=row.town,
        hand_to=topic.hand_to if topic else "",
        tickets=list(row.tickets),
        words=list(row.words),
        saved_at=iso(row.first_at),
        raised_at=iso(row.raised_at),
        state=cast("State", row.state),
        state_label=STATE_LABELS[row.state],
        decided_by=row.decided_by,
        decided_at=iso_or_none(row.decided_at),
        why=row.why or "",
    )
