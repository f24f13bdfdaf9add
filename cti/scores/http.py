"""REST: the units' monthly scores.

A unit's people see their own figures and their rank among how many, and no other unit's: what
others did is the hotline's to publish (通报). A responsible person sees the units below, too.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.scores import store
from cti.scores.excel import MEDIA, workbook
from cti.scores.months import Months
from cti.tickets import sight
from schemas.casebook import Casebook
from schemas.errors import Conflict, Forbidden
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right, Role, Who
from schemas.scores import Month, MonthOut, RecomputedOut

_PATH = "/api/v1/scores"


class OneMonth(Asks):
    """Which month."""

    month: Month


SCORES = Operation(
    name="getScores",
    method="GET",
    path=_PATH,
    summary="The six figures and the score of each unit in a month; frozen once it is closed",
    right=Right.READ_SCORES,
    query=OneMonth,
    body=Nothing,
    response=MonthOut,
)
EXCEL = Operation(
    name="exportScores",
    method="GET",
    path=_PATH + "/{month}/scores.xlsx",
    summary="A month's scores as Excel",
    right=Right.EXPORT,
    query=OneMonth,
    body=Nothing,
    response=bytes,
    media=MEDIA,
)
CLOSE = Operation(
    name="closeScores",
    method="POST",
    path=_PATH + "/{month}/close",
    summary="Close a month: nothing changes its scores again",
    right=Right.CLOSE_SCORES,
    query=OneMonth,
    body=Nothing,
    response=MonthOut,
    errors=(Conflict,),
)
RECOMPUTED = Operation(
    name="recomputeScores",
    method="GET",
    path=_PATH + "/{month}/recomputed",
    summary="In what a closed month would be another today; nothing is written",
    right=Right.READ_SCORES,
    query=OneMonth,
    body=Nothing,
    response=RecomputedOut,
    errors=(Conflict,),
)


def routes(
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    book: Callable[[], Casebook],
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        book: the casebook as it is now.
    """
    months = Months(read, write, book=book, clock=clock)

    async def seen(who: Who, month: str) -> MonthOut:
        found = await months.month(month)
        return store.of_units(found, sight.units_of(who, book().units))

    async def scores(asked: Asked[OneMonth, Nothing]) -> MonthOut:
        return await seen(asked.who, asked.query.month)

    async def excel(asked: Asked[OneMonth, Nothing]) -> web.Response:
        found = await seen(asked.who, asked.query.month)
        name = f"scores-{asked.query.month}.xlsx"
        return web.Response(
            body=await asyncio.to_thread(workbook, found),
            content_type=MEDIA,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def close(asked: Asked[OneMonth, Nothing]) -> MonthOut:
        return await months.close(asked.who, asked.query.month)

    async def recomputed(asked: Asked[OneMonth, Nothing]) -> RecomputedOut:
        if asked.who.role is Role.UNIT:
            raise Forbidden("各单位的差异只对热线管理人员开放")
        return await months.recompute(asked.query.month)

    return [
        bind(SCORES, scores),
        bind(EXCEL, excel),
        bind(CLOSE, close),
        bind(RECOMPUTED, recomputed),
    ]
