"""Keeps the open tickets in an index that is asked for those alike (并单).

The index lives in memory and follows the database: it is filled from it at the start, looks every
2 s at what changed, and looks again before each question, so that a ticket saved a moment ago by
another process is found. Words are cut in a thread: the loop that serves calls never waits for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.tickets import changes
from cti.tickets.alike import Alike, Index, Matter
from cti.tickets.changes import Changes, Ticket
from cti.tickets.places import Places
from schemas.casebook import Casebook
from schemas.cases import TicketState
from schemas.errors import NotFound
from schemas.gazetteer import Gazetteer
from schemas.likeness import AlikeIn, AlikeOut
from schemas.tables import TicketRow
from schemas.times import iso

log = logging.getLogger(__name__)

MOST = 20_000
"""Open tickets kept; of more, those that changed longest ago are left out."""
EVERY = 2.0
"""Seconds between two looks."""
ANSWERS = 10


class Likeness:
    """The index of this process and what feeds it.

    Args:
        book: the casebook as it is now.
        clock: Unix seconds now.
    """

    def __init__(
        self,
        read: async_sessionmaker[AsyncSession],
        *,
        book: Callable[[], Casebook],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._book = book
        self._clock = clock
        self._index = Index(self._county)
        self._changes: Changes | None = None
        self._alone = asyncio.Lock()
        self._places: tuple[Gazetteer, Places] | None = None

    async def run(self, told: Callable[[Exception | None], None] = lambda _: None) -> None:
        """Follow the database for ever; ends only by cancellation.

        Args:
            told: hears after each look what it failed by, or None.
        """
        while True:
            try:
                await self.follow()
            except Exception as error:  # a database that is away: it is read later
                log.exception("the index of open tickets could not follow; it is tried again")
                told(error)
            else:
                told(None)
            await asyncio.sleep(EVERY)

    async def follow(self) -> None:
        """Take everything that changed; the first time, all that is open."""
        async with self._alone:
            if self._changes is None:
                begun = self._clock()
                async with self._read() as session:
                    tickets = await changes.newest_open(session, MOST)
                for start in range(0, len(tickets), changes.BATCH):
                    await asyncio.to_thread(self._take, tickets[start : start + changes.BATCH])
                self._changes = Changes(begun, clock=self._clock)
            while True:
                async with self._read() as session:
                    tickets = list(await self._changes.read(session))
                if not tickets:
                    return
                await asyncio.to_thread(self._take, tickets)
                self._changes.done()

    async def of_ticket(self, id: str) -> list[AlikeOut]:
        """Return the open tickets that may be the same matter as the ticket *id*.

        Raises:
            NotFound: there is no such ticket.
        """
        async with self._read() as session:
            found = await changes.some(session, [id])
        if not found:
            raise NotFound("there is no such ticket")
        return await self._answer(lambda: self._matter(found[0]))

    async def of_text(self, asked: AlikeIn) -> list[AlikeOut]:
        """Return the open tickets that may be the same matter as what is not saved yet."""
        text = "。".join(part for part in (asked.title, asked.body) if part)

        def matter() -> Matter:
            county, town = asked.county, asked.town
            if county is None:
                county, town = self._located(town, asked.place, text)
            return Matter(
                id="",
                text=text,
                caller=asked.caller,
                county=county,
                town=town,
                place=asked.place,
                category=asked.category,
                at=self._clock(),
            )

        return await self._answer(matter)

    async def _answer(self, matter: Callable[[], Matter]) -> list[AlikeOut]:
        await self.follow()
        async with self._alone:
            found = await asyncio.to_thread(
                lambda: self._index.ask(matter(), limit=ANSWERS, now=self._clock())
            )
        if not found:
            return []
        async with self._read() as session:
            rows = await session.execute(
                select(TicketRow.id, TicketRow.title, TicketRow.state, TicketRow.created_at).where(
                    TicketRow.id.in_([alike.ticket_id for alike in found]),
                    TicketRow.closed_at.is_(None),
                )
            )
            there = {row.id: row for row in rows}
        return [
            _out(alike, row.title, TicketState(row.state), row.created_at)
            for alike in found
            if (row := there.get(alike.ticket_id)) is not None
        ]

    def _take(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            self._index.drop(ticket.id)
            if ticket.closed_at is not None:
                continue
            try:
                self._index.put(self._matter(ticket))
            except Exception:  # one that nobody foresaw: all others are found all the same
                log.exception("ticket %s cannot be found by its likeness", ticket.id)
        self._index.shrink(MOST)

    def _matter(self, ticket: Ticket) -> Matter:
        county, town = ticket.county, ticket.town
        if county is None:
            county, town = self._located(town, ticket.place, ticket.text)
        return Matter(
            id=ticket.id,
            text=ticket.text,
            # whoever types a number must not learn that a confidential ticket is that number's
            caller=None if ticket.confidential else ticket.caller,
            county=county,
            town=town,
            place=ticket.place,
            category=ticket.category,
            at=ticket.created_at,
        )

    def _located(self, town: str | None, *texts: str) -> tuple[str | None, str | None]:
        gazetteer = self._book().gazetteer
        if self._places is None or self._places[0] is not gazetteer:
            self._places = gazetteer, Places.of(gazetteer)
        place = self._places[1].find(*texts)
        return place.county, town or place.town

    def _county(self, code: str) -> str:
        county = self._book().gazetteer.counties.get(code)
        return code if county is None else county.name


def _out(alike: Alike, title: str, state: TicketState, at: float) -> AlikeOut:
    return AlikeOut(
        ticket_id=alike.ticket_id,
        title=title,
        state=state,
        state_label=state.label,
        created_at=iso(at),
        score=alike.score,
        likely=alike.likely,
        repeat=alike.repeat,
        reasons=list(alike.reasons),
    )
