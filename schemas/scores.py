"""How units are scored (plan 六(六)): `scores.toml` as a model, and scores in JSON."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas.calendar import Part

Figure = Literal["volume", "satisfied", "signed_in_time", "returned", "reworked", "closed_in_time"]
"""工单量, 满意度, 及时接收率, 回退率, 重办率, 按时办结率 (requirements.md, S56)."""


class Weight(Part):
    """What one figure is worth."""

    name: Annotated[str, Field(min_length=2, max_length=20)]
    weight: Annotated[float, Field(ge=0, le=100)]
    best: float = 1.0
    """Value that earns the whole weight; in between it is linear."""
    worst: float = 0.0
    """Value that earns nothing; below `best` or, for returns and reworks, above it."""
    source: Annotated[str, Field(min_length=2, max_length=200)]


class Scores(Part):
    """All of scores.toml."""

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,16}$")] = "0"
    fewest: Annotated[int, Field(ge=1, le=100)] = 1
    """Tickets in a month below which a unit has figures and no score."""
    figures: Mapping[Figure, Weight] = {}


Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-10"])]
"""A month in Asia/Shanghai."""


class FigureOut(BaseModel):
    """One figure of one unit."""

    label: str
    value: float | None = Field(
        description="A share 0-1 (volume: tickets); null: there was nothing to divide by"
    )
    part: int
    whole: int | None = Field(description="null: it is a number and no share")
    points: float | None = Field(description="0-1: what of its weight it earned; null: not scored")


class UnitScoreOut(BaseModel):
    """What a month says of one unit."""

    unit: str
    unit_label: str
    figures: Mapping[Figure, FigureOut]
    unreached: int = Field(description="Callbacks nobody answered; never counted as satisfied")
    score: float | None = Field(description="0-100; null: too few tickets")
    rank: int | None = Field(description="1 is the best; equal scores share one")


class MonthOut(BaseModel):
    """What a month says of the units; a unit's own people see their own alone."""

    month: str
    closed: bool = Field(description="Frozen: it does not change again")
    formula: str = Field(description="Version of scores.toml")
    formula_sha256: str
    made_at: str
    made_by: str | None = Field(description="Who closed it; null while it is open")
    ranked: int = Field(description="How many units have a rank")
    units: list[UnitScoreOut]


class DifferenceOut(BaseModel):
    """A unit whose closed month would be another today."""

    unit: str
    unit_label: str
    closed: UnitScoreOut | None = Field(description="As it was closed; null: it had nothing then")
    now: UnitScoreOut | None = Field(description="As it would be; null: nothing is left of it")


class RecomputedOut(BaseModel):
    """A closed month reckoned again; nothing is written."""

    month: str
    formula: str = Field(description="Version the month was closed with")
    formula_now: str
    same_formula: bool
    differences: list[DifferenceOut]
