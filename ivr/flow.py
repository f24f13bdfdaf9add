"""What a caller hears before somebody answers, as a machine without I/O.

Rule 1: a flow document (`schemas.flows`) is the table of states and ways; what they do is here.
Rule 2: no clock and no telephone here; `begin` and `hear` answer with the next move.
Rule 3: whatever the caller does, the prompts do or the document lacks, the flow ends in a route
that reaches a person, or in a notice that was heard to its end.

Key 0 is a person everywhere. Two failures (a key nobody offered, silence where it means nothing,
words nobody understood) are a person too, and so is a step that does not work: a question nobody
could hear, a number nobody can dial, a flow that is not there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ivr.say import Unsayable, spoken
from schemas import flows
from schemas.calendar import is_open
from schemas.calls import GENERAL_QUEUE, Outcome, Route, RouteKind
from schemas.city import City
from schemas.flows import PERSON, RETURN, UNKNOWN, fill
from schemas.moves import Collect, Done, Hear, Heard, Listen, Look, Move, Say, Situation

FAILURES = 2
"""So many failures anywhere and a person takes over."""
MOST_STEPS = 60
"""Steps of one call after which the flow is believed to go round in circles."""

_AGENT_OF_OURS = Route(kind=RouteKind.QUEUE, queue=GENERAL_QUEUE)
_DIALABLE = re.compile(r"\+?[0-9]{1,23}")
_EXTENSION = re.compile(r"[0-9]{2,8}")

Question = flows.Menu | flows.Listen | flows.Digits
Heeded = Question | flows.Say | flows.Notice | flows.Ending
"""Steps that callers hear."""


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
    taken: int = 1
    """Steps so far."""
    pressed: str | None = None
    """Key that cut a `say`: the answer to the question that follows at once, or how it begins."""
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


def begin(city: City, situation: Situation) -> tuple[Place, Move]:
    """Start the flow of the number that was dialled."""
    number = situation.number
    name = UNKNOWN if number is None else number.flow
    flow = city.flows.get(name)
    place = Place(
        city=city,
        situation=situation,
        flow=name,
        step=PERSON if flow is None or situation.returning else flow.start,
        values=_values(situation),
    )
    if flow is None:
        place = _trouble(place, f"there is no flow {name[:40]!r}")
    return _enter(place)


def hear(place: Place, heard: Heard) -> tuple[Place, Move]:
    """Return the flow after what came of the last move, and the next move.

    Raises:
        FlowEnded: the last move was `Done`; *place* still holds.
    """
    if place.over:
        raise FlowEnded(place.ref)
    if place.troubles:
        place = replace(place, troubles=())
    if heard.failed is not None:
        place = _trouble(place, heard.failed)
    match place.now:
        case flows.Say(next=target):
            if heard.key is not None:
                place = replace(place, pressed=heard.key)
            return _go(place, PERSON if heard.key == "0" else target)
        case flows.Menu() | flows.Listen() as step:
            return _answer(place, step, heard)
        case flows.Digits() as step:
            return _entry(place, step, heard)
        case flows.Lookup() as step:
            if sets := flows.LOOKUPS[step.what].sets:
                found = {name: heard.found.get(name, "") for name in sets}
                place = replace(place, values={**place.values, **found})
            return _go(place, step.cases.get(heard.word or "", step.otherwise))
        case flows.Notice(keys=keys) if heard.key is not None:
            return _go(place, keys.get(heard.key, PERSON))
        case flows.Notice() | flows.Hangup() if heard.failed is not None:
            return _go(place, PERSON)
        case flows.Transfer(priority=priority) if heard.key == "0":
            return _done(place, replace(_AGENT_OF_OURS, priority=priority))
        case flows.Message() | flows.Hangup() if heard.key == "0":
            return _go(place, PERSON)
        case _:
            return _end(place)


# ---- going on


def _go(place: Place, target: str) -> tuple[Place, Move]:
    return _enter(_at(place, target))


def _at(place: Place, target: str) -> Place:
    flow, stack = place.flow, place.stack
    while target == RETURN:
        # a flow that nobody called returns to nobody
        *rest, (flow, target) = stack or ((flow, PERSON),)
        stack = tuple(rest)
    return replace(place, flow=flow, step=target, stack=stack, tries=0, taken=place.taken + 1)


def _enter(place: Place) -> tuple[Place, Move]:
    """Run the steps that nobody hears, up to the first move."""
    while True:
        if place.taken > MOST_STEPS:
            return _end(_person(_trouble(place, "goes round in circles")))
        match place.now:
            case None:
                return _end(place)
            case flows.Goto() as step:
                place = _called(place, step)
            case flows.Hours(schedule=schedule) as step:
                calendar = place.city.calendar
                if schedule not in calendar.schedules:
                    place = _trouble(place, f"there is no schedule {schedule!r}")
                now = is_open(calendar, schedule, place.situation.at)
                place = _at(place, step.open if now else step.closed)
            case flows.Lookup() as step:
                of = "" if step.of is None else fill(step.of, place.values)
                return _deaf(place), Look(step=place.ref, what=step.what, of=of)
            case flows.Menu() | flows.Listen() as step if place.pressed is not None:
                return _answer(_deaf(place), step, Heard(key=place.pressed))
            case flows.Digits() as step if place.pressed is not None and place.pressed.isdigit():
                return _begun(place, step)
            case step:
                return _play(_deaf(place), step)


def _deaf(place: Place) -> Place:
    """Forget the key that cut a `say`."""
    return place if place.pressed is None else replace(place, pressed=None)


def _called(place: Place, step: flows.Goto) -> Place:
    if step.flow is None:
        return _at(place, step.to or PERSON)
    flow = place.city.flows.get(step.flow)
    if flow is None:
        return _person(_trouble(place, f"there is no flow {step.flow!r}"))
    stack = (*place.stack, (place.flow, step.then))
    taken = place.taken + 1
    return replace(place, flow=step.flow, step=flow.start, stack=stack, tries=0, taken=taken)


def _play(place: Place, step: Heeded) -> tuple[Place, Move]:
    wanted = step.prompts
    if isinstance(step, Question) and place.tries and step.again:
        wanted = step.again
    place, prompts = _prompts(place, wanted)
    if not prompts:
        return _unheard(place, step, wanted=bool(wanted))
    ref = place.ref
    match step:
        case flows.Listen() if _speech(place, step):
            said = tuple(step.intents)
            return place, Listen(step=ref, prompts=prompts, wait=step.wait, intents=said)
        case flows.Menu() | flows.Listen():
            return place, Hear(step=ref, prompts=prompts, wait=_wait(place, step))
        case flows.Notice():
            return place, Hear(step=ref, prompts=prompts, wait=step.wait)
        case flows.Digits():
            return place, Collect(step=ref, prompts=prompts, most=step.max, wait=step.wait)
        case _:
            return place, Say(step=ref, prompts=prompts)


def _unheard(place: Place, step: Heeded, *, wanted: bool) -> tuple[Place, Move]:
    """Go on where nothing can be played.

    A question or a notice that nobody hears is none, and a caller who was to be told something
    before we hang up is not hung up on in silence.
    """
    match step:
        case flows.Say(next=target):
            return _go(place, target)
        case flows.Queue() | flows.Transfer() | flows.Message():
            return _end(place)
        case flows.Hangup() if not wanted:
            return _end(place)
        case _:
            return _go(place, PERSON)


# ---- answers


def _answer(place: Place, step: flows.Menu | flows.Listen, heard: Heard) -> tuple[Place, Move]:
    if heard.failed is not None:  # the caller heard nothing: asking again would be silence too
        return _go(place, PERSON)
    if isinstance(step, flows.Listen) and heard.intent and heard.intent in step.intents:
        return _go(place, step.intents[heard.intent])
    if heard.key is not None and heard.key in step.keys:
        return _go(place, step.keys[heard.key])
    if heard.key == "0":
        return _go(place, PERSON)
    if heard.key is not None or heard.intent is not None:
        return _again(place, step, step.otherwise)
    if step.silence is None:
        # without a wait nobody was asked anything, and silence is no failure
        return _again(place, step, PERSON) if _wait(place, step) else _go(place, PERSON)
    if _wait(place, step):
        return _again(place, step, step.silence, failed=False)
    return _go(place, step.silence)


def _speech(place: Place, step: flows.Listen) -> bool:
    return place.situation.speech and bool(step.intents)


def _wait(place: Place, step: flows.Menu | flows.Listen) -> float:
    """Return the seconds of silence that the caller is given."""
    if isinstance(step, flows.Listen) and not _speech(place, step):
        return step.key_wait
    return step.wait


def _begun(place: Place, step: flows.Digits) -> tuple[Place, Move]:
    """Take the rest of an entry whose first key cut the `say` before it."""
    if step.max == 1:
        return _entry(place, step, Heard())
    return place, Collect(step=place.ref, prompts=(), most=step.max - 1, wait=step.wait)


def _entry(place: Place, step: flows.Digits, heard: Heard) -> tuple[Place, Move]:
    entry = (place.pressed or "") + (heard.digits or "")
    place = _deaf(place)
    if heard.failed is not None or entry == "0":
        return _go(place, PERSON)
    if step.min <= len(entry) <= step.max and entry.isascii() and entry.isdigit():
        return _go(replace(place, values={**place.values, step.into: entry}), step.next)
    return _again(place, step, step.failed)


def _again(place: Place, step: Question, target: str, *, failed: bool = True) -> tuple[Place, Move]:
    """Ask once more, or go to *target* when it was asked often enough."""
    tries, failures = place.tries + 1, place.failures + failed
    if failures < FAILURES and tries <= step.retries:
        taken = place.taken + 1
        return _enter(replace(place, tries=tries, failures=failures, taken=taken))
    return _go(replace(place, failures=failures), target if failures < FAILURES else PERSON)


# ---- the end


def _end(place: Place) -> tuple[Place, Move]:
    match place.now:
        case flows.Queue() as step:
            return _done(*_queued(place, step))
        case flows.Transfer(to=to, priority=priority):
            # The queue is what follows when nobody answers there.
            person = replace(_AGENT_OF_OURS, priority=priority)
            target = fill(to, place.values)
            if not _DIALABLE.fullmatch(target):
                return _done(_trouble(place, f"{target[:30]!r} cannot be dialled"), person)
            return _done(place, replace(person, kind=RouteKind.TRANSFER, target=target))
        case flows.Message():
            promised = Outcome.CALLBACK_PROMISED
            message = replace(_AGENT_OF_OURS, kind=RouteKind.MESSAGE, outcome=promised)
            return _done(place, message)
        case flows.Hangup(outcome=outcome) | flows.Notice(outcome=outcome):
            return _done(place, Route(kind=RouteKind.HANGUP, outcome=flows.CLOSING[outcome]))
        case _:
            if place.step != PERSON:
                place = _trouble(place, "there is no such step")
            return _done(place, _AGENT_OF_OURS)


def _done(place: Place, route: Route) -> tuple[Place, Move]:
    return replace(place, over=True), Done(step=place.ref, route=route)


def _person(place: Place) -> Place:
    return replace(place, step=PERSON)


def _queued(place: Place, step: flows.Queue) -> tuple[Place, Route]:
    number = place.situation.number
    seat_queue, seat_seconds = None, 0
    if step.seat and number is not None and number.seat_queue and number.seat_seconds > 0:
        seat_queue, seat_seconds = number.seat_queue, number.seat_seconds
    skill = fill(step.skill or "", place.values)
    if skill and skill not in place.city.skill_codes:
        place = _trouble(place, f"nobody can have the skill {skill[:30]!r}")
        skill = ""
    agent = fill(step.agent or "", place.values)
    return place, Route(
        kind=RouteKind.QUEUE,
        queue=step.queue,
        skill=skill or None,
        priority=step.priority,
        seat_queue=seat_queue,
        seat_seconds=seat_seconds,
        agent=agent if _EXTENSION.fullmatch(agent) else None,
    )


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
    return {**flows.known_of(situation.number), "caller": situation.caller}
