"""REST: switches of the whole service."""

import time
from collections.abc import Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti import switches
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.switches import Switch, SwitchOut, TurnIn


class OneSwitch(Asks):
    """Which switch."""

    name: Switch


LIST = Operation(
    name="listSwitches",
    method="GET",
    path="/api/v1/switches",
    summary="Switches of the whole service, how they stand, who turned them and why",
    right=Right.READ_AGENTS,
    query=Nothing,
    body=Nothing,
    response=list[SwitchOut],
)
TURN = Operation(
    name="turnSwitch",
    method="PUT",
    path="/api/v1/switches/{name}",
    summary="Turn a switch; counts from the next call on, within a few seconds",
    right=Right.SWITCH,
    query=OneSwitch,
    body=TurnIn,
    response=SwitchOut,
)


def routes(
    known: switches.Switches,
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        known: what this process goes by; it learns of a turn at once.
    """

    async def find(_: Asked[Nothing, Nothing]) -> list[SwitchOut]:
        async with read() as session:
            return [await switches.shown(session, switch) for switch in Switch]

    async def turn(asked: Asked[OneSwitch, TurnIn]) -> SwitchOut:
        name, wanted, who = asked.query.name, asked.body, asked.who
        by = f"{who.kind}:{who.id}"
        async with write.begin() as session:
            await switches.turn(session, name, on=wanted.on, who=by, why=wanted.why, at=clock())
        async with read() as session:
            await known.look(session)
            return await switches.shown(session, name)

    return [bind(LIST, find), bind(TURN, turn)]
