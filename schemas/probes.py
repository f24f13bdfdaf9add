"""承办单位 and their duty-phone probes (拨测) in JSON."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field


class ProbeState(StrEnum):
    """Where a probe is."""

    PLANNED = "planned"
    CALLING = "calling"
    ENDED = "ended"


class ProbeResult(StrEnum):
    """What became of a probe."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID = "invalid"
    """The number does not exist."""
    FAILED = "failed"
    """Ours: no line, no controller, no time. Says nothing about the unit."""


RESULT_LABELS: Mapping[ProbeResult, str] = {
    ProbeResult.ANSWERED: "接通",
    ProbeResult.BUSY: "占线",
    ProbeResult.NO_ANSWER: "无人接听",
    ProbeResult.REJECTED: "拒接",
    ProbeResult.INVALID: "空号",
    ProbeResult.FAILED: "拨测未成",
}


class ProbeOut(BaseModel):
    """One test call to a unit's duty phone."""

    id: int
    unit: str
    phone: str | None = Field(description="null for who may not see numbers")
    state: ProbeState
    planned_at: str
    asked_by: str | None = Field(description="null: of the day's plan")
    called_at: str | None
    result: ProbeResult | None
    result_label: str | None
    rang: float | None = Field(description="Seconds until the answer or the end")
    cause: int | None = Field(description="Q.850 cause the line gave")


class ReachOut(BaseModel):
    """How often a duty phone was answered; probes that failed on our side do not count."""

    days: int
    answered: int
    all: int
    share: float | None = Field(description="null: never rung in these days")


class OnDutyOut(BaseModel):
    """Who answers for a unit now."""

    who: str
    phone: str | None


class UnitOut(BaseModel):
    """A unit with its 四个一."""

    code: str
    name: str
    level: Literal["city", "county", "firm"]
    parent: str | None
    hours: str = Field(description="Schedule that working time is counted in")
    phone: str | None = Field(description="一部电话; null for who may not see numbers")
    login: str = Field(description="一台电脑: login of the clerk")
    clerk: str = Field(description="一名专(兼)职工作人员")
    head: str = Field(description="一个负责人")
    head_login: str
    head_phone: str | None
    departments: list[str] = Field(description="县(区)部门 → 市级部门, by the city unit's code")
    on_duty: OnDutyOut
    last_probe: ProbeOut | None = Field(description="The last that has ended")
    reach: ReachOut
