"""New tickets in the database. The caller owns the transaction."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.rows import fit, insert_into
from cti.tickets.case_rows import Rules
from cti.tickets.changing import begin, opened
from cti.tickets.history import Deed, by
from schemas.calls import Call
from schemas.cases import TicketState
from schemas.identity import Role, Who
from schemas.numbers import Number
from schemas.tables import TicketDayRow, TicketRow
from schemas.tickets import TicketIn, ticket_id
from schemas.times import day_of

COLUMNS = tuple(column.key for column in TicketRow.__table__.columns)
BLANK: dict[str, Any] = {
    column.key: None for column in TicketRow.__table__.columns if column.nullable
} | {
    "state": TicketState.DRAFT.value,
    "urgency": "normal",
    "confidential": False,
    "assisting": [],
    "title": "",
    "body": "",
    "place": "",
    "occurred": "",
    "with_coordinator": False,
    "returns": 0,
    "extensions": 0,
    "reworks": 0,
    "supervised": 0,
    "urged": 0,
    "reply": "",
    "policy": "",
    "owner": "",
    "version": 1,
}
"""A ticket of which nothing is known yet."""


async def open_draft(
    session: AsyncSession, call: Call, *, agent: str, rules: Rules, at: float
) -> TicketRow:
    """Open the draft of *call*, or return the ticket it has: one a call, whoever asks how often.

    Args:
        agent: extension of who answered.
        at: Unix seconds of the answer.
    """
    mine = select(TicketRow).where(TicketRow.call_id == call.id)
    if found := await session.scalar(mine):
        return found
    number = call.number
    row = TicketRow(
        **BLANK
        | {
            "id": await next_id(session, at),
            "call_id": call.id,
            "caller": fit(call.caller, 64),
            "attribution": call.attribution.value if call.attribution else None,
            "agent": agent,
            "transcript": call.transcript,
            "confidence": call.confidence,
            "created_at": at,
            "updated_at": at,
        }
        | _dialled(number)
    )
    running = begin(row, rules=rules, at=at)
    added = await session.scalar(
        insert_into(session, TicketRow)
        .values(**{name: getattr(row, name) for name in COLUMNS})
        .on_conflict_do_nothing(index_elements=["call_id"])
        .returning(TicketRow.id)
    )
    if added is None:  # another process was quicker between our two statements
        return (await session.scalars(mine)).one()
    deed = Deed(move="open", who=agent, role=Role.AGENT.value, call_id=call.id)
    await opened(session, row, running, deed, at=at)
    return row


async def create(
    session: AsyncSession,
    who: Who,
    asked: TicketIn,
    *,
    number: Number | None,
    rules: Rules,
    at: float,
) -> TicketRow:
    """Open a ticket that no call opened.

    Args:
        number: the register's entry for `asked.number`.
        at: Unix seconds.
    """
    given = asked.model_dump(mode="json", exclude={"number"})
    row = TicketRow(
        **BLANK
        | {"id": await next_id(session, at), "agent": who.agent}
        | _dialled(number)
        | {name: value for name, value in given.items() if value is not None}
        | {"created_at": at, "updated_at": at}
    )
    running = begin(row, rules=rules, at=at)
    session.add(row)
    await session.flush()
    await opened(session, row, running, by(who, "open"), at=at)
    return row


def _dialled(number: Number | None) -> dict[str, Any]:
    if number is None:
        return {}
    return {"number": number.number, "hotline": number.hotline, "unit": number.unit}


async def next_id(session: AsyncSession, at: float) -> str:
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
