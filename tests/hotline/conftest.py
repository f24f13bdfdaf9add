"""A whole web application on a database, with a door that lets a named role in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline import web as application
from hotline.status import State
from schemas.calls import AgentId, Call
from schemas.http import WHO
from schemas.identity import Role, Who
from schemas.numbers import Integration, Number, Register
from tests.hotline import cases

NOW = 1_795_400_000.0
"""2026-11-23, a Monday, in Shanghai."""

REGISTER = Register(
    {
        n.number: n
        for n in (
            Number(
                number="12345",
                line_no=1,
                hotline="市民热线",
                owner_unit="市政府办公室",
                unit="office",
                integration=Integration.INTEGRATED,
                notice="welcome",
                flow="main",
            ),
            Number(
                number="12319",
                line_no=2,
                hotline="城管热线",
                owner_unit="市城管执法局",
                unit="urban",
                integration=Integration.DUAL_RUN,
                notice="moved",
                flow="dual_run",
                seat="3206789",
                seat_seconds=20,
            ),
            Number(
                number="3206789",
                line_no=2,
                hotline="城管热线",
                owner_unit="市城管执法局",
                unit="urban",
                integration=Integration.DUAL_RUN,
                notice="moved",
                flow="dual_run",
            ),
        )
    }
)


@dataclass
class House:
    """What the application looks at; tests change it."""

    live: dict[str, Call] = field(default_factory=dict)
    links: dict[str, State] = field(
        default_factory=lambda: {"ami": State(ok=True, since=NOW), "agi": State(ok=True, since=NOW)}
    )

    def get(self, call: str) -> Call | None:
        return self.live.get(call)

    def all(self) -> Iterable[Call]:
        return list(self.live.values())


@web.middleware
async def door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """`Bearer <role>` is that role."""
    kind, _, role = request.headers.get("Authorization", "").partition(" ")
    if kind == "Bearer" and role in set(Role):
        agent = AgentId("1001") if role == "agent" else None
        request[WHO] = Who(kind="token", id=role, role=Role(role), agent=agent)
    return await handler(request)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def assemble(house: House, tmp_path: Path) -> Callable[[AsyncEngine], web.Application]:
    """Return what builds the whole application on a database."""
    return lambda engine: application.build(
        engine=engine,
        register=lambda: REGISTER,
        live=house,
        links=lambda: dict(house.links),
        node="n1",
        sla_answer=15,
        middlewares=[door],
        more=cases.case_work(engine, tmp_path, clock=lambda: NOW, register=REGISTER).routes(),
        clock=lambda: NOW,
    )


@pytest.fixture
def app(engine: AsyncEngine, assemble: Callable[[AsyncEngine], web.Application]) -> web.Application:
    return assemble(engine)


Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(app: web.Application) -> AsyncIterator[Client]:
    """Yield a client with an admin's token."""
    async with TestClient(
        TestServer(app, host="127.0.0.1"), headers={"Authorization": "Bearer admin"}
    ) as made:
        yield made
