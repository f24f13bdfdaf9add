"""The greeting of the first call as it stood in code: the peer of `bench.flow`.

One prompt, then the queue; only what a call to 12345 and to an integrated number ran is kept.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.calls import GENERAL_QUEUE, Route, RouteKind
from schemas.numbers import MAIN_NUMBER, Number


class State(StrEnum):
    """Where the caller is."""

    NOTICE = "notice"
    ROUTED = "routed"
    PERSON = "person"


class Input(StrEnum):
    """What the caller did."""

    AGREED = "agreed"
    KEY = "key"
    SILENCE = "silence"
    FAILED = "failed"


TABLE: dict[State, dict[Input, State]] = {
    State.NOTICE: dict.fromkeys(Input, State.ROUTED),
    State.ROUTED: {},
    State.PERSON: {},
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a move."""

    key: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """Play the prompts."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The flow has ended."""

    route: Route


@dataclass(frozen=True, slots=True)
class Flow:
    """One caller's flow."""

    state: State
    prompt: str
    route: Route


def begin(number: Number) -> tuple[Flow, Say | Done]:
    """Start the flow of *number*."""
    flow = _flow(number)
    return flow, _move(flow)


def hear(flow: Flow, heard: Heard) -> tuple[Flow, Say | Done]:
    """Return the flow after the caller's answer, and the next move."""
    flow = replace(flow, state=TABLE[flow.state][_input(heard)])
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


def _flow(number: Number) -> Flow:
    general = Route(kind=RouteKind.QUEUE, queue=GENERAL_QUEUE)
    match number:
        case Number(number=digits) if digits == MAIN_NUMBER:
            return Flow(State.NOTICE, number.notice, general)
        case _:
            return Flow(State.NOTICE, number.notice, replace(general, skill=number.unit))


def _move(flow: Flow) -> Say | Done:
    match flow.state:
        case State.NOTICE:
            return Say((flow.prompt,))
        case _:
            return Done(flow.route)
