"""What a caller hears before somebody answers, as a machine without I/O.

Rule 1: a flow document (`schemas.flows`) is the table of states and ways; what they do is here.
Rule 2: no clock and no telephone here; `begin` and `hear` answer with the next move.
Rule 3: whatever the caller does, the prompts do or the document lacks, the flow ends in a route
that reaches a person, or in a notice that was heard to its end.

Key 0 is a person everywhere. Two failures (a key nobody offered, silence where it means nothing,
words nobody understood) are a person too, and so is a step that does not work: a question nobody
could hear, a number nobody can dial, a flow that is not there.

Words that we are not sure of are asked about once, and only a yes (or key 1) makes them count;
anything else is a person. Words of an emergency are not asked about here: its own flow does that.
"""

from dataclasses import replace

from ivr.ends import AGENT_OF_OURS, done, end
from ivr.place import Place, about, at_person, at_start, line_class, playable, trouble
from schemas import flows
from schemas.calendar import is_open
from schemas.city import City
from schemas.flows import PERSON, RETURN, UNKNOWN, fill
from schemas.moves import Collect, Hear, Heard, Listen, Look, Move, Say, Situation
from schemas.speech import ASK, EMERGENCY, NO, YES, line_of

FAILURES = 2
"""So many failures anywhere and a person takes over."""
MOST_STEPS = 60
"""Steps of one call after which the flow is believed to go round in circles."""
CONFIRM = "1"
"""Key that says yes when words were not sure."""

Question = flows.Menu | flows.Listen | flows.Digits
Heeded = Question | flows.Say | flows.Notice | flows.Ending
"""Steps that callers hear."""


class FlowEnded(Exception):
    """The flow was told something after it had ended; its route still holds."""


def begin(city: City, situation: Situation) -> tuple[Place, Move]:
    """Start the flow of the number that was dialled."""
    number = situation.number
    name = UNKNOWN if number is None else number.flow
    flow = city.flows.get(name)
    step = PERSON if flow is None or situation.returning else flow.start
    place = at_start(city, situation, name, step)
    if flow is None:
        place = trouble(place, f"there is no flow {name[:40]!r}")
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
        place = trouble(place, heard.failed)
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
            return done(place, replace(AGENT_OF_OURS, priority=priority))
        case flows.Message() | flows.Hangup() if heard.key == "0":
            return _go(place, PERSON)
        case _:
            return end(place)


# ---- going on


def _go(place: Place, target: str) -> tuple[Place, Move]:
    return _enter(_at(place, target))


def _at(place: Place, target: str) -> Place:
    flow, stack = place.flow, place.stack
    while target == RETURN:
        # a flow that nobody called returns to nobody
        *rest, (flow, target) = stack or ((flow, PERSON),)
        stack = tuple(rest)
    taken = place.taken + 1
    return replace(place, flow=flow, step=target, stack=stack, tries=0, doubt=None, taken=taken)


def _enter(place: Place) -> tuple[Place, Move]:
    """Run the steps that nobody hears, up to the first move."""
    while True:
        if place.taken > MOST_STEPS:
            return end(at_person(trouble(place, "goes round in circles")))
        match place.now:
            case None:
                return end(place)
            case flows.Goto() as step:
                place = _called(place, step)
            case flows.Hours(schedule=schedule) as step:
                calendar = place.city.calendar
                if schedule not in calendar.schedules:
                    place = trouble(place, f"there is no schedule {schedule!r}")
                now = is_open(calendar, schedule, place.situation.at)
                place = _at(place, step.open if now else step.closed)
            case flows.Lookup(what="line") as step:
                found = line_class(place.situation.number)
                place = _at(place, step.cases.get(found, step.otherwise))
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
        return at_person(trouble(place, f"there is no flow {step.flow!r}"))
    stack = (*place.stack, (place.flow, step.then))
    taken = place.taken + 1
    return replace(place, flow=step.flow, step=flow.start, stack=stack, tries=0, taken=taken)


def _play(place: Place, step: Heeded) -> tuple[Place, Move]:
    wanted = _wanted(place, step)
    place, prompts = playable(place, wanted)
    if not prompts:
        return _unheard(place, step, wanted=bool(wanted))
    ref = place.ref
    match step:
        case flows.Listen() if _speech(place, step):
            said = step.words(place.city.register)
            return place, Listen(
                step=ref, prompts=prompts, wait=step.wait, key_wait=step.key_wait, intents=said
            )
        case flows.Menu() | flows.Listen():
            return place, Hear(step=ref, prompts=prompts, wait=_wait(place, step))
        case flows.Notice():
            return place, Hear(step=ref, prompts=prompts, wait=step.wait)
        case flows.Digits():
            return place, Collect(step=ref, prompts=prompts, most=step.max, wait=step.wait)
        case _:
            return place, Say(step=ref, prompts=prompts)


def _wanted(place: Place, step: Heeded) -> tuple[flows.Prompt, ...]:
    if isinstance(step, Question) and place.tries and step.again:
        return step.again
    if isinstance(step, flows.Listen) and step.spoken and _speech(place, step):
        return step.spoken
    return step.prompts


def _unheard(place: Place, step: Heeded, *, wanted: bool) -> tuple[Place, Move]:
    """Go on where nothing can be played.

    A question or a notice that nobody hears is none, and a caller who was to be told something
    before we hang up is not hung up on in silence.
    """
    match step:
        case flows.Say(next=target):
            return _go(place, target)
        case flows.Queue() | flows.Transfer() | flows.Message():
            return end(place)
        case flows.Hangup() if not wanted:
            return end(place)
        case _:
            return _go(place, PERSON)


# ---- answers


def _answer(place: Place, step: flows.Menu | flows.Listen, heard: Heard) -> tuple[Place, Move]:
    if heard.failed is not None:  # the caller heard nothing: asking again would be silence too
        return _go(place, PERSON)
    if isinstance(step, flows.Listen):
        if place.doubt is not None:
            return _confirmed(place, step, place.doubt, heard)
        if heard.intent and heard.intent in step.words(place.city.register):
            return _understood(place, step, heard.intent, sure=heard.sure)
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


def _understood(place: Place, step: flows.Listen, intent: str, *, sure: bool) -> tuple[Place, Move]:
    """Do what the words mean, or ask whether they mean it."""
    ask = f"{ASK}{intent}"
    if sure or intent.startswith(EMERGENCY):
        return _meant(place, step, intent)
    if ask not in place.city.prompts:
        return _again(place, step, step.otherwise)
    # who was misheard may have an emergency, and says so now
    emergencies = (other for other in step.intents if other.startswith(EMERGENCY))
    return replace(place, doubt=intent, taken=place.taken + 1), Listen(
        step=place.ref,
        prompts=(ask,),
        wait=step.wait,
        key_wait=max(step.wait, step.key_wait),
        intents=(YES, NO, *emergencies),
    )


def _confirmed(place: Place, step: flows.Listen, doubt: str, heard: Heard) -> tuple[Place, Move]:
    """Go on after the caller was asked whether *doubt* was meant."""
    if heard.key == CONFIRM or (heard.intent == YES and heard.sure):
        return _meant(place, step, doubt)
    if heard.intent and heard.intent.startswith(EMERGENCY) and heard.intent in step.intents:
        return _meant(place, step, heard.intent)
    return _go(place, PERSON)


def _meant(place: Place, step: flows.Listen, intent: str) -> tuple[Place, Move]:
    if (line_no := line_of(intent)) is not None:
        place = about(place, line_no)
    return _go(place, step.intents.get(intent) or step.lines or PERSON)


def _speech(place: Place, step: flows.Listen) -> bool:
    return place.situation.speech and (bool(step.intents) or step.lines is not None)


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
