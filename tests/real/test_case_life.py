"""The whole life of a ticket through real parts.

A citizen's real call → an agent answers → the draft → accepted, dispatched → the unit's clerk signs
and answers in a real browser → ready for the callback.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from agents import keys, roster
from bench.stack import Stack
from hotline import admin
from hotline.carrier import Carrier
from schemas.identity import Role
from tests.browser.conftest import CHROMIUM, FLAGS, House
from tests.real import whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("case_life"),
]

CITIZEN = "13891700042"
STAFF = (Role.DISPATCHER, Role.MONITOR, Role.QUALITY, Role.INSPECTOR, Role.SUPERVISOR)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("case-life")
    async with whole.service(folder, agents=1, CALLS__RING="5", CALLS__WRAP_UP="0.1") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(service: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(service) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail("no Chromium: install the package `chromium`")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield made
        await made.close()


class Office:
    """Everybody who works on a ticket, over REST."""

    def __init__(self, service: Stack, tokens: dict[str, str]) -> None:
        self.service = service
        self.tokens = tokens

    async def ask(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        async with self.service.http.request(
            method, self.service.web + path, json=body, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    async def move(self, who: str, ticket: dict[str, Any], **move: Any) -> tuple[int, Any]:
        path = f"/api/v1/tickets/{ticket['id']}"
        _, now = await self.ask("dispatcher", "GET", path)
        return await self.ask(
            who, "POST", f"{path}/moves", {"version": now["version"], "move": move}
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(service: Stack) -> Office:
    tokens = {}
    async with admin.database(service.config) as session:
        for role in STAFF:
            tokens[role.value] = await keys.create_token(session, role=role, now=0.0)
        tokens["other unit"] = await keys.create_token(
            session, role=Role.UNIT, now=0.0, unit="huanbao"
        )
    tokens["agent"] = service.desk_tokens[service.agents[0][0]]
    return Office(service, tokens)


async def test_from_the_call_to_ready_for_the_callback(
    service: Stack, city: Carrier, office: Office, browser: Browser
) -> None:
    # the call: a person answers, the draft is there while they talk
    await service.all_ready()
    dialled = await city.call("12345", caller=CITIZEN, keys="ww0", hold=15)
    call = await whole.row(service, CITIZEN, has(ticket_id=..., answered_at=...), within=40)
    status, ticket = await office.ask("agent", "GET", f"/api/v1/tickets/{call['ticket_id']}")
    assert (status, ticket["state"], ticket["caller"]) == (200, "draft", CITIZEN)
    assert (ticket["call_id"], ticket["attribution"]) == (call["id"], "did")
    assert ticket["due_at"] is not None
    assert ticket["owner"] == "agent"

    # the agent writes it down and is told whose matter it is; a half-written one is not accepted
    status, refused = await office.move("agent", ticket, do="accept")
    assert (status, refused["error"]) == (409, "impossible_move")
    status, ticket = await office.ask(
        "agent",
        "PATCH",
        f"/api/v1/tickets/{ticket['id']}",
        {
            "version": ticket["version"],
            "title": "经二路小区停水两天",
            "body": "渭滨区经二路开元小区停水两天了，没有通知，家里有老人。",
            "kind": "complaint",
            "place": "渭滨区经二路开元小区",
            "contact_name": "王女士",
        },
    )
    assert status == 200, ticket
    status, said = await office.ask("agent", "GET", f"/api/v1/tickets/{ticket['id']}/suggestion")
    assert status == 200
    assert said["place"]["county"] == "weibin"
    assert all(choice["reasons"] for choice in said["ranked"])
    status, ticket = await office.move("agent", ticket, do="accept")
    assert (status, ticket["state"], ticket["owner"]) == (200, "accepted", "dispatchers")

    # dispatched; nobody may skip a step, and nobody else's unit can touch or even see it
    status, ticket = await office.move(
        "dispatcher", ticket, do="dispatch", unit="zhujian", reason="谁主管谁负责：供水"
    )
    assert (status, ticket["state"], ticket["owner"]) == (200, "dispatched", "unit:zhujian")
    finish = {"do": "finish", "resolution": "solved", "text": "好了", "told": True}
    assert (await office.move("other unit", ticket, **finish))[0] == 404
    other = await office.ask("other unit", "GET", f"/api/v1/tickets/{ticket['id']}")
    assert other[0] == 404
    for who, move, wanted in (
        ("agent", {"do": "sign"}, 403),
        ("inspector", {"do": "note", "text": "看"}, 403),
        ("quality", {"do": "close", "reached": False}, 409),
        ("dispatcher", {"do": "accept"}, 409),
        ("monitor", {"do": "grant_extension", "text": "可以"}, 409),
    ):
        status, said = await office.move(who, ticket, **move)
        assert status == wanted, (who, move, said)

    # the unit's clerk, in a browser
    async with admin.database(service.config) as session:
        clerk = roster.new_user(login="zhujian", name="张敏", role="unit", unit="zhujian")
        password = await roster.add(session, clerk, now=0.0)
    house = House(service.web, None, None, None, browser, None, [], {"zhujian": password})
    async with house.at("zhujian") as seen:
        await seen.click("link", "经二路小区停水两天")
        await seen.do("sign")
        await seen.do("contact", text="已联系王女士，楼前主管道爆裂，正在抢修")
        await seen.do(
            "finish", resolution="solved", text="管道已修复，11月23日18时恢复供水", told="yes"
        )
        assert "已办结" in await seen.text()

    # ready for the callback, with everything that happened, and nobody can have changed it
    status, done = await office.ask("monitor", "GET", f"/api/v1/tickets/{ticket['id']}")
    assert (done["state"], done["owner"], done["resolution"]) == ("done", "callbacks", "solved")
    assert done["told_at"] is not None
    running = {clock["name"] for clock in done["clocks"] if clock["ended_at"] is None}
    assert running == {"check"}
    assert done["due_at"] is not None
    moves = [row["move"] for row in done["history"]]
    assert [m for m in moves if m != "edit"] == [
        "open", "accept", "dispatch", "sign", "contact", "finish",
    ]  # fmt: skip
    status, history = await office.ask("monitor", "GET", f"/api/v1/tickets/{ticket['id']}/history")
    assert status == 200
    assert history["verified"] is True
    assert done["calls"] == [call["id"]]

    # closed once, and never again
    assert (await office.move("quality", done, do="check"))[0] == 200
    closing = {"do": "close", "reached": True, "solved": True, "satisfied": 5}
    status, closed = await office.move("quality", done, **closing)
    assert (status, closed["state"], closed["owner"]) == (200, "archived", "")
    assert (await office.move("quality", done, **closing))[0] == 409
    await dialled.ended.wait()
    await whole.closed(service, CITIZEN, within=30)


async def test_a_risk_is_raised_within_ten_seconds_of_saving(
    service: Stack, office: Office
) -> None:
    status, ticket = await office.ask(
        "agent",
        "POST",
        "/api/v1/tickets",
        {"title": "工地塌方有人被埋", "kind": "help", "body": "高新区工地坍塌，有人被埋。"},
    )
    assert status == 201, ticket

    async def alarms() -> list[dict[str, Any]]:
        status, found = await office.ask("supervisor", "GET", "/api/v1/alarms?state=open")
        assert status == 200, found
        return [alarm for alarm in found if ticket["id"] in alarm["tickets"]]

    alarm, *_ = await service.until(alarms, bool, within=10)
    status, judged = await office.ask(
        "supervisor",
        "POST",
        f"/api/v1/alarms/{alarm['id']}/decision",
        {"confirm": True, "why": "已转应急局"},
    )
    assert (status, judged["state"]) == (200, "confirmed")
