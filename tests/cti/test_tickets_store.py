import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.tickets import store
from cti.tickets.store import TicketFilter
from schemas.calls import Call, CallId, State
from schemas.errors import Conflict, NotFound
from schemas.numbers import Attribution, Integration, Number
from schemas.tables import TicketRow
from schemas.tickets import Kind, TicketIn, TicketPatch, TicketState

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
Sessions = async_sessionmaker[AsyncSession]
LINE = Number(
    number="12319",
    line_no=2,
    hotline="城管热线",
    owner_unit="市城管执法局",
    unit="urban",
    integration=Integration.DUAL_RUN,
    notice="moved",
    flow="dual_run",
)


def a_call(id: str, caller: str | None = "09173260000") -> Call:
    return Call(
        id=CallId(id),
        state=State.TALKING,
        started_at=T0,
        since=T0,
        caller=caller,
        number=LINE,
        attribution=Attribution.DIVERSION,
        transcript="我家停水两天了",
        confidence=0.86,
    )


async def opened(sessions: Sessions, call: Call, at: float = T0) -> str:
    async with sessions.begin() as session:
        return (await store.open_draft(session, call, agent="1001", at=at)).id


async def test_a_draft_carries_what_the_call_knows(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        ticket = await store.open_draft(session, a_call("n1-1"), agent="1001", at=T0)
    assert ticket.id == "BJ20261123-000001"
    assert (ticket.call_id, ticket.caller, ticket.agent) == ("n1-1", "09173260000", "1001")
    assert (ticket.number, ticket.hotline, ticket.unit) == ("12319", "城管热线", "urban")
    assert (ticket.attribution, ticket.state) == ("diversion", TicketState.DRAFT)
    assert (ticket.transcript, ticket.confidence) == ("我家停水两天了", 0.86)


async def test_a_call_has_one_ticket_however_often_it_is_opened(sessions: Sessions) -> None:
    first = await opened(sessions, a_call("n1-1"))
    assert await opened(sessions, a_call("n1-1"), at=T0 + 9) == first
    together = await asyncio.gather(*(opened(sessions, a_call("n1-2")) for _ in range(5)))
    assert len(set(together)) == 1
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(TicketRow)) == 2


async def test_ids_are_unique_and_without_gaps_when_many_open_at_once(sessions: Sessions) -> None:
    async with asyncio.timeout(60):
        ids = await asyncio.gather(*(opened(sessions, a_call(f"n1-{n}")) for n in range(30)))
    assert sorted(ids) == [f"BJ20261123-{n:06d}" for n in range(1, 31)]


async def test_the_day_of_an_id_is_shanghais(sessions: Sessions) -> None:
    from schemas.times import day_of, midnight

    start = midnight(day_of(T0))
    assert await opened(sessions, a_call("n1-1"), at=start - 1) == "BJ20261122-000001"
    assert await opened(sessions, a_call("n1-2"), at=start) == "BJ20261123-000001"


@pytest.mark.parametrize("caller", ["9" * 4000, "\0'; DROP TABLE tickets; --", "\ud800", "", None])
async def test_a_hostile_caller_still_gets_a_ticket(sessions: Sessions, caller: str | None) -> None:
    assert await opened(sessions, a_call("n1-1", caller))


async def test_a_ticket_without_a_call_may_be_opened_many_times(sessions: Sessions) -> None:
    asked = TicketIn(title="路灯不亮", kind=Kind.HELP, caller="13900000000")
    async with sessions.begin() as session:
        one = await store.create(session, asked, number=LINE, agent=None, at=T0)
        two = await store.create(session, asked, number=None, agent="1001", at=T0)
    assert one.id != two.id
    assert (one.call_id, one.kind, one.kind_label) == (None, Kind.HELP, "求助")
    assert (one.unit, two.unit) == ("urban", None)


async def test_a_change_needs_the_version_it_was_made_on(sessions: Sessions) -> None:
    id = await opened(sessions, a_call("n1-1"))
    async with sessions.begin() as session:
        patch = TicketPatch(version=1, title="路灯", kind=Kind.COMPLAINT)
        changed = await store.change(session, id, patch, at=T0 + 5)
    assert (changed.title, changed.kind, changed.version) == ("路灯", Kind.COMPLAINT, 2)
    assert changed.updated_at > changed.created_at
    async with sessions.begin() as session:
        with pytest.raises(Conflict) as refused:
            await store.change(session, id, TicketPatch(version=1, title="水管"), at=T0 + 6)
    assert refused.value.details == {"version": 2}
    async with sessions.begin() as session:
        kept = await store.change(session, id, TicketPatch(version=2), at=T0 + 7)
    assert (kept.title, kept.kind) == ("路灯", Kind.COMPLAINT)


async def test_of_two_changes_at_once_one_is_refused(sessions: Sessions) -> None:
    id = await opened(sessions, a_call("n1-1"))

    async def change(title: str) -> str:
        async with sessions.begin() as session:
            patch = TicketPatch(version=1, title=title)
            return (await store.change(session, id, patch, at=T0)).title

    results = await asyncio.gather(change("a"), change("b"), return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["Conflict", "str"]


async def test_a_closed_ticket_stays_as_it_is(sessions: Sessions) -> None:
    id = await opened(sessions, a_call("n1-1"))
    async with sessions.begin() as session:
        patch = TicketPatch(version=1, state=TicketState.CLOSED)
        assert (await store.change(session, id, patch, at=T0)).state is TicketState.CLOSED
    async with sessions.begin() as session:
        with pytest.raises(Conflict, match="closed"):
            await store.change(session, id, TicketPatch(version=2, title="x"), at=T0)
        with pytest.raises(NotFound):
            await store.change(session, "BJ20261123-999999", TicketPatch(version=1), at=T0)
        assert await store.open_of(session, "09173260000", limit=5) == []


async def test_lists_are_filtered_and_paged(sessions: Sessions) -> None:
    ids = [await opened(sessions, a_call(f"n1-{n}"), at=T0 + n // 2) for n in range(5)]
    async with sessions() as session:
        assert [t.id for t in await store.open_of(session, "09173260000", limit=2)] == [
            ids[4],
            ids[3],
        ]
        one = await store.find(session, TicketFilter(call_id="n1-3"))
        assert [t.id for t in one.items] == [ids[3]]
        seen: list[str] = []
        page = await store.find(session, TicketFilter(limit=2))
        seen += [t.id for t in page.items]
        while page.next:
            page = await store.find(session, TicketFilter(limit=2, cursor=page.next))
            seen += [t.id for t in page.items]
    assert seen == ids[::-1]
