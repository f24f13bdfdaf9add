"""Where phrases stand in what was said, sound by sound, and which pairs of sounds tell intents.

Two kinds of evidence. A *phrase* is looked for as a whole, sounds may be confused, dropped or
added (`Index.spot`). A *pair* of neighbouring sounds speaks for the intents whose phrases hold it
more often than others do (`Index.evidence`), so that a sentence nobody wrote down is understood
by its words.
"""

import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ivr.speech.everyday import ABOUT_ANYTHING
from ivr.speech.syllables import LATIN, Sound, alike, sounds

NEAR = 0.6
"""How alike two syllables must be to be taken for each other at all."""
OTHER_READING = 0.9
"""What a reading is worth that the context makes unlikely."""
SKIPPED = 0.6
"""What a pair is worth with one sound dropped or added between its two."""
RARE = 0.006
"""Share of an intent's phrases a pair is taken to be in when it is in none."""
FEW = 10
"""Phrases an intent is taken to have more than it has: one pair in one phrase proves little."""
MOST = 28
"""Phrases that are aligned in full, the likeliest first."""
DROPPED, ADDED = 0.25, 0.35
"""What a sound of a phrase costs that was not said (beside its weight), and one too many."""
PARTICLES, LIGHT = frozenset({"le", "de", "a", "ba", "ma", "ne", "ya"}), 0.3
"""Sounds that add little to what is said, and what they weigh."""
EVERYDAY = 0.15
"""What pairs of sounds weigh that are said about any matter."""

Near = Mapping[str, float]
"""Syllables of the vocabulary that one sound may have been, and how alike they are."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something people say, and what it means."""

    intent: str
    sounds: tuple[str, ...]
    weights: tuple[float, ...]
    """How telling each sound is; they add up to 1."""
    telling: float
    """How much the phrase as a whole speaks for its intent, in the unit of `Index.evidence`."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A phrase found in what was said."""

    phrase: Phrase
    fit: float
    """0-1: how much of the phrase was said; 1: every sound of it, and none between them."""
    begin: int
    end: int
    """Sounds of the utterance it stands on, `begin` to before `end`."""


class Index:
    """Phrases of one vocabulary, ready to be found. Built once; answers change nothing in it."""

    def __init__(self, phrases: Mapping[str, Iterable[str]]) -> None:
        written = {
            (intent, tuple(sound.readings[0] for sound in said))
            for intent, some in phrases.items()
            for phrase in some
            if (said := sounds(phrase))
        }
        rows = sorted((intent, said) for intent, said in written)
        self._telling = _telling(rows)
        self.phrases = tuple(self._phrase(intent, said) for intent, said in rows)
        self._after: dict[str, dict[str, tuple[int, ...]]] = {}
        """First syllable → second → phrases that hold the pair."""
        self._short: dict[str, list[int]] = defaultdict(list)
        self._fill()
        self._known: dict[str, dict[str, float]] = {}
        for syllable in self.syllables:
            self._neighbours(syllable)

    @cached_property
    def syllables(self) -> frozenset[str]:
        """Every syllable of the vocabulary."""
        return frozenset(s for phrase in self.phrases for s in phrase.sounds)

    def near(self, sound: Sound) -> Near:
        """Return what *sound* may have been."""
        likely, *others = sound.readings
        if not others:
            return self._neighbours(likely)
        found = dict(self._neighbours(likely))
        for reading in others:
            for syllable, like in self._neighbours(reading).items():
                found[syllable] = max(found.get(syllable, 0.0), like * OTHER_READING)
        return found

    def evidence(self, heard: Sequence[Near]) -> dict[str, float]:
        """Return how much the pairs of sounds speak for each intent; intents with none lack."""
        total: dict[str, float] = defaultdict(float)
        seen: set[tuple[int, ...]] = set()
        for at, first in enumerate(heard[:-1]):
            here = tuple(map(id, heard[at : at + 3]))
            if here in seen:  # what is repeated proves nothing more
                continue
            seen.add(here)
            best: dict[str, float] = {}
            for gap in (1, 2):
                if at + gap < len(heard):
                    self._pair(first, heard[at + gap], gap, best)
            for intent, weight in best.items():
                total[intent] += weight
        return dict(total)

    def spot(self, heard: Sequence[Near]) -> list[Spot]:
        """Return the phrases that were likely said, each where it fits best."""
        hits: dict[int, float] = defaultdict(float)
        for at, first in enumerate(heard):
            for syllable, like in first.items():
                for number in self._short.get(syllable, ()):
                    hits[number] = max(hits[number], like)
            for gap, worth in ((1, 1.0), (2, SKIPPED)):
                if at + gap < len(heard):
                    self._collect(first, heard[at + gap], worth, hits)
        likely = heapq.nlargest(MOST, hits, key=lambda n: (hits[n], -n))
        return [self._align(self.phrases[number], heard) for number in likely]

    def _phrase(self, intent: str, said: tuple[str, ...]) -> Phrase:
        pairs = [max(self._telling[p].get(intent, 0.0), 0.05) for p in _pairs(said)]
        each = [sum(pairs[max(at - 1, 0) : at + 1]) for at in range(len(said))] if pairs else [1.0]
        each = [
            w * (LIGHT if s in PARTICLES and len(said) > 1 else 1.0)
            for w, s in zip(each, said, strict=True)
        ]
        return Phrase(intent, said, tuple(w / sum(each) for w in each), sum(pairs) or 1.0)

    def _fill(self) -> None:
        holders: dict[tuple[str, str], set[int]] = defaultdict(set)
        for number, phrase in enumerate(self.phrases):
            if len(phrase.sounds) == 1:
                self._short[phrase.sounds[0]].append(number)
            for pair in _pairs(phrase.sounds):
                holders[pair].add(number)
        for (first, second), numbers in holders.items():
            self._after.setdefault(first, {})[second] = tuple(sorted(numbers))

    def _neighbours(self, syllable: str) -> dict[str, float]:
        if syllable.startswith(LATIN):
            return {syllable: 1.0} if syllable in self.syllables else {}
        if (found := self._known.get(syllable)) is None:
            likes = ((s, alike(syllable, s)) for s in self.syllables if not s.startswith(LATIN))
            found = self._known[syllable] = {s: like for s, like in likes if like >= NEAR}
        return found

    def _pair(self, first: Near, second: Near, gap: int, best: dict[str, float]) -> None:
        worth = 1.0 if gap == 1 else SKIPPED
        for a, like_a in first.items():
            if after := self._after.get(a):
                for b, like_b in second.items():
                    if b in after and (like := like_a * like_b) >= NEAR:
                        like = worth * like * like
                        for intent, weight in self._telling[a, b].items():
                            if weight * like > best.get(intent, 0.0):
                                best[intent] = weight * like

    def _collect(self, first: Near, second: Near, worth: float, hits: dict[int, float]) -> None:
        for a, like_a in first.items():
            if after := self._after.get(a):
                for b, like_b in second.items():
                    if b in after and (like := like_a * like_b * worth) >= NEAR * SKIPPED:
                        for number in after[b]:
                            phrase = self.phrases[number]
                            share = self._telling[a, b].get(phrase.intent, 0.05) / phrase.telling
                            hits[number] += like * share

    @staticmethod
    def _align(phrase: Phrase, heard: Sequence[Near]) -> Spot:
        """Find the stretch of *heard* that *phrase* fits best: local in it, whole in the phrase."""
        scores, begins = [0.0] * (len(heard) + 1), list(range(len(heard) + 1))
        added = ADDED / len(phrase.sounds)
        for syllable, weight in zip(phrase.sounds, phrase.weights, strict=True):
            dropped = -DROPPED * weight
            row, starts = [scores[0] + dropped], [begins[0]]
            for at, near in enumerate(heard):
                score, begin = scores[at] + weight * near.get(syllable, -DROPPED), begins[at]
                if scores[at + 1] + dropped > score:
                    score, begin = scores[at + 1] + dropped, begins[at + 1]
                if row[at] - added > score:
                    score, begin = row[at] - added, starts[at]
                row.append(score)
                starts.append(begin)
            scores, begins = row, starts
        end = max(range(len(scores)), key=lambda at: scores[at])
        return Spot(phrase, max(scores[end], 0.0), begins[end], end)


def _pairs(said: Sequence[str]) -> list[tuple[str, str]]:
    return list(itertools.pairwise(said))


_EVERYDAY_PAIRS = frozenset(
    pair
    for word in ABOUT_ANYTHING
    for pair in _pairs([sound.readings[0] for sound in sounds(word)])
)


def _telling(rows: Iterable[tuple[str, tuple[str, ...]]]) -> Mapping[tuple[str, str], Near]:
    """Return how much each pair of sounds speaks for the intents whose phrases hold it.

    The weight is the logarithm of how much more often the pair is in this intent's phrases than
    in those of the others on average; intents with many phrases count no more than others.
    """
    sizes: dict[str, int] = defaultdict(int)
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for intent, said in rows:
        sizes[intent] += 1
        for pair in set(_pairs(said)):
            counts[pair][intent] += 1
    found: dict[tuple[str, str], dict[str, float]] = {}
    for pair, by_intent in counts.items():
        shares = {intent: count / (sizes[intent] + FEW) for intent, count in by_intent.items()}
        total = sum(shares.values())
        weights = {
            intent: math.log((share + RARE) / ((total - share) / max(len(sizes) - 1, 1) + RARE))
            for intent, share in shares.items()
        }
        everyday = EVERYDAY if pair in _EVERYDAY_PAIRS else 1.0
        found[pair] = {i: weight * everyday for i, weight in weights.items() if weight > 0}
    return found
