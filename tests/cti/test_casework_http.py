"""REST of case work: the life of a ticket and the unmasking of its caller over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.tickets import http
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from tests.cti.case_desk import AGENT, DISPATCHER, MONITOR, UNITS, Desk, desk

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]

Client = TestClient[web.Request, web.Application]
SUPERVISOR = Who(kind="user", id="boss", role=Role.SUPERVISOR)
READER = Who(kind="token", id="r", role=Role.READER)
PEOPLE = {who.id: who for who in (AGENT, DISPATCHER, MONITOR, SUPERVISOR, READER, *UNITS.values())}


@pytest.fixture
def city(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


@pytest.fixture
async def client(city: Desk) -> AsyncIterator[Client]:
    @web.middleware
    async def door(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[WHO] = PEOPLE[request.headers["X-Who"]]
        return await handler(request)

    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(http.routes(city.casework))
    async with TestClient(TestServer(app, host="127.0.0.1")) as made:
        yield made


async def ask(
    client: Client, who: Who, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    answer = await client.request(method, f"/api/v1{path}", headers={"X-Who": who.id}, json=body)
    return answer.status, await answer.json()


async def move(client: Client, who: Who, id: str, version: int, **said: Any) -> tuple[int, Any]:
    body = {"version": version, "move": said}
    return await ask(client, who, "POST", f"/tickets/{id}/moves", body)


async def test_a_ticket_lives_over_rest(client: Client) -> None:
    asked = {"title": "停水", "kind": "complaint", "body": "停水两天", "caller": "13912348000"}
    status, ticket = await ask(client, AGENT, "POST", "/tickets", asked)
    assert (status, ticket["state"]) == (201, "draft")
    id, clerk = ticket["id"], UNITS["zhujian"]
    steps: tuple[tuple[Who, dict[str, Any]], ...] = (
        (AGENT, {"do": "accept"}),
        (DISPATCHER, {"do": "dispatch", "unit": "zhujian", "reason": "谁主管谁负责"}),
        (clerk, {"do": "sign"}),
        (clerk, {"do": "contact", "text": "已联系"}),
        (clerk, {"do": "finish", "resolution": "solved", "text": "修好", "told": True}),
    )
    for version, (who, said) in enumerate(steps, 1):
        status, ticket = await move(client, who, id, version, **said)
        assert (status, ticket.get("version")) == (200, version + 1), ticket
    status, told = await ask(client, MONITOR, "GET", f"/tickets/{id}/history")
    assert (status, told["verified"], len(told["rows"])) == (200, True, 6)
    status, counts = await ask(client, clerk, "GET", "/ticket-counts")
    assert (status, counts["open"], counts["state"]) == (200, 1, {"done": 1})
    status, listed = await ask(client, clerk, "GET", "/tickets?state=done&unit=zhujian")
    assert (status, [t["id"] for t in listed]) == (200, [id])


async def test_each_refusal_has_its_own_status(city: Desk, client: Client) -> None:
    ticket = await city.dispatched()
    id, version = ticket.id, ticket.version
    for who, at, said, status, code in (
        (UNITS["weibin"], version, {"do": "sign"}, 404, "not_found"),
        (AGENT, version, {"do": "sign"}, 403, "forbidden"),
        (READER, version, {"do": "note", "text": "x"}, 403, "forbidden"),
        (UNITS["zhujian"], 1, {"do": "sign"}, 409, "conflict"),
        (UNITS["zhujian"], version, {"do": "contact", "text": "x"}, 409, "impossible_move"),
        (UNITS["zhujian"], version, {"do": "vanish"}, 422, "invalid"),
        (UNITS["zhujian"], version, {"do": "sign", "state": "done"}, 422, "invalid"),
        (UNITS["zhujian"], "1", {"do": "sign"}, 422, "invalid"),
        (UNITS["zhujian"], 2**31, {"do": "sign"}, 422, "invalid"),
    ):
        got, body = await move(client, who, id, at, **said)  # type: ignore[arg-type]
        assert (got, body["error"]) == (status, code), said
    assert (await city.casework.get(AGENT, id)).version == version


async def test_unmasking_over_rest_needs_two_people(city: Desk, client: Client) -> None:
    ticket = await city.open(confidential=True)
    path = f"/tickets/{ticket.id}/unmask"
    assert (await ask(client, SUPERVISOR, "GET", path))[0] == 403
    status, request = await ask(client, SUPERVISOR, "POST", path, {"why": "核实"})
    assert status == 201
    grant = f"/unmask-requests/{request['id']}"
    assert (await ask(client, SUPERVISOR, "POST", grant, {"grant": True}))[0] == 403
    status, waiting = await ask(client, MONITOR, "GET", "/unmask-requests")
    assert (status, [one["why"] for one in waiting]) == (200, ["核实"])
    assert (await ask(client, MONITOR, "POST", grant, {"grant": True}))[0] == 200
    status, contact = await ask(client, SUPERVISOR, "GET", path)
    assert (status, contact) == (200, {"caller": "13912348000", "name": "赵钱孙"})
    assert (await ask(client, MONITOR, "GET", path))[0] == 403
