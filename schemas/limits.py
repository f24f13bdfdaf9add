"""Time limits of case work: `limits.toml` as a model. Every number names its source."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from schemas.calendar import Part
from schemas.cases import ClockName, Kind, Urgency

Measure = Literal["workdays", "workhours", "hours", "days"]
"""Working days and hours of the schedule it is counted in; hours and days of the wall clock."""
MEASURES: Mapping[str, str] = {
    "workdays": "个工作日",
    "workhours": "个工作小时",
    "hours": "小时",
    "days": "天",
}
"""As people read them after a number."""


class Limit(Part):
    """How long something may take."""

    clock: ClockName
    amount: Annotated[float, Field(gt=0, le=400)]
    measure: Measure
    kinds: tuple[Kind, ...] = ()
    """Kinds of ticket it is for; none: all."""
    urgency: Urgency | None = None
    """None: all."""
    yellow: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Share of the limit after which the light is yellow."""
    source: Annotated[str, Field(min_length=2, max_length=200)]
    """Document and paragraph, or where the number was taken from."""


class Rung(Part):
    """One step of the ladder a late clock climbs."""

    clock: ClockName | None = None
    """None: every clock that has no rung of its own."""
    after: Annotated[float, Field(ge=-1, le=20)]
    """Share of the limit past the due time; negative: before it."""
    tell: Literal["clerk", "head", "monitors", "leader"]
    """经办人 → 负责人 → 督办 → 分管领导."""
    source: Annotated[str, Field(min_length=2, max_length=200)]


class Limits(Part):
    """All of limits.toml. Of several limits that fit, the most special one counts."""

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,20}$")] = "0"
    hours: str = "office"
    """Schedule of the hotline's own working time; units have their own."""
    most_returns: Annotated[int, Field(ge=0, le=9)] = 2
    """退单 without the coordinator."""
    most_extensions: Annotated[int, Field(ge=0, le=9)] = 1
    longest_extension: Annotated[float, Field(gt=0, le=100)] = 10
    """Working days past the due time that may be asked for."""
    limits: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Limit] = {}
    """By name: the clock's `basis`."""
    ladder: tuple[Rung, ...] = ()
    """Empty: the built-in one."""


def _built_in() -> Mapping[str, Limit]:
    """Return a limit for every clock and urgency: a ticket without a due time must not be."""
    days: Mapping[ClockName, tuple[float, Measure]] = {
        ClockName.ACCEPT: (2, "hours"),
        ClockName.DISPATCH: (1, "workdays"),
        ClockName.SIGN: (1, "workdays"),
        ClockName.CONTACT: (1, "workdays"),
        ClockName.CLOSE: (5, "workdays"),
        ClockName.REPLY: (6, "workdays"),
        ClockName.REVIEW: (1, "workdays"),
        ClockName.EXTENSION: (1, "workdays"),
        ClockName.CITIZEN: (3, "workdays"),
        ClockName.CHECK: (1, "workdays"),
    }
    long, slow = {ClockName.CLOSE, ClockName.REPLY}, {ClockName.CITIZEN, ClockName.CHECK}
    found = {
        f"default.{clock}": Limit(clock=clock, amount=amount, measure=measure, source="内置默认")
        for clock, (amount, measure) in days.items()
    }
    for urgency, short, rest in ((Urgency.PRESSING, 24, 2), (Urgency.URGENT, 2, 1)):
        for clock in ClockName:
            found[f"default.{clock}.{urgency}"] = Limit(
                clock=clock,
                amount=24 if clock in slow else short if clock in long else rest,
                measure="hours",
                urgency=urgency,
                source="内置默认",
            )
    return found


BUILT_IN: Mapping[str, Limit] = _built_in()
"""Counts where limits.toml says nothing; the names cannot be those of a file."""
BUILT_IN_LADDER = tuple(
    Rung(after=after, tell=tell, source="内置默认")
    for after, tell in ((-0.3, "clerk"), (0.0, "head"), (0.5, "monitors"), (1.0, "leader"))
)


def limit_for(
    limits: Limits, clock: ClockName, kind: str | None, urgency: Urgency
) -> tuple[str, Limit]:
    """Return name and limit that fit best: one for the urgency, then one for the kind.

    Of equals the first counts. A ticket without a kind has only limits for all kinds.
    """
    chosen = _fitting(limits.limits, clock, kind, urgency)
    return max(
        chosen or _fitting(BUILT_IN, clock, kind, urgency),
        key=lambda one: (one[1].urgency is not None, bool(one[1].kinds)),
    )


def _fitting(
    limits: Mapping[str, Limit], clock: ClockName, kind: str | None, urgency: Urgency
) -> list[tuple[str, Limit]]:
    return [
        (name, limit)
        for name, limit in limits.items()
        if limit.clock is clock
        and (not limit.kinds or kind in limit.kinds)
        and limit.urgency in (None, urgency)
    ]


def limit_named(limits: Limits, name: str) -> Limit | None:
    """Return the limit that is a clock's `basis`; None when the file has it no more."""
    return limits.limits.get(name) or BUILT_IN.get(name)


def ladder_of(limits: Limits, clock: ClockName) -> tuple[Rung, ...]:
    """Return the rungs of *clock* from the lowest to the highest."""
    rungs = limits.ladder or BUILT_IN_LADDER
    own = [rung for rung in rungs if rung.clock is clock]
    chosen = own or [rung for rung in rungs if rung.clock is None]
    return tuple(sorted(chosen, key=lambda rung: rung.after))
