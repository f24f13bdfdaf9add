"""Raises alarms: follows tickets as they are saved, and says what their words mean.

It polls; nothing is handed to it in memory. What was saved while no process ran is found by the
mark in the database, and however many processes follow, what they find is settled in one
transaction at a time that sees all alarms there are: no alarm is lost, none is raised twice.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.hooks import outbox
from cti.rows import insert_into
from cti.tickets import changes
from cti.tickets.alarm_rows import alarm_out, known
from cti.tickets.alike import number_of
from cti.tickets.changes import OVERLAP, Changes, Ticket
from cti.tickets.clusters import Danger, Grow, Known, Raise, Report, dangers, settle_all
from cti.tickets.places import Places
from cti.tickets.risks import Watch
from cti.tickets.wording import listen
from schemas.alarms import AlarmOut
from schemas.case_tables import AlarmRow
from schemas.casebook import Casebook
from schemas.risks import Cluster, Risks
from schemas.tables import MarkRow

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks: an alarm is raised within 10 s of saving."""
MARK = "alarms"
FIRST = 24 * 3600.0
"""Seconds that the very first look goes back."""
WRITE_MARK = 30.0
"""Seconds after which the mark is written though nothing was raised."""
WINDOW = 4000
"""Tickets of the last hours that one is compared with, the newest of more."""
SAMPLES = 20
"""Words shown of an alarm."""
NOT_GROUPED = frozenset({"consult", "praise"})
"""Kinds of which many alike mean nothing: half the city asks when pensions are paid."""


class Alarms:
    """The follower; `run` it beside others, in as many processes as there are.

    Args:
        book: the casebook as it is now.
        raised: is told of each alarm that was raised or grew, after it is committed.
        clock: Unix seconds now.
    """

    def __init__(
        self,
        read: async_sessionmaker[AsyncSession],
        write: async_sessionmaker[AsyncSession],
        *,
        book: Callable[[], Casebook],
        raised: Callable[[AlarmOut], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._write = write
        self._book = book
        self._raised = raised
        self._clock = clock
        self._changes: Changes | None = None
        self._written = float("-inf")
        """When the mark was written last, by `clock`."""
        self._made: tuple[Casebook, Watch, Places] | None = None
        self._reports: dict[str, Report] = {}
        """Tickets opened within the cluster's hours: kept from the changes, whoever made them."""

    async def run(self, told: Callable[[Exception | None], None] = lambda _: None) -> None:
        """Look for ever; ends only by cancellation.

        Args:
            told: hears after each look what it failed by, or None.
        """
        while True:
            try:
                while await self.poll():
                    told(None)
            except Exception as error:  # a database that is away: go on
                log.exception("looking for risks failed; it is tried again")
                told(error)
            else:
                told(None)
            await asyncio.sleep(EVERY)

    async def poll(self) -> int:
        """Look once at what changed; returns how many tickets that were (a batch at most)."""
        async with self._read() as session:
            watch, places = await self._ready(session)
            assert self._changes is not None
            tickets = await self._changes.read(session)
        fresh = await asyncio.to_thread(_reports, tickets, watch, places)
        self._keep(fresh, watch.risks)
        found = await asyncio.to_thread(_dangers, fresh, list(self._reports.values()), watch)
        told = await self._settle(found, watch, self._changes.reach)
        self._changes.done()
        for alarm in told:
            self._raised(alarm)
        return len(tickets)

    async def _ready(self, session: AsyncSession) -> tuple[Watch, Places]:
        """Return words and places of the casebook; a new one, and the start, fill the window."""
        book = self._book()
        if self._made is not None and self._made[0] is book:
            return self._made[1:]
        if self._changes is None:
            row = await session.get(MarkRow, MARK)
            begin = self._clock() - FIRST if row is None else float(row.value["at"])
            self._changes = Changes(begin, clock=self._clock)
        watch, places = Watch(book.risks), Places.of(book.gazetteer)
        hours = book.risks.cluster.hours * 3600
        tickets = await changes.opened_since(session, self._changes.at - hours - OVERLAP, WINDOW)
        self._reports.clear()
        for start in range(0, len(tickets), changes.BATCH):
            part = tickets[start : start + changes.BATCH]
            self._keep(await asyncio.to_thread(_reports, part, watch, places), watch.risks)
        self._made = book, watch, places
        return watch, places

    def _keep(self, fresh: Sequence[Report], risks: Risks) -> None:
        assert self._changes is not None
        old = self._changes.at - risks.cluster.hours * 3600 - OVERLAP
        for report in fresh:
            self._reports.pop(report.ticket, None)
            self._reports[report.ticket] = report
        kept = [one for one in self._reports.values() if one.at >= old][-WINDOW:]
        if len(kept) < len(self._reports):
            self._reports = {one.ticket: one for one in kept}

    async def _settle(
        self, found: Sequence[Danger], watch: Watch, upto: float
    ) -> Sequence[AlarmOut]:
        """Write what follows from *found*, and how far we are; returns the news of it."""
        now = self._clock()
        if not found and now - self._written < WRITE_MARK:
            return []
        told: list[AlarmOut] = []
        async with self._write.begin() as session:
            mark = await _locked(session, upto)
            mark.value = {"at": max(upto, float(mark.value["at"]))}
            rows = await _rows(session, found, watch)
            alarms = [known(row) for row in rows.values()]
            cluster = watch.risks.cluster
            news: dict[int, str] = {}
            for id, outcome in await _settled(found, alarms, cluster):
                if isinstance(outcome, Raise):
                    rows[id] = await _raise(session, outcome, now)
                    news[id] = "alarm.raised"
                else:
                    _grow(rows[id], outcome)
                    if outcome.told:
                        news.setdefault(id, "alarm.grown")
            # once for each alarm, however many tickets came at a time: a storm brings hundreds
            for id, topic in news.items():
                alarm = alarm_out(rows[id], self._book())
                await _tell(session, alarm, topic, now)
                told.append(alarm)
        self._written = now
        return told


async def _settled(
    found: Sequence[Danger], alarms: Sequence[Known], cluster: Cluster
) -> Sequence[tuple[int, Raise | Grow]]:
    """Return `settle_all` in a thread of its own.

    The write lock is held: those of the loop may all be busy, with names that do not resolve.
    """
    if not found:
        return []
    alone = ThreadPoolExecutor(1, thread_name_prefix="alarms")
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(alone, settle_all, found, alarms, cluster)
    finally:
        alone.shutdown(wait=False)


async def _raise(session: AsyncSession, outcome: Raise, now: float) -> AlarmRow:
    danger = outcome.danger
    row = AlarmRow(
        kind=danger.kind,
        topic=danger.topic,
        level=danger.level,
        county=outcome.county,
        town=outcome.town,
        tickets=list(outcome.tickets),
        words=list(outcome.words)[:SAMPLES],
        first_at=min(danger.report.saved_at, now),
        raised_at=now,
        state="open",
    )
    session.add(row)
    await session.flush()
    log.info("alarm %s raised: %s, %d tickets", row.id, row.topic, len(row.tickets))
    return row


def _grow(row: AlarmRow, outcome: Grow) -> None:
    row.tickets = list(outcome.tickets)
    row.words = list(dict.fromkeys((*row.words, *outcome.words)))[:SAMPLES]
    row.town = outcome.town


def _reports(tickets: Iterable[Ticket], watch: Watch, places: Places) -> list[Report]:
    found = []
    for ticket in tickets:
        try:
            found.append(_report(ticket, watch, places))
        except Exception:  # one that nobody foresaw: alarms of all others must not end with it
            log.exception("ticket %s: its words cannot be looked at", ticket.id)
    return found


def _report(ticket: Ticket, watch: Watch, places: Places) -> Report:
    county, town = ticket.county, ticket.town
    if county is None:
        place = places.find(ticket.place, ticket.title, ticket.body, ticket.transcript or "")
        county, town = place.county, town or place.town
    text = ticket.everything
    return Report(
        ticket=ticket.id,
        at=ticket.created_at,
        saved_at=ticket.updated_at,
        # an alarm must not tell that a confidential ticket is of the number of another one
        caller="" if ticket.confidential else number_of(ticket.caller),
        county=county,
        town=town,
        groups=ticket.kind not in NOT_GROUPED,
        said=listen(text),
        topics={} if ticket.kind == "praise" else watch.topics(text),
    )


def _dangers(fresh: Sequence[Report], others: Sequence[Report], watch: Watch) -> list[Danger]:
    def each() -> Iterator[Danger]:
        for report in fresh:
            try:
                yield from list(dangers(report, others, watch.risks))
            except Exception:  # see `_reports`
                log.exception("ticket %s cannot be compared", report.ticket)

    return list(each())


async def _locked(session: AsyncSession, at: float) -> MarkRow:
    """Return our mark; from here on no other process settles anything."""
    await session.execute(
        insert_into(session, MarkRow)
        .values(name=MARK, value={"at": at})
        .on_conflict_do_nothing(index_elements=["name"])
    )
    mine = select(MarkRow).where(MarkRow.name == MARK).with_for_update()
    return (await session.scalars(mine)).one()


async def _rows(
    session: AsyncSession, found: Sequence[Danger], watch: Watch
) -> dict[int, AlarmRow]:
    """Return all alarms that a danger of *found* may be in, or join.

    A ticket came into an alarm while that was open, or within the cluster's hours of its being
    confirmed: so those decided before can have none of these tickets.
    """
    if not found:
        return {}
    since = min(danger.report.at for danger in found) - watch.risks.cluster.hours * 3600
    rows = await session.scalars(
        select(AlarmRow)
        .where(
            AlarmRow.topic.in_({danger.topic for danger in found}),
            or_(AlarmRow.state == "open", AlarmRow.decided_at >= since),
        )
        .order_by(AlarmRow.id)
        .with_for_update()
    )
    return {row.id: row for row in rows}


async def _tell(session: AsyncSession, alarm: AlarmOut, topic: str, now: float) -> None:
    await outbox.put(
        session,
        topic=topic,
        ref=f"alarm:{alarm.id}",
        seq=len(alarm.tickets),  # it only ever grows
        body=alarm.model_dump(mode="json"),
        at=now,
    )
