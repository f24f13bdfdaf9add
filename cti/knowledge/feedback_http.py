"""REST: what agents say of the knowledge base, and what its owners answer."""

import time
from collections.abc import Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.knowledge import feedback
from cti.knowledge.http import OneArticle
from schemas.errors import Conflict, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.knowledge import (
    FeedbackFilter,
    FeedbackOut,
    NotFoundIn,
    RowId,
    SettleIn,
    WrongIn,
)


class OneFeedback(Asks):
    """Which feedback."""

    id: RowId


LIST = Operation(
    name="listKnowledgeFeedback",
    method="GET",
    path="/api/v1/knowledge/feedback",
    summary="What agents did not find or found wrong, newest first; a unit sees its own",
    right=Right.READ_KNOWLEDGE,
    query=FeedbackFilter,
    body=Nothing,
    response=list[FeedbackOut],
)
WRONG = Operation(
    name="reportWrongArticle",
    method="POST",
    path="/api/v1/articles/{id}/feedback",
    summary="Tell the owner of an article that it is wrong",
    right=Right.WRITE_TICKETS,
    query=OneArticle,
    body=WrongIn,
    response=FeedbackOut,
    status=201,
    errors=(NotFound,),
)
NOT_FOUND = Operation(
    name="reportMissingArticle",
    method="POST",
    path="/api/v1/knowledge/feedback",
    summary="Tell that there is no article on what a citizen asked",
    right=Right.WRITE_TICKETS,
    query=Nothing,
    body=NotFoundIn,
    response=FeedbackOut,
    status=201,
)
SETTLE = Operation(
    name="settleKnowledgeFeedback",
    method="POST",
    path="/api/v1/knowledge/feedback/{id}/settle",
    summary="Close feedback with an answer: its owner, or the staff of the knowledge base",
    right=Right.READ_KNOWLEDGE,
    query=OneFeedback,
    body=SettleIn,
    response=FeedbackOut,
    errors=(NotFound, Conflict),
)


def routes(
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
    """

    async def find(asked: Asked[FeedbackFilter, Nothing]) -> object:
        async with read() as session:
            return await feedback.find(session, asked.who, asked.query)

    async def wrong(asked: Asked[OneArticle, WrongIn]) -> FeedbackOut:
        async with write.begin() as session:
            return await feedback.wrong(session, asked.who, asked.query.id, asked.body, at=clock())

    async def not_found(asked: Asked[Nothing, NotFoundIn]) -> FeedbackOut:
        async with write.begin() as session:
            return await feedback.not_found(session, asked.who, asked.body, at=clock())

    async def settle(asked: Asked[OneFeedback, SettleIn]) -> FeedbackOut:
        async with write.begin() as session:
            return await feedback.settle(session, asked.who, asked.query.id, asked.body, at=clock())

    return [bind(LIST, find), bind(WRONG, wrong), bind(NOT_FOUND, not_found), bind(SETTLE, settle)]
