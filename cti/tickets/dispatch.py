"""Who handles it: ranked units with the reason in words. Pure; the agent confirms.

The plan's order (六(二)): 属地管理优先, the unit of the place first where the matter is local;
then 谁主管谁负责, the unit in charge of the matter; then whose number was dialled. Utilities serve,
but complaints of them go to the city's unit (五(一)). Who is complained of (作风效能) never gets it
alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cti.tickets.matters import Guess, Matters, Reading
from cti.tickets.places import Place, Places
from cti.tickets.proposals import SCOPES, Choice, Level, ScopeHint, Suggestion
from schemas.casebook import Casebook
from schemas.cases import Urgency
from schemas.catalogue import Category
from schemas.numbers import MAIN_NUMBER, Integration, Number, Register

OFFICE = "zhengfuban"
"""Who has what nobody else has: the city government's office."""
READ = 2000
"""Characters of a text that are looked at: who needs more to say what it is about says more than
one thing."""
MOST = 5
"""Units, and categories, that are proposed at most."""
SCOPED = 3.0
"""Score from which a matter out of scope is pointed out, though another one leads."""

_GRIEVANCES = frozenset({"complaint", "report"})
_COMPLAINING = re.compile(r"投诉|举报|态度|乱收费|骂人|拒载|甩客|不作为|欺骗|宰客")
"""What says, where nobody chose a kind, that a firm is complained of rather than asked."""
_GOVERNMENT = re.compile(r"(?:区|县)?(?:人民)?(?:政府|管委会)")


@dataclass(frozen=True, slots=True)
class _Way:
    """A unit, why, and who assists; still to be ranked and named."""

    unit: str
    reason: str
    assisting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the rules look at."""

    guess: Guess | None
    category: Category | None
    unit: str | None
    """In charge of the matter, by category."""
    place: Place
    number: Number | None
    grievance: bool
    department: tuple[str, str, str] | None
    """An office of a county that was named: county's unit, city's unit, words."""
    complained_of: str | None


class Suggester:
    """One version of the casebook and the register, ready to be asked."""

    def __init__(self, book: Casebook, register: Register) -> None:
        self._book = book
        self._register = register
        self._places = Places.of(book.gazetteer)
        self._matters = Matters(book.catalogue)
        self._owners = {number.unit: number.owner_unit for number in register.numbers.values()}
        self._counties = {one.unit: one.name for one in book.gazetteer.counties.values()}
        self._firms = {one.firm for one in self._matters.categories.values() if one.firm}

    @classmethod
    def of(cls, book: Casebook, register: Register) -> "Suggester":
        """Return what suggests by *book* and *register*; keep it as long as both hold."""
        return cls(book, register)

    def suggest(
        self,
        title: str,
        body: str,
        place: str = "",
        kind: str | None = None,
        number: str | None = None,
        county: str | None = None,
        town: str | None = None,
        category: str | None = None,
    ) -> Suggestion:
        """Return who may handle it, never nobody.

        Args:
            title: in the words of the agent or of the recogniser.
            body: the rest of what was said.
            place: what was written as the place.
            kind: value of `schemas.tickets.Kind`.
            number: what the citizen dialled.
            county: code the agent chose; wins over the text, as do the next two.
            town: name the agent chose.
            category: code the agent chose.
        """
        dialled = self._register.find(number) if number else None
        body = body[:READ]
        where = self._where(title, body, place, county, town)
        reading = self._matters.read(
            title,
            body,
            number=dialled.number if dialled else "",
            unit=dialled.unit if dialled and dialled.number != MAIN_NUMBER else None,
        )
        guesses = self._guesses(reading, category)
        asked = self._asked(f"{title}。{body}", guesses, where, dialled, kind, reading)
        best = asked.category
        dangers = tuple(
            self._matters.categories[code].emergency
            for code in reading.dangers
            if self._matters.categories[code].emergency
        )
        return Suggestion(
            ranked=self._ranked(asked, guesses, reading),
            categories=guesses[:MOST],
            place=asked.place,
            urgency=Urgency.URGENT if reading.dangers else best.urgency if best else Urgency.NORMAL,
            complained_of=asked.complained_of,
            scope=self._scope(guesses, asked),
            emergency=bool(reading.dangers),
            advice=(*dangers, *self._advice(asked)),
        )

    def _where(
        self, title: str, body: str, place: str, county: str | None, town: str | None
    ) -> Place:
        found = self._places.find(town or "", place, f"{title}。{body}")
        if county is None or county not in self._book.gazetteer.counties:
            return found if town is None else replace(found, town=town)
        same = found.county == county or county in found.counties
        return Place(
            county=county,
            town=town or (found.town if same else None),
            landmark=found.landmark if same else None,
            words=found.words if same else "",
            span=found.span if same else (0, 0),
            counties=(county,),
            certainty=1.0,
            shown_in=found.shown_in if same else None,
        )

    def _guesses(self, reading: Reading, category: str | None) -> tuple[Guess, ...]:
        if category is None or category not in self._matters.categories:
            return reading.guesses
        said = next((one for one in reading.guesses if one.code == category), None)
        top = max((one.score for one in reading.guesses), default=0.0)
        chosen = Guess(category, top + 1.0, said.words if said else ())
        return (chosen, *(one for one in reading.guesses if one.code != category))

    def _asked(
        self,
        text: str,
        guesses: tuple[Guess, ...],
        place: Place,
        number: Number | None,
        kind: str | None,
        reading: Reading,
    ) -> _Asked:
        guess = guesses[0] if guesses else None
        category = self._matters.categories[guess.code] if guess else None
        unit = self._matters.units[guess.code] if guess else None
        grievance = kind in _GRIEVANCES or (kind is None and bool(_COMPLAINING.search(text)))
        department, government = self._named(text, place, reading)
        complained_of = None
        if category is not None and category.conduct:
            complained_of = government or next((unit for *_, unit, _ in reading.offices), None)
            if department is not None:
                complained_of = department[0]
        return _Asked(guess, category, unit, place, number, grievance, department, complained_of)

    def _named(
        self, text: str, place: Place, reading: Reading
    ) -> tuple[tuple[str, str, str] | None, str | None]:
        """Return the county's office, and the county whose government itself, *text* names."""
        counties = self._book.gazetteer.counties
        mentions = {
            hit.end: (counties[one.county].unit, hit.word)
            for hit in self._places.mentions(text)
            for one in hit.meaning
            if one.kind == "county"
        }
        government = next(
            (unit for end, (unit, _) in mentions.items() if _GOVERNMENT.match(text, end)), None
        )
        for begin, _, unit, word in reading.offices:
            before = text[max(0, begin - 1) : begin]
            # 渭滨区住建局, 渭滨住建局, 渭滨的区住建局
            between = before if before in ("区", "县") else ""
            near = mentions.get(begin) or mentions.get(begin - len(between))
            if near is not None:
                named = near[1] if begin in mentions else near[1] + between
                return (near[0], unit, named + word), government
            if between and place.county is not None:
                home = counties[place.county]
                return (home.unit, unit, f"{home.name}{word}"), government
        return None, government

    def _ranked(
        self, asked: _Asked, guesses: tuple[Guess, ...], reading: Reading
    ) -> tuple[Choice, ...]:
        ways: dict[str, list[_Way]] = {}
        for way in (*self._ways(asked), *self._others(asked, guesses, reading)):
            # Nobody judges complaints of themselves; the office has no one else above it here.
            if way.unit != asked.complained_of or way.unit == OFFICE:
                ways.setdefault(way.unit, []).append(way)
        if not ways:
            ways[OFFICE] = [_Way(OFFICE, "未能判断，请坐席问清事项和地点后确认")]
        sure = 0.9 if asked.category is None else max(0.3, reading.sure)
        choices = []
        for rank, (unit, found) in enumerate(list(ways.items())[:MOST]):
            name, level = self._unit(unit)
            assisting = dict.fromkeys(one for way in found for one in way.assisting if one != unit)
            choices.append(
                Choice(
                    unit=unit,
                    name=name,
                    level=level,
                    score=round(sure * 0.6**rank, 3),
                    reasons=tuple(dict.fromkeys(way.reason for way in found)),
                    assisting=tuple(assisting),
                )
            )
        return tuple(choices)

    def _ways(self, asked: _Asked) -> Iterator[_Way]:
        """Yield who handles it by the rules, best first."""
        category, guess = asked.category, asked.guess
        if category is not None and category.conduct:
            yield from self._of_conduct(asked)
        elif asked.department is not None and (category is None or category.scope is None):
            yield from self._of_department(asked.department)
        elif category is not None and guess is not None:
            yield from self._of_matter(asked, guess, category)
        yield from self._of_number(asked)
        if category is None:
            yield from self._of_place(asked)

    def _of_conduct(self, asked: _Asked) -> Iterator[_Way]:
        against = asked.complained_of
        if against is None:
            yield from self._of_place(asked)
            yield _Way(OFFICE, "作风效能投诉，未指明被投诉单位，由市政府办公室核实交办")
            return
        name, _ = self._unit(against)
        against_name = asked.department[2] if asked.department else name
        why = f"作风效能投诉，被投诉单位{against_name}不单独承办"
        if asked.department is not None and asked.department[1] != against:
            yield _Way(asked.department[1], f"{why}，由上级主管部门牵头", (against,))
        if against == OFFICE:
            yield _Way(OFFICE, f"{why}，须由协调员确定牵头单位")
        else:
            yield _Way(OFFICE, f"{why}，由市政府办公室牵头督办", (against,))

    def _of_department(self, department: tuple[str, str, str]) -> Iterator[_Way]:
        county, city, words = department
        unit = self._book.units.units.get(county)
        known = unit is not None and city in unit.departments
        listed = "（县区部门对应市级部门）" if known else ""
        yield _Way(county, f"属地管理优先：反映的是“{words}”{listed}", (city,))
        yield _Way(city, f"业务指导：“{words}”的市级主管部门")

    def _of_matter(self, asked: _Asked, guess: Guess, category: Category) -> Iterator[_Way]:
        unit = self._matters.units[guess.code]
        county = self._book.gazetteer.counties.get(asked.place.county or "")
        about = f"事项为{self._book.catalogue.label(guess.code)}{_said(guess)}"
        served = county is None or county.city_firms
        if category.scope is not None:
            onward = self._onward(unit)
            yield _Way(unit, f"{about}，疑似不予受理第{category.scope}类，请坐席核对{onward}")
        elif category.firm is not None and served:
            there = f"地点在{county.name}，" if county else ""
            firm = _Way(category.firm, f"{there}{about}，服务事项由专业经营单位办理", (unit,))
            city = _Way(unit, f"谁主管谁负责：{about}，投诉事项由主管部门办理", (category.firm,))
            yield from (city, firm) if asked.grievance else (firm, city)
        elif county is not None and (category.local or category.firm is not None):
            words = f"（“{asked.place.words}”）" if asked.place.words else ""
            shown = self._book.gazetteer.counties.get(asked.place.shown_in or "")
            map_says = f"，行政区划属{shown.name}" if shown else ""
            why = f"属地管理优先：地点在{county.name}{words}{map_says}，{about}"
            yield _Way(county.unit, why, (unit,))
            yield _Way(unit, f"谁主管谁负责（业务指导）：{about}")
        else:
            yield _Way(unit, f"谁主管谁负责：{about}{self._onward(unit)}")
            yield from self._of_place(asked)

    def _of_number(self, asked: _Asked) -> Iterator[_Way]:
        number = asked.number
        if number is None or (number.number == MAIN_NUMBER and asked.place.counties):
            return
        why = f"来电拨打{number.number}（{number.hotline}），主管单位{number.owner_unit}"
        yield _Way(number.unit, why + self._onward(number.unit))

    def _of_place(self, asked: _Asked) -> Iterator[_Way]:
        for code in asked.place.counties[: 1 if asked.place.county else MOST]:
            county = self._book.gazetteer.counties[code]
            if asked.place.open:
                yield _Way(county.unit, f"“{asked.place.words}”可能在{county.name}，请问清")
            else:
                yield _Way(county.unit, f"属地管理优先：地点在{county.name}")

    def _others(
        self, asked: _Asked, guesses: tuple[Guess, ...], reading: Reading
    ) -> Iterator[_Way]:
        """Yield who else it may be."""
        for *_, unit, words in reading.offices:
            yield _Way(unit, f"来电提到“{words}”")
        for guess in guesses[1:3]:
            unit = self._matters.units[guess.code]
            if unit != asked.unit:
                label = self._book.catalogue.label(guess.code)
                yield _Way(unit, f"也可能是{label}{_said(guess)}")

    def _scope(self, guesses: tuple[Guess, ...], asked: _Asked) -> ScopeHint | None:
        for rank, guess in enumerate(guesses):
            scope = self._matters.categories[guess.code].scope
            if scope is None or (scope == 6 and asked.grievance):
                continue
            if rank == 0 or guess.score >= SCOPED:
                reason = f"疑似{SCOPES[scope]}{_said(guess)}，请坐席核对"
                return ScopeHint(number=scope, reason=reason)
        return None

    def _advice(self, asked: _Asked) -> Iterator[str]:
        if asked.place.open:
            names = [self._book.gazetteer.counties[code].name for code in asked.place.counties]
            yield f"“{asked.place.words}”在{'、'.join(names)}都有，请问清是哪个县区"

    def _onward(self, unit: str) -> str:
        """Return what is said of a unit whose lines are not integrated; else nothing."""
        for number in self._register.numbers.values():
            if number.unit == unit and number.integration is Integration.NOT_INTEGRATED:
                return f"；该单位热线暂不整合，可告知或转接{number.onward or number.number}"
        return ""

    def _unit(self, code: str) -> tuple[str, Level]:
        known = self._book.units.units.get(code)
        if known is not None:
            return known.name, known.level
        if code in self._counties:
            return self._counties[code], "county"
        name = self._owners.get(code, "市政府办公室" if code == OFFICE else code)
        return name, "firm" if code in self._firms else "city"


def _said(guess: Guess) -> str:
    """Return the words that speak for *guess*, in brackets; nothing when it has none."""
    return f"（“{'、'.join(guess.words[:4])}”）" if guess.words else ""
