"""Working days and opening hours: `calendar.toml` as a model, and when a schedule is open.

Holidays and the working weekends around them (调休) come from chinesecalendar; `overrides` win, for
days the State Council announces later and for the city's own.
"""

import itertools
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal

import chinese_calendar
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
DAY = 24 * 60
"""Minutes of a day."""


def _span(text: str) -> str:
    if not _SPAN.fullmatch(text):
        raise ValueError("must be from-to, as 08:30-12:00 or, past midnight, 22:00-07:00")
    begin, end = minutes(text)
    if begin == end:
        raise ValueError("begins when it ends; all day is 00:00-24:00")
    return text


Span = Annotated[str, AfterValidator(_span)]


def minutes(span: str) -> tuple[int, int]:
    """Return begin and end of *span* in minutes of the day; the end may be 1440."""
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in span.split("-"))
    return begin, end


class Part(BaseModel):
    """Base: unknown keys are faults, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(Part):
    """When something is open. A span past midnight belongs to the day on which it begins."""

    title: str = Field(default="", max_length=60)
    every: tuple[Span, ...] = ()
    """Spans of every day."""
    workdays: tuple[Span, ...] = ()
    holidays: tuple[Span, ...] = ()
    """Spans of all days that are no working days: weekends and holidays."""


class Override(Part):
    """A day that is not what chinesecalendar says, or that it cannot know yet."""

    date: date
    kind: Literal["workday", "holiday"]
    why: str = Field(min_length=1, max_length=100)


class Calendar(Part):
    """The admin's calendar."""

    schedules: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], Schedule] = {}
    overrides: tuple[Override, ...] = ()


def known_until() -> date:
    """Return the last day of which chinesecalendar knows whether it is a working day."""
    return date(max(day.year for day in chinese_calendar.holidays), 12, 31)


def is_workday(calendar: Calendar, day: date) -> bool:
    """Tell whether *day* is a working day; beyond what is known, Monday to Friday are."""
    for override in calendar.overrides:
        if override.date == day:
            return override.kind == "workday"
    return _told_workday(day)


@lru_cache(maxsize=1000)
def _told_workday(day: date) -> bool:
    """Tell whether *day* is a working day by the State Council's table; 30 µs without the cache."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def is_open(calendar: Calendar, schedule: str, at: datetime) -> bool:
    """Tell whether *schedule* is open *at*, local time; one that does not exist never is."""
    plan = calendar.schedules.get(schedule)
    if plan is None:
        return False
    minute = at.hour * 60 + at.minute
    today, yesterday = at.date(), at.date() - timedelta(days=1)
    for begin, end in map(minutes, spans(calendar, plan, today)):
        if begin <= minute < end or (end < begin and minute >= begin):
            return True
    return any(
        end < begin and minute < end
        for begin, end in map(minutes, spans(calendar, plan, yesterday))
    )


def spans(calendar: Calendar, plan: Schedule, day: date) -> tuple[str, ...]:
    """Return the spans of *plan* that begin on *day*."""
    return plan.every + (plan.workdays if is_workday(calendar, day) else plan.holidays)


def windows(
    calendar: Calendar, days: Mapping[str, date]
) -> tuple[tuple[str, datetime, datetime], ...]:
    """Return the time windows in which no schedule changes: (name, begin, end), local time.

    Args:
        days: representative days by name, e.g. a working day, a weekend, a holiday.
    """
    cuts = {0, DAY}
    for plan in calendar.schedules.values():
        for span in plan.every + plan.workdays + plan.holidays:
            cuts |= set(minutes(span))
    edges = sorted(cuts)
    found = []
    for name, day in days.items():
        for begin, end in itertools.pairwise(edges):
            first = datetime.combine(day, time(begin // 60, begin % 60))
            found.append((name, first, first + timedelta(minutes=end - begin)))
    return tuple(found)
