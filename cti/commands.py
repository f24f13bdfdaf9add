"""Carries out what the call machine wants done, until it is done."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.callbacks import store as callbacks
from cti.calls.registry import Registry
from schemas.calls import Call
from schemas.commands import BringBack, Command, NothingUndone, OpenTicket, PromiseCallback
from schemas.events import Event, TicketOpened
from schemas.tables import CallRow
from schemas.tickets import TicketOut

log = logging.getLogger(__name__)

RETRIES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between tries while the database refuses; the last one repeats."""


AT_ONCE = 2
"""Commands that may hold a connection: those waiting for a lock must leave some to the readers."""


class Drafts(Protocol):
    """Opens the draft of an answered call."""

    async def open_draft(
        self, session: AsyncSession, call: Call, *, agent: str, at: float
    ) -> TicketOut:
        """Open it in the caller's transaction, or return the one the call has."""


class Commands:
    """Runs one command to its end.

    A locked database delays it and nothing makes it go missing: what a crash interrupts is found
    again at the next start (`Reconciler.owed`).

    Args:
        report: takes the news that a ticket is open.
        steer: carries out what is to be moved in a call.
        drafts: opens the tickets of answered calls.
    """

    def __init__(
        self,
        write: async_sessionmaker[AsyncSession],
        registry: Registry,
        *,
        report: Callable[[Event], None],
        drafts: Drafts,
        steer: Callable[[Command, Call], Awaitable[None]] | None = None,
    ) -> None:
        self._steer = steer
        self._drafts = drafts
        self._write = write
        self._registry = registry
        self._report = report
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, command: Command, call: Call) -> None:
        """Carry out *command* of *call*, however long the database takes to agree."""
        if isinstance(command, BringBack | NothingUndone):
            if self._steer is not None:
                await self._steer(command, call)
            return
        tries = 0
        while True:
            try:
                async with self._at_once:
                    await self._once(command, call)
            except (SQLAlchemyError, OSError) as error:
                wait = RETRIES[min(tries, len(RETRIES) - 1)]
                tries += 1
                log.warning(
                    "call %s: %s waits for the database (%s)",
                    command.call,
                    type(command).__name__,
                    type(error).__name__,
                )
                await asyncio.sleep(wait)
            else:
                return

    async def _once(self, command: Command, call: Call) -> None:
        match command:
            case OpenTicket(agent=agent, at=at):
                now = self._registry.get(call.id)
                if now is not None and now.ticket_id is not None:
                    return  # a second agent of the same call
                async with self._write.begin() as session:
                    ticket = await self._drafts.open_draft(session, call, agent=agent, at=at)
                    if now is None:  # over for so long that nobody will note it in the ledger
                        await session.execute(
                            update(CallRow).where(CallRow.id == call.id).values(ticket_id=ticket.id)
                        )
                self._report(TicketOpened(call=command.call, at=time.time(), ticket=ticket.id))
            case PromiseCallback(caller=caller, reason=reason, at=at):
                async with self._write.begin() as session:
                    await callbacks.promise(
                        session,
                        caller=caller,
                        reason=reason,
                        call_id=command.call,
                        arrived_at=call.started_at,
                        at=at,
                        number=call.number.number if call.number else None,
                    )
