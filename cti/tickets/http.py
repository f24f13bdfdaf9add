"""REST: tickets."""

import time
from collections.abc import Callable

from aiohttp import web
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.paging import as_response
from cti.tickets import store
from cti.tickets.store import TicketFilter
from schemas.errors import Conflict, Invalid, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.numbers import Number, Register
from schemas.tickets import TicketId, TicketIn, TicketOut, TicketPatch

_TICKETS = TypeAdapter(list[TicketOut])


class OneTicket(Asks):
    """Which ticket."""

    id: TicketId


LIST = Operation(
    name="listTickets",
    method="GET",
    path="/api/v1/tickets",
    summary="Tickets, newest first; the `Link` header names the next page",
    right=Right.READ_TICKETS,
    query=TicketFilter,
    body=Nothing,
    response=list[TicketOut],
)
GET = Operation(
    name="getTicket",
    method="GET",
    path="/api/v1/tickets/{id}",
    summary="One ticket",
    right=Right.READ_TICKETS,
    query=OneTicket,
    body=Nothing,
    response=TicketOut,
    errors=(NotFound,),
)
CREATE = Operation(
    name="createTicket",
    method="POST",
    path="/api/v1/tickets",
    summary="Open a ticket that no call opened",
    right=Right.WRITE_TICKETS,
    query=Nothing,
    body=TicketIn,
    response=TicketOut,
    status=201,
)
CHANGE = Operation(
    name="changeTicket",
    method="PATCH",
    path="/api/v1/tickets/{id}",
    summary="Change a ticket, if nobody did meanwhile",
    right=Right.WRITE_TICKETS,
    query=OneTicket,
    body=TicketPatch,
    response=TicketOut,
    errors=(NotFound, Conflict),
)


def routes(
    read: async_sessionmaker[AsyncSession],
    write: async_sessionmaker[AsyncSession],
    *,
    register: Callable[[], Register],
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        register: the register as it is now.
    """

    async def find(asked: Asked[TicketFilter, Nothing]) -> web.Response:
        async with read() as session:
            page = await store.find(session, asked.query)
        return as_response(asked.request, page, _TICKETS)

    async def get(asked: Asked[OneTicket, Nothing]) -> TicketOut:
        async with read() as session:
            return await store.get(session, asked.query.id)

    async def create(asked: Asked[Nothing, TicketIn]) -> TicketOut:
        number = _known(register(), asked.body.number)
        async with write.begin() as session:
            return await store.create(
                session, asked.body, number=number, agent=asked.who.agent, at=clock()
            )

    async def change(asked: Asked[OneTicket, TicketPatch]) -> TicketOut:
        async with write.begin() as session:
            return await store.change(session, asked.query.id, asked.body, at=clock())

    return [bind(LIST, find), bind(GET, get), bind(CREATE, create), bind(CHANGE, change)]


def _known(register: Register, dialled: str | None) -> Number | None:
    if dialled is None:
        return None
    number = register.find(dialled)
    if number is None:
        fault = {"in": "body", "key": "number", "reason": "is not in the register of hotlines"}
        raise Invalid("1 fault in the body", faults=[fault])
    return number
