"""One shape for every error, and nothing of our insides in it."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from schemas.errors import Fault, Faulty
from schemas.http import WHO, Asked, Asks, Nothing, Operation, Text, bind
from schemas.http_errors import errors_as_json
from schemas.identity import Right, Role, Who

pytestmark = pytest.mark.unit


class Filter(Asks):
    id: str
    limit: int = 5
    tags: list[str] | None = None


class Body(Asks):
    text: Text
    count: int = 0


READ = Operation(
    name="read", method="GET", path="/a/{id}", summary="", right=Right.READ_CALLS, query=Filter,
    body=Nothing, response=list[str],
)  # fmt: skip
WRITE = Operation(
    name="write", method="POST", path="/a", summary="", right=None, query=Nothing, body=Body,
    response=None, status=204,
)  # fmt: skip


async def read(asked: Asked[Filter, Nothing]) -> list[str]:
    if asked.query.id == "bug":
        raise RuntimeError("secret inside")
    if asked.query.id == "faulty":
        raise Faulty([Fault("a.csv", 3, "number", "is twice there")])
    return [asked.query.id, str(asked.query.limit), *(asked.query.tags or ())]


async def write(_: Asked[Nothing, Body]) -> None:
    return None


@web.middleware
async def somebody(request: web.Request, handler: web.RequestHandler) -> web.StreamResponse:  # type: ignore[type-arg]
    request[WHO] = Who(kind="token", id="x", role=Role.READER)
    return await handler(request)  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/a/x?limit=7&tags=m&tags=n", 200, ["x", "7", "m", "n"]),
        ("/a/x?tags=m", 200, ["x", "5", "m"]),
        ("/a/bug", 500, "error"),
        ("/a/faulty", 422, "faulty"),
        ("/a/x?limit=y&more=1", 422, "invalid"),
        ("/a/x?limit=1&limit=2", 422, "invalid"),
        ("/a/x?id=z", 422, "invalid"),
        ("/a/x%00", 422, "invalid"),
        ("/a/x?%00=1", 422, "invalid"),
        ("/a/x?limit=%ff", 422, "invalid"),
        ("/b", 404, "not_found"),
    ],
)
async def test_queries(path: str, status: int, expected: object) -> None:
    app = web.Application(middlewares=[errors_as_json, somebody])
    app.add_routes([bind(READ, read), bind(WRITE, write)])
    async with TestClient(TestServer(app)) as client, client.get(path) as answer:
        body = await answer.json()
        assert (answer.status, body if status == 200 else body["error"]) == (status, expected)
        assert "secret inside" not in str(body)
        if expected == "faulty":
            assert body["details"]["faults"] == ["a.csv:3: number: is twice there"]


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b'{"text":"a"}', "application/json", 204),
        (b'{"text":"a","count":1}', "application/json; charset=utf-8", 204),
        (b'{"text":"a"}', "text/plain", 422),
        (b'{"text":"a","count":"1"}', "application/json", 422),
        (b'{"text":"\\u0000"}', "application/json", 422),
        (b'{"text":"\\ud800"}', "application/json", 422),
        (b'{"text":"\xff"}', "application/json", 422),
        (b'{"text":1}', "application/json", 422),
        (b"", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
    ],
)
async def test_bodies(data: bytes, kind: str, status: int) -> None:
    app = web.Application(middlewares=[errors_as_json, somebody])
    app.add_routes([bind(WRITE, write)])
    more = {"data": data, "headers": {"Content-Type": kind}}
    async with TestClient(TestServer(app)) as client, client.post("/a", **more) as answer:
        assert answer.status == status
        assert (await answer.read() == b"") == (status == 204)


async def test_without_a_name_an_operation_refuses_even_without_the_door() -> None:
    app = web.Application(middlewares=[errors_as_json])
    app.add_routes([bind(READ, read)])
    async with TestClient(TestServer(app)) as client, client.get("/a/x") as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
