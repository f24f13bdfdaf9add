"""并单: the calls of one ticket go to another, and one chain of supervision goes on."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.tickets import changing, masks
from cti.tickets.case_rows import Rules, case_of
from cti.tickets.history import Deed, by
from cti.tickets.lifecycle import ImpossibleMove
from schemas.case_moves import Merge
from schemas.case_tables import TicketCallRow
from schemas.cases import TicketState
from schemas.identity import Who
from schemas.tables import TicketRow


async def locked_both(
    session: AsyncSession, id: str, into: str
) -> tuple[TicketRow, TicketRow | None]:
    """Return the tickets *id* and *into* (None: there is none), locked in an order of their own.

    Two merges the other way round would wait for each other for ever otherwise.

    Raises:
        NotFound: there is no ticket *id*.
    """
    query = (
        select(TicketRow)
        .where(TicketRow.id.in_({id, into}))
        .order_by(TicketRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    rows = {row.id: row for row in await session.scalars(query)}
    row = rows.get(id) or await changing.locked(session, id)
    return row, rows.get(into)


def mergeable(into: TicketRow | None) -> TicketRow:
    """Return *into* if another ticket may go into it.

    A closed target is refused, and a merged one is closed: so there is no circle. One that is done
    is refused too: nobody would handle what comes to it, and its callback is another citizen's.

    Raises:
        ImpossibleMove: there is none, or it is closed or done.
    """
    if into is None:
        raise ImpossibleMove("要并入的工单不存在")
    if into.closed_at is not None:
        raise ImpossibleMove("要并入的工单已经结束，请并入还在办理的工单")
    if TicketState(into.state) in masks.CALLBACK:
        raise ImpossibleMove("要并入的工单已经办结，请先重办或退回，再并入")
    return into


async def receive(
    session: AsyncSession,
    who: Who,
    move: Merge,
    *,
    merged: TicketRow,
    into: TicketRow,
    rules: Rules,
    at: float,
) -> None:
    """Give *into* the calls of *merged*; the higher level of supervision stays.

    *merged* keeps its calls as well: they are confidential if it was.
    """
    calls = set(
        await session.scalars(
            select(TicketCallRow.call_id).where(TicketCallRow.ticket_id == merged.id)
        )
    )
    if merged.call_id:
        calls.add(merged.call_id)
    for call in sorted(calls):
        await changing.link(session, into.id, call, why="merged_here", at=at)
    before = case_of(into, rules.book)
    after = replace(before, supervised=max(before.supervised, merged.supervised))
    deed: Deed = by(
        who,
        "merged_here",
        why=move.reason,
        detail={"from": merged.id, "calls": sorted(calls), "supervised": after.supervised},
    )
    await changing.apply(session, into, deed, rules=rules, at=at, before=before, after=after)
