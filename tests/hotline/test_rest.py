import asyncio
import re
import sqlite3
import threading
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents.door import PAGE
from hotline import db
from hotline import web as application
from schemas.calls import Call, CallId, State
from schemas.identity import Role
from schemas.tables import CallRow, TicketRow, TimelineRow

pytestmark = pytest.mark.unit

Client = TestClient[web.Request, web.Application]
Sessions = async_sessionmaker[AsyncSession]
NOW = 1_795_400_000.0


def row(id: str, at: float, **more: Any) -> CallRow:
    return CallRow(id=id, node="n1", state="ended", chain=[], started_at=at, **more)


async def add(sessions: Sessions, *rows: Any) -> None:
    async with sessions.begin() as session:
        session.add_all(rows)


async def test_nothing_answers_without_a_token_but_status(
    app: web.Application, client: Client
) -> None:
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else ""
        path = re.sub(r"\{\w+(:[^{}]*\{[^{}]*\})?\}", "1", path)
        page = getattr(route.handler, PAGE, None)
        answer = await client.request(
            route.method, path, headers={"Authorization": ""}, allow_redirects=False
        )
        if path == "/status":
            assert answer.status == 200
        elif page is not None:
            to_sign_in = answer.status == 303 and answer.headers["Location"].startswith("/login")
            assert page.open or to_sign_in or 400 <= answer.status < 500, path
        else:
            assert answer.status == 401, path
            assert route.method == "HEAD" or (await answer.json())["error"] == "unauthorised"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        (Role.READER, "GET", "/api/v1/calls", 200),
        (Role.READER, "POST", "/api/v1/tickets", 403),
        (Role.READER, "GET", "/metrics", 200),
        (Role.AGENT, "GET", "/metrics", 403),
        (Role.AGENT, "GET", "/api/v1/reports/service-level", 403),
        (Role.UNIT, "GET", "/api/v1/calls", 403),
        (Role.UNIT, "POST", "/api/v1/tickets", 403),
        (Role.UNIT, "GET", "/api/v1/tickets", 200),
        (Role.UNIT, "GET", "/api/v1/unmask-requests", 403),
        (Role.READER, "GET", "/api/v1/ticket-counts", 200),
        (Role.INSPECTOR, "POST", "/api/v1/callbacks", 403),
        (Role.UNIT, "GET", "/api/openapi.json", 200),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_role_may_only_what_the_table_says(
    client: Client, role: Role, method: str, path: str, status: int
) -> None:
    token = {"Authorization": f"Bearer {role}"}
    answer = await client.request(method, path, headers=token, json={} if status == 403 else None)
    assert answer.status == status


async def test_hotlines_are_lines_with_their_numbers(client: Client) -> None:
    lines = await (await client.get("/api/v1/hotlines")).json()
    assert [(line["line_no"], len(line["numbers"])) for line in lines] == [(1, 1), (2, 2)]
    assert lines[1]["integration"] == "dual_run"
    assert lines[1]["numbers"][0]["seat"] == "3206789"


async def test_a_call_is_read_as_the_contract_says(client: Client, sessions: Sessions) -> None:
    await add(
        sessions,
        row("n1-7.1", NOW, answered_at=NOW + 3, sla_seconds=3.0, outcome="answered", agent="1001"),
        TimelineRow(call_id="n1-7.1", at=NOW, kind="CallArrived", detail={"did": "12345"}),
    )
    call = await (await client.get("/api/v1/calls/n1-7.1")).json()
    assert call["started_at"] == "2026-11-23T10:13:20.000+08:00"
    assert (call["outcome"], call["sla_seconds"], call["agent"]) == ("answered", 3.0, "1001")
    assert [entry["kind"] for entry in call["timeline"]] == ["CallArrived"]
    for key in ("number", "line_no", "hotline", "integration", "attribution", "route", "queue"):
        assert key in call
    missing = await client.get("/api/v1/calls/n1-8")
    assert (missing.status, (await missing.json())["error"]) == (404, "not_found")


async def test_the_link_header_walks_through_all_calls(client: Client, sessions: Sessions) -> None:
    await add(sessions, *(row(f"n1-{n}", NOW + n, caller="0917") for n in range(5)))
    answer = await client.get("/api/v1/calls", params={"caller": "0917", "limit": "2"})
    seen: list[str] = []
    for _ in range(9):
        seen += [call["id"] for call in await answer.json()]
        if "next" not in answer.links:
            break
        answer = await client.get(answer.links["next"]["url"].relative())
    assert seen == ["n1-4", "n1-3", "n1-2", "n1-1", "n1-0"]


async def test_running_calls_are_seen_before_they_are_committed(client: Client, house: Any) -> None:
    call = Call(id=CallId("n1-1"), state=State.QUEUED, started_at=NOW, since=NOW, caller="0917")
    house.live[call.id] = call
    assert (await (await client.get("/api/v1/calls/n1-1")).json())["state"] == "queued"
    (listed,) = await (await client.get("/api/v1/calls?caller=0917")).json()
    assert listed["id"] == "n1-1"
    house.live[call.id] = replace(call, state=State.TALKING)
    assert (await (await client.get("/status")).json())["live_calls"] == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("since=yesterday&limit=0&outcome=eaten&colour=red", "colour limit outcome since"),
        ("limit=501", "limit"),
        ("limit=1e3", "limit"),
        ("since=1&since=2", "since"),
        ("caller=" + "9" * 65, "caller"),
        ("cursor=../../etc", "cursor"),
    ],
)
async def test_bad_queries_name_every_fault_at_once(client: Client, query: str, keys: str) -> None:
    answer = await client.get(f"/api/v1/calls?{query}")
    said = await answer.json()
    assert (answer.status, said["error"]) == (422, "invalid")
    assert " ".join(sorted(fault["key"] for fault in said["details"]["faults"])) == keys


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    "id",
    [
        "%00",
        "..%2F..%2Fetc",
        "%27%20OR%201=1",
        "a" * 65,
        "%ff%fe",
        "${SHELL(id)}",
        "%0d%0aX:1",
        "工",
    ],
)
@pytest.mark.parametrize("what", ["calls", "tickets"])
async def test_hostile_ids_are_refused(client: Client, what: str, id: str) -> None:
    answer = await client.get(f"/api/v1/{what}/{id}")
    assert answer.status in (404, 422)
    assert (await answer.json())["error"] in ("not_found", "invalid")
    assert "X" not in answer.headers


async def test_times_are_understood_as_people_write_them(
    client: Client, sessions: Sessions
) -> None:
    await add(sessions, row("n1-1", NOW))
    for since, found in {
        "2026-11-23": 1,
        "2026-11-24": 0,
        "2026-11-23T10:13:20+08:00": 1,  # a bare plus arrives as a space
        "2026-11-23T10:13:20%2B08:00": 1,
        "2026-11-23T02:13:20Z": 1,
        "2026-11-23T10:13:21": 0,  # no zone: Shanghai's
    }.items():
        calls = await (await client.get(f"/api/v1/calls?since={since}")).json()
        assert len(calls) == found, since
    for until, found in {"2026-11-23": 1, "2026-11-22": 0}.items():
        calls = await (await client.get(f"/api/v1/calls?until={until}")).json()
        assert len(calls) == found, until


async def test_a_ticket_is_opened_read_and_changed(client: Client) -> None:
    asked = {"title": "路灯不亮", "kind": "help", "caller": "13900000000", "number": "0917-12319"}
    refused = await client.post("/api/v1/tickets", json=asked)
    assert refused.status == 422  # a number is digits
    answer = await client.post("/api/v1/tickets", json={**asked, "number": "091712319"})
    made = await answer.json()
    assert answer.status == 201
    assert (made["number"], made["hotline"], made["kind_label"]) == ("12319", "城管热线", "求助")
    path = f"/api/v1/tickets/{made['id']}"
    whole = await (await client.get(path)).json()
    assert {key: whole[key] for key in made} == made
    assert [row["move"] for row in whole["history"]] == ["open"]
    changed = await client.patch(path, json={"version": 1, "place": "经二路"})
    assert (await changed.json())["place"] == "经二路"
    again = await client.patch(path, json={"version": 1, "place": "经一路"})
    said = await again.json()
    assert (again.status, said["error"], said["details"]) == (409, "conflict", {"version": 2})
    (listed,) = await (await client.get("/api/v1/tickets?caller=13900000000")).json()
    assert listed["version"] == 2
    assert (
        await client.patch("/api/v1/tickets/BJ20260101-000001", json={"version": 1})
    ).status == 404


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    "body",
    [
        {"version": 1, "call_id": "n1-1"},
        {"version": 1, "id": "BJ20261123-000009"},
        {"version": 1, "agent": "1002", "created_at": 0},
        {"version": "1"},
        {"version": 1, "title": "x" * 201},
        {"version": 1, "body": "a\0b"},
        {"version": 1, "state": "accepted"},
        {"version": 10**30},
        {},
        [],
    ],
)
async def test_only_listed_fields_change(client: Client, body: Any) -> None:
    made = await (await client.post("/api/v1/tickets", json={"title": "t"})).json()
    path = f"/api/v1/tickets/{made['id']}"
    assert (await client.patch(path, json=body)).status == 422
    whole = await (await client.get(path)).json()
    assert {key: whole[key] for key in made} == made


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b'{"title": "\\ud800"}', "application/json", 422),
        (b"[" * 60_000, "application/json", 422),
        (b'{"title": "a"}', "text/plain", 422),
        (b'{"title": "' + b"a" * 65_536 + b'"}', "application/json", 413),
    ],
)
async def test_broken_and_large_bodies_are_refused(
    client: Client, body: bytes, kind: str, status: int
) -> None:
    answer = await client.post("/api/v1/tickets", data=body, headers={"Content-Type": kind})
    assert answer.status == status
    assert set(await answer.json()) == {"error", "message", "details"}


async def test_a_callback_is_promised_once(client: Client) -> None:
    one = await client.post("/api/v1/callbacks", json={"caller": "13900000000"})
    two = await client.post("/api/v1/callbacks", json={"caller": "13900000000"})
    assert one.status == 201
    assert await one.json() == await two.json()
    (listed,) = await (await client.get("/api/v1/callbacks?state=waiting")).json()
    assert listed["reason"] == "requested"
    bad = await client.post("/api/v1/callbacks", json={"caller": "${SHELL(id)}"})
    assert bad.status == 422


async def test_the_service_level_is_todays_unless_asked_otherwise(
    client: Client, sessions: Sessions
) -> None:
    await add(
        sessions,
        row(
            "n1-1",
            NOW - 60,
            number="12345",
            answered_at=NOW - 50,
            sla_seconds=10.0,
            outcome="answered",
        ),
        row("n1-2", NOW - 86400, outcome="abandoned_in_queue"),
    )
    today = await (await client.get("/api/v1/reports/service-level")).json()
    assert (today["from"][:19], today["total"]["rate"]) == ("2026-11-23T00:00:00", 1.0)
    assert today["rolling_24h"]["offered"] == 2
    path = "/api/v1/reports/service-level?from=2026-11-22&to=2026-11-22"
    before = await (await client.get(path)).json()
    assert before["total"]["abandoned"] == 1
    assert before["to"][:19] == "2026-11-23T00:00:00"
    for bad in ("from=2026-11-23&to=2026-11-22", "from=2020-01-01", "from=9999-12-31"):
        assert (await client.get(f"/api/v1/reports/service-level?{bad}")).status == 422, bad


@pytest.mark.parametrize("gone", ["ami", "agi"])
async def test_status_is_503_when_calls_cannot_be_served(
    client: Client, house: Any, gone: str
) -> None:
    well = await client.get("/status", headers={"Authorization": ""})
    said = await well.json()
    assert (well.status, said["ok"], sorted(said["links"])) == (
        200,
        True,
        ["agi", "ami", "database"],
    )
    house.links[gone].ok, house.links[gone].last_error = False, "connection refused"
    ill = await client.get("/status")
    said = await ill.json()
    assert (ill.status, said["ok"]) == (503, False)
    assert said["links"][gone]["last_error"] == "connection refused"
    del house.links[gone]
    assert (await client.get("/status")).status == 503


async def test_a_link_that_calls_can_do_without_does_not_fail_the_status(
    client: Client, house: Any
) -> None:
    house.links["speech"] = replace(house.links["ami"], ok=False)
    answer = await client.get("/status")
    assert answer.status == 200
    assert not (await answer.json())["links"]["speech"]["ok"]


async def test_metrics_are_for_prometheus(client: Client, house: Any) -> None:
    house.links["agi"].ok = False
    await client.get("/api/v1/hotlines")
    text = await (await client.get("/metrics")).text()
    assert 'hotline_link_up{link="agi"} 0.0' in text
    assert 'hotline_link_up{link="database"} 1.0' in text
    assert 'hotline_http_seconds_count{operation="listHotlines",status="200"} 1.0' in text


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "LOCK_WAIT", 0.05)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_locked_database_refuses_changes_with_503_and_still_reads(
    impatience: None, client: Client, database_url: str
) -> None:
    path = make_url(database_url).database
    assert path is not None
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    try:
        answer = await client.post("/api/v1/tickets", json={"title": "t"})
        assert (answer.status, (await answer.json())["error"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "2"
        assert (await client.get("/api/v1/tickets")).status == 200
    finally:
        locker.execute("ROLLBACK")
        locker.close()
    assert (await client.post("/api/v1/tickets", json={"title": "t"})).status == 201


async def test_a_database_that_is_away_is_said_to_be(assemble: Any, database_kind: str) -> None:
    url = {
        "sqlite": "sqlite+aiosqlite:////nowhere/at/all.db",
        "postgresql": "postgresql+asyncpg://nobody:secret@127.0.0.1:1/none",
    }[database_kind]
    engine = db.engine(url)
    try:
        async with TestClient(TestServer(assemble(engine), host="127.0.0.1")) as client:
            token = {"Authorization": "Bearer admin"}
            answer = await client.get("/api/v1/calls", headers=token)
            assert (answer.status, (await answer.json())["error"]) == (503, "unavailable")
            answer = await client.get("/status")
            assert answer.status == 503
            assert not (await answer.json())["links"]["database"]["ok"]
            assert "secret" not in await answer.text()
    finally:
        await engine.dispose()
        for thread in threading.enumerate():  # aiosqlite does not wait for that of a failed connect
            if "_connection_worker_thread" in thread.name:
                await asyncio.to_thread(thread.join, 5)


async def test_a_row_the_database_refuses_is_logged_without_the_citizen(
    client: Client, sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    taken = TicketRow(id="BJ20261123-000001", state="draft", created_at=NOW, updated_at=NOW)
    await add(sessions, taken)  # behind the counter's back
    asked = {"title": "秘密", "caller": "13912345678"}
    answer = await client.post("/api/v1/tickets", json=asked)
    assert (answer.status, (await answer.json())["error"]) == (500, "error")
    assert "IntegrityError" in caplog.text or "UniqueViolationError" in caplog.text
    for secret in ("13912345678", "秘密", "BJ20261123-000001"):
        assert secret not in caplog.text


async def test_the_access_log_names_routes_not_people(
    app: web.Application, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="hotline.web")
    runner, port = await application.serve(app, host="127.0.0.1", port=0)
    try:
        async with ClientSession(headers={"Authorization": "Bearer admin"}) as session:
            base = f"http://127.0.0.1:{port}"
            async with session.get(f"{base}/api/v1/calls?caller=13912345678") as answer:
                await answer.read()
            async with session.get(f"{base}/13912345678") as answer:
                assert answer.status == 404
    finally:
        await runner.cleanup()
    assert "13912345678" not in caplog.text
    assert "GET /api/v1/calls 200" in caplog.text
