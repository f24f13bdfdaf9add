"""Many articles at once: what a file says is what the knowledge base says afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.knowledge import store
from schemas.case_tables import ArticleRow
from schemas.identity import Who
from schemas.knowledge import ArticleIn, ArticleOut, ArticlePatch, ArticleState


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's articles."""

    added: int
    changed: int
    unchanged: int


async def put_all(
    session: AsyncSession, who: Who, articles: Sequence[ArticleIn], *, at: float
) -> Imported:
    """Add *articles*, or change those that have the same unit and title; others stay.

    Args:
        at: Unix seconds.
    """
    rows = await session.scalars(select(ArticleRow).order_by(ArticleRow.id.desc()))
    there = {(row.unit, row.title): row for row in rows}  # of several the oldest
    added = changed = 0
    for article in articles:
        row = there.get((article.unit, article.title))
        if row is None:
            await store.create(session, who, article, at=at)
            added += 1
            continue
        wanted = article.model_dump()
        if all(getattr(row, key) == value for key, value in wanted.items()):
            continue
        patch = ArticlePatch(version=row.version, **wanted)
        await store.change(session, who, row.id, patch, at=at)
        changed += 1
    return Imported(added, changed, len(articles) - added - changed)


async def take_all(session: AsyncSession, *, at: float) -> list[ArticleOut]:
    """Return every article that is not withdrawn, at *at* (Unix seconds), oldest first."""
    kept = ArticleRow.state != ArticleState.WITHDRAWN.value
    rows = await session.scalars(select(ArticleRow).where(kept).order_by(ArticleRow.id))
    return [store.article_out(row, wrong=0, files=(), now=at) for row in rows]
