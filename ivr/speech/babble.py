"""Sound that is like speech and says nothing, for engines to warm up with.

A recogniser that has never heard anything takes several times as long for its first sentence as
for any later one: it builds the parts of its graph that it walks. Babble leads it there.
"""

import math
import random
from array import array
from collections.abc import Iterator

RATE = 8000
LOUD = 4000.0


def babble(seconds: float, seed: int = 1) -> bytes:
    """Return *seconds* of syllables with changing vowels and hisses, as slin; always the same."""
    dice = random.Random(seed)  # noqa: S311 - a voice, no secret
    samples = array("h")
    count = round(seconds * RATE)
    while len(samples) < count:
        samples.extend(_syllable(dice))
    return samples[:count].tobytes()


def _syllable(dice: random.Random) -> Iterator[int]:
    length = round(dice.uniform(0.12, 0.3) * RATE)
    pitch = dice.uniform(100, 220)
    formants = dice.uniform(250, 900), dice.uniform(900, 2300), dice.uniform(2300, 3400)
    weights = [
        (k, sum(1 / (i + ((pitch * k - f) / 150) ** 2) for i, f in enumerate(formants, 1)))
        for k in range(1, int(3400 / pitch))
    ]
    hiss = round(0.35 * length) if dice.random() < 0.3 else length
    for n in range(length):
        if n < hiss:
            turn = 2 * math.pi * pitch * n / RATE
            value = sum(weight * math.sin(turn * k) for k, weight in weights)
        else:
            value = dice.gauss(0, 0.6)
        value *= LOUD * math.sin(math.pi * n / length)
        yield round(max(-32000.0, min(32000.0, value)))
