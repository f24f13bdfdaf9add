"""What a caller hears before somebody answers, as a machine without I/O.

Rule 1: every state and every way between two of them stands in `TABLE`.
Rule 2: no clock and no telephone here; `begin` and `hear` answer with the next move.
Rule 3: whatever the caller does or the prompts do, the flow ends in a route that reaches a person.

The standard advises against menus (GB/T 33358-2016), and its 15 s run while a prompt plays: a
notice is one prompt, any key cuts it, and nobody waits for a key after it. Only numbers that are
not ours ask something.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.calls import GENERAL_QUEUE, Route, RouteKind
from schemas.numbers import MAIN_NUMBER, Number

GENERAL = GENERAL_QUEUE
"""Queue in which every agent stands."""
UNKNOWN_NUMBER = "unknown-number"
"""Prompt for a number that is not in the register."""
OFFER_WAIT = 3.0
"""Seconds to wait for a key after the transfer was offered."""


class State(StrEnum):
    """Where the caller is in the flow."""

    NOTICE = "notice"
    """Hears the greeting or the notice of the number that was dialled."""
    OFFER = "offer"
    """Hears whose number it is and is offered the transfer."""
    OFFER_AGAIN = "offer_again"
    ROUTED = "routed"
    """End: goes where the dialled number leads."""
    PERSON = "person"
    """End: goes to an agent of ours."""


class Input(StrEnum):
    """What the caller did, as far as the flow cares."""

    AGREED = "agreed"
    """Pressed 1."""
    KEY = "key"
    """Pressed 0, which asks for a person, or something nobody offered: a person will find out."""
    SILENCE = "silence"
    FAILED = "failed"
    """The prompt could not be played: the caller heard nothing."""


TABLE: dict[State, dict[Input, State]] = {
    State.NOTICE: {
        Input.AGREED: State.ROUTED,
        Input.KEY: State.ROUTED,
        Input.SILENCE: State.ROUTED,
        Input.FAILED: State.ROUTED,
    },
    State.OFFER: {
        Input.AGREED: State.ROUTED,
        Input.KEY: State.PERSON,
        Input.SILENCE: State.OFFER_AGAIN,
        Input.FAILED: State.PERSON,
    },
    State.OFFER_AGAIN: {
        Input.AGREED: State.ROUTED,
        Input.KEY: State.PERSON,
        Input.SILENCE: State.ROUTED,
        Input.FAILED: State.PERSON,
    },
    State.ROUTED: {},
    State.PERSON: {},
}


class FlowEnded(Exception):
    """The flow was told something after it had ended; its route still holds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a move."""

    key: str | None = None
    """Key that was pressed; None for silence, or a prompt that ended uncut."""
    failed: bool = False
    """The prompt could not be played."""


@dataclass(frozen=True, slots=True)
class Say:
    """Play the prompts, cut by any key, and go on at once."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hear:
    """Play the prompts and wait for a key, pressed during or after them."""

    prompts: tuple[str, ...]
    wait: float
    """Seconds of silence to allow after the last prompt."""


@dataclass(frozen=True, slots=True)
class Done:
    """The flow has ended."""

    route: Route


Move = Say | Hear | Done


@dataclass(frozen=True, slots=True)
class Flow:
    """One caller's flow."""

    state: State
    prompt: str
    route: Route
    """Where the dialled number leads."""


def begin(number: Number | None, *, returning: bool = False) -> tuple[Flow, Move]:
    """Start the flow of *number*, None for a number that is not in the register.

    Args:
        returning: our own transfer of this caller came back to us: nothing is played or offered
            a second time, an agent takes the call.
    """
    flow = _flow(number)
    if returning:
        flow = replace(flow, state=State.PERSON)
    return flow, _move(flow)


def hear(flow: Flow, heard: Heard) -> tuple[Flow, Move]:
    """Return the flow after the caller's answer to the last move, and the next move.

    Raises:
        FlowEnded: the last move was `Done`; *flow* still holds.
    """
    try:
        state = TABLE[flow.state][_input(heard)]
    except KeyError:
        raise FlowEnded(flow.state) from None
    flow = replace(flow, state=state)
    return flow, _move(flow)


def _input(heard: Heard) -> Input:
    match heard:
        case Heard(failed=True):
            return Input.FAILED
        case Heard(key=None):
            return Input.SILENCE
        case Heard(key="1"):
            return Input.AGREED
        case _:
            return Input.KEY


def _flow(number: Number | None) -> Flow:
    general = Route(kind=RouteKind.QUEUE, queue=GENERAL)
    match number:
        case None:
            return Flow(State.NOTICE, UNKNOWN_NUMBER, general)
        case Number(number=digits) if digits == MAIN_NUMBER:
            return Flow(State.NOTICE, number.notice, general)
        case Number(flow="integrated"):
            return Flow(State.NOTICE, number.notice, replace(general, skill=number.unit))
        case Number(flow="dual_run", seat=str(), seat_seconds=seconds) if seconds > 0:
            seat = replace(general, seat_queue=number.seat_queue, seat_seconds=seconds)
            return Flow(State.NOTICE, number.notice, seat)
        case Number(flow="not_integrated", onward=str(onward)):
            # The queue is what follows when nobody answers there.
            transfer = replace(general, kind=RouteKind.TRANSFER, target=onward)
            return Flow(State.OFFER, number.notice, transfer)
        case _:  # a line that names a flow, a seat or an onward number we do not have
            return Flow(State.NOTICE, number.notice, general)


def _move(flow: Flow) -> Move:
    match flow.state:
        case State.NOTICE:
            return Say((flow.prompt,))
        case State.OFFER | State.OFFER_AGAIN:
            return Hear((flow.prompt,), OFFER_WAIT)
        case State.PERSON:
            return Done(Route(kind=RouteKind.QUEUE, queue=GENERAL))
        case _:
            return Done(flow.route)
