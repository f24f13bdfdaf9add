"""REST: web hooks. Admins alone make them: a hook takes every ticket out of the house."""

import time
from collections.abc import Callable, Sequence

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.hooks import store
from cti.hooks.addresses import check_url
from cti.paging import Limit
from schemas.errors import Conflict, NotFound
from schemas.hooks import (
    DeliveryOut,
    DeliveryState,
    HookId,
    HookIn,
    HookMade,
    HookOut,
    HookPatch,
)
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right

_PATH = "/api/v1/hooks"


class OneHook(Asks):
    """Which hook."""

    id: HookId


class OneDelivery(OneHook):
    """Which delivery of which hook."""

    delivery: HookId


class DeliveryFilter(OneHook):
    """Which deliveries."""

    state: DeliveryState | None = None
    limit: Limit = 50
    before: HookId | None = Field(default=None, description="Only ids below this: the next page")


LIST = Operation(
    name="listHooks",
    method="GET",
    path=_PATH,
    summary="Web hooks",
    right=Right.HOOKS,
    query=Nothing,
    body=Nothing,
    response=list[HookOut],
)
CREATE = Operation(
    name="createHook",
    method="POST",
    path=_PATH,
    summary="Have another system told of tickets; the secret is shown this once",
    right=Right.HOOKS,
    query=Nothing,
    body=HookIn,
    response=HookMade,
    status=201,
    errors=(Conflict,),
)
GET = Operation(
    name="getHook",
    method="GET",
    path=_PATH + "/{id}",
    summary="One web hook",
    right=Right.HOOKS,
    query=OneHook,
    body=Nothing,
    response=HookOut,
    errors=(NotFound,),
)
CHANGE = Operation(
    name="changeHook",
    method="PATCH",
    path=_PATH + "/{id}",
    summary="Change a web hook; what is due to it goes to the new address",
    right=Right.HOOKS,
    query=OneHook,
    body=HookPatch,
    response=HookOut,
    errors=(NotFound,),
)
REMOVE = Operation(
    name="deleteHook",
    method="DELETE",
    path=_PATH + "/{id}",
    summary="Delete a web hook and all that was due to it",
    right=Right.HOOKS,
    query=OneHook,
    body=Nothing,
    response=None,
    status=204,
    errors=(NotFound,),
)
SECRET = Operation(
    name="renewHookSecret",
    method="POST",
    path=_PATH + "/{id}/secret",
    summary="Give a web hook another secret; the old one is void at once",
    right=Right.HOOKS,
    query=OneHook,
    body=Nothing,
    response=HookMade,
    errors=(NotFound,),
)
PING = Operation(
    name="pingHook",
    method="POST",
    path=_PATH + "/{id}/ping",
    summary="Send a web hook the topic hook.ping; its deliveries say what came of it",
    right=Right.HOOKS,
    query=OneHook,
    body=Nothing,
    response=DeliveryOut,
    status=202,
    errors=(NotFound, Conflict),
)
DELIVERIES = Operation(
    name="listDeliveries",
    method="GET",
    path=_PATH + "/{id}/deliveries",
    summary="What was sent to a web hook or waits for it, newest first",
    right=Right.HOOKS,
    query=DeliveryFilter,
    body=Nothing,
    response=list[DeliveryOut],
    errors=(NotFound,),
)
REDELIVER = Operation(
    name="redeliver",
    method="POST",
    path=_PATH + "/{id}/deliveries/{delivery}/redeliver",
    summary="Send a piece of news to a web hook again, under the id it has",
    right=Right.HOOKS,
    query=OneDelivery,
    body=Nothing,
    response=DeliveryOut,
    status=202,
    errors=(NotFound, Conflict),
)


def routes(
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    loopback: bool = False,
    wake: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        loopback: whether hooks on this machine are allowed.
        wake: tells the sender that something is due.
    """

    async def find(_: Asked[Nothing, Nothing]) -> Sequence[HookOut]:
        async with read() as session:
            return await store.find(session)

    async def create(asked: Asked[Nothing, HookIn]) -> HookMade:
        check_url(asked.body.url, loopback=loopback)
        async with write.begin() as session:
            return await store.create(session, asked.who, asked.body, at=clock())

    async def get(asked: Asked[OneHook, Nothing]) -> HookOut:
        async with read() as session:
            return await store.get(session, asked.query.id)

    async def change(asked: Asked[OneHook, HookPatch]) -> HookOut:
        if asked.body.url is not None:
            check_url(asked.body.url, loopback=loopback)
        async with write.begin() as session:
            made = await store.change(session, asked.who, asked.query.id, asked.body, at=clock())
        wake()  # somebody may answer at the new address
        return made

    async def remove(asked: Asked[OneHook, Nothing]) -> None:
        async with write.begin() as session:
            await store.remove(session, asked.who, asked.query.id, at=clock())

    async def renew(asked: Asked[OneHook, Nothing]) -> HookMade:
        async with write.begin() as session:
            return await store.new_secret(session, asked.who, asked.query.id, at=clock())

    async def ping(asked: Asked[OneHook, Nothing]) -> DeliveryOut:
        async with write.begin() as session:
            made = await store.ping(session, asked.who, asked.query.id, at=clock())
        wake()
        return made

    async def deliveries(asked: Asked[DeliveryFilter, Nothing]) -> Sequence[DeliveryOut]:
        of = asked.query
        async with read() as session:
            return await store.deliveries(
                session, of.id, state=of.state, limit=of.limit, before=of.before
            )

    async def redeliver(asked: Asked[OneDelivery, Nothing]) -> DeliveryOut:
        of = asked.query
        async with write.begin() as session:
            made = await store.redeliver(session, asked.who, of.delivery, hook=of.id, at=clock())
        wake()
        return made

    return [
        bind(LIST, find),
        bind(CREATE, create),
        bind(GET, get),
        bind(CHANGE, change),
        bind(REMOVE, remove),
        bind(SECRET, renew),
        bind(PING, ping),
        bind(DELIVERIES, deliveries),
        bind(REDELIVER, redeliver),
    ]
