"""REST: open tickets that may be the same matter (并单)."""

from collections.abc import Sequence

from aiohttp import web

from cti.tickets.likeness import Likeness
from schemas.errors import NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.likeness import AlikeIn, AlikeOut
from schemas.tickets import TicketId


class WhichTicket(Asks):
    """Which ticket."""

    id: TicketId


OF_TICKET = Operation(
    name="alikeTickets",
    method="GET",
    path="/api/v1/tickets/{id}/alike",
    summary="Open tickets that may be the same matter as this one, a repeat caller's first",
    right=Right.WRITE_TICKETS,
    query=WhichTicket,
    body=Nothing,
    response=list[AlikeOut],
    errors=(NotFound,),
)
OF_TEXT = Operation(
    name="alikeText",
    method="POST",
    path="/api/v1/tickets/alike",
    summary="The same for what is not saved yet; nothing is saved",
    right=Right.WRITE_TICKETS,
    query=Nothing,
    body=AlikeIn,
    response=list[AlikeOut],
)


def routes(likeness: Likeness) -> list[web.RouteDef]:
    """Return the routes of this module."""

    async def of_ticket(asked: Asked[WhichTicket, Nothing]) -> Sequence[AlikeOut]:
        return await likeness.of_ticket(asked.query.id)

    async def of_text(asked: Asked[Nothing, AlikeIn]) -> Sequence[AlikeOut]:
        return await likeness.of_text(asked.body)

    return [bind(OF_TICKET, of_ticket), bind(OF_TEXT, of_text)]
