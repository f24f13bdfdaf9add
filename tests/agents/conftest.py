"""A room of agents: real hub, desks, door and web server; app_queue, history and time in hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents import http, keys, presence, roster, ws
from agents.auth import Auth
from agents.desk import Desks
from agents.door import authenticate
from agents.hub import Hub
from schemas.calls import AgentId, Call, CallId, CallOut, State
from schemas.desktop import EarlierCall, History
from schemas.errors import Unavailable
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    Happened,
    HungUp,
    TicketOpened,
)
from schemas.http_errors import errors_as_json
from schemas.identity import Role
from schemas.times import iso, iso_or_none

NOW = 1_795_000_000.0
ONE, TWO = AgentId("8001"), AgentId("8002")


class Clock:
    """Time by hand, and the alarms that hang on it."""

    def __init__(self) -> None:
        self.now = NOW
        self._alarms: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def alarm(self, when: float, then: Callable[[], None]) -> "Taken":
        self._alarms.append((when, then))
        return Taken(self._alarms, (when, then))

    def forward(self, seconds: float) -> None:
        self.now += seconds
        for due in [alarm for alarm in self._alarms if alarm[0] <= self.now]:
            self._alarms.remove(due)
            due[1]()

    @property
    def armed(self) -> int:
        return len(self._alarms)


@dataclass
class Taken:
    alarms: list[tuple[float, Callable[[], None]]]
    alarm: tuple[float, Callable[[], None]]

    def cancel(self) -> None:
        if self.alarm in self.alarms:
            self.alarms.remove(self.alarm)


@dataclass
class AppQueue:
    """Notes what it is told; can be cut off, or made to wait."""

    told: list[tuple[str, ...]] = field(default_factory=list)
    down: bool = False
    gate: asyncio.Event | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def _take(self, *what: str) -> None:
        if self.gate is not None:
            await self.gate.wait()
        try:
            if self.down:
                raise Unavailable("the link is down")
            self.told.append(what)
        finally:
            self.news.set()

    async def join(self, agent: str, interface: str, skills: Sequence[str], /) -> None:
        await self._take("join", agent, interface, *skills)

    async def leave(self, agent: str, interface: str, /) -> None:
        await self._take("leave", agent)

    async def pause(self, agent: str, interface: str, reason: str, /) -> None:
        await self._take("pause", agent, reason)

    async def unpause(self, agent: str, interface: str, /) -> None:
        await self._take("unpause", agent)

    async def heard(self, count: int) -> list[tuple[str, ...]]:
        """Return what was told once it is *count* things."""
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self.news.clear()
                await self.news.wait()
        return self.told


HISTORY = History(
    calls=[EarlierCall(id="old", started_at=iso(NOW - 9), hotline=None, outcome=None, agent=None)]
)


@dataclass
class Ledger:
    """Histories: at hand, to be fetched, or failing."""

    at_hand: dict[str, History] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    fault: Exception | None = None
    fetched: int = 0
    history: History = field(default_factory=lambda: HISTORY)

    def known(self, caller: str) -> History | None:
        return self.at_hand.get(caller)

    async def fetch(self, caller: str) -> History:
        self.fetched += 1
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return self.history


def describe(call: Call) -> CallOut:
    nothing = dict.fromkeys(CallOut.model_fields)
    return CallOut.model_validate(
        nothing
        | {"id": call.id, "node": "n1", "state": call.state.value, "agent": call.agent}
        | {"started_at": iso(call.started_at), "answered_at": iso_or_none(call.answered_at)}
        | {"timeline": [], "ticket_id": call.ticket_id}
    )


@dataclass
class Room:
    """Everything together, and shorthand for what happens to calls."""

    clock: Clock
    queue: AppQueue
    ledger: Ledger
    hub: Hub
    desks: Desks

    def call(self, id: str = "n1-1.1", **values: object) -> Call:
        plain = Call(
            id=CallId(id), state=State.QUEUED, started_at=self.clock.now - 7.5,
            since=self.clock.now, caller="13991700001", queue="general",
        )  # fmt: skip
        return replace(plain, **values)  # type: ignore[arg-type]

    def ring(self, agent: AgentId, id: str = "n1-1.1", **values: object) -> None:
        call = self.call(id, **({"state": State.RINGING, "ringing": (agent,)} | values))
        event = AgentRinging(call=call.id, at=self.clock.now, agent=agent, queue="general")
        self.desks.happened(Happened(event, call))

    def miss(self, agent: AgentId, id: str = "n1-1.1") -> None:
        event = AgentMissed(
            call=CallId(id), at=self.clock.now, agent=agent, queue="general", rang=15
        )
        self.desks.happened(Happened(event, self.call(id)))

    def answer(self, agent: AgentId, id: str = "n1-1.1") -> None:
        call = self.call(id, state=State.TALKING, agent=agent, answered_at=self.clock.now)
        event = AgentAnswered(
            call=call.id, at=self.clock.now, agent=agent, queue="general", waited=3
        )
        self.desks.happened(Happened(event, call))

    def ticket(self, agent: AgentId, id: str = "n1-1.1") -> None:
        call = self.call(id, state=State.TALKING, agent=agent, ticket_id="T1")
        event = TicketOpened(call=call.id, at=self.clock.now, ticket="T1")
        self.desks.happened(Happened(event, call))

    def finish(self, agent: AgentId, id: str = "n1-1.1") -> None:
        call = self.call(id, state=State.TALKED, agent=agent)
        event = AgentFinished(
            call=call.id, at=self.clock.now, agent=agent, queue="general", talked=60, reason="agent"
        )
        self.desks.happened(Happened(event, call))

    def hang_up(self, id: str = "n1-1.1", agent: AgentId | None = None) -> None:
        call = self.call(id, state=State.ENDED, agent=agent)
        self.desks.happened(Happened(HungUp(call=call.id, at=self.clock.now, cause=16), call))


def agent(id: AgentId, **values: object) -> roster.Agent:
    plain = roster.Agent(id=id, login=f"a{id}", name="王芳", role=Role.AGENT, skills=("hrss",))
    return replace(plain, **values)  # type: ignore[arg-type]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    clock, queue, ledger, hub = Clock(), AppQueue(), Ledger(), Hub(size=64)
    desks = Desks(
        [agent(ONE), agent(TWO)],
        hub=hub,
        queues=queue,
        histories=ledger,
        describe=describe,
        clock=clock,
        alarm=clock.alarm,
        rules=presence.Rules(wrap_up=20.0, misses=2),
    )
    async with desks:
        yield Room(clock, queue, ledger, hub, desks)


@dataclass
class House:
    """The room with its door and a web server on loopback."""

    room: Room
    auth: Auth
    client: TestClient[web.Request, web.Application]
    sessions: async_sessionmaker[AsyncSession]

    async def token(self, role: Role, agent: str | None = None) -> dict[str, str]:
        """Return the headers of a fresh token."""
        unit = "zhujian" if role is Role.UNIT else None
        async with self.sessions.begin() as session:
            token = await keys.create_token(session, role=role, agent=agent, unit=unit, now=NOW)
        return {"Authorization": f"Bearer {token}"}

    async def person(self, login: str, role: Role, extension: str | None = None) -> str:
        """Add a person and return the password."""
        user = roster.new_user(login=login, name="李强", role=role, extension=extension)
        async with self.sessions.begin() as session:
            return await roster.add(session, user, now=NOW)


@pytest.fixture
async def house(room: Room, sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[House]:
    auth = Auth(sessions, clock=room.clock)
    app = web.Application(middlewares=[errors_as_json, authenticate(auth)])
    app.add_routes(http.routes(room.desks, auth))
    app.add_routes([ws.socket_route(room.desks, send_within=0.5)])

    async def status(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    app.add_routes([web.get("/status", status)])
    app.on_shutdown.append(lambda _: _closing(room.hub))
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield House(room, auth, client, sessions)
    auth.close()


async def _closing(hub: Hub) -> None:
    hub.close()
