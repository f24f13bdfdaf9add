"""REST: what was said in recordings."""

from typing import Annotated

from aiohttp import web
from pydantic import Field, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.paging import as_response
from cti.transcripts import store
from cti.transcripts.store import TranscriptFilter
from schemas.errors import NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.transcripts import TranscriptOut

_TRANSCRIPTS = TypeAdapter(list[TranscriptOut])


class OfCall(Asks):
    """Of which call."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", examples=["n1-1795398938.12"])]


TRANSCRIPT = Operation(
    name="getTranscript",
    method="GET",
    path="/api/v1/calls/{id}/transcript",
    summary="What was said in the recording of a call: recognised, not checked",
    right=Right.READ_TRANSCRIPTS,
    query=OfCall,
    body=Nothing,
    response=TranscriptOut,
    errors=(NotFound,),
)
TRANSCRIPTS = Operation(
    name="listTranscripts",
    method="GET",
    path="/api/v1/transcripts",
    summary="Transcripts of recordings, newest first, by what was said; `Link` names the next page",
    right=Right.READ_TRANSCRIPTS,
    query=TranscriptFilter,
    body=Nothing,
    response=list[TranscriptOut],
)


def routes(read: async_sessionmaker[AsyncSession]) -> list[web.RouteDef]:
    """Return the routes of this module; *read* makes sessions that only read."""

    async def one(asked: Asked[OfCall, Nothing]) -> TranscriptOut:
        async with read() as session:
            found = await store.get(session, asked.query.id)
        if found is None:
            raise NotFound("there is no transcript of this call")
        return found

    async def many(asked: Asked[TranscriptFilter, Nothing]) -> web.Response:
        async with read() as session:
            page = await store.find(session, asked.query)
        return as_response(asked.request, page, _TRANSCRIPTS)

    return [bind(TRANSCRIPT, one), bind(TRANSCRIPTS, many)]
