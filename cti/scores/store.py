"""Monthly scores: reckoned from the tickets while a month is open, frozen once it is closed.

The caller owns the transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti import audit
from cti.rows import insert_into
from cti.scores import formula
from cti.scores.counting import count, span
from cti.scores.formula import LABELS, Counts
from schemas.case_tables import ScoreRow
from schemas.casebook import Casebook
from schemas.errors import Conflict
from schemas.identity import Who
from schemas.scores import DifferenceOut, FigureOut, MonthOut, RecomputedOut, UnitScoreOut
from schemas.times import iso


async def month(session: AsyncSession, month: str, book: Casebook, *, now: float) -> MonthOut:
    """Return what *month* says of the units: as it was closed, or as it is just now.

    Args:
        now: Unix seconds.
    """
    found = await closed(session, month)
    return found or scored(month, await count(session, month, now=now), book, at=now)


async def closed(session: AsyncSession, month: str) -> MonthOut | None:
    """Return *month* as it was closed; None: it is open."""
    rows = await _closed(session, month)
    return _frozen(month, rows) if rows else None


async def closable(session: AsyncSession, month: str, *, now: float) -> None:
    """Let pass a *month* that may be closed.

    Raises:
        Conflict: it is not over, or is closed already.
    """
    if now < span(month)[1]:
        raise Conflict("本月还没有结束，不能关账", month=month)
    if await _closed(session, month):
        raise Conflict("本月已经关账，不能再改", month=month)


async def close(
    session: AsyncSession,
    who: Who,
    month: str,
    book: Casebook,
    *,
    now: float,
    counts: Mapping[str, Counts] | None = None,
) -> MonthOut:
    """Freeze *month*: neither later changes of tickets nor another formula change it again.

    Args:
        now: Unix seconds at which it was counted.
        counts: counted before, so that nobody who writes waits for it; None counts here.

    Raises:
        Conflict: it is not over, is closed already, or has nothing to close.
    """
    await closable(session, month, now=now)
    if counts is None:
        counts = await count(session, month, now=now)
    found = scored(month, counts, book, at=now)
    if not found.units:
        raise Conflict("本月没有任何工单数据，无需关账", month=month)
    written = await session.scalars(
        insert_into(session, ScoreRow)
        .values(
            [
                {
                    "month": month,
                    "unit": one.unit,
                    "formula": found.formula,
                    "formula_sha256": found.formula_sha256,
                    "figures": one.model_dump(mode="json"),
                    "score": one.score,
                    "made_at": now,
                    "made_by": who.id[:64],
                    "closed": True,
                }
                for one in found.units
            ]
        )
        .on_conflict_do_nothing(index_elements=["month", "unit"])
        .returning(ScoreRow.unit)
    )
    if len(written.all()) < len(found.units):
        raise Conflict("本月已经关账，不能再改", month=month)
    detail = {"formula": found.formula, "formula_sha256": found.formula_sha256}
    await audit.note(session, who, what="scores.close", ref=month, detail=detail, at=now)
    return _frozen(month, await _closed(session, month))


async def recompute(
    session: AsyncSession, month: str, book: Casebook, *, now: float
) -> RecomputedOut:
    """Return in what the closed *month* would be another today; writes nothing.

    Raises:
        Conflict: it is not closed.
    """
    then = await frozen(session, month)
    return compared(then, await count(session, month, now=now), book, at=now)


async def frozen(session: AsyncSession, month: str) -> MonthOut:
    """Return *month* as it was closed.

    Raises:
        Conflict: it is not closed.
    """
    found = await closed(session, month)
    if found is None:
        raise Conflict("本月还没有关账", month=month)
    return found


def compared(
    then: MonthOut, counts: Mapping[str, Counts], book: Casebook, *, at: float
) -> RecomputedOut:
    """Return in what *then*, a closed month, would be another by *counts* of today.

    Args:
        at: Unix seconds at which they were counted.
    """
    today = scored(then.month, counts, book, at=at)
    before = {one.unit: one for one in then.units}
    after = {one.unit: one for one in today.units}
    return RecomputedOut(
        month=then.month,
        formula=then.formula,
        formula_now=today.formula,
        same_formula=then.formula_sha256 == today.formula_sha256,
        differences=[
            DifferenceOut(
                unit=unit,
                unit_label=book.unit_name(unit),
                closed=before.get(unit),
                now=after.get(unit),
            )
            for unit in sorted(before.keys() | after.keys())
            if before.get(unit) != after.get(unit)
        ],
    )


def scored(month: str, counts: Mapping[str, Counts], book: Casebook, *, at: float) -> MonthOut:
    """Return what *counts* say of the units in an open *month*.

    Args:
        at: Unix seconds at which they were counted.
    """
    units = _scored(counts, book)
    return MonthOut(
        month=month,
        closed=False,
        formula=book.scores.version,
        formula_sha256=formula.fingerprint(book.scores),
        made_at=iso(at),
        made_by=None,
        ranked=sum(one.rank is not None for one in units),
        units=units,
    )


def of_units(found: MonthOut, units: frozenset[str] | None) -> MonthOut:
    """Return *found* as people of *units* see it: their own figures and rank, no other's.

    Args:
        units: None sees all.
    """
    if units is None:
        return found
    return found.model_copy(update={"units": [one for one in found.units if one.unit in units]})


async def _closed(session: AsyncSession, month: str) -> Sequence[ScoreRow]:
    return (
        await session.scalars(
            select(ScoreRow).where(ScoreRow.month == month, ScoreRow.closed).order_by(ScoreRow.unit)
        )
    ).all()


def _scored(counted: Mapping[str, Counts], book: Casebook) -> list[UnitScoreOut]:
    scored = {
        unit: (counts, formula.score(counts, book.scores))
        for unit, counts in sorted(counted.items())
    }
    ranks = formula.ranks({unit: found.score for unit, (_, found) in scored.items()})
    return [
        UnitScoreOut(
            unit=unit,
            unit_label=book.unit_name(unit),
            figures={
                name: FigureOut(
                    label=LABELS[name], points=found.points.get(name), **asdict(found.figures[name])
                )
                for name in LABELS
            },
            unreached=counts.unreached,
            score=found.score,
            rank=ranks.get(unit),
        )
        for unit, (counts, found) in scored.items()
    ]


def _frozen(month: str, rows: Sequence[ScoreRow]) -> MonthOut:
    units = [UnitScoreOut.model_validate(row.figures) for row in rows]
    return MonthOut(
        month=month,
        closed=True,
        formula=rows[0].formula,
        formula_sha256=rows[0].formula_sha256,
        made_at=iso(rows[0].made_at),
        made_by=rows[0].made_by,
        ranked=sum(one.rank is not None for one in units),
        units=units,
    )
