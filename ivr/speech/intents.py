"""What words mean: transcript to intent, by sound, over the city's own words.

*Replies* (yes, satisfied, …) mean something only when they are all that was said. *Wishes* (a
person, the menu, …) give way to a matter named beside them: 我家停水了给我转人工 is about water,
whose queue leads to a person anyway. *Matters* are what is left: lines, progress, what is out of
scope. An emergency beats all of them, sure or not, unless a service explains its words
(消防通道被堵了 is no fire): the flow asks for the citizen's yes before it calls anybody.

The figures below were chosen by sentences of our own with simulated errors of a recogniser and by
phrases held back from the vocabulary; `docs/speech.md` says what else was looked at.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ivr.speech import everyday
from ivr.speech.matching import Index, Near, Spot
from ivr.speech.syllables import Sound, letters, plain, sounds
from schemas.city import City
from schemas.numbers import EMERGENCY_NUMBERS, Register
from schemas.speech import EMERGENCY, GRADES, NO, SOLUTIONS, YES, Meaning, line_intent

SURE, ASK = 0.35, 0.12
"""Confidence from which words are acted upon, and from which the caller is asked once."""

FAMILIES = (GRADES, SOLUTIONS, frozenset({YES, NO}))
REPLIES = frozenset().union(*FAMILIES)
WISHES = frozenset(
    {"agent", "main", "repeat", "dialect", "message", "callback", "complaint", "service"}
)
OPPOSITE = {
    "yes": "no", "no": "yes", "satisfied": "dissatisfied", "basically": "dissatisfied",
    "solved": "unsolved",
}  # fmt: skip
"""What a reply means with a negation before it."""
FIRE, FOREST = EMERGENCY + "119", line_intent(46)

STRONG, CLEAR = 6.0, 0.4
"""Score that is worth two thirds of the best there is; share of it by which it must lead."""
OUTSIDE = 0.5
"""What the score of an intent counts that means nothing where the caller is."""
WISHED, GRADED, COMPLAINED = 0.85, 1.3, 1.2
"""What scores count by: a wish beside a matter, a grade beside 没解决, a line for complaints when
somebody complains."""
WHOLE, SHARE, FIT = 8.0, 3, 6
"""What a phrase adds that is all that was said; how fast that and its fit lose their worth."""
CLEARLY, EXPLAINING, BETTER = 0.95, 0.9, 0.03
"""How well a telling word must fit, and a phrase that explains another away; by how much it must
fit better when it is no longer."""
ALARMING = {2: 0.93, 3: 0.86, 4: 0.78}
"""How well an emergency's phrase of so many sounds, or more, must fit."""
MENTIONED, WHOLLY, ALONE = 0.6, 0.08, 0.9
"""Share of what was said from which a phrase is no mere mention; what is then forgiven its fit;
share from which nothing else was said."""
EXPLAINED, LIKELY, LEADING = 0.7, 5.0, 1.5
"""Share of the best service's score an emergency needs when its words were heard; score and share
it needs when only the pairs of sounds speak for it."""

_RUN = re.compile(r"[0-9零〇一幺二三四五六七八九]{3,}")
_FIGURES = str.maketrans("零〇一幺二三四五六七八九", "001123456789")
_POLITEST = 12
"""Sounds of politeness before and after a phrase that are set aside."""
_LONGEST_FILLER = max(len(filler) for filler in everyday.FILLERS)


@dataclass(frozen=True, slots=True)
class _Heard:
    """An utterance, ready to be compared."""

    said: tuple[Sound, ...]
    near: tuple[Near, ...]
    filler: tuple[bool, ...]
    """Sounds that are no part of what is meant."""
    starts: tuple[int, ...] = ()
    """Where what is meant may begin: after none, one, … words of politeness."""
    ends: tuple[int, ...] = ()
    """Where it may end."""

    @property
    def content(self) -> int:
        return len(self.filler) - sum(self.filler)

    def share(self, spot: Spot) -> float:
        """Return how much of what was said *spot* stands on, politeness set aside."""
        rest = (*self.filler[: spot.begin], *self.filler[spot.end :])
        span = max(spot.end - spot.begin, 1)
        return span / (span + len(rest) - sum(rest))


class Vocabulary:
    """The words of one version of the city. Built once; understanding changes nothing in it."""

    def __init__(self, phrases: Mapping[str, Iterable[str]], register: Register) -> None:
        words: dict[str, list[str]] = {intent: list(some) for intent, some in phrases.items()}
        for intent, name in _names(register):
            words.setdefault(intent, []).append(name)
        self._index = Index(words)
        self._written = {
            letters(phrase): intent for intent, some in words.items() for phrase in some
        }
        self._numbers = {
            number: line_intent(found.line_no) for number, found in register.numbers.items()
        } | {number: EMERGENCY + number for number in EMERGENCY_NUMBERS}
        self._takers = {
            line_intent(number.line_no)
            for number in register.numbers.values()
            if everyday.TAKES_COMPLAINTS.search(number.hotline)
        }
        self._complaining = Index({"": everyday.COMPLAINING})
        self._calm = Index({"": everyday.CALM})
        self._calmer = Index({"": everyday.CALMER})
        self._woods = Index({"": everyday.WOODS})
        self._helpers = Index({"": everyday.HELPERS})
        self._helping = frozenset(phrase.sounds for phrase in self._helpers.phrases)
        self._fillers = {_first(sounds(f)) for f in everyday.FILLERS if len(f) > 1}

    @classmethod
    def of(cls, city: City) -> "Vocabulary":
        """Return the vocabulary of *city*: its phrases and the names in its register.

        It takes a good half second for some thousand phrases: keep it as long as the city.
        """
        return cls(city.phrases, city.register)

    def understand(self, text: str, among: Iterable[str], /) -> Meaning:
        """Return what *text* means; see `schemas.speech.Understand`."""
        wanted = frozenset(among)
        written = plain(text)
        heard = self._hear("" if everyday.GHOSTS.search(written) else written)
        if not heard.said:
            return Meaning()
        if (intent := self._number(written, heard)) in wanted:
            return Meaning(intent=intent, confidence=1.0, sure=True)
        for words in _trimmed(heard):  # to the letter: no other phrase of the same sound
            if (intent := self._written.get(words, "")) in wanted:
                return Meaning(intent=intent, confidence=1.0, sure=True)
        return self._decide(heard, wanted)

    def _hear(self, written: str) -> _Heard:
        said = sounds(written)
        first = _first(said)
        length = len(said)
        filler = [False] * length
        starts, ends = {0}, {length}
        spans = [
            (begin, end)
            for begin in range(length)
            for end in range(begin + 1, min(begin + _LONGEST_FILLER, length) + 1)
            if first[begin:end] in self._fillers
            or (end - begin == 1 and said[begin].written in everyday.FILLERS)
        ]
        for begin, end in spans:
            filler[begin:end] = [True] * (end - begin)
            if begin in starts and end <= _POLITEST:
                starts.add(end)
        for begin, end in reversed(spans):
            if end in ends and length - begin <= _POLITEST:
                ends.add(begin)
        near = tuple(self._index.near(sound) for sound in said)
        return _Heard(said, near, tuple(filler), tuple(sorted(starts)), tuple(sorted(ends)))

    def _number(self, written: str, heard: _Heard) -> str:
        """Return the intent of the hotline number that was named, "" when none was.

        110 and its like count only when little else was said: 打110的时候态度差 calls nobody.
        """
        for run in _RUN.findall(written):
            figures = run.translate(_FIGURES)
            if figures in EMERGENCY_NUMBERS and len(figures) < MENTIONED * heard.content:
                continue
            if figures in self._numbers:
                return self._numbers[figures]
        return ""

    def _decide(self, heard: _Heard, wanted: frozenset[str]) -> Meaning:
        spots = [spot for spot in self._index.spot(heard.near) if _believable(spot, heard)]
        scores = _scores(self._index.evidence(heard.near), spots, heard)
        if _present(self._complaining, heard):
            scores = {i: s * (COMPLAINED if i in self._takers else 1) for i, s in scores.items()}
        calm = {i: s for i, s in scores.items() if not i.startswith(EMERGENCY)}
        ranked = sorted((i for i in calm if i in wanted), key=lambda i: (-_rank(i, calm[i]), i))
        if urgent := self._urgent(scores, spots, heard, wanted):
            return _meaning(urgent, scores[urgent], ranked[0] if ranked else "", 0.0)
        if not ranked:
            return Meaning()
        first = ranked[0]
        second = next((i for i in ranked[1:] if _rivals(first, i)), "")
        outside = (s for i, s in calm.items() if i not in wanted and i not in WISHES)
        rival = max(calm.get(second, 0.0), OUTSIDE * max(outside, default=0.0))
        return _meaning(first, calm[first], second, rival)

    def _urgent(
        self,
        scores: Mapping[str, float],
        spots: Sequence[Spot],
        heard: _Heard,
        wanted: frozenset[str],
    ) -> str:
        """Return the emergency that must be thought of, "" when there is none."""
        possible = {i: s for i, s in scores.items() if i in wanted and i.startswith(EMERGENCY)}
        if not possible or _present(self._calm, _meant(heard)):
            return ""
        services = [
            score
            for intent, score in scores.items()
            if intent not in WISHES and intent != FOREST and not intent.startswith(EMERGENCY)
        ]
        rival = max(services, default=0.0)
        helper = _present(self._helpers, heard)
        explaining = [
            spot
            for spot in spots
            if spot.fit >= EXPLAINING and not spot.phrase.intent.startswith(EMERGENCY)
        ]
        called = [
            spot
            for spot in spots
            if spot.phrase.intent in possible
            and self._alarming(spot, heard)
            and not any(_explains(other, spot) for other in explaining)
        ]
        if calmer := _found(self._calmer, heard):
            clear = {s.phrase.intent for s in called if self._undoubted(s, calmer)}
            return max(clear, key=lambda i: (scores[i], i), default="")
        named = {spot.phrase.intent for spot in called}
        only = {
            spot.phrase.intent
            for spot in called
            if spot.fit >= CLEARLY and heard.share(spot) >= ALONE
        }
        plausible = {
            intent: score
            for intent, score in possible.items()
            if intent in only
            or (intent in named and score > rival * EXPLAINED)
            or (not helper and score > max(LIKELY, LEADING * max(rival, scores.get(FOREST, 0.0))))
        }
        urgent = max(plausible, key=lambda i: (plausible[i], i), default="")
        if urgent == FIRE and FOREST in wanted and _present(self._woods, heard):
            return ""
        return urgent

    def _undoubted(self, spot: Spot, calmer: Iterable[Spot]) -> bool:
        """Whether *spot* is an emergency's whatever calming words stand beside it."""
        return (
            len(spot.phrase.sounds) > 2
            and spot.fit >= CLEARLY
            and spot.phrase.sounds not in self._helping
            and not any(other.begin < spot.end and spot.begin < other.end for other in calmer)
        )

    def _alarming(self, spot: Spot, heard: _Heard) -> bool:
        """Whether *spot* is an emergency's words, not something that sounds a bit like them."""
        said, share = spot.phrase.sounds, heard.share(spot)
        if len(said) < 2:
            return False
        if said in self._helping:
            return spot.fit >= CLEARLY and share >= MENTIONED
        if any(said[at : at + len(h)] == h for h in self._helping for at in range(len(said))):
            return spot.fit >= CLEARLY
        forgiven = WHOLLY if share > MENTIONED and len(said) > 2 else 0.0
        return spot.fit >= ALARMING[min(len(said), max(ALARMING))] - forgiven


def _first(said: Sequence[Sound]) -> tuple[str, ...]:
    return tuple(sound.readings[0] for sound in said)


def _written(said: Iterable[Sound]) -> str:
    return "".join(sound.written for sound in said)


def _trimmed(heard: _Heard) -> Iterator[str]:
    """Yield what was said, then with less and less politeness at its begin and end.

    The longest first: 你好问一下 asks something, and says no 好.
    """
    spans = [(begin, end) for begin in heard.starts for end in heard.ends if begin < end]
    for begin, end in sorted(spans, key=lambda span: span[0] - span[1]):
        yield _written(heard.said[begin:end])


def _meant(heard: _Heard) -> _Heard:
    """Return *heard* without its politeness: 我想咨询一下 is no sign of calm."""
    kept = [at for at, filler in enumerate(heard.filler) if not filler]
    said = tuple(heard.said[at] for at in kept)
    return _Heard(said, tuple(heard.near[at] for at in kept), (False,) * len(kept))


def _present(words: Index, heard: _Heard) -> bool:
    """Whether any of a few telling *words* was said."""
    return bool(_found(words, heard))


def _found(words: Index, heard: _Heard) -> list[Spot]:
    """Return where *words* were said, as clearly as can be heard."""
    near = [words.near(sound) for sound in heard.said]
    return [spot for spot in words.spot(near) if spot.fit >= CLEARLY]


def _believable(spot: Spot, heard: _Heard) -> bool:
    """Whether *spot* is more than an everyday word that sounds like an emergency."""
    if not spot.phrase.intent.startswith(EMERGENCY):
        return True
    if _written(heard.said[spot.begin : spot.end]) in everyday.HARMLESS:
        return False
    return spot.end - spot.begin > 2 or spot.fit >= ALARMING[2]


def _explains(other: Spot, spot: Spot) -> bool:
    """Whether *other* stands on all that *spot* stands on, and on more or better."""
    if not (other.begin <= spot.begin and spot.end <= other.end):
        return False
    return other.end - other.begin > spot.end - spot.begin or other.fit > spot.fit + BETTER


def _rank(intent: str, score: float) -> float:
    if intent in WISHES:
        return score * WISHED
    return score * GRADED if intent in GRADES else score


def _rivals(first: str, other: str) -> bool:
    """Whether *other* makes *first* doubtful; who is dissatisfied may well say 没解决 too."""
    if first in REPLIES and other in REPLIES:
        return any(first in family and other in family for family in FAMILIES)
    return first in WISHES or other not in WISHES


def _scores(
    evidence: Mapping[str, float], spots: Sequence[Spot], heard: _Heard
) -> dict[str, float]:
    """Return how strongly each intent is meant."""
    scores = {i: s for i, s in evidence.items() if i not in REPLIES and i not in WISHES}
    best: dict[str, float] = {}
    answers = _answers(spots, heard)
    for spot in spots:
        intent, worth = _worth(spot, answers if spot.phrase.intent in REPLIES else heard)
        best[intent] = max(best.get(intent, 0.0), worth)
    for intent, worth in best.items():
        scores[intent] = scores.get(intent, 0.0) + worth
    return scores


def _answers(spots: Sequence[Spot], heard: _Heard) -> _Heard:
    """Return *heard* with every reply taken as explained: 不满意，没解决 is two of them."""
    explained = list(heard.filler)
    for spot in spots:
        if spot.phrase.intent in REPLIES and spot.fit >= EXPLAINING and len(spot.phrase.sounds) > 1:
            explained[spot.begin : spot.end] = [True] * (spot.end - spot.begin)
    return replace(heard, filler=tuple(explained))


def _worth(spot: Spot, heard: _Heard) -> tuple[str, float]:
    """Return the intent a phrase found speaks for, and how strongly."""
    intent, short = spot.phrase.intent, len(spot.phrase.sounds)
    if intent in REPLIES and short <= 2 and spot.fit < EXPLAINING:
        return intent, 0.0  # 无对 may be 不对: never a guess between yes and no
    share = heard.share(spot)
    worth = spot.fit**FIT * spot.phrase.telling
    if intent in REPLIES or short < 2:
        worth *= share * share
        if intent in OPPOSITE and _negated(spot, heard):
            intent = OPPOSITE[intent]
    elif intent in WISHES:
        worth *= share
    return intent, worth + WHOLE * share**SHARE * spot.fit ** (FIT + 2)


def _negated(spot: Spot, heard: _Heard) -> bool:
    before = list(_first(heard.said[: spot.begin]))[-4:]
    while before:
        if any(tuple(before[-len(n) :]) == n for n in everyday.NEGATIONS):
            return True
        if before.pop() not in everyday.BETWEEN:
            return False
    return False


def _meaning(intent: str, score: float, runner_up: str, rival: float) -> Meaning:
    """Return *intent* with its confidence, "" when that is too low to even ask."""
    strength = 1 - math.exp(-score / STRONG)
    margin = max(score - rival, 0.0) / score if score else 0.0
    confidence = round(strength * min(1.0, margin / CLEAR), 3)
    if confidence < ASK and not intent.startswith(EMERGENCY):
        return Meaning(confidence=confidence, runner_up=intent)
    return Meaning(
        intent=intent, confidence=confidence, sure=confidence >= SURE, runner_up=runner_up
    )


def _names(register: Register) -> list[tuple[str, str]]:
    """Return intents and the names they go by in the register."""
    lines_of: dict[str, set[int]] = {}
    for number in register.numbers.values():
        lines_of.setdefault(number.owner_unit, set()).add(number.line_no)
    names = set()
    for number in register.numbers.values():
        intent = line_intent(number.line_no)
        names |= {(intent, number.hotline), (intent, everyday.TITLE.sub("", number.hotline))}
        if len(lines_of[number.owner_unit]) == 1:
            names.add((intent, number.owner_unit.removeprefix("市").removeprefix("省")))
    return sorted((intent, name) for intent, name in names if name)
