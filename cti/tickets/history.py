"""The history of a ticket in the database: append-only. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.tickets.chain import COVERED, GENESIS, digest, verify
from schemas.case_tables import HistoryRow
from schemas.identity import Who

__all__ = ["Deed", "append", "by", "of", "verify"]

SYSTEM = "system"
"""Who acts when nobody does: clocks and ladder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Who did what and why, as the history keeps it for good."""

    move: str
    who: str = SYSTEM
    role: str = SYSTEM
    unit: str | None = None
    why: str = ""
    call_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    """JSON; no names and numbers of citizens: what is written here can never be taken back."""


def by(who: Who, move: str, **more: Any) -> Deed:
    """Return the deed *move* of *who*."""
    return Deed(move=move, who=who.id[:64], role=who.role.value, unit=who.unit, **more)


async def append(
    session: AsyncSession, ticket: str, deed: Deed, *, before: str, after: str, at: float
) -> HistoryRow:
    """Add *deed* as the last row of *ticket*; whoever calls holds the ticket's row locked.

    Args:
        before: state before it.
        after: state after it.
        at: Unix seconds.
    """
    await session.flush()  # several rows of one transaction follow each other
    last = (
        await session.execute(
            select(HistoryRow.seq, HistoryRow.hash)
            .where(HistoryRow.ticket_id == ticket)
            .order_by(HistoryRow.seq.desc())
            .limit(1)
        )
    ).first()
    return _add(session, ticket, deed, before, after, at, last=last and (last[0], last[1]))


def first(session: AsyncSession, ticket: str, deed: Deed, *, after: str, at: float) -> HistoryRow:
    """Add *deed* as the first row of the new *ticket*."""
    return _add(session, ticket, deed, "", after, at, last=None)


def _add(
    session: AsyncSession,
    ticket: str,
    deed: Deed,
    before: str,
    after: str,
    at: float,
    *,
    last: tuple[int, str] | None,
) -> HistoryRow:
    seq, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
    said = {
        "ticket_id": ticket,
        "seq": seq,
        "at": float(at),
        "who": deed.who,
        "role": deed.role,
        "unit": deed.unit,
        "move": deed.move,
        "before": before,
        "after": after,
        "why": deed.why,
        "call_id": deed.call_id,
        "detail": deed.detail,
    }
    row = HistoryRow(**said, previous=previous, hash=digest(said, previous))
    session.add(row)
    return row


async def of(session: AsyncSession, ticket: str) -> Sequence[HistoryRow]:
    """Return the rows of *ticket*, oldest first."""
    return (
        await session.scalars(
            select(HistoryRow).where(HistoryRow.ticket_id == ticket).order_by(HistoryRow.seq)
        )
    ).all()


assert set(COVERED) <= set(HistoryRow.__table__.columns.keys())
