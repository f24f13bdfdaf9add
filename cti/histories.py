"""What is known of a caller, fetched while they still wait so that the screen-pop need not."""

import asyncio
import logging
from collections import OrderedDict

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls import ledger
from cti.tickets import lists as tickets
from schemas.desktop import EarlierCall, History, OpenTicket
from schemas.events import FlowStarted, Happened, QueueJoined
from schemas.times import iso

log = logging.getLogger(__name__)

KEPT = 2000
"""Histories kept."""
FRESH = 120.0
"""Seconds a history counts as known."""
LINES = 10


class Histories:
    """Prefetches while the caller listens to the flow or queues; owns its tasks."""

    def __init__(self, read: async_sessionmaker[AsyncSession]) -> None:
        self._read = read
        self._known: OrderedDict[str, tuple[float, History]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def known(self, caller: str) -> History | None:
        """Return the history if it was fetched a moment ago."""
        found = self._known.get(caller)
        if found is None or found[0] < asyncio.get_running_loop().time() - FRESH:
            return None
        return found[1]

    async def fetch(self, caller: str) -> History:
        """Return the caller's newest calls and open tickets from the database."""
        now = asyncio.get_running_loop().time()
        async with self._read() as session:
            calls = await ledger.earlier_calls(session, caller, before=1e12, limit=LINES)
            opened = await tickets.open_of(session, caller, limit=LINES)
        history = History(
            calls=[
                EarlierCall(
                    id=call.id,
                    started_at=call.started_at,
                    hotline=call.hotline,
                    outcome=call.outcome,
                    agent=call.agent,
                )
                for call in calls
                if call.outcome is not None
            ],
            tickets=[
                OpenTicket(
                    id=ticket.id,
                    state=ticket.state,
                    title=ticket.title,
                    created_at=iso(ticket.created_at),
                )
                for ticket in opened
            ],
        )
        self._known[caller] = (now, history)
        self._known.move_to_end(caller)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return history

    def happened(self, news: Happened) -> None:
        """Fetch ahead for who calls, and for who queues without a flow before it.

        Who calls again within a minute has a new line in their history: never show the old one.
        """
        caller = news.call.caller
        if caller and isinstance(news.event, FlowStarted):
            self._known.pop(caller, None)
        elif not isinstance(news.event, QueueJoined):
            return
        if caller and self.known(caller) is None:
            task = asyncio.create_task(self._ahead(caller), name="history-ahead")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ahead(self, caller: str) -> None:
        try:
            await self.fetch(caller)
        except Exception as error:  # the pop goes out without; it asks again by itself
            log.warning("no history ahead of the pop (%s)", type(error).__name__)

    async def close(self) -> None:
        """End what is under way."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
