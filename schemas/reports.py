"""Figures of the service level, in JSON."""

from pydantic import BaseModel, ConfigDict, Field


class Level(BaseModel):
    """Calls of one span, counted."""

    calls: int = Field(description="All calls that reached a hotline number")
    offered: int = Field(
        description="Calls a person should have answered: all but those that a spoken notice "
        "served, and those that have not waited as long as the limit yet"
    )
    answered: int
    in_time: int = Field(description="Answered within the limit, counted from the INVITE")
    abandoned: int = Field(description="Callers who hung up in the flow or in a queue")
    failed: int
    rate: float | None = Field(description="in_time / offered, 0-1; null when none was offered")
    answer_rate: float | None = Field(description="answered / offered, 0-1 (接通率)")
    mean_answer_seconds: float | None


class NumberLevel(Level):
    """Calls of one number of the register; null: a number that is not in it."""

    number: str | None
    hotline: str | None


class HourLevel(Level):
    """Calls that began in one hour."""

    hour: str = Field(description="Beginning of the hour, ISO 8601 with zone")


class Rolling(Level):
    """The 24 hours before the end of the span (GB/T 33358-2016: at least 95 %)."""

    since: str
    until: str
    target: float = 0.95


class ServiceLevel(BaseModel):
    """How well the line was answered."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: str = Field(alias="from")
    until: str = Field(alias="to", description="Not included")
    limit_seconds: float = Field(description="Answered within this many seconds of the INVITE")
    total: Level
    rolling_24h: Rolling
    by_number: list[NumberLevel]
    by_hour: list[HourLevel]


class Cost(BaseModel):
    """What callers paid in seconds, and how many gave up meanwhile."""

    day: str = Field(description="Day in Shanghai, ISO 8601")
    flow: str
    calls: int = Field(description="Calls that heard it")
    seconds: float = Field(description="Of all calls together")
    mean_seconds: float = Field(description="That it added to a call")
    left: int = Field(description="Calls whose caller hung up there")
    left_share: float = Field(description="left / calls, 0-1")


class FlowCost(Cost):
    """A flow on one day."""


class StepCost(Cost):
    """One step of a flow on one day."""

    step: str = Field(description="flow/step")
    prompts: list[str] = Field(description="What it played, up to 20 different ones")
    played_seconds: float
    waited_seconds: float = Field(description="Silence while a key was waited for")
    cut: int = Field(description="Calls whose caller cut a prompt by a key")


class MenuCost(BaseModel):
    """What the prompts cost, by day, flow and step."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: str = Field(alias="from")
    until: str = Field(alias="to", description="Not included")
    flows: list[FlowCost]
    steps: list[StepCost]
