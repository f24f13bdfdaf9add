"""Transcripts of recordings in the database: which are due, what was heard, who said what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.paging import Cursor, Limit, Page, cursor_of, key_of, older_than
from cti.rows import insert_into
from schemas.http import Asks, Text
from schemas.tables import CallRow, TranscriptRow
from schemas.times import Since, Until, iso
from schemas.transcripts import Part, TranscriptOut


class TranscriptFilter(Asks):
    """Which transcripts."""

    text: Annotated[Text, Field(min_length=1, max_length=60)] | None = Field(
        default=None, description="Words that were said, as they are written"
    )
    since: Since | None = Field(default=None, description="Made at this time or later")
    until: Until | None = Field(default=None, description="Made before this time")
    limit: Limit = 50
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A recording that nobody has listened to yet."""

    call: str
    recording: str
    """Relative to the folder of recordings."""


async def due(
    session: AsyncSession,
    *,
    node: str,
    limit: int,
    before: float,
    only: Sequence[str] = (),
    again: bool = False,
) -> Sequence[Due]:
    """Return recordings of closed calls without a transcript, the oldest first.

    Args:
        node: the recordings of other nodes lie elsewhere.
        before: Unix seconds; calls that ended later may still be written to.
        only: calls to look among; all when empty.
        again: those that have one, too.
    """
    query = (
        select(CallRow.id, CallRow.recording)
        .where(
            CallRow.node == node,
            CallRow.outcome.is_not(None),
            CallRow.recording.is_not(None),
            CallRow.ended_at < before,
        )
        .order_by(CallRow.ended_at)
        .limit(limit)
    )
    if not again:
        query = query.where(
            ~select(TranscriptRow.call_id).where(TranscriptRow.call_id == CallRow.id).exists()
        )
    if only:
        query = query.where(CallRow.id.in_(only))
    rows = await session.execute(query)
    return [Due(call=call, recording=file) for call, file in rows if file is not None]


async def save(
    session: AsyncSession,
    of: Due,
    *,
    engine: str,
    seconds: float,
    parts: Sequence[Part],
    at: float,
    error: str | None = None,
) -> None:
    """Keep what was heard; an earlier transcript of the call is replaced.

    Args:
        seconds: length of the recording.
        at: Unix seconds.
        error: why there is nothing.
    """
    values = {
        "call_id": of.call,
        "recording": of.recording,
        "engine": engine,
        "seconds": seconds,
        "text": "\n".join(part.text for part in parts),
        "parts": [part.model_dump() for part in parts],
        "made_at": at,
        "error": error[:200] if error else None,
    }
    changed = {name: value for name, value in values.items() if name != "call_id"}
    await session.execute(
        insert_into(session, TranscriptRow)
        .values(**values)
        .on_conflict_do_update(index_elements=["call_id"], set_=changed)
    )


async def get(session: AsyncSession, call: str) -> TranscriptOut | None:
    """Return the transcript of *call*, None when there is none."""
    row = await session.get(TranscriptRow, call)
    return None if row is None else out(row)


async def find(session: AsyncSession, asked: TranscriptFilter) -> Page[TranscriptOut]:
    """Return the transcripts that *asked* describes, newest first.

    Raises:
        Invalid: the cursor is not ours.
    """
    query = select(TranscriptRow).order_by(
        TranscriptRow.made_at.desc(), TranscriptRow.call_id.desc()
    )
    if asked.text is not None:
        query = query.where(TranscriptRow.text.contains(asked.text, autoescape=True))
    if asked.since is not None:
        query = query.where(TranscriptRow.made_at >= asked.since)
    if asked.until is not None:
        query = query.where(TranscriptRow.made_at < asked.until)
    if asked.cursor is not None:
        key = key_of(asked.cursor)
        query = query.where(older_than(key, TranscriptRow.made_at, TranscriptRow.call_id))
    rows = (await session.scalars(query.limit(asked.limit + 1))).all()
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    last = cursor_of((shown[-1].made_at, shown[-1].call_id)) if more else None
    return Page([out(row) for row in shown], last)


def out(row: TranscriptRow) -> TranscriptOut:
    """Return *row* as JSON people and machines read."""
    return TranscriptOut(
        call_id=row.call_id,
        recording=row.recording,
        engine=row.engine,
        seconds=row.seconds,
        text=row.text,
        parts=[Part(**part) for part in row.parts],
        made_at=iso(row.made_at),
        error=row.error,
    )
