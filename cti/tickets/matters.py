"""What it is about: categories of the catalogue in what a citizen says. Pure.

Each word speaks for its category the more the longer it is and the fewer categories have it. What
is found by its sound only counts less, and only where nothing was found as written.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cti.tickets.lexicon import Hit, Lexicon
from schemas.catalogue import Catalogue, Category

WORTH = (0.0, 0.6, 2.0, 3.2, 4.2, 5.0)
"""What a word of so many characters is worth; longer ones as the last."""
PARTS = 1.0
"""What a word of several parts is worth more: both were said."""
GAP = 10
"""Characters between the parts of a word, at most."""
SPOKEN = 0.6
"""What a word found by its sound counts."""
TITLE = 1.4
"""What a word of the title counts: somebody chose it."""
DIALLED, OF_THE_UNIT = 4.0, 0.8
"""What a number that stands for one matter adds, and one whose owner is in charge of many."""
OFFICE = 0.7
"""What it adds to matters that were found when their office is named."""
PAIR = 0.12
"""What a pair of characters adds that words of few categories hold."""
ENOUGH = 1.0
"""Score below which nothing was understood."""

_DENIED = re.compile(r"(?:不是|并非|没有发生|未发生|不关)$")
_SAFE = re.compile(r"(?:不是|并非|没有|没|未|无|不会)$")
"""What before a dangerous word says that it is not so: 没有漏气."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A category that a text may be about."""

    code: str
    score: float
    words: tuple[str, ...]
    """What was said for it; none when the number alone speaks for it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood of a text."""

    guesses: tuple[Guess, ...] = ()
    """Likeliest first."""
    dangers: tuple[str, ...] = ()
    """Categories whose words of danger were said."""
    offices: tuple[tuple[int, int, str, str], ...] = ()
    """Offices named: begin, end, unit, words."""

    @property
    def sure(self) -> float:
        """0-1: how clearly the first guess leads."""
        if not self.guesses:
            return 0.0
        first = self.guesses[0].score
        second = self.guesses[1].score if len(self.guesses) > 1 else 0.0
        return round(first / (first + second + 1.5), 2)


class Matters:
    """A catalogue, ready to be read with. Built once per casebook."""

    def __init__(self, catalogue: Catalogue) -> None:
        words: dict[str, tuple[str, ...]] = {}
        self._parts: list[tuple[str, re.Pattern[str], str]] = []
        self._danger: list[tuple[re.Pattern[str], str]] = []
        self.categories: dict[str, Category] = {}
        self.units: dict[str, str] = {}
        offices: dict[str, str] = {}
        for field, branch in catalogue.fields.items():
            offices |= dict.fromkeys(branch.offices, branch.unit)
            for name, category in branch.categories.items():
                code = f"{field}.{name}"
                self.categories[code] = category
                self.units[code] = category.unit or branch.unit
                for word in category.words:
                    if " " in word:
                        self._parts.append((word, _apart(word), code))
                    elif code not in words.get(word, ()):
                        words[word] = (*words.get(word, ()), code)
                self._danger += [(_apart(word), code) for word in category.danger]
        self._lexicon = Lexicon(words)
        self._offices = Lexicon(offices)
        self._pairs = _pairs(words)

    def read(self, title: str, body: str, *, number: str = "", unit: str | None = None) -> Reading:
        """Return what *title* and *body* speak of.

        Args:
            title: what somebody wrote above it; may be empty.
            body: the rest.
            number: what was dialled, as the register writes it.
            unit: the owner of that number, when it says something about the matter.
        """
        text = f"{title}。{body}"
        offices = self._offices.written(text)
        scores, said = self._said(text, len(title))
        for code, category in self.categories.items():
            if number and number in category.numbers:
                scores[code] = scores.get(code, 0.0) + DIALLED
            elif code in scores and unit is not None and self.units[code] == unit:
                scores[code] += OF_THE_UNIT
        for code in scores:
            if any(hit.meaning == self.units[code] for hit in offices):
                scores[code] += OFFICE
        guesses = [
            Guess(code, round(score, 2), tuple(said.get(code, ())))
            for code, score in scores.items()
            if score >= ENOUGH
        ]
        return Reading(
            guesses=tuple(sorted(guesses, key=lambda guess: (-guess.score, guess.code))),
            dangers=tuple(dict.fromkeys(self._dangers(text))),
            offices=tuple((hit.begin, hit.end, hit.meaning, hit.word) for hit in offices),
        )

    def _said(self, text: str, title: int) -> tuple[dict[str, float], dict[str, list[str]]]:
        scores: dict[str, float] = {}
        said: dict[str, list[str]] = {}

        def add(code: str, worth: float, word: str) -> None:
            scores[code] = scores.get(code, 0.0) + worth
            said.setdefault(code, []).append(word)

        written = [hit for hit in self._lexicon.written(text) if not _denied(hit, text)]
        heard = self._lexicon.heard(text, written)
        for word, hit in _once([*written, *heard]):
            worth = _worth(len(word)) * (SPOKEN if hit.heard else 1.0)
            worth *= (TITLE if hit.begin < title else 1.0) / len(hit.meaning)
            for code in hit.meaning:
                add(code, worth, word)
        for word, pattern, code in self._parts:
            if pattern.search(text):
                add(code, _worth(len(word) - 1) + PARTS, word.replace(" ", "…"))
        for pair in {text[at : at + 2] for at in range(len(text) - 1)}:
            for code in self._pairs.get(pair, ()):
                scores[code] = scores.get(code, 0.0) + PAIR / len(self._pairs[pair])
        return scores, said

    def _dangers(self, text: str) -> Iterable[str]:
        for pattern, code in self._danger:
            found = (spot.start() for spot in pattern.finditer(text))
            if any(not _SAFE.search(text[max(0, at - 4) : at]) for at in found):
                yield code


def _worth(characters: int) -> float:
    return WORTH[min(characters, len(WORTH) - 1)]


def _apart(word: str) -> re.Pattern[str]:
    return re.compile(f".{{0,{GAP}}}?".join(re.escape(part) for part in word.split()))


def _denied(hit: Hit[tuple[str, ...]], text: str) -> bool:
    return _DENIED.search(text[max(0, hit.begin - 4) : hit.begin]) is not None


def _once(hits: Iterable[Hit[tuple[str, ...]]]) -> Iterable[tuple[str, Hit[tuple[str, ...]]]]:
    """Return each word once, where it stands first: saying it again makes it no truer."""
    seen: dict[str, Hit[tuple[str, ...]]] = {}
    for hit in hits:
        seen.setdefault(hit.word, hit)
    return seen.items()


def _pairs(words: Mapping[str, tuple[str, ...]]) -> Mapping[str, frozenset[str]]:
    """Return pairs of neighbouring characters with the categories whose words hold them."""
    pairs: dict[str, set[str]] = {}
    for word, codes in words.items():
        for at in range(len(word) - 1):
            pairs.setdefault(word[at : at + 2], set()).update(codes)
    return {pair: frozenset(codes) for pair, codes in pairs.items()}
