"""One version of all that telephony admins write, checked as a whole and never changed again.

A call keeps the `City` it began with, so a change that is published meanwhile cannot touch it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from schemas.calendar import Calendar
from schemas.casebook import Casebook
from schemas.flows import Flow
from schemas.numbers import Register


@dataclass(frozen=True, slots=True)
class Spoken:
    """A prompt as callers hear it."""

    text: str
    seconds: float
    """How long it lasts; 0 when there is no sound for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Numbers, flows, calendar, prompts."""

    folder: Path
    register: Register
    flows: Mapping[str, Flow] = field(default_factory=dict)
    calendar: Calendar = field(default_factory=Calendar)
    prompts: Mapping[str, Spoken] = field(default_factory=dict)
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What citizens say, by intent."""
    skills: Mapping[str, str] = field(default_factory=dict)
    """Skills that are no owner unit's: code (`skill-dialect`) → Chinese name."""
    casebook: Casebook = field(default_factory=Casebook)
    """What case work knows: units, limits, places, catalogue, risks, scores."""
    version: int = 0
    """Published version; 0 for a folder that is being worked on."""
    sounds: Mapping[str, str] = field(default_factory=dict)
    """Sound file of each prompt below Asterisk's sounds, where it is not `hotline/<id>`."""

    def published(self, version: int, sounds: Mapping[str, str]) -> "City":
        """Return this city as *version*, with the sound files it was published with."""
        return replace(self, version=version, sounds=sounds)

    def sound(self, prompt: str) -> str:
        """Return the sound file of *prompt* as Asterisk is told it."""
        return self.sounds.get(prompt, f"hotline/{prompt}")

    @property
    def skill_codes(self) -> Mapping[str, str]:
        """Every skill an agent may have: owner units and the city's own, code → Chinese name."""
        return {**self.register.units, **self.skills}
