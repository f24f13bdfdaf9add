"""Tickets for outsiders, from the database. The caller owns the transaction."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.outside import view
from cti.tickets import sight
from schemas.case_tables import ClockRow
from schemas.casebook import Casebook
from schemas.cases import ClockName, Kind, TicketState
from schemas.outside import RequestOut
from schemas.tables import TicketRow


async def find(
    session: AsyncSession,
    book: Casebook,
    *,
    seen: frozenset[str] | None,
    ids: Sequence[str] | None = None,
    codes: Sequence[str] | None = None,
    status: Literal["open", "closed"] | None = None,
    since: float | None = None,
    until: float | None = None,
    offset: int = 0,
    limit: int = 50,
) -> Sequence[RequestOut]:
    """Return tickets as outsiders see them, newest first.

    Args:
        seen: units whose tickets may be seen; None: all.
        ids: ticket numbers, whatever else is asked.
        codes: service codes; those nobody knows find nothing.
        since: Unix seconds; opened then or later.
        until: Unix seconds; opened before.
    """
    query = (
        select(TicketRow)
        .where(or_(TicketRow.state != TicketState.DRAFT.value, TicketRow.call_id.is_(None)))
        .order_by(TicketRow.created_at.desc(), TicketRow.id.desc())
        .offset(offset)
        .limit(limit)
    )
    if seen is not None:
        query = query.where(or_(false(), *sight.branches(seen)))
    if ids is not None:
        query = query.where(TicketRow.id.in_(ids))
    if codes is not None:
        query = query.where(_of_codes(codes))
    if status is not None:
        over = TicketRow.closed_at.is_not(None)
        query = query.where(over if status == "closed" else ~over)
    if since is not None:
        query = query.where(TicketRow.created_at >= since)
    if until is not None:
        query = query.where(TicketRow.created_at < until)
    rows = (await session.scalars(query)).all()
    due = await _due(session, [row.id for row in rows if row.closed_at is None])
    return [view.request(row, book, expected=due.get(row.id)) for row in rows]


def _of_codes(codes: Sequence[str]) -> ColumnElement[bool]:
    kinds = [code.partition(".")[2] for code in codes if code.startswith(f"{view.KIND}.")]
    of_kind: ColumnElement[bool] = TicketRow.kind.in_(kinds)
    if Kind.HELP.value in kinds:
        of_kind = or_(of_kind, TicketRow.kind.is_(None))
    return or_(TicketRow.category.in_(codes), and_(TicketRow.category.is_(None), of_kind))


async def _due(session: AsyncSession, ids: Sequence[str]) -> dict[str, float | None]:
    rows = await session.execute(
        select(ClockRow.ticket_id, ClockRow.due_at).where(
            ClockRow.ticket_id.in_(ids),
            ClockRow.name == ClockName.CLOSE.value,
            ClockRow.ended_at.is_(None),
        )
    )
    return {id: due for id, due in rows}  # noqa: C416 - rows are no pairs to a type checker
