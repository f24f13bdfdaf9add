"""`kill -9` in the middle of ticket writes with web hooks on: nothing half-written, nothing lost.

`FAULT_WRITES` says how many writes; the issue's figure is 1 000.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.hooks import store
from cti.hooks.sender import Sender
from cti.hooks.wire import genuine
from cti.tickets import history
from hotline import db
from schemas.case_tables import ClockRow, DeliveryRow, HistoryRow, OutboxRow, TextRow
from schemas.cases import TicketState
from schemas.hooks import HookIn, HookMade
from schemas.tables import TicketRow
from tests.cti.case_desk import ADMIN
from tests.cti.hook_receiver import Receiver, eventually, receiving

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
ROOT = Path(__file__).parents[2]
WRITES = int(os.environ.get("FAULT_WRITES", "100"))
A_LIFE = (3, 25)
"""Writes between two kills."""


class Lives:
    """Writers that are killed one after another, and all that they acknowledged."""

    def __init__(self, nursery: asyncio.subprocess.Process) -> None:
        self._nursery = nursery
        self.acknowledged: list[list[str]] = []
        self.kills = 0

    async def live(self, dice: random.Random) -> None:
        """Let one live until it is killed at a random moment."""
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(f"{dice.randrange(10**9)}\n".encode())
        pid = int((await self._line())[1])
        try:
            for _ in range(dice.randint(*A_LIFE)):
                line = await self._line()
                assert line != ["dead"], "it died by itself"
                self.acknowledged.append(line)
            await asyncio.sleep(dice.uniform(0, 0.03))  # not always right after a commit
        finally:
            os.kill(pid, signal.SIGKILL)
        self.kills += 1
        while (line := await self._line()) != ["dead"]:
            self.acknowledged.append(line)

    async def _line(self) -> list[str]:
        assert self._nursery.stdout is not None
        async with asyncio.timeout(60):
            said = (await self._nursery.stdout.readline()).decode().split()
        assert said, "the nursery is gone"
        return said


@contextlib.asynccontextmanager
async def lives(url: str, files: Path) -> AsyncIterator[Lives]:
    """Yield what brings up writers on the database at *url*."""
    nursery = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.cti.killed_writer", url, str(files)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Lives(nursery)
    finally:
        assert nursery.stdin is not None
        nursery.stdin.close()
        await nursery.wait()


@pytest.mark.timeout(1200)
async def test_killed_at_any_moment_nothing_is_half_written_and_every_hook_is_told(
    engine: AsyncEngine, sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    dice = random.Random(12345)
    async with receiving() as receiver:
        async with sessions.begin() as session:
            hooks = [
                await store.create(session, ADMIN, HookIn(url=f"{receiver.url}{path}"), at=0)
                for path in ("/first", "/second")
            ]
        async with lives(database_url, tmp_path / "evidence") as writers:
            while len(writers.acknowledged) < WRITES:
                await writers.live(dice)
        await drained(engine, sessions)
        written = await whole(sessions, writers.acknowledged)
        again = await told(sessions, receiver, hooks)
    assert written >= len(writers.acknowledged)
    sys.stdout.write(
        f"{engine.dialect.name}: {len(writers.acknowledged)} acknowledged, {written} written, "
        f"{writers.kills} kills, {again} deliveries made twice\n"
    )


async def drained(engine: AsyncEngine, sessions: Sessions) -> None:
    """Send what the dead left behind."""
    sender = Sender(
        db.readers(engine), db.writers(engine), loopback=True, timeout=2.0, every=0.05, lease=3.0
    )
    task = asyncio.create_task(sender.run())

    async def nothing_left() -> bool:
        waiting = select(func.count()).where(DeliveryRow.delivered_at.is_(None))
        new = select(func.count()).where(OutboxRow.spread.is_(False))
        async with sessions() as session:
            # in this order: what is spread between the two questions is waiting then
            return not (await session.scalar(new)) and not (await session.scalar(waiting))

    try:
        await eventually(nothing_left, within=120)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def whole(sessions: Sessions, acknowledged: list[list[str]]) -> int:
    """Check that row, history, clocks, text and outbox of every ticket agree; return the writes."""
    async with sessions() as session:
        tickets = (await session.scalars(select(TicketRow))).all()
        past = defaultdict(list)
        for row in await session.scalars(select(HistoryRow).order_by(HistoryRow.seq)):
            past[row.ticket_id].append(row)
        clocks = defaultdict(list)
        for clock in await session.scalars(select(ClockRow)):
            clocks[clock.ticket_id].append(clock)
        news = {(row.ref, row.seq): row for row in await session.scalars(select(OutboxRow))}
        texts = set(await session.scalars(select(TextRow.ref)))
    ids = {ticket.id for ticket in tickets}
    assert past.keys() == clocks.keys() == texts == ids
    assert len(news) == sum(map(len, past.values()))
    for ticket in tickets:
        rows = past[ticket.id]
        assert history.verify(rows) is None
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert rows[-1].after == ticket.state
        assert ticket.version == len(rows)
        for row in rows:
            told = news[ticket.id, row.seq]
            assert told.topic == f"ticket.{row.move}"
            assert told.body["hash"] == row.hash
        running = [clock for clock in clocks[ticket.id] if clock.ended_at is None]
        if TicketState(ticket.state).closed:
            assert (running, ticket.due_at, ticket.owner) == ([], None, "")
        else:
            assert ticket.owner
            assert ticket.due_at == min(c.due_at for c in running if c.due_at is not None)
    for id, version in acknowledged:
        assert len(past[id]) >= int(version)
    return len(news)


async def told(sessions: Sessions, receiver: Receiver, hooks: list[HookMade]) -> int:
    """Check what the receiver got against the outbox; return how much came more than once."""
    async with sessions() as session:
        news = {row.id: row for row in await session.scalars(select(OutboxRow))}
    again = 0
    for made in hooks:
        path = made.url.rpartition("/")[2]
        got = [one for one in receiver.got if one.path == f"/{path}"]
        times = Counter(int(one.headers["X-Hotline-Delivery"]) for one in got)
        assert times.keys() == news.keys()
        bodies = {one.raw for one in got}
        assert len(bodies) == len(news)  # who drops known ids has each piece of news once
        order: dict[str, list[int]] = defaultdict(list)
        for one in got:
            headers, body = one.headers, one.body
            assert genuine(
                made.secret,
                headers["X-Hotline-Timestamp"],
                one.raw,
                headers["X-Hotline-Signature"],
                now=float(headers["X-Hotline-Timestamp"]),
            )
            assert body["id"] == int(headers["X-Hotline-Delivery"])
            assert (body["ref"], body["seq"]) == (news[body["id"]].ref, news[body["id"]].seq)
            if body["seq"] not in order[body["ref"]]:
                order[body["ref"]].append(body["seq"])
            assert "13912348000" not in one.raw.decode()
            assert "赵钱孙" not in str(body)
        assert all(seqs == sorted(seqs) for seqs in order.values())
        again += sum(times.values()) - len(times)
    return again
