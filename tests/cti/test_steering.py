"""Requests for call control: who may, what Asterisk is asked, and how it is told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from cti.asterisk.ami import ActionRefused
from cti.asterisk.control import channels
from cti.asterisk.rooms import Rooms, found, legs_of
from cti.calls.control import Do, Target
from cti.calls.machine import step
from cti.calls.registry import Registry
from cti.calls.steering import Steering
from schemas.calls import AgentId, Call, CallId, Control, Place, State, Third
from schemas.commands import BringBack, NothingUndone
from schemas.errors import Conflict, Forbidden, Invalid, NotFound
from schemas.events import AgentSeated, CallerMoved, Controlled, Event, Happened, HungUp
from schemas.numbers import Integration, Number, Register

pytestmark = pytest.mark.unit

ID = CallId("n1-1700000000.1")
ANN, BOB = AgentId("2001"), AgentId("2002")


def number(digits: str, **more: str) -> Number:
    return Number(
        number=digits, line_no=1, hotline="热线", owner_unit="单位", unit="x", notice="greeting",
        integration=Integration.INTEGRATED, flow="main", **more,
    )  # fmt: skip


REGISTER = Register(
    {n.number: n for n in (number("12345"), number("12369", seat="812369"), number("12336"))}
)


@dataclass
class Exchange:
    """The channels of one call, and what was asked of Asterisk."""

    there: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    refuses: str = ""
    news: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def channel(self, name: str, number: int, context: str, exten: str, *, room: bool) -> None:
        self.there[name] = {
            "Event": "CoreShowChannel", "Channel": name, "Uniqueid": f"n1-1700000000.{number}",
            "Linkedid": ID if number < 3 else f"n1-1700000000.{number}9", "Context": context,
            "Exten": exten, "Application": "ConfBridge" if room else "Queue",
            "ApplicationData": f"{ID},hotline,x" if room else "citizens",
        }  # fmt: skip

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        self.asked.append((action, headers))
        self.news.put_nowait(action)
        if action == self.refuses:
            raise ActionRefused(f"{action}: no")
        return {}

    async def ask(self, action: str, **_: str) -> list[Mapping[str, str]]:
        assert action == "CoreShowChannels"
        return list(self.there.values())

    async def until(self, action: str) -> None:
        """Wait for the next *action*."""
        async with asyncio.timeout(5):
            while await self.news.get() != action:
                pass

    def did(self, action: str) -> list[Mapping[str, str]]:
        return [headers for name, headers in self.asked if name == action]


@dataclass
class Desk:
    exchange: Exchange
    registry: Registry
    steering: Steering
    told: list[Event]

    @property
    def call(self) -> Call:
        found = self.registry.get(ID)
        assert found is not None
        return found

    def happens(self, *events: Event) -> None:
        for event in events:
            call, _ = step(self.call, event)
            self.registry.put(call, now=event.at)
            self.steering.happened(Happened(event, call))

    async def ask(self, do: Do, target: str | None = None, *, by: str = ANN) -> Call:
        return await self.steering.control(
            ID, do, who=by, agent=AgentId(by), target=target, steers=False
        )

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(e.do, e.result) for e in self.told if isinstance(e, Controlled)]


@pytest.fixture
def desk() -> Desk:
    exchange, registry, told = Exchange(), Registry(), []
    exchange.channel("PJSIP/trunk-00000001", 1, "hotline-route", "queue", room=False)
    exchange.channel("PJSIP/2001-00000002", 2, "from-agent", "queue", room=False)
    call = Call(
        id=ID, state=State.TALKING, started_at=0, since=0, agent=ANN, answered_at=1,
        channel="PJSIP/trunk-00000001", caller="13900000001", ticket_id="T1",
    )  # fmt: skip
    registry.put(call, now=0)
    steering = Steering(
        registry, Rooms(exchange), report=told.append, register=lambda: REGISTER,
        known=lambda ext: ext in (ANN, BOB), spoken=lambda ticket: ("a", ticket),
        clock=lambda: 5.0,
    )  # fmt: skip
    return Desk(exchange, registry, steering, told)


def moved(place: Place) -> CallerMoved:
    return CallerMoved(call=ID, at=6, place=place)


async def test_hold_moves_both_and_returns_when_asterisk_has_told(desk: Desk) -> None:
    asking = asyncio.create_task(desk.ask(Do.HOLD))
    await desk.exchange.until("Redirect")
    assert not asking.done()
    desk.happens(AgentSeated(call=ID, at=6, agent=ANN), moved(Place.HELD))
    async with asyncio.timeout(5):
        assert (await asking).control.caller is Place.HELD
    (redirect,) = desk.exchange.did("Redirect")
    assert (redirect["Channel"], redirect["Context"]) == ("PJSIP/trunk-00000001", "hotline-held")
    assert (redirect["ExtraChannel"], redirect["ExtraExten"]) == ("PJSIP/2001-00000002", "agent")
    kept = {h["Variable"]: h["Value"] for h in desk.exchange.did("Setvar")}
    assert kept == {"HOTLINE_AGENT": ANN, "HOTLINE_HELD": "hold"}
    assert desk.results == [("hold", "ok")]


async def test_only_who_has_the_call_or_a_supervisor_may(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        await desk.ask(Do.HOLD, by=BOB)
    with pytest.raises(Forbidden):
        await desk.ask(Do.PICK_UP, by="2099")
    with pytest.raises(Conflict):  # a supervisor may, but nothing is held
        await desk.steering.control(
            ID, Do.RETRIEVE, who="boss", agent=None, target=None, steers=True
        )
    with pytest.raises(NotFound):
        desk.steering.find("n1-1.999")
    assert desk.results == [("retrieve", "conflict")]


@pytest.mark.parametrize(("do", "target"), [(Do.CONSULT, None), (Do.HOLD, "110")])
async def test_a_target_belongs_to_those_that_need_one(
    desk: Desk, do: Do, target: str | None
) -> None:
    with pytest.raises(Invalid):
        await desk.ask(do, target)


async def test_what_asterisk_refuses_is_told_and_leaves_the_call_to_app_queue(desk: Desk) -> None:
    desk.exchange.refuses = "Redirect"
    with pytest.raises(ActionRefused):
        await desk.ask(Do.HOLD)
    desk.happens(*desk.told)
    assert desk.call.control == Control()
    assert desk.results == [("hold", "action_refused")]


async def test_a_caller_who_hangs_up_meanwhile_ends_the_request(desk: Desk) -> None:
    asking = asyncio.create_task(desk.ask(Do.HOLD))
    await desk.exchange.until("Redirect")
    desk.happens(HungUp(call=ID, at=6, cause=16))
    with pytest.raises(Conflict, match="has hung up"):
        async with asyncio.timeout(5):
            await asking


async def test_the_second_of_two_requests_is_refused(desk: Desk) -> None:
    first = asyncio.create_task(desk.ask(Do.HOLD))
    await desk.exchange.until("Redirect")
    with pytest.raises(Conflict, match="another request"):
        await desk.ask(Do.PARK)
    desk.happens(moved(Place.HELD))
    async with asyncio.timeout(5):
        await first


@pytest.mark.parametrize(
    ("dialled", "target"),
    [
        ("110", Target(number="110")),
        ("2002", Target(number="2002", internal=True)),
        ("12369", Target(number="812369")),
        ("0917-3260001", Target(number="0917-3260001")),
    ],
)
def test_a_target_is_police_colleague_seat_or_number(
    desk: Desk, dialled: str, target: Target
) -> None:
    assert desk.steering.target(dialled) == target


@pytest.mark.parametrize("dialled", ["12345", "12336", "+8691712336"])
def test_numbers_that_are_answered_here_are_no_target(desk: Desk, dialled: str) -> None:
    with pytest.raises(Conflict, match="answered here"):
        desk.steering.target(dialled)


async def test_a_third_party_hears_the_ticket_and_the_police_do_not(desk: Desk) -> None:
    desk.registry.put(replace(desk.call, control=Control(caller=Place.ROOM, seated=True)), now=0)
    for target in ("3260001", "110"):
        asking = asyncio.create_task(desk.ask(Do.THREE_WAY, target))
        await desk.exchange.until("Originate")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    unit, police = desk.exchange.did("Originate")
    assert "__HOTLINE_SAY=a&T1" in unit["Variable"]
    assert police["Variable"].endswith("__HOTLINE_SAY=")
    assert police["Channel"] == "Local/110@hotline-third/n"


async def test_supervisors_ring_only_phones_of_ours_and_only_for_a_talk(desk: Desk) -> None:
    await desk.steering.watch(ID, "listen", who="boss", phone=BOB)
    (ring,) = desk.exchange.did("Originate")
    assert "__HOTLINE_SPIED=PJSIP/2001-00000002" in ring["Variable"]
    for phone, wrong in (("999", NotFound), (ANN, Conflict)):
        with pytest.raises(wrong):
            await desk.steering.watch(ID, "listen", who="boss", phone=phone)
    del desk.exchange.there["PJSIP/2001-00000002"]
    with pytest.raises(Conflict):
        await desk.steering.watch(ID, "whisper", who="boss", phone=BOB)
    desk.registry.put(replace(desk.call, state=State.QUEUED), now=0)
    with pytest.raises(Conflict, match="no agent talks"):
        await desk.steering.watch(ID, "listen", who="boss", phone=BOB)


async def test_the_machines_own_moves_never_fail_loudly(desk: Desk) -> None:
    desk.exchange.channel("PJSIP/trunk-00000001", 1, "hotline-held", "s", room=False)
    await desk.steering.obey(BringBack(call=ID), desk.call)
    assert desk.exchange.did("Redirect")[0]["Exten"] == "caller"
    desk.exchange.refuses = "Redirect"
    await desk.steering.obey(BringBack(call=ID), desk.call)
    await desk.steering.obey(NothingUndone(call=ID), desk.call)
    assert desk.exchange.did("Setvar")[-1]["Value"] == ""


async def test_a_new_controller_reads_the_room_from_its_channels(desk: Desk) -> None:
    exchange = desk.exchange
    exchange.channel("PJSIP/trunk-00000001", 1, "hotline-held", "s", room=False)
    exchange.channel("PJSIP/w2001-00000002", 2, "hotline-room", "agent", room=True)
    exchange.channel("PJSIP/trunk-00000004", 4, "hotline-third-in", "110", room=True)
    del exchange.there["PJSIP/2001-00000002"]
    live = await channels(exchange)
    seen = found(ID, live, at=9)
    assert seen is not None
    assert (seen.agent, seen.emergency) == (ANN, True)
    assert seen.control == Control(caller=Place.HELD, seated=True, target="110", third=Third.JOINED)
    legs = legs_of(desk.call, live)
    assert legs.seated
    assert [c.name for c in legs.others] == ["PJSIP/trunk-00000004"]

    # the agent leaves; a colleague who was asked would have the call
    del exchange.there["PJSIP/w2001-00000002"], exchange.there["PJSIP/trunk-00000004"]
    exchange.channel("PJSIP/2002-00000005", 5, "hotline-third-in", "2002", room=True)
    taken = found(ID, await channels(exchange), at=9)
    assert taken is not None
    assert (taken.agent, taken.control.third, taken.control.seated) == (BOB, None, True)
    assert found(CallId("n1-1.5"), live, at=9) is None
