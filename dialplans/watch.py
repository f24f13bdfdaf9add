"""Whether a published change does harm: the calls since then against those of the hour before.

Failures of the flow decide fast, for nothing but the change explains them. Abandonment and service
level swing by themselves, so they need many calls, a difference that matters and one that chance
does not explain.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Calls of one span, counted."""

    calls: int = 0
    failed: int = 0
    """Those whose flow failed in a step, or died so that the dialplan had to help itself."""
    offered: int = 0
    """Those whom a person should have answered."""
    abandoned: int = 0
    in_time: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a change is bad."""

    failed_calls: int = 3
    """So many failures at least."""
    failed_points: float = 5.0
    """Percentage points that failures may grow by."""
    points: float = 10.0
    """Percentage points that abandonment may grow, or the service level fall, by."""
    calls: int = 30
    """Calls that both spans must have for abandonment and service level to count."""
    sigmas: float = 3.0
    """How unlikely the difference must be by chance, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a look."""

    bad: bool
    why: str = ""


GOOD = Verdict(bad=False)


def judge(before: Sample, after: Sample, limits: Limits) -> Verdict:
    """Compare the calls *after* a change with those *before* it."""
    was, is_ = _percent(before.failed, before.calls), _percent(after.failed, after.calls)
    if after.failed >= limits.failed_calls and is_ - was > limits.failed_points:
        return Verdict(
            bad=True,
            why=f"the flow failed in {after.failed} of {after.calls} calls ({is_:.0f} %; "
            f"in the hour before {was:.0f} %)",
        )
    if min(before.offered, after.offered) < limits.calls:
        return GOOD
    for name, then, now, worse in (
        ("abandoned", before.abandoned, after.abandoned, 1),
        ("answered in time", before.in_time, after.in_time, -1),
    ):
        was, is_ = _percent(then, before.offered), _percent(now, after.offered)
        apart = _sigmas(then, before.offered, now, after.offered)
        if (is_ - was) * worse > limits.points and apart * worse > limits.sigmas:
            return Verdict(
                bad=True,
                why=f"{is_:.0f} % of {after.offered} calls were {name} "
                f"(in the hour before {was:.0f} % of {before.offered})",
            )
    return GOOD


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def _sigmas(then: int, before: int, now: int, after: int) -> float:
    """Return how far apart two shares are, in standard deviations (pooled two-proportion z)."""
    pooled = (then + now) / (before + after)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / before + 1 / after))
    return (now / after - then / before) / spread if spread else 0.0
