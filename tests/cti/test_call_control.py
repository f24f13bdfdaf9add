"""Call control: what fits, what events mean, and a model of the dialplan that must agree."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cti.calls import control, machine
from cti.calls.control import (
    Dial,
    Do,
    DropAgent,
    DropCaller,
    DropThird,
    HandOver,
    Mode,
    Move,
    MoveCaller,
    Park,
    Record,
    Ring,
    Target,
    mode,
    plan,
)
from cti.calls.machine import step
from schemas.calls import AgentId, Call, CallId, Control, Outcome, Place, State, Third
from schemas.commands import BringBack, Command, NothingUndone
from schemas.errors import Conflict
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentSeated,
    CallerMoved,
    Controlled,
    Event,
    HungUp,
    QueueJoined,
    RoomFound,
    RoomOpened,
    ThirdAnswered,
    ThirdDialled,
    ThirdJoined,
    ThirdLeft,
    TransferAnswered,
    TransferDialled,
    TransferEnded,
)

pytestmark = pytest.mark.unit

ID = CallId("n1-1700000000.1")
ANN, BOB = AgentId("2001"), AgentId("2002")
UNIT, POLICE = Target(number="3260001"), Target(number="110")
COLLEAGUE = Target(number=BOB, internal=True)

TALK = Call(
    id=ID, state=State.TALKING, started_at=0.0, since=5.0, agent=ANN, answered_at=5.0,
    channel="PJSIP/trunk-1",
)  # fmt: skip


def after(*events: Event, call: Call = TALK) -> Call:
    for event in events:
        call, _ = step(call, event)
    return call


def opened() -> RoomOpened:
    return RoomOpened(call=ID, at=6)


def moved(place: Place) -> CallerMoved:
    return CallerMoved(call=ID, at=6, place=place)


def dialled(target: Target) -> ThirdDialled:
    return ThirdDialled(call=ID, at=7, target=target.number, internal=target.internal)


def joined(target: Target) -> ThirdJoined:
    return ThirdJoined(call=ID, at=9, target=target.number)


def left(target: Target, status: str = "LEFT") -> ThirdLeft:
    return ThirdLeft(call=ID, at=10, target=target.number, status=status)


def finished(agent: AgentId = ANN, reason: str = control.ROOM) -> AgentFinished:
    return AgentFinished(call=ID, at=11, agent=agent, queue="", talked=5, reason=reason)


def asked(do: str, result: str = "ok") -> Controlled:
    return Controlled(call=ID, at=12, who=ANN, do=do, target=None, result=result)


HELD = after(opened(), moved(Place.HELD))
DIALLING = after(dialled(UNIT), call=HELD)
CONSULTING = after(joined(UNIT), call=DIALLING)
THREE_WAY = after(moved(Place.ROOM), call=CONSULTING)
CALLING = after(opened(), moved(Place.ROOM), dialled(POLICE))
PARKED = after(opened(), moved(Place.PARKED), finished())
OUTSIDE = after(finished(), call=THREE_WAY)
QUEUED = replace(TALK, state=State.QUEUED)
MODES = {
    Mode.NONE: QUEUED, Mode.TALKING: TALK, Mode.HELD: HELD, Mode.DIALLING: DIALLING,
    Mode.CALLING: CALLING, Mode.CONSULTING: CONSULTING, Mode.THREE_WAY: THREE_WAY,
    Mode.PARKED: PARKED, Mode.OUTSIDE: OUTSIDE,
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "call"), MODES.items())
def test_events_lead_to_every_mode(wanted: Mode, call: Call) -> None:
    assert mode(call) is wanted


@pytest.mark.parametrize("now", Mode)
@pytest.mark.parametrize("do", Do)
def test_what_does_not_fit_is_refused_with_a_sentence(do: Do, now: Mode) -> None:
    target = UNIT if do in control.WITH_TARGET else None
    if now in control.FITS[do]:
        with suppress(Conflict):  # an emergency that rings, a recording that runs
            assert plan(MODES[now], do, target=target, agent=BOB)
        return
    with pytest.raises(Conflict, match="does not fit"):
        plan(MODES[now], do, target=target, agent=BOB)


IN, HOLD = MoveCaller(to=Place.ROOM), MoveCaller(to=Place.HELD)
ASIDE = MoveCaller(to=Place.HELD, consult=True)


@pytest.mark.parametrize(
    ("call", "do", "target", "moves"),
    [
        (TALK, Do.HOLD, None, [HOLD]),
        (THREE_WAY, Do.HOLD, None, [ASIDE]),
        (HELD, Do.RETRIEVE, None, [IN]),
        (TALK, Do.PARK, None, [Park()]),
        (PARKED, Do.PICK_UP, None, [Ring(agent=BOB)]),
        (TALK, Do.TRANSFER, UNIT, [HandOver(target=UNIT)]),
        (HELD, Do.TRANSFER, COLLEAGUE, [HandOver(target=COLLEAGUE)]),
        (TALK, Do.CONSULT, UNIT, [ASIDE, Dial(target=UNIT)]),
        (TALK, Do.THREE_WAY, POLICE, [IN, Dial(target=POLICE, together=True)]),
        (CONSULTING, Do.MERGE, None, [IN]),
        (CONSULTING, Do.COMPLETE, None, [IN, DropAgent()]),
        (THREE_WAY, Do.COMPLETE, None, [DropAgent()]),
        (DIALLING, Do.CANCEL, None, [DropThird(), IN]),
        (THREE_WAY, Do.CANCEL, None, [DropThird()]),
        (TALK, Do.PAUSE_RECORDING, None, [IN, Record(on=False)]),
        (HELD, Do.PAUSE_RECORDING, None, [Record(on=False)]),
        (after(asked("pause_recording"), call=HELD), Do.RESUME_RECORDING, None, [Record(on=True)]),
        (TALK, Do.HANG_UP, None, [DropCaller()]),
        (DIALLING, Do.HANG_UP, None, [DropThird(), DropCaller()]),
    ],
)
def test_a_request_becomes_moves(
    call: Call, do: Do, target: Target | None, moves: list[Move]
) -> None:
    assert list(plan(call, do, target=target, agent=BOB)) == moves


@pytest.mark.parametrize(
    ("call", "do", "target", "why"),
    [
        (TALK, Do.TRANSFER, POLICE, "never handed a caller blindly"),
        (TALK, Do.CONSULT, Target(number=ANN, internal=True), "has the call already"),
        (TALK, Do.CONSULT, None, "needs a target"),
        (TALK, Do.RESUME_RECORDING, None, "the recording runs"),
        (after(asked("pause_recording")), Do.PAUSE_RECORDING, None, "is paused"),
        (CALLING, Do.HANG_UP, None, "stays until"),
        (replace(PARKED, ringing=(BOB,)), Do.PICK_UP, None, "rings for this caller already"),
    ],
)
def test_some_wishes_fit_and_may_not_be(
    call: Call, do: Do, target: Target | None, why: str
) -> None:
    with pytest.raises(Conflict, match=why):
        plan(call, do, target=target, agent=BOB)


def test_while_a_talk_is_in_a_room_app_queue_is_not_believed() -> None:
    with pytest.raises(machine.ImpossibleEvent):
        step(HELD, finished(reason="agent"))
    assert mode(after(finished(reason="agent"))) is Mode.NONE  # elsewhere it is


def test_late_news_of_an_earlier_agent_end_nothing() -> None:
    assert after(finished(BOB)) == TALK
    assert after(finished(BOB, reason="caller")) == TALK


@pytest.mark.parametrize("call", [HELD, DIALLING, CALLING])
def test_an_agent_who_leaves_without_a_third_party_ends_the_talk(call: Call) -> None:
    assert after(finished(), call=call).state is State.TALKED


def test_who_leaves_a_consultation_makes_the_third_party_the_other_side() -> None:
    outside, commands = step(CONSULTING, finished())
    assert outside.state is State.OUTSIDE
    assert commands == (BringBack(call=ID),)
    ended, _ = step(outside, HungUp(call=ID, at=20, cause=16))
    assert ended.outcome is Outcome.TRANSFERRED
    assert step(THREE_WAY, finished())[1] == ()


def test_a_colleague_takes_the_call_over_and_ends_it() -> None:
    asking = after(dialled(COLLEAGUE), call=HELD)
    assert asking.ringing == (BOB,)
    asking = after(ThirdAnswered(call=ID, at=8, target=BOB), call=asking)
    assert (asking.ringing, asking.control.third) == ((), Third.BRIEFED)
    taken = after(joined(COLLEAGUE), finished(), call=asking)
    assert (taken.agent, taken.control.seated, taken.control.third) == (BOB, True, None)
    assert mode(after(moved(Place.ROOM), call=taken)) is Mode.TALKING
    assert after(left(COLLEAGUE), call=taken).state is State.TALKED


def test_a_third_party_who_is_not_to_be_had_gives_the_caller_back() -> None:
    back, commands = step(DIALLING, left(UNIT, "BUSY"))
    assert (mode(back), commands) == (Mode.HELD, (BringBack(call=ID),))
    alone, commands = step(CALLING, left(POLICE, "BUSY"))
    assert (mode(alone), commands) == (Mode.TALKING, (NothingUndone(call=ID),))
    assert step(THREE_WAY, left(UNIT))[1] == ()
    assert after(left(UNIT), call=OUTSIDE).control.third is None
    assert after(left(POLICE), call=DIALLING) == DIALLING, "of another party"


def test_police_who_answered_make_the_call_an_emergency() -> None:
    three, commands = step(CALLING, joined(POLICE))
    assert (mode(three), commands) == (Mode.THREE_WAY, (NothingUndone(call=ID),))
    ended = after(left(POLICE), HungUp(call=ID, at=20, cause=16), call=three)
    assert ended.outcome is Outcome.EMERGENCY
    by_flow = after(
        TransferDialled(call=ID, at=6, target="110"), TransferAnswered(call=ID, at=8, target="110")
    )
    assert after(HungUp(call=ID, at=9, cause=16), call=by_flow).outcome is Outcome.EMERGENCY


def test_an_extension_like_an_emergency_number_is_none() -> None:
    colleague = Target(number="120", internal=True)
    three = after(dialled(colleague), joined(colleague), call=HELD)
    assert not three.emergency
    assert not colleague.emergency


def test_a_blind_transfer_that_fails_is_an_answered_call_again() -> None:
    away = after(opened(), TransferDialled(call=ID, at=6, target="3260001"), finished())
    assert (away.state, away.control.target) == (State.TRANSFERRING, "3260001")
    failed = TransferEnded(call=ID, at=8, target="3260001", status="BUSY", answered=False)
    joins = QueueJoined(call=ID, at=8, queue=f"agent-{ANN}", position=1)
    talks = AgentAnswered(call=ID, at=9, agent=ANN, queue=f"agent-{ANN}", waited=1)
    back = after(failed, joins, talks, call=away)
    assert (mode(back), back.control) == (Mode.TALKING, Control())
    assert after(HungUp(call=ID, at=20, cause=16), call=back).outcome is Outcome.ANSWERED


def test_who_was_never_moved_is_app_queues_again() -> None:
    refused = after(opened(), asked("hold", "action_refused"))
    assert after(finished(reason="agent"), call=refused).state is State.TALKED
    assert after(asked("hold", "conflict"), call=HELD) == HELD
    assert after(asked("hold")) == TALK


def test_after_the_end_the_agent_may_still_speak_to_the_third_party() -> None:
    ended = after(HungUp(call=ID, at=20, cause=16), call=CONSULTING)
    assert ended.control.seated
    late = after(moved(Place.QUEUE), left(UNIT), finished(), call=ended)
    assert (late.state, late.control.seated) == (State.ENDED, False)


def found(control: Control, agent: AgentId | None = None, emergency: bool = False) -> RoomFound:
    return RoomFound(call=ID, at=30, control=control, agent=agent, emergency=emergency)


@pytest.mark.parametrize("wanted", [m for m in Mode if m not in (Mode.NONE, Mode.TALKING)])
def test_a_new_controller_finds_every_mode_again(wanted: Mode) -> None:
    was = MODES[wanted]
    seen = found(replace(was.control, muted=False), ANN if was.control.seated else None)
    again = after(seen, call=replace(was, control=Control(), state=State.TALKING))
    assert mode(again) is wanted


def test_what_is_found_late_changes_no_ended_call() -> None:
    ended = after(HungUp(call=ID, at=20, cause=16))
    assert after(found(HELD.control, ANN, emergency=True), call=ended) == ended
    empty = after(found(Control(caller=Place.HELD)))
    assert (empty.state, empty.agent) == (State.TALKING, ANN)


# ---- a model of the dialplan: what `extensions_control.conf.j2` does, in Python


@dataclass
class World:
    """Asterisk with its dialplan: where everybody is."""

    caller: str = "bridge"
    agent: str | None = "bridge"
    who: AgentId = ANN
    third: str | None = None
    target: Target = UNIT
    consult: bool = False
    undone: bool = False
    most: int = 0
    picker: bool = False
    was_asked: bool = False
    """The agent came as a third party and has the call now."""
    told: list[Event] = field(default_factory=list)

    @property
    def persons(self) -> int:
        return (self.agent == "room") + (self.third == "room")

    def say(self, *events: Event) -> None:
        self.told.extend(events)

    def perform(self, move: Move) -> None:
        match move:
            case MoveCaller(to=to, consult=consult):
                if self.agent == "bridge":
                    self.agent = "room"
                    self.say(AgentSeated(call=ID, at=0, agent=self.who))
                self.place(to, consult=consult)
            case HandOver(target=target):
                self.caller = "queue" if target.internal else "dial"
                self.target = target
                self.say(
                    QueueJoined(call=ID, at=0, queue=f"agent-{target.number}", position=1)
                    if target.internal
                    else TransferDialled(call=ID, at=0, target=target.number)
                )
                self.agent_leaves()
            case Park():
                self.place(Place.PARKED)
                self.agent_leaves()
            case Dial(target=target, together=together):
                self.third, self.target, self.undone = "rings", target, together
                self.say(dialled(target))
            case Ring():
                self.picker = True
            case DropThird():
                self.third_leaves("CANCEL")
            case DropAgent():
                self.agent_leaves()
            case DropCaller():
                self.caller_leaves()
            case Record():
                pass

    def obey(self, command: Command) -> None:
        match command:
            case BringBack() if self.caller == "held":
                self.place(Place.ROOM)
            case NothingUndone():
                self.undone = False

    def place(self, to: Place, *, consult: bool = False) -> None:
        self.caller, self.consult, self.most = to.value, consult, self.persons
        self.say(moved(to))

    def agent_leaves(self) -> None:
        if self.agent is None:
            return
        if self.was_asked:  # the dialplan knows this leg as the third party's
            self.say(ThirdLeft(call=ID, at=10, target=self.who, status="LEFT"))
        else:
            self.say(finished(self.who, control.ROOM if self.agent == "room" else "agent"))
        self.agent, self.was_asked = None, False
        if self.third == "room" and self.target.internal:
            self.agent, self.who, self.was_asked = "room", AgentId(self.target.number), True
            self.third = None

    def third_leaves(self, status: str) -> None:
        if self.third is not None:
            self.third = None
            self.say(left(self.target, status))

    def caller_leaves(self) -> None:
        if self.caller != "gone":
            self.caller = "gone"
            self.say(HungUp(call=ID, at=0, cause=16))

    def tick(self) -> bool:
        """Do one thing the dialplan does by itself; tell whether there was one."""
        if self.third in ("rings", "briefed") and self.agent != "room":
            self.third_leaves("CANCEL")
        elif self.caller == "bridge" and self.agent is None:
            self.caller_leaves()
        elif self.caller == "room" and not self.persons:
            self.back() if self.undone else self.caller_leaves()
        elif self.caller == "held" and not self.persons:
            self.back()
        elif self.caller == "held" and self.consult and self.alone and self.most > 1:
            self.place(Place.ROOM)
        elif self.caller == "gone" and self.alone:
            self.third_leaves("LEFT") if self.third else self.agent_leaves()
        else:
            self.most = max(self.most, self.persons + (self.third in ("rings", "briefed")))
            return False
        return True

    @property
    def alone(self) -> bool:
        return self.persons + (self.third in ("rings", "briefed")) == 1

    def back(self) -> None:
        self.say(moved(Place.QUEUE), QueueJoined(call=ID, at=0, queue="agent-x", position=1))
        self.caller, self.undone = "queue", False


SELDOM = st.sampled_from([False, False, False, True])
"""Mishaps: as often as requests, they would end every call before it became interesting."""


class Line(RuleBasedStateMachine):
    """Requests and mishaps in any order; the controller may be dead for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.call = TALK
        self.alive = True

    def settle(self) -> None:
        while True:
            while self.world.told:
                event = self.world.told.pop(0)
                if self.alive:
                    self.hear(event)
            if not self.world.tick():
                return

    def hear(self, event: Event) -> None:
        with suppress(machine.ImpossibleEvent):
            self.call, commands = step(self.call, event)
            for command in commands:
                self.world.obey(command)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), whom=st.sampled_from([UNIT, POLICE, COLLEAGUE]))
    def ask(self, data: st.DataObject, whom: Target) -> None:
        fitting = [do for do in Do if mode(self.call) in control.FITS[do]]
        if not fitting:
            return
        asking = [do for do in fitting if do in (Do.CONSULT, Do.THREE_WAY)]
        do = data.draw(st.sampled_from(fitting + 2 * asking))
        target = whom if do in control.WITH_TARGET else None
        try:
            moves = plan(self.call, do, target=target, agent=BOB)
        except Conflict:
            return
        moving = any(isinstance(move, MoveCaller) for move in moves)
        if moving and self.call.control.caller is Place.QUEUE:
            self.hear(opened())
        for move in moves:
            self.world.perform(move)
            self.settle()
        self.hear(asked(do))

    @rule(really=SELDOM)
    def agent_hangs_up(self, really: bool) -> None:
        if not really:
            return
        self.world.agent_leaves()
        self.settle()

    @rule(really=SELDOM)
    def caller_hangs_up(self, really: bool) -> None:
        if not really:
            return
        self.world.caller_leaves()
        self.settle()

    @rule(really=SELDOM, status=st.sampled_from(["BUSY", "NOANSWER", "CONGESTION"]))
    def third_does_not_come_or_leaves(self, really: bool, status: str) -> None:
        if not really:
            return
        self.world.third_leaves("LEFT" if self.world.third == "room" else status)
        self.settle()

    @precondition(lambda self: self.world.third == "rings")
    @rule(listens=st.booleans())
    def third_answers(self, listens: bool) -> None:
        self.world.third = "briefed"
        self.world.say(ThirdAnswered(call=ID, at=0, target=self.world.target.number))
        self.settle()
        if not listens:
            self.third_comes_in()

    @precondition(lambda self: self.world.third == "briefed")
    @rule()
    def third_has_listened(self) -> None:
        self.third_comes_in()

    def third_comes_in(self) -> None:
        self.world.third = "room"
        self.world.say(joined(self.world.target))
        self.settle()

    @precondition(lambda self: self.world.caller in ("queue", "dial"))
    @rule()
    def somebody_answers(self) -> None:
        world = self.world
        if world.caller == "dial":
            world.say(
                TransferEnded(call=ID, at=0, target="1", status="BUSY", answered=False),
                QueueJoined(call=ID, at=0, queue="agent-x", position=1),
            )
        world.caller, world.agent, world.who = "bridge", "bridge", ANN
        world.say(AgentAnswered(call=ID, at=0, agent=ANN, queue="agent-x", waited=0))
        self.settle()

    @precondition(lambda self: self.world.picker and self.world.caller == "parked")
    @rule()
    def who_picks_up_is_there(self) -> None:
        world = self.world
        world.picker, world.agent, world.who = False, "room", BOB
        world.say(
            AgentAnswered(call=ID, at=0, agent=BOB, queue="parked", waited=0),
            AgentSeated(call=ID, at=0, agent=BOB),
        )
        world.place(Place.ROOM)
        self.settle()

    @rule(really=SELDOM)
    def the_controller_dies(self, really: bool) -> None:
        self.alive = self.alive and not really

    @invariant()
    def nobody_is_left_alone(self) -> None:
        world = self.world
        if world.caller == "room":
            assert world.persons
        if world.caller == "held":
            assert world.agent == "room" or (world.consult and world.third == "room")
        if world.caller == "bridge":
            assert world.agent == "bridge"
        if world.caller == "gone":
            assert not world.alone

    @invariant()
    def the_picture_is_true(self) -> None:
        if not self.alive:
            return
        world = self.world
        match world.caller:
            case "gone":
                wanted = {Mode.NONE}
            case "queue" | "dial":
                wanted = {Mode.NONE}
            case "parked":
                wanted = {Mode.PARKED}
            case _ if world.agent is None:
                wanted = {Mode.OUTSIDE}
            case place:
                held = place == "held"
                match world.third:
                    case None:
                        wanted = {Mode.HELD if held else Mode.TALKING}
                    case "room":
                        wanted = {Mode.CONSULTING if held else Mode.THREE_WAY}
                    case _:
                        wanted = {Mode.DIALLING if held else Mode.CALLING}
        assert mode(self.call) in wanted, (world, self.call)
        assert (self.call.state is State.ENDED) == (world.caller == "gone")


Line.TestCase.settings = settings(max_examples=400, stateful_step_count=25, deadline=None)
TestLine = Line.TestCase
