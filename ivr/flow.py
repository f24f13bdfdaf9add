"""What a caller hears before somebody answers, as a machine without I/O.

Rule 1: a flow document (`schemas.flows`) is the table of states and ways; what they do is here.
Rule 2: no clock and no telephone here; `begin` and `hear` answer with the next move.
Rule 3: whatever the caller does, the prompts do or the document lacks, the flow ends in a route
that reaches a person, or in a notice that was heard to its end.

Key 0 is a person everywhere. Two failures (a key nobody offered, silence where it means nothing,
words nobody understood) are a person too, and so is every step that does not work.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ivr.say import Unsayable, spoken
from schemas import flows
from schemas.calendar import is_open
from schemas.calls import GENERAL_QUEUE, Outcome, Route, RouteKind
from schemas.city import City
from schemas.flows import PERSON, RETURN, fill
from schemas.moves import Collect, Done, Hear, Heard, Listen, Look, Move, Say, Situation

UNKNOWN = "unknown"
"""Flow of a number that is not in the register."""
UNKNOWN_NOTICE = "unknown-number"
FAILURES = 2
"""So many failures anywhere and a person takes over."""
MOST_STEPS = 60
"""Steps of one call after which the flow is believed to go round in circles."""

_DIALABLE = re.compile(r"\+?[0-9]{1,23}")
_EXTENSION = re.compile(r"[0-9]{2,8}")


class FlowEnded(Exception):
    """The flow was told something after it had ended; its route still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one caller is."""

    city: City
    situation: Situation
    flow: str
    step: str
    values: Mapping[str, str]
    """Variables."""
    stack: tuple[tuple[str, str], ...] = ()
    """Where the flows that called this one go on: (flow, step)."""
    tries: int = 0
    """How often this step has asked in vain."""
    failures: int = 0
    taken: int = 0
    """Steps so far."""
    pressed: str | None = None
    """Key that cut a `say`: the answer to the question that follows at once."""
    over: bool = False
    troubles: tuple[tuple[str, str], ...] = ()
    """What of the last move does not work as the document says: (`flow/step`, why)."""

    @property
    def ref(self) -> str:
        """`flow/step`."""
        return f"{self.flow}/{self.step}"

    @property
    def now(self) -> flows.AnyStep | None:
        """The step, or None when there is none: then a person is due."""
        flow = self.city.flows.get(self.flow)
        return None if flow is None else flow.steps.get(self.step)


def begin(city: City, situation: Situation) -> tuple[Place, Move]:
    """Start the flow of the number that was dialled."""
    number = situation.number
    name = UNKNOWN if number is None else number.flow
    flow = city.flows.get(name)
    place = Place(
        city=city,
        situation=situation,
        flow=name,
        step=PERSON if flow is None else flow.start,
        values=_values(situation),
    )
    if situation.returning:
        return _enter(replace(place, step=PERSON))
    if flow is None:
        place = _trouble(place, "there is no such flow")
    return _enter(place)


def hear(place: Place, heard: Heard) -> tuple[Place, Move]:
    """Return the flow after what came of the last move, and the next move.

    Raises:
        FlowEnded: the last move was `Done`; *place* still holds.
    """
    if place.over:
        raise FlowEnded(place.ref)
    failed = () if heard.failed is None else ((place.ref, heard.failed),)
    place = replace(place, troubles=failed)
    step = place.now
    match step:
        case flows.Say():
            if heard.key == "0":
                return _go(place, PERSON)
            return _go(replace(place, pressed=heard.key), step.next)
        case flows.Menu() | flows.Listen():
            return _answer(place, step, heard)
        case flows.Digits():
            return _entry(place, step, heard)
        case flows.Lookup():
            known = flows.LOOKUPS[step.what].sets
            found = {name: heard.found.get(name, "") for name in known}
            place = replace(place, values={**place.values, **found})
            return _go(place, step.cases.get(heard.word or "", step.otherwise))
        case flows.Notice() if heard.key is not None or heard.failed is not None:
            return _go(place, step.keys.get(heard.key or "", PERSON))
        case flows.Transfer() | flows.Message() | flows.Hangup() if heard.key == "0":
            return _go(place, PERSON)
        case _:
            return _end(place)


# ---- going on


def _go(place: Place, target: str) -> tuple[Place, Move]:
    return _enter(_at(place, target))


def _at(place: Place, target: str) -> Place:
    if target == RETURN:
        if not place.stack:
            return replace(place, step=PERSON, tries=0)
        *rest, (flow, step) = place.stack
        return _at(replace(place, flow=flow, stack=tuple(rest)), step)
    return replace(place, step=target, tries=0)


def _enter(place: Place) -> tuple[Place, Move]:
    """Run the steps that nobody hears, up to the first move."""
    while True:
        place = replace(place, taken=place.taken + 1)
        if place.taken > MOST_STEPS:
            return _end(_trouble(replace(place, step=PERSON), "goes round in circles"))
        match place.now:
            case flows.Goto(to=str(target)):
                place = _at(place, target)
            case flows.Goto(flow=str(name), then=then):
                called = place.city.flows.get(name)
                stack = (*place.stack, (place.flow, then))
                start = PERSON if called is None else called.start
                place = replace(place, flow=name, step=start, tries=0, stack=stack)
            case flows.Hours() as step:
                now = is_open(place.city.calendar, step.schedule, place.situation.at)
                place = _at(place, step.open if now else step.closed)
            case flows.Menu() | flows.Listen() if place.pressed is not None:
                return hear(replace(place, pressed=None), Heard(key=place.pressed))
            case _:
                return _move(replace(place, pressed=None))


def _move(place: Place) -> tuple[Place, Move]:
    step = place.now
    match step:
        case flows.Lookup():
            of = "" if step.of is None else fill(step.of, place.values)
            return place, Look(step=place.ref, what=step.what, of=of)
        case None:
            return _end(place)
        case flows.Menu() | flows.Listen() | flows.Digits() if place.tries and step.again:
            place, prompts = _prompts(place, step.again)
        case flows.Goto() | flows.Hours():  # pragma: no cover - `_enter` runs them
            raise AssertionError(step)
        case _:
            place, prompts = _prompts(place, step.prompts)
    match step:
        case flows.Say():
            return place, Say(step=place.ref, prompts=prompts)
        case flows.Menu():
            return place, Hear(step=place.ref, prompts=prompts, wait=step.wait)
        case flows.Listen() if place.situation.speech and step.intents:
            said = tuple(step.intents)
            return place, Listen(step=place.ref, prompts=prompts, wait=step.wait, intents=said)
        case flows.Listen():
            return place, Hear(step=place.ref, prompts=prompts, wait=step.key_wait)
        case flows.Digits():
            return place, Collect(step=place.ref, prompts=prompts, most=step.max, wait=step.wait)
        case flows.Notice():
            return place, Hear(step=place.ref, prompts=prompts, wait=step.wait)
        case _ if prompts:
            return place, Say(step=place.ref, prompts=prompts)
        case _:
            return _end(place)


# ---- answers


def _answer(place: Place, step: flows.Menu | flows.Listen, heard: Heard) -> tuple[Place, Move]:
    if heard.failed is not None:  # the caller heard nothing: asking again would be silence too
        return _go(place, PERSON)
    if isinstance(step, flows.Listen) and heard.intent in step.intents:
        return _go(place, step.intents[heard.intent or ""])
    if heard.key is not None and (target := step.keys.get(heard.key)):
        return _go(place, target)
    if heard.key == "0":
        return _go(place, PERSON)
    silent = heard.key is None and heard.intent is None
    if silent and not _waits(place, step):
        return _go(place, step.silence or PERSON)
    failed = not silent or step.silence is None
    place = replace(place, tries=place.tries + 1, failures=place.failures + failed)
    if place.failures >= FAILURES:
        return _go(place, PERSON)
    if place.tries <= step.retries:
        return _enter(place)
    return _go(place, (step.silence or PERSON) if silent else step.otherwise)


def _waits(place: Place, step: flows.Menu | flows.Listen) -> bool:
    """Tell whether the caller was asked anything: without a wait, silence is no failure."""
    if isinstance(step, flows.Menu):
        return step.wait > 0
    return (step.wait if place.situation.speech and step.intents else step.key_wait) > 0


def _entry(place: Place, step: flows.Digits, heard: Heard) -> tuple[Place, Move]:
    entry = heard.digits or ""
    if heard.failed is not None or entry == "0":
        return _go(place, PERSON)
    if step.min <= len(entry) <= step.max and entry.isascii() and entry.isdigit():
        return _go(replace(place, values={**place.values, step.into: entry}), step.next)
    place = replace(place, tries=place.tries + 1, failures=place.failures + 1)
    if place.failures >= FAILURES:
        return _go(place, PERSON)
    if place.tries <= step.retries:
        return _enter(place)
    return _go(place, step.failed)


# ---- the end


def _end(place: Place) -> tuple[Place, Move]:
    place, route = _route(place)
    return replace(place, over=True), Done(step=place.ref, route=route)


def _route(place: Place) -> tuple[Place, Route]:
    person = Route(kind=RouteKind.QUEUE, queue=GENERAL_QUEUE)
    match place.now:
        case flows.Queue() as step:
            return _queued(place, step)
        case flows.Transfer(to=to):
            target = fill(to, place.values)
            if not _DIALABLE.fullmatch(target):
                return _trouble(place, f"{target[:30]!r} cannot be dialled"), person
            # The queue is what follows when nobody answers there.
            return place, replace(person, kind=RouteKind.TRANSFER, target=target)
        case flows.Message():
            promised = Outcome.CALLBACK_PROMISED
            return place, replace(person, kind=RouteKind.MESSAGE, outcome=promised)
        case flows.Hangup(outcome=outcome) | flows.Notice(outcome=outcome):
            return place, Route(kind=RouteKind.HANGUP, outcome=flows.CLOSING[outcome])
        case None if place.step != PERSON:
            return _trouble(place, "there is no such step"), person
        case _:
            return place, person


def _queued(place: Place, step: flows.Queue) -> tuple[Place, Route]:
    route = Route(kind=RouteKind.QUEUE, queue=step.queue, priority=step.priority)
    number = place.situation.number
    if step.seat and number is not None and number.seat and number.seat_seconds > 0:
        seconds = number.seat_seconds
        route = replace(route, seat_queue=number.seat_queue, seat_seconds=seconds)
    if step.skill is not None:
        skill = fill(step.skill, place.values)
        if skill in place.city.skill_codes:
            route = replace(route, skill=skill)
        elif skill:
            place = _trouble(place, f"nobody can have the skill {skill[:30]!r}")
    if step.agent is not None and _EXTENSION.fullmatch(agent := fill(step.agent, place.values)):
        route = replace(route, agent=agent)
    return place, route


# ---- prompts and values


def _prompts(place: Place, wanted: tuple[flows.Prompt, ...]) -> tuple[Place, tuple[str, ...]]:
    """Return the ids to play; what cannot be said is left out and noted."""
    found: list[str] = []
    for prompt in wanted:
        try:
            if isinstance(prompt, flows.Spoken):
                ids = spoken(prompt.kind, fill(prompt.value, place.values))
            else:
                ids = (fill(prompt, place.values),)
        except Unsayable as error:
            place = _trouble(place, str(error))
            continue
        for id in ids:
            if id in place.city.prompts:
                found.append(id)
            else:
                place = _trouble(place, f"there is no prompt {id[:40]!r}")
    return place, tuple(found)


def _trouble(place: Place, what: str) -> Place:
    return replace(place, troubles=(*place.troubles, (place.ref, what)))


def _values(situation: Situation) -> Mapping[str, str]:
    number = situation.number
    values = dict.fromkeys(flows.CALL_VARIABLES, "")
    values["caller"] = situation.caller
    if number is None:
        return {**values, "notice": UNKNOWN_NOTICE}
    return {
        **values,
        "number": number.number,
        "line_no": str(number.line_no),
        "hotline": number.hotline,
        "unit": number.unit,
        "notice": number.notice,
        "seat": number.seat or "",
        "onward": number.onward or "",
    }
