"""A small city whose flows a test writes, and walks through them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ivr.flow import Place, begin, hear
from schemas.calendar import Calendar
from schemas.calls import Outcome, Route, RouteKind
from schemas.city import City, Spoken
from schemas.flows import Flow
from schemas.moves import Done, Hear, Heard, Move, Say, Situation
from schemas.numbers import Integration, Number, Register

SILENCE, FAILED = Heard(), Heard(failed="no sound")
GENERAL = Route(kind=RouteKind.QUEUE, queue="citizens")
AGENT = Done(step="", route=GENERAL)
"""Somebody of ours; which step said so is left out, see `walk`."""
PROMPTS = (
    "hello", "ask", "again", "bye", "spoken", "notice-x", "ask-progress", "ask-line-7",
    *(f"n-{n}" for n in range(100)),
)  # fmt: skip
CALENDAR = Calendar.model_validate(
    {
        "schedules": {
            "day": {"every": ["00:00-24:00"]},
            "never": {},
            "noon": {"every": ["12:00-13:00"]},
        }
    }
)
Steps = Mapping[str, Mapping[str, Any]]


def key(pressed: str) -> Heard:
    return Heard(key=pressed)


def flow(steps: Steps, name: str = "f", start: str = "a") -> Flow:
    return Flow.model_validate({"flow": name, "title": "t", "start": start, "steps": steps})


def number(**more: Any) -> Number:
    usual: dict[str, Any] = {
        "number": "12336", "line_no": 7, "hotline": "某热线", "owner_unit": "某局", "unit": "land",
        "integration": Integration.INTEGRATED, "notice": "notice-x", "flow": "f",
    }  # fmt: skip
    return Number(**usual | more)


def words(intent: str, *, sure: bool = True) -> Heard:
    """Return what the caller said, as it was understood."""
    return Heard(intent=intent, sure=sure)


def city(*flows: Flow, of: Number | None = None, others: Iterable[Number] = ()) -> City:
    known = {one.number: one for one in (of or number(), *others)}
    return City(
        folder=Path("nowhere"),
        register=Register(MappingProxyType(known)),
        flows={f.flow: f for f in flows},
        calendar=CALENDAR,
        prompts={id: Spoken(id, 1.0) for id in PROMPTS},
        skills={"skill-night": "夜间"},
    )


def situation(of: Number | None, **more: Any) -> Situation:
    usual: dict[str, Any] = {"caller": "13900000001", "at": datetime(2026, 11, 23, 9, 0)}  # noqa: DTZ001 - local time
    return Situation(number=of, **usual | more)


def start(steps: Steps, *others: Flow, of: Number | None = None, **more: Any) -> tuple[Place, Move]:
    of = of or number()
    return begin(city(flow(steps), *others, of=of), situation(of, **more))


def walk(
    steps: Steps, *heard: Heard, others: tuple[Flow, ...] = (), **more: Any
) -> tuple[list[Move], Place]:
    """Return the moves, without the step's name where a call ends with an agent, and the place."""
    place, move = start(steps, *others, **more)
    moves = [move]
    for one in heard:
        place, move = hear(place, one)
        moves.append(move)
    if isinstance(move, Done) and move.route == GENERAL:
        moves[-1] = AGENT
    return moves, place


def moves(steps: Steps, *heard: Heard, others: tuple[Flow, ...] = (), **more: Any) -> list[Move]:
    return walk(steps, *heard, others=others, **more)[0]


def end(steps: Steps, *heard: Heard, others: tuple[Flow, ...] = (), **more: Any) -> Route:
    last = moves(steps, *heard, others=others, **more)[-1]
    assert isinstance(last, Done)
    return last.route


def queue(**more: Any) -> Route:
    return replace(GENERAL, **more)


def transfer(target: str, **more: Any) -> Route:
    return queue(kind=RouteKind.TRANSFER, target=target, **more)


def hangup(outcome: Outcome) -> Route:
    return Route(kind=RouteKind.HANGUP, outcome=outcome)


# ---- steps that many tests have

SAID = Say(step="f/a", prompts=("hello",))
SAY = {"do": "say", "prompts": ["hello"], "next": "b"}
MENU = {"do": "menu", "prompts": ["ask"], "keys": {"1": "one", "2": "two"}, "retries": 1}
ENDS = {"one": {"do": "queue", "queue": "one"}, "two": {"do": "queue", "queue": "two"}}
ASKED = Hear(step="f/b", prompts=("ask",), wait=3.0)
DIGITS = {"do": "digits", "prompts": ["ask"], "into": "entry", "min": 3, "max": 4, "next": "z"}
ENTERED = {"z": {"do": "transfer", "to": "{entry}"}}
LISTEN = {
    "do": "listen", "prompts": ["ask"], "keys": {"1": "one"}, "intents": {"yes": "two"},
    "wait": 2.5, "key_wait": 1.0, "retries": 1,
}  # fmt: skip
