"""Call control, pure: what may be asked of a talk, what must then be moved, what events mean.

Rule 1: what fits which mode is in the tables of this file. Rule 2: no clock, no I/O. A request
changes nothing by itself: it becomes moves, and the call changes when Asterisk tells that they
happened. So a request that goes wrong half-way leaves a call that is seen as it is.

What keeps a caller from being left alone is the dialplan (`extensions_control.conf.j2`), which
needs no controller for it; the commands given here only make it quicker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.calls import AgentId, Call, Control, Place, State, Third
from schemas.commands import BringBack, Command, NothingUndone
from schemas.errors import Conflict
from schemas.events import (
    AgentFinished,
    AgentSeated,
    CallerMoved,
    Controlled,
    RoomFound,
    RoomOpened,
    ThirdAnswered,
    ThirdDialled,
    ThirdJoined,
    ThirdLeft,
)
from schemas.numbers import EMERGENCY_NUMBERS

ROOM = "room"
"""`AgentFinished.reason` of an agent whose phone has left the call's room."""


class Mode(StrEnum):
    """A talk as its agent sees it."""

    NONE = "none"
    """No talk that could be controlled."""
    TALKING = "talking"
    HELD = "held"
    DIALLING = "dialling"
    """The third party's line rings, the caller is held."""
    CALLING = "calling"
    """The third party's line rings, and the caller hears it, too."""
    CONSULTING = "consulting"
    THREE_WAY = "three_way"
    PARKED = "parked"
    OUTSIDE = "outside"
    """Caller and third party talk without an agent."""


class Do(StrEnum):
    """What may be asked."""

    HOLD = "hold"
    RETRIEVE = "retrieve"
    PARK = "park"
    PICK_UP = "pick_up"
    """Take a parked caller; the phone of who asks rings."""
    TRANSFER = "transfer"
    """Hand the caller over without a word before."""
    CONSULT = "consult"
    """Hold the caller and ask a third party."""
    THREE_WAY = "three_way"
    """Ask a third party while the caller listens."""
    MERGE = "merge"
    """Take the held caller into the consultation."""
    COMPLETE = "complete"
    """Leave; caller and third party go on."""
    CANCEL = "cancel"
    """Send the third party away; the caller is back with the agent."""
    PAUSE_RECORDING = "pause_recording"
    RESUME_RECORDING = "resume_recording"
    HANG_UP = "hang_up"


WITH_TARGET = frozenset({Do.TRANSFER, Do.CONSULT, Do.THREE_WAY})
_M = Mode
_TWO = frozenset({_M.TALKING, _M.HELD})
_ALL = frozenset({_M.TALKING, _M.HELD, _M.DIALLING, _M.CALLING, _M.CONSULTING, _M.THREE_WAY})

FITS: Mapping[Do, frozenset[Mode]] = {
    Do.HOLD: frozenset({_M.TALKING, _M.THREE_WAY}),
    Do.RETRIEVE: frozenset({_M.HELD}),
    Do.PARK: _TWO,
    Do.PICK_UP: frozenset({_M.PARKED}),
    Do.TRANSFER: _TWO,
    Do.CONSULT: _TWO,
    Do.THREE_WAY: _TWO,
    Do.MERGE: frozenset({_M.CONSULTING}),
    Do.COMPLETE: frozenset({_M.CONSULTING, _M.THREE_WAY}),
    Do.CANCEL: _ALL - _TWO,
    Do.PAUSE_RECORDING: _ALL,
    Do.RESUME_RECORDING: _ALL,
    Do.HANG_UP: _ALL | {_M.OUTSIDE},
}
"""Modes in which each request makes sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to call: a number of the trunk, or the extension of one of our agents."""

    number: str
    internal: bool = False

    @property
    def emergency(self) -> bool:
        """Whether this is 110, 119, 120 or 122."""
        return not self.internal and self.number in EMERGENCY_NUMBERS


# ---- what is to be moved


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveCaller:
    """Bring the caller to a place of ours, and the agent's phone into the room if it is not."""

    to: Place
    consult: bool = False
    """Held until one of the two in the room has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Let the dialplan call *target* for the caller; the agent's part is over."""

    target: Target


@dataclass(frozen=True, slots=True)
class Park:
    """Let the caller wait for whoever takes the call; the agent's part is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Ring a third party for the room."""

    target: Target
    together: bool = False
    """The caller is in the room: not to be hung up before the third party has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Ring an agent who wants to take the parked caller."""

    agent: AgentId


@dataclass(frozen=True, slots=True)
class DropThird:
    """Hang up the third party, ringing or not."""


@dataclass(frozen=True, slots=True)
class DropAgent:
    """Hang up the agent's phone."""


@dataclass(frozen=True, slots=True)
class DropCaller:
    """Hang up the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write what is said, or silence."""

    on: bool


Move = MoveCaller | HandOver | Park | Dial | Ring | DropThird | DropAgent | DropCaller | Record


EXPECTED: Mapping[Do, frozenset[Mode]] = {
    Do.HOLD: frozenset({_M.HELD, _M.CONSULTING}),
    Do.RETRIEVE: frozenset({_M.TALKING}),
    Do.PARK: frozenset({_M.PARKED}),
    Do.PICK_UP: frozenset({_M.PARKED, _M.TALKING}),
    Do.TRANSFER: frozenset({_M.NONE, _M.OUTSIDE}),
    Do.CONSULT: frozenset({_M.DIALLING, _M.CONSULTING}),
    Do.THREE_WAY: frozenset({_M.CALLING, _M.THREE_WAY}),
    Do.MERGE: frozenset({_M.THREE_WAY}),
    Do.COMPLETE: frozenset({_M.OUTSIDE, _M.TALKING}),
    Do.CANCEL: frozenset({_M.TALKING}),
    Do.HANG_UP: frozenset({_M.NONE}),
}
"""Modes in which a request is seen to have worked; those left out change none."""


def mode(call: Call) -> Mode:
    """Return how *call* stands for its agent."""
    if call.state is State.PARKED:
        return Mode.PARKED
    if call.state is State.OUTSIDE:
        return Mode.OUTSIDE
    if call.state is not State.TALKING:
        return Mode.NONE
    held = call.control.caller is Place.HELD
    match call.control.third:
        case None:
            return Mode.HELD if held else Mode.TALKING
        case Third.JOINED:
            return Mode.CONSULTING if held else Mode.THREE_WAY
        case _:
            return Mode.DIALLING if held else Mode.CALLING


def plan(
    call: Call, do: Do, *, target: Target | None = None, agent: AgentId | None = None
) -> tuple[Move, ...]:
    """Return what has to be moved for *do*, in order.

    Args:
        target: of those in `WITH_TARGET`.
        agent: who takes a parked call.

    Raises:
        Conflict: it does not fit; the sentence says why.
    """
    now = mode(call)
    if now not in FITS[do]:
        raise Conflict(_why_not(now, do), mode=now, do=do)
    muted = call.control.muted
    match do, target:
        case Do.HOLD, _:
            return (MoveCaller(to=Place.HELD, consult=now is Mode.THREE_WAY),)
        case Do.RETRIEVE | Do.MERGE, _:
            return (MoveCaller(to=Place.ROOM),)
        case Do.PARK, _:
            return (Park(),)
        case Do.PICK_UP, _ if agent is not None and not call.ringing:
            return (Ring(agent=agent),)
        case Do.PICK_UP, _:
            raise Conflict("somebody's phone rings for this caller already", mode=now, do=do)
        case Do.TRANSFER, Target(emergency=True):
            raise Conflict(
                "an emergency number is never handed a caller blindly: use `three_way` and stay "
                "until they have answered",
                mode=now, do=do,
            )  # fmt: skip
        case ((Do.TRANSFER | Do.CONSULT | Do.THREE_WAY), Target()) if (
            target.internal and target.number == call.agent
        ):
            raise Conflict("this agent has the call already", mode=now, do=do)
        case Do.TRANSFER, Target():
            return (HandOver(target=target),)
        case Do.CONSULT, Target():
            return MoveCaller(to=Place.HELD, consult=True), Dial(target=target)
        case Do.THREE_WAY, Target():
            return *_into_room(call), Dial(target=target, together=True)
        case Do.COMPLETE, _:
            return *_into_room(call), DropAgent()
        case Do.CANCEL, _:
            return DropThird(), *_into_room(call)
        case ((Do.PAUSE_RECORDING | Do.RESUME_RECORDING), _):
            on = do is Do.RESUME_RECORDING
            if muted is not on:
                raise Conflict(
                    "the recording runs" if on else "the recording is paused", mode=now, do=do
                )
            # in the room the recorder is on the agent's own phone, whatever app_queue dialled
            from_queue = call.control.caller is Place.QUEUE
            return (*(_into_room(call) if from_queue else ()), Record(on=on))
        case Do.HANG_UP, _ if _emergency_pending(call):
            raise Conflict("the agent stays until the emergency number has answered", mode=now)
        case Do.HANG_UP, _:
            third = call.control.third is not None
            return (DropThird(), DropCaller()) if third else (DropCaller(),)
        case _:
            raise Conflict(f"`{do}` needs a target", mode=now, do=do)


def _into_room(call: Call) -> tuple[Move, ...]:
    """Return what brings the caller into the room; nothing for one who is there."""
    return () if call.control.caller is Place.ROOM else (MoveCaller(to=Place.ROOM),)


def _emergency_pending(call: Call) -> bool:
    control = call.control
    return (
        control.third in (Third.RINGING, Third.BRIEFED)
        and not control.internal
        and control.target in EMERGENCY_NUMBERS
    )


def _why_not(now: Mode, do: Do) -> str:
    said = {
        Mode.NONE: "nobody talks in this call",
        Mode.TALKING: "the caller talks to the agent, and to nobody else",
        Mode.HELD: "the caller is on hold",
        Mode.DIALLING: "a third party's line rings while the caller is on hold",
        Mode.CALLING: "a third party's line rings while the caller listens",
        Mode.CONSULTING: "the agent talks to a third party while the caller is on hold",
        Mode.THREE_WAY: "three talk with each other",
        Mode.PARKED: "the caller is parked",
        Mode.OUTSIDE: "the caller talks to a third party and the agent has left",
    }
    fitting = ", ".join(sorted(FITS[do]))
    return f"`{do}` does not fit: {said[now]} (it fits {fitting})"


# ---- what has happened

ControlEvent = (
    RoomOpened
    | AgentSeated
    | CallerMoved
    | ThirdDialled
    | ThirdAnswered
    | ThirdJoined
    | ThirdLeft
    | Controlled
    | RoomFound
)
Stepped = tuple[Call, tuple[Command, ...]]


def step(call: Call, event: ControlEvent) -> Stepped:
    """Return *call* after *event* and what must now be done. Every event fits every call."""
    control = call.control
    match event:
        case RoomOpened():
            return _with(call, seated=True, roomed=True), ()
        case AgentSeated():
            return _with(call, seated=True), ()
        case CallerMoved(place=place):
            return _moved(call, place, event.at), ()
        case ThirdDialled(target=target, internal=internal):
            ringing = (*call.ringing, AgentId(target)) if internal else call.ringing
            dialled = _with(call, target=target, internal=internal, third=Third.RINGING)
            return replace(dialled, ringing=ringing), ()
        case ThirdAnswered(target=target) if target == control.target:
            return _quiet(_with(call, third=Third.BRIEFED), target), ()
        case ThirdJoined(target=target) if target == control.target:
            emergency = call.emergency or Target(number=target, internal=control.internal).emergency
            joined = replace(_with(call, third=Third.JOINED), emergency=emergency)
            return joined, (NothingUndone(call=call.id),)
        case ThirdLeft(target=target) if target == control.target:
            return _third_left(call, target)
        case ThirdLeft(target=target) if control.seated and target == call.agent:
            return _agent_left(call, event.at)  # who was the third party when the call was theirs
        case Controlled(do=Do.PAUSE_RECORDING | Do.RESUME_RECORDING as do, result="ok"):
            return _with(call, muted=do == Do.PAUSE_RECORDING), ()
        case Controlled(result=result) if result != "ok" and control.caller is Place.QUEUE:
            return replace(call, control=Control()), ()  # they were never moved
        case RoomFound(control=found, agent=agent):
            return _found(call, event, found, agent), ()
        case _:
            return call, ()


def hearsay(call: Call, event: AgentFinished) -> bool:
    """Return whether this is app_queue's word on a talk that has been moved to a room of ours.

    It only means that a channel of the queue's is gone; the phone itself tells when it leaves.
    """
    return event.reason != ROOM and event.agent == call.agent and call.control.roomed


def finished(call: Call, event: AgentFinished) -> Stepped | None:
    """Return *call* after the end of an agent's part, as far as a room is concerned.

    None: app_queue's word counts.
    """
    if event.agent != call.agent and call.agent is not None:
        return call, ()  # late news of an earlier agent
    if event.reason != ROOM:
        return None
    return _agent_left(call, event.at)


def _with(call: Call, **changes: object) -> Call:
    return replace(call, control=replace(call.control, **changes))  # type: ignore[arg-type]


def _quiet(call: Call, agent: str) -> Call:
    return replace(call, ringing=tuple(other for other in call.ringing if other != agent))


def _moved(call: Call, place: Place, at: float) -> Call:
    if call.state is State.ENDED:
        return call
    if place is Place.QUEUE:  # on the way to a person; the room is over
        return _to(replace(call, control=out(call.control)), State.TALKED, at)
    moved = _with(call, caller=place)
    if place is Place.PARKED:
        return _to(moved, State.PARKED, at)
    return moved


def out(control: Control) -> Control:
    """Return *control* when the dialplan has the caller again; the agent may still be leaving."""
    return Control(seated=control.seated, roomed=control.roomed)


def _third_left(call: Call, target: str) -> Stepped:
    rang = call.control.third is not Third.JOINED
    alone = _quiet(_with(call, target=None, internal=False, third=None), target)
    if call.state is not State.TALKING or not call.control.seated:
        return alone, ()
    if call.control.caller is Place.HELD:
        return alone, (BringBack(call=call.id),)
    return alone, ((NothingUndone(call=call.id),) if rang else ())


def _agent_left(call: Call, at: float) -> Stepped:
    control = call.control
    left = _with(call, seated=False)
    if call.state is State.ENDED:
        return left, ()
    if call.state is not State.TALKING:
        return left, ()
    if control.third is not Third.JOINED:
        return _to(left, State.TALKED, at), ()
    # the transfer is complete: an agent of ours has the call now, or nobody here has
    bring = (BringBack(call=call.id),) if control.caller is Place.HELD else ()
    taken = Control(caller=control.caller, seated=control.internal, roomed=True)
    if control.internal and control.target is not None:
        return replace(left, agent=AgentId(control.target), control=taken), bring
    outside = replace(taken, target=control.target, third=Third.JOINED)
    return _to(replace(left, control=outside), State.OUTSIDE, at), bring


def _found(call: Call, event: RoomFound, found: Control, agent: AgentId | None) -> Call:
    if call.state is State.ENDED:
        return call
    known = replace(
        call,
        control=replace(found, muted=call.control.muted, roomed=True),
        agent=agent or call.agent,
        emergency=call.emergency or event.emergency,
        ringing=(),
    )
    if found.caller is Place.PARKED:
        return _to(known, State.PARKED, event.at)
    if found.seated:
        return _to(known, State.TALKING, event.at)
    if found.third is Third.JOINED:
        return _to(known, State.OUTSIDE, event.at)
    return known


def _to(call: Call, state: State, at: float) -> Call:
    return replace(call, state=state, since=at if state is not call.state else call.since)
