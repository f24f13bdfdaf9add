"""REST of units: who sees whom, who sees numbers, who may ring."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.units import http, store
from schemas.calendar import Calendar, Schedule
from schemas.errors import TooMany
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.probes import ProbeOut
from schemas.units import Units

pytestmark = pytest.mark.unit

NOW = 1_795_399_200.0
CALENDAR = Calendar(schedules={"office": Schedule(workdays=("08:30-18:00",))})


def unit(name: str, **more: object) -> dict[str, object]:
    return {
        "name": name, "phone": "80010001", "login": "aa", "clerk": "张三", "head": "李四",
        "head_login": "bb", "head_phone": "80010009", **more,
    }  # fmt: skip


UNITS = Units.model_validate(
    {
        "units": {
            "zhujian": unit("市住建局", duty=[
                {"on": "2026-11-23", "who": "王五", "phone": "80010002"}
            ]),
            "gongshui": unit("市自来水公司", level="firm", parent="zhujian"),
            "minzheng": unit("市民政局"),
            "chencang": unit("陈仓区", level="county", departments=["zhujian"]),
        }
    }
)  # fmt: skip
PEOPLE = {
    "zhujian": Who(kind="user", id="z", role=Role.UNIT, unit="zhujian"),
    "gongshui": Who(kind="user", id="g", role=Role.UNIT, unit="gongshui", head=True),
    "stray": Who(kind="user", id="s", role=Role.UNIT),
    **{role.value: Who(kind="token", id=role.value, role=role) for role in Role},
}


@dataclass
class Asked:
    """Takes wishes; knows no telephone."""

    sessions: async_sessionmaker[AsyncSession]
    by: list[tuple[str, str]] = field(default_factory=list)

    async def ask(self, code: str, *, who: str) -> ProbeOut:
        if any(asked == code for asked, _ in self.by):
            raise TooMany("刚刚拨测过该单位，请 300 秒后再试", retry_after=300)
        self.by.append((code, who))
        async with self.sessions.begin() as session:
            return await store.ask(session, code, "80010001", who=who, at=NOW)


@web.middleware
async def door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request[WHO] = PEOPLE[request.headers["Who"]]
    return await handler(request)


@dataclass
class House:
    client: TestClient[web.Request, web.Application]
    asked: Asked

    async def get(self, who: str, path: str = "", status: int = 200) -> Any:
        answer = await self.client.get(f"/api/v1/units{path}", headers={"Who": who})
        assert answer.status == status, await answer.text()
        return await answer.json()

    async def probe(self, who: str, code: str, status: int = 202) -> Any:
        answer = await self.client.post(f"/api/v1/units/{code}/probes", headers={"Who": who})
        assert answer.status == status, await answer.text()
        return await answer.json()


@pytest.fixture
async def house(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[House]:
    asked = Asked(sessions)
    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(
        http.routes(
            sessions,
            units=lambda: UNITS,
            calendar=lambda: CALENDAR,
            probes=asked,
            clock=lambda: NOW,
        )
    )
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield House(client, asked)


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [unit["code"] for unit in found]


async def test_staff_see_every_unit_with_its_four_ones(house: House) -> None:
    found = await house.get("agent")
    assert codes(found) == list(UNITS.units)
    assert found[0] == {
        "code": "zhujian", "name": "市住建局", "level": "city", "parent": None, "hours": "office",
        "phone": "80010001", "login": "aa", "clerk": "张三", "head": "李四", "head_login": "bb",
        "head_phone": "80010009", "departments": [],
        "on_duty": {"who": "王五", "phone": "80010002"}, "last_probe": None,
        "reach": {"days": 30, "answered": 0, "all": 0, "share": None},
    }  # fmt: skip
    assert codes(await house.get("inspector", "?level=county")) == ["chencang"]
    assert codes(await house.get("agent", "?parent=zhujian")) == ["gongshui"]
    assert (await house.get("agent", "/chencang"))["departments"] == ["zhujian"]


async def test_a_machine_that_reads_sees_no_numbers(house: House) -> None:
    await house.probe("supervisor", "zhujian")
    for path in ("", "/zhujian", "/zhujian/probes"):
        found = await house.get("reader", path)
        assert "8001000" not in str(found)
    assert "8001000" in str(await house.get("agent", "/zhujian/probes"))


async def test_a_units_people_see_their_own_and_below_and_cannot_feel_out_others(
    house: House,
) -> None:
    assert codes(await house.get("zhujian")) == ["zhujian", "gongshui"]
    assert codes(await house.get("gongshui")) == ["gongshui"]
    assert await house.get("stray") == []
    for who, code in (("gongshui", "zhujian"), ("zhujian", "minzheng"), ("stray", "zhujian")):
        for path in ("", "/probes"):
            others = await house.get(who, f"/{code}{path}", 404)
            nobody = await house.get(who, f"/{code[::-1]}{path}", 404)
            assert others["error"] == nobody["error"] == "not_found"
            assert others["message"] == nobody["message"]
    assert "80010009" in str(await house.get("gongshui", "/gongshui"))


async def test_who_may_have_a_phone_rung(house: House) -> None:
    for who in ("zhujian", "agent", "dispatcher", "reader", "inspector", "quality"):
        assert (await house.probe(who, "zhujian", 403))["error"] == "forbidden"
    made = await house.probe("supervisor", "zhujian")
    assert (made["unit"], made["state"], made["result"]) == ("zhujian", "planned", None)
    assert house.asked.by == [("zhujian", "token:supervisor")]
    again = await house.probe("monitor", "zhujian", 429)
    assert again["details"]["retry_after"] == 300
    assert (await house.probe("admin", "zhujan", 404))["details"]["near"] == "zhujian"
    assert [row["asked_by"] for row in await house.get("agent", "/zhujian/probes")] == [
        "token:supervisor"
    ]


@pytest.mark.parametrize(
    "path",
    [
        "?level=moon", "?parent=x%27y", "?parent=", "?more=1", "?level=city&level=city",
        "/zhujian/probes?limit=0", "/zhujian/probes?limit=99999999999", "/zhujian?code=minzheng",
        "/zhujian/probes?since=never", "/zhujian/probes?result=won", "/" + "x" * 33,
        "/zhujian/probes?until=%00",
    ],
)  # fmt: skip
async def test_what_is_not_of_its_form_is_refused(house: House, path: str) -> None:
    await house.get("admin", path, 422)


@pytest.mark.parametrize(
    "code", ["%F0%9F%98%80", "..%2F..%2Fetc", "%27%3B--", "ZHUJIAN", "%E5%B8%82"]
)
async def test_hostile_codes_are_not_found(house: House, code: str) -> None:
    await house.get("admin", f"/{code}", 404)
    await house.probe("admin", code, 404)
