"""REST: who may handle a ticket, and the lists of categories and places to choose from."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from cti.tickets.dispatch import Suggester
from cti.tickets.proposals import Suggestion
from schemas.casebook import Casebook
from schemas.catalogue import Branch, Category
from schemas.errors import NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right, Who
from schemas.numbers import Register
from schemas.suggestions import (
    BranchOut,
    CatalogueOut,
    CategoryOut,
    ChoiceOut,
    CountyOut,
    GuessOut,
    PlaceOut,
    ScopeOut,
    SuggestionIn,
    SuggestionOut,
)
from schemas.tickets import TicketId, TicketOut


class OfTicket(Asks):
    """Which ticket."""

    id: TicketId


SUGGEST = Operation(
    name="suggest",
    method="POST",
    path="/api/v1/tickets/suggest",
    summary="Who may handle a matter, by its text, place and number, with reasons",
    right=Right.WRITE_TICKETS,
    query=Nothing,
    body=SuggestionIn,
    response=SuggestionOut,
)
SUGGESTION = Operation(
    name="getSuggestion",
    method="GET",
    path="/api/v1/tickets/{id}/suggestion",
    summary="Who may handle a ticket, with reasons",
    right=Right.WRITE_TICKETS,
    query=OfTicket,
    body=Nothing,
    response=SuggestionOut,
    errors=(NotFound,),
)
CATALOGUE = Operation(
    name="getCatalogue",
    method="GET",
    path="/api/v1/catalogue",
    summary="What tickets are about, on two levels, and who is in charge",
    right=Right.READ_TICKETS,
    query=Nothing,
    body=Nothing,
    response=CatalogueOut,
)
PLACES = Operation(
    name="listPlaces",
    method="GET",
    path="/api/v1/places",
    summary="Counties and districts with their towns and landmarks",
    right=Right.READ_TICKETS,
    query=Nothing,
    body=Nothing,
    response=list[CountyOut],
)

FindTicket = Callable[[Who, str], Awaitable[TicketOut]]
"""Returns the ticket that somebody may see; raises NotFound otherwise."""


class Suggesting:
    """Keeps the suggester of the casebook and register in force.

    Compiling one takes half a second at worst: whoever follows them calls `renew` in a thread, so
    that no question waits for it in the loop that serves calls.
    """

    def __init__(self, book: Callable[[], Casebook], register: Callable[[], Register]) -> None:
        self._book, self._register = book, register
        self._made: tuple[Casebook, Register, Suggester] | None = None

    def __call__(self) -> Suggester:
        """Return the suggester that was made last; only the first question makes one."""
        return self.renew() if self._made is None else self._made[2]

    def renew(self) -> Suggester:
        """Return the suggester as things are now, compiled if they changed; for a thread."""
        book, register = self._book(), self._register()
        if self._made is None or self._made[0] is not book or self._made[1] is not register:
            made = Suggester.of(book, register)
            self._made = book, register, made
            return made
        return self._made[2]


def routes(
    suggester: Callable[[], Suggester], *, book: Callable[[], Casebook], ticket: FindTicket
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        suggester: the suggester as things were a moment ago, see `Suggesting`.
        book: the casebook as it is now.
        ticket: finds a ticket for who asks.
    """

    async def suggest(asked: Asked[Nothing, SuggestionIn]) -> SuggestionOut:
        found = suggester().suggest(**asked.body.model_dump())
        return as_told(found, book())

    async def suggestion(asked: Asked[OfTicket, Nothing]) -> SuggestionOut:
        return of_ticket(suggester(), await ticket(asked.who, asked.query.id), book())

    async def catalogue(asked: Asked[Nothing, Nothing]) -> CatalogueOut:
        now = book()
        fields = [_branch(code, field, now) for code, field in now.catalogue.fields.items()]
        return CatalogueOut(version=now.catalogue.version, fields=fields)

    async def places(asked: Asked[Nothing, Nothing]) -> list[CountyOut]:
        return [
            CountyOut(
                code=code,
                name=county.name,
                unit=county.unit,
                towns=list(county.towns),
                landmarks=list(county.landmarks),
            )
            for code, county in book().gazetteer.counties.items()
        ]

    return [
        bind(SUGGEST, suggest),
        bind(SUGGESTION, suggestion),
        bind(CATALOGUE, catalogue),
        bind(PLACES, places),
    ]


def of_ticket(suggester: Suggester, ticket: TicketOut, book: Casebook) -> SuggestionOut:
    """Return who may handle *ticket*: its own text, else what the caller said beforehand."""
    found = suggester.suggest(
        title=ticket.title,
        body=ticket.body or ticket.transcript or "",
        place=ticket.place,
        kind=ticket.kind,
        number=ticket.number,
        county=ticket.county,
        town=ticket.town,
        category=ticket.category,
    )
    return as_told(found, book)


def as_told(found: Suggestion, book: Casebook) -> SuggestionOut:
    """Return *found* as people and pages read it."""
    place = found.place
    county = book.gazetteer.counties.get(place.county or "")
    return SuggestionOut(
        ranked=[
            ChoiceOut(
                unit=choice.unit,
                name=choice.name,
                level=choice.level,
                score=choice.score,
                reasons=list(choice.reasons),
                assisting=list(choice.assisting),
            )
            for choice in found.ranked
        ],
        categories=[
            GuessOut(
                code=guess.code,
                label=book.catalogue.label(guess.code),
                score=guess.score,
                words=list(guess.words),
            )
            for guess in found.categories
        ],
        place=PlaceOut(
            county=place.county,
            county_label=None if county is None else county.name,
            town=place.town,
            landmark=place.landmark,
            words=place.words,
            counties=list(place.counties),
            certainty=round(place.certainty, 2),
        ),
        urgency=found.urgency,
        complained_of=found.complained_of,
        scope=found.scope and ScopeOut(number=found.scope.number, reason=found.scope.reason),
        emergency=found.emergency,
        advice=list(found.advice),
    )


def _branch(code: str, field: Branch, book: Casebook) -> BranchOut:
    def of(name: str, category: Category) -> CategoryOut:
        unit = category.unit or field.unit
        return CategoryOut(
            code=f"{code}.{name}",
            name=category.name,
            unit=unit,
            unit_label=book.unit_name(unit),
            firm=category.firm,
            local=category.local,
            urgency=category.urgency,
            conduct=category.conduct,
            scope=category.scope,
        )

    categories = [of(name, category) for name, category in field.categories.items()]
    return BranchOut(code=code, name=field.name, unit=field.unit, categories=categories)
