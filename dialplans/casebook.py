"""The admin's files of case work, read and checked as a whole."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from dialplans.documents import Document, read_toml
from schemas.calendar import Calendar
from schemas.casebook import Casebook
from schemas.catalogue import Catalogue
from schemas.errors import Fault
from schemas.gazetteer import Gazetteer
from schemas.limits import Limits
from schemas.numbers import Register
from schemas.risks import Risks
from schemas.scores import Scores
from schemas.units import Units

M = TypeVar("M", bound=BaseModel)

FILES: Mapping[str, str] = {
    "units.toml": "units",
    "limits.toml": "limits",
    "places.toml": "gazetteer",
    "catalogue.toml": "catalogue",
    "risks.toml": "risks",
    "scores.toml": "scores",
}
"""The part of the casebook that each holds. Each may be missing: case work does without it then."""


def read(
    folder: Path, calendar: Calendar | None, register: Register
) -> tuple[Casebook, Mapping[str, list[Fault]]]:
    """Return what stands in *folder*, and the faults by file; never raises for its content.

    Args:
        calendar: None when it cannot be read: then nothing is said of schedules.
    """
    told: dict[str, list[Fault]] = {}
    units, unit_file = _model(folder / "units.toml", Units(), told)
    limits, limit_file = _model(folder / "limits.toml", Limits(), told)
    gazetteer, place_file = _model(folder / "places.toml", Gazetteer(), told)
    catalogue, catalogue_file = _model(folder / "catalogue.toml", Catalogue(), told)
    risks, _ = _model(folder / "risks.toml", Risks(), told)
    scores, _ = _model(folder / "scores.toml", Scores(), told)
    told["units.toml"] += _of_units(units, calendar, register, unit_file)
    told["limits.toml"] += _of_limits(limits, calendar, limit_file)
    known = units.units.keys()
    if known:
        told["places.toml"] += [
            place_file.fault(("counties", code, "unit"), f"{county.unit} is not in units.toml")
            for code, county in gazetteer.counties.items()
            if county.unit not in known
        ]
        told["catalogue.toml"] += _of_catalogue(catalogue, frozenset(known), catalogue_file)
    book = Casebook(
        units=units,
        limits=limits,
        gazetteer=gazetteer,
        catalogue=catalogue,
        risks=risks,
        scores=scores,
    )
    return book, told


def warnings(folder: Path) -> Iterator[Fault]:
    """Yield the files of case work that are missing beside others that are there."""
    there = {name for name in FILES if (folder / name).exists()}
    for name in FILES.keys() - there if there else ():
        yield Fault(name, None, "file", "is not there: case work goes on without what it holds")


def _model(path: Path, empty: M, told: dict[str, list[Fault]]) -> tuple[M, Document]:
    document = Document(path.name)
    told[path.name] = []
    if not path.exists():
        return empty, document
    document = read_toml(path)
    found, faults = document.model(type(empty))
    told[path.name] = list(faults)
    return (empty if found is None else found), document


def _of_units(
    units: Units, calendar: Calendar | None, register: Register, file: Document
) -> Iterator[Fault]:
    logins: dict[str, str] = {}
    for code, unit in units.units.items():
        at = ("units", code)
        for phone in (unit.phone, *(turn.phone for turn in unit.duty)):
            if register.find(phone) is not None:
                reason = f"{phone} is a hotline's own number: a call to it would come back here"
                yield file.fault((*at, "phone"), reason)
        if calendar is not None and unit.hours not in calendar.schedules:
            yield file.fault((*at, "hours"), f"{unit.hours} is not a schedule of calendar.toml")
        if unit.parent is not None and unit.parent not in units.units:
            yield file.fault((*at, "parent"), f"{unit.parent} is not in this file")
        elif _above_itself(units, code):
            yield file.fault((*at, "parent"), "stands above itself")
        for department in unit.departments:
            if department not in units.units:
                yield file.fault((*at, "departments"), f"{department} is not in this file")
        for key in ("login", "head_login"):
            login = getattr(unit, key)
            if logins.setdefault(login, code) != code:
                yield file.fault((*at, key), f"{login} is {logins[login]}'s already")


def _above_itself(units: Units, code: str) -> bool:
    seen: set[str] = set()
    above: str | None = code
    while above is not None and above in units.units:
        if above in seen:
            return True
        seen.add(above)
        above = units.units[above].parent
    return False


def _of_limits(limits: Limits, calendar: Calendar | None, file: Document) -> Iterator[Fault]:
    if calendar is None or file.data is None:
        return
    if limits.hours not in calendar.schedules:
        yield file.fault(("hours",), f"{limits.hours} is not a schedule of calendar.toml")


def _of_catalogue(catalogue: Catalogue, known: frozenset[str], file: Document) -> Iterator[Fault]:
    for code, field in catalogue.fields.items():
        if field.unit not in known:
            yield file.fault(("fields", code, "unit"), f"{field.unit} is not in units.toml")
        for name, category in field.categories.items():
            for key in ("unit", "firm"):
                unit = getattr(category, key)
                if unit is not None and unit not in known:
                    yield file.fault(
                        ("fields", code, "categories", name, key), f"{unit} is not in units.toml"
                    )
