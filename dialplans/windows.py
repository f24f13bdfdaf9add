"""Days and hours that stand for all others: one of each kind, cut where a schedule changes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from schemas.calendar import DAY, Calendar, is_open, is_workday, known_until, minutes
from schemas.times import SHANGHAI

KINDS: Mapping[str, str] = {
    "workday": "工作日，前一天也上班",
    "after-rest": "休息后的第一个工作日",
    "saturday": "休息日，前一天上班",
    "sunday": "休息日，前一天也休息",
    "holiday": "法定节假日（周一至周五）",
    "makeup": "调休上班的周末",
}
"""Kinds of days; what was on the day before counts, since a night reaches into the next morning."""

FARTHEST = 400
"""Days that are looked at, forwards and then backwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a day in which no schedule opens or closes."""

    day: str
    """One of `KINDS`."""
    begin: datetime
    """Local time; calls are tried at this minute."""
    end: datetime

    @property
    def hours(self) -> str:
        """As `08:30-12:00`."""
        end = "24:00" if self.end.date() > self.begin.date() else f"{self.end:%H:%M}"
        return f"{self.begin:%H:%M}-{end}"

    def __str__(self) -> str:
        return f"{self.day} {self.hours}"


def days(calendar: Calendar, today: date, *, avoid: Collection[date] = ()) -> dict[str, date]:
    """Return a day of each kind, the next from *today* on whose kind is known for sure.

    Holidays are known to the end of a year only; what is not to come any more is taken from
    before *today*. A kind of which there is none is left out.

    Args:
        avoid: days that stand for nothing but themselves.
    """

    def works(day: date) -> bool:
        return is_workday(calendar, day)

    def kind(day: date) -> str:
        week, before = day.weekday() < 5, works(day - timedelta(days=1))
        if works(day):
            return ("workday" if before else "after-rest") if week else "makeup"
        return "holiday" if week else "saturday" if before else "sunday"

    last = max([known_until(), *(override.date for override in calendar.overrides)])
    ahead = (today + timedelta(days=n) for n in range(FARTHEST))
    back = (today - timedelta(days=n) for n in range(1, FARTHEST))
    found: dict[str, date] = {}
    for day in (*(day for day in ahead if day <= last), *back):
        if len(found) == len(KINDS):
            break
        if day in avoid:
            continue
        found.setdefault(kind(day), day)
    return {name: found[name] for name in KINDS if name in found}


def windows(calendars: Iterable[Calendar], on: Mapping[str, date]) -> tuple[Window, ...]:
    """Return the windows of these days in which nothing changes in any of *calendars*.

    Args:
        on: days by the name of their kind.
    """
    plans = tuple(calendars)

    def states(at: datetime) -> tuple[bool, ...]:
        return tuple(is_open(c, name, at) for c in plans for name in c.schedules)

    edges = {0}
    for calendar in plans:
        for plan in calendar.schedules.values():
            for span in plan.every + plan.workdays + plan.holidays:
                edges |= set(minutes(span))
    found: list[Window] = []
    for name, day in on.items():
        midnight = datetime.combine(day, time(), SHANGHAI)
        begins = [midnight + timedelta(minutes=edge) for edge in sorted(edges - {DAY})]
        begins = _changes(begins, states)
        ends = [*begins[1:], midnight + timedelta(minutes=DAY)]
        found += [Window(day=name, begin=b, end=e) for b, e in zip(begins, ends, strict=True)]
    return tuple(found)


def _changes(
    moments: list[datetime], states: Callable[[datetime], tuple[bool, ...]]
) -> list[datetime]:
    """Return the moments at which it is another state than at the one before."""
    at = [states(moment) for moment in moments]
    return [m for i, m in enumerate(moments) if i == 0 or at[i] != at[i - 1]]


def told(some: Iterable[Window], every: Iterable[Window]) -> str:
    """Return *some* windows in a line for people; `always` when they are *every* one."""
    chosen, of_days = set(some), dict[str, list[Window]]()
    for window in every:
        of_days.setdefault(window.day, []).append(window)
    if all(window in chosen for found in of_days.values() for window in found):
        return "always"
    hours: dict[str, list[str]] = {}
    for day, found in of_days.items():
        if spans := _spans([window for window in found if window in chosen]):
            hours.setdefault(spans, []).append(day)
    return "; ".join(f"{_names(names, len(of_days))} {spans}" for spans, names in hours.items())


def _names(days: list[str], all_days: int) -> str:
    return "every day" if len(days) == all_days else ", ".join(days)


def _spans(found: list[Window]) -> str:
    """Return the hours of one day's windows, those that touch put together."""
    joined: list[Window] = []
    for window in found:
        if joined and joined[-1].end == window.begin:
            last = joined.pop()
            window = Window(day=last.day, begin=last.begin, end=window.end)
        joined.append(window)
    return " ".join(window.hours for window in joined)
