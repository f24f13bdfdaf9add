"""REST: what was said in recordings.

Of calls of confidential callers nothing is told: who they are can be heard, and cannot be masked.
"""

from aiohttp import web
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls.http import OneCall
from cti.paging import Page, as_response
from cti.tickets.unmask import confidential_calls
from cti.transcripts import store
from cti.transcripts.store import TranscriptFilter
from schemas.errors import NotFound
from schemas.http import Asked, Nothing, Operation, bind
from schemas.identity import Right
from schemas.transcripts import TranscriptOut

_TRANSCRIPTS = TypeAdapter(list[TranscriptOut])


TRANSCRIPT = Operation(
    name="getTranscript",
    method="GET",
    path="/api/v1/calls/{id}/transcript",
    summary="What was said in the recording of a call: recognised, not checked",
    right=Right.READ_TRANSCRIPTS,
    query=OneCall,
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

    async def one(asked: Asked[OneCall, Nothing]) -> TranscriptOut:
        async with read() as session:
            found = await store.get(session, asked.query.id)
            hidden = await confidential_calls(session, [asked.query.id])
        if found is None or hidden:
            raise NotFound("there is no transcript of this call")
        return found

    async def many(asked: Asked[TranscriptFilter, Nothing]) -> web.Response:
        async with read() as session:
            page = await store.find(session, asked.query)
            hidden = await confidential_calls(session, [one.call_id for one in page.items])
        shown = [one for one in page.items if one.call_id not in hidden]
        return as_response(asked.request, Page(shown, page.next), _TRANSCRIPTS)

    return [bind(TRANSCRIPT, one), bind(TRANSCRIPTS, many)]
