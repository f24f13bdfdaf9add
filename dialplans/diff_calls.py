"""Which calls go another way in one dialplan than in another: every number, every menu key by key.

A call is walked through both by the flow machine: silently, then down every menu, then with nobody
on duty and in surge mode, then by everything that may be said where the flow first listens. What
is told are the first walks in which a change shows: a menu behind a greeting that has changed is
not told again. Where nothing that the machine looks at has changed, the walk is left out. Which
words mean what is another matter: here they are taken as understood.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from dialplans.paths import closure
from dialplans.simulate import Case, Conditions, P, Press, Stage, Walk, presses, walk, written
from dialplans.windows import Window, days, told, windows
from schemas import flows
from schemas.calendar import is_open, is_workday, known_until
from schemas.city import City
from schemas.flows import UNKNOWN
from schemas.moves import Machine
from schemas.numbers import Number
from schemas.speech import Meaning, Recognised

DEEPEST = 3
"""Keys, one after another, that are tried."""
ON_DUTY: Mapping[str, Conditions] = {
    "": Conditions(),
    "nobody on duty": Conditions(duty="away"),
    "surge mode": Conditions(surge=True),
}


UNDERSTOOD = "words are understood"
"""Condition under which callers are listened to."""
OTHERS = "numbers outside the register"
"""Stands for all of them."""
OUTSIDE = "0"
"""A number that no register can hold: too short."""
Runs = Mapping[str, set[str]]
"""Flows that a call to a number may run."""
Alike = dict[tuple[frozenset[str], frozenset[str]], list[Window]]
"""Windows by what is open in them, in the old and in the new calendar."""
Fact = tuple[object, ...]
"""One thing that is not as it was, in words that compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a caller notices, and who is rung."""

    heard: tuple[str, ...]
    """Ids of prompts."""
    seconds: float
    route: str
    skill: str | None
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Calls that go another way now."""

    numbers: tuple[str, ...]
    when: str
    keys: str
    """What the caller does, as `simulate --keys` takes it; "" is nothing at all."""
    say: str
    """Intent that the caller's words mean; "" is no word at all."""
    condition: str
    old: Call
    """As of the first of `numbers`."""
    new: Call


def changed_calls(old: City, new: City, machine: Machine[P], today: date) -> Iterator[Changed]:
    """Yield what goes another way; numbers that change alike are told together."""
    turned = [date.fromisoformat(found["day"]) for found in turned_days(old, new, today)]
    # days that are of another kind now stand for themselves, not for others of their kind
    apart = {day + timedelta(days=n) for day in turned for n in (0, 1)}
    on = days(new.calendar, today, avoid=apart) | {f"{day}": day for day in turned}
    every = windows([old.calendar, new.calendar], on)
    alike: dict[frozenset[str], Alike] = {}
    runs = (runs_of(old), runs_of(new))
    found: dict[tuple[Any, ...], list[Changed]] = {}
    both = {n: e for n, e in new.register.numbers.items() if n in old.register.numbers}
    for number, entry in (both | {OTHERS: None}).items():
        same = _same(old, new, number, runs)
        different: dict[tuple[Any, ...], tuple[list[Window], Call, Call]] = {}
        clocks = _clocks(old, runs[0][number]) | _clocks(new, runs[1][number])
        if clocks not in alike:
            alike[clocks] = _alike(old, new, every, clocks)
        for (before, after), some in alike[clocks].items():
            if same and before == after:
                continue  # nothing that the machine looks at has changed
            for tried in _tried(old, new, machine, entry, some[0]):
                met = (tried.condition, tried.keys, tried.say, tried.facts)
                was, now = _call(tried.old), _call(tried.new)
                different.setdefault(met, ([], was, now))[0].extend(some)
        for (condition, keys, say, facts), (some, was, now) in different.items():
            when = told(some, every)
            change = Changed(
                numbers=(number,), when=when, keys=keys, say=say, condition=condition, old=was,
                new=now,
            )  # fmt: skip
            shape = (when, keys, say, condition, _anybodys(entry, facts))
            found.setdefault(shape, []).append(change)
    for changes in found.values():
        yield replace(changes[0], numbers=tuple(n for c in changes for n in c.numbers))


def _clocks(city: City, runs: set[str]) -> frozenset[str]:
    """Return the schedules that these flows look at."""
    steps = (step for name in runs for step in city.flows[name].steps.values())
    return frozenset(step.schedule for step in steps if isinstance(step, flows.Hours))


def _alike(old: City, new: City, every: Sequence[Window], clocks: frozenset[str]) -> Alike:
    """Return the windows by which of *clocks* are open: more of the time no flow can know."""
    found: Alike = {}
    for window in every:
        states = tuple(
            frozenset(name for name in clocks if is_open(c, name, window.begin))
            for c in (old.calendar, new.calendar)
        )
        found.setdefault((states[0], states[1]), []).append(window)
    return found


def _same(
    old: City,
    new: City,
    number: str,
    runs: tuple[Runs, Runs],
) -> bool:
    """Tell whether all that a call to *number* meets is as it was, the clock apart."""
    names = runs[0][number]
    return (
        old.register.numbers.get(number) == new.register.numbers.get(number)
        and names == runs[1][number]
        and all(old.flows[name] == new.flows[name] for name in names)
        and (not _lines(old, names) or flows.lines_of(old.register) == flows.lines_of(new.register))
        and _lengths(old) == _lengths(new)
        and old.skill_codes.keys() == new.skill_codes.keys()
    )


def _lines(city: City, names: Iterable[str]) -> bool:
    """Tell whether callers may say lines in one of these flows."""
    steps = (step for name in names for step in city.flows[name].steps.values())
    return any(isinstance(step, flows.Listen) and step.lines is not None for step in steps)


def _lengths(city: City) -> Mapping[str, float]:
    return {prompt: spoken.seconds for prompt, spoken in city.prompts.items()}


@dataclass(frozen=True, slots=True)
class _Tried:
    """Walks of one caller through both, which part somewhere."""

    condition: str
    keys: str
    say: str
    facts: frozenset[Fact]
    """What is different."""
    old: Walk
    new: Walk


def _tried(
    old: City, new: City, machine: Machine[P], number: Number | None, window: Window
) -> Iterator[_Tried]:
    """Yield the walks that show something new."""
    known: set[Fact] = set()
    dialled = OUTSIDE if number is None else number.number
    for condition, now in ON_DUTY.items():
        todo: list[tuple[Press, ...]] = [()]
        while todo:
            keys = todo.pop(0)
            case = Case(number=dialled, at=window.begin, keys=keys, conditions=now)
            one, other = walk(old, machine, case), walk(new, machine, case)
            facts, together = _compared(one, other)
            if fresh := facts - known:
                known |= fresh
                yield _Tried(condition, written(keys), "", frozenset(fresh), one, other)
            if len(keys) < DEEPEST and len(keys) < together:
                offered = _offered(old, one, len(keys)) | _offered(new, other, len(keys))
                todo += [(*keys, press) for press in presses("".join(sorted(offered)))]
    spoken: list[str] = [""]
    for say in spoken:  # it grows by what may be said
        words = (Recognised(text=say),) if say else ()
        case = Case(number=dialled, at=window.begin, say=words, speech=True)
        one, other = (walk(city, machine, case, understand=_literal) for city in (old, new))
        fresh = _compared(one, other)[0] - known
        # what is this line's own is the same change for every line
        if fresh and (likes := _anybodys(one.about, frozenset(fresh))) - known:
            known |= fresh | likes
            yield _Tried(UNDERSTOOD, "", say, frozenset(fresh), one, other)
        if not say:
            spoken += dict.fromkeys((*_listened(old, one), *_listened(new, other)))


def _literal(text: str, among: Iterable[str], /) -> Meaning:
    """Understand the name of an intent as that intent."""
    sure = text in among
    return Meaning(intent=text if sure else "", confidence=float(sure), sure=sure)


def _listened(city: City, silent: Walk) -> tuple[str, ...]:
    """Return all that may be said where a caller is first listened to."""
    for stage in silent.stages:
        flow, _, name = stage.step.partition("/")
        step = city.flows[flow].steps[name]
        if isinstance(step, flows.Listen):
            return step.words(city.register)
    return ()


def _compared(old: Walk, new: Walk) -> tuple[set[Fact], int]:
    """Return what differs, and how many things the caller hears before the ways part."""
    facts: set[Fact] = set()
    together, last = 0, ("", "")
    for one, other in itertools.zip_longest(old.stages, new.stages):
        if one is None or other is None or not _alike_step(one, other):
            steps = [None if stage is None else stage.step for stage in (one, other)]
            flows_met = {step and step.partition("/")[0] for step in steps}
            entered = len(flows_met) == 1 and last[0].partition("/")[0] not in flows_met
            # the beginning of a flow is the same change from wherever it is entered
            apart: tuple[str, ...] = ()
            if one is not None and other is not None and one.meaning and other.meaning:
                apart = (one.answer, other.answer)  # words that only one of them knows
            facts.add(("way", None if entered else last, *steps, *apart))
            return facts, together
        if one.prompts != other.prompts:
            facts.add(("heard", one.step, one.prompts, other.prompts))
        elif one.seconds != other.seconds:
            facts.add(("seconds", one.step, round(other.seconds - one.seconds, 1)))
        together += not one.asked
        last = (one.step, "words" if one.meaning else one.answer)
    was, now = _call(old), _call(new)
    for what in ("route", "skill", "troubles"):
        if getattr(was, what) != getattr(now, what):
            facts.add((what, old.end, getattr(was, what), getattr(now, what)))
    return facts, together


def _alike_step(one: Stage, other: Stage) -> bool:
    """Tell whether the caller is still at the same place, whatever its name is now."""
    if (one.asked, one.answer) != (other.asked, other.answer):
        return False
    return one.step == other.step or one.prompts == other.prompts


def _call(found: Walk) -> Call:
    route = str(found.route)
    if found.route.outcome is not None:
        route = f"{route} ({found.route.outcome})"
    if found.route.priority:
        route = f"{route} priority {found.route.priority}"
    if found.route.seat_queue:
        route = f"{route} after {found.route.seat_seconds} s"
    return Call(
        heard=found.heard,
        seconds=round(found.seconds, 1),
        route=route,
        skill=found.route.skill,
        troubles=tuple(reason for _, reason in found.troubles),
    )


def _offered(city: City, found: Walk, nth: int) -> set[str]:
    """Return the keys that mean something at the *nth* thing the caller hears, and to pass it."""
    heard: list[Stage] = [stage for stage in found.stages if not stage.asked]
    if nth >= len(heard) or (nth and heard[nth].step == heard[nth - 1].step):
        return set()  # what is asked again means the same
    flow, _, name = heard[nth].step.partition("/")
    match city.flows[flow].steps[name]:
        case flows.Asking(keys=keys) | flows.Notice(keys=keys):
            return {*keys, "0", "-"}
        case flows.Digits():
            return {"-"}
        case _:
            return {"0", "-"}


def _anybodys(number: Number | None, facts: frozenset[Fact]) -> frozenset[Fact]:
    """Return *facts* without what is this number's own, so that numbers can be told together."""
    if number is None:
        return facts
    own = (number.notice, number.unit, number.number, number.onward)

    def plain(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        if isinstance(value, str):
            for nth, text in enumerate(own):
                value = value.replace(text, f"{{{nth}}}") if text else value
        return value

    return frozenset(tuple(map(plain, fact)) for fact in facts)


def turned_days(old: City, new: City, today: date) -> Iterator[dict[str, Any]]:
    """Yield the days to come that were working days and are none any more, or the other way."""
    overrides = (*old.calendar.overrides, *new.calendar.overrides)
    last = max([known_until(), *(override.date for override in overrides)])
    why = {override.date: override.why for override in overrides}
    words = {True: "workday", False: "holiday"}
    for n in range((last - today).days + 1):
        day = today + timedelta(days=n)
        before, after = is_workday(old.calendar, day), is_workday(new.calendar, day)
        if before is not after:
            yield {
                "day": day.isoformat(),
                "old": words[before],
                "new": words[after],
                "why": why.get(day, ""),
            }


def runs_of(city: City) -> Mapping[str, set[str]]:
    """Return for each number the flows that a call to it may run."""
    of_flow = {name: closure(city.flows, name) for name in city.flows}
    found = {n.number: of_flow.get(n.flow, set()) for n in city.register.numbers.values()}
    return {**found, OTHERS: of_flow.get(UNKNOWN, set())}
