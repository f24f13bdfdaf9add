"""REST: promises to call back."""

import time
from collections.abc import Callable, Sequence

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.callbacks import store
from cti.callbacks.store import CallbackFilter, callback_out
from cti.tickets import masks
from cti.tickets.unmask import confidential_calls
from schemas.callbacks import Callback, CallbackIn, CallbackOut
from schemas.http import Asked, Nothing, Operation, bind
from schemas.identity import Right
from schemas.tables import TicketRow

LIST = Operation(
    name="listCallbacks",
    method="GET",
    path="/api/v1/callbacks",
    summary="Promises to call back, newest first",
    right=Right.READ_CALLBACKS,
    query=CallbackFilter,
    body=Nothing,
    response=list[CallbackOut],
)
PROMISE = Operation(
    name="promiseCallback",
    method="POST",
    path="/api/v1/callbacks",
    summary="Promise a citizen a call; who has a live promise gets that one back",
    right=Right.WRITE_CALLBACKS,
    query=Nothing,
    body=CallbackIn,
    response=CallbackOut,
    status=201,
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

    async def find(asked: Asked[CallbackFilter, Nothing]) -> list[CallbackOut]:
        async with read() as session:
            found = await store.find(session, asked.query)
            hidden = await _confidential(session, found)
        return [
            masks.callback_out(callback_out(one)) if one.id in hidden else callback_out(one)
            for one in found
        ]

    async def promise(asked: Asked[Nothing, CallbackIn]) -> CallbackOut:
        now = clock()
        async with write.begin() as session:
            promised = await store.promise(
                session,
                caller=asked.body.caller,
                reason=asked.body.reason,
                call_id=asked.body.call_id,
                arrived_at=now,
                at=now,
                number=asked.body.number,
            )
        return callback_out(promised)

    return [bind(LIST, find), bind(PROMISE, promise)]


async def _confidential(session: AsyncSession, found: Sequence[Callback]) -> frozenset[int]:
    """Return the ids of promises to citizens who are confidential.

    They called so, or have an open confidential ticket: a promise made later tells of it, too.
    """
    if not found:
        return frozenset()
    calls = await confidential_calls(session, [one.call_id for one in found if one.call_id])
    callers = frozenset(
        await session.scalars(
            select(TicketRow.caller).where(
                TicketRow.caller.in_({one.caller for one in found}),
                TicketRow.confidential,
                TicketRow.closed_at.is_(None),
            )
        )
    )
    return frozenset(one.id for one in found if one.call_id in calls or one.caller in callers)
