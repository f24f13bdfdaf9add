"""Who heard whom, and when: each party of a call has a tone of its own."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.real import whole

CITIZEN, AGENT, THIRD, BOSS = 400.0, 700.0, 1100.0, 1600.0
"""Hertz."""
_NAMES = {CITIZEN: "citizen", AGENT: "agent", THIRD: "third", BOSS: "boss"}
EDGE = 0.25
"""Seconds cut from both ends of a moment: clocks and packets do not agree to the frame."""
STEP = 0.1
"""Seconds of one look."""


@dataclass(frozen=True)
class Moment:
    """A span of Unix seconds in which nothing changed."""

    began: float
    ended: float


async def moment(seconds: float = 1.2) -> Moment:
    """Let *seconds* be heard; sound that goes on has no event to wait for."""
    began = time.time()
    await asyncio.sleep(seconds)
    return Moment(began, time.time())


@dataclass(frozen=True)
class Heard:
    """What was wanted of a moment, and what was there; true when they are the same."""

    wanted: tuple[float, ...]
    looks: Mapping[float, Sequence[bool]]
    """By tone, whether it was there, one look after the other."""

    def part(self, tone: float) -> float:
        """Return the part of the looks in which the tone was there, 0-1."""
        return sum(self.looks[tone]) / len(self.looks[tone])

    def __bool__(self) -> bool:
        return all(
            (self.part(tone) > 0.8) if tone in self.wanted else (self.part(tone) < 0.2)
            for tone in self.looks
        )

    def __repr__(self) -> str:
        wanted = " and ".join(_NAMES[tone] for tone in self.wanted) or "none"
        there = ", ".join(
            f"{_NAMES[tone]} {''.join('#' if look else '.' for look in looks)}"
            for tone, looks in self.looks.items()
        )
        return f"<wanted: {wanted}; heard, each {STEP:g} s: {there}>"


@dataclass
class Ear:
    """What one telephone heard."""

    file: Path
    since: float
    """Unix seconds of its first sample."""
    _samples: Sequence[int] = field(default=(), repr=False)

    async def load(self) -> None:
        """Read it, once the telephone has hung up."""
        self._samples = await whole.samples(self.file)

    def looks(self, at: Moment) -> Mapping[float, Sequence[bool]]:
        """Return by tone whether it was there, in each look at the moment."""
        first = round((at.began - self.since + EDGE) * 8000)
        last = round((at.ended - self.since - EDGE) * 8000)
        assert 0 <= first < last <= len(self._samples) + 1600, (first, last, len(self._samples))
        size = round(STEP * 8000)
        looks = [self._samples[i : i + size] for i in range(first, last - size + 1, size)]
        assert looks
        return {tone: [_has(look, tone) for look in looks] for tone in _NAMES}

    def only(self, at: Moment, *tones: float) -> Heard:
        """Tell whether exactly these tones were there, all the time."""
        return Heard(tones, self.looks(at))

    def loud(self, at: Moment) -> bool:
        """Tell whether there was any sound."""
        first = round((at.began - self.since + EDGE) * 8000)
        last = round((at.ended - self.since - EDGE) * 8000)
        part = self._samples[first:last]
        return sum(s * s for s in part) / len(part) > 50**2


def _has(look: Sequence[int], hertz: float) -> bool:
    """Tell whether the tone is there at a strength that a person would hear beside others."""
    turn = 2 * math.pi * hertz / 8000
    real = sum(s * math.cos(turn * i) for i, s in enumerate(look))
    imaginary = sum(s * math.sin(turn * i) for i, s in enumerate(look))
    strength = 2 * math.hypot(real, imaginary) / len(look)
    power = sum(s * s for s in look) / len(look)
    return strength > 300 and strength**2 / 2 > 0.15 * power
