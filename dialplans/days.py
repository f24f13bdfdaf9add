"""Does the calendar hold together, and what will the admin have to see to soon?"""

import itertools
from collections.abc import Iterator
from datetime import date, timedelta

from dialplans.cells import read_table
from dialplans.looked import Looked
from dialplans.register import COLUMNS
from schemas import flows
from schemas.calendar import DAY, Schedule, known_until, minutes
from schemas.errors import Fault

AHEAD = timedelta(days=60)
"""So long before the holidays run out it is said."""
HOLIDAYS = 11
"""Legal holidays of a year, at least: fewer overrides are not a year's table."""


def faults(looked: Looked) -> Iterator[Fault]:
    """Yield what is wrong with the calendar."""
    if not looked.whole("calendar.toml"):
        return
    calendar, document = looked.reading.city.calendar, looked.reading.calendar
    for name, plan in calendar.schedules.items():
        yield from (
            document.fault(["schedules", name, *key], reason) for key, reason in _spans(plan)
        )
    first: dict[date, int] = {}
    for i, override in enumerate(calendar.overrides):
        line, _ = document.place(["overrides", i, "date"])
        if override.date in first:
            reason = f"{override.date} stands on line {first[override.date]} already"
            yield document.fault(["overrides", i, "date"], reason)
        first.setdefault(override.date, line or 0)


def _spans(plan: Schedule) -> Iterator[tuple[tuple[str, ...], str]]:
    kinds = {"every": plan.every, "workdays": plan.workdays, "holidays": plan.holidays}
    if not any(kinds.values()):
        yield (), "is never open: give it every, workdays or holidays"
    placed = [(key, span) for key, spans in kinds.items() for span in spans]
    for (key, span), (other_key, other) in itertools.combinations(placed, 2):
        if key != other_key and "every" not in (key, other_key):
            continue  # no day is both
        if _covers(span) & _covers(other):
            whose = "" if key == other_key else f" of {key}"
            yield (other_key,), f"{other} overlaps {span}{whose}"


def _covers(span: str) -> set[int]:
    begin, end = minutes(span)
    return set(range(begin, end)) if begin < end else {*range(begin, DAY), *range(end)}


def warnings(looked: Looked, today: date) -> Iterator[Fault]:
    """Yield what still works but should be looked at."""
    if looked.whole("calendar.toml"):
        yield from _calendar_warnings(looked, today)
    if looked.whole("calendar.toml", "flows"):
        yield from _unused(looked)
    if looked.whole("hotlines.csv"):
        yield from _reviews(looked, today)


def _calendar_warnings(looked: Looked, today: date) -> Iterator[Fault]:
    calendar, document = looked.reading.city.calendar, looked.reading.calendar
    for i, override in enumerate(calendar.overrides):
        if override.date < today:
            reason = f"{override.date} is past: the line can go"
            yield document.fault(["overrides", i, "date"], reason)
    last = known_until()
    written = sum(override.date.year == last.year + 1 for override in calendar.overrides)
    if last - AHEAD < today and written < HOLIDAYS:
        yield document.fault(
            [],
            f"holidays and 调休 are known until {last}; afterwards Monday to Friday are working "
            f"days, but for {written} that overrides name: update chinesecalendar (pip install -U "
            f"chinesecalendar) or write the holidays of {last.year + 1} as overrides",
            key="overrides",
        )


def _unused(looked: Looked) -> Iterator[Fault]:
    asked = {
        step.schedule
        for flow in looked.found.values()
        for step in flow.steps.values()
        if isinstance(step, flows.Hours)
    }
    for name in looked.reading.city.calendar.schedules:
        if name not in asked:
            reason = "no flow asks for it"
            yield looked.reading.calendar.fault(["schedules", name], reason)


def _reviews(looked: Looked, today: date) -> Iterator[Fault]:
    file = looked.reading.folder / "hotlines.csv"
    rows, _ = read_table(file, required=COLUMNS, optional=["note"], many_lines=["note"])
    lines = {row.cells["number"]: row.line for row in rows}
    for number in looked.reading.city.register.numbers.values():
        if number.review is not None and number.review < today:
            reason = f"{number.number} was to be looked at again on {number.review}"
            yield Fault(str(file), lines[number.number], "review", reason)
