"""The six monthly figures of a unit, and its score. Pure: the same counts give the same score.

- `volume` 工单量: tickets dispatched to the unit.
- `satisfied` 满意度: of the callbacks in which a citizen rated, those with 3 (基本满意) or better
  and not 未解决.
- `signed_in_time` 及时接收率: of the signing due in the month, what was signed or returned in time.
- `returned` 回退率: tickets the unit returned (退单), by the tickets dispatched to it.
- `reworked` 重办率: tickets it was to do again (重办), by the tickets it finished.
- `closed_in_time` 按时办结率: of the closing due in the month, what was finished in time.

A rate of nothing is None, never 0 % or 100 %. Who was not reached has rated nothing: that is
counted by itself (`unreached`) and is never satisfied. What is overdue and not done counts as late
in the month it was due in, so not finishing hides nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.scores import Figure, Scores, Weight

RULES = 1
"""Version of this module: raise it when the same counts give other figures or another score."""
SATISFIED = 3
"""Lowest rating, 1-5, that counts as satisfied."""
LABELS: Mapping[Figure, str] = {
    "volume": "工单量",
    "satisfied": "满意度",
    "signed_in_time": "及时接收率",
    "returned": "回退率",
    "reworked": "重办率",
    "closed_in_time": "按时办结率",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What happened to one unit's tickets in one month."""

    dispatched: int = 0
    returned: int = 0
    finished: int = 0
    reworked: int = 0
    rated: int = 0
    satisfied: int = 0
    unreached: int = 0
    """Callbacks that nobody answered: shown, never scored."""
    signs_due: int = 0
    signs_met: int = 0
    closes_due: int = 0
    closes_met: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One figure."""

    value: float | None
    """A share 0-1 (volume: tickets); None: there was nothing to divide by."""
    part: int
    whole: int | None
    """None: it is a number and no share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a month says of a unit."""

    figures: Mapping[Figure, Value]
    points: Mapping[Figure, float]
    """0-1 of each figure that has a value and a weight."""
    score: float | None
    """0-100; None: too few tickets, or nothing with a weight."""


def figures(counts: Counts) -> dict[Figure, Value]:
    """Return the six figures of *counts*."""
    return {
        "volume": Value(value=float(counts.dispatched), part=counts.dispatched, whole=None),
        "satisfied": _share(counts.satisfied, counts.rated),
        "signed_in_time": _share(counts.signs_met, counts.signs_due),
        "returned": _share(counts.returned, counts.dispatched),
        "reworked": _share(counts.reworked, counts.finished),
        "closed_in_time": _share(counts.closes_met, counts.closes_due),
    }


def rating(solved: bool | None, satisfied: int | None) -> bool | None:
    """Return whether a citizen who was reached is satisfied; None: they did not say."""
    if solved is False:
        return False
    return None if satisfied is None else satisfied >= SATISFIED


def score(counts: Counts, scores: Scores) -> Scored:
    """Return figures and score of *counts* by *scores*.

    Figures without a value earn nothing and cost nothing: their weight leaves the whole.
    """
    found = figures(counts)
    points: dict[Figure, float] = {}
    earned = whole = 0.0
    for name, weight in sorted(scores.figures.items()):
        value = found[name].value
        if value is None or weight.weight == 0:
            continue
        points[name] = round(_points(value, weight), 6)
        earned += points[name] * weight.weight
        whole += weight.weight
    enough = counts.dispatched >= scores.fewest and whole > 0
    return Scored(
        figures=found, points=points, score=round(100 * earned / whole, 2) if enough else None
    )


def ranks(scored: Mapping[str, float | None]) -> dict[str, int]:
    """Return the rank of each unit that has a score, 1 the best; equal scores share one."""
    known = sorted((value for value in scored.values() if value is not None), reverse=True)
    return {unit: known.index(value) + 1 for unit, value in scored.items() if value is not None}


def canonical(scores: Scores) -> str:
    """Return *scores* and the rules of this module as text, the same for the same meaning."""
    said = {"rules": RULES, "satisfied": SATISFIED, "scores": scores.model_dump(mode="json")}
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def fingerprint(scores: Scores) -> str:
    """Return the SHA-256 (hex) of `canonical`."""
    return hashlib.sha256(canonical(scores).encode()).hexdigest()


def _share(part: int, whole: int) -> Value:
    # more may be returned or reworked in a month than came in it: a share is never above the whole
    value = round(min(1.0, part / whole), 6) if whole else None
    return Value(value=value, part=part, whole=whole)


def _points(value: float, weight: Weight) -> float:
    if weight.best == weight.worst:
        return 1.0 if value == weight.best else 0.0
    return max(0.0, min(1.0, (value - weight.worst) / (weight.best - weight.worst)))
