"""What agents say of articles, until its owner has settled it. The caller owns the transaction."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti.knowledge import sight, store
from schemas.case_tables import ArticleFeedbackRow
from schemas.errors import Conflict, NotFound
from schemas.identity import Who
from schemas.knowledge import (
    FeedbackFilter,
    FeedbackKind,
    FeedbackOut,
    NotFoundIn,
    SettleIn,
    WrongIn,
)
from schemas.times import iso, iso_or_none


async def wrong(
    session: AsyncSession, who: Who, id: int, asked: WrongIn, *, at: float
) -> FeedbackOut:
    """Tell the owner of article *id* that it is wrong.

    Raises:
        NotFound: there is none that *who* may see.
    """
    article = await store.get(session, who, id, now=at)
    row = ArticleFeedbackRow(
        article_id=article.id,
        kind=FeedbackKind.WRONG.value,
        unit=article.unit,
        text=asked.text,
        call_id=asked.call_id,
        who=who.id[:64],
        at=at,
    )
    return await _added(session, row)


async def not_found(
    session: AsyncSession, who: Who, asked: NotFoundIn, *, at: float
) -> FeedbackOut:
    """Tell that an article is missing: the unit named, or the dispatchers."""
    row = ArticleFeedbackRow(
        article_id=None,
        kind=FeedbackKind.NOT_FOUND.value,
        unit=asked.unit,
        query=asked.query,
        text=asked.text,
        call_id=asked.call_id,
        who=who.id[:64],
        at=at,
    )
    return await _added(session, row)


async def _added(session: AsyncSession, row: ArticleFeedbackRow) -> FeedbackOut:
    session.add(row)
    await session.flush()
    return feedback_out(row)


async def find(session: AsyncSession, who: Who, asked: FeedbackFilter) -> Sequence[FeedbackOut]:
    """Return the feedback that *asked* describes, newest first; a unit's people see theirs only."""
    row = ArticleFeedbackRow
    settled = row.settled_at.is_(None) if asked.open else row.settled_at.is_not(None)
    query = select(row).where(settled).order_by(row.id.desc()).limit(asked.limit)
    if (own := _kept_to(who)) is not None:
        query = query.where(row.unit == own)
    if asked.unit is not None:
        query = query.where(row.unit == asked.unit)
    if asked.kind is not None:
        query = query.where(row.kind == asked.kind.value)
    if asked.article_id is not None:
        query = query.where(row.article_id == asked.article_id)
    if asked.before is not None:
        query = query.where(row.id < asked.before)
    return [feedback_out(found) for found in await session.scalars(query)]


async def settle(
    session: AsyncSession, who: Who, id: int, asked: SettleIn, *, at: float
) -> FeedbackOut:
    """Close feedback *id* with an answer.

    Raises:
        NotFound: there is none that *who* may settle.
        Conflict: somebody has settled it.
    """
    there = await session.get(ArticleFeedbackRow, id)
    if there is None or not sight.may_settle(who, there.unit):
        raise NotFound("没有这条反馈", feedback=id)
    row = await session.scalar(
        update(ArticleFeedbackRow)
        .where(ArticleFeedbackRow.id == id, ArticleFeedbackRow.settled_at.is_(None))
        .values(settled_by=who.id[:64], settled_at=at, answer=asked.answer)
        .returning(ArticleFeedbackRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if row is None:
        raise Conflict("这条反馈已经处理过了", settled_by=there.settled_by)
    return feedback_out(row)


def _kept_to(who: Who) -> str | None:
    """Return the unit whose feedback alone *who* sees; None: every unit's."""
    return (who.unit or "") if who.role == "unit" else None


def feedback_out(row: ArticleFeedbackRow) -> FeedbackOut:
    """Return *row* as JSON."""
    return FeedbackOut(
        id=row.id,
        kind=FeedbackKind(row.kind),
        article_id=row.article_id,
        unit=row.unit,
        query=row.query or "",
        text=row.text or "",
        call_id=row.call_id,
        who=row.who,
        at=iso(row.at),
        settled_by=row.settled_by,
        settled_at=iso_or_none(row.settled_at),
        answer=row.answer or "",
    )
