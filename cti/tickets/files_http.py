"""REST: evidence of tickets. A file comes as the raw body and leaves as a download."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from cti.tickets import evidence
from cti.tickets.casework import Casework
from cti.tickets.evidence import TooLarge
from schemas.errors import Conflict, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, Text, bind
from schemas.identity import Right
from schemas.tickets import FileOut, TicketId

CHUNK = 64 * 1024
"""Bytes read at a time; the server's own limit of a body is for JSON and does not bind a stream."""


class NewFile(Asks):
    """Where a file goes and what it is called; its bytes are the body."""

    id: TicketId
    name: Annotated[Text, Field(min_length=1, max_length=200, description="As people see it")]


class OneFile(Asks):
    """Which file."""

    id: TicketId
    file: int = Field(ge=1, le=2**31 - 1)


ATTACH = Operation(
    name="attachFile",
    method="POST",
    path="/api/v1/tickets/{id}/files",
    summary="Add evidence: the raw bytes as body, at most 20 MB; what it is says its content",
    right=Right.READ_TICKETS,  # who may add to which ticket, the service knows
    query=NewFile,
    body=Nothing,
    response=FileOut,
    status=201,
    errors=(NotFound, Conflict, TooLarge),
)
FILE = Operation(
    name="getFile",
    method="GET",
    path="/api/v1/tickets/{id}/files/{file}",
    summary="The bytes of a file, to be saved, never shown in place",
    right=Right.READ_TICKETS,
    query=OneFile,
    body=Nothing,
    response=bytes,
    media="application/octet-stream",
    errors=(NotFound,),
)


def routes(casework: Casework) -> list[web.RouteDef]:
    """Return the routes of this module."""

    async def attach(asked: Asked[NewFile, Nothing]) -> FileOut:
        length = asked.request.content_length
        if length is not None and length > evidence.LARGEST:
            raise TooLarge("文件太大，最多20 MB", most=evidence.LARGEST)
        chunks = asked.request.content.iter_chunked(CHUNK)
        return await casework.attach(asked.who, asked.query.id, asked.query.name, chunks)

    async def file(asked: Asked[OneFile, Nothing]) -> web.FileResponse:
        found, path = await casework.file(asked.who, asked.query.id, asked.query.file)
        return web.FileResponse(path, headers=evidence.headers(found.name, found.media))

    return [bind(ATTACH, attach), bind(FILE, file)]
