"""Carries out what the call machine wants done, until it is done."""

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.callbacks import store as callbacks
from cti.calls.registry import Registry
from cti.tickets import store as tickets
from schemas.commands import Command, OpenTicket, PromiseCallback
from schemas.events import Event, TicketOpened

log = logging.getLogger(__name__)

RETRIES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between tries while the database refuses; the last one repeats."""


class Commands:
    """Runs one command to its end.

    A locked database delays it and nothing makes it go missing: what a crash interrupts is found
    again at the next start (`Reconciler.owed`).

    Args:
        report: takes the news that a ticket is open.
    """

    def __init__(
        self,
        write: async_sessionmaker[AsyncSession],
        registry: Registry,
        *,
        report: Callable[[Event], None],
    ) -> None:
        self._write = write
        self._registry = registry
        self._report = report

    async def __call__(self, command: Command) -> None:
        """Carry out *command*, however long the database takes to agree."""
        tries = 0
        while True:
            try:
                await self._once(command)
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

    async def _once(self, command: Command) -> None:
        call = self._registry.get(command.call)
        match command:
            case OpenTicket(agent=agent, at=at):
                if call is None:
                    log.error("call %s: gone before its ticket was opened", command.call)
                    return
                if call.ticket_id is not None:
                    return
                async with self._write.begin() as session:
                    ticket = await tickets.open_draft(session, call, agent=agent, at=at)
                self._report(TicketOpened(call=command.call, at=time.time(), ticket=ticket.id))
            case PromiseCallback(caller=caller, reason=reason, at=at):
                async with self._write.begin() as session:
                    await callbacks.promise(
                        session,
                        caller=caller,
                        reason=reason,
                        call_id=command.call,
                        arrived_at=call.started_at if call else at,
                        at=at,
                        number=call.number.number if call and call.number else None,
                    )
