"""REST: tickets, their moves and history. Files and unmasking have modules of their own."""

from aiohttp import web
from pydantic import TypeAdapter

from cti.paging import as_response
from cti.tickets import files_http, unmask_http
from cti.tickets.casework import Casework
from cti.tickets.lifecycle import ImpossibleMove
from schemas.case_moves import MoveIn
from schemas.errors import Conflict, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.tickets import (
    Counts,
    HistoryWhole,
    TicketFilter,
    TicketId,
    TicketIn,
    TicketOut,
    TicketPatch,
    TicketWhole,
)

_TICKETS = TypeAdapter(list[TicketOut])


class OneTicket(Asks):
    """Which ticket."""

    id: TicketId


LIST = Operation(
    name="listTickets",
    method="GET",
    path="/api/v1/tickets",
    summary="Tickets, newest first; the `Link` header names the next page. A unit finds its own",
    right=Right.READ_TICKETS,
    query=TicketFilter,
    body=Nothing,
    response=list[TicketOut],
)
COUNT = Operation(
    name="countTickets",
    method="GET",
    path="/api/v1/ticket-counts",
    summary="How many open tickets there are, by light and by state",
    right=Right.READ_TICKETS,
    query=Nothing,
    body=Nothing,
    response=Counts,
)
GET = Operation(
    name="getTicket",
    method="GET",
    path="/api/v1/tickets/{id}",
    summary="One ticket with clocks, history, files and calls",
    right=Right.READ_TICKETS,
    query=OneTicket,
    body=Nothing,
    response=TicketWhole,
    errors=(NotFound,),
)
HISTORY = Operation(
    name="getTicketHistory",
    method="GET",
    path="/api/v1/tickets/{id}/history",
    summary="Every change of a ticket, and whether the chain of hashes holds",
    right=Right.READ_TICKETS,
    query=OneTicket,
    body=Nothing,
    response=HistoryWhole,
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
MOVE = Operation(
    name="moveTicket",
    method="POST",
    path="/api/v1/tickets/{id}/moves",
    summary="Make a move: accept, dispatch, sign …; `may` of a ticket names those there are",
    right=Right.READ_TICKETS,  # which right a move needs, the service knows
    query=OneTicket,
    body=MoveIn,
    response=TicketOut,
    errors=(NotFound, Conflict, ImpossibleMove),
)


def routes(casework: Casework) -> list[web.RouteDef]:
    """Return the routes of tickets, their files and their unmasking."""

    async def find(asked: Asked[TicketFilter, Nothing]) -> web.Response:
        page = await casework.find(asked.who, asked.query)
        return as_response(asked.request, page, _TICKETS)

    async def count(asked: Asked[Nothing, Nothing]) -> Counts:
        return await casework.count(asked.who)

    async def get(asked: Asked[OneTicket, Nothing]) -> TicketWhole:
        return await casework.get(asked.who, asked.query.id)

    async def history(asked: Asked[OneTicket, Nothing]) -> HistoryWhole:
        return await casework.history(asked.who, asked.query.id)

    async def create(asked: Asked[Nothing, TicketIn]) -> TicketOut:
        return await casework.create(asked.who, asked.body)

    async def change(asked: Asked[OneTicket, TicketPatch]) -> TicketOut:
        return await casework.change(asked.who, asked.query.id, asked.body)

    async def move(asked: Asked[OneTicket, MoveIn]) -> TicketOut:
        return await casework.move(asked.who, asked.query.id, asked.body)

    return [
        bind(LIST, find),
        bind(COUNT, count),
        bind(GET, get),
        bind(HISTORY, history),
        bind(CREATE, create),
        bind(CHANGE, change),
        bind(MOVE, move),
        *files_http.routes(casework),
        *unmask_http.routes(casework),
    ]
