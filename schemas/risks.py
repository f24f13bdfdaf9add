"""What may be a danger to the public: `risks.toml` as a model (plan 四(五))."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from schemas.calendar import Part

Level = Literal["notice", "serious", "grave"]
LEVEL_LABELS: Mapping[str, str] = {"notice": "提示", "serious": "较重", "grave": "严重"}
"""The word people read."""
ALIKE = "alike"
"""Topic of tickets that are many and alike, but about none of the topics."""
ALIKE_LABEL = "同类诉求集中"


class Topic(Part):
    """One sort of danger."""

    name: Annotated[str, Field(min_length=2, max_length=30)]
    level: Level = "serious"
    words: Annotated[
        tuple[Annotated[str, Field(min_length=2, max_length=20)], ...], Field(min_length=1)
    ]
    """Any of them in title or text."""
    unless: tuple[Annotated[str, Field(min_length=1, max_length=20)], ...] = ()
    """Words beside them, in the same clause, that mean no danger: 演练, 电影里."""
    at_once: bool = False
    """One ticket is enough; else a cluster is needed."""
    personal: bool = False
    """About one person: another person's ticket is another alarm, wherever it comes from."""
    hand_to: Annotated[str, Field(max_length=30)] = ""
    """Who must be told at once by telephone: 110, 119, 120."""


class Cluster(Part):
    """When tickets are many enough, alike and near each other."""

    tickets: Annotated[int, Field(ge=2, le=50)] = 3
    callers: Annotated[int, Field(ge=1, le=50)] = 2
    """Different numbers among them: who calls three times alone is a repeat caller."""
    hours: Annotated[float, Field(gt=0, le=168)] = 6
    alike: Annotated[int, Field(ge=1, le=100)] = 60
    """Likeness of the texts, 0-100, or the same topic."""
    county: Annotated[int, Field(ge=2, le=200)] = 5
    """Tickets of one county that are enough though each is of another town."""


class Risks(Part):
    """All of risks.toml."""

    version: str = "0"
    cluster: Cluster = Cluster()
    topics: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")], Topic] = {}

    @field_validator("topics")
    @classmethod
    def _own(cls, topics: Mapping[str, Topic]) -> Mapping[str, Topic]:
        if ALIKE in topics:
            raise ValueError(f"{ALIKE} is the name of what has no topic; choose another")
        return topics

    def label(self, topic: str) -> str:
        """Return *topic* as people read it; the code itself when nobody knows it any more."""
        if topic == ALIKE:
            return ALIKE_LABEL
        found = self.topics.get(topic)
        return topic if found is None else found.name
