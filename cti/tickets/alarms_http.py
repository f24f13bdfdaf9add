"""REST: risk alarms (风险预警)."""

import time
from collections.abc import Callable, Sequence

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.tickets import alarm_rows
from schemas.alarms import AlarmFigures, AlarmFilter, AlarmOut, DecisionIn, FiguresAsked
from schemas.casebook import Casebook
from schemas.errors import Conflict, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right


class OneAlarm(Asks):
    """Which alarm."""

    id: int = Field(ge=1, le=2**31 - 1)


LIST = Operation(
    name="listAlarms",
    method="GET",
    path="/api/v1/alarms",
    summary="Risk alarms, newest first",
    right=Right.READ_REPORTS,
    query=AlarmFilter,
    body=Nothing,
    response=list[AlarmOut],
)
DECIDE = Operation(
    name="decideAlarm",
    method="POST",
    path="/api/v1/alarms/{id}/decision",
    summary="Confirm or dismiss a risk alarm, once and with a reason",
    right=Right.JUDGE_ALARMS,
    query=OneAlarm,
    body=DecisionIn,
    response=AlarmOut,
    errors=(NotFound, Conflict),
)
FIGURES = Operation(
    name="alarmFigures",
    method="GET",
    path="/api/v1/alarms/figures",
    summary="How many alarms were raised, how many were false, and how fast they were",
    right=Right.READ_REPORTS,
    query=FiguresAsked,
    body=Nothing,
    response=AlarmFigures,
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

    async def find(asked: Asked[AlarmFilter, Nothing]) -> Sequence[AlarmOut]:
        async with read() as session:
            return await alarm_rows.find(session, asked.query, book())

    async def decide(asked: Asked[OneAlarm, DecisionIn]) -> AlarmOut:
        who = f"{asked.who.kind}:{asked.who.id}"
        async with write.begin() as session:
            return await alarm_rows.decide(
                session, asked.query.id, asked.body, book(), who=who, at=clock()
            )

    async def figures(asked: Asked[FiguresAsked, Nothing]) -> AlarmFigures:
        async with read() as session:
            return await alarm_rows.figures(session, asked.query, book())

    return [bind(LIST, find), bind(DECIDE, decide), bind(FIGURES, figures)]
