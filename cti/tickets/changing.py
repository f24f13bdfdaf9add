"""The one way in which a ticket changes: row, history, clocks, text and news in one transaction.

Whoever calls owns the transaction and commits it; an error anywhere leaves nothing half-written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti import fulltext
from cti.hooks import outbox
from cti.rows import insert_into
from cti.tickets import history
from cti.tickets.case_rows import Rules, case_of, clock_of, clock_rows, columns, keep
from cti.tickets.history import Deed
from schemas.case_moves import CaseMove
from schemas.case_tables import HistoryRow, TicketCallRow
from schemas.cases import Case, Clock, TicketState
from schemas.errors import Conflict, NotFound
from schemas.tables import TicketRow
from schemas.times import iso, iso_or_none

TEXTS = ("title", "body", "place", "town", "occurred", "reply")
"""Columns whose words are found by full-text search."""
QUIET = frozenset({"reckon", "unmask"})
"""Moves that other systems are not told of."""
GONE = "没有这张工单"
"""Said also of a ticket that one may not see: ids cannot be felt out."""


async def locked(session: AsyncSession, id: str) -> TicketRow:
    """Return the ticket *id*, ours until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    row = await session.scalar(
        select(TicketRow)
        .where(TicketRow.id == id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound(GONE)
    return row


def current(row: TicketRow, version: int) -> None:
    """Let pass what was made on the version that *row* has.

    Raises:
        Conflict: somebody changed it meanwhile.
    """
    if row.version != version:
        raise Conflict("工单刚被别人改过，请刷新后再试", version=row.version)


async def apply(
    session: AsyncSession,
    row: TicketRow,
    deed: Deed,
    *,
    rules: Rules,
    at: float,
    after: Case | None = None,
    move: CaseMove | None = None,
    values: Mapping[str, Any] | None = None,
    before: Case | None = None,
) -> HistoryRow:
    """Change *row* and write all that follows from it.

    Args:
        row: from `locked`.
        deed: what the history keeps.
        at: Unix seconds.
        after: how it stands afterwards; None: *values* alone change it.
        move: what led there; None for an edit.
        values: other columns that change.
        before: how it stood; None: as *row* says.

    Raises:
        Conflict: it has another version by now.
    """
    if row in session:
        session.expunge(row)  # the statement below says it all, the version it was made on included
    before = before or case_of(row, rules.book)
    old_text, version = text_of(row), row.version
    _set(row, values or {})
    after = after or case_of(row, rules.book)
    clocks = await clock_rows(session, row.id)
    running = rules.follow(tuple(map(clock_of, clocks)), before, after, move, at)
    changed = {
        **(values or {}),
        **columns(row, after, running, move, at),
        "version": version + 1,
        "updated_at": at,
    }
    done = await session.scalar(
        update(TicketRow)
        .where(TicketRow.id == row.id, TicketRow.version == version)
        .values(**changed)
        .returning(TicketRow.version)
        .execution_options(synchronize_session=False)
    )
    if done is None:
        raise Conflict("工单刚被别人改过，请刷新后再试", version=version)
    _set(row, changed)
    keep(session, row.id, clocks, running)
    written = await history.append(
        session, row.id, deed, before=before.state.value, after=after.state.value, at=at
    )
    if deed.call_id:
        await link(session, row.id, deed.call_id, why=deed.move, at=at)
    if (text := text_of(row)) != old_text:
        await fulltext.put(session, "ticket", row.id, text, at=row.created_at)
    await tell(session, row, written)
    return written


def begin(row: TicketRow, *, rules: Rules, at: float) -> tuple[Clock, ...]:
    """Fill in what follows for the new ticket *row*, not yet in the database; return its clocks."""
    after = case_of(row, rules.book)
    running = rules.follow((), None, after, None, at)
    _set(row, columns(row, after, running, None, at))
    return running


async def opened(
    session: AsyncSession, row: TicketRow, running: Sequence[Clock], deed: Deed, *, at: float
) -> HistoryRow:
    """Write all that belongs to the new ticket *row*, whose INSERT is done."""
    keep(session, row.id, (), running)
    written = history.first(session, row.id, deed, after=row.state, at=at)
    if row.call_id:
        await link(session, row.id, row.call_id, why=deed.move, at=at)
    if text := text_of(row):
        await fulltext.put(session, "ticket", row.id, text, at=row.created_at)
    await tell(session, row, written)
    await session.flush()
    return written


async def noted(session: AsyncSession, row: TicketRow, deed: Deed, *, at: float) -> HistoryRow:
    """Write *deed*, which leaves the ticket itself alone: a form made on its version stays good."""
    written = await history.append(session, row.id, deed, before=row.state, after=row.state, at=at)
    await tell(session, row, written)
    return written


async def tell(session: AsyncSession, row: TicketRow, written: HistoryRow) -> None:
    """Leave news of *written* for other systems: what moved, never who called or what they said."""
    if written.move in QUIET:
        return
    await outbox.put(
        session,
        topic=f"ticket.{written.move}",
        ref=row.id,
        seq=written.seq,
        body={
            "ticket": row.id,
            "seq": written.seq,
            "move": written.move,
            "at": iso(written.at),
            "before": written.before,
            "after": written.after,
            "kind": row.kind,
            "urgency": row.urgency,
            "category": row.category,
            "county": row.county,
            "unit": row.unit,
            "assisting": list(row.assisting),
            "owner": row.owner,
            "due_at": iso_or_none(row.due_at),
            "supervised": row.supervised,
            "merged_into": row.merged_into,
            "hash": written.hash,
        },
        at=written.at,
    )


WHY_LINKED = {
    "open": "opened",
    "contact": "contact",
    "told": "told",
    "finish": "told",
    "check": "check",
    "close": "check",
    "rework": "check",
    "unmask": "unmask",
}
"""Why a call belongs to a ticket, by the move it was made for; others are `about` it."""


async def link(session: AsyncSession, ticket: str, call: str, *, why: str, at: float) -> None:
    """Note that *call* belongs to *ticket*; the first reason stands."""
    await session.execute(
        insert_into(session, TicketCallRow)
        .values(ticket_id=ticket, call_id=call, why=WHY_LINKED.get(why, "about"), at=at)
        .on_conflict_do_nothing(index_elements=["ticket_id", "call_id"])
    )


def _set(row: TicketRow, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def text_of(row: TicketRow) -> str:
    """Return what full-text search finds of *row*."""
    return "\n".join(said for name in TEXTS if (said := getattr(row, name)))


def still_open(row: TicketRow) -> None:
    """Let pass what is not closed.

    Raises:
        Conflict: it is.
    """
    if row.closed_at is not None:
        state = TicketState(row.state).label
        raise Conflict(f"工单{state}，已经结束，不能再改", version=row.version, closed=True)
