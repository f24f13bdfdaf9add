"""Where it is: counties, towns and landmarks in what a citizen says. Pure.

A name that two counties have (城关镇, 宝鸡火车站) stays open until a county is named beside it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cti.tickets.lexicon import Hit, Lexicon
from schemas.gazetteer import Gazetteer

Kind = Literal["county", "town", "landmark"]

CERTAIN, HEARD, OPEN = 1.0, 0.6, 0.4
"""How sure a place is: as written, by its sound, one of several counties."""

_ROAD = re.compile(r"大道|大街|路|街(?!道)|巷|桥|酒|牌|牛|烟")
"""What makes of a county's short name something else: 陈仓大道, 太白路, 太白酒."""
_LED = frozenset(("", *"在是到去住从咱们区县市镇的,。 ，、：:!！"))
"""What may stand before a short name that was found by its sound only."""
_WEIGHT: Mapping[Kind, float] = {"county": 2.0, "town": 3.0, "landmark": 2.5}


@dataclass(frozen=True, slots=True)
class Named:
    """What one name may stand for."""

    county: str
    kind: Kind
    name: str
    """As the gazetteer writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a text says it is."""

    county: str | None = None
    """Code; None when no place is named or the county is open."""
    town: str | None = None
    landmark: str | None = None
    words: str = ""
    """What was said of it."""
    span: tuple[int, int] = (0, 0)
    """Where in the text: first character, behind the last."""
    counties: tuple[str, ...] = ()
    """All counties it may be in, likeliest first."""
    certainty: float = 0.0
    """0-1."""
    shown_in: str | None = None
    """County the map shows the town in, when another manages it."""

    @property
    def open(self) -> bool:
        """Whether the agent must ask which county is meant."""
        return self.county is None and bool(self.counties)


NOWHERE = Place()


class Places:
    """A gazetteer, ready to be looked up. Built once per casebook."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self.gazetteer = gazetteer
        names: dict[str, tuple[Named, ...]] = {}

        def add(name: str, county: str, kind: Kind, proper: str) -> None:
            known = names.get(name, ())
            if not any(one.county == county and one.kind == kind for one in known):
                names[name] = (*known, Named(county, kind, proper))

        for code, county in gazetteer.counties.items():
            for name in (county.name, *county.also):
                add(name, code, "county", county.name)
            for town, others in county.towns.items():
                for name in (town, *others):
                    add(name, code, "town", town)
            for landmark, others in county.landmarks.items():
                for name in (landmark, *others):
                    add(name, code, "landmark", landmark)
        self._lexicon = Lexicon(names)
        self._short = {
            name for county in gazetteer.counties.values() for name in county.also if len(name) == 2
        }

    @classmethod
    def of(cls, gazetteer: Gazetteer) -> "Places":
        """Return *gazetteer*, compiled."""
        return cls(gazetteer)

    def mentions(self, text: str) -> list[Hit[tuple[Named, ...]]]:
        """Return every place named in *text*, in order; by sound only when none is written."""
        found = self._lexicon.written(text)
        written = [hit for hit in found if self._is_place(hit, text)]
        if written:
            return written
        return [hit for hit in self._lexicon.heard(text, found) if _plausible(hit, text)]

    def find(self, *texts: str) -> Place:
        """Return the place that *texts* speak of; an earlier text wins over a later one.

        The city's own name is no place.
        """
        open_place = NOWHERE
        for text in texts:
            found = self._choose(self.mentions(text))
            if found.open and open_place.open:
                continue
            if open_place.open:
                found = _settled(open_place, found)
            if found.county is not None:
                return found
            open_place = found if found.open else open_place
        return open_place

    def _is_place(self, hit: Hit[tuple[Named, ...]], text: str) -> bool:
        return not (hit.word in self._short and _ROAD.match(text, hit.end))

    def _choose(self, hits: Sequence[Hit[tuple[Named, ...]]]) -> Place:
        scores = self._scores(hits)
        if not scores:
            return NOWHERE
        ranked = tuple(sorted(scores, key=lambda code: -scores[code]))
        best = [code for code in ranked if scores[code] == scores[ranked[0]]]
        own = [(hit, one) for hit in hits for one in hit.meaning if one.county == ranked[0]]
        town = next((one.name for _, one in own if one.kind == "town"), None)
        mark = next((one.name for _, one in own if one.kind == "landmark"), None)
        sure = HEARD if any(hit.heard for hit, _ in own) else CERTAIN
        sides = {one.county for hit, _ in own for one in hit.meaning}
        unsettled = len(best) > 1 and set(best) <= sides
        county = self.gazetteer.counties[ranked[0]]
        return Place(
            county=None if unsettled else ranked[0],
            town=town,
            landmark=mark,
            words="、".join(dict.fromkeys(hit.word for hit, _ in own)),
            span=(own[0][0].begin, own[0][0].end),
            counties=tuple(best) if unsettled else ranked,
            certainty=sure * (OPEN if unsettled else CERTAIN),
            shown_in=None if unsettled or town is None else county.hosts.get(town),
        )

    def _scores(self, hits: Sequence[Hit[tuple[Named, ...]]]) -> dict[str, float]:
        """Return how much speaks for each county: its own names, first named first."""
        scores: dict[str, float] = {}
        named = {one.county for hit in hits for one in hit.meaning if one.kind == "county"}
        for rank, hit in enumerate(hits):
            for one in hit.meaning:
                alone = len({other.county for other in hit.meaning}) == 1
                worth = _WEIGHT[one.kind] * (1.0 if alone else 0.6) - (0.01 * rank if alone else 0)
                scores[one.county] = scores.get(one.county, 0.0) + worth
                shown = self.gazetteer.counties[one.county].hosts.get(one.name)
                # 渭滨区马营镇: who manages the town wins over the county that the map shows it in.
                if shown in named:
                    scores[one.county] += _WEIGHT["county"]
        return scores


def _plausible(hit: Hit[tuple[Named, ...]], text: str) -> bool:
    """Whether a name of two syllables stands where a place may: 在奉县, but not 有风险."""
    return hit.end - hit.begin > 2 or text[max(0, hit.begin - 1) : hit.begin] in _LED


def _settled(before: Place, found: Place) -> Place:
    """Return what an open place becomes beside *found*."""
    if found.county not in before.counties:
        return found
    return Place(
        county=found.county,
        town=before.town or found.town,
        landmark=before.landmark or found.landmark,
        words=f"{found.words}、{before.words}",
        span=found.span,
        counties=(found.county,),
        certainty=found.certainty,
    )
