import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.outside import http, view
from hotline import db
from schemas.casebook import Casebook
from schemas.tables import TicketRow
from tests.cti.case_desk import AGENT, BOOK, DISPATCHER, UNITS, Clock, Desk, desk
from tests.cti.hook_receiver import Client, answering, as_role

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
API = "/open311/v2"
FIELDS = {
    *("service_request_id", "status", "status_notes", "service_name", "service_code"),
    *("description", "agency_responsible", "service_notice", "requested_datetime"),
    *("updated_datetime", "expected_datetime", "address", "address_id", "zipcode", "lat", "long"),
    "media_url",
}
DAY = 86400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def at_desk(engine: AsyncEngine, tmp_path: Path, clock: Clock) -> Desk:
    return desk(engine, tmp_path, clock)


@pytest.fixture
async def client(engine: AsyncEngine, at_desk: Desk, clock: Clock) -> AsyncIterator[Client]:
    routes = http.routes(
        db.readers(engine),
        at_desk.casework,
        book=lambda: BOOK,
        clock=lambda: clock.now + 1,
    )
    async with answering(routes) as made:
        yield made


async def asked(client: Client, query: str = "", **more: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{API}/requests.json{query}", **more)
    assert answer.status == 200, await answer.text()
    found: list[dict[str, Any]] = await answer.json()
    return found


async def test_services_are_the_catalogue_and_the_kinds(client: Client) -> None:
    found = await (await client.get(f"{API}/services.json?jurisdiction_id=baoji.gov.cn")).json()
    assert found[0] == {
        "service_code": "zhujian.water",
        "service_name": "停水",
        "description": "住建：停水",
        "metadata": False,
        "type": "realtime",
        "keywords": "停水",
        "group": "住建",
    }
    assert "kind.complaint" in {one["service_code"] for one in found}
    definition = await (await client.get(f"{API}/services/zhujian.water.json")).json()
    assert definition == {"service_code": "zhujian.water", "attributes": []}
    assert (await client.get(f"{API}/services/zhujian.fire.json")).status == 404
    assert (await client.get(f"{API}/services/x.json")).status == 422


async def test_a_ticket_is_seen_from_outside_all_its_life(client: Client, at_desk: Desk) -> None:
    opened = await at_desk.open(category="zhujian.water", place="经二路18号")
    (seen,) = await asked(client)
    assert seen.keys() == FIELDS
    assert (seen["status"], seen["status_notes"]) == ("open", "草稿")
    assert (seen["service_code"], seen["service_name"]) == ("zhujian.water", "停水")
    assert (seen["agency_responsible"], seen["expected_datetime"]) == (None, None)
    assert seen["requested_datetime"] == "2026-11-01T10:26:40.000+08:00"
    assert seen["address"] == "经二路18号"
    ticket = await at_desk.do(AGENT, opened, "accept")
    ticket = await at_desk.do(DISPATCHER, ticket, "dispatch", unit="zhujian", reason="主管")
    (seen,) = await asked(client)
    assert (seen["status_notes"], seen["agency_responsible"]) == ("已派单", "市住建局")
    assert seen["expected_datetime"].startswith("2026-11-0")
    unit = UNITS["zhujian"]
    ticket = await at_desk.do(unit, ticket, "sign")
    ticket = await at_desk.do(unit, ticket, "contact", text="已联系")
    ticket = await at_desk.do(
        unit, ticket, "finish", resolution="solved", text="李四修好了", told=True
    )
    ticket = await at_desk.do(AGENT, ticket, "check")
    (seen,) = await (await client.get(f"{API}/requests/{ticket.id}.json")).json()
    assert (seen["status"], seen["status_notes"]) == ("open", "已办结")  # nobody learns of a call
    await at_desk.do(AGENT, ticket, "close", reached=True, solved=True, satisfied=5)
    (seen,) = await asked(client, f"?service_request_id={ticket.id}")
    assert (seen["status"], seen["status_notes"]) == ("closed", "已归档")


async def test_outsiders_never_see_who_called(client: Client, at_desk: Desk) -> None:
    said = "我是赵钱孙，电话13912348000，邻居13800138000，身份证610302199001011234，家里停水"
    await at_desk.open(body=said, place="赵钱孙家")
    secret = await at_desk.open(body=said, confidential=True, place="经二路18号3单元")
    report = await at_desk.open(body=said, kind="report", place="经二路18号4单元")
    await at_desk.do(AGENT, await at_desk.do(AGENT, report, "accept"), "note", text="内部备注")
    found = await asked(client)
    everything = json.dumps(found, ensure_ascii=False)
    for never in ("13912348000", "13800138000", "610302199001011234", "赵钱孙", "内部备注"):
        assert never not in everything
    for never in ("单元", "1001", "王坐席"):
        assert never not in everything
    by_id = {one["service_request_id"]: one for one in found}
    for hidden in (secret, report):
        assert by_id[hidden.id]["description"] is None
        assert by_id[hidden.id]["address"] is None
    shown = [one for one in found if one["description"]]
    assert len(shown) == 1
    assert "家里停水" in shown[0]["description"]


async def test_questions_are_narrowed(client: Client, at_desk: Desk, clock: Clock) -> None:
    first = await at_desk.closed()
    clock.now += 10 * DAY
    second = await at_desk.open(category="zhujian.water")
    clock.now += 10 * DAY
    third = await at_desk.open(kind=None)

    async def ids(query: str) -> list[str]:
        return [one["service_request_id"] for one in await asked(client, query)]

    everything = [third.id, second.id, first.id]
    assert await ids("") == everything
    assert await ids("?status=open") == [third.id, second.id]
    assert await ids("?status=closed") == [first.id]
    assert await ids("?status=open,closed") == everything
    assert await ids("?service_code=zhujian.water") == [second.id]
    assert await ids("?service_code=zhujian.water,kind.complaint") == [second.id, first.id]
    assert await ids("?service_code=kind.help") == [third.id]
    assert await ids("?service_code=no.such") == []
    assert await ids(f"?service_request_id={first.id},{third.id}") == [third.id, first.id]
    assert await ids("?start_date=2026-11-10T00:00:00Z") == [third.id, second.id]
    assert await ids("?start_date=2026-11-10&end_date=2026-11-15") == [second.id]
    assert await ids("?page=2&page_size=2") == [first.id]
    assert await ids("?page=9") == []
    clock.now += 79 * DAY
    assert await ids("") == [third.id, second.id]
    assert await ids(f"?service_request_id={first.id}") == [first.id]
    assert await ids("?start_date=2026-11-01") == everything


@pytest.mark.parametrize(
    "query",
    [
        "?start_date=2026-01-01&end_date=2026-11-01",
        "?status=done",
        "?page=0",
        "?page=99999999999",
        "?page_size=201",
        "?start_date=soon",
        "?service_request_id=%00",
        "?strange=1",
        "?service_code=" + "x" * 2001,
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_questions_that_are_none_are_refused(client: Client, query: str) -> None:
    assert (await client.get(f"{API}/requests.json{query}")).status == 422


async def test_a_unit_finds_its_own_alone_and_drafts_of_calls_stay_inside(
    client: Client, at_desk: Desk, sessions: Sessions
) -> None:
    mine = await at_desk.dispatched("weibin")
    other = await at_desk.dispatched("zhujian")
    draft = await at_desk.open()
    async with sessions.begin() as session:
        await session.execute(
            update(TicketRow).where(TicketRow.id == draft.id).values(call_id="n1-1")
        )
    unit = {"headers": as_role("unit:weibin")}
    assert [one["service_request_id"] for one in await asked(client, **unit)] == [mine.id]
    assert (await client.get(f"{API}/requests/{other.id}.json", **unit)).status == 404
    assert (await client.get(f"{API}/requests/{draft.id}.json")).status == 404
    assert {one["service_request_id"] for one in await asked(client)} == {mine.id, other.id}


@pytest.mark.parametrize("how", ["json", "data"])
async def test_another_system_opens_a_ticket(
    client: Client, at_desk: Desk, sessions: Sessions, how: str
) -> None:
    said = {
        "service_code": "zhujian.water",
        "description": "数字城管巡查发现：井盖丢失\n位于路口",
        "lat": 34.3619,
        "long": 107.2376,
        "first_name": "三",
        "last_name": "张",
        "phone": "09173260000",
        "jurisdiction_id": "baoji",
        "email": "x@example.org",
    }
    if how == "data":
        said = {**{k: str(v) for k, v in said.items()}, "device_id": "", "attribute[A]": "1"}
    answer = await client.post(f"{API}/requests.json", **{how: said})  # type: ignore[arg-type]
    assert answer.status == 201, await answer.text()
    (made,) = await answer.json()
    async with sessions() as session:
        row = await session.get_one(TicketRow, made["service_request_id"])
    assert (row.title, row.category, row.kind) == (
        "数字城管巡查发现：井盖丢失",
        "zhujian.water",
        "help",
    )
    assert (row.caller, row.contact_name, row.state) == ("09173260000", "张三", "draft")
    assert row.place == "34.361900,107.237600"
    (seen,) = await asked(client)
    assert "张三" not in str(seen)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 422),
        ({"service_code": "zhujian.water"}, 422),
        ({"service_code": "no.such", "description": "x"}, 422),
        ({"service_code": "kind.help", "description": "x", "state": "archived"}, 422),
        ({"service_code": "kind.help", "description": "x", "lat": 91.0}, 422),
        ({"service_code": "kind.help", "description": "x", "phone": "<b>"}, 422),
        ({"service_code": "kind.help", "description": "x\0"}, 422),
        ({"service_code": "kind.help", "description": "x" * 4001}, 422),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_what_opens_no_ticket(
    client: Client, sessions: Sessions, said: dict[str, Any], status: int
) -> None:
    for how in ("json", "data"):
        answer = await client.post(f"{API}/requests.json", **{how: said})
        assert answer.status == status
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(TicketRow)) == 0


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_only_who_may_reads_and_writes(client: Client) -> None:
    said = {"service_code": "kind.help", "description": "x"}
    for how in ("json", "data"):
        for role in ("reader", "unit:weibin", "inspector"):
            answer = await client.post(f"{API}/requests.json", headers=as_role(role), **{how: said})
            assert answer.status == 403
        nobody = await client.post(f"{API}/requests.json", headers=as_role("x"), **{how: said})
        assert nobody.status == 401
    assert (await client.get(f"{API}/requests.json", headers=as_role("x"))).status == 401


@pytest.mark.parametrize("path", ["services", "services/a.b", "requests", "requests/BJ1"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_xml_is_refused_in_words(client: Client, path: str) -> None:
    answer = await client.get(f"{API}/{path}.xml")
    assert answer.status == 406
    assert "JSON" in (await answer.json())["message"]
    assert (await client.get(f"{API}/{path}.xml", headers=as_role("x"))).status == 401


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"description=%00", b"description=%ed%a0%80", b"&&&=", b"a" * 999]
)
@pytest.mark.parametrize("charset", ["", "; charset=utf-7", "; charset=none", "; charset=utf-16"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_broken_forms_are_refused(client: Client, raw: bytes, charset: str) -> None:
    media = {"Content-Type": f"application/x-www-form-urlencoded{charset}"}
    answer = await client.post(f"{API}/requests.json", data=raw, headers=media)
    assert answer.status == 422


def test_a_merged_ticket_says_where_it_went_and_what_nobody_knows_keeps_its_code() -> None:
    row = TicketRow(
        id="BJ20261101-000002",
        state="merged",
        merged_into="BJ20261101-000001",
        kind="complaint",
        category="old.gone",
        confidential=False,
        title="停水",
        body="",
        place="",
        created_at=0,
        updated_at=0,
    )
    seen = view.request(row, BOOK, expected=None)
    assert (seen.status, seen.status_notes) == ("closed", "已并单：BJ20261101-000001")
    assert (seen.service_code, seen.service_name) == ("old.gone", "old.gone")
    assert (seen.description, seen.address) == ("停水", None)


def test_without_a_catalogue_there_are_the_kinds() -> None:
    assert {one.group for one in view.services(Casebook())} == {"未分类"}
