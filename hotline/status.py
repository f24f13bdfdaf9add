"""`/status`: is every link up, can calls be served; and the same as metrics."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline import db
from schemas.calls import Call
from schemas.http import Asked, Nothing, Operation, bind
from schemas.identity import Right
from schemas.status import DialplanOut, LinkOut, StatusOut
from schemas.times import iso

NEEDED = ("ami", "agi", "database")
"""Links without which no call can be served as it should be."""
FRESH = 1.0
"""Seconds an answer of the database is good for: `/status` is open to anybody."""


class LinkState(Protocol):
    """How a link is; since in Unix seconds."""

    @property
    def ok(self) -> bool: ...  # noqa: D102
    @property
    def since(self) -> float: ...  # noqa: D102
    @property
    def last_error(self) -> str | None: ...  # noqa: D102


class Running(Protocol):
    """What runs just now."""

    def all(self) -> Iterable[Call]:
        """Return the running calls."""
        ...


Links = Callable[[], Mapping[str, LinkState]]
"""Every link but the database, by name: at least `ami` and `agi`."""


@dataclass(slots=True)
class State:
    """A link's state as we keep it."""

    ok: bool
    since: float
    last_error: str | None = None


class DatabaseLink:
    """Asks the database at most once in `FRESH` seconds, however often it is looked at."""

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._asked = float("-inf")
        self._lock = asyncio.Lock()
        self.state = State(ok=False, since=clock(), last_error="not asked yet")

    async def look(self) -> State:
        """Return how the database is."""
        async with self._lock:
            if time.monotonic() - self._asked >= FRESH:
                health = await db.check(self._engine)
                if health.ok != self.state.ok:
                    self.state.ok, self.state.since = health.ok, self._clock()
                    self.state.last_error = None if health.ok else self.state.last_error
                self.state.last_error = health.error or self.state.last_error
                self._asked = time.monotonic()
        return self.state


STATUS = Operation(
    name="getStatus",
    method="GET",
    path="/status",
    summary="Every link: ok, since when, last error; 503 when calls cannot be served",
    right=None,
    query=Nothing,
    body=Nothing,
    response=StatusOut,
    also={503: StatusOut},
    open=True,  # load balancers and the people on duty ask without a token; it tells no secret
)
METRICS = Operation(
    name="getMetrics",
    method="GET",
    path="/metrics",
    summary="Figures for Prometheus",
    right=Right.READ_METRICS,
    query=Nothing,
    body=Nothing,
    response=str,
    media="text/plain",
)


def routes(
    *,
    node: str,
    version: str,
    links: Links,
    live: Running,
    database: DatabaseLink,
    registry: CollectorRegistry,
    dialplan: Callable[[], DialplanOut | None] = lambda: None,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module."""
    started = clock()

    async def status(_: Asked[Nothing, Nothing]) -> web.Response:
        states: dict[str, LinkState] = {**links(), "database": await database.look()}
        serves = all(name in states and states[name].ok for name in NEEDED)
        said = StatusOut(
            ok=serves,
            node=node,
            version=version,
            now=iso(clock()),
            started_at=iso(started),
            live_calls=sum(1 for _ in live.all()),
            links={
                name: LinkOut(
                    ok=state.ok,
                    since=iso(state.since),
                    last_error=state.last_error[:200] if state.last_error else None,
                )
                for name, state in sorted(states.items())
            },
            dialplan=dialplan(),
        )
        return web.json_response(text=said.model_dump_json(), status=200 if serves else 503)

    async def metrics(_: Asked[Nothing, Nothing]) -> web.Response:
        await database.look()
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(registry), headers=headers)

    return [bind(STATUS, status), bind(METRICS, metrics)]


class Figures(Collector):
    """What `/status` says, as gauges."""

    def __init__(self, *, links: Links, live: Running, database: DatabaseLink) -> None:
        self._links = links
        self._live = live
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges as they are now."""
        up = GaugeMetricFamily("hotline_link_up", "1 while the link works", labels=["link"])
        for name, state in {**self._links(), "database": self._database.state}.items():
            up.add_metric([name], float(state.ok))
        yield up
        by_state: dict[str, int] = {}
        for call in self._live.all():
            by_state[call.state] = by_state.get(call.state, 0) + 1
        calls = GaugeMetricFamily("hotline_live_calls", "Running calls", labels=["state"])
        for name, count in by_state.items():
            calls.add_metric([name], count)
        yield calls
