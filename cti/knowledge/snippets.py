"""The part of a text that shows why it was found, with the places of the words in it. Pure."""

import unicodedata
from collections.abc import Collection, Sequence

from schemas.knowledge import Span

LENGTH = 80
"""Characters of a snippet."""
_BEFORE = 16
"""Characters shown before the first word."""
_MOST = 40
"""Occurrences of one word that are looked at."""


def level(text: str) -> str:
    """Return *text* with case and width levelled, each character still in its place."""
    return "".join(map(_level, text))


def _level(char: str) -> str:
    if "\u3400" <= char <= "\u9fff":
        return char
    plain = unicodedata.normalize("NFKC", char).lower()
    return plain if len(plain) == 1 else char


def marks(text: str, words: Collection[str]) -> list[Span]:
    """Return where *words* stand in *text*, in order, none overlapping another."""
    found: list[Span] = []
    for begin, end in sorted(_places(level(text), words)):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def snippet(text: str, words: Collection[str]) -> tuple[str, list[Span]]:
    """Return the part of *text* with most of *words*, on one line, and where they stand in it."""
    levelled = level(text)
    begin = _densest(levelled, sorted(_places(levelled, words)))
    start = max(0, begin - _BEFORE)
    part = "".join(" " if char.isspace() else char for char in text[start : start + LENGTH])
    return part, marks(part, words)


def _places(levelled: str, words: Collection[str]) -> list[Span]:
    found: list[Span] = []
    for word in set(words):
        begin = levelled.find(word)
        count = 0
        while begin >= 0 and word and count < _MOST:
            found.append((begin, begin + len(word)))
            count += 1
            begin = levelled.find(word, begin + len(word))
    return found


def _densest(levelled: str, places: Sequence[Span]) -> int:
    """Return where the part begins that shows most of different words, the first such part."""
    best, most = 0, 0
    for number, (begin, _) in enumerate(places):
        reach = begin + LENGTH - _BEFORE
        shown = {levelled[start:end] for start, end in places[number:] if end <= reach}
        if len(shown) > most:
            best, most = begin, len(shown)
    return best
