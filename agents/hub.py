"""Numbered changes to desks: one bounded outbox a socket, one number series a desk."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from schemas.calls import AgentId
from schemas.desktop import Answer, Change

REPLACED = 4001
"""Close code: a newer desk of the same agent is open."""
TOO_SLOW = 4002
"""Close code: changes came faster than the socket took them; reconnect for a snapshot."""
GOING_AWAY = 1001

Kind = Literal["state", "pop", "pop_closed", "call", "ticket"]


class Closed(Exception):
    """Nothing more goes out on this socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Outbox:
    """What still has to be sent on one socket."""

    def __init__(self, size: int) -> None:
        self._lines: asyncio.Queue[str | Closed] = asyncio.Queue(size + 1)
        self._size = size
        self._closed: Closed | None = None

    def put(self, line: str) -> None:
        """Send *line* later. Overflow closes: a desk that lost a change must take a snapshot."""
        if self._closed is None and self._lines.qsize() >= self._size:
            self.close(TOO_SLOW, "too slow: reconnect for a snapshot")
        elif self._closed is None:
            self._lines.put_nowait(line)

    def close(self, code: int, reason: str) -> None:
        """Send nothing more; what waits is dropped, for the socket may be stuck."""
        if self._closed is None:
            self._closed = Closed(code, reason)
            while not self._lines.empty():
                self._lines.get_nowait()
            self._lines.put_nowait(self._closed)

    async def next(self) -> str:
        """Return the oldest line, waiting for one.

        Raises:
            Closed: there will be none.
        """
        if isinstance(item := await self._lines.get(), Closed):
            raise item
        return item


class Hub:
    """Who listens, and how far each desk's numbers have come."""

    def __init__(self, *, size: int = 256) -> None:
        self._size = size
        self._closed = False
        self._open: dict[AgentId, Outbox] = {}
        self._v: defaultdict[AgentId, int] = defaultdict(int)

    def v(self, agent: AgentId) -> int:
        """Return the number of the last change of this desk."""
        return self._v[agent]

    def online(self, agent: AgentId) -> bool:
        """Return whether a desk of this agent is open."""
        return agent in self._open

    @contextmanager
    def subscribe(self, agent: AgentId) -> Iterator[Outbox]:
        """Open an outbox; the older one of the same agent is told and closed."""
        outbox = Outbox(self._size)
        if older := self._open.get(agent):
            older.close(REPLACED, "a newer desk of this agent is open")
        self._open[agent] = outbox
        if self._closed:
            outbox.close(GOING_AWAY, "going away")
        try:
            yield outbox
        finally:
            if self._open.get(agent) is outbox:
                del self._open[agent]

    def publish(self, agent: AgentId, kind: Kind, body: dict[str, object]) -> None:
        """Number a change and send it to the agent's desk, if one is open."""
        self._v[agent] += 1
        if outbox := self._open.get(agent):
            outbox.put(Change(type=kind, v=self._v[agent], body=body).model_dump_json())

    def disconnect(self, agent: AgentId, code: int, reason: str) -> None:
        """Close the agent's desk, if one is open."""
        if outbox := self._open.get(agent):
            outbox.close(code, reason)

    def close(self) -> None:
        """Close every desk and every one to come: we are going away.

        Call it before the web server is stopped, which would else wait for the open sockets.
        """
        self._closed = True
        for outbox in self._open.values():
            outbox.close(GOING_AWAY, "going away")


def answer(outbox: Outbox, id: str, error: dict[str, object] | None = None) -> None:
    """Answer the command *id* in the order of the changes."""
    outbox.put(Answer(id=id, ok=error is None, error=error).model_dump_json())
