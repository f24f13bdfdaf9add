"""Words looked for in a text: as written, longest first, and as they sound. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Generic, TypeVar

from cti.tickets.sounds import readings, sounds, toneless

T = TypeVar("T")

SHORT = 2
"""Syllables up to which a word must sound alike in its tones too."""
LONGEST = 2000
"""Characters of a text in which sounds are looked for."""


@dataclass(frozen=True, slots=True)
class Hit(Generic[T]):
    """A word in a text."""

    word: str
    """As the city's files write it."""
    begin: int
    end: int
    """Behind its last character."""
    meaning: T
    heard: bool = False
    """Found by its sound only."""


class Lexicon(Generic[T]):
    """Words and what they mean. Built once; looking changes nothing in it."""

    def __init__(self, words: Mapping[str, T]) -> None:
        self._written: dict[str, list[str]] = {}
        self._heard: dict[tuple[str, str], list[tuple[tuple[str, ...], str]]] = {}
        self._meanings = dict(words)
        for word in sorted(words, key=len, reverse=True):
            self._written.setdefault(word[:2], []).append(word)
            spoken = sounds(word)
            if len(spoken) > 1:
                start = (toneless(spoken[0]), toneless(spoken[1]))
                self._heard.setdefault(start, []).append((spoken, word))

    def written(self, text: str) -> list[Hit[T]]:
        """Return the words that stand in *text*, none inside or across another: longest win."""
        return apart(self._all_written(text))

    def heard(self, text: str, taken: Sequence[Hit[T]] = ()) -> list[Hit[T]]:
        """Return the words that *text* sounds like, outside of what is *taken*.

        Words of two syllables must agree in their tones; longer ones need not.
        """
        return apart(self._all_heard(text[:LONGEST]), taken)

    def _all_written(self, text: str) -> Iterator[Hit[T]]:
        for begin in range(len(text)):
            for start in (text[begin : begin + 2], text[begin]):
                for word in self._written.get(start, ()):
                    if text.startswith(word, begin):
                        yield Hit(word, begin, begin + len(word), self._meanings[word])

    def _all_heard(self, text: str) -> Iterator[Hit[T]]:
        said = [readings(character) for character in text]
        loose = [_loose(some) for some in said]
        for begin, pair in enumerate(pairwise(loose)):
            for start in product(*pair):
                for spoken, word in self._heard.get(start, ()):
                    end = begin + len(spoken)
                    if end <= len(text) and _alike(spoken, said[begin:end], loose[begin:end]):
                        yield Hit(word, begin, end, self._meanings[word], heard=True)


def apart(hits: Iterable[Hit[T]], taken: Sequence[Hit[T]] = ()) -> list[Hit[T]]:
    """Return those of *hits* that share no character with *taken* or a longer one, in order."""
    kept: list[Hit[T]] = []
    used = {at for hit in taken for at in range(hit.begin, hit.end)}
    for hit in sorted(hits, key=lambda hit: (hit.begin - hit.end, hit.begin)):
        if used.isdisjoint(range(hit.begin, hit.end)):
            used.update(range(hit.begin, hit.end))
            kept.append(hit)
    return sorted(kept, key=lambda hit: hit.begin)


@lru_cache(maxsize=8192)
def _loose(said: frozenset[str]) -> frozenset[str]:
    return frozenset(toneless(one) for one in said)


def _alike(
    spoken: tuple[str, ...], said: Sequence[frozenset[str]], loose: Sequence[frozenset[str]]
) -> bool:
    if len(spoken) <= SHORT:
        return all(sound in some for sound, some in zip(spoken, said, strict=True))
    return all(toneless(sound) in some for sound, some in zip(spoken, loose, strict=True))
