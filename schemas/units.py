"""承办单位: `units.toml` as a model. Each has 四个一 (plan 五(三)) and a duty roster."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from schemas.calendar import Part, Span
from schemas.numbers import EMERGENCY_NUMBERS

UNIT_CODE = r"^[a-z][a-z0-9_]{1,31}$"
Code = Annotated[str, Field(pattern=UNIT_CODE)]


def _no_emergency(phone: str) -> str:
    if phone in EMERGENCY_NUMBERS:
        raise ValueError("is an emergency number: it would be rung for a test")
    return phone


Phone = Annotated[str, Field(pattern=r"^[0-9]{3,12}$"), AfterValidator(_no_emergency)]
Person = Annotated[str, Field(min_length=1, max_length=40)]


class Duty(Part):
    """One turn of the duty roster (值班)."""

    on: date
    span: Span = "00:00-24:00"
    who: Person
    phone: Phone


class Unit(Part):
    """A unit that handles tickets."""

    name: Annotated[str, Field(min_length=2, max_length=40)]
    level: Literal["city", "county", "firm"] = "city"
    """市级部门, 县(区), 公用企业."""
    parent: Code | None = None
    """The unit above: its responsible person sees this one's tickets too."""
    phone: Phone
    """一部电话: the duty phone."""
    login: str = Field(pattern=r"^[a-z][a-z0-9._-]{1,30}$")
    """一台电脑: the login of its clerk."""
    clerk: Person
    """一名专(兼)职工作人员."""
    head: Person
    """一个负责人."""
    head_login: str = Field(pattern=r"^[a-z][a-z0-9._-]{1,30}$")
    head_phone: Phone | None = None
    hours: str = Field(default="office", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    """Schedule of calendar.toml that its working time is counted in."""
    departments: tuple[str, ...] = ()
    """Of a county: city units that have a department there (县(区)部门对应市级部门): `zhujian`."""
    duty: tuple[Duty, ...] = ()


class ProbePlan(Part):
    """How often duty phones are rung at random times (拨测)."""

    per_week: Annotated[int, Field(ge=0, le=21)] = 2
    """Calls to each unit in a week from Monday to Sunday; 0: none by itself."""
    at_night: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of the calls outside the unit's hours."""
    ring_for: Annotated[int, Field(ge=5, le=60)] = 25
    """Seconds until nobody is said to have answered."""
    at_once: Annotated[int, Field(ge=1, le=10)] = 1
    """Calls at the same time."""


class Units(Part):
    """All of units.toml."""

    probes: ProbePlan = ProbePlan()
    units: Mapping[Code, Unit] = {}
