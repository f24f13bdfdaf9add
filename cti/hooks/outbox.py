"""News for other systems, written in the transaction of the change it tells of.

Nothing is sent here: `cti.hooks.sender` takes it from the table once it is committed, so news of
a change exists exactly when the change does, whatever crashes in between.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from schemas.case_tables import OutboxRow


async def put(
    session: AsyncSession, *, topic: str, ref: str, seq: int, body: dict[str, Any], at: float
) -> None:
    """Leave news in the outbox, as part of the caller's transaction.

    Args:
        topic: what happened, `ticket.dispatch`, `alarm.raised` …; hooks choose by its beginning.
        ref: the ticket or alarm it is about. One hook hears of one `ref` in the order of `put`.
        seq: number of the change within *ref*, from 1; with *ref* it tells two news apart.
        body: JSON as outsiders may read it: whatever is confidential is masked already.
        at: Unix seconds.
    """
    session.add(OutboxRow(topic=topic, ref=ref, seq=seq, body=body, at=at, spread=False))
