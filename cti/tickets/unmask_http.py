"""REST: who a confidential caller is. Two people, fifteen minutes, and a trace of each look."""

from aiohttp import web
from pydantic import Field

from cti.tickets.casework import Casework
from schemas.errors import Conflict, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.tickets import CallerOut, TicketId, UnmaskGrant, UnmaskIn, UnmaskOut


class OfTicket(Asks):
    """Which ticket."""

    id: TicketId


class OneRequest(Asks):
    """Which request."""

    request: int = Field(ge=1, le=2**31 - 1)


ASK = Operation(
    name="askUnmask",
    method="POST",
    path="/api/v1/tickets/{id}/unmask",
    summary="Ask to see who a confidential caller is; somebody else must grant it",
    right=Right.ASK_UNMASK,
    query=OfTicket,
    body=UnmaskIn,
    response=UnmaskOut,
    status=201,
    errors=(NotFound, Conflict),
)
LOOK = Operation(
    name="getUnmasked",
    method="GET",
    path="/api/v1/tickets/{id}/unmask",
    summary="Who called, for 15 minutes after the grant; every look is recorded",
    right=Right.ASK_UNMASK,
    query=OfTicket,
    body=Nothing,
    response=CallerOut,
    errors=(NotFound, Conflict),
)
WAITING = Operation(
    name="listUnmaskRequests",
    method="GET",
    path="/api/v1/unmask-requests",
    summary="Requests that wait for a second person",
    right=Right.GRANT_UNMASK,
    query=Nothing,
    body=Nothing,
    response=list[UnmaskOut],
)
GRANT = Operation(
    name="grantUnmask",
    method="POST",
    path="/api/v1/unmask-requests/{request}",
    summary="Grant or refuse what somebody else asked; a machine cannot",
    right=Right.GRANT_UNMASK,
    query=OneRequest,
    body=UnmaskGrant,
    response=UnmaskOut,
    errors=(NotFound, Conflict),
)


def routes(casework: Casework) -> list[web.RouteDef]:
    """Return the routes of this module."""

    async def ask(asked: Asked[OfTicket, UnmaskIn]) -> UnmaskOut:
        return await casework.ask_unmask(asked.who, asked.query.id, asked.body.why)

    async def look(asked: Asked[OfTicket, Nothing]) -> CallerOut:
        return await casework.unmasked(asked.who, asked.query.id)

    async def waiting(asked: Asked[Nothing, Nothing]) -> list[UnmaskOut]:
        return list(await casework.asked_unmask(asked.who))

    async def grant(asked: Asked[OneRequest, UnmaskGrant]) -> UnmaskOut:
        return await casework.grant_unmask(asked.who, asked.query.request, asked.body.grant)

    return [bind(ASK, ask), bind(LOOK, look), bind(WAITING, waiting), bind(GRANT, grant)]
