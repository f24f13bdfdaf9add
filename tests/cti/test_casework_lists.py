"""Lists of tickets: every filter, both orders, pages, lights, counts."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.tickets import lists
from schemas.cases import Light, TicketState
from schemas.errors import Forbidden, Invalid
from schemas.identity import Role, Who
from schemas.tickets import TicketFilter
from tests.cti.case_desk import AGENT, BOOK, DISPATCHER, NOW, UNITS, Desk, desk

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
ZHUJIAN, WEIBIN = UNITS["zhujian"], UNITS["weibin"]


@pytest.fixture
def city(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


async def ids(city: Desk, who: Who = AGENT, **filters: Any) -> list[str]:
    page = await city.casework.find(who, TicketFilter.model_validate(filters))
    return [ticket.id for ticket in page.items]


async def paged(city: Desk, who: Who, **filters: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        asked = TicketFilter.model_validate({**filters, "cursor": cursor})
        page = await city.casework.find(who, asked)
        assert len(page.items) <= asked.limit
        found += [ticket.id for ticket in page.items]
        cursor = page.next
        if cursor is None:
            return found


async def test_each_filter_finds_what_it_says(city: Desk) -> None:
    draft = await city.open(
        kind="help", county="weibin", category="zhujian.water", urgency="urgent", title="水管爆了"
    )
    city.clock.now += 10
    sent = await city.dispatched("weibin", caller="13900001111")
    city.clock.now += 10
    closed = await city.closed()
    for filters, found in (
        ({}, [closed, sent, draft]),
        ({"since": NOW + 10}, [closed, sent]),
        ({"until": NOW + 10}, [draft]),
        ({"state": ["draft"]}, [draft]),
        ({"state": ["draft", "archived"]}, [closed, draft]),
        ({"open": True}, [sent, draft]),
        ({"open": False}, [closed]),
        ({"kind": "help"}, [draft]),
        ({"urgency": "urgent"}, [draft]),
        ({"category": "zhujian.water"}, [draft]),
        ({"county": "weibin"}, [draft]),
        ({"unit": "weibin"}, [sent]),
        ({"unit": "weibin", "open": True}, [sent]),
        ({"owner": "agent"}, [draft]),
        ({"owner": "unit:weibin"}, [sent]),
        ({"caller": "13900001111"}, [sent]),
        ({"agent": "1002"}, []),
        ({"call_id": "n1-1"}, []),
        ({"text": "爆了"}, [draft]),
        ({"text": '"* OR ( NEAR'}, []),
        ({"light": "off"}, [closed]),
        ({"order": "due", "state": ["archived"]}, []),
    ):
        assert await ids(city, **filters) == [ticket.id for ticket in found], filters


async def test_pages_show_each_ticket_once_in_both_orders(city: Desk, sessions: Sessions) -> None:
    opened = []
    for n in range(7):
        city.clock.now = NOW + n // 3  # some share a moment
        opened.append((await city.open(urgency="urgent" if n % 2 else "normal")).id)
    newest = sorted(opened, key=lambda id: (int(id[-6:]) - 1) // 3 * 1000 + int(id[-6:]))[::-1]
    assert await paged(city, AGENT, limit=2) == newest
    due = await paged(city, AGENT, limit=2, order="due")
    assert sorted(due) == sorted(opened)
    async with sessions() as session:
        rows = await session.execute(text("SELECT id FROM tickets ORDER BY due_at, id"))
        assert due == [id for (id,) in rows]
    for cursor in ("", "x", "W10", "bnVsbA", "WzFlNDAwLCAiYSJd", "WzEsICJcdTAwMDAiXQ"):
        if cursor:
            with pytest.raises(Invalid):
                await ids(city, cursor=cursor)


async def test_a_units_pages_hold_what_it_leads_and_what_it_assists(city: Desk) -> None:
    mine = []
    for n in range(6):
        city.clock.now = NOW + n
        ticket = await city.do(AGENT, await city.open(), "accept")
        lead, helps = (("zhujian", "weibin"), ("weibin", "zhujian"), ("gongshui", "weibin"))[n % 3]
        await city.do(DISPATCHER, ticket, "dispatch", unit=lead, assisting=[helps], reason="主管")
        mine += [ticket.id] if n % 3 < 2 else []
    assert await paged(city, ZHUJIAN, limit=1) == mine[::-1]
    assert sorted(await paged(city, ZHUJIAN, limit=3, order="due")) == sorted(mine)
    assert await ids(city, ZHUJIAN, unit="zhujian") == [mine[2], mine[0]]
    assert (await city.casework.count(ZHUJIAN)).open == 4
    assert (await city.casework.count(WEIBIN)).open == 6


async def test_lights_and_counts_agree_with_what_is_shown(city: Desk) -> None:
    shown: dict[str, Light] = {}
    for step in range(6):
        await city.open(urgency=("normal", "pressing", "urgent")[step % 3])
        await city.dispatched(urgency="urgent" if step % 2 else "normal")
        city.clock.now += 5_000
    page = await city.casework.find(AGENT, TicketFilter(limit=100))
    for ticket in page.items:
        shown[ticket.id] = ticket.light
    assert len(set(shown.values())) >= 2
    counts = await city.casework.count(AGENT)
    assert counts.open == len(shown)
    assert counts.state == {TicketState.DRAFT: 6, TicketState.DISPATCHED: 6}
    for light in (Light.RED, Light.YELLOW, Light.GREEN):
        wanted = sorted(id for id, seen in shown.items() if seen is light)
        assert sorted(await ids(city, light=light.value, limit=100)) == wanted
        assert counts.light[light] == len(wanted)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_ticket_is_red_after_its_due_time_not_at_it(city: Desk) -> None:
    from schemas.times import read

    ticket = await city.open(urgency="urgent")
    due = read(ticket.due_at or "")
    for at, light in ((due, "yellow"), (due + 0.001, "red")):
        city.clock.now = at
        assert (await city.casework.get(AGENT, ticket.id)).light == light
        assert await ids(city, light=light) == [ticket.id]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_who_has_no_unit_or_no_right_sees_nothing(city: Desk) -> None:
    await city.dispatched()
    nobody = Who(kind="user", id="x", role=Role.UNIT)
    assert await ids(city, nobody) == []
    assert (await city.casework.count(nobody)).open == 0


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_units_list_by_due_time_holds_nothing_that_waits_for_the_callback(
    city: Desk,
) -> None:
    running, done = await city.dispatched(), await city.done()
    checking = await city.do(AGENT, await city.done(), "check")
    everything = [running.id, done.id, checking.id]
    assert await ids(city, ZHUJIAN, order="due") == [running.id]
    assert await ids(city, ZHUJIAN, order="due", state=["done"]) == []
    assert sorted(await ids(city, ZHUJIAN, state=["done"])) == sorted(everything[1:])
    assert sorted(await ids(city, AGENT, order="due")) == sorted(everything)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_codes_are_no_patterns(city: Desk) -> None:
    """`_` stands for any letter in LIKE: `a_b` must not see what assists `axb`."""
    unit = BOOK.units.units["weibin"]
    units = {**BOOK.units.units, "a_b": unit, "axb": unit}
    city.book = city.book.__class__(units=BOOK.units.__class__(units=units))
    ticket = await city.do(AGENT, await city.open(), "accept")
    await city.do(DISPATCHER, ticket, "dispatch", unit="zhujian", assisting=["axb"], reason="主管")
    assert await ids(city, Who(kind="user", id="x", role=Role.UNIT, unit="axb")) == [ticket.id]
    assert await ids(city, Who(kind="user", id="x", role=Role.UNIT, unit="a_b")) == []


PLANS = [
    ({"light": "red", "order": "due"}, None, "ix_tickets_open"),
    ({"open": True, "order": "due"}, None, "ix_tickets_open"),
    ({"unit": "zhujian", "light": "red", "order": "due"}, None, "ix_tickets_unit"),
    ({"caller": "13900001111"}, None, "ix_tickets_caller"),
    ({"owner": "agent", "order": "due"}, None, "ix_tickets_owner"),
    ({}, None, "ix_tickets_created"),
    ({"light": "yellow", "order": "due"}, frozenset({"zhujian"}), "ix_tickets_unit"),
    ({"order": "due"}, frozenset({"zhujian"}), "ix_tickets_unit"),
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(("filters", "seen", "index"), PLANS)
async def test_a_list_follows_an_index(
    sessions: Sessions, filters: dict[str, Any], seen: frozenset[str] | None, index: str
) -> None:
    asked = TicketFilter.model_validate(filters)
    query = lists.queries(asked, seen=seen, at=NOW, dialect="sqlite")[0]
    async with sessions() as session:
        bound = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = await session.execute(text(f"EXPLAIN QUERY PLAN {bound}".replace(":", r"\:")))
        told = "\n".join(row[3] for row in plan)
    assert index in told, told


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_role_without_tickets_is_told_so(
    city: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.tickets.access.may", lambda who, right: False)
    with pytest.raises(Forbidden):
        await ids(city)


@settings(deadline=None)
@given(st.sampled_from(list(Light)))
def test_every_light_has_a_condition(light: Light) -> None:
    assert "due_at" in str(lists.lit(light, 1.0))
