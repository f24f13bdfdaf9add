"""Sound made by arithmetic: voices, noises, lines. All slin, 8000 Hz."""

import math
import random
from array import array
from collections.abc import Iterable
from functools import cache

RATE = 8000
SYLLABLE = 0.22
"""Seconds."""


def slin(samples: Iterable[float]) -> bytes:
    return array("h", (max(-32768, min(32767, round(s))) for s in samples)).tobytes()


@cache
def voice(seconds: float, *, level: float = 6000, pitch: float = 140) -> bytes:
    """Syllables of a voiced sound with three formants, rising and falling."""

    def sample(n: int) -> float:
        t = n / RATE
        loudness = math.sin(math.pi * (t % SYLLABLE) / SYLLABLE) ** 0.7
        tone = sum(
            weight * math.sin(2 * math.pi * pitch * k * t)
            for k, weight in ((1, 0.4), (2, 0.5), (4, 1.0), (5, 0.8), (9, 0.5), (17, 0.3))
        )
        return level / 3.5 * loudness * tone

    return slin(sample(n) for n in range(round(seconds * RATE)))


@cache
def noise(seconds: float, rms: float = 20, seed: int = 1) -> bytes:
    dice = random.Random(seed)
    return slin(dice.gauss(0, rms) for _ in range(round(seconds * RATE)))


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


@cache
def tone(seconds: float, *hertz: float, level: float = 6000) -> bytes:
    return slin(
        level * sum(math.sin(2 * math.pi * f * n / RATE) for f in hertz)
        for n in range(round(seconds * RATE))
    )


def click(seconds: float = 0.005) -> bytes:
    return slin(20000 for _ in range(round(seconds * RATE)))


def cough(seconds: float = 0.14, seed: int = 2) -> bytes:
    dice = random.Random(seed)
    count = round(seconds * RATE)
    return slin(dice.gauss(0, 8000) * math.exp(-3 * n / count) for n in range(count))


def over(one: bytes, other: bytes) -> bytes:
    """Mix two sounds; as long as the shorter one."""
    return slin(a + b for a, b in zip(array("h", one), array("h", other), strict=False))
