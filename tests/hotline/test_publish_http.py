"""Publishing over REST: rights, forms, and what comes back."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from hotline import config, places, publish_http, releases
from schemas import config as sections
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.status import DialplanOut

pytestmark = pytest.mark.unit

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Config:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power fails here
    folder = tmp_path / "baoji"
    shutil.copytree(places.dialplan(sections.Site()), folder, copy_function=os.link)
    environment = {
        "HOTLINE_SITE__STATE": str(tmp_path / "state"),
        "HOTLINE_SITE__DIALPLAN_DIR": str(folder),
    }
    return config.load(tmp_path / "hotline.toml", environment)


@pytest.fixture
async def client(made: config.Config) -> AsyncIterator[Client]:
    """Yield a client; `Bearer user:<login>` and `Bearer token:<id>` are administrators."""

    @web.middleware
    async def door(request: web.Request, handler: object) -> web.StreamResponse:
        kind, _, name = request.headers["Authorization"].removeprefix("Bearer ").partition(":")
        role = Role.ADMIN if kind in ("user", "token") else Role(kind)
        request[WHO] = Who(kind="user" if kind == "user" else "token", id=name, role=role)
        return await handler(request)  # type: ignore[operator, no-any-return]

    def state() -> DialplanOut:
        return DialplanOut(version=1, differs=False, watch_until=None, alarm=None)

    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(publish_http.routes(made, state=state))
    async with TestClient(
        TestServer(app, host="127.0.0.1"), headers={"Authorization": "Bearer user:ada"}
    ) as opened:
        yield opened


def edit(made: config.Config, n: int) -> None:
    own = places.dialplan(made.site) / "custom" / "own.conf"
    own.parent.mkdir(exist_ok=True)
    own.write_text(f"[own]\nexten => 1,1,NoOp({n})\n")


async def post(
    client: Client, what: str, who: str = "user:ada", **body: object
) -> tuple[int, dict]:  # type: ignore[type-arg]
    answer = await client.post(
        f"/api/v1/dialplan/{what}", json=body, headers={"Authorization": f"Bearer {who}"}
    )
    return answer.status, await answer.json()


async def test_publish_go_back_and_see(client: Client, made: config.Config) -> None:
    edit(made, 1)
    assert await post(client, "publish", why="one") == (200, {"version": 1, "state": "current"})
    assert await post(client, "publish", why="one") == (200, {"version": 1, "state": "unchanged"})
    edit(made, 2)
    code, said = await post(client, "publish", "token:ab12", why="two", watch_minutes=3)
    assert (code, said) == (200, {"version": 2, "state": "current"})
    assert releases.versions(made).get(2).watch == 3
    assert await post(client, "rollback", why="no") == (200, {"version": 1, "state": "current"})
    rows = await (await client.get("/api/v1/dialplan/versions")).json()
    assert [(r["version"], r["who"], r["state"]) for r in rows] == [
        (2, "token:ab12", "rolled_back"), (1, "ada", "live"),
    ]  # fmt: skip
    assert len(await (await client.get("/api/v1/dialplan/versions?limit=1")).json()) == 1
    state = await (await client.get("/api/v1/dialplan")).json()
    assert state == {"version": 1, "differs": False, "watch_until": None, "alarm": None}


async def test_faults_come_back_whole_and_nothing_changes(
    client: Client, made: config.Config
) -> None:
    flow = places.dialplan(made.site) / "flows" / "main.yaml"
    broken = flow.read_text().replace("do: listen", "do: dance")
    flow.unlink()  # a link to the real one
    flow.write_text(broken)
    code, said = await post(client, "publish", why="x")
    assert (code, said["error"]) == (422, "faulty")
    assert any(fault.startswith(f"{flow}:") for fault in said["details"]["faults"])
    assert releases.versions(made).numbers() == []


async def test_approval_is_for_another_person(client: Client, made: config.Config) -> None:
    edit(made, 1)
    await post(client, "publish", why="one")
    edit(made, 2)
    _, said = await post(client, "publish", why="two", approve_needed=True)
    assert said == {"version": 2, "state": "staged"}
    assert (await post(client, "approve", version=2))[0] == 403
    assert (await post(client, "approve", "token:x", version=2))[0] == 403
    assert (await post(client, "approve", "user:bo", version=9))[0] == 404
    assert (await post(client, "approve", "user:bo", version=2))[0] == 200
    assert (await post(client, "approve", "user:bo", version=2))[0] == 409
    assert (await post(client, "rollback", why="x", version=2))[0] == 409
    assert (await post(client, "rollback", why="x", version=99))[0] == 404


@pytest.mark.parametrize("role", ["reader", "agent", "supervisor", "inspector"])
async def test_only_administrators_publish(client: Client, made: config.Config, role: str) -> None:
    for what, body in (
        ("publish", {"why": "x"}), ("rollback", {"why": "x"}), ("approve", {"version": 1}),
    ):  # fmt: skip
        assert (await post(client, what, f"{role}:x", **body))[0] == 403
    headers = {"Authorization": f"Bearer {role}:x"}
    assert (await client.get("/api/v1/dialplan", headers=headers)).status == 200
    assert (await client.get("/api/v1/dialplan/versions", headers=headers)).status == 403


@pytest.mark.parametrize("why", ["", "   ", "a\u0007b", "x" * 401])
async def test_a_reason_is_needed(client: Client, made: config.Config, why: str) -> None:
    edit(made, 1)
    assert (await post(client, "publish", why=why))[0] == 422
    assert releases.versions(made).numbers() == []
