"""One inbox, one writer: every fact about calls comes through here, in order, without locks.

The loop's body has no await: event → `machine.step` → registry → journal → subscribers → commands
to that call's own ordered task.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from cti.calls.journal import Journal
from cti.calls.machine import ImpossibleEvent, step
from cti.calls.registry import Registry
from schemas.calls import Call, CallId, State
from schemas.commands import Command
from schemas.events import (
    AgentRinging,
    Attributed,
    CallArrived,
    Event,
    FellBack,
    Happened,
    HungUp,
    PromptPlayed,
    QueueJoined,
    Vanished,
)

log = logging.getLogger(__name__)

BOUND = 50_000
"""Events waiting; only a stalled loop gets there."""

Subscriber = Callable[[Happened], None]
Attribute = Callable[[str, str], Attributed | None]


class Inbox:
    """The single writer of calls.

    Args:
        obey: runs one command of a call as it then was; awaited in the call's own order.
        attribute: from (did, redirecting) to the number dialled, for calls whose flow never ran.
    """

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        *,
        obey: Callable[[Command, Call], Awaitable[None]],
        attribute: Callable[[Event, str, str], Attributed],
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._obey = obey
        self._attribute = attribute
        self._queue: asyncio.Queue[Event] = asyncio.Queue(BOUND)
        self._subscribers: list[Subscriber] = []
        self._waiting: dict[CallId, deque[tuple[Command, Call]]] = {}
        self.overflowed = False
        """Events were dropped: only a resync with Asterisk makes the picture whole again."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call *subscriber* after each step, in order; it must not block."""
        self._subscribers.append(subscriber)

    def put(self, event: Event) -> None:
        """Take an event; never blocks. When full, notes go first and a resync is called for."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            if not isinstance(event, PromptPlayed):
                self.overflowed = True
            log.error("inbox full: %s dropped", type(event).__name__)

    async def drained(self) -> None:
        """Return when every event put before this moment has been handled."""
        await self._queue.join()

    async def run(self) -> None:
        """Handle events for ever; ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                event = await self._queue.get()
                try:
                    self._handle(event, tasks)
                except Exception:
                    log.exception("event %s broke the inbox loop", type(event).__name__)
                finally:
                    self._queue.task_done()

    def _handle(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        call = self._registry.find(event)
        if call is None:
            return
        if isinstance(event, AgentRinging) and event.agent in call.ringing:
            return  # told twice: by our dialplan before the INVITE and by app_queue after it
        if call.attribution is None and call.state is not State.ENDED:
            # no flow said which number was dialled: it never ran, or died before it was written
            match event:
                case FellBack(redirecting=redirecting) | QueueJoined(redirecting=redirecting):
                    call, _ = step(call, self._attribute(event, call.did or "", redirecting))
                case HungUp() | Vanished():
                    call, _ = step(call, self._attribute(event, call.did or "", ""))
        try:
            after, commands = step(call, event)
        except ImpossibleEvent as error:
            log.info("call %s: ignored %s", call.id, error)
            return
        self._registry.put(after, now=event.at)
        # the channel's arrival is told again when the dialplan has filtered the caller's number
        again = isinstance(event, CallArrived) and call.channel is not None
        self._journal.record(after, None if again else event)
        if after.state is not call.state:
            log.info("call %s: %s -> %s", after.id, call.state, after.state)
        happened = Happened(event, after)
        for subscriber in self._subscribers:
            try:
                subscriber(happened)
            except Exception:
                log.exception("a subscriber failed on %s", type(event).__name__)
        self._order(after, commands, tasks)

    def _order(self, call: Call, commands: Iterable[Command], tasks: asyncio.TaskGroup) -> None:
        for command in commands:
            if call.id in self._waiting:
                self._waiting[call.id].append((command, call))
            else:
                self._waiting[call.id] = deque([(command, call)])
                tasks.create_task(self._work(call.id), name=f"commands-{call.id}")

    async def _work(self, call: CallId) -> None:
        """Run the call's commands one after the other."""
        commands = self._waiting[call]
        try:
            while commands:
                command, then = commands.popleft()
                try:
                    await self._obey(command, then)
                except Exception:
                    log.exception("call %s: %s failed", call, type(command).__name__)
        finally:
            del self._waiting[call]
