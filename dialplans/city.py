"""The admin's folder as one checked whole."""

import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dialplans import casebook, flows, phrases, prompts, register
from dialplans.documents import Document, read_toml
from dialplans.flows import Written
from schemas.calendar import Calendar
from schemas.city import City, Spoken
from schemas.errors import Fault, Faulty
from schemas.flows import SKILL_CODE
from schemas.numbers import Register

Code = Annotated[str, Field(pattern=SKILL_CODE)]
Title = Annotated[str, Field(min_length=1, max_length=40)]


class Skills(BaseModel):
    """skills.toml: what agents may be good at beside the owner units' matters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    skills: dict[Code, Title] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What stands in a folder, as far as it can be read, and what is wrong with its form."""

    folder: Path
    city: City
    written: Mapping[str, Written]
    calendar: Document
    texts: Mapping[str, prompts.Prompt]
    faults: tuple[Fault, ...]
    broken: frozenset[str]
    """Files (and the folder `flows`) with faults: part or all of what they hold is missing."""


def load(folder: Path) -> City:
    """Return what stands in *folder*.

    Raises:
        Faulty: with every fault of form. `dialplans.lint` finds more.
    """
    found = read(folder)
    if found.faults:
        raise Faulty(found.faults)
    return found.city


def read(folder: Path) -> Reading:
    """Return what stands in *folder* and every fault of form; never raises for its content."""
    told: dict[str, list[Fault]] = {}
    texts, told["prompts.tsv"] = _texts(folder / "prompts.tsv")
    written, told["flows"] = flows.read(folder / "flows")
    names = [file.stem for file in (folder / "flows").glob(f"*{flows.SUFFIX}")]
    numbers, told["hotlines.csv"] = _register(folder / "hotlines.csv", texts, names)
    calendar = read_toml(folder / "calendar.toml")
    schedules, told["calendar.toml"] = calendar.model(Calendar)
    skills, told["skills.toml"] = _skills(folder / "skills.toml")
    said, told["phrases.tsv"] = phrases.read(folder / "phrases.tsv")
    book, of_cases = casebook.read(folder, schedules, numbers)
    told.update(of_cases)
    city = City(
        folder=folder,
        register=numbers,
        flows={name: w.flow for name, w in written.items()},
        calendar=schedules or Calendar(),
        prompts={
            i: Spoken(t.text, _seconds(folder / "audio" / f"{i}.wav")) for i, t in texts.items()
        },
        phrases=said,
        skills=skills,
        casebook=book,
    )
    return Reading(
        folder=folder,
        city=city,
        written=written,
        calendar=calendar,
        texts=texts,
        faults=tuple(fault for some in told.values() for fault in some),
        broken=frozenset(name for name, some in told.items() if some),
    )


def _texts(path: Path) -> tuple[Mapping[str, prompts.Prompt], list[Fault]]:
    try:
        return prompts.load(path), []
    except Faulty as error:
        return {}, list(error.faults)


def _register(
    path: Path, texts: Mapping[str, prompts.Prompt], names: list[str]
) -> tuple[Register, list[Fault]]:
    try:
        return register.load(path, texts.keys() or None, names), []
    except Faulty as error:
        return Register({}), list(error.faults)


def _skills(path: Path) -> tuple[Mapping[str, str], list[Fault]]:
    if not path.exists():
        return {}, []
    found, faults = read_toml(path).model(Skills)
    return ({} if found is None else found.skills), faults


def _seconds(file: Path) -> float:
    """Return how long a sound lasts; 0 for none that could be played."""
    try:
        with wave.open(str(file), "rb") as sound:
            return sound.getnframes() / sound.getframerate()
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return 0.0
