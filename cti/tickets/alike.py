"""Which open tickets are the same matter as another one (并单). Pure.

An inverted index of rare words makes a short list; only that is compared closely. How alike two
tickets are is a sum of what they share and what sets them apart: see `_judge`.
"""

import heapq
import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from rapidfuzz import fuzz

from cti.tickets.wording import Said, kind_of, listen, plain

PROPOSE = 50
"""From here on a ticket is proposed."""
LIKELY = 75
"""From here on it is very likely the same matter."""
REPEAT = 72 * 3600.0
"""Seconds in which the same number with the same matter is a repeat caller."""
SHORT_LIST = 60
"""Tickets that are compared closely."""
POSTINGS = 12_000
"""Entries of the inverted index that one question may walk through."""
NEWEST_OF_CALLER = 20
SAME_TEXT = 0.42
"""Texts less alike than this are hardly about one matter; 0-1."""
NEAR = 14.0
"""Points of place from which on two are in one spot or town; a county alone says little."""
DAY = 86400.0
_TINY = 1e-9
_PREFIX = re.compile(r"^(?:\+|00)?86(?=0?1\d{10}$|0?[2-9]\d{9,11}$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """A ticket as far as it is compared."""

    id: str
    text: str = ""
    caller: str | None = None
    county: str | None = None
    """Code of the county; `town` its township as people write it."""
    town: str | None = None
    place: str = ""
    category: str | None = None
    at: float = 0.0
    """Unix seconds when it was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """An open ticket that may be the same matter."""

    ticket_id: str
    score: int
    """0-100."""
    reasons: tuple[str, ...]
    """In words people read; nothing of the caller but whether the number is the same."""
    repeat: bool
    """The same number within `REPEAT`, and the same matter as far as it is told."""

    @property
    def likely(self) -> bool:
        """Whether it is very likely the same matter."""
        return self.score >= LIKELY


@dataclass(frozen=True, slots=True)
class _Kept:
    """A ticket as it lies in the index."""

    matter: Matter
    said: Said
    caller: str
    """In one form; "" when it is hidden."""
    spots: frozenset[str]
    """Named in the text or as the place."""
    found_by: tuple[str, ...]
    """Its words, spots, town and county: what leads to it."""


@dataclass(frozen=True, slots=True)
class _Where:
    """What two places say to each other."""

    points: float = 0.0
    reason: str = ""
    elsewhere: bool = False
    """They are surely two places."""


def number_of(caller: str | None) -> str:
    """Return *caller* in one form, so that one phone is one number; "" when it is hidden.

    +86, 0086, blanks and the 0 before a mobile go; a local number gets the area code 0917.
    """
    digits = re.sub(r"[^\d+]", "", caller or "")
    digits = _PREFIX.sub("", digits).lstrip("+")
    if re.fullmatch(r"01[3-9]\d{9}", digits):
        digits = digits[1:]
    if re.fullmatch(r"[2-9]\d{6}", digits):
        digits = "0917" + digits
    return digits if len(digits) >= 7 and len(set(digits)) > 1 else ""


def likeness(one: Said, other: Said) -> int:
    """Return how alike two texts are, 0-100, by themselves: without a crowd to weigh words by."""
    return round(100 * _text(one, other, lambda _: 1.0))


class Index:
    """Open tickets, to be asked for those like another one. Not for several threads at once.

    Args:
        county_name: the name of a county by its code.
    """

    def __init__(self, county_name: Callable[[str], str] = str) -> None:
        self._name = county_name
        self._kept: dict[str, _Kept] = {}
        self._words: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._callers: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, id: str) -> bool:
        return id in self._kept

    def put(self, matter: Matter) -> None:
        """Take *matter*, in the place of what was known of it."""
        self.drop(matter.id)
        kept = _keep(matter)
        self._kept[matter.id] = kept
        for word in kept.found_by:
            self._words[word][matter.id] = None
        if kept.caller:
            self._callers[kept.caller][matter.id] = None

    def drop(self, id: str) -> None:
        """Forget the ticket *id*; nothing happens when it is not known."""
        kept = self._kept.pop(id, None)
        if kept is None:
            return
        for word in kept.found_by:
            _take(self._words, word, id)
        if kept.caller:
            _take(self._callers, kept.caller, id)

    def shrink(self, most: int) -> None:
        """Forget what was put longest ago until there are no more than *most*."""
        for id in list(islice(self._kept, max(0, len(self) - most))):
            self.drop(id)

    def ask(self, matter: Matter, *, limit: int = 10, now: float | None = None) -> list[Alike]:
        """Return what may be the same as *matter*, repeat callers first, then by score.

        Args:
            now: Unix seconds that "2小时前" counts from; the ticket's own time when None.
        """
        asked = _keep(matter)
        at = matter.at if now is None else now
        near = [self._kept[id] for id in self._short_list(asked) if id != matter.id]
        found = [
            self._alike(asked, kept, score, where, at)
            for kept in near
            for score, where in (self._judge(asked, kept),)
            if score >= PROPOSE
        ]
        found.sort(key=lambda alike: (not alike.repeat, -alike.score, alike.ticket_id))
        return found[:limit]

    def _rarity(self, word: str) -> float:
        """How much a word tells: much when few tickets have it."""
        return math.log((len(self._kept) + 60) / (len(self._words.get(word, ())) + 1))

    def _short_list(self, asked: _Kept) -> list[str]:
        points: defaultdict[str, float] = defaultdict(float)
        left = POSTINGS
        for word in sorted(asked.found_by, key=lambda word: len(self._words.get(word, ()))):
            having = self._words.get(word, {})
            worth = self._rarity(word)
            for id in islice(reversed(having), left):  # the newest of very many
                points[id] += worth
            left = max(0, left - len(having))
        best = heapq.nlargest(SHORT_LIST, points, key=points.__getitem__)
        own = islice(reversed(self._callers.get(asked.caller, {})), NEWEST_OF_CALLER)
        return list(dict.fromkeys((*own, *best)))

    def _judge(self, a: _Kept, b: _Kept) -> tuple[int, _Where]:
        """Return how alike two tickets are, 0-100, and how their places are.

        Text counts most; the same number, place, category and a short time add to it. Another
        county, road or category takes away: 停水 in two counties are two matters.
        """
        where = _place(a, b)
        if not a.said.words or not b.said.words:
            # an agent who has typed nothing yet should know of the caller's other tickets
            return (PROPOSE + 5 if _repeat(a, b, 1.0, where) else 0), where
        text = _text(a.said, b.said, self._rarity)
        score = 72 * text + where.points + _category(a.matter, b.matter) + _time(a.matter, b.matter)
        score += 14 if _same_caller(a, b) else 0
        if _repeat(a, b, text, where):
            score = max(score, PROPOSE + 5)
        known = _same_caller(a, b) or where.points >= NEAR
        if text < SAME_TEXT or where.elsewhere or not known:
            score = min(score, LIKELY - 1)  # the same words are not yet the same matter
        if a.said.matters and b.said.matters and not a.said.matters & b.said.matters:
            score = min(score, PROPOSE - 1)
        return max(0, min(100, round(score))), where

    def _alike(self, a: _Kept, b: _Kept, score: int, where: _Where, now: float) -> Alike:
        text = _text(a.said, b.said, self._rarity)
        reasons = []
        if _same_caller(a, b):
            reasons.append("同一来电号码")
        if text >= SAME_TEXT:
            reasons.append(f"文字相似 {round(100 * text)}")
        if where.reason:
            county = self._name(b.matter.county) if b.matter.county else ""
            town = b.matter.town if a.matter.town == b.matter.town else None
            reasons.append(where.reason.replace("{at}", county + (town or "")))
        if _category(a.matter, b.matter) > 0:
            reasons.append("同一类别")
        reasons.append(ago(now - b.matter.at))
        silent = not a.said.words or not b.said.words
        return Alike(
            ticket_id=b.matter.id,
            score=score,
            reasons=tuple(reasons),
            repeat=_repeat(a, b, 1.0 if silent else text, where),
        )


def _keep(matter: Matter) -> _Kept:
    said = listen(matter.text)
    spots = said.spots | listen(matter.place).spots
    places = [f"@{matter.county}"] if matter.county else []
    if matter.county and matter.town:
        places.append(f"@{matter.county}/{matter.town}")
    found_by = tuple(dict.fromkeys((*said.words, *sorted(spots), *places)))
    return _Kept(matter, said, number_of(matter.caller), spots, found_by)


def _take(index: defaultdict[str, dict[str, None]], key: str, id: str) -> None:
    del index[key][id]
    if not index[key]:
        del index[key]


def _same_caller(a: _Kept, b: _Kept) -> bool:
    return bool(a.caller) and a.caller == b.caller


def _repeat(a: _Kept, b: _Kept, text: float, where: _Where) -> bool:
    soon = abs(a.matter.at - b.matter.at) <= REPEAT
    return _same_caller(a, b) and soon and text >= SAME_TEXT and not where.elsewhere


def _category(one: Matter, other: Matter) -> float:
    if not one.category or not other.category:
        return 0.0
    return 8.0 if one.category == other.category else -10.0


def _time(one: Matter, other: Matter) -> float:
    apart = abs(one.at - other.at)
    return 4.0 if apart <= DAY else 0.0 if apart <= 7 * DAY else -6.0


def _text(a: Said, b: Said, rarity: Callable[[str], float]) -> float:
    """Return how alike two texts are, 0-1."""
    if a.words == b.words:
        return 1.0 if a.words else 0.0
    one, other = set(a.words), set(b.words)
    shared = sum(map(rarity, one & other))
    sums = sum(map(rarity, one)), sum(map(rarity, other))
    covered = shared / max(min(sums), _TINY)
    both = 2 * shared / max(sum(sums), _TINY)
    letters = fuzz.token_set_ratio(a.line, b.line) / 100
    value = 0.4 * covered + 0.3 * both + 0.3 * letters
    if a.matters and b.matters:
        common = len(a.matters & b.matters)
        if not common:
            return 0.55 * value
        value = max(value, 0.3 + 0.66 * common / (len(a.matters) + len(b.matters)))
    return min(1.0, value)


def _place(a: _Kept, b: _Kept) -> _Where:
    one, other = a.matter, b.matter
    if one.county and other.county and one.county != other.county:
        return _Where(-45.0, elsewhere=True)
    if one.town and other.town and one.town != other.town:
        return _Where(-20.0, elsewhere=True)
    if _meet(a.spots, b.spots) or _near(one.place, other.place):
        numbers = a.said.numbers, b.said.numbers
        if all(numbers) and numbers[0].isdisjoint(numbers[1]):
            return _Where(14.0, "地点相近")
        return _Where(28.0, "同一地点")
    if not set(map(kind_of, a.spots)).isdisjoint(map(kind_of, b.spots)):
        return _Where(-22.0, elsewhere=True)  # two roads, two estates
    if one.town and other.town:
        return _Where(16.0, "同在{at}")
    return _Where(7.0, "同在{at}") if one.county and other.county else _Where()


def _meet(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether both name one spot, one of them perhaps shorter: 石嘴头村, 嘴头村."""
    return any(a.endswith(b) or b.endswith(a) for a in one for b in other)


def _near(one: str, other: str) -> bool:
    a, b = plain(one).strip(), plain(other).strip()
    return len(a) >= 4 and len(b) >= 4 and fuzz.ratio(a, b) >= 85


def ago(seconds: float) -> str:
    """Return how long ago something was, as people say it; *seconds* from then to now."""
    minutes = max(0, int(seconds // 60)) if math.isfinite(seconds) else 0
    if minutes < 60:
        return f"{minutes}分钟前" if minutes else "刚才"
    hours = minutes // 60
    return f"{hours}小时前" if hours < 48 else f"{hours // 24}天前"
