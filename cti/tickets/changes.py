"""Tickets that changed, for those who follow them: nothing is missed, whoever wrote it.

Rows are read in the order of (updated_at, id). That is not the order in which they are committed:
a transaction may wait for a lock and appear behind us, and another node's clock may be a little
behind ours. So the last minute is looked at again each time, and what was given is remembered.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from cti.paging import older_than
from schemas.tables import TicketRow

OVERLAP = 60.0
"""Seconds looked at again: longer than any transaction may last."""
BATCH = 200
PAGE = 1000
"""Rows of the last minute read at once."""

Stamp = tuple[int, float]
"""Version and time of a row: another one means that it changed."""
_COLUMNS = (
    *(TicketRow.id, TicketRow.version, TicketRow.created_at, TicketRow.updated_at),
    *(TicketRow.closed_at, TicketRow.caller, TicketRow.confidential),
    *(TicketRow.county, TicketRow.town, TicketRow.place),
    *(TicketRow.category, TicketRow.kind, TicketRow.title, TicketRow.body, TicketRow.transcript),
)
_KEY = (TicketRow.created_at, TicketRow.id)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is read of a ticket here; times Unix seconds."""

    id: str
    version: int
    created_at: float
    updated_at: float
    closed_at: float | None
    caller: str | None
    confidential: bool
    county: str | None
    town: str | None
    place: str
    category: str | None
    kind: str | None
    title: str
    body: str
    transcript: str | None

    @property
    def text(self) -> str:
        """What was said and written; the caller's own words only while nothing is written."""
        written = "。".join(part for part in (self.title, self.body) if part)
        return written or self.transcript or ""

    @property
    def everything(self) -> str:
        """What was said and written."""
        return "。".join(part for part in (self.title, self.body, self.transcript) if part)


class Changes:
    """One follower's place among the changes.

    Args:
        since: Unix seconds up to which everything is done.
        clock: Unix seconds now; a row from the future does not carry the place beyond it.
    """

    def __init__(self, since: float, *, clock: Callable[[], float]) -> None:
        self.at = since
        self._clock = clock
        self._seen: dict[str, Stamp] = {}
        self._given: dict[str, Stamp] = {}

    @property
    def reach(self) -> float:
        """Where the place will be once what `read` gave last is done."""
        newest = max((at for _, at in self._given.values()), default=self.at)
        return max(self.at, min(newest, self._clock()))

    async def read(self, session: AsyncSession) -> Sequence[Ticket]:
        """Return up to `BATCH` changed tickets, the oldest change first; again until `done`."""
        at, id = self.at - OVERLAP, ""
        fresh: list[tuple[str, Stamp]] = []
        while True:
            later = or_(
                TicketRow.updated_at > at, and_(TicketRow.updated_at == at, TicketRow.id > id)
            )
            rows = await session.execute(
                select(TicketRow.id, TicketRow.version, TicketRow.updated_at)
                .where(later)
                .order_by(TicketRow.updated_at, TicketRow.id)
                .limit(PAGE)
            )
            page = [(row.id, (row.version, row.updated_at)) for row in rows]
            fresh += [(id, stamp) for id, stamp in page if self._seen.get(id) != stamp]
            if len(page) < PAGE or len(fresh) >= BATCH:
                break
            id, (_, at) = page[-1]
        self._given = dict(fresh[:BATCH])
        tickets = await some(session, self._given)
        return sorted(tickets, key=lambda ticket: (ticket.updated_at, ticket.id))

    def done(self) -> None:
        """Note that what `read` gave last need not be given again.

        What changed once more since `read` listed it is given again: its stamp is another one.
        """
        self.at = self.reach
        self._seen |= self._given
        self._given = {}
        old = self.at - OVERLAP
        self._seen = {id: stamp for id, stamp in self._seen.items() if stamp[1] >= old}


async def some(session: AsyncSession, ids: Iterable[str]) -> list[Ticket]:
    """Return the tickets *ids*, those that there are, in no order."""
    wanted = list(ids)
    if not wanted:
        return []
    rows = await session.execute(select(*_COLUMNS).where(TicketRow.id.in_(wanted)))
    return [Ticket(**row._mapping) for row in rows]


async def newest_open(session: AsyncSession, limit: int) -> list[Ticket]:
    """Return the newest *limit* tickets that are not closed, the oldest first."""
    return await _newest(session, TicketRow.closed_at.is_(None), limit)


async def opened_since(session: AsyncSession, begin: float, limit: int) -> list[Ticket]:
    """Return the newest *limit* tickets opened at *begin* (Unix seconds) or later."""
    return await _newest(session, TicketRow.created_at >= begin, limit)


async def _newest(session: AsyncSession, which: ColumnElement[bool], limit: int) -> list[Ticket]:
    found: list[Ticket] = []
    query = select(*_COLUMNS).where(which)
    query = query.order_by(TicketRow.created_at.desc(), TicketRow.id.desc()).limit(BATCH)
    while len(found) < limit:  # in pages: reading very many rows at once would hold up the loop
        after = older_than((found[-1].created_at, found[-1].id), *_KEY) if found else true()
        page = [Ticket(**row._mapping) for row in await session.execute(query.where(after))]
        found += page
        if len(page) < BATCH:
            break
    return found[:limit][::-1]
