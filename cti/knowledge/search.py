"""Search of the knowledge base, ranked.

Best first: the title begins with the query; has it as it was typed; has every word; title and
keywords have them; the article has them; and when nothing has them all, what has some.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cti import fulltext, words
from cti.knowledge import sight, store
from cti.knowledge.snippets import level, marks, snippet
from cti.words import Group, Term
from schemas.case_tables import ArticleRow
from schemas.identity import Who
from schemas.knowledge import ArticleState, FoundArticle, Matched, SearchAsked
from schemas.times import iso_or_none

_SPARE = 20
"""Candidates beyond the page: some pass the index without having the words side by side."""
_LOOKED_AT = 2000
"""Articles one question looks at: words that more of them have say little, and reading them all
would cost more than the page has time for. Titles that begin with the query are asked for first."""
_SOME = 100
"""Candidates that have some of the words; they are ranked by how many."""


_Column = ColumnElement[Any] | InstrumentedAttribute[int]


@dataclass(frozen=True, slots=True)
class _Step:
    matched: Matched
    wanted: list[Group]
    order: tuple[_Column, ...] = ()


_LATIN = re.compile(r"[a-z]")
_SHORT_TITLE = (func.length(ArticleRow.title), ArticleRow.used.desc(), ArticleRow.id)
_MOST_USED = (ArticleRow.used.desc(), ArticleRow.id)


async def search(
    session: AsyncSession, who: Who, asked: SearchAsked, *, now: float
) -> list[FoundArticle]:
    """Return what *asked* finds, best first: valid articles at *now* (Unix seconds).

    With `asked.all` also drafts, withdrawn and outdated ones that *who* may see.
    """
    if session.get_bind().dialect.name == "postgresql":
        # The planner takes a scan of all texts for cheap: it does not count that each row's vector
        # must be fetched and unpacked, ten times the time of the index. Where it must scan after
        # all, the cost it sets for that would start its compiler. Both for this transaction only.
        off = [func.set_config(name, "off", True) for name in ("enable_seqscan", "jit")]
        await session.execute(select(*off))
    within = [store.visible(who, now=now)] if asked.all else [store.valid_at(now)]
    if asked.unit is not None:
        within.append(ArticleRow.unit == asked.unit)
    if asked.category is not None:
        within.append(ArticleRow.category == asked.category)
    typed = words.words(asked.q)
    enough = asked.limit + _SPARE
    rows: dict[int, tuple[ArticleRow, Matched]] = {}
    every = words.asked(asked.q, beginnings=True)
    # Mostly few articles have every word: then one question brings them all, and reading them says
    # which are best. Who types sounds finds words that are not in the text: that the index knows.
    few: Sequence[ArticleRow] = ()
    spelt = any(_LATIN.match(term.token) for group in every for term in group)
    if every and not spelt:
        few = await _take(session, _Step(Matched.BODY, every), within, enough, look=enough)
    if every and (spelt or len(few) == enough):
        for step in _steps(asked.q, every):
            if len(rows) >= asked.limit:
                break
            for row in await _take(session, step, within, enough):
                rows.setdefault(row.id, (row, step.matched))
    for row in few:
        rows.setdefault(row.id, (row, _stands(row, typed)))
    if not rows and len(every) > 1:
        for step in _some(every):
            for row in await _take(session, step, within, _SOME):
                rows.setdefault(row.id, (row, step.matched))
            if rows:
                break
    ranked = sorted(rows.values(), key=lambda found: _key(found, asked.q, typed))[: asked.limit]
    wrong = await store.wrong_of(session, [row.id for row, _ in ranked])
    return [_shown(row, how, typed, wrong.get(row.id, 0), now) for row, how in ranked]


def _steps(query: str, every: list[Group]) -> Iterator[_Step]:
    """Yield what to ask the index for, best first."""
    typed = words.phrase(query)
    begins = Term(words.whole(query), prefix=True)
    yield _Step(Matched.TITLE, [[begins]], _SHORT_TITLE)
    if typed != every:
        yield _Step(Matched.TITLE, words.standing(typed, "title"), _SHORT_TITLE)
    yield _Step(Matched.TITLE, words.standing(every, "title"), _SHORT_TITLE)
    yield _Step(Matched.KEYWORDS, _headed(every), _MOST_USED)
    if typed != every:
        yield _Step(Matched.BODY, typed, _MOST_USED)
    yield _Step(Matched.BODY, every, _MOST_USED)


def _some(every: list[Group]) -> Iterator[_Step]:
    """Yield what to ask for when nothing has every word."""
    any_of: list[Term] = [term for group in every for term in group]
    yield _Step(Matched.SOME, _headed([any_of]), _SHORT_TITLE)
    yield _Step(Matched.SOME, [any_of], _MOST_USED)


def _stands(row: ArticleRow, typed: Sequence[str]) -> Matched:
    """Return where *row* has the words that it is known to have."""
    title = level(row.title)
    if all(word in title for word in typed):
        return Matched.TITLE
    heads = "\n".join([title, *map(level, row.keywords)])
    return Matched.KEYWORDS if all(word in heads for word in typed) else Matched.BODY


def _headed(groups: Sequence[Group]) -> list[Group]:
    """Return *groups* for texts that have them in title or keywords."""
    sides = words.standing(groups, "title"), words.standing(groups, "keyword")
    return [title + keyword for title, keyword in zip(*sides, strict=True)]


async def _take(
    session: AsyncSession,
    step: _Step,
    within: Sequence[ColumnElement[bool]],
    most: int,
    *,
    look: int | None = None,
) -> Sequence[ArticleRow]:
    """Return up to *most* articles that *step* finds, the first in its order of those looked at."""
    refs = fulltext.having(session.get_bind().dialect.name, "article", step.wanted).subquery()
    looked = (
        select(ArticleRow.id)
        .join(refs, ArticleRow.id == cast(refs.c.ref, Integer))
        .where(*within)  # inside, so that what nobody may see does not use up the places
        .limit(_LOOKED_AT if look is None else look)
        .subquery()
    )
    rows = await session.scalars(
        select(ArticleRow)
        .where(ArticleRow.id.in_(select(looked.c.id)))
        .order_by(*step.order)
        .limit(most)
    )
    return rows.all()


_RANK = list(Matched)


def _key(found: tuple[ArticleRow, Matched], query: str, typed: Sequence[str]) -> tuple[float, ...]:
    """Return what to sort by: the index knows pairs, here the words themselves count."""
    row, how = found
    title, asked = level(row.title), level(query).strip()
    keywords = [level(word) for word in row.keywords]
    body = level(row.body) if how in (Matched.BODY, Matched.SOME) else ""
    heads = sum(len(w) for w in typed if w in title or any(w in k for k in keywords))
    return (
        _RANK.index(how),
        title != asked,
        asked not in title,
        asked not in keywords,
        -heads,
        -sum(len(word) for word in typed if word in body),
        asked not in body,
        -title.startswith(asked[:1]) if how is Matched.TITLE else 0,
        len(title) if how is Matched.TITLE else 0,
        -row.used,
        row.id,
    )


def _shown(
    row: ArticleRow, how: Matched, typed: Sequence[str], wrong: int, now: float
) -> FoundArticle:
    part, places = snippet(row.body, typed)
    return FoundArticle(
        id=row.id,
        title=row.title,
        title_marks=marks(row.title, typed),
        snippet=part,
        snippet_marks=places,
        matched=how,
        unit=row.unit,
        category=row.category,
        state=ArticleState(row.state),
        valid=sight.is_valid(row.state, row.valid_from, row.valid_until, now=now),
        valid_until=iso_or_none(row.valid_until),
        spoken=bool(row.spoken),
        wrong=wrong,
        used=row.used,
        version=row.version,
    )
