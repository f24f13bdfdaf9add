"""REST: the evidence pack of a ticket. Each one taken leaves a row in the audit."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti import audit
from cti.evidence_pack.gather import Cases, gather
from cti.evidence_pack.pack import CHUNK, write
from schemas.errors import Forbidden, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right, Who
from schemas.tickets import TicketId

AT_ONCE = 2
"""Packs being made at a time: each may read hours of sound."""


class OnePack(Asks):
    """Which ticket's."""

    id: TicketId
    unmasked: bool = Field(
        default=False,
        description="With a confidential caller's number, name and voice; needs a valid grant",
    )


TAKE = Operation(
    name="takeEvidence",
    method="GET",
    path="/api/v1/tickets/{id}/evidence.zip",
    summary="The evidence pack of a ticket: history, clocks, calls, recordings, files, hashes",
    right=Right.TAKE_EVIDENCE,
    query=OnePack,
    body=Nothing,
    response=bytes,
    media="application/zip",
    errors=(NotFound, Forbidden),
)


class Packs:
    """Makes evidence packs.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        evidence: folder of evidence files.
        recordings: the folder of recordings as it is now.
    """

    def __init__(
        self,
        read: async_sessionmaker[AsyncSession],
        write: async_sessionmaker[AsyncSession],
        cases: Cases,
        *,
        evidence: Path,
        recordings: Callable[[], Path],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._write = write
        self._cases = cases
        self._evidence = evidence
        self._recordings = recordings
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def make(self, who: Who, id: str, to: IO[bytes], *, unmasked: bool = False) -> str:
        """Write the pack of the ticket *id* to *to*; return the SHA-256 of its manifest.

        It is in the audit before anybody has it.

        Raises:
            NotFound: there is no ticket that *who* sees.
            Forbidden: the caller was not granted to *who*.
        """
        async with self._turns:
            found = await gather(
                self._read,
                self._cases,
                who,
                id,
                evidence=self._evidence,
                recordings=self._recordings(),
                unmask=unmasked,
            )
            at = self._clock()
            hashed = await asyncio.to_thread(write, found, to, who=who.id, at=at)
        async with self._write.begin() as session:
            detail = {"manifest_sha256": hashed, "unmasked": found.unmasked}
            await audit.note(session, who, what="evidence_pack", ref=id, detail=detail, at=at)
        return hashed


def routes(packs: Packs) -> list[web.RouteDef]:
    """Return the routes of this module."""

    async def take(asked: Asked[OnePack, Nothing]) -> web.StreamResponse:
        # on disk, not in memory; without a name it is gone whatever happens to us
        with tempfile.TemporaryFile() as made:
            await packs.make(asked.who, asked.query.id, made, unmasked=asked.query.unmasked)
            return await _send(asked.request, made, name=f"{asked.query.id}.zip")

    return [bind(TAKE, take)]


async def _send(request: web.Request, made: IO[bytes], *, name: str) -> web.StreamResponse:
    answer = web.StreamResponse(
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        }
    )
    answer.content_type = "application/zip"
    answer.content_length = made.seek(0, 2)
    made.seek(0)
    await answer.prepare(request)
    while chunk := await asyncio.to_thread(made.read, CHUNK):
        await answer.write(chunk)
    await answer.write_eof()
    return answer
