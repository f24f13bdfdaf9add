"""A real HTTP server that hooks are delivered to, and a small application with a door."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who


@dataclass
class Got:
    """One request the receiver took."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass
class Receiver:
    """What it was sent; tests say how it answers."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """By `ref`: statuses to answer, one after another; then 204."""
    held: asyncio.Event | None = None
    """While set and clear, answers to `/slow` wait."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        one = Got(request.path, dict(request.headers), await request.read())
        async with self.changed:
            self.got.append(one)
            self.changed.notify_all()
        if request.path == "/slow" and self.held is not None:
            await self.held.wait()
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "/hook"})
        left = self.statuses.get(one.body["ref"], [])
        return web.Response(status=left.pop(0) if left else 204)

    async def until(self, fine: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(fine)

    def seqs(self, ref: str, path: str = "/hook") -> list[int]:
        return [g.body["seq"] for g in self.got if g.path == path and g.body["ref"] == ref]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Yield a listening receiver."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", made.take)
    async with TestServer(app, host="127.0.0.1") as server:
        made.url = str(server.make_url("")).rstrip("/")
        try:
            yield made
        finally:
            if made.held is not None:
                made.held.set()


async def eventually(fine: Callable[[], Awaitable[bool]], *, within: float = 20) -> None:
    """Wait until the database says so: it has no event to wait for."""
    async with asyncio.timeout(within):
        while not await fine():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@web.middleware
async def door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """`Bearer role[:unit[:head]]` is that role."""
    _, _, given = request.headers.get("Authorization", "").partition(" ")
    role, _, rest = given.partition(":")
    unit, _, head = rest.partition(":")
    if role in set(Role):
        request[WHO] = Who(
            kind="token", id=given, role=Role(role), unit=unit or None, head=bool(head)
        )
    return await handler(request)


Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def answering(routes: Iterable[web.AbstractRouteDef]) -> AsyncIterator[Client]:
    """Yield a client, an admin's, of an application with *routes* alone."""
    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(routes)
    async with TestClient(
        TestServer(app, host="127.0.0.1"), headers={"Authorization": "Bearer admin"}
    ) as made:
        yield made


def as_role(who: str) -> dict[str, str]:
    """Return the headers of *who*, `unit:zhujian`."""
    return {"Authorization": f"Bearer {who}"}
