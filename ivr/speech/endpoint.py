"""Where speech begins and ends, by the sound alone.

Time is sound heard, never a clock: 20 ms frames are counted inside, however the sound was cut,
so the same sound has the same answer always. A frame's level is that of its differences from
sample to sample: what hums, rumbles or is offset counts little, what speaks counts.

The floor is the quietest 60 ms of the last seconds: it falls at once, and rises when nothing
quieter came for so long; so a constant noise is the floor after a while, a voice never.
"""

import math
import sys
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from schemas.config import Speech

FRAME = 20
"""Milliseconds."""
FRAME_BYTES = 320
_SAMPLES = FRAME_BYTES // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When it counts as speech. Times in milliseconds of sound, levels in dB."""

    hangover: int = 700
    """Silence that ends a sentence."""
    longest: int = 10_000
    """Speech after which a sentence ends by itself."""
    pre_roll: int = 240
    """Sound kept from before the window, so that no first syllable is lost."""
    window: int = 300
    """How far back one looks for the begin …"""
    voiced: int = 200
    """… and how much of it must be loud."""
    rise: float = 8.0
    """Above the floor is loud."""
    fall: float = 5.0
    """Within a sentence, less than this above the floor is a pause."""
    least: float = 36.0
    """Less is never loud: a voice of about -55 dB of full scale has 36."""
    change: float = 4.0
    """What is loud without changing by so much is a tone or a hiss, no voice."""
    memory: int = 2000
    """How long the floor remembers the quietest."""
    at_first: float = 45.0
    """The floor is no higher than this before so much was heard: who speaks at once is heard."""
    blip: int = 60
    """Shorter noises do not break a silence."""
    breath: int = 200
    """A silence so long is a pause, see `Endpoint.unbroken`."""

    @classmethod
    def of(cls, settings: Speech) -> "Rules":
        """Return the rules for callers that [speech] asks for, there in seconds."""
        return cls(hangover=round(settings.hangover * 1000), longest=round(settings.longest * 1000))


class Why(StrEnum):
    """Why a sentence ended."""

    SILENCE = "silence"
    LONGEST = "longest"


@dataclass(frozen=True, slots=True)
class Begun:
    """Somebody speaks."""

    at: int
    """Milliseconds of sound heard so far."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound of the sentence, the pre-roll first."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The sentence is over; no sound is looked at until `listen(fresh=True)`."""

    at: int
    why: Why


@dataclass(frozen=True, slots=True)
class Silent:
    """Nobody spoke for as long as was asked; said once for each `listen`."""

    at: int


Item = Begun | Sound | Ended | Silent


class Endpoint:
    """Follows one caller's sound."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._rest = b""
        self._heard = 0
        self._floor = _Floor(rules.memory)
        self._window: deque[float] = deque(maxlen=rules.window // FRAME)
        self._before: deque[bytes] = deque(maxlen=(rules.pre_roll + rules.window) // FRAME)
        self._give_up: int | None = None
        self._began: int | None = None
        self._over = False
        self._quiet = 0
        self._loud = 0
        self._unbroken = 0

    @property
    def unbroken(self) -> int:
        """Milliseconds of the sentence since it had its last pause: long for noise and music."""
        return self._unbroken

    @property
    def quiet(self) -> int:
        """Milliseconds of silence at the end of the sentence so far."""
        return self._quiet

    def listen(self, give_up: int | None, *, fresh: bool) -> None:
        """From the next frame on, listen.

        Args:
            give_up: milliseconds until `Silent`, when nobody speaks; None: never.
            fresh: a new sentence; else one that has begun, or ended, stays so.
        """
        self._give_up = None if give_up is None else self._heard + give_up
        if fresh:
            self._began = None
            self._over = False
            self._window.clear()
            self._before.clear()
            self._quiet = self._loud = self._unbroken = 0

    def feed(self, pcm: bytes) -> Sequence[Item]:
        """Take sound, cut anywhere; return what came of it, in order."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % FRAME_BYTES
        self._rest = pcm[whole:]
        items: list[Item] = []
        for begin in range(0, whole, FRAME_BYTES):
            self._frame(pcm[begin : begin + FRAME_BYTES], items)
        return items

    def _frame(self, frame: bytes, items: list[Item]) -> None:
        self._heard += FRAME
        level = _level(frame)
        floor = self._floor.hear(level)
        if self._over:
            return
        if self._began is None:
            if self._heard <= self._rules.memory:
                floor = min(floor, self._rules.at_first)
            self._before.append(frame)
            self._window.append(level)
            if self._voice(floor):
                self._begin(items)
            elif self._give_up is not None and self._heard >= self._give_up:
                self._give_up = None
                items.append(Silent(self._heard))
            return
        items.append(Sound(frame))
        self._follow(level, floor)
        if self._quiet >= self._rules.hangover:
            self._end(Why.SILENCE, items)
        elif self._heard - self._began >= self._rules.longest:
            self._end(Why.LONGEST, items)

    def _begin(self, items: list[Item]) -> None:
        self._began = self._heard
        self._quiet = self._loud = 0
        self._unbroken = self._rules.voiced
        items.append(Begun(self._heard))
        items.append(Sound(b"".join(self._before)))
        self._before.clear()

    def _end(self, why: Why, items: list[Item]) -> None:
        self._over = True
        items.append(Ended(self._heard, why))

    def _loud_ones(self, floor: float) -> list[float]:
        least = max(floor + self._rules.rise, self._rules.least)
        return [level for level in self._window if level >= least]

    def _voice(self, floor: float) -> bool:
        loud = self._loud_ones(floor)
        enough = len(loud) * FRAME >= self._rules.voiced
        return enough and max(loud) - min(loud) >= self._rules.change

    def _follow(self, level: float, floor: float) -> None:
        """Count pause and speech inside the sentence."""
        self._unbroken += FRAME
        if level >= max(floor + self._rules.fall, self._rules.least - self._rules.fall):
            self._loud += FRAME
            if self._loud > self._rules.blip:
                self._quiet = 0
            else:
                self._quiet += FRAME if self._quiet else 0
        else:
            self._loud = 0
            self._quiet += FRAME
            if self._quiet >= self._rules.breath:
                self._unbroken = 0


class _Floor:
    """The quietest 60 ms of the last while, in blocks of a tenth of a second."""

    _BLOCK = 100 // FRAME

    def __init__(self, memory: int) -> None:
        self._last: deque[float] = deque(maxlen=3)
        self._blocks: deque[float] = deque(maxlen=memory // 100)
        self._block = math.inf
        self._count = 0

    def hear(self, level: float) -> float:
        """Take a frame's level and return the floor."""
        self._last.append(level)
        self._block = min(self._block, sum(self._last) / len(self._last))
        self._count += 1
        floor = min(self._block, min(self._blocks, default=math.inf))
        if self._count == self._BLOCK:
            self._blocks.append(self._block)
            self._block, self._count = math.inf, 0
        return floor


def _level(frame: bytes) -> float:
    """Return the level of a frame's differences, in dB over one step of the scale."""
    samples = array("h", frame)
    if sys.byteorder == "big":  # pragma: no cover - no such machine at hand
        samples.byteswap()
    differences = (b - a for a, b in pairwise(samples))
    return 10 * math.log10(1 + sum(d * d for d in differences) / (_SAMPLES - 1))
