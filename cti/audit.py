"""Who looked at or took out what is guarded."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from schemas.case_tables import AuditRow
from schemas.identity import Who


async def note(
    session: AsyncSession,
    who: Who,
    *,
    what: str,
    ref: str,
    detail: Mapping[str, object],
    at: float,
) -> None:
    """Write that *who* did *what* with *ref*, in the caller's transaction.

    Args:
        at: Unix seconds.
    """
    session.add(
        AuditRow(
            at=at,
            who=who.id[:64],
            role=who.role.value,
            what=what[:32],
            ref=ref[:64],
            detail=dict(detail),
        )
    )
    await session.flush()
