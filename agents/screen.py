"""What an agent's screen shows of a call: the pop, the caller's history, the call as it goes on."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from agents.hub import Hub
from agents.pops import pop_of, with_history
from agents.ports import Histories
from schemas.calls import AgentId, Call, CallId, CallOut
from schemas.desktop import History, ScreenPop

log = logging.getLogger(__name__)

HISTORY_WITHIN = 0.5
"""Seconds the history of a caller may take; later than that nobody reads it."""


@dataclass(slots=True)
class Screen:
    """One agent's."""

    agent: AgentId
    pop: ScreenPop | None = None
    call: Call | None = None
    fetch: asyncio.Task[None] | None = None

    def pops(self, call: Call) -> bool:
        """Tell whether the pop is of *call*."""
        return self.pop is not None and self.pop.call == call.id


class Screens:
    """Fills and empties screens, and tells the desks.

    Args:
        describe: a call as JSON shows it.
        clock: Unix seconds.
    """

    def __init__(
        self,
        hub: Hub,
        histories: Histories,
        *,
        describe: Callable[[Call], CallOut],
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._histories = histories
        self._describe = describe
        self._clock = clock
        self._fetches: set[asyncio.Task[None]] = set()

    async def end(self) -> None:
        """End the histories under way."""
        for task in (fetches := list(self._fetches)):
            task.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    def described(self, screen: Screen) -> CallOut | None:
        """Return the call on the screen, if there is one."""
        return None if screen.call is None else self._describe(screen.call)

    def open(self, screen: Screen, call: Call) -> None:
        """Show the pop of *call*; the history follows when it is not at hand."""
        known = self._histories.known(call.caller) if call.caller else History()
        screen.pop = with_history(pop_of(call, now=self._clock()), known)
        self._hub.publish(screen.agent, "pop", screen.pop.model_dump(mode="json"))
        _cancel(screen.fetch)
        if known is None and call.caller:
            fetch = asyncio.create_task(self._fetch(screen, call.id, call.caller), name="history")
            self._fetches.add(fetch)
            fetch.add_done_callback(self._fetches.discard)
            screen.fetch = fetch

    def clear(self, screen: Screen, why: str) -> None:
        """Close the pop and let go of the call."""
        screen.call = None
        if screen.pop is not None:
            _cancel(screen.fetch)
            body: dict[str, object] = {"call": screen.pop.call, "why": why}
            screen.pop = None
            self._hub.publish(screen.agent, "pop_closed", body)

    def show(self, screen: Screen, call: Call) -> None:
        """Show *call* as it is now."""
        screen.call = call
        self._hub.publish(screen.agent, "call", self._describe(call).model_dump(mode="json"))

    async def _fetch(self, screen: Screen, call: CallId, caller: str) -> None:
        try:
            async with asyncio.timeout(HISTORY_WITHIN):
                history = await self._histories.fetch(caller)
        except Exception as error:  # the agent works without a history; the call goes on
            log.warning("call %s: no history (%s)", call, type(error).__name__)
            return
        if screen.pop is not None and screen.pop.call == call:
            screen.pop = with_history(screen.pop, history)
            self._hub.publish(screen.agent, "pop", screen.pop.model_dump(mode="json"))


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
