"""Where one caller is in the flows, and what of it can be said to them; without I/O.

A call is about the number that was dialled. Who dialled 12345, or a number that nobody knows, may
say what it is about, and say so again: a number that was dialled for its own sake holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ivr.say import Unsayable, spoken
from schemas import flows
from schemas.city import City
from schemas.flows import PERSON, fill
from schemas.moves import Situation
from schemas.numbers import MAIN_NUMBER, Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one caller is."""

    city: City
    situation: Situation
    """Its number is the one that was said, once one was."""
    flow: str
    step: str
    values: Mapping[str, str]
    """Variables."""
    stack: tuple[tuple[str, str], ...] = ()
    """Where the flows that called this one go on: (flow, step)."""
    tries: int = 0
    """How often this step has asked in vain."""
    failures: int = 0
    taken: int = 1
    """Steps so far."""
    pressed: str | None = None
    """Key that cut a `say`: the answer to the question that follows at once, or how it begins."""
    doubt: str | None = None
    """Intent that the caller is being asked about: was it meant?"""
    said: bool = False
    """The caller, not the number that was dialled, told what the call is about."""
    over: bool = False
    troubles: tuple[tuple[str, str], ...] = ()
    """What does not work as the document says, since the last move: (`flow/step`, why)."""

    @property
    def ref(self) -> str:
        """`flow/step`."""
        return f"{self.flow}/{self.step}"

    @property
    def now(self) -> flows.AnyStep | None:
        """The step, or None when there is none: then a person is due."""
        flow = self.city.flows.get(self.flow)
        return None if flow is None else flow.steps.get(self.step)


def at_start(city: City, situation: Situation, flow: str, step: str) -> Place:
    """Return the place of a caller who has just come in."""
    values = {**flows.known_of(situation.number), "caller": situation.caller}
    return Place(city=city, situation=situation, flow=flow, step=step, values=values)


def at_person(place: Place) -> Place:
    """Return *place* where an agent of ours is due."""
    return replace(place, step=PERSON)


def about(place: Place, line_no: int) -> Place:
    """Return *place* after the caller said that the call is about this line of the annex."""
    dialled = place.situation.number
    number = flows.lines_of(place.city.register).get(line_no)
    if number is None or not (place.said or dialled is None or dialled.number == MAIN_NUMBER):
        return place
    return replace(
        place,
        situation=replace(place.situation, number=number),
        values={**place.values, **flows.known_of(number)},
        said=True,
    )


def line_class(number: Number | None) -> str:
    """Return what a lookup of `line` finds."""
    return "unknown" if number is None else number.integration.value


def trouble(place: Place, what: str) -> Place:
    """Return *place* with one more thing that does not work as the document says."""
    return replace(place, troubles=(*place.troubles, (place.ref, what)))


def playable(place: Place, wanted: tuple[flows.Prompt, ...]) -> tuple[Place, tuple[str, ...]]:
    """Return the ids to play; what cannot be said is left out and noted."""
    found: list[str] = []
    for prompt in wanted:
        try:
            if isinstance(prompt, flows.Spoken):
                ids = spoken(prompt.kind, fill(prompt.value, place.values))
            else:
                ids = (fill(prompt, place.values),)
        except Unsayable as error:
            place = trouble(place, str(error))
            continue
        for id in ids:
            if id in place.city.prompts:
                found.append(id)
            else:
                place = trouble(place, f"there is no prompt {id[:40]!r}")
    return place, tuple(found)
