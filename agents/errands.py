"""Work for app_queue, one agent's in order, different agents' side by side."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable

log = logging.getLogger(__name__)

BOUND = 32
"""Errands of one agent that may wait. A person makes a few a minute: more means a broken link."""

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
