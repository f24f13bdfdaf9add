"""After an outage ledger and Asterisk agree again, and every debt is paid."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.asterisk.cel_file import CelFile
from cti.calls import journal
from cti.calls.reconcile import Findings, Reconciler
from schemas.calls import Call, Outcome, Route, RouteKind, State
from schemas.events import HungUp
from schemas.tables import CallbackRow, CallRow, TicketRow
from tests.cti.house import (
    NODE,
    REGISTER,
    House,
    answered,
    arrived,
    call,
    eventually,
    flow,
    house,
    joined,
    routed,
)
from tests.cti.test_cel import line

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]


class Exchange:
    """What Asterisk would answer."""

    def __init__(self, *living: int) -> None:
        self.living = living

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        raise AssertionError(action)

    async def ask(self, action: str, **headers: str) -> list[Mapping[str, str]]:
        assert action == "CoreShowChannels"
        return [
            {
                "Event": "CoreShowChannel",
                "Channel": f"PJSIP/trunk-{n:08x}",
                "Uniqueid": call(n),
                "Linkedid": call(n),
                "CallerIDNum": f"1390000{n:04d}",
                "Duration": "00:00:07",
            }
            for n in self.living
        ]


def logged(n: int, *records: tuple[str, float, str, str]) -> list[str]:
    """Return log lines of call *n*: (type, time, app, data)."""
    own = {"uniqueid": call(n), "call": call(n), "channel": f"PJSIP/trunk-{n:08x}"}
    return [line(kind, at, app=app, data=data, **own) for kind, at, app, data in records]


def bridged(n: int, at: float) -> str:
    return line(
        "BRIDGE_ENTER",
        at,
        call=call(n),
        uniqueid=f"{call(n)}9",
        channel="PJSIP/8001-00000009",
    )


async def resync(h: House, exchange: Exchange, file: Path) -> Findings:
    found = await Reconciler(
        ami=exchange,
        registry=h.registry,
        inbox=h.inbox,
        journal=h.journal,
        engine=h.engine,
        file=CelFile(file),
        register=REGISTER,
        node=NODE,
        obey=h.commands,
    ).resync()
    await h.journal.flushed()
    return found


async def written(h: House, *calls: Call) -> None:
    """Put calls into the ledger as an earlier process left them."""
    async with h.engine.begin() as connection:
        await journal.write(connection, calls, (), node=NODE)


def open_call(n: int, state: State = State.QUEUED, **more: object) -> Call:
    fields = {
        "id": call(n), "state": state, "started_at": 1.0, "since": 2.0, "did": "12336",
        "caller": f"1390000{n:04d}", "queue": "citizens", **more,
    }  # fmt: skip
    return Call(**fields)


async def test_a_call_nobody_saw_is_in_the_ledger_with_its_ticket(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    file = tmp_path / "Master.csv"
    lines = [
        *logged(1, ("CHAN_START", 1.0, "", ""), ("APP_START", 3.0, "Queue", "fallback,c")),
        bridged(1, 5.0),
        *logged(1, ("BRIDGE_EXIT", 8.0, "", ""), ("HANGUP", 8.1, "", "")),
    ]
    file.write_text("\n".join(lines) + "\n" + '"CHAN_START","9')
    async with house(engine, sessions) as h:
        found = await resync(h, Exchange(), file)
        assert (found.unseen, found.closed) == (1, 0)
        row = await h.row(call(1))
        assert (row.outcome, row.agent, row.answered_at) == ("fallback", "8001", 5.0)
        async with sessions() as session:
            assert list(await session.scalars(select(TicketRow.call_id))) == [call(1)]
        again = await resync(h, Exchange(), file)
        assert (again.unseen, again.closed, again.owed) == (0, 0, 0)


async def test_calls_that_live_go_on_where_they_were(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    async with house(engine, sessions) as h:
        await written(h, open_call(1), open_call(2, State.TALKING, agent="8001", answered_at=4.0))
        found = await resync(h, Exchange(1, 2, 3), tmp_path / "none")
        assert (found.living, found.adopted, found.closed) == (3, 2, 0)
        states = {c.id: c.state for c in h.registry.all()}
        assert states == {call(1): State.QUEUED, call(2): State.TALKING, call(3): State.NEW}


async def test_a_restart_does_not_forget_the_route(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    route = Route(kind=RouteKind.QUEUE, queue="citizens")
    async with house(engine, sessions) as h:
        await written(h, open_call(1, State.TALKING, agent="8001", answered_at=4.0, route=route))
        await resync(h, Exchange(1), tmp_path / "none")
        await h.put(HungUp(call=call(1), at=9.0, cause=16))
        row = await h.row(call(1))
        assert (row.outcome, row.route) == ("answered", "queue:citizens")


async def test_what_ended_while_we_were_away_is_closed_by_asterisks_own_word(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    file = tmp_path / "Master.csv"
    lines = [
        *logged(1, ("CHAN_START", 1.0, "", ""), ("APP_START", 1.5, "Queue", "citizens")),
        bridged(1, 5.0),
        *logged(1, ("HANGUP", 9.0, "", "")),
        *logged(2, ("CHAN_START", 1.0, "", ""), ("HANGUP", 9.0, "", "")),
    ]
    file.write_text("\n".join(lines) + "\n")
    async with house(engine, sessions) as h:
        await written(h, open_call(1), open_call(2))
        await resync(h, Exchange(), file)
        assert (await h.row(call(1))).outcome == "answered"
        assert (await h.row(call(2))).outcome == "abandoned_in_queue"


async def test_a_call_whose_flow_was_never_written_down_is_booked_to_the_number_dialled(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    own = {"uniqueid": call(1), "call": call(1), "channel": "PJSIP/trunk-00000001"}
    lines = [
        line("CHAN_START", 1.0, exten="12345", **own),
        line("APP_START", 3.0, app="Queue", data="citizens", rdnis="12336", **own),
        line("HANGUP", 9.0, **own),
    ]
    (tmp_path / "Master.csv").write_text("\n".join(lines) + "\n")
    async with house(engine, sessions) as h:
        await resync(h, Exchange(), tmp_path / "Master.csv")
        row = await h.row(call(1))
        assert (row.number, row.outcome) == ("12336", "abandoned_in_queue")


async def test_who_was_cut_off_is_closed_honestly_and_called_back(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    async with house(engine, sessions) as h:
        await h.put(arrived(1), flow(1), routed(1), joined(1))
        await h.put(arrived(2), flow(2), routed(2), joined(2), answered(2))
        found = await resync(h, Exchange(), tmp_path / "none")
        assert found.closed == 2
        assert (await h.row(call(1))).outcome == "failed"
        assert (await h.row(call(2))).outcome == "answered"
        await eventually(lambda: h.count(CallbackRow, 2))
        async with sessions() as session:
            promised = set(await session.scalars(select(CallbackRow.caller)))
        assert promised == {"13900000001", "13900000002"}


async def test_what_a_crash_left_undone_is_done(
    engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    now = time.time()
    over = {"started_at": now - 60, "ended_at": now - 5, "since": now - 5}
    async with house(engine, sessions) as h:
        await written(
            h,
            open_call(
                1,
                State.ENDED,
                agent="8001",
                answered_at=now - 50,
                outcome=Outcome.ANSWERED,
                **over,
            ),
            open_call(2, State.ENDED, outcome=Outcome.ABANDONED_IN_QUEUE, **over),
            open_call(3, State.ENDED, outcome=Outcome.ABANDONED_IN_FLOW, **over),
        )
        found = await resync(h, Exchange(), tmp_path / "none")
        assert found.owed == 2
        async with sessions() as session:
            assert list(await session.scalars(select(TicketRow.call_id))) == [call(1)]
            assert list(await session.scalars(select(CallbackRow.caller))) == ["13900000002"]
            row = await session.get(CallRow, call(1))
            assert row is not None
            assert row.ticket_id
        assert (await resync(h, Exchange(), tmp_path / "none")).owed == 0
