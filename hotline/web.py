"""The web application: the routes of all rooms behind one set of middlewares."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, GCCollector, Histogram, ProcessCollector
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

import cti.callbacks.http
import cti.calls.http
import cti.transcripts.http
from agents.web.render import errors_as_pages
from cti.calls.ledger import Live
from hotline import db, status
from hotline.openapi import describe, operations_of
from schemas.errors import HotlineError, Unavailable
from schemas.http import (
    OPERATION,
    WHO,
    Asked,
    Nothing,
    Operation,
    bind,
    operation_of,
)
from schemas.http_errors import errors_as_json
from schemas.numbers import Register
from schemas.status import DialplanOut

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024
"""Bytes; a ticket's text at its longest is half of it."""

OPENAPI = Operation(
    name="getOpenapi",
    method="GET",
    path="/api/openapi.json",
    summary="This description",
    right=None,
    query=Nothing,
    body=Nothing,
    response=dict[str, object],
)


def version() -> str:
    """Return the version of the installed distribution."""
    try:
        return installed_version("hotline-12345")
    except PackageNotFoundError:  # a bare checkout on the path
        return "0"


def build(
    *,
    engine: AsyncEngine,
    register: Callable[[], Register],
    live: Live,
    links: status.Links,
    node: str,
    sla_answer: float,
    middlewares: Sequence[Middleware] = (),
    more: Iterable[web.AbstractRouteDef] = (),
    registry: CollectorRegistry | None = None,
    dialplan: Callable[[], DialplanOut | None] = lambda: None,
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """Return the application, not yet listening.

    Args:
        register: the register as it is now.
        live: running calls, newer than the ledger.
        links: state of every link but the database, by name.
        sla_answer: seconds from the INVITE within which an answer is in time.
        middlewares: who somebody is and what they are let do; errors are taken care of outside.
        more: routes of other rooms: sign-in, agents, desk socket, case work, pages.
        registry: where metrics of other parts are; None: a new one.
        dialplan: which published version runs.
        clock: Unix seconds now.
    """
    if registry is None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
    database = status.DatabaseLink(engine, clock=clock)
    registry.register(status.Figures(links=links, live=live, database=database))
    app = web.Application(
        middlewares=[
            _timed(registry),
            errors_as_json,
            errors_as_pages,
            database_errors,
            *middlewares,
        ],
        client_max_size=LARGEST_BODY,
    )
    read, write = db.readers(engine), db.writers(engine)
    app.add_routes(
        [
            *status.routes(
                node=node,
                version=version(),
                links=links,
                live=live,
                database=database,
                registry=registry,
                dialplan=dialplan,
                clock=clock,
            ),
            *cti.calls.http.routes(
                read, live=live, register=register, node=node, sla_answer=sla_answer, clock=clock
            ),
            *cti.callbacks.http.routes(read, write, clock=clock),
            *cti.transcripts.http.routes(read),
            *more,
        ]
    )
    document: dict[str, object] = {}

    async def openapi(_: Asked[Nothing, Nothing]) -> dict[str, object]:
        return document

    app.add_routes([bind(OPENAPI, openapi)])
    found = operations_of(app.router.routes(), OPERATION)
    document.update(describe(found.values(), version=version()))
    app.on_response_prepare.append(_harden)
    return app


@web.middleware
async def database_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell a database that is away or locked (503, try again) from a bug of ours (500)."""
    try:
        return await handler(request)
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise _away(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or type(error.orig).__name__ in _BUSY:
            raise _away(error) from error
        # The driver's own text quotes the row ("Key (caller)=(139…)"): say the rest, and no more.
        log.error("database refused: %s: %s", type(error.orig).__name__, error.statement)
        raise HotlineError("a fault of ours; it has been logged") from None
    except (OSError, TimeoutError) as error:  # asyncpg tells of a refused connection as it is
        if operation_of(request) is None:
            raise
        raise _away(error) from error


_BUSY = ("LockNotAvailableError", "QueryCanceledError", "DeadlockDetectedError")


def _away(error: Exception) -> Unavailable:
    log.warning("database: %s", type(error).__name__)
    return Unavailable("the database is away or busy; try again", retry_after=2)


def _timed(registry: CollectorRegistry) -> Middleware:
    seconds = Histogram(
        "hotline_http_seconds",
        "How long REST operations took",
        ["operation", "status"],
        buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
        registry=registry,
    )

    @web.middleware
    async def timed(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        answer = await handler(request)
        if operation := operation_of(request):
            taken = time.monotonic() - began
            seconds.labels(operation.name, str(answer.status)).observe(taken)
        return answer

    return timed


async def _harden(request: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    if operation_of(request) is not None:
        answer.headers.setdefault("Cache-Control", "no-store")


class AccessLog(AbstractAccessLogger):
    """One line a request: the route, never the address asked for, which may name a citizen."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line; *time* in seconds."""
        route = who = "-"
        # a request line that is too long was routed nowhere, and `match_info` asserts that it was
        if isinstance(request, web.Request) and request._match_info is not None:
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "-"
            known = request.get(WHO)
            who = known.id if known is not None else "-"
        self.logger.info(
            "%s %s %d %.0f ms %s", request.method, route, response.status, time * 1000, who
        )


async def serve(app: web.Application, *, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; return the runner (`await runner.cleanup()` ends it) and the port in use."""
    runner = web.AppRunner(app, access_log_class=AccessLog, access_log=log)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])
