"""One inbox, one writer: what goes in comes out in the ledger, whatever the database says."""

import sqlite3

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti import inbox as inbox_module
from cti.calls.registry import LINGER
from schemas.commands import OpenTicket, PromiseCallback
from schemas.events import (
    AgentFinished,
    AgentRinging,
    FellBack,
    Happened,
    PromptPlayed,
    TransferDialled,
)
from schemas.tables import CallbackRow, TicketRow, TimelineRow
from tests.cti.house import (
    answered,
    arrived,
    call,
    eventually,
    flow,
    house,
    hung_up,
    joined,
    routed,
)

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]


async def test_a_whole_call_is_one_row_with_its_timeline_and_its_ticket(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with house(engine, sessions) as h:
        await h.put(arrived(1), flow(1), routed(1), joined(1), answered(1))
        await eventually(h.has_ticket)
        await h.put(hung_up(1))
        row = await h.row(call(1))
        assert (row.outcome, row.agent, row.sla_seconds) == ("answered", "8001", 6.0)
        assert (row.number, row.hotline, row.attribution) == ("12336", row.hotline, "did")
        assert row.ticket_id
        async with sessions() as session:
            kinds = await session.scalars(
                select(TimelineRow.kind)
                .where(TimelineRow.call_id == call(1))
                .order_by(TimelineRow.id)
            )
            assert list(kinds) == [
                "CallArrived",
                "FlowStarted",
                "RouteChosen",
                "QueueJoined",
                "AgentAnswered",
                "TicketOpened",
                "HungUp",
            ]


async def test_news_of_channels_that_are_no_citizens_is_nothing(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with house(engine, sessions) as h:
        await h.put(hung_up(7), answered(7))
        assert list(h.registry.all()) == []
        assert h.published == []


async def test_what_is_told_twice_is_one_ring_and_one_arrival(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    ring = AgentRinging(call=call(1), at=5.0, agent="8001", queue="citizens")
    async with house(engine, sessions) as h:
        await h.put(arrived(1, caller=""), arrived(1), flow(1), joined(1), ring, ring)
        rings = [n for n in h.published if isinstance(n.event, AgentRinging)]
        assert len(rings) == 1
        await h.journal.flushed()
        async with sessions() as session:
            arrivals = await session.scalar(
                select(func.count()).where(TimelineRow.kind == "CallArrived")
            )
        assert arrivals == 1
        assert h.registry.get(call(1)).caller == "13900000001"


async def test_who_fell_back_is_attributed_without_the_flow(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with house(engine, sessions) as h:
        fell = FellBack(call=call(1), at=1.8, reason="failure", redirecting="12336")
        await h.put(arrived(1, did="12345"), fell, joined(1, 2.0, "fallback"))
        await h.put(answered(1), hung_up(1))
        row = await h.row(call(1))
        assert (row.outcome, row.number, row.route) == ("fallback", "12336", "queue:fallback")
        assert h.asked == [("12345", "12336")]
        await h.put(arrived(2, did="999"), hung_up(2, 1.0))
        assert (await h.row(call(2))).attribution == "unknown"


async def test_who_gave_up_is_promised_a_call_once(engine: AsyncEngine, sessions: Sessions) -> None:
    async with house(engine, sessions) as h:
        await h.put(arrived(1), flow(1), joined(1), hung_up(1))
        await h.put(arrived(2, caller="13900000001"), joined(2), hung_up(2))
        await eventually(lambda: h.count(CallbackRow, 1))
        assert [type(command) for command in h.obeyed] == [PromiseCallback] * 2


async def test_a_subscriber_that_fails_stops_nobody(
    engine: AsyncEngine, sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Happened) -> None:
        raise RuntimeError("screen away")

    async with house(engine, sessions) as h:
        h.inbox.subscribe(broken)
        await h.put(arrived(1), flow(1), hung_up(1))
        assert (await h.row(call(1))).outcome == "abandoned_in_flow"
    assert "a subscriber failed" in caplog.text


async def test_an_event_that_does_not_fit_changes_nothing(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with house(engine, sessions) as h:
        await h.put(arrived(1), flow(1), hung_up(1, 2.0), hung_up(1, 3.0))
        assert (await h.row(call(1))).ended_at == 2.0


async def test_ended_calls_are_forgotten_after_a_while(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with house(engine, sessions) as h:
        await h.put(arrived(1), hung_up(1, 1.0))
        assert h.registry.get(call(1)) is not None
        await h.put(arrived(2, 2.0 + LINGER))
        assert h.registry.get(call(1)) is None
        assert len(h.registry) == 1


async def test_late_news_of_an_ended_call_is_told_to_the_desks(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    over = AgentFinished(
        call=call(1), at=9.1, agent="8001", queue="citizens", talked=3.0, reason="caller"
    )
    async with house(engine, sessions) as h:
        await h.put(arrived(1), flow(1), joined(1), answered(1), hung_up(1), over)
        assert h.published[-1].event == over


async def test_a_transfer_that_comes_back_is_known_for_what_it_is(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    from schemas.calls import Route, RouteKind
    from schemas.events import RouteChosen

    out = Route(kind=RouteKind.TRANSFER, target="95598", queue="citizens")
    async with house(engine, sessions) as h:
        await h.put(
            arrived(1),
            flow(1),
            RouteChosen(call=call(1), at=3.0, route=out),
            TransferDialled(call=call(1), at=3.1, target="95598"),
        )
        assert h.registry.transfers_to("95598", "13900000001")
        assert not h.registry.transfers_to("95598", "13911111111")
        assert not h.registry.transfers_to("12388", "13900000001")


async def test_a_full_inbox_says_so_and_asks_for_a_resync(
    engine: AsyncEngine,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(inbox_module, "BOUND", 2)
    async with house(engine, sessions) as h:
        played = PromptPlayed(call=call(1), at=1.0, prompt="greeting", seconds=1.0, key=None)
        for event in (arrived(1), flow(1), played):
            h.inbox.put(event)
        assert not h.inbox.overflowed, "a note is no reason to look at everything again"
        h.inbox.put(hung_up(1))
        assert h.inbox.overflowed
    assert "inbox full" in caplog.text


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_locked_database_delays_rows_and_loses_none(
    engine: AsyncEngine, sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    lock = sqlite3.connect(str(engine.url.database), isolation_level=None)
    async with house(engine, sessions) as h:
        lock.execute("BEGIN EXCLUSIVE")
        for n in range(20):
            await h.put(arrived(n), flow(n), joined(n), answered(n), hung_up(n))
        await eventually(h.in_trouble)
        assert h.journal.behind > 0
        lock.execute("ROLLBACK")
        lock.close()
        for n in range(20):
            assert (await h.row(call(n))).outcome == "answered"
        assert h.journal.error_since is None
        await eventually(lambda: h.count(TicketRow, 20))
        assert {type(command) for command in h.obeyed} == {OpenTicket}
    assert "ledger writable again" in caplog.text
