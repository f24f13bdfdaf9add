"""What happens to calls becomes screen-pops, states and words to app_queue."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agents.hub import Outbox
from schemas.calls import AgentId, Call, CallId, Control, Place, State, Third
from schemas.desktop import AgentState, ScreenPop, Snapshot
from schemas.errors import NotFound
from schemas.events import Happened, HungUp, ThirdAnswered, ThirdDialled, ThirdLeft
from schemas.numbers import Attribution, Integration, Number

if TYPE_CHECKING:
    from tests.agents.conftest import Room

pytestmark = pytest.mark.unit

ONE, TWO = AgentId("8001"), AgentId("8002")
HRSS = Number(
    number="12333", line_no=3, hotline="人社热线", owner_unit="市人社局", unit="hrss",
    integration=Integration.INTEGRATED, notice="n", flow="integrated",
)  # fmt: skip


def drained(outbox: Outbox) -> list[dict[str, Any]]:
    """Return the changes that wait, oldest first."""
    changes = []
    while not outbox._lines.empty():
        line = outbox._lines.get_nowait()
        assert isinstance(line, str)
        changes.append(json.loads(line))
    return changes


def kinds(outbox: Outbox) -> list[object]:
    return [change["type"] for change in drained(outbox)]


async def test_the_pop_is_there_the_instant_the_phone_is_about_to_ring(room: Room) -> None:
    room.ledger.at_hand["13991700001"] = room.ledger.history
    room.desks.ready(ONE)
    with room.hub.subscribe(ONE) as outbox:
        room.ring(ONE, number=HRSS, attribution=Attribution.DIVERSION)
        state, pop = drained(outbox)
    assert (state["type"], pop["type"]) == ("state", "pop")
    seen = ScreenPop.model_validate(pop["body"])
    assert (seen.caller, seen.number, seen.owner_unit) == ("13991700001", "12333", "市人社局")
    assert (seen.attribution, seen.integration, seen.waited) == ("diversion", "integrated", 7.5)
    assert seen.history == room.ledger.history.calls
    assert room.ledger.fetched == 0


async def test_a_history_that_must_be_fetched_comes_as_a_second_pop(room: Room) -> None:
    with room.hub.subscribe(ONE) as outbox:
        room.ring(ONE)
        first = drained(outbox)[-1]
        room.ledger.gate.set()
        async with asyncio.timeout(5):
            second = json.loads(await outbox.next())
    assert (first["type"], second["type"]) == ("pop", "pop")
    assert first["body"]["history"] is None
    assert second["body"] == first["body"] | {
        "history": second["body"]["history"],
        "open_tickets": [],
    }
    assert second["body"]["history"][0]["id"] == "old"


@pytest.mark.parametrize("how", ["fails", "too late"])
async def test_no_history_is_no_fault(
    room: Room, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    if how == "fails":
        room.ledger.fault = RuntimeError("broken")
        room.ledger.gate.set()
    room.ring(ONE)
    (fetch,) = room.desks._screens._fetches
    async with asyncio.timeout(5):
        await fetch
    assert room.desks.snapshot(ONE).pop is not None
    assert "13991700001" not in caplog.text


async def test_a_history_of_a_call_that_has_gone_is_not_shown(room: Room) -> None:
    room.ring(ONE)
    room.miss(ONE)
    with room.hub.subscribe(ONE) as outbox:
        room.ledger.gate.set()
        await asyncio.gather(*room.desks._screens._fetches, return_exceptions=True)
        assert drained(outbox) == []


async def test_an_unknown_caller_pops_with_an_empty_history_at_once(room: Room) -> None:
    room.ring(ONE, caller=None)
    pop = room.desks.snapshot(ONE).pop
    assert pop is not None
    assert (pop.caller, pop.history, room.ledger.fetched) == (None, [], 0)


async def test_a_whole_call_from_ring_to_ready(room: Room) -> None:
    room.desks.ready(ONE)
    with room.hub.subscribe(ONE) as outbox:
        room.ring(ONE)
        assert kinds(outbox) == ["state", "pop"]
        room.answer(ONE)
        assert kinds(outbox) == ["state", "call"]
        room.ticket(ONE)
        assert kinds(outbox) == ["ticket", "call"]
        room.clock.forward(60)
        room.finish(ONE)
        assert kinds(outbox) == ["state", "call"]
        wrapping = room.desks.snapshot(ONE)
        assert wrapping.me.state == "wrap_up"
        assert wrapping.pop is not None
        assert wrapping.call is not None
        room.clock.forward(19.9)
        assert drained(outbox) == []
        room.clock.forward(0.1)
        assert kinds(outbox) == ["state", "pop_closed"]
    now = room.desks.snapshot(ONE)
    assert (now.me.state, now.call, now.pop) == ("ready", None, None)
    assert await room.queue.heard(3) == [
        ("join", ONE, "PJSIP/8001", "hrss"),
        ("pause", ONE, "wrap_up"),
        ("unpause", ONE),
    ]


async def test_changes_applied_to_a_snapshot_give_the_next_snapshot(room: Room) -> None:
    """Whatever is seen live is what a desk sees that opens now."""
    shown = room.desks.snapshot(ONE).model_dump(mode="json")
    steps = (
        lambda: room.desks.ready(ONE),
        lambda: room.ring(ONE),
        lambda: room.ring(TWO, ringing=(ONE, TWO)),
        lambda: room.answer(TWO),
        lambda: room.ring(ONE, "b"),
        lambda: room.answer(ONE, "b"),
        lambda: room.desks.pause(ONE, "午餐"),
        lambda: room.ticket(ONE, "b"),
        lambda: room.finish(ONE, "b"),
        lambda: room.desks.ready(ONE),
        lambda: room.ring(ONE, "c"),
        lambda: room.hang_up("c"),
        lambda: room.ring(ONE, "d"),
        lambda: room.answer(ONE, "d"),
        lambda: room.finish(ONE, "d"),
        lambda: room.ring(ONE, "e"),
        lambda: room.miss(ONE, "e"),
        lambda: room.clock.forward(20),
        lambda: room.desks.offline(ONE),
    )
    with room.hub.subscribe(ONE) as outbox:
        for number, step in enumerate(steps):
            step()
            for change in drained(outbox):
                assert change["v"] == shown["v"] + 1
                shown["v"] = change["v"]
                match change["type"]:
                    case "state":
                        shown["me"] = change["body"]
                    case "pop":
                        if shown["pop"] and shown["pop"]["call"] != change["body"]["call"]:
                            shown["call"] = None
                        shown["pop"] = change["body"]
                    case "pop_closed":
                        shown["pop"] = shown["call"] = None
                    case "call":
                        shown["call"] = change["body"]
            now = room.desks.snapshot(ONE).model_dump(mode="json")
            assert Snapshot.model_validate(shown) == Snapshot.model_validate(now), number


async def test_when_another_agent_answers_the_pop_is_closed(room: Room) -> None:
    room.desks.ready(ONE)
    room.ring(ONE)
    with room.hub.subscribe(ONE) as outbox:
        room.ring(TWO, ringing=(ONE, TWO))
        assert drained(outbox) == []
        room.answer(TWO)
        closed, state = drained(outbox)
    assert closed["body"] == {"call": "n1-1.1", "why": "answered"}
    assert state["body"]["state"] == "ready"
    assert room.desks.state(TWO).state == "talking"


async def test_a_caller_who_gives_up_closes_the_pop_and_is_no_miss(room: Room) -> None:
    room.desks.ready(ONE)
    for id in ("a", "b", "c"):
        room.ring(ONE, id)
        room.hang_up(id)
        now = room.desks.snapshot(ONE)
        assert (now.me.state, now.pop) == ("ready", None)


async def test_a_phone_that_nobody_answers_twice_is_paused(room: Room) -> None:
    room.desks.ready(ONE)
    for id in ("a", "b"):
        room.ring(ONE, id)
        room.miss(ONE, id)
    state = room.desks.state(ONE)
    assert (state.state, state.reason) == ("paused", "missed")
    assert (await room.queue.heard(2))[1] == ("pause", ONE, "missed")


async def test_a_talk_whose_end_nobody_reported_ends_with_the_call(room: Room) -> None:
    room.desks.ready(ONE)
    room.ring(ONE)
    room.answer(ONE)
    room.hang_up(agent=ONE)
    assert room.desks.state(ONE).state == "wrap_up"
    room.finish(ONE)
    assert room.desks.state(ONE).state == "wrap_up"


async def test_an_answer_without_a_ring_still_pops(room: Room) -> None:
    room.answer(ONE)
    now = room.desks.snapshot(ONE)
    assert now.pop is not None
    assert now.call is not None
    assert now.call.id == now.pop.call == "n1-1.1"


async def test_the_desk_of_a_unit_seat_is_nobodys_business(room: Room) -> None:
    room.ring(AgentId("seat-12348"))
    room.answer(AgentId("seat-12348"))
    room.miss(AgentId("seat-12348"))
    room.finish(AgentId("seat-12348"))
    assert {state.state for state in room.desks.states()} == {"offline"}


async def test_words_to_app_queue_keep_their_order_and_one_slow_agent_holds_nobody_up(
    room: Room,
) -> None:
    room.queue.gate = asyncio.Event()
    for do in (
        lambda: room.desks.ready(ONE),
        lambda: room.desks.pause(ONE, "午餐"),
        lambda: room.desks.ready(ONE),
        lambda: room.desks.offline(ONE),
    ):
        do()
    assert room.desks.state(ONE).state == "offline"
    room.queue.gate.set()
    assert [what[0] for what in await room.queue.heard(4)] == ["join", "pause", "unpause", "leave"]


async def failed(room: Room, agent: AgentId) -> AgentState:
    async with asyncio.timeout(5):
        while not (state := room.desks.state(agent)).reason:
            room.queue.news.clear()
            await room.queue.news.wait()
            await asyncio.sleep(0)
    return state


async def test_a_queue_that_could_not_be_told_is_shown_and_told_at_the_next_wish(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.queue.down = True
    room.desks.ready(ONE)
    assert (await failed(room, ONE)).reason == "queues not told: unavailable"
    assert "queue command failed" in caplog.text
    room.queue.down = False
    room.desks.ready(ONE)
    assert (await room.queue.heard(1))[0][0] == "join"
    await asyncio.sleep(0)
    assert room.desks.state(ONE).reason is None


async def test_an_offline_that_failed_is_told_in_full_the_next_time(room: Room) -> None:
    room.desks.ready(ONE)
    await room.queue.heard(1)
    room.queue.down = True
    room.desks.offline(ONE)
    await failed(room, ONE)
    room.queue.down = False
    room.desks.pause(ONE, "午餐")
    assert (await room.queue.heard(2))[1] == ("pause", ONE, "午餐")


def member(agent: AgentId, *, reason: str = "", in_call: bool = False) -> SimpleNamespace:
    return SimpleNamespace(agent=agent, paused=bool(reason), reason=reason, in_call=in_call)


async def test_after_a_restart_presence_comes_from_app_queue_which_is_told_nothing(
    room: Room,
) -> None:
    call = room.call("n1-9.9", agent=ONE)
    room.desks.restore(
        [member(ONE, in_call=True), member(TWO, reason="午餐")], talking={ONE: call}, at=1.0
    )
    now = room.desks.snapshot(ONE)
    assert (now.me.state, now.me.call) == ("talking", "n1-9.9")
    assert now.pop is not None
    assert now.call is not None
    assert (room.desks.state(TWO).state, room.desks.state(TWO).reason) == ("paused", "午餐")
    room.finish(ONE, "n1-9.9")
    assert await room.queue.heard(1) == [("pause", ONE, "wrap_up")]


async def test_a_talk_found_before_its_call_gets_call_and_pop_at_the_next_resync(
    room: Room,
) -> None:
    room.desks.restore([member(ONE, in_call=True)], talking={}, at=1.0)
    assert room.desks.state(ONE).call is None
    call = room.call("n1-9.9", agent=ONE)
    room.desks.restore([member(ONE, in_call=True)], talking={ONE: call}, at=2.0)
    now = room.desks.snapshot(ONE)
    assert now.pop is not None
    assert now.call is not None
    assert (now.me.call, now.pop.call, now.call.id) == ("n1-9.9",) * 3
    assert room.queue.told == []
    room.hang_up("n1-9.9", agent=ONE)
    assert room.desks.state(ONE).state == "wrap_up"


async def test_a_second_resync_keeps_the_wish_and_tells_only_what_differs(room: Room) -> None:
    room.desks.restore([], talking={}, at=1.0)
    room.desks.ready(ONE)
    room.desks.ready(TWO)
    await room.queue.heard(2)
    room.desks.restore([member(TWO)], talking={}, at=2.0)  # Asterisk forgot the first
    assert [what[:2] for what in await room.queue.heard(3)] == [
        ("join", ONE), ("join", TWO), ("join", ONE),
    ]  # fmt: skip


async def test_a_wrap_up_found_after_a_restart_ends(room: Room) -> None:
    room.desks.restore([member(ONE, reason="wrap_up")], talking={}, at=room.clock.now)
    assert room.desks.state(ONE).state == "wrap_up"
    room.clock.forward(20)
    assert room.desks.state(ONE).state == "ready"


async def test_going_ready_in_wrap_up_takes_its_timer_back(room: Room) -> None:
    room.desks.ready(ONE)
    room.ring(ONE)
    room.answer(ONE)
    room.finish(ONE)
    assert room.clock.armed == 1
    room.desks.ready(ONE)
    assert room.clock.armed == 0


async def test_a_phone_that_comes_and_goes_is_shown(room: Room) -> None:
    with room.hub.subscribe(ONE) as outbox:
        room.desks.phone(ONE, online=True)
        room.desks.phone(ONE, online=True)
        room.desks.phone(AgentId("nobody"), online=True)
        assert kinds(outbox) == ["state"]
        assert room.desks.state(ONE).desk
    assert room.desks.state(ONE).phone_online
    assert not room.desks.state(ONE).desk


async def test_who_is_taken_off_the_roster_leaves_the_queues(room: Room) -> None:
    room.desks.ready(TWO)
    room.ring(TWO)
    with room.hub.subscribe(TWO) as outbox:
        room.desks.set_roster([])
        assert [what[0] for what in await room.queue.heard(2)] == ["join", "leave"]
        with pytest.raises(Exception, match="no longer an agent"):
            await outbox.next()
    assert ONE not in room.desks
    room.hang_up()
    with pytest.raises(NotFound):
        room.desks.ready(TWO)


async def test_hostile_text_of_a_caller_reaches_the_desk_as_text(room: Room) -> None:
    caller = "1\r\n${SHELL(id)}\"'<b>\u202e" + "9" * 4000
    with room.hub.subscribe(ONE) as outbox:
        room.ring(ONE, str(CallId("x")), caller=caller)
        pop = drained(outbox)[-1]
    assert pop["body"]["caller"] == caller


def asks(room: Room, how: Third | None, **values: Any) -> Call:
    """Return a call whose agent ONE asks TWO."""
    control = Control(
        caller=Place.HELD, seated=True, target=None if how is None else TWO, third=how,
        internal=how is not None,
    )  # fmt: skip
    ringing = (TWO,) if how is Third.RINGING else ()
    usual = {"state": State.TALKING, "agent": ONE, "control": control, "ringing": ringing}
    return room.call(**(usual | values))


async def test_a_colleague_who_is_asked_sees_the_call_and_talks(room: Room) -> None:
    call, at = CallId("n1-1.1"), room.clock.now
    dialled = ThirdDialled(call=call, at=at, target=TWO, internal=True)
    with room.hub.subscribe(TWO) as outbox:
        room.desks.happened(Happened(dialled, asks(room, Third.RINGING)))
        assert kinds(outbox) == ["state", "pop"]
    assert room.desks.state(TWO).state == "ringing"
    answered = ThirdAnswered(call=call, at=at, target=TWO)
    room.desks.happened(Happened(answered, asks(room, Third.BRIEFED)))
    assert room.desks.state(TWO).state == "talking"
    left = ThirdLeft(call=call, at=at, target=TWO, status="LEFT")
    room.desks.happened(Happened(left, asks(room, None)))
    assert room.desks.state(TWO).state == "offline"


@pytest.mark.parametrize("status", ["BUSY", "NOANSWER", "CANCEL"])
async def test_a_colleague_who_does_not_answer_rings_no_longer(room: Room, status: str) -> None:
    call, at = CallId("n1-1.1"), room.clock.now
    dialled = ThirdDialled(call=call, at=at, target=TWO, internal=True)
    room.desks.happened(Happened(dialled, asks(room, Third.RINGING)))
    left = ThirdLeft(call=call, at=at, target=TWO, status=status)
    room.desks.happened(Happened(left, asks(room, None)))
    assert room.desks.state(TWO).state == "offline"


async def test_a_number_outside_that_looks_like_an_extension_is_nobody_of_ours(room: Room) -> None:
    dialled = ThirdDialled(call=CallId("n1-1.1"), at=room.clock.now, target=TWO, internal=False)
    answered = ThirdAnswered(call=CallId("n1-1.1"), at=room.clock.now, target=TWO)
    for event in (dialled, answered):
        room.desks.happened(Happened(event, room.call(state=State.TALKING, agent=ONE)))
    assert room.desks.state(TWO).state == "offline"


async def test_who_still_speaks_to_the_police_is_talking_when_the_caller_has_fled(
    room: Room,
) -> None:
    room.desks.ready(ONE)
    room.ring(ONE)
    room.answer(ONE)
    fled = HungUp(call=CallId("n1-1.1"), at=room.clock.now, cause=16)
    room.desks.happened(Happened(fled, asks(room, None, state=State.ENDED)))
    assert room.desks.state(ONE).state == "talking"
    room.finish(ONE)
    assert room.desks.state(ONE).state == "wrap_up"
