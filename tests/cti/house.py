"""The inbox with everything behind it, on a real database, without a telephone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.calls.journal import Journal
from cti.calls.registry import Registry
from cti.commands import Commands
from cti.inbox import Inbox
from cti.tickets.casework import Casework
from schemas.calendar import Calendar
from schemas.calls import AgentId, Call, CallId, Route, RouteKind
from schemas.casebook import Casebook
from schemas.commands import Command
from schemas.events import (
    AgentAnswered,
    Attributed,
    CallArrived,
    Event,
    FlowStarted,
    Happened,
    HungUp,
    QueueJoined,
    RouteChosen,
)
from schemas.numbers import Attribution, Integration, Number, Register
from schemas.tables import Base, CallRow

LINE = Number(
    number="12336",
    line_no=3,
    hotline="国土资源违法举报热线",
    owner_unit="市国土局",
    unit="guotu",
    integration=Integration.INTEGRATED,
    notice="notice-12336",
    flow="integrated",
)
REGISTER = Register({"12336": LINE})
NODE = "n1"


@dataclass
class House:
    """What a test may look at."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    registry: Registry
    journal: Journal
    inbox: Inbox
    commands: Commands
    obeyed: list[Command] = field(default_factory=list)
    published: list[Happened] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def put(self, *events: Event) -> None:
        """Put *events* in and wait until they are handled."""
        for event in events:
            self.inbox.put(event)
        await self.inbox.drained()

    async def has_ticket(self) -> bool:
        """Tell whether the first call knows its ticket."""
        found = self.registry.get(call(1))
        return found is not None and found.ticket_id is not None

    async def in_trouble(self) -> bool:
        """Tell whether the database has refused a row."""
        return self.journal.error_since is not None

    async def count(self, table: type[Base], wanted: int) -> bool:
        """Tell whether *table* has so many rows."""
        async with self.sessions() as session:
            return await session.scalar(select(func.count()).select_from(table)) == wanted

    async def row(self, call: str) -> CallRow:
        """Return the ledger's row once all is written."""
        await self.journal.flushed()
        async with self.sessions() as session:
            return (await session.scalars(select(CallRow).where(CallRow.id == call))).one()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until *check* holds; the database tells nobody when a row is there."""
    async with asyncio.timeout(20):
        while True:
            if await check():
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def house(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> AsyncIterator[House]:
    """Yield a running inbox."""
    registry = Registry()
    journal = Journal(engine, node=NODE)
    late: list[Inbox] = []
    casework = Casework(
        sessions,
        sessions,
        book=Casebook,
        calendar=Calendar,
        register=lambda: REGISTER,
        files=Path(),
    )
    commands = Commands(
        sessions, registry, report=lambda event: late[0].put(event), drafts=casework
    )
    obeyed: list[Command] = []
    asked: list[tuple[str, str]] = []

    async def obey(command: Command, call: Call) -> None:
        obeyed.append(command)
        await commands(command, call)

    def attribute(event: Event, did: str, redirecting: str) -> Attributed:
        asked.append((did, redirecting))
        number = REGISTER.find(redirecting) or REGISTER.find(did)
        return Attributed(
            call=event.call,
            at=event.at,
            number=number,
            attribution=Attribution.DID if number else Attribution.UNKNOWN,
            dialled=did,
        )

    inbox = Inbox(registry, journal, obey=obey, attribute=attribute)
    late.append(inbox)
    made = House(engine, sessions, registry, journal, inbox, commands, obeyed=obeyed, asked=asked)
    inbox.subscribe(made.published.append)
    tasks = [asyncio.create_task(journal.run()), asyncio.create_task(inbox.run())]
    try:
        async with asyncio.timeout(30):
            yield made
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def call(n: int) -> CallId:
    """Return the id of the *n*-th call."""
    return CallId(f"{NODE}-1700000000.{n}")


def arrived(n: int, at: float = 0.0, **more: str) -> CallArrived:
    return CallArrived(
        call=call(n),
        at=at,
        channel=f"PJSIP/trunk-{n:08x}",
        did=more.get("did", "12336"),
        caller=more.get("caller", f"1390000{n:04d}"),
    )


def flow(n: int, at: float = 0.1) -> FlowStarted:
    return FlowStarted(
        call=call(n),
        at=at,
        channel=f"PJSIP/trunk-{n:08x}",
        did="12336",
        caller=f"1390000{n:04d}",
        number=LINE,
        attribution=Attribution.DID,
        dialled="12336",
    )


def routed(n: int, at: float = 4.0) -> RouteChosen:
    return RouteChosen(call=call(n), at=at, route=Route(kind=RouteKind.QUEUE, queue="citizens"))


def joined(n: int, at: float = 4.1, queue: str = "citizens") -> QueueJoined:
    return QueueJoined(call=call(n), at=at, queue=queue, position=1)


def answered(n: int, at: float = 6.0) -> AgentAnswered:
    return AgentAnswered(call=call(n), at=at, agent=AgentId("8001"), queue="citizens", waited=2.0)


def hung_up(n: int, at: float = 9.0) -> HungUp:
    return HungUp(call=call(n), at=at, cause=16)
