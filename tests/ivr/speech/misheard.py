"""A recogniser that errs as real ones do: same sound, like sound, dropped, added."""

import random
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from ivr.speech.syllables import alike, sounds

LIKE = 0.6


class Mishearing:
    """Writes other characters; the same seed, the same errors."""

    def __init__(self, characters: Iterable[str], seed: int) -> None:
        self._random = random.Random(seed)
        self._characters = characters

    @cached_property
    def _by_sound(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for char in sorted(set(self._characters)):
            for sound in sounds(char):
                if "\u4e00" <= char <= "\u9fff":
                    found[sound.readings[0]].append(char)
        return found

    def hear(self, text: str, *, same: float = 0.25, like: float = 0.08) -> str:
        """Return *text* as it might be recognised.

        Args:
            same: share of characters replaced by one of the same sound.
            like: share replaced by one of a like sound.
        """
        return "".join(self._char(char, same, like) for char in text)

    def _char(self, char: str, same: float, like: float) -> str:
        chance = self._random.random()
        said = sounds(char)
        if not said or chance > same + like + 0.02:
            return char
        sound = said[0].readings[0]
        if chance < same:
            return self._random.choice(self._by_sound[sound] or [char])
        if chance < same + like:
            near = [s for s in self._by_sound if s != sound and alike(s, sound) >= LIKE]
            return self._random.choice(self._by_sound[self._random.choice(near)]) if near else char
        return "" if chance < same + like + 0.01 else char + self._random.choice("的了一")
