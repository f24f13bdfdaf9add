"""Does every caller reach a person, and soon enough? Rules over the whole of the flows.

What is refused:

- Flows that run each other for ever, and steps that who says nothing goes round and round in.
- **A call that we end though the caller did nothing.** A `notice` or `hangup` may only follow a
  choice: a key, a word, an entry. Who says nothing, and who fails (a key nobody offered, an entry
  that did not come), gets to a person: `person`, a queue, a transfer (behind which the queue
  stands), or a message whose prompt 0 cuts.
- Key 0 that leads anywhere but to a person.
- A way to 110, 119, 120 or 122 without the caller's own yes: words may have been misheard, so a
  key or a spoken `yes` must be the last thing that was chosen.
- More than 15 s of prompts and waits, as recorded, until a caller who says nothing is handed to a
  person, whether words can be recognised or not; no more for who was not understood, is asked back
  and says nothing to that. The ways on which nobody can be had soon (surge mode, nobody signed on)
  have 30 s.
- More than 15 s of prompts in a row after a key, a word or an entry, up to the end or the person.
- More than 7 s of greeting on 12345.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from dialplans import lasting, paths
from dialplans.documents import Document
from dialplans.looked import Looked
from dialplans.references import EXAMPLES, told_way
from schemas import flows
from schemas.errors import Fault
from schemas.flows import PERSON, fill, known_of, variables
from schemas.numbers import EMERGENCY_NUMBERS, MAIN_NUMBER, Number
from schemas.speech import YES

GREETING = 7.0
SOON = 15.0
LATER = 30.0
"""Seconds; see above."""

Seconds = Callable[[flows.Step], float]


def faults(looked: Looked) -> Iterator[Fault]:
    """Yield what keeps callers from a person; the flows must have no other fault."""
    if rounds := [*_recursions(looked), *_circles(looked)]:
        yield from rounds  # nothing has a length then
        return
    yield from _ended(looked)
    yield from _zero(looked)
    yield from _unasked(looked)
    yield from _greeting(looked)
    yield from _late(looked)
    yield from _long_answers(looked)


def _document(looked: Looked, flow: str) -> Document:
    return looked.reading.written[flow].document


def _recursions(looked: Looked) -> Iterator[Fault]:
    for circle in paths.recursions(looked.found):
        flow, step = circle[0]
        way = " → ".join([*(name for name, _ in circle), flow])
        reason = f"flows run each other without end: {way}; a sub-flow goes back with `return`"
        yield _document(looked, flow).fault(["steps", step, "flow"], reason)


def _circles(looked: Looked) -> Iterator[Fault]:
    for flow, circle in paths.circles(looked.found):
        steps = looked.found[flow].steps
        way = " → ".join([*circle, circle[0]])
        key = next(w.key for w in paths.ways(steps[circle[-1]]) if w.target == circle[0])
        heard = any(steps[name].heard for name in circle)
        who = "who says nothing goes round in circles" if heard else "goes round in silence"
        way_there = ["steps", circle[-1], *key.split(".")]
        yield _document(looked, flow).fault(way_there, f"{who}: {way}; no way leads to a person")


# ---- ended by us


def _ended(looked: Looked) -> Iterator[Fault]:
    told: set[paths.Ref] = set()
    for root in looked.roots:
        for node, trail in paths.explore(looked.found, root, _chosen, mark=False).items():
            ref = (node.flow, node.step)
            step = looked.found[node.flow].steps.get(node.step)
            if node.mark or ref in told or step is None or not _ends_badly(step):
                continue
            told.add(ref)
            refs = trail.refs()
            way = told_way(refs, node.flow) if refs[1:] else "the very first step"
            reason = f"ends the call though the caller has chosen nothing ({way}): a person is due"
            if step.do == "message":
                reason += ", or a prompt that 0 cuts"
            yield _document(looked, node.flow).fault(["steps", node.step], reason)


def _chosen(_: str, __: flows.Step, way: paths.Way, mark: bool) -> bool:
    match way.by:
        case paths.By.CHOICE:
            return True
        case paths.By.FAILURE:
            return False
        case _ if way.key == "silence":
            return False
        case _:
            return mark


def _ends_badly(step: flows.AnyStep) -> bool:
    match step:
        case flows.Notice() | flows.Hangup():
            return True
        case flows.Message():
            return not step.prompts
        case _:
            return False


# ---- key 0


def _zero(looked: Looked) -> Iterator[Fault]:
    for flow, found in looked.found.items():
        for name, step in found.steps.items():
            keys: Mapping[str, str] = getattr(step, "keys", {})
            if "0" in keys and (other := _not_a_person(looked, flow, keys["0"])):
                reason = f"0 is a person everywhere, but leads to {other}"
                yield _document(looked, flow).fault(["steps", name, "keys", "0"], reason)


def _not_a_person(looked: Looked, flow: str, target: str) -> str | None:
    """Return where *target* may lead, by itself, that is no person."""
    inside = looked.found[flow].model_copy(update={"start": target})
    found = {**looked.found, flow: inside}
    if target == PERSON:
        return None
    for node in paths.explore(found, flow, _quietly, mark=False):
        step = found[node.flow].steps.get(node.step)
        if isinstance(step, flows.Transfer | flows.Message | flows.Notice | flows.Hangup):
            return node.step if node.flow == flow else f"{node.flow}/{node.step}"
    return None


def _quietly(_: str, __: flows.Step, way: paths.Way, mark: bool) -> bool | None:
    return None if way.by is paths.By.CHOICE else mark


# ---- emergencies


def _unasked(looked: Looked) -> Iterator[Fault]:
    told: set[paths.Ref] = set()
    for root in looked.roots:
        for node, trail in paths.explore(looked.found, root, _agreed, mark=False).items():
            ref = (node.flow, node.step)
            step = looked.found[node.flow].steps.get(node.step)
            if node.mark or ref in told or not isinstance(step, flows.Transfer):
                continue
            targets = {fill(step.to, known_of(number)) for number in looked.met(*ref)}
            if emergencies := sorted(targets & EMERGENCY_NUMBERS):
                told.add(ref)
                way = told_way(trail.refs(), node.flow)
                reason = f"connects with {emergencies[0]} without the caller's own yes ({way}): "
                reason += "ask for a key or `yes` first"
                yield _document(looked, node.flow).fault(["steps", node.step], reason)


def _agreed(_: str, __: flows.Step, way: paths.Way, mark: bool) -> bool:
    match way.by:
        case paths.By.CHOICE if way.key.startswith(("intents.", "lines")):
            return way.key == f"intents.{YES}"
        case paths.By.CHOICE:
            return True
        case paths.By.FAILURE:
            return False
        case _:
            return mark and way.key != "silence"


# ---- how long


def _seconds(looked: Looked, number: Number | None, prompt: flows.Prompt) -> float:
    prompts = looked.reading.city.prompts
    values = known_of(number)
    if not isinstance(prompt, flows.Spoken):
        ids: Sequence[str] = (fill(prompt, values),)
        return sum(prompts[id].seconds for id in ids if id in prompts)
    if looked.spoken is None:
        return 0.0
    known = set(variables(prompt)) <= values.keys()
    texts = (fill(prompt.value, values),) if known else EXAMPLES[prompt.kind]
    longest = 0.0
    for text in texts:
        try:
            ids = looked.spoken(prompt.kind, text)
        except ValueError:  # this number has none: nothing is said
            continue
        longest = max(longest, sum(prompts[id].seconds for id in ids if id in prompts))
    return longest


def _spent(looked: Looked, number: Number | None, step: flows.Step, *, talk: bool) -> float:
    """Return the seconds that a caller who says nothing spends in *step*.

    Args:
        talk: only what is said, each question once; else with every wait and repetition.
    """

    def playing(prompts: Sequence[flows.Prompt]) -> float:
        return sum(_seconds(looked, number, prompt) for prompt in prompts)

    def asking(step: flows.Asking | flows.Digits, first: flows.Prompts, wait: float) -> float:
        if talk or (wait == 0 and not isinstance(step, flows.Digits)):
            return playing(first)
        endless = isinstance(step, flows.Asking) and step.silence is not None
        again = step.retries if endless else min(step.retries, 1)  # the second failure is a person
        return playing(first) + wait + again * (playing(step.again or first) + wait)

    match step:
        case flows.Listen():
            by_keys = asking(step, step.prompts, step.key_wait)
            if not _hears(step):
                return by_keys
            return max(by_keys, asking(step, step.spoken or step.prompts, step.wait))
        case flows.Menu(wait=wait) | flows.Digits(wait=wait):
            return asking(step, step.prompts, wait)
        case flows.Say() | flows.Ending() | flows.Notice():
            return playing(step.prompts)
        case _:
            return 0.0


def _hears(step: flows.Listen) -> bool:
    return bool(step.intents) or step.lines is not None


def _doubted(looked: Looked, number: Number | None, step: flows.Step) -> float:
    """Return the seconds of who is not understood, then not surely, and then says nothing."""
    if not isinstance(step, flows.Listen):
        return 0.0
    prompts = looked.reading.city.prompts
    register = looked.reading.city.register
    asks = [prompts[ask].seconds for ask in step.asks(register) if ask in prompts]
    if not asks:
        return 0.0
    first = step.spoken or step.prompts
    heard = [*first, *(step.again or first)] if step.retries else first
    waits = (2 + bool(step.retries)) * step.wait
    return sum(_seconds(looked, number, prompt) for prompt in heard) + waits + max(asks)


def _greeting(looked: Looked) -> Iterator[Fault]:
    number = looked.reading.city.register.numbers.get(MAIN_NUMBER)
    if number is None or number.flow not in looked.found:
        return
    flow = looked.found[number.flow]
    first = flow.steps.get(flow.start)
    if first is None:
        return
    for key in ("prompts", "spoken"):
        seconds = sum(_seconds(looked, number, p) for p in getattr(first, key, ()))
        if seconds > GREETING:
            reason = f"greets for {seconds:.1f} s, {GREETING:g} are allowed on {MAIN_NUMBER}"
            yield _document(looked, number.flow).fault(["steps", flow.start, key], reason)


def _late(looked: Looked) -> Iterator[Fault]:
    blamed: dict[tuple[str, tuple[paths.Ref, ...]], list[_Late]] = {}
    for root, numbers in looked.roots.items():
        for late in _latest(looked, root, numbers) if root in looked.found else ():
            shared = tuple(ref for ref, _ in late.way.parts if ref[0] != root)
            blamed.setdefault((late.when, shared), []).append(late)
    for found in blamed.values():
        worst = max(found, key=lambda late: late.way.seconds)
        others = " ".join(sorted(late.root for late in found if late is not worst))
        reason = worst.reason + (f"; also {others}" if others else "")
        yield _document(looked, worst.root).fault(["start"], reason)


class _Late(NamedTuple):
    """A way to a person that takes too long."""

    root: str
    number: Number | None
    when: str
    most: float
    way: lasting.Lasting

    @property
    def reason(self) -> str:
        number = self.number
        whose = "a number that is not in the register" if number is None else number.number
        back = any(step.endswith(lasting.ASKED_BACK) for (_, step), _ in self.way.parts)
        who = "who is asked back and" if back else "who"
        told = f"{who} says nothing on {whose} hears {self.way.seconds:.1f} s before a person"
        parts = _told_parts(self.way, self.root)
        return f"{told}{self.when}, {self.most:g} are allowed: {parts}"


def _latest(looked: Looked, root: str, numbers: Sequence[Number | None]) -> Collection[_Late]:
    """Return the longest way of each kind that is too long."""
    worst: dict[str, _Late] = {}
    for number in _different(numbers):
        for when, most, way in _ways(looked, root, number):
            if way is None or way.seconds <= most:
                continue
            if when not in worst or way.seconds > worst[when].way.seconds:
                worst[when] = _Late(root, number, when, most, way)
            break  # what is too long on every day is too long on the rare one
    return worst.values()


def _ways(
    looked: Looked, root: str, number: Number | None
) -> Iterator[tuple[str, float, lasting.Lasting | None]]:
    start = looked.found[root].start

    cost = partial(_spent, looked, number, talk=False)
    doubt = partial(_doubted, looked, number)
    for what, most, rare in (("", SOON, False), (" when nobody can be had soon", LATER, True)):
        clock = lasting.Clock(looked.found, cost=cost, rare=rare, doubt=doubt)
        found = clock.longest(root, start)
        yield what, most, lasting.longer(found.end, found.back)


def _told_parts(way: lasting.Lasting, here: str) -> str:
    return " → ".join(
        f"{step if flow == here else f'{flow}/{step}'} {seconds:.1f}"
        for (flow, step), seconds in way.parts
    )


def _different(numbers: Sequence[Number | None]) -> list[Number | None]:
    """Return one number of each that sounds different."""
    found: dict[tuple[str, ...], Number | None] = {}
    for number in numbers:
        values = known_of(number)
        found.setdefault((values["notice"], values["onward"], values["unit"]), number)
    return list(found.values())


def _long_answers(looked: Looked) -> Iterator[Fault]:
    """What a caller asked for by a key, a word or an entry."""
    worst: dict[tuple[str, str, str], lasting.Lasting] = {}
    for flow, found in looked.found.items():
        chosen = [
            (name, way)
            for name, step in found.steps.items()
            for way in paths.ways(step)
            if way.by is paths.By.CHOICE
        ]
        for number in _different(looked.users[flow]) if chosen else []:
            cost = partial(_spent, looked, number, talk=True)
            clock = lasting.Clock(looked.found, cost=cost, rare=False)
            rest = _rest(looked, clock, flow)
            for name, way in chosen:
                end, back = clock.longest(flow, way.target)
                longest = lasting.longer(end, back and back.then(rest))
                if longest is None or longest.seconds <= SOON:
                    continue
                place = (flow, name, way.key)
                worst[place] = lasting.longer(worst.get(place), longest) or longest
    for (flow, name, key), longest in worst.items():
        reason = f"leads to {longest.seconds:.1f} s of prompts in a row, {SOON:g} are allowed: "
        way_there = ["steps", name, *key.split(".")]
        yield _document(looked, flow).fault(way_there, reason + _told_parts(longest, flow))


def _rest(looked: Looked, clock: lasting.Clock, flow: str) -> lasting.Lasting:
    """Return the longest way on after *flow* has come back to who called it."""
    found: lasting.Lasting | None = None
    for caller, name in looked.callers.get(flow, ()):
        step = looked.found[caller].steps[name]
        for way in paths.ways(step):
            end, back = clock.longest(caller, way.target)
            onward = back and back.then(_rest(looked, clock, caller))
            found = lasting.longer(found, lasting.longer(end, onward))
    return found or lasting.NOTHING
