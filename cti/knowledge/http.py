"""REST: articles of the knowledge base."""

import time
from collections.abc import Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.knowledge import search, store
from cti.knowledge.spoken import Spoken
from schemas.errors import Conflict, Forbidden, NotFound, Unavailable
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.knowledge import (
    ArticleFilter,
    ArticleIn,
    ArticleOut,
    ArticlePatch,
    FoundArticle,
    RowId,
    SearchAsked,
    SpokenOut,
)


class OneArticle(Asks):
    """Which article."""

    id: RowId


LIST = Operation(
    name="listArticles",
    method="GET",
    path="/api/v1/articles",
    summary="Articles that one sees, newest first",
    right=Right.READ_KNOWLEDGE,
    query=ArticleFilter,
    body=Nothing,
    response=list[ArticleOut],
)
SEARCH = Operation(
    name="searchArticles",
    method="GET",
    path="/api/v1/articles/search",
    summary="Valid articles by words or pinyin, best first, with the places of the words",
    right=Right.READ_KNOWLEDGE,
    query=SearchAsked,
    body=Nothing,
    response=list[FoundArticle],
)
GET = Operation(
    name="getArticle",
    method="GET",
    path="/api/v1/articles/{id}",
    summary="One article",
    right=Right.READ_KNOWLEDGE,
    query=OneArticle,
    body=Nothing,
    response=ArticleOut,
    errors=(NotFound,),
)
# A unit writes its own without the right of the staff: rows decide, see `cti.knowledge.sight`.
CREATE = Operation(
    name="createArticle",
    method="POST",
    path="/api/v1/articles",
    summary="Write an article: staff for any unit, a unit for itself",
    right=Right.READ_KNOWLEDGE,
    query=Nothing,
    body=ArticleIn,
    response=ArticleOut,
    status=201,
    errors=(Forbidden,),
)
CHANGE = Operation(
    name="changeArticle",
    method="PATCH",
    path="/api/v1/articles/{id}",
    summary="Change, publish or withdraw an article, if nobody changed it meanwhile",
    right=Right.READ_KNOWLEDGE,
    query=OneArticle,
    body=ArticlePatch,
    response=ArticleOut,
    errors=(NotFound, Forbidden, Conflict),
)
SPOKEN = Operation(
    name="getSpokenArticle",
    method="GET",
    path="/api/v1/articles/{id}/spoken",
    summary="What of an article may be read to a caller",
    right=Right.READ_KNOWLEDGE,
    query=OneArticle,
    body=Nothing,
    response=SpokenOut,
    errors=(NotFound,),
)
AUDIO = Operation(
    name="getArticleAudio",
    method="GET",
    path="/api/v1/articles/{id}/spoken.wav",
    summary="The same, spoken by the site's voice",
    right=Right.READ_KNOWLEDGE,
    query=OneArticle,
    body=Nothing,
    response=bytes,
    media="audio/wav",
    errors=(NotFound, Unavailable),
)


def routes(
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    spoken: Spoken,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        spoken: makes sound of what is read out.
    """

    async def find(asked: Asked[ArticleFilter, Nothing]) -> object:
        async with read() as session:
            return await store.find(session, asked.who, asked.query, now=clock())

    async def look(asked: Asked[SearchAsked, Nothing]) -> list[FoundArticle]:
        async with read() as session:
            return await search.search(session, asked.who, asked.query, now=clock())

    async def get(asked: Asked[OneArticle, Nothing]) -> ArticleOut:
        async with read() as session:
            return await store.get(session, asked.who, asked.query.id, now=clock())

    async def create(asked: Asked[Nothing, ArticleIn]) -> ArticleOut:
        async with write.begin() as session:
            return await store.create(session, asked.who, asked.body, at=clock())

    async def change(asked: Asked[OneArticle, ArticlePatch]) -> ArticleOut:
        async with write.begin() as session:
            return await store.change(session, asked.who, asked.query.id, asked.body, at=clock())

    async def text(asked: Asked[OneArticle, Nothing]) -> SpokenOut:
        article = await get(asked)
        if not article.spoken.strip():
            raise NotFound("这条知识没有可朗读的内容", article=article.id)
        return SpokenOut(id=article.id, version=article.version, text=article.spoken)

    async def audio(asked: Asked[OneArticle, Nothing]) -> web.FileResponse:
        file = await spoken.wav((await text(asked)).text)
        return web.FileResponse(file, headers={"Content-Type": "audio/wav"})

    return [
        bind(LIST, find),
        bind(SEARCH, look),  # before `{id}`: the first route that fits is taken
        bind(GET, get),
        bind(CREATE, create),
        bind(CHANGE, change),
        bind(SPOKEN, text),
        bind(AUDIO, audio),
    ]
