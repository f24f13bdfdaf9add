"""Tickets in the database. The caller owns the transaction; rows never leave this module."""

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti.paging import Cursor, Limit, Page, cursor_of, key_of, older_than
from cti.rows import fit, insert_into
from schemas.calls import Call
from schemas.errors import Conflict, NotFound
from schemas.http import Asks
from schemas.numbers import Number
from schemas.tables import TicketDayRow, TicketRow
from schemas.tickets import Kind, TicketIn, TicketOut, TicketPatch, TicketState, ticket_id
from schemas.times import Since, Until, day_of, iso


class TicketFilter(Asks):
    """Which tickets."""

    since: Since | None = Field(default=None, description="Opened at this time or later")
    until: Until | None = Field(default=None, description="Opened before this time")
    state: TicketState | None = None
    kind: Kind | None = None
    caller: str | None = Field(default=None, max_length=64)
    agent: str | None = Field(default=None, max_length=32)
    call_id: str | None = Field(default=None, max_length=64)
    limit: Limit = 50
    cursor: Cursor | None = None


async def open_draft(session: AsyncSession, call: Call, *, agent: str, at: float) -> TicketOut:
    """Open the draft of *call*, or return the ticket it has: one a call, whoever asks how often.

    Args:
        at: Unix seconds of the answer.
    """
    mine = select(TicketRow).where(TicketRow.call_id == call.id)
    if found := await session.scalar(mine):
        return ticket_out(found)
    number = call.number
    added = await session.scalar(
        insert_into(session, TicketRow)
        .values(
            id=await _next_id(session, at),
            call_id=call.id,
            state=TicketState.DRAFT.value,
            caller=fit(call.caller, 64),
            number=number.number if number else None,
            hotline=number.hotline if number else None,
            attribution=call.attribution.value if call.attribution else None,
            unit=number.unit if number else None,
            agent=agent,
            transcript=call.transcript,
            confidence=call.confidence,
            title="",
            body="",
            place="",
            version=1,
            created_at=at,
            updated_at=at,
        )
        .on_conflict_do_nothing(index_elements=["call_id"])
        .returning(TicketRow)
    )
    # None: another process was quicker between our two statements, and has committed by now
    return ticket_out(added if added is not None else (await session.scalars(mine)).one())


async def create(
    session: AsyncSession, asked: TicketIn, *, number: Number | None, agent: str | None, at: float
) -> TicketOut:
    """Open a ticket that no call opened.

    Args:
        number: the register's entry for `asked.number`.
        at: Unix seconds.
    """
    row = TicketRow(
        id=await _next_id(session, at),
        call_id=None,
        state=TicketState.DRAFT.value,
        kind=asked.kind.value if asked.kind else None,
        caller=asked.caller,
        contact_name=asked.contact_name,
        number=number.number if number else None,
        hotline=number.hotline if number else None,
        unit=asked.unit or (number.unit if number else None),
        agent=agent,
        title=asked.title,
        body=asked.body,
        place=asked.place,
        version=1,
        created_at=at,
        updated_at=at,
    )
    session.add(row)
    await session.flush()
    return ticket_out(row)


async def _next_id(session: AsyncSession, at: float) -> str:
    """Return the next id of the day, `BJ20261123-000042`.

    The day's row stays locked until the transaction ends, so no two nodes get the same number; an
    id whose transaction is rolled back is given out again, and none is ever given out twice.
    """
    day = f"{day_of(at):%Y%m%d}"
    number = await session.scalar(
        insert_into(session, TicketDayRow)
        .values(day=day, last=1)
        .on_conflict_do_update(index_elements=["day"], set_={"last": TicketDayRow.last + 1})
        .returning(TicketDayRow.last)
    )
    return ticket_id(f"{day}{number:06d}")


async def get(session: AsyncSession, id: str) -> TicketOut:
    """Return the ticket *id*.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(TicketRow, id)
    if row is None:
        raise NotFound("there is no such ticket")
    return ticket_out(row)


async def open_of(session: AsyncSession, caller: str, *, limit: int) -> Sequence[TicketOut]:
    """Return the newest *limit* tickets of *caller* that are not closed."""
    rows = await session.scalars(
        select(TicketRow)
        .where(TicketRow.caller == caller, TicketRow.state != TicketState.CLOSED)
        .order_by(TicketRow.created_at.desc(), TicketRow.id.desc())
        .limit(limit)
    )
    return [ticket_out(row) for row in rows]


async def find(session: AsyncSession, asked: TicketFilter) -> Page[TicketOut]:
    """Return the tickets that *asked* describes, newest first.

    Raises:
        Invalid: the cursor is not ours.
    """
    query = select(TicketRow).order_by(TicketRow.created_at.desc(), TicketRow.id.desc())
    if asked.since is not None:
        query = query.where(TicketRow.created_at >= asked.since)
    if asked.until is not None:
        query = query.where(TicketRow.created_at < asked.until)
    for column, wanted in (
        (TicketRow.state, asked.state),
        (TicketRow.kind, asked.kind),
        (TicketRow.caller, asked.caller),
        (TicketRow.agent, asked.agent),
        (TicketRow.call_id, asked.call_id),
    ):
        if wanted is not None:
            query = query.where(column == str(wanted))
    if asked.cursor:
        query = query.where(older_than(key_of(asked.cursor), TicketRow.created_at, TicketRow.id))
    rows = (await session.scalars(query.limit(asked.limit + 1))).all()
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    last = cursor_of((shown[-1].created_at, shown[-1].id)) if more else None
    return Page([ticket_out(row) for row in shown], last)


async def change(session: AsyncSession, id: str, asked: TicketPatch, *, at: float) -> TicketOut:
    """Apply *asked* to the ticket *id* if nobody changed it meanwhile.

    Raises:
        NotFound: there is no such ticket.
        Conflict: it has another version by now, or is closed.
    """
    values = asked.model_dump(mode="json", exclude={"version"}, exclude_none=True)
    changed = await session.scalar(
        update(TicketRow)
        .where(
            TicketRow.id == id,
            TicketRow.version == asked.version,
            TicketRow.state != TicketState.CLOSED,
        )
        .values(**values, version=TicketRow.version + 1, updated_at=at)
        .returning(TicketRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if changed is not None:
        return ticket_out(changed)
    there = await get(session, id)
    if there.state is TicketState.CLOSED:
        raise Conflict("the ticket is closed", version=there.version)
    raise Conflict("somebody changed the ticket meanwhile", version=there.version)


def ticket_out(row: TicketRow) -> TicketOut:
    """Return *row* as JSON people and machines read."""
    kind = Kind(row.kind) if row.kind else None
    return TicketOut(
        id=row.id,
        call_id=row.call_id,
        state=TicketState(row.state),
        kind=kind,
        kind_label=kind.label if kind else None,
        caller=row.caller,
        contact_name=row.contact_name,
        number=row.number,
        hotline=row.hotline,
        attribution=row.attribution,
        unit=row.unit,
        agent=row.agent,
        transcript=row.transcript,
        confidence=row.confidence,
        title=row.title,
        body=row.body,
        place=row.place,
        version=row.version,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )
