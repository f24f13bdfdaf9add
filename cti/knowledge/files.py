"""Attachments of articles, with their REST; judged as `cti.tickets.evidence` judges evidence."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.knowledge import sight, store
from cti.knowledge.http import OneArticle
from cti.tickets import evidence
from schemas.case_tables import ArticleFileRow
from schemas.errors import Forbidden, HotlineError, Invalid, NotFound
from schemas.http import Asked, Nothing, Operation, Text, bind
from schemas.identity import Right, Who
from schemas.knowledge import ArticleFileOut, RowId

_CHUNK = 64 * 1024


class NewFile(OneArticle):
    """To which article, under which name."""

    name: Annotated[Text, Field(min_length=1, max_length=200, description="As people see it")]


class OneFile(OneArticle):
    """Which attachment of which article."""

    file: RowId


ATTACH = Operation(
    name="attachToArticle",
    method="POST",
    path="/api/v1/articles/{id}/files",
    summary="Add the body, as it is, as an attachment: PDF, picture, Word, Excel, sound, film",
    right=Right.READ_KNOWLEDGE,
    query=NewFile,
    body=Nothing,
    response=ArticleFileOut,
    status=201,
    errors=(NotFound, Forbidden, evidence.TooLarge, Invalid),
)
FETCH = Operation(
    name="getArticleFile",
    method="GET",
    path="/api/v1/articles/{id}/files/{file}",
    summary="One attachment, as a download",
    right=Right.READ_KNOWLEDGE,
    query=OneFile,
    body=Nothing,
    response=bytes,
    media="application/octet-stream",
    errors=(NotFound,),
)
REMOVE = Operation(
    name="removeArticleFile",
    method="DELETE",
    path="/api/v1/articles/{id}/files/{file}",
    summary="Take an attachment away",
    right=Right.READ_KNOWLEDGE,
    query=OneFile,
    body=Nothing,
    response=None,
    status=204,
    errors=(NotFound, Forbidden),
)


async def add(
    session: AsyncSession, who: Who, id: int, name: str, taken: evidence.Taken, *, at: float
) -> ArticleFileOut:
    """Keep *taken* as an attachment of the article *id*.

    Raises:
        NotFound: there is none that *who* sees.
        Forbidden: it is another unit's.
        TooLarge: it has as many as one may have.
    """
    await writable(session, who, id, now=at)
    mine = ArticleFileRow.article_id == id
    count = await session.scalar(select(func.count()).select_from(ArticleFileRow).where(mine))
    if (count or 0) >= evidence.MOST:
        raise evidence.TooLarge("附件太多", most=evidence.MOST)
    row = ArticleFileRow(
        article_id=id,
        name=evidence.clean(name, taken.ending),
        media=taken.media,
        size=taken.size,
        sha256=taken.sha256,
        at=at,
    )
    session.add(row)
    await session.flush()
    return store.file_out(row)


async def writable(session: AsyncSession, who: Who, id: int, *, now: float) -> None:
    """Let pass who may write the article *id*.

    Raises:
        NotFound: there is none that *who* sees.
        Forbidden: it is another unit's.
    """
    sight.require_writer(who, (await store.get(session, who, id, now=now)).unit)


async def get(session: AsyncSession, who: Who, id: int, file: int, *, now: float) -> ArticleFileRow:
    """Return the attachment *file* of the article *id*.

    Raises:
        NotFound: there is none that *who* sees.
    """
    await store.get(session, who, id, now=now)
    row = await session.get(ArticleFileRow, file)
    if row is None or row.article_id != id:
        raise NotFound("没有这个附件", file=file)
    return row


def routes(
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    folder: Path,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        folder: where bytes lie under their hash; shared with the evidence of tickets.
    """

    async def attach(asked: Asked[NewFile, Nothing]) -> ArticleFileOut:
        length = asked.request.content_length
        if length is not None and length > evidence.LARGEST:
            raise evidence.TooLarge("文件太大，最多20 MB", most=evidence.LARGEST)
        async with read() as session:  # before 20 MB are read for nothing
            await writable(session, asked.who, asked.query.id, now=clock())
        taken = await evidence.take(asked.request.content.iter_chunked(_CHUNK), folder)
        try:
            async with write.begin() as session:
                made = await add(
                    session, asked.who, asked.query.id, asked.query.name, taken, at=clock()
                )
                await evidence.there(taken, folder)
        except HotlineError:  # refused after all: nothing of it is kept
            async with write.begin() as session:
                await evidence.drop(session, taken, folder)
            raise
        return made

    async def fetch(asked: Asked[OneFile, Nothing]) -> web.FileResponse:
        async with read() as session:
            row = await get(session, asked.who, asked.query.id, asked.query.file, now=clock())
        path = folder / row.sha256
        if not path.is_file():
            raise NotFound("附件已丢失", file=row.id)
        return web.FileResponse(path, headers=evidence.headers(row.name, row.media))

    async def remove(asked: Asked[OneFile, Nothing]) -> None:
        # the bytes stay: evidence of a ticket may be the same
        async with write.begin() as session:
            await writable(session, asked.who, asked.query.id, now=clock())
            row = await get(session, asked.who, asked.query.id, asked.query.file, now=clock())
            await session.delete(row)

    return [bind(ATTACH, attach), bind(FETCH, fetch), bind(REMOVE, remove)]
