"""The ladder a late clock climbs (经办人 → 负责人 → 督办 → 分管领导); pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from cti.tickets import clocks
from schemas.calendar import Calendar
from schemas.cases import Clock
from schemas.limits import Limits, ladder_of

Tell = Literal["clerk", "head", "monitors", "leader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """A rung that a clock has come to."""

    clock: Clock
    """With `rung` as it must be kept, so that the rung is not taken twice."""
    index: int
    """From 0, of the clock's own rungs."""
    tell: Tell
    at: float
    """When it was due, Unix seconds: earlier than now, if we were away."""
    source: str


def climbs(
    running: Iterable[Clock], limits: Limits, calendar: Calendar, now: float
) -> Iterator[Climb]:
    """Yield the rungs that became due and were not taken yet, clock by clock, lowest first.

    A clock that pauses climbs no further; one that was away for long climbs several rungs at once.
    """
    for clock in running:
        if not clock.running or clock.paused:
            continue
        for index, rung in enumerate(ladder_of(limits, clock.name)):
            if index < clock.rung:
                continue
            at = clocks.moment(clock, calendar, 1 + rung.after)
            if at > now:
                break
            yield Climb(
                clock=replace(clock, rung=index + 1),
                index=index,
                tell=rung.tell,
                at=at,
                source=rung.source,
            )


def next_climb(clock: Clock, limits: Limits, calendar: Calendar) -> float | None:
    """Return when *clock* comes to its next rung, Unix seconds; None: it stands or is on top."""
    rungs = ladder_of(limits, clock.name)[clock.rung :]
    if not rungs or not clock.running or clock.paused:
        return None
    return clocks.moment(clock, calendar, 1 + rungs[0].after)
