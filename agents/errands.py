"""Work for app_queue, one agent's in order, different agents' side by side."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable

from agents import presence as p
from agents.ports import Queues
from agents.roster import Agent
from schemas.errors import HotlineError

log = logging.getLogger(__name__)

BOUND = 32
"""Errands of one agent that may wait. A person makes a few a minute: more means a broken link."""
TOLD_WITHIN = 15.0
"""Seconds one queue command may take over all queues."""

Errand = Callable[[], Awaitable[None]]
Outcome = Callable[[Exception | None], None]


class Errands:
    """Runs errands; its owner closes it."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._waiting: dict[Hashable, asyncio.Queue[tuple[Errand, Outcome]]] = {}

    async def close(self) -> None:
        """End what runs and forget what waits."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, whose: Hashable, errand: Errand, done: Outcome) -> None:
        """Run *errand* after all earlier ones of *whose*; *done* hears how it went.

        A full list drops the new errand: the resync that mends the link mends membership too.
        """
        waiting = self._waiting.setdefault(whose, asyncio.Queue(BOUND))
        try:
            waiting.put_nowait((errand, done))
        except asyncio.QueueFull as full:
            log.warning("too many queue commands wait; one dropped")
            done(full)
            return
        if whose not in self._tasks:
            self._tasks[whose] = asyncio.create_task(self._run(whose), name=f"errands-{whose}")

    async def _run(self, whose: Hashable) -> None:
        waiting = self._waiting[whose]
        while not waiting.empty():
            errand, done = waiting.get_nowait()
            try:
                await errand()
            except Exception as error:  # the outermost loop of this agent's work
                log.exception("queue command failed")
                done(error)
            else:
                done(None)
        # No await between the check and here, so nothing can slip in unseen.
        del self._tasks[whose], self._waiting[whose]


async def tell(queues: Queues, agent: Agent, command: p.Tell) -> None:
    """Carry one command of the presence machine to app_queue.

    Raises:
        HotlineError: app_queue could not be told.
        TimeoutError: it did not answer in time.
    """
    async with asyncio.timeout(TOLD_WITHIN):
        match command:
            case p.JoinQueues():
                await queues.join(agent.id, agent.interface, agent.skills)
            case p.LeaveQueues():
                await queues.leave(agent.id, agent.interface)
            case p.PauseQueues(reason=reason):
                await queues.pause(agent.id, agent.interface, reason)
            case p.UnpauseQueues():
                await queues.unpause(agent.id, agent.interface)


def code_of(error: Exception) -> str:
    """Return what a supervisor may read of *error*."""
    return error.code if isinstance(error, HotlineError) else type(error).__name__
