"""Working time; pure: when so and so much of it has passed.

Working time is what the State Council's table and the admin's overrides call working days, and on
these the spans `every` and `workdays` of a schedule. On all other days no working time passes,
whatever a schedule says of them: what cannot wait has a limit by the wall clock. So a holiday that
is added only ever takes working time away, and nothing becomes due earlier.

Days and hours are Shanghai's, a fixed offset from UTC.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from schemas.calendar import DAY, Calendar, is_workday, minutes
from schemas.times import SHANGHAI, day_of, midnight

Stretch = tuple[float, float]
"""From, to; Unix seconds."""
HOURS = ("08:30-12:00", "14:00-18:00")
"""Of a schedule that nobody wrote, or that is never open on a working day."""
_NOTHING = 0.001
"""Seconds; Unix seconds as a float are no more exact."""


def day_spans(calendar: Calendar, schedule: str) -> tuple[Stretch, ...]:
    """Return the spans of a working day in seconds from its midnight, in order, not overlapping."""
    plan = calendar.schedules.get(schedule)
    spans = (plan.every + plan.workdays if plan is not None else ()) or HOURS
    ways = ((begin, end if begin < end else end + DAY) for begin, end in map(minutes, spans))
    found: list[Stretch] = []
    for begin, end in sorted((begin * 60.0, end * 60.0) for begin, end in ways):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)


def day_length(calendar: Calendar, schedule: str) -> float:
    """Return the seconds of a working day."""
    return sum(end - begin for begin, end in day_spans(calendar, schedule))


def after_day(calendar: Calendar, schedule: str, at: float) -> float:
    """Return when the day of *at* is over: at midnight, or when its spans past midnight end."""
    last = max(end for _, end in day_spans(calendar, schedule))
    return midnight(day_of(at)) + max(last, DAY * 60.0)


def working(calendar: Calendar, schedule: str, since: float) -> Iterator[Stretch]:
    """Yield the stretches of working time from *since* on, without end."""
    spans = day_spans(calendar, schedule)
    done = since
    # A span past midnight belongs to the day on which it begins: begin a day early.
    day = day_of(since) - timedelta(days=1)
    while True:
        if is_workday(calendar, day):
            start = midnight(day)
            for begin, end in spans:
                if start + end > done:
                    yield max(start + begin, done), start + end
                    done = start + end
        day += timedelta(days=1)


def reached(seconds: float, stretches: Iterable[Stretch], pauses: Iterable[Stretch]) -> float:
    """Return when *seconds* of *stretches* have passed, those in *pauses* not counted.

    Args:
        stretches: in order, without end.
        pauses: in order, not overlapping.
    """
    told = tuple(pauses)
    left = seconds
    for stretch in stretches:
        for begin, end in _without(stretch, told):
            if left <= end - begin + _NOTHING:
                return min(begin + left, end)
            left -= end - begin
    raise AssertionError("working time has no end")


def _without(stretch: Stretch, pauses: tuple[Stretch, ...]) -> Iterator[Stretch]:
    begin, end = stretch
    for at, until in pauses:
        if until <= begin:
            continue
        if at >= end:
            break
        if at > begin:
            yield begin, at
        begin = until
        if begin >= end:
            return
    yield begin, end


def people_time(at: float) -> str:
    """Return *at* to the minute, as people read it."""
    return datetime.fromtimestamp(at, SHANGHAI).strftime("%Y-%m-%d %H:%M")
