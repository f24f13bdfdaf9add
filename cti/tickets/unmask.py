"""Who a confidential caller is: one person asks, another grants, for a short time, leaving a trace.

The caller owns the transaction.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti import audit
from cti.tickets import changing
from cti.tickets.history import by
from schemas.case_tables import TicketCallRow, UnmaskRow
from schemas.errors import Conflict, Forbidden, NotFound
from schemas.identity import Right, Who, may
from schemas.tables import TicketRow
from schemas.tickets import CallerOut

GRANTED_FOR = 15 * 60.0
"""Seconds a grant lasts."""
WAITS_FOR = 3600.0
"""Seconds after which a request that nobody judged is no more."""
MOST_WAITING = 50


def person(who: Who, right: Right) -> None:
    """Let pass a person with *right*: a machine has no second pair of eyes.

    Raises:
        Forbidden: it is a machine, or has not got it.
    """
    if not may(who, right):
        raise Forbidden("您的岗位没有这项权限", right=right)
    if who.kind != "user":
        raise Forbidden("查看保密来电人要由人来申请和批准，不能用机器令牌")


async def ask(session: AsyncSession, who: Who, row: TicketRow, why: str, *, at: float) -> UnmaskRow:
    """Ask to see who called *row*.

    Raises:
        Conflict: it is not confidential.
    """
    if not row.confidential:
        raise Conflict("这不是保密工单")
    made = UnmaskRow(ticket_id=row.id, asked_by=who.id[:64], asked_at=at, why=why, refused=False)
    session.add(made)
    await _audit(session, who, "unmask_ask", row.id, at, {"why": why})
    await session.flush()
    await changing.noted(
        session, row, by(who, "unmask", why=why, detail={"step": "ask", "request": made.id}), at=at
    )
    return made


async def grant(
    session: AsyncSession, who: Who, request: int, yes: bool, *, at: float
) -> UnmaskRow:
    """Grant or refuse a *request* of somebody else.

    Raises:
        NotFound: there is no such request.
        Forbidden: who judges is who asked.
        Conflict: it is judged already, or too old.
    """
    row = await session.get(UnmaskRow, request, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("没有这个申请")
    if row.asked_by == who.id[:64]:
        raise Forbidden("要由另一个人批准，不能批准自己的申请")
    if row.granted_at is not None:
        raise Conflict("这个申请已经处理过")
    if row.asked_at < at - WAITS_FOR:
        raise Conflict("这个申请已经过期，请重新申请")
    row.granted_by, row.granted_at, row.refused = who.id[:64], at, not yes
    row.expires_at = at + GRANTED_FOR if yes else None
    step = "grant" if yes else "refuse"
    await _audit(session, who, f"unmask_{step}", row.ticket_id, at, {"request": row.id})
    ticket = await changing.locked(session, row.ticket_id)
    deed = by(who, "unmask", detail={"step": step, "request": row.id, "asked_by": row.asked_by})
    await changing.noted(session, ticket, deed, at=at)
    return row


async def look(session: AsyncSession, who: Who, row: TicketRow, *, at: float) -> CallerOut:
    """Return who called *row*, and leave the trace of it.

    Raises:
        Forbidden: it was not granted to *who*, or not lately.
    """
    if not row.confidential:
        raise Conflict("这不是保密工单")
    granted = await session.scalar(
        select(UnmaskRow)
        .where(
            UnmaskRow.ticket_id == row.id,
            UnmaskRow.asked_by == who.id[:64],
            UnmaskRow.refused.is_(False),
            UnmaskRow.expires_at > at,
        )
        .order_by(UnmaskRow.expires_at.desc())
        .limit(1)
    )
    if granted is None:
        raise Forbidden("没有有效的批准：请先申请，由另一个人批准，15分钟内有效")
    await _audit(session, who, "unmask_look", row.id, at, {"request": granted.id})
    deed = by(who, "unmask", why=granted.why, detail={"step": "look", "request": granted.id})
    await changing.noted(session, row, deed, at=at)
    return CallerOut(caller=row.caller, name=row.contact_name)


async def waiting(session: AsyncSession, *, at: float) -> Sequence[UnmaskRow]:
    """Return requests that wait to be judged, the oldest first."""
    return (
        await session.scalars(
            select(UnmaskRow)
            .where(UnmaskRow.granted_at.is_(None), UnmaskRow.asked_at >= at - WAITS_FOR)
            .order_by(UnmaskRow.id)
            .limit(MOST_WAITING)
        )
    ).all()


async def confidential_calls(
    session: AsyncSession, calls: Sequence[str], *, but: str = ""
) -> frozenset[str]:
    """Return those of *calls* whose caller is confidential: mask number and recording name.

    Args:
        but: this ticket does not make them so: who asks knows of it already.
    """
    if not calls:
        return frozenset()
    opened = select(TicketRow.call_id).where(
        TicketRow.call_id.in_(calls), TicketRow.confidential, TicketRow.id != but
    )
    linked = (
        select(TicketCallRow.call_id)
        .join(TicketRow, TicketRow.id == TicketCallRow.ticket_id)
        .where(TicketCallRow.call_id.in_(calls), TicketRow.confidential, TicketRow.id != but)
    )
    found = [*await session.scalars(opened), *await session.scalars(linked)]
    return frozenset(call for call in found if call is not None)


async def _audit(
    session: AsyncSession, who: Who, what: str, ref: str, at: float, detail: dict[str, object]
) -> None:
    await audit.note(session, who, what=what, ref=ref, detail=detail, at=at)
