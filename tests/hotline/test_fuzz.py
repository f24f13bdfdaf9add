"""REST fuzzed from its own description, on a real server with SQLite.

`HOTLINE_FUZZ=deep` tries far more.
"""

import asyncio
import os
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline import db
from hotline import web as application
from hotline.openapi import describe, operations_of
from hotline.status import State
from schemas.calls import Call
from schemas.http import OPERATION, WHO
from schemas.identity import Role, Who
from schemas.numbers import Register
from schemas.tables import CallbackRow, CallRow, TicketDayRow, TicketRow, TimelineRow
from tests.hotline import cases

pytestmark = pytest.mark.unit

DEEP = os.environ.get("HOTLINE_FUZZ") == "deep"
EXAMPLES = 400 if DEEP else 15
NOW = 1_795_400_000.0
TOKEN = {"Authorization": "Bearer admin"}


# `positive_data_acceptance` is left out: that a span ends after it begins, that a cursor was given
# out and that a number is in the register are rules a JSON schema cannot tell.
def no_fault_of_ours(_context: Any, response: Any, _case: Any) -> None:
    """A part that is away says so (503): no Asterisk is linked here. All else is our fault."""
    if response.status_code >= 500:
        assert response.status_code == 503, response.text
        assert response.json()["error"] == "unavailable"


CHECKS = [
    no_fault_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


async def _fill(engine: AsyncEngine) -> None:
    """Rows under the ids that the description gives as examples."""
    call, ticket = "n1-1795398938.12", "BJ20261123-000001"
    async with db.writers(engine).begin() as session:
        session.add_all(
            [
                CallRow(id=call, node="n1", state="ended", chain=[], started_at=NOW, caller="0917",
                        number="12345", outcome="answered", answered_at=NOW + 3, sla_seconds=3.0,
                        ticket_id=ticket),
                TicketDayRow(day="20261123", last=1),
                TimelineRow(call_id=call, at=NOW, kind="CallArrived", detail={"did": "12345"}),
                TicketRow(id=ticket, call_id=call, state="draft", created_at=NOW, updated_at=NOW),
                CallbackRow(caller="0917", reason="lost", state="waiting", due=NOW,
                            arrived_at=NOW, created_at=NOW),
            ]
        )  # fmt: skip


@web.middleware
async def door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """One token, an admin's."""
    if request.headers.get("Authorization") == TOKEN["Authorization"]:
        request[WHO] = Who(kind="token", id="fuzz", role=Role.ADMIN)
    return await handler(request)


class Nobody:
    """No call runs."""

    def get(self, _: str) -> None:
        return None

    def all(self) -> Iterable[Call]:
        return ()


def assemble(engine: AsyncEngine, state: Path) -> web.Application:
    return application.build(
        engine=engine,
        register=lambda: Register({}),
        live=Nobody(),
        links=lambda: {name: State(ok=True, since=NOW) for name in ("ami", "agi")},
        node="n1",
        sla_answer=15,
        middlewares=[door],
        more=cases.case_work(engine, state, clock=lambda: NOW).routes(),
        clock=lambda: NOW,
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the application from a thread of its own; yield its address."""
    folder = tmp_path_factory.mktemp("fuzz")
    url = f"sqlite+aiosqlite:///{folder / 'fuzz.db'}"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fuzzed-server")
    thread.start()

    async def start() -> tuple[AsyncEngine, web.AppRunner, int]:
        await db.upgrade(url)
        engine = db.engine(url)
        await _fill(engine)
        return engine, *await application.serve(assemble(engine, folder), host="127.0.0.1", port=0)

    async def stop(engine: AsyncEngine, runner: web.AppRunner) -> None:
        await runner.cleanup()
        await engine.dispose()

    try:
        engine, runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
        yield f"http://127.0.0.1:{port}"
        asyncio.run_coroutine_threadsafe(stop(engine, runner), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _document() -> dict[str, Any]:
    """Return the description; an engine opens nothing before it is used."""
    with tempfile.TemporaryDirectory() as folder:
        app = assemble(db.engine("sqlite+aiosqlite:///unused.db"), Path(folder))
    document = describe(operations_of(app.router.routes(), OPERATION).values(), version="0")
    # Who may is tried in test_rest: every request here carries the token, also those in which the
    # fuzzer's only fault would have been to leave it out.
    del document["security"], document["components"]["securitySchemes"]
    return document


schema = schemathesis.openapi.from_dict(_document())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not DEEP,  # the same run for everybody; deep looks for news
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent_the_answer_is_as_described(case: Any, address: str) -> None:
    case.call_and_validate(base_url=address, headers=TOKEN, checks=CHECKS, timeout=20)
