"""Does everything exist that flows name: steps, flows, prompts, skills, schedules, words?"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dialplans import paths, words
from dialplans.cells import quote
from dialplans.flows import Written
from dialplans.looked import Looked
from schemas import flows
from schemas.calls import FALLBACK_QUEUE, GENERAL_QUEUE
from schemas.errors import Fault
from schemas.flows import OF_NUMBER, RESERVED, UNKNOWN, fill, known_of, variables
from schemas.numbers import Integration, Number, normalise

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "number": (*map(str, range(100)), "100", "210", "1005", "2000", "30210", "200000000", "-7"),
    "count": (*map(str, range(100)), "110", "1005", "2000", "20000"),
    "digits": ("0123456789",),
    "phone": ("13098765432", "09173206789"),
    "ticket": ("BJ20260918-123457",),
    "date": tuple(f"20{d + 10}-{d % 12 + 1:02}-{d:02}" for d in range(1, 32)),
    "time": tuple(f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 5, 30, 59)),
    "weekday": tuple(f"2027-03-{day:02}" for day in range(1, 8)),
    "duration": ("2", "61", "120", "1800", "5400", "3605", "7325", "86400", "90061"),
    "money": ("2", "0.20", "105.05", "12.34", "-1"),
}  # fmt: skip
"""What may come: values that together need the pieces of which such a value is made."""

PROMPTS = ("prompts", "again", "spoken")
"""Keys under which steps have prompts."""

_DIALABLE = re.compile(r"\+?[0-9]{1,23}")
_EXTENSION = re.compile(r"[0-9]{2,8}")


@dataclass(frozen=True, slots=True)
class _At:
    """A step, to say something about it."""

    written: Written
    flow: str
    name: str

    def fault(self, key: str, reason: str) -> Fault:
        way = key.split(".") if key else []
        return self.written.document.fault(["steps", self.name, *way], reason)


def faults(looked: Looked) -> Iterator[Fault]:
    """Yield a fault for every name in the flows that means nothing."""
    for flow, written in looked.reading.written.items():
        yield from _targets(looked, flow, written)
        for name, step in written.flow.steps.items():
            at = _At(written, flow, name)
            yield from _prompts(looked, at, step)
            yield from _named(looked, at, step)
    if looked.whole("flows", "hotlines.csv"):
        yield from _flows(looked)


def _targets(looked: Looked, flow: str, written: Written) -> Iterator[Fault]:
    there = written.flow.steps
    if written.flow.start not in there:
        reason = f"there is no step {quote(written.flow.start)} in this flow"
        yield written.document.fault(["start"], reason)
        return  # every step would be one that nothing leads to
    for name, step in there.items():
        at = _At(written, flow, name)
        for key, target in step.targets:
            if target not in there and target not in RESERVED:
                yield at.fault(key, f"there is no step {quote(target)} in this flow")
        called = paths.callee(step)
        if called is not None and called not in looked.found and looked.whole("flows"):
            yield at.fault("flow", f"there is no flow {quote(called)}")
    for name in there.keys() - paths.reachable(written.flow) - RESERVED:
        yield _At(written, flow, name).fault("", "is never reached: no step leads to it")


def _flows(looked: Looked) -> Iterator[Fault]:
    if UNKNOWN not in looked.found:
        reason = "is missing: it serves the numbers that are not in the register"
        yield Fault(str(looked.reading.folder / "flows"), None, f"{UNKNOWN}.yaml", reason)
    called = {called for flow in looked.found.values() for _, called in paths.calls(flow)}
    if called - looked.found.keys():
        return  # one of those that seem idle may have been meant
    for flow, numbers in looked.users.items():
        if not numbers:
            reason = "is used by no number and no other flow"
            yield looked.reading.written[flow].document.fault(["flow"], reason, key=flow)


# ---- prompts


def _prompts(looked: Looked, at: _At, step: flows.Step) -> Iterator[Fault]:
    if not looked.whole("prompts.tsv"):
        return
    for key in PROMPTS:
        for i, prompt in enumerate(getattr(step, key, ())):
            place = f"{key}.{i}"
            if isinstance(prompt, flows.Spoken):
                yield from _spoken(looked, at, place, prompt)
            else:
                reasons = _missing_prompts(looked, at, prompt)
                yield from (at.fault(place, reason) for reason in reasons)


def _missing_prompts(looked: Looked, at: _At, prompt: str) -> Iterator[str]:
    if strange := _not_of_number(prompt):
        yield f"no prompt can be named after {{{strange}}}: it is only known during the call"
        return
    if "{" not in prompt:
        yield from _no_prompt(looked, {prompt: ""})
    elif looked.whole("hotlines.csv", "flows"):
        wanted = {fill(prompt, known_of(n)): _called(n) for n in looked.met(at.flow, at.name)}
        yield from _no_prompt(looked, wanted)


def _no_prompt(looked: Looked, wanted: Mapping[str, str]) -> Iterator[str]:
    there = looked.reading.city.prompts
    if missing := {id: whose for id, whose in wanted.items() if id not in there}:
        id, whose = next(iter(missing.items()))
        yield f"there is no prompt {quote(id)}{_of(whose, len(missing))}"
    if silent := {i: w for i, w in wanted.items() if i in there and not there[i].seconds}:
        id, whose = next(iter(silent.items()))
        yield f"there is no sound for {quote(id)}{_of(whose, len(silent))}: build the prompts"


def _of(whose: str, many: int) -> str:
    return f" for {whose}{f' and {many - 1} more' if many > 1 else ''}" if whose else ""


def _spoken(looked: Looked, at: _At, place: str, prompt: flows.Spoken) -> Iterator[Fault]:
    if looked.spoken is None:
        return
    if not list(variables(prompt)):
        try:
            pieces = set(looked.spoken(prompt.kind, prompt.value))
        except ValueError as error:
            yield at.fault(place, f"cannot be said: {error}")
            return
    else:
        pieces = {id for text in EXAMPLES[prompt.kind] for id in looked.spoken(prompt.kind, text)}
    missing = sorted(pieces - looked.reading.city.prompts.keys())
    if missing:
        reason = f"a {prompt.kind} needs the prompts {' '.join(missing[:5])}"
        yield at.fault(place, f"{reason}{' …' if missing[5:] else ''}, which are not there")


# ---- whatever else a step names


def _named(looked: Looked, at: _At, step: flows.Step) -> Iterator[Fault]:
    match step:
        case flows.Queue():
            yield from _queue(looked, at, step)
        case flows.Transfer():
            yield from _transfer(looked, at, step)
        case flows.Hours() if looked.whole("calendar.toml"):
            plans = looked.reading.city.calendar.schedules
            if step.schedule not in plans:
                there = " ".join(plans) or "none at all"
                reason = f"there is no schedule {quote(step.schedule)} in calendar.toml; there are"
                yield at.fault("schedule", f"{reason} {there}")
        case flows.Listen():
            for intent, reason in words.unknown(looked.reading, step):
                yield at.fault(f"intents.{intent}", reason)


def _queue(looked: Looked, at: _At, step: flows.Queue) -> Iterator[Fault]:
    city = looked.reading.city
    if step.queue == FALLBACK_QUEUE:
        reason = f"{FALLBACK_QUEUE} is for callers whom no flow has served; say {GENERAL_QUEUE}"
        yield at.fault("queue", reason)
    elif step.queue != GENERAL_QUEUE:
        skill = step.queue.removeprefix("unit-")
        if skill in city.skill_codes:
            reason = f"nobody may be in {step.queue}; say `skill: {skill}`, all others stand behind"
        else:
            reason = f"there is no queue {quote(step.queue)}, only {GENERAL_QUEUE}"
        if looked.whole("hotlines.csv", "skills.toml"):
            yield at.fault("queue", reason)
    if step.agent is not None and not _EXTENSION.fullmatch(step.agent):
        set_by_lookups = {name for known in flows.LOOKUPS.values() for name in known.sets}
        if set(variables(step.agent)) - (set_by_lookups & {"agent"}) or "{" not in step.agent:
            reason = f"{quote(step.agent)} is no agent: an extension, or {{agent}} after a lookup"
            yield at.fault("agent", reason)
    if step.skill is None or not looked.whole("hotlines.csv", "skills.toml", "flows"):
        return
    if variable := _not_of_number(step.skill):
        yield at.fault("skill", f"no skill can be named after {{{variable}}}")
        return
    codes = city.skill_codes
    wanted = {fill(step.skill, known_of(n)): _called(n) for n in looked.met(at.flow, at.name)}
    if strange := {s: whose for s, whose in wanted.items() if s and s not in codes}:
        skill, whose = next(iter(strange.items()))
        whose = _of(whose, len(strange)) if "{" in step.skill else ""
        reason = f"nobody can have the skill {quote(skill)}{whose}: it is no unit's that is queued"
        yield at.fault("skill", f"{reason} here, and none of skills.toml")


def _transfer(looked: Looked, at: _At, step: flows.Transfer) -> Iterator[Fault]:
    if strange := _not_of_number(step.to):
        reason = f"callers would choose what we dial: {{{strange}}} is not the register's"
        yield at.fault("to", reason)
        return
    if not looked.whole("hotlines.csv", "flows"):
        return
    for number in looked.met(at.flow, at.name):
        target = fill(step.to, known_of(number))
        whose = f", for {_called(number)}" if "{" in step.to else ""
        ours = looked.reading.city.register.numbers.get(normalise(target))
        if not _DIALABLE.fullmatch(target):
            yield at.fault("to", f"{quote(target)} cannot be dialled{whose}")
            return
        if ours is not None and ours.integration is not Integration.NOT_INTEGRATED:
            yield at.fault("to", f"{target} is answered here: calls would loop{whose}")
            return


def _not_of_number(text: str) -> str | None:
    return next((name for name in variables(text) if name not in OF_NUMBER), None)


def _called(number: Number | None) -> str:
    return "numbers that are not in the register" if number is None else number.number


# ---- variables


def unset(looked: Looked) -> Iterator[Fault]:
    """Yield a fault for each variable that may be used before anything has set it."""
    for name in sorted(_set_somewhere(looked.found.values()) | _used(looked)):
        if name in flows.CALL_VARIABLES:
            continue
        told: set[paths.Ref] = set()
        for root in looked.roots:
            change = _sets(name)
            for node, trail in paths.explore(looked.found, root, change, mark=False).items():
                ref = (node.flow, node.step)
                if node.mark or ref in told or node.flow not in looked.found:
                    continue
                told.add(ref)
                yield from _unset_here(looked, ref, name, trail)


def _unset_here(looked: Looked, ref: paths.Ref, name: str, trail: paths.Trail) -> Iterator[Fault]:
    written = looked.reading.written[ref[0]]
    step = written.flow.steps.get(ref[1])
    if step is None:
        return
    for key, text in uses(step):
        if name in variables(text):
            if name not in _set_somewhere(looked.found.values()):
                known = " ".join(flows.CALL_VARIABLES)
                reason = f"nothing sets {{{name}}}; known from the beginning are {known}"
            else:
                way = told_way(trail.refs(), ref[0])
                reason = f"nothing has set {{{name}}} on the way {way}"
            yield _At(written, *ref).fault(key, reason)


def told_way(refs: Collection[paths.Ref], here: str) -> str:
    """Return steps one after another; those of other flows than *here* with their flow."""
    return " → ".join(step if flow == here else f"{flow}/{step}" for flow, step in refs)


def uses(step: flows.Step) -> Iterator[tuple[str, str]]:
    """Yield (key, text) of all that may hold variables."""
    for key in PROMPTS:
        for i, prompt in enumerate(getattr(step, key, ())):
            yield f"{key}.{i}", prompt.value if isinstance(prompt, flows.Spoken) else prompt
    for key in ("skill", "agent", "to", "of"):
        value = getattr(step, key, None)
        if value is not None and not isinstance(step, flows.Goto):
            yield key, value


def _sets(name: str) -> paths.Change:
    def change(_: str, step: flows.Step, way: paths.Way, mark: bool) -> bool:
        match step:
            case flows.Digits(into=into) if into == name:
                return mark or way.key == "next"
            case flows.Lookup(what=what) if name in flows.LOOKUPS[what].sets:
                return True
        return mark

    return change


def _set_somewhere(found: Iterable[flows.Flow]) -> set[str]:
    names: set[str] = set()
    for flow in found:
        for step in flow.steps.values():
            if isinstance(step, flows.Digits):
                names.add(step.into)
            elif isinstance(step, flows.Lookup):
                names |= set(flows.LOOKUPS[step.what].sets)
    return names


def _used(looked: Looked) -> set[str]:
    return {
        name
        for flow in looked.found.values()
        for step in flow.steps.values()
        for _, text in uses(step)
        for name in variables(text)
    }
