"""Articles in the database. The caller owns the transaction; rows never leave this room."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti import fulltext, words
from cti.knowledge import sight
from schemas.case_tables import ArticleFeedbackRow, ArticleFileRow, ArticleRow
from schemas.errors import Conflict, Invalid, NotFound
from schemas.identity import Who
from schemas.knowledge import (
    ArticleFileOut,
    ArticleFilter,
    ArticleIn,
    ArticleOut,
    ArticlePatch,
    ArticleState,
    FeedbackKind,
)
from schemas.times import iso, iso_or_none

_MAY_BE_EMPTY = frozenset({"category", "valid_from", "valid_until", "review_at"})
"""What a null in a change takes away; other nulls change nothing."""


async def create(session: AsyncSession, who: Who, asked: ArticleIn, *, at: float) -> ArticleOut:
    """Write a new article.

    Args:
        at: Unix seconds.

    Raises:
        Forbidden: it would be another unit's.
        Invalid: it ends before it begins.
    """
    sight.require_writer(who, asked.unit)
    row = ArticleRow(
        **asked.model_dump(mode="json"),
        used=0,
        version=1,
        created_at=at,
        updated_at=at,
        updated_by=who.id[:64],
    )
    _check_times(row.valid_from, row.valid_until)
    session.add(row)
    await session.flush()
    await _index(session, row)
    return article_out(row, wrong=0, files=(), now=at)


async def change(
    session: AsyncSession, who: Who, id: int, asked: ArticlePatch, *, at: float
) -> ArticleOut:
    """Apply *asked* if nobody changed the article meanwhile.

    Raises:
        NotFound: there is none that *who* sees.
        Forbidden: it is another unit's, or would be.
        Conflict: it has another version by now.
        Invalid: it ends before it begins.
    """
    before = await _seen(session, who, id, now=at)
    sight.require_writer(who, before.unit)
    values = {
        key: value
        for key, value in asked.model_dump(
            mode="json", exclude={"version"}, exclude_unset=True
        ).items()
        if value is not None or key in _MAY_BE_EMPTY
    }
    sight.require_writer(who, values.get("unit", before.unit))
    _check_times(
        values.get("valid_from", before.valid_from), values.get("valid_until", before.valid_until)
    )
    row = await session.scalar(
        update(ArticleRow)
        .where(ArticleRow.id == id, ArticleRow.version == asked.version)
        .values(**values, version=ArticleRow.version + 1, updated_at=at, updated_by=who.id[:64])
        .returning(ArticleRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if row is None:
        raise Conflict("有人同时修改了该条目，请刷新后再改", version=before.version)
    if values.keys() & {"title", "body", "keywords"}:
        await _index(session, row)
    return await _whole(session, row, now=at)


async def get(session: AsyncSession, who: Who, id: int, *, now: float) -> ArticleOut:
    """Return the article *id* as *who* may see it at *now*.

    Raises:
        NotFound: there is none, or none that *who* may use now.
    """
    return await _whole(session, await _seen(session, who, id, now=now), now=now)


async def find(
    session: AsyncSession, who: Who, asked: ArticleFilter, *, now: float
) -> Sequence[ArticleOut]:
    """Return the articles that *asked* describes and *who* sees, newest first."""
    query = select(ArticleRow).where(visible(who, now=now)).order_by(ArticleRow.id.desc())
    if asked.unit is not None:
        query = query.where(ArticleRow.unit == asked.unit)
    if asked.category is not None:
        query = query.where(ArticleRow.category == asked.category)
    if asked.state is not None:
        query = query.where(ArticleRow.state == asked.state.value)
    if asked.due is not None:
        due = and_(ArticleRow.review_at.is_not(None), ArticleRow.review_at <= now)
        waiting = ArticleRow.state != ArticleState.WITHDRAWN.value
        query = query.where(and_(due, waiting) if asked.due else ~and_(due, waiting))
    if asked.before is not None:
        query = query.where(ArticleRow.id < asked.before)
    rows = (await session.scalars(query.limit(asked.limit))).all()
    wrong = await wrong_of(session, [row.id for row in rows])
    return [article_out(row, wrong=wrong.get(row.id, 0), files=(), now=now) for row in rows]


async def answered_with(session: AsyncSession, id: int, *, at: float) -> str:
    """Count that an agent answered with the article *id* and return its title.

    Raises:
        NotFound: there is none, or none that is valid at *at* (Unix seconds).
    """
    title = await session.scalar(
        update(ArticleRow)
        .where(ArticleRow.id == id, valid_at(at))
        .values(used=ArticleRow.used + 1)
        .returning(ArticleRow.title)
        .execution_options(synchronize_session=False)
    )
    if title is None:
        raise NotFound("没有这条知识，或已失效", article=id)
    return title


def valid_at(now: float) -> ColumnElement[bool]:
    """Return the condition for articles that agents may use at *now* (Unix seconds)."""
    return and_(
        ArticleRow.state == ArticleState.PUBLISHED.value,
        or_(ArticleRow.valid_from.is_(None), ArticleRow.valid_from <= now),
        or_(ArticleRow.valid_until.is_(None), ArticleRow.valid_until > now),
    )


def visible(who: Who, *, now: float) -> ColumnElement[bool]:
    """Return the condition for articles that *who* sees at *now* (Unix seconds)."""
    if sight.sees_all(who):
        return true()
    if (unit := sight.own_unit(who)) is not None:
        return or_(valid_at(now), ArticleRow.unit == unit)
    return valid_at(now)


async def wrong_of(session: AsyncSession, ids: Sequence[int]) -> dict[int, int]:
    """Return how many open reports that it is wrong each of the articles *ids* has."""
    if not ids:
        return {}
    rows = await session.execute(
        select(ArticleFeedbackRow.article_id, func.count())
        .where(
            ArticleFeedbackRow.article_id.in_(ids),
            ArticleFeedbackRow.kind == FeedbackKind.WRONG.value,
            ArticleFeedbackRow.settled_at.is_(None),
        )
        .group_by(ArticleFeedbackRow.article_id)
    )
    return {id: count for id, count in rows if id is not None}


def article_out(
    row: ArticleRow, *, wrong: int, files: Sequence[ArticleFileRow], now: float
) -> ArticleOut:
    """Return *row* as JSON that people and machines read."""
    state = ArticleState(row.state)
    due = row.review_at is not None and row.review_at <= now
    return ArticleOut(
        id=row.id,
        title=row.title,
        body=row.body,
        spoken=row.spoken,
        unit=row.unit,
        category=row.category,
        keywords=row.keywords,
        valid_from=iso_or_none(row.valid_from),
        valid_until=iso_or_none(row.valid_until),
        review_at=iso_or_none(row.review_at),
        state=state,
        state_label=state.label,
        valid=sight.is_valid(state, row.valid_from, row.valid_until, now=now),
        review_due=due and state is not ArticleState.WITHDRAWN,
        used=row.used,
        wrong=wrong,
        version=row.version,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        updated_by=row.updated_by,
        files=[file_out(file) for file in files],
    )


def file_out(row: ArticleFileRow) -> ArticleFileOut:
    """Return an attachment as JSON."""
    return ArticleFileOut(
        id=row.id,
        name=row.name,
        media=row.media,
        size=row.size,
        sha256=row.sha256,
        at=iso(row.at),
    )


async def _seen(session: AsyncSession, who: Who, id: int, *, now: float) -> ArticleRow:
    row = await session.scalar(select(ArticleRow).where(ArticleRow.id == id, visible(who, now=now)))
    if row is None:
        raise NotFound("没有这条知识，或已失效", article=id)
    return row


async def _whole(session: AsyncSession, row: ArticleRow, *, now: float) -> ArticleOut:
    files = await session.scalars(
        select(ArticleFileRow)
        .where(ArticleFileRow.article_id == row.id)
        .order_by(ArticleFileRow.id)
    )
    wrong = await wrong_of(session, [row.id])
    return article_out(row, wrong=wrong.get(row.id, 0), files=files.all(), now=now)


async def _index(session: AsyncSession, row: ArticleRow) -> None:
    keywords = "\n".join(row.keywords)
    said = words.sounds(row.title), words.sounds(keywords)
    tokens = [
        *filter(None, [words.whole(row.title)]),
        *words.marked(f"{row.title}\n{' '.join(said[0])}", "title"),
        *words.marked(f"{keywords}\n{' '.join(said[1])}", "keyword"),
        *said[0],
        *said[1],
        *words.tokens(f"{row.title}\n{keywords}\n{row.body}"),
    ]
    await fulltext.put_tokens(session, "article", str(row.id), tokens, at=row.updated_at)


def _check_times(begin: float | None, end: float | None) -> None:
    if begin is not None and end is not None and end <= begin:
        fault = {"in": "body", "key": "valid_until", "reason": "is not after valid_from"}
        raise Invalid("1 fault in the body", faults=[fault])
