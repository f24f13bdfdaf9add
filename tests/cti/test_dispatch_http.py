"""REST of suggestions: text in, units with reasons out, for who may write tickets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from cti.tickets import suggest_http
from cti.tickets.suggest_http import Suggesting
from dialplans import city
from schemas.casebook import Casebook
from schemas.city import City
from schemas.errors import NotFound
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.numbers import Register
from schemas.tickets import TicketOut

pytestmark = pytest.mark.unit

TICKET = "BJ20261123-000001"
Client = TestClient[web.Request, web.Application]


@cache
def baoji() -> City:
    return city.load(Path(__file__).parents[2] / "dialplans" / "baoji")


def ticket(**also: object) -> TicketOut:
    known: dict[str, object] = {
        name: None for name, field in TicketOut.model_fields.items() if field.is_required()
    }
    known |= {"id": TICKET, "state": "draft", "state_label": "草稿", "kind_label": None}
    known |= {
        "title": "",
        "body": "",
        "place": "",
        "version": 1,
        "created_at": "",
        "updated_at": "",
    }
    return TicketOut.model_construct(**{**known, **also})


async def find(who: Who, id: str) -> TicketOut:
    if id != TICKET:
        raise NotFound("there is no such ticket")
    return ticket(title="路灯不亮", transcript="井盖丢了", county="longxian")


@web.middleware
async def door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    role = Role(request.headers.get("X-Role", "agent"))
    request[WHO] = Who(kind="token", id="t", role=role)
    return await handler(request)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    now = baoji()
    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(
        suggest_http.routes(
            Suggesting(lambda: now.casebook, lambda: now.register),
            book=lambda: now.casebook,
            ticket=find,
        )
    )
    async with TestClient(TestServer(app, host="127.0.0.1")) as made:
        yield made


async def test_text_in_units_out(client: Client) -> None:
    asked = {"title": "停水", "body": "经二路停水两天了", "kind": "help", "number": "12345"}
    answer = await client.post("/api/v1/tickets/suggest", json=asked)
    assert answer.status == 200
    told = await answer.json()
    assert told["ranked"][0]["unit"] == "gongshui"
    assert told["ranked"][0]["level"] == "firm"
    assert told["ranked"][0]["reasons"]
    assert told["place"]["county_label"] == "渭滨区"
    assert told["categories"][0]["code"] == "zhujian.water"
    assert told["categories"][0]["label"] == "住房城乡建设·停水与供水服务"
    assert told["urgency"] == "pressing"
    assert told["scope"] is None


async def test_nothing_in_is_an_answer_too(client: Client) -> None:
    told = await (await client.post("/api/v1/tickets/suggest", json={})).json()
    assert told["ranked"][0]["unit"] == "zhengfuban"
    assert told["place"]["county_label"] is None


async def test_a_matter_out_of_scope_and_a_danger_are_told(client: Client) -> None:
    asked = {"body": "法院判决了不执行"}
    told = await (await client.post("/api/v1/tickets/suggest", json=asked)).json()
    assert told["scope"]["number"] == 3
    asked = {"body": "厨房漏气了"}
    told = await (await client.post("/api/v1/tickets/suggest", json=asked)).json()
    assert told["emergency"]
    assert told["advice"]


@pytest.mark.parametrize(
    "asked",
    [
        {"body": "x" * 8001},
        {"title": "\x00"},
        {"county": "../.."},
        {"kind": "?"},
        {"number": "12345; drop"},
        {"unit": "zhujian"},
        {"town": "x" * 81},
        [],
    ],
)
async def test_what_does_not_fit_is_refused(client: Client, asked: object) -> None:
    assert (await client.post("/api/v1/tickets/suggest", json=asked)).status == 422


async def test_half_characters_do_not_break_the_answer(client: Client) -> None:
    answer = await client.post(
        "/api/v1/tickets/suggest",
        data=b'{"body": "\\ud800\\u505c\\u6c34", "town": "\\udfff"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status in (200, 422)


async def test_a_tickets_own_words_count_before_what_was_recognised(client: Client) -> None:
    told = await (await client.get(f"/api/v1/tickets/{TICKET}/suggestion")).json()
    assert told["ranked"][0]["unit"] == "longxian"
    assert {"guihua.lamp", "chengguan.manhole"} == {one["code"] for one in told["categories"][:2]}


async def test_a_ticket_one_may_not_see_has_no_suggestion(client: Client) -> None:
    assert (await client.get("/api/v1/tickets/BJ20261123-000002/suggestion")).status == 404
    assert (await client.get("/api/v1/tickets/1/suggestion")).status == 422


@pytest.mark.parametrize("role", ["unit", "reader", "inspector"])
async def test_only_who_writes_tickets_is_told_where_they_go(client: Client, role: str) -> None:
    headers = {"X-Role": role}
    answer = await client.post("/api/v1/tickets/suggest", json={}, headers=headers)
    assert answer.status == 403
    answer = await client.get(f"/api/v1/tickets/{TICKET}/suggestion", headers=headers)
    assert answer.status == 403
    assert (await client.get("/api/v1/places", headers=headers)).status == 200


async def test_the_catalogue_and_the_places_can_be_chosen_from(client: Client) -> None:
    told = await (await client.get("/api/v1/catalogue")).json()
    fields = {one["code"]: one for one in told["fields"]}
    water = next(one for one in fields["zhujian"]["categories"] if one["code"] == "zhujian.water")
    assert (water["unit"], water["unit_label"], water["firm"]) == (
        "zhujian",
        "市住建局",
        "gongshui",
    )
    counties = {one["code"]: one for one in await (await client.get("/api/v1/places")).json()}
    assert len(counties) == 13
    assert "蔡家坡镇" in counties["qishan"]["towns"]


def test_a_suggester_is_made_anew_when_the_city_changes_and_asked_to() -> None:
    books = [baoji().casebook]
    made = Suggesting(lambda: books[-1], lambda: baoji().register)
    first = made()
    assert made.renew() is first
    books.append(replace(books[0]))
    assert made() is first  # whoever asks never waits
    second = made.renew()
    assert second is not first
    assert made() is second
    registers = [baoji().register]
    made = Suggesting(Casebook, lambda: registers[-1])
    first = made()
    registers.append(Register({}))
    assert made.renew() is not first
