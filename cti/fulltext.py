"""Full-text search of tickets and articles: one port for SQLite (FTS5) and PostgreSQL (GIN).

    async with write.begin() as session:
        await put(session, "ticket", id, f"{title} {body} {place}", at=now)
    select(TicketRow).where(TicketRow.id.in_(matching("sqlite", "ticket", "经二路 停水")))

The words lie in the table `texts`; each kind has an index of its own. What a word is says
`cti.words`. Call `ready` when the process starts: the first query reads a dictionary otherwise.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    cast,
    column,
    delete,
    false,
    literal,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from cti import words
from cti.rows import insert_into
from cti.words import Group
from schemas.case_tables import TextRow

Kind = Literal["ticket", "article"]
"""Of texts; each has an index of its own."""


async def ready() -> None:
    """Make the first query as quick as any: reads jieba's dictionary, half a second in a thread."""
    await asyncio.to_thread(words.initialise)


async def put(session: AsyncSession, kind: Kind, ref: str, text: str, *, at: float) -> None:
    """Let the text of *ref* be found, instead of the one it had before.

    Numbers of people (phones, cards) in a ticket's text are not kept: their search is another one,
    by the caller's number, that knows who may.

    Args:
        ref: id of the ticket or article.
        at: Unix seconds.
    """
    plain = words.without_numbers(text) if kind == "ticket" else text
    await put_tokens(session, kind, ref, words.tokens(plain), at=at)


async def put_tokens(
    session: AsyncSession, kind: Kind, ref: str, tokens: Iterable[str], *, at: float
) -> None:
    """Let *ref* be found by *tokens*, which are of `cti.words`."""
    written = " ".join(words.within(tokens))
    new = insert_into(session, TextRow).values(kind=kind, ref=ref, at=at, words=written)
    await session.execute(
        new.on_conflict_do_update(
            index_elements=["kind", "ref"],
            set_={"at": new.excluded.at, "words": new.excluded.words},
            where=TextRow.words != new.excluded.words,  # an index entry costs more than a look
        )
    )


async def drop(session: AsyncSession, kind: Kind, ref: str) -> None:
    """Let *ref* not be found any more."""
    await session.execute(delete(TextRow).where(TextRow.kind == kind, TextRow.ref == ref))


def matching(dialect: str, kind: Kind, query: str) -> Select[str]:
    """Return the refs of the texts that have every word of *query*, as a subquery.

    Args:
        dialect: `session.get_bind().dialect.name`.
        query: what somebody typed; a query of no words finds nothing.
    """
    plain = words.without_numbers(query[: words.LONGEST_QUERY]) if kind == "ticket" else query
    return having(dialect, kind, words.asked(plain))


def having(dialect: str, kind: Kind, wanted: Sequence[Group]) -> Select[str]:
    """Return the refs of the texts that have, of each group of *wanted*, at least one term."""
    refs = select(TextRow.ref)
    groups = [group for group in wanted if group]
    if not groups:
        return refs.where(false())
    # literals, not parameters: they must be those of the migration for the index to be used
    if dialect == "sqlite":
        index = table(f"texts_{kind}", column("rowid"))
        match = literal_column(f"texts_{kind}").op("MATCH")(literal(_fts5(groups)))
        return refs.where(TextRow.id.in_(select(index.c.rowid).where(match)))
    vector: ColumnElement[str] = literal_column("texts.vector")
    asked = cast(cast(_tsquery(groups), Text), TSQUERY)
    return refs.where(literal_column(f"texts.kind = '{kind}'"), vector.op("@@")(asked))


def _fts5(groups: Sequence[Group]) -> str:
    return " AND ".join(
        "(" + " OR ".join(f'"{t.token}"' + " *" * t.prefix for t in group) + ")" for group in groups
    )


def _tsquery(groups: Sequence[Group]) -> str:
    return " & ".join(
        "(" + " | ".join(f"'{t.token}'" + ":*" * t.prefix for t in group) + ")" for group in groups
    )
