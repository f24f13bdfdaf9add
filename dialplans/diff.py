"""What changes for whom between two dialplans: numbers, calls, prompts, days; not lines of text.

Both are walked through by the flow machine (`dialplans.simulate`): silently, and down every menu
key by key. What a caller cannot notice and what decides nothing, as the name of a step, is no
change.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from dialplans.casebook import FILES
from dialplans.diff_calls import Changed, changed_calls, runs_of, turned_days
from dialplans.paths import reachable
from dialplans.simulate import P
from schemas.calendar import Schedule
from schemas.city import City
from schemas.flows import UNKNOWN_NOTICE, Listen, Step, variables
from schemas.moves import Machine
from schemas.numbers import Number


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what it says, and what its files hold."""

    city: City
    files: Mapping[str, str]
    """Name → hash of the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything that is not as it was; all of it empty when nothing changes for anybody."""

    numbers: tuple[dict[str, Any], ...]
    calls: tuple[Changed, ...]
    prompts: tuple[dict[str, Any], ...]
    days: tuple[dict[str, Any], ...]
    schedules: tuple[dict[str, Any], ...]
    flows: tuple[dict[str, Any], ...]
    """Flows of another text, for who looks for more than calls were tried."""
    phrases: tuple[dict[str, Any], ...]
    skills: tuple[dict[str, Any], ...]
    cases: tuple[dict[str, Any], ...]
    """Of the files of case work, value by value."""
    custom: tuple[dict[str, Any], ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing changes."""
        return not any(getattr(self, field.name) for field in fields(self))


def compare(old: Side, new: Side, machine: Machine[P], today: date) -> Changes:
    """Return what changes from *old* to *new*.

    Args:
        today: the days from it on count.
    """
    return Changes(
        numbers=tuple(_numbers(old.city, new.city)),
        calls=tuple(changed_calls(old.city, new.city, machine, today)),
        prompts=tuple(_prompts(old, new)),
        days=tuple(turned_days(old.city, new.city, today)),
        schedules=tuple(
            _of(
                {name: _hours(plan) for name, plan in old.city.calendar.schedules.items()},
                {name: _hours(plan) for name, plan in new.city.calendar.schedules.items()},
                "schedule",
            )
        ),
        flows=tuple(_flows(old.city, new.city)),
        phrases=tuple(
            _of(
                {i: " ".join(sorted(said)) for i, said in old.city.phrases.items()},
                {i: " ".join(sorted(said)) for i, said in new.city.phrases.items()},
                "intent",
            )
        ),
        skills=tuple(_of(old.city.skills, new.city.skills, "skill")),
        cases=tuple(_of(_cases(old.city), _cases(new.city), "case")),
        custom=tuple(_of(_custom(old.files), _custom(new.files), "file")),
    )


# ---- what stands in files


def _of(old: Mapping[str, str], new: Mapping[str, str], what: str) -> Iterator[dict[str, Any]]:
    """Yield what was added (old None), removed (new None) or changed, by name."""
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield {what: name, "old": old.get(name), "new": new.get(name)}


def _numbers(old: City, new: City) -> Iterator[dict[str, Any]]:
    before, after = old.register.numbers, new.register.numbers
    for number in sorted(before.keys() | after.keys()):
        one, other = before.get(number), after.get(number)
        if one is None or other is None:
            which = one or other
            assert which is not None
            kind = "added" if one is None else "removed"
            yield {"number": number, "hotline": which.hotline, "change": kind, "fields": {}}
        elif one != other:
            changed = {
                field.name: [_cell(getattr(one, field.name)), _cell(getattr(other, field.name))]
                for field in fields(Number)
                if getattr(one, field.name) != getattr(other, field.name)
            }
            yield {
                "number": number,
                "hotline": other.hotline,
                "change": "changed",
                "fields": changed,
            }


def _cases(city: City) -> dict[str, str]:
    """Return every value of the files of case work by file and way: `limits.toml most_returns`."""
    return {
        " ".join((file, ".".join(way))): text
        for file, part in FILES.items()
        for way, text in _values(getattr(city.casebook, part).model_dump(mode="json"))
    }


def _values(data: object, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each value of *data* as text with the way that leads to it; a list is one value."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _values(value, (*way, str(key)))
    elif isinstance(data, list):
        yield way, " ".join(map(str, data))
    elif data is not None:
        yield way, str(data)


def _cell(value: object) -> str | None:
    return None if value is None else str(value)


def _hours(plan: Schedule) -> str:
    found = plan.model_dump(exclude={"title"}, exclude_defaults=True)
    return "; ".join(f"{days} {' '.join(spans)}" for days, spans in found.items())


def _custom(files: Mapping[str, str]) -> Mapping[str, str]:
    return {name: hash_ for name, hash_ in files.items() if name.startswith("custom/")}


# ---- prompts and flows: who meets them


def _prompts(old: Side, new: Side) -> Iterator[dict[str, Any]]:
    before, after = old.city.prompts, new.city.prompts
    hearers = _hearers(new.city)
    gone = _hearers(old.city)
    for prompt in sorted(before.keys() | after.keys()):
        one, other = before.get(prompt), after.get(prompt)
        sounds = _sounds(old.files, prompt) != _sounds(new.files, prompt)
        if one == other and not sounds:
            continue
        yield {
            "prompt": prompt,
            "text": None if one and other and one.text == other.text
            else [one and one.text, other and other.text],
            "seconds": [one and round(one.seconds, 3), other and round(other.seconds, 3)],
            "sound": sounds,
            "heard_by": sorted((hearers if other else gone).get(prompt, ())),
        }  # fmt: skip


def _sounds(files: Mapping[str, str], prompt: str) -> list[tuple[str, str]]:
    return sorted((n, h) for n, h in files.items() if n.startswith(f"audio/{prompt}."))


def _hearers(city: City) -> Mapping[str, set[str]]:
    """Return the numbers at which each prompt may be heard."""
    of_flow = {
        name: {p for step in reachable(flow) for p in _heard(city, flow.steps[step])}
        for name, flow in city.flows.items()
    }
    found: dict[str, set[str]] = {}
    for number, runs in runs_of(city).items():
        entry = city.register.numbers.get(number)
        notice = UNKNOWN_NOTICE if entry is None else entry.notice
        for prompt in {p for flow in runs for p in of_flow[flow]}:
            name = notice if list(variables(prompt)) == ["notice"] else prompt
            found.setdefault(name, set()).add(number)
    return found


def _heard(city: City, step: Step) -> Iterator[str]:
    """Yield the prompts that callers of *step* may hear, questions whether words were meant too."""
    yield from (prompt for prompt in step.heard if isinstance(prompt, str))
    if isinstance(step, Listen):
        yield from step.asks(city.register)


def _flows(old: City, new: City) -> Iterator[dict[str, Any]]:
    runs = (runs_of(old), runs_of(new))
    for name in sorted(old.flows.keys() | new.flows.keys()):
        one, other = old.flows.get(name), new.flows.get(name)
        if one == other:
            continue
        before = {} if one is None else one.steps
        after = {} if other is None else other.steps
        steps = [s for s in {**before, **after} if before.get(s) != after.get(s)]
        met = {number for found in runs for number, of in found.items() if name in of}
        kind = "added" if one is None else "removed" if other is None else "changed"
        yield {"flow": name, "change": kind, "steps": steps, "met_by": sorted(met)}


def names(numbers: Iterable[str], most: int = 6) -> str:
    """Return *numbers* in a line, no longer than *most* of them."""
    found = list(numbers)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
