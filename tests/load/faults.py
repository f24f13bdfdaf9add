"""What the fault tests share: a loaded service, a look at its ledger, a cuttable AMI link."""

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import make_url

from bench import sipp
from bench.stack import Stack


class Load:
    """*size* callers who talk and *size* who wait, all with audio."""

    def __init__(self, stack: Stack, size: int) -> None:
        self.stack = stack
        self.size = size
        self.callers = [f"1390{n:07d}" for n in range(2 * size)]
        self.citizens: sipp.Sipp | None = None
        self.relay: Cuttable | None = None
        """What stands between controller and AMI."""

    async def begin(self, *, hold: float) -> None:
        """Let everybody call and return once half of them talk and half of them wait."""
        rows = [(caller, "12345", "") for caller in self.callers]
        self.citizens = await self.stack.citizens(rows, rate=20, hold=hold)
        await self.states({"talking": self.size, "queued": self.size}, within=60)

    async def states(self, wanted: dict[str, int], *, within: float) -> None:
        """Wait until so many calls live in these states."""

        async def ask() -> Counter[str]:
            calls = await self.stack.every("/api/v1/calls?limit=500")
            return Counter(c["state"] for c in calls if c["outcome"] is None)

        def enough(found: Counter[str]) -> bool:
            return all(found[state] >= count for state, count in wanted.items())

        await self.stack.until(ask, enough, within=within)

    async def over(self) -> None:
        """Wait until every citizen has left and the ledger has closed every call."""
        assert self.citizens is not None
        await self.citizens.wait()
        await self.stack.until(self.open_calls, lambda left: left == [], within=30)

    async def open_calls(self) -> list[str]:
        """Return the calls that have no outcome yet."""
        calls = await self.stack.every("/api/v1/calls?limit=500")
        return [call["id"] for call in calls if call["outcome"] is None]


async def outcomes(stack: Stack) -> Counter[str]:
    """Return how many calls ended with which word."""
    calls = await stack.every("/api/v1/calls?limit=500")
    return Counter(str(call["outcome"]) for call in calls)


def rows(stack: Stack, query: str) -> list[Any]:
    """Return what an independent look into the SQLite ledger finds."""
    file = make_url(stack.config.database_url).database
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


async def call_and_hear(stack: Stack, number: str, callers: list[str], *, hold: float) -> None:
    """Let *callers* dial *number* at once and stay *hold* seconds after Asterisk's answer."""
    calling = await stack.citizens([(caller, number, "") for caller in callers], rate=10, hold=hold)
    tally = await calling.wait()
    assert tally.failed == 0, tally


@contextlib.asynccontextmanager
async def locked_database(stack: Stack) -> AsyncIterator[None]:
    """Hold SQLite's write lock."""
    file = make_url(stack.config.database_url).database
    holder = sqlite3.connect(str(file), isolation_level=None, timeout=30)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


class Cuttable:
    """A TCP relay to Asterisk's AMI that can be cut."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Relay from now on."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Cut every connection and take no new one."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        with contextlib.suppress(OSError):
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._writers -= {writer, far_writer}
        for end in (writer, far_writer):
            end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class Watch:
    """Seconds since it was made, for the figures a fault run prints."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._began:.2f} s"
