"""Numbers of the annex: lines, integration classes, how a dialled string becomes one of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

MAIN_NUMBER = "12345"
EMERGENCY_NUMBERS = frozenset({"110", "119", "120", "122"})
"""Never queued; who hands a caller over keeps the line until the other side has answered."""
PROBE_CALLER = "000"
"""How the number of a test caller begins; no citizen's does."""
AREA_CODE = "917"
"""Baoji's area code without the trunk 0."""

_FOREIGN = re.compile(r"^(?:\+|00)?86")
_AREA = re.compile(rf"^0?{AREA_CODE}(?=\d{{5,8}}$)")


class Integration(StrEnum):
    """How far a line has been merged into 12345 (plan 五(一))."""

    INTEGRATED = "integrated"
    """整合: answered here."""
    DUAL_RUN = "dual_run"
    """双轨运行: the owner keeps the number; owner's seat first, 12345 behind."""
    NOT_INTEGRATED = "not_integrated"
    """暂不整合: told the number, offered the transfer; queued here only when asked for a person."""


class Attribution(StrEnum):
    """How we know which number the citizen dialled, strongest first."""

    DID = "did"
    REDIRECTING = "redirecting"
    DIVERSION = "diversion"
    SAID = "said"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One dialable number of the register, with all that routing needs to know of its line."""

    number: str
    line_no: int
    """Line of the annex, 1-47; two numbers may share one."""
    hotline: str
    """Name of the line as the annex prints it (热线名称)."""
    owner_unit: str
    """主管单位 as the annex prints it."""
    unit: str
    """Short ASCII code of the owner unit; the skill and the name of its queue."""
    integration: Integration
    notice: str
    """Prompt id played first (greeting or migration notice)."""
    flow: str
    """Name of the flow that runs: `main`, `integrated`, `dual_run`, `not_integrated`."""
    seat: str | None = None
    """Dual-run only: the number of the owner's seat, reached over the trunk."""
    seat_seconds: int = 0
    """Dual-run only: seconds the owner's seat rings before the general queue is asked."""
    onward: str | None = None
    """Not integrated only: the number a caller is told and may be transferred to."""
    review: date | None = None
    """Day on which the class of the line must be looked at again."""

    @property
    def seat_queue(self) -> str | None:
        """Name of the queue that holds the owner's seats of a dual-run number."""
        return f"seat-{self.number}" if self.seat else None


@dataclass(frozen=True, slots=True)
class Register:
    """All numbers that may reach this service, by their digits."""

    numbers: Mapping[str, Number]

    def find(self, dialled: str) -> Number | None:
        """Return the register's entry for *dialled* in any usual spelling, or None."""
        return self.numbers.get(normalise(dialled))

    @property
    def units(self) -> Mapping[str, str]:
        """Owner units that have a queue of their own: code → Chinese name."""
        return {
            n.unit: n.owner_unit
            for n in self.numbers.values()
            if n.integration is not Integration.NOT_INTEGRATED
        }


def normalise(dialled: str) -> str:
    """Return *dialled* as the register writes it: digits only, no country or area code.

    `+86 917 3206789`, `0917-3206789` and `3206789` are one number; so are `091712336` and `12336`.
    Anything that holds no digit becomes the empty string.
    """
    digits = re.sub(r"[^\d+]", "", dialled.partition(";")[0])
    digits = ("+" if digits.startswith("+") else "") + digits.replace("+", "")
    if (stripped := _FOREIGN.sub("", digits, count=1)) and len(stripped) >= 5 and digits[0] in "+0":
        digits = stripped
    digits = digits.lstrip("+")
    return _AREA.sub("", digits, count=1)
