"""风险预警 in JSON."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from schemas.http import Asks, Text
from schemas.risks import Level
from schemas.times import Since, Until

AlarmState = Literal["open", "confirmed", "dismissed"]
STATE_LABELS: Mapping[str, str] = {"open": "待研判", "confirmed": "已确认", "dismissed": "已排除"}
KIND_LABELS: Mapping[str, str] = {"word": "风险词", "cluster": "聚集"}


class AlarmOut(BaseModel):
    """A risk that tickets may mean; times ISO 8601 with zone. Nothing of callers stands here."""

    id: int
    kind: Literal["word", "cluster"]
    kind_label: str
    topic: str = Field(description="Of risks.toml; `alike`: many alike of no topic")
    topic_label: str
    level: Level
    level_label: str
    county: str | None
    county_label: str | None
    town: str | None
    hand_to: str = Field(description="Who must be told by telephone; empty: nobody")
    tickets: list[str] = Field(description="The oldest first")
    words: list[str]
    saved_at: str = Field(description="When what raised it was saved")
    raised_at: str
    state: AlarmState
    state_label: str
    decided_by: str | None
    decided_at: str | None
    why: str


class AlarmFilter(Asks):
    """Which alarms."""

    state: AlarmState | None = None
    topic: str | None = Field(default=None, max_length=40)
    county: str | None = Field(default=None, max_length=16)
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    before: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="Only ids below this: the next page"
    )


class DecisionIn(Asks):
    """What a supervisor thinks of an alarm; once only."""

    confirm: bool = Field(description="false: a false alarm")
    why: Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class FiguresAsked(Asks):
    """Alarms raised when."""

    since: Since | None = Field(default=None, description="Raised at this time or later")
    until: Until | None = Field(default=None, description="Raised before this time")


class TopicFigures(BaseModel):
    """Alarms of one topic."""

    topic: str
    topic_label: str
    raised: int
    open: int
    confirmed: int
    dismissed: int
    false_rate: float | None = Field(
        description="Dismissed among the decided, 0-1; null: nobody decided any yet"
    )


class Spread(BaseModel):
    """How long something took, in seconds; null: it never happened."""

    p50: float | None
    p99: float | None


class AlarmFigures(BaseModel):
    """How good alarms are, and how fast."""

    all: TopicFigures
    topics: list[TopicFigures]
    to_raising: Spread = Field(description="From saving the ticket to the alarm")
    to_decision: Spread = Field(description="From the alarm to its decision")
