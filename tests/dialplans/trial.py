"""Calls that a test walks through, and what their callers' words mean."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dialplans import simulate
from dialplans.simulate import Case, Conditions, Walk
from ivr import flow
from schemas.city import City
from schemas.speech import Meaning, Recognised
from schemas.times import SHANGHAI

MORNING = datetime(2026, 10, 9, 9, tzinfo=SHANGHAI)


class Words:
    """Understands what a test tells it to: intent, with a ? behind where it is not sure."""

    def __init__(self, **means: str) -> None:
        self.means = means
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, text: str, among: Iterable[str], /) -> Meaning:
        self.asked.append(tuple(among))
        intent = self.means.get(text, "")
        sure = not intent.endswith("?")
        return Meaning(intent=intent.rstrip("?"), confidence=0.9 if sure else 0.4, sure=sure)


def said(*texts: str | None) -> tuple[Recognised | None, ...]:
    return tuple(None if text is None else Recognised(text=text, score=100) for text in texts)


def walk(city: City, number: str, keys: str = "", **more: Any) -> Walk:
    understand = more.pop("understand", simulate.deaf)
    case = Case(
        number=number,
        at=more.pop("at", MORNING),
        keys=simulate.presses(keys),
        caller=more.pop("caller", simulate.CALLER),
        say=said(*more.pop("say", ())),
        speech=more.pop("speech", False),
        conditions=Conditions(**more),
    )
    return simulate.walk(city, flow, case, understand=understand)
