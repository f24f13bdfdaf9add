"""拨测: when which duty phone is rung, and what its line said; pure.

A week is planned as a whole, from its Monday on, by a seed: asked again it is the same plan.
"""

import math
import random
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from schemas.calendar import Calendar, minutes, spans
from schemas.probes import ProbeResult
from schemas.times import day_of, midnight
from schemas.units import ProbePlan, Units

WEEK = 7 * 86400
AFTER = 15
"""Seconds that a call may last beyond its ringing: who answered hears what it is."""
APART = 3600
"""Seconds, at least, between two calls to the same unit."""
TRIES = 50
"""Times that are drawn for one call before there is none this week."""
_FIRST_MONDAY = date(1970, 1, 5)

Span = tuple[int, int]
"""Seconds of the week: from, and to, not included."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One call to be made."""

    at: float
    """Unix seconds."""
    unit: str


def plan_of_day(units: Units, calendar: Calendar, day: date, seed: str) -> tuple[Planned, ...]:
    """Return the calls of one day, in order."""
    week = plan_of_week(units, calendar, day, seed)
    return tuple(call for call in week if day_of(call.at) == day)


def plan_of_week(units: Units, calendar: Calendar, day: date, seed: str) -> tuple[Planned, ...]:
    """Return the calls of the week, Monday to Sunday, in which *day* is, in order.

    Each unit gets `per_week` calls, spread evenly over its hours and, for the share `at_night`,
    over all other time. Never more than `at_once` overlap: a call for which no time is found is
    left out.

    Args:
        seed: makes the times; who does not know it cannot foretell them.
    """
    monday = monday_of(day)
    begin = midnight(monday)
    times: dict[str, tuple[Sequence[Span], Sequence[Span]]] = {}
    drawn = _Drawn(units.probes)
    found: list[Planned] = []
    for code in sorted(units.units):
        hours = units.units[code].hours
        if hours not in times:
            open_ = open_spans(calendar, hours, monday)
            times[hours] = open_, _others(open_)
        # never for secrets: a plan must come out the same again
        dice = random.Random(f"{seed}/{monday}/{code}")  # noqa: S311
        phase = random.Random(f"{seed}/{code}").random()  # noqa: S311
        outside = _outside(units.probes, monday, phase)
        own: list[float] = []
        for n in range(units.probes.per_week):
            inside, others = times[hours]
            chosen = (others or inside) if n < outside else (inside or others)
            at = drawn.one(dice, chosen, own)
            if at is not None:
                found.append(Planned(begin + at, code))
    return tuple(sorted(found, key=lambda call: (call.at, call.unit)))


def monday_of(day: date) -> date:
    """Return the Monday of the week in which *day* is."""
    return day - timedelta(days=day.weekday())


def _outside(plan: ProbePlan, monday: date, phase: float) -> int:
    """Return how many of a unit's calls this week are outside its hours.

    The share is kept over the weeks to within one call, whatever it is.
    """
    week = (monday - _FIRST_MONDAY).days // 7
    share = plan.per_week * plan.at_night
    until = math.floor(share * (week + 1) + phase) - math.floor(share * week + phase)
    return min(plan.per_week, until)


class _Drawn:
    """The calls drawn so far, of all units."""

    def __init__(self, plan: ProbePlan) -> None:
        self._lasts = plan.ring_for + AFTER
        self._at_once = plan.at_once
        self._taken: list[float] = []

    def one(self, dice: random.Random, spans: Sequence[Span], own: list[float]) -> int | None:
        """Return the second of the week of one call more; None when no time is found."""
        for _ in range(TRIES):
            at = _draw(dice, spans)
            near = [t for t in own if abs(t - at) < APART]
            if not near and self._beside(at) < self._at_once:
                insort(self._taken, at)
                own.append(at)
                return at
        return None

    def _beside(self, at: int) -> int:
        """Return how many calls a call at this second may overlap."""
        first = bisect_left(self._taken, at - self._lasts + 1)
        return bisect_left(self._taken, at + self._lasts) - first


def _draw(dice: random.Random, spans: Sequence[Span]) -> int:
    """Return a second of these spans, each as likely as any other."""
    left = dice.randrange(sum(end - begin for begin, end in spans))
    for begin, end in spans:  # pragma: no branch - one of them has it
        if left < end - begin:
            break
        left -= end - begin
    return begin + left


def open_spans(calendar: Calendar, hours: str, monday: date) -> Sequence[Span]:
    """Return when a schedule is open in the week that begins on *monday*."""
    plan = calendar.schedules.get(hours)
    if plan is None:
        return ()
    found: list[Span] = []
    for n in range(-1, 7):  # Sunday's night reaches into Monday
        for begin, end in map(minutes, spans(calendar, plan, monday + timedelta(days=n))):
            last = end if end > begin else end + 24 * 60
            found.append((max(0, n * 86400 + begin * 60), min(WEEK, n * 86400 + last * 60)))
    return tuple(_joined(sorted(span for span in found if span[0] < span[1])))


def _joined(sorted_spans: Sequence[Span]) -> Iterator[Span]:
    now: Span | None = None
    for span in sorted_spans:
        if now is None:
            now = span
        elif span[0] <= now[1]:
            now = now[0], max(now[1], span[1])
        else:
            yield now
            now = span
    if now is not None:
        yield now


def _others(open_: Sequence[Span]) -> Sequence[Span]:
    edges = [0, *(edge for span in open_ for edge in span), WEEK]
    return tuple(
        (begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end
    )


_CAUSES = {
    1: ProbeResult.INVALID,  # unallocated number
    17: ProbeResult.BUSY,
    18: ProbeResult.NO_ANSWER,  # no user responding
    19: ProbeResult.NO_ANSWER,
    21: ProbeResult.REJECTED,
    22: ProbeResult.INVALID,  # number changed
    28: ProbeResult.INVALID,  # number incomplete
}
"""Q.850 causes that tell of the phone. All others tell of a line, and that may be ours."""


def result_of(status: str, cause: int, *, alive: bool) -> ProbeResult:
    """Return what a call came to.

    Args:
        status: Dial()'s DIALSTATUS.
        cause: Q.850 cause.
        alive: the far side rang, or said anything at all: a dead trunk is no fault of the unit.
    """
    if status == "ANSWER":
        return ProbeResult.ANSWERED
    if status == "NOANSWER":
        return ProbeResult.NO_ANSWER if alive else ProbeResult.FAILED
    if status == "CANCEL":
        return ProbeResult.FAILED
    return _CAUSES.get(cause, ProbeResult.BUSY if status == "BUSY" else ProbeResult.FAILED)
