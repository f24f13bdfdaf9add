"""What is proposed to the agent: units, categories, place, and what to mind first. Pure."""

from dataclasses import dataclass
from typing import Literal

from cti.tickets.matters import Guess
from cti.tickets.places import NOWHERE, Place
from schemas.cases import Urgency

Level = Literal["city", "county", "firm"]

SCOPES = {
    1: "非宝鸡行政辖区管辖事务",
    2: "省级、国家级主管、垂直管理及涉军事务",
    3: "人大、政协、监察、检察、法院业务及已进入法律、仲裁程序的事务",
    4: "公安业务、警务或应急、急救事务",
    5: "有关部门（如信访）已经受理正在处理的事务",
    6: "专业经营单位的服务业务（投诉举报除外）",
    7: "有专门解决途径的事务（如党务、人事任免）",
}
"""What the hotline does not take (plan 四)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A unit that may handle it."""

    unit: str
    name: str
    level: Level
    score: float
    """0-1: how much speaks for it; falls from the first to the last."""
    reasons: tuple[str, ...]
    """In words, Chinese; at least one."""
    assisting: tuple[str, ...] = ()
    """Units that should assist (协办、业务指导)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeHint:
    """It may be something the hotline does not take."""

    number: int
    """Class, 1-7."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """All that text, place and number say about who handles it."""

    ranked: tuple[Choice, ...]
    """At least one."""
    categories: tuple[Guess, ...] = ()
    """Likeliest first."""
    place: Place = NOWHERE
    urgency: Urgency = Urgency.NORMAL
    complained_of: str | None = None
    """Unit whose conduct is complained of."""
    scope: ScopeHint | None = None
    emergency: bool = False
    advice: tuple[str, ...] = ()
    """What the agent should do or ask first, in words."""

    @property
    def category(self) -> str | None:
        """Code of the likeliest category."""
        return self.categories[0].code if self.categories else None

    @property
    def county(self) -> str | None:
        """Code of the county."""
        return self.place.county

    @property
    def town(self) -> str | None:
        """Name of the town."""
        return self.place.town
