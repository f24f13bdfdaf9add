"""Nobody gets in unnamed; people sign in; other sites cannot act for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from agents import keys, roster
from agents.door import COOKIE
from schemas.errors import Unavailable
from schemas.identity import Role

if TYPE_CHECKING:
    from tests.agents.conftest import House

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]

ME = "/api/v1/session"
AGENTS = "/api/v1/agents"
OURS = {"X-Requested-With": "hotline"}


async def asked(house: House, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with house.client.request(method, path, **more) as answer:
        body = await answer.json() if answer.content_type == "application/json" else None
        if answer.status >= 400:
            assert set(body) == {"error", "message", "details"}
        return answer.status, body


async def signed_in(house: House, role: Role = Role.AGENT, extension: str | None = "8001") -> None:
    password = await house.person("wang", role, extension)
    status, _ = await asked(house, "POST", ME, json={"login": "wang", "password": password})
    assert status == 200


async def test_nothing_but_status_is_reachable_without_a_name(house: House) -> None:
    assert (await asked(house, "GET", "/status"))[0] == 200
    for path in (ME, AGENTS, f"{AGENTS}/8001", "/ws/desk", "/", "/metrics", "/nowhere", "/status/"):
        for method in ("GET", "POST", "DELETE", "PATCH"):
            if (method, path) == ("POST", ME):
                continue
            status, body = await asked(house, method, path)
            assert (status, body["error"]) == (401, "unauthorised"), (method, path)


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer hl_", "Bearer hl_" + "x" * 43, "Basic aGxfeDp5", "hl_x",
     "Bearer x", "Bearer hl_" + "x" * 5000, "Bearer hl_\udcff", "Bearer hl_' OR 1=1 --"],
)  # fmt: skip
async def test_a_header_that_is_no_token_of_ours_opens_nothing(house: House, header: str) -> None:
    status, body = await asked(house, "GET", AGENTS, headers={"Authorization": header})
    assert (status, body["error"]) == (401, "unauthorised")


async def test_a_bad_token_is_not_helped_by_a_good_cookie(house: House) -> None:
    await signed_in(house)
    assert (await asked(house, "GET", ME))[0] == 200
    assert (await asked(house, "GET", ME, headers={"Authorization": "Bearer hl_x"}))[0] == 401


async def test_a_token_is_looked_up_once_in_five_seconds_and_a_revoked_one_closes_then(
    house: House,
) -> None:
    headers = await house.token(Role.READER)
    statements: list[str] = []
    engine = house.sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    for _ in range(20):
        assert (await asked(house, "GET", AGENTS, headers=headers))[0] == 200
    assert len([s for s in statements if "tokens" in s]) == 1
    async with house.sessions.begin() as session:
        (row,) = await keys.tokens(session)
        await keys.revoke_token(session, row.id, now=1.0)
    house.room.clock.forward(5)
    assert (await asked(house, "GET", AGENTS, headers=headers))[0] == 401


async def test_a_role_without_the_right_is_refused(house: House) -> None:
    unit = await house.token(Role.UNIT)
    assert (await asked(house, "GET", AGENTS, headers=unit))[1]["error"] == "forbidden"
    reader = await house.token(Role.READER)
    agent = await house.token(Role.AGENT, "8001")
    pause = {"json": {"do": "pause", "reason": "午餐"}}
    for headers, path, expected in (
        (reader, f"{AGENTS}/8001/state", 403),
        (agent, f"{AGENTS}/8002/state", 403),
        (agent, f"{AGENTS}/8001/state", 200),
        (await house.token(Role.SUPERVISOR), f"{AGENTS}/8002/state", 200),
    ):
        assert (await asked(house, "POST", path, headers=headers, **pause))[0] == expected
    states = (await asked(house, "GET", AGENTS, headers=reader))[1]
    assert [(state["agent"], state["state"], state["reason"]) for state in states] == [
        ("8001", "paused", "午餐"),
        ("8002", "paused", "午餐"),
    ]


async def test_an_agent_is_steered_over_rest(house: House) -> None:
    headers = await house.token(Role.ADMIN)
    path = f"{AGENTS}/8001"
    for do, state in (({"do": "ready"}, "ready"), ({"do": "offline"}, "offline")):
        status, body = await asked(house, "POST", path + "/state", headers=headers, json=do)
        assert (status, body["state"]) == (200, state)
        assert (await asked(house, "GET", path, headers=headers))[1] == body


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("8001", {"do": "pause"}, 422), ("8001", {"do": "ready", "reason": "x"}, 422),
     ("8001", {"do": "pause", "reason": ""}, 422), ("8001", {"do": 1}, 422),
     ("8001", {"do": "pause", "reason": "x" * 41}, 422), ("%ff", {"do": "ready"}, 422),
     ("8001", {"do": "pause", "reason": "a\0"}, 422), ("8001", [], 422),
     ("8001", {"do": "ready", "x": 1}, 422), ("9999", {"do": "ready"}, 404),
     ("٨٠٠١", {"do": "ready"}, 422), ("8001%00", {"do": "ready"}, 422)],
)  # fmt: skip
async def test_a_wish_that_is_none_is_refused_with_its_faults(
    house: House, path: str, body: Any, status: int
) -> None:
    headers = await house.token(Role.ADMIN)
    got = await asked(house, "POST", f"{AGENTS}/{path}/state", headers=headers, json=body)
    assert got[0] == status
    assert house.room.queue.told == []


async def test_known_people_get_404_and_405_as_json(house: House) -> None:
    headers = await house.token(Role.READER)
    assert (await asked(house, "GET", "/nowhere", headers=headers))[1]["error"] == "not_found"
    status, body = await asked(house, "PUT", AGENTS, headers=headers)
    assert (status, body["error"]) == (405, "method_not_allowed")
    broken = {"data": b"{", "headers": headers | {"Content-Type": "application/json"}}
    assert (await asked(house, "POST", f"{AGENTS}/8001/state", **broken))[0] == 422


async def test_a_person_signs_in_looks_and_signs_out(house: House) -> None:
    password = await house.person("wang", Role.AGENT, "8001")
    async with house.client.post(ME, json={"login": "wang", "password": password}) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    status, me = await asked(house, "GET", ME)
    assert (status, me["id"], me["role"], me["agent"]) == (200, "wang", "agent", "8001")
    assert "open_desk" in me["rights"]
    old = house.client.session.cookie_jar.filter_cookies(house.client.make_url("/"))[COOKIE].value
    assert (await asked(house, "DELETE", ME, headers=OURS))[0] == 204
    assert (await asked(house, "GET", ME))[0] == 401
    assert (await asked(house, "GET", ME, headers={"Cookie": f"{COOKIE}={old}"}))[0] == 401


async def test_each_sign_in_has_a_key_of_its_own_and_ends_the_one_before(house: House) -> None:
    await signed_in(house)
    jar = house.client.session.cookie_jar
    first = jar.filter_cookies(house.client.make_url("/"))[COOKIE].value
    async with house.sessions.begin() as session:
        password = await roster.passwd(session, "wang")
    await asked(house, "POST", ME, json={"login": "wang", "password": password})
    second = jar.filter_cookies(house.client.make_url("/"))[COOKIE].value
    assert first != second
    jar.clear()
    assert (await asked(house, "GET", ME, headers={"Cookie": f"{COOKIE}={first}"}))[0] == 401
    assert (await asked(house, "GET", ME, headers={"Cookie": f"{COOKIE}={second}"}))[0] == 200


async def test_a_sign_in_runs_out_and_who_is_put_aside_is_out_within_seconds(house: House) -> None:
    await signed_in(house)
    assert (await asked(house, "GET", ME))[0] == 200
    async with house.sessions.begin() as session:
        await roster.set_active(session, "wang", False)
    assert (await asked(house, "GET", ME))[0] == 200  # the cache, for 5 s
    house.room.clock.forward(5)
    assert (await asked(house, "GET", ME))[0] == 401
    async with house.sessions.begin() as session:
        await roster.set_active(session, "wang", True)
    house.room.clock.forward(5)
    assert (await asked(house, "GET", ME))[0] == 200
    house.room.clock.forward(house.auth.seconds)
    assert (await asked(house, "GET", ME))[0] == 401


async def test_five_failures_lock_this_login_from_this_address_known_or_not(house: House) -> None:
    password = await house.person("wang", Role.AGENT, "8001")
    answers = {}
    for login in ("wang", "nobody"):
        wrong = {"login": login, "password": "wrong"}
        answers[login] = [await asked(house, "POST", ME, json=wrong) for _ in range(6)]
    assert answers["wang"] == answers["nobody"]
    assert [status for status, _ in answers["wang"]] == [401] * 5 + [429]
    right = {"login": "wang", "password": password}
    async with house.client.post(ME, json=right) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "900")
    house.room.clock.forward(900)
    assert (await asked(house, "POST", ME, json=right))[0] == 200


async def test_an_unknown_login_costs_the_same_check_as_a_known_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    monkeypatch.setattr(roster, "verify", lambda stored, _: bool(checked.append(stored)))
    await house.person("wang", Role.AGENT, "8001")
    for login in ("wang", "nobody"):
        await asked(house, "POST", ME, json={"login": login, "password": "wrong"})
    assert len(checked) == 2
    # Same algorithm and same costs: only salt and hash differ.
    assert checked[0].split("$")[:4] == checked[1].split("$")[:4]


async def test_more_sign_ins_than_can_wait_are_sent_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.auth.WAITING", 0)
    with pytest.raises(Unavailable):
        await house.auth.sign_in("x", "y", address="127.0.0.1")
    assert (await asked(house, "POST", ME, json={"login": "x", "password": "y"}))[0] == 503


async def test_another_site_cannot_change_anything_with_our_cookie(house: House) -> None:
    await signed_in(house)
    host = f"{house.client.host}:{house.client.port}"
    path, body = f"{AGENTS}/8001/state", {"do": "ready"}
    for headers, status in (
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example"} | OURS, 403),
        ({"Origin": "null"} | OURS, 403),
        ({"Origin": "http://[bad"} | OURS, 403),
        ({"Origin": f"http://{host}.evil.example"}, 403),
        ({"Origin": f"http://{house.client.host}"}, 403),
        ({"Origin": f"https://{host}"}, 200),
        ({"Origin": f"http://{host}"}, 200),
        (OURS, 200),
    ):
        assert (await asked(house, "POST", path, json=body, headers=headers))[0] == status, headers
    assert (await asked(house, "GET", AGENTS, headers={"Origin": "https://evil.example"}))[0] == 200


async def test_another_site_cannot_sign_a_browser_in(house: House) -> None:
    password = await house.person("wang", Role.AGENT, "8001")
    body = {"login": "wang", "password": password}
    evil = {"Origin": "https://evil.example"}
    assert (await asked(house, "POST", ME, json=body, headers=evil))[0] == 403
    form = {"Content-Type": "text/plain"}
    assert (await asked(house, "POST", ME, data=b"{}", headers=form))[0] == 422
