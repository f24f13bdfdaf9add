"""Who stands below whom, who is on duty, which department answers to which; pure."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from rapidfuzz import fuzz, process

from schemas.calendar import Calendar, is_open, minutes
from schemas.errors import NotFound
from schemas.identity import Role, Who
from schemas.times import SHANGHAI
from schemas.units import Duty, Unit, Units

OFF_HOURS = "值班人员（未排班）"
"""Who answers outside a unit's hours when its roster names nobody."""
NEAR = 60.0
"""Likeness (0-100) from which on a misspelt code is taken for another."""


class OnDuty(NamedTuple):
    """Whom to ring."""

    who: str
    phone: str


class Department(NamedTuple):
    """A county's department and the city unit it answers to."""

    county: str
    city: str


def below(units: Units, code: str) -> frozenset[str]:
    """Return the codes of all units under *code*, at any depth; without *code* itself."""
    found: set[str] = set()
    level = {code}
    while level:
        level = {c for c, unit in units.units.items() if unit.parent in level} - found - {code}
        found |= level
    return frozenset(found)


def on_duty(units: Units, calendar: Calendar, code: str, at: float) -> OnDuty:
    """Return who answers for a unit: who the roster says, else its phone.

    Args:
        at: Unix seconds.

    Raises:
        NotFound: there is no such unit.
    """
    unit = units.units.get(code)
    if unit is None:
        raise NotFound("没有这个承办单位")
    local = datetime.fromtimestamp(at, SHANGHAI)
    for turn in unit.duty:
        if _lasts(turn, local):
            return OnDuty(turn.who, turn.phone)
    in_hours = is_open(calendar, unit.hours, local)
    return OnDuty(unit.clerk if in_hours else OFF_HOURS, unit.phone)


def _lasts(turn: Duty, local: datetime) -> bool:
    begin, end = minutes(turn.span)
    now = local.hour * 60 + local.minute
    if turn.on == local.date():
        return begin <= now < end or (end < begin and now >= begin)
    return end < begin and _next_day(turn.on) == local.date() and now < end


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def department(units: Units, county: str, city: str) -> str | None:
    """Return what a county's department of a city unit is called: 陈仓区住建局; None: has none."""
    there, above = units.units.get(county), units.units.get(city)
    if there is None or above is None or city not in there.departments:
        return None
    return there.name + above.name.removeprefix("市")


def counterpart(units: Units, name: str) -> Department | None:
    """Return what a county's department is: 陈仓区住建局 → chencang, zhujian; None: nobody's."""
    for county, unit in units.units.items():
        for city in unit.departments:
            if department(units, county, city) == name:
                return Department(county, city)
    return None


def visible(units: Units, who: Who) -> tuple[str, ...]:
    """Return the codes of the units that *who* may see: all, or one's own and those below.

    In the order of the file.
    """
    if who.role is not Role.UNIT:
        return tuple(units.units)
    if who.unit is None:
        return ()
    theirs = below(units, who.unit) | {who.unit}
    return tuple(code for code in units.units if code in theirs)


def unit_of(units: Units, code: str, *, among: Collection[str] | None = None) -> Unit:
    """Return a unit.

    Args:
        among: codes that may be known of; None: all. Others are as if they were not there.

    Raises:
        NotFound: there is none, and which code may have been meant.
    """
    known = units.units.keys() if among is None else among
    if code in known and code in units.units:
        return units.units[code]
    near = nearest(units, code, known)
    meant = f"，是否指 {near} {units.units[near].name}" if near else ""
    raise NotFound(f"没有这个承办单位{meant}", near=near)


def nearest(units: Units, said: str, among: Collection[str]) -> str | None:
    """Return the code among these whose code or name is most like what was *said*."""
    names = {word: code for code in sorted(among) for word in _words(units, code)}
    found = process.extractOne(said, names.keys(), scorer=fuzz.ratio, score_cutoff=NEAR)
    return None if found is None else names[found[0]]


def _words(units: Units, code: str) -> Iterator[str]:
    yield code
    if unit := units.units.get(code):
        yield unit.name
