"""The AMI link: panoramisk's framing behind our guards.

One `Manager` a connection, thrown away when the link is lost: nothing is ever re-sent (panoramisk
repeats unanswered actions after a reconnect, an Originate reached Asterisk twice). The link counts
as up only after `FullyBooted`: AMI answers before the dialplan is loaded.
"""

import asyncio
import codecs
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from schemas.errors import Unavailable

log = logging.getLogger(__name__)

BACK_OFF = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before the next try; the last one repeats."""
QUIET_PINGS = 2
"""So many unanswered pings in a row and the link is dead (half-open TCP says nothing)."""


class AsteriskUnreachable(Unavailable):
    """Asterisk gave no answer in time, or the link is down."""

    code = "asterisk_unreachable"


class ActionRefused(Unavailable):
    """Asterisk answered an action with an error."""

    code = "action_refused"
    status = 409


class _Protocol(AMIProtocol):  # type: ignore[misc]
    """panoramisk's parser with an incremental decoder and no reconnecting of its own."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def data_received(self, data: bytes) -> None:
        # a letter may be cut by TCP: keep its first bytes until the rest comes
        super().data_received(self._decoder.decode(data).encode("utf-8"))


class _Once(Manager):  # type: ignore[misc]
    """One connection, then no more."""

    def __init__(self, lost: Callable[[], None], **config: Any) -> None:
        super().__init__(**config)
        self._lost = lost

    def connection_lost(self, exc: object) -> None:
        self._lost()

    async def send_awaiting_actions(self, *_: object) -> None:
        self.awaiting_actions.clear()

    def ping(self) -> None:
        """Nothing: `Link` pings and looks at the answer."""


@dataclass(slots=True)
class LinkState:
    """What /status says of a link."""

    ok: bool = False
    since: float = field(default_factory=time.time)
    last_error: str | None = "not connected yet"

    def set(self, ok: bool, error: str | None = None) -> None:
        """Note the state; `since` moves only when it changes."""
        if ok != self.ok:
            self.since = time.time()
            self.last_error = error
        elif error is not None:
            self.last_error = error
        self.ok = ok


class Link:
    """Keeps one AMI connection up and hands on what comes.

    Args:
        inbox: takes each event's headers; must not block and must not raise.
        booted: awaited after each FullyBooted, before the link counts as up (resync).
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        secret: str,
        inbox: Callable[[dict[str, str]], None],
        booted: Callable[[], Awaitable[None]],
        down: Callable[[], None],
        action_timeout: float = 5.0,
        ping_every: float = 2.0,
    ) -> None:
        self._config = {"host": host, "port": port, "username": user, "secret": secret}
        self._inbox = inbox
        self._booted = booted
        self._down = down
        self._timeout = action_timeout
        self._ping_every = ping_every
        self._manager: _Once | None = None
        self._ready = asyncio.Event()
        self.state = LinkState()

    async def run(self) -> None:
        """Connect, stay, connect again; ends only by cancellation."""
        failures = 0
        while True:
            try:
                async with self._connection() as lost:
                    failures = 0
                    await self._watch(lost)
            except AsteriskUnreachable as error:
                log.warning("AMI link: %s", error.message)
                self.state.set(False, error.message)
            await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            failures += 1

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncio.Event]:
        lost = asyncio.Event()
        manager = _Once(
            lost.set,
            **self._config,
            protocol_factory=_Protocol,
            loop=asyncio.get_running_loop(),
            ping_delay=86_400,
        )
        manager.register_event("*", self._received)
        self._ready.clear()
        self._manager = manager
        try:
            await self._log_in(manager, lost)
            yield lost
        finally:
            self._manager = None
            was_up = self._ready.is_set()
            self._ready.clear()
            manager.close()
            if was_up:
                self.state.set(False, "connection lost")
                self._down()

    async def _log_in(self, manager: _Once, lost: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                connecting = manager.connect()
                connecting.remove_done_callback(manager.connection_made)
                await connecting
                manager.connection_made(connecting)
                logged_in = manager.authenticated_future
                # only waited for, never cancelled: panoramisk's own callback reads its result
                await _first(asyncio.wait([logged_in]), lost.wait())
        except (OSError, TimeoutError) as error:
            raise AsteriskUnreachable(f"cannot connect: {error or 'no answer'}") from error
        if not logged_in.done():
            raise AsteriskUnreachable("connection closed before the login was answered")
        if logged_in.result().response != "Success":
            raise AsteriskUnreachable("login refused: wrong user or secret")
        try:
            async with asyncio.timeout(60):  # a big configuration takes its time to load
                await _first(self._ready.wait(), lost.wait())
        except TimeoutError as error:
            raise AsteriskUnreachable("never fully booted") from error
        if lost.is_set():
            raise AsteriskUnreachable("connection lost while Asterisk was starting")
        await self._booted()
        self.state.set(True)
        log.info("AMI link is up")

    async def _watch(self, lost: asyncio.Event) -> None:
        """Return when the link is lost, or has not answered so many pings."""
        quiet = 0
        while not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ping_every):
                    await lost.wait()
                    continue
            try:
                await self._send("Ping", {}, timeout=self._ping_every)
                quiet = 0
            except AsteriskUnreachable:
                quiet += 1
                if quiet >= QUIET_PINGS:
                    raise AsteriskUnreachable("no answer to pings: half-open link") from None

    def _received(self, _: Manager, message: Mapping[str, str]) -> None:
        # panoramisk calls this from the transport: an exception here would close the link
        if message["Event"] == "FullyBooted":
            self._ready.set()
        self._inbox({k: v[-1] if isinstance(v, list) else v for k, v in message.items()})

    @property
    def up(self) -> bool:
        """Whether actions can be sent just now."""
        return self._ready.is_set()

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        """Run one AMI action once and return Asterisk's first response.

        Raises:
            AsteriskUnreachable: the link is down, or no answer within the time limit. Whether
                Asterisk did it is then unknown; it is never sent again by us.
            ActionRefused: Asterisk answered `Response: Error`.
            ValueError: a value holds a line break.
        """
        answer = await self._send(action, headers, timeout=self._timeout)
        first = dict(answer[0] if isinstance(answer, list) else answer)
        if first.get("Response") == "Error":
            raise ActionRefused(f"{action}: {first.get('Message', '')}")
        return first

    async def ask(self, action: str, **headers: str) -> list[Mapping[str, str]]:
        """Run a list action and return every event of its answer.

        Raises:
            AsteriskUnreachable, ActionRefused, ValueError: as `act`.
        """
        answer = await self._send(action, headers, timeout=self._timeout, as_list=None)
        items = [dict(item) for item in (answer if isinstance(answer, list) else [answer])]
        if items and items[0].get("Response") == "Error":
            raise ActionRefused(f"{action}: {items[0].get('Message', '')}")
        return [item for item in items if "Event" in item]

    async def _send(
        self,
        action: str,
        headers: Mapping[str, str],
        *,
        timeout: float,
        as_list: bool | None = False,
    ) -> Any:
        for name, value in headers.items():
            if any(c in value for c in "\r\n\0"):
                raise ValueError(f"line break in AMI header {name} of {action}")
        manager = self._manager
        if manager is None or not self._ready.is_set():
            raise AsteriskUnreachable("the AMI link is down")
        try:
            async with asyncio.timeout(timeout):
                return await manager.send_action({"Action": action, **headers}, as_list=as_list)
        except TimeoutError as error:
            raise AsteriskUnreachable(f"no answer to {action}") from error


async def _first(*waits: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
