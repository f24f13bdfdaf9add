"""Who may handle a ticket, in JSON: what is asked, what is proposed, what there is to choose."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas.cases import Kind, Urgency
from schemas.http import Asks, Text
from schemas.tickets import BODY_LENGTH, Phone

_Line = Annotated[Text, Field(max_length=200)]
_Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{1,47}$")]


class SuggestionIn(Asks):
    """What is known of a matter; the agent's own choice of county, town, category wins."""

    title: _Line = ""
    body: Annotated[Text, Field(max_length=BODY_LENGTH)] = ""
    place: _Line = ""
    kind: Kind | None = None
    number: Phone | None = Field(default=None, description="What the citizen dialled")
    county: _Code | None = None
    town: Annotated[Text, Field(max_length=80)] | None = None
    category: _Code | None = None


class ChoiceOut(BaseModel):
    """A unit that may handle it."""

    unit: str
    name: str
    level: Literal["city", "county", "firm"]
    score: float = Field(description="0-1; falls from the first to the last")
    reasons: list[str] = Field(description="In words, Chinese")
    assisting: list[str] = Field(description="Units that should assist (协办)")


class GuessOut(BaseModel):
    """A category that it may be about."""

    code: str
    label: str
    score: float
    words: list[str] = Field(description="What was said for it")


class PlaceOut(BaseModel):
    """Where it seems to be."""

    county: str | None = Field(description="null when none is named or `counties` must be asked")
    county_label: str | None
    town: str | None
    landmark: str | None
    words: str = Field(description="What was said of it")
    counties: list[str] = Field(description="All counties it may be in, likeliest first")
    certainty: float


class ScopeOut(BaseModel):
    """It may be something the hotline does not take (plan 四)."""

    number: int = Field(ge=1, le=7)
    reason: str


class SuggestionOut(BaseModel):
    """Who may handle it, for the agent to confirm."""

    ranked: list[ChoiceOut] = Field(min_length=1)
    categories: list[GuessOut]
    place: PlaceOut
    urgency: Urgency
    complained_of: str | None = Field(description="Unit whose conduct is complained of (作风效能)")
    scope: ScopeOut | None
    emergency: bool = Field(description="Somebody may be in danger: act on `advice` first")
    advice: list[str]


class CategoryOut(BaseModel):
    """A category of the catalogue."""

    code: str
    name: str
    unit: str
    unit_label: str
    firm: str | None
    local: bool
    urgency: Urgency
    conduct: bool
    scope: int | None


class BranchOut(BaseModel):
    """A field of the catalogue."""

    code: str
    name: str
    unit: str
    categories: list[CategoryOut]


class CatalogueOut(BaseModel):
    """What tickets are about, on two levels."""

    version: str
    fields: list[BranchOut]


class CountyOut(BaseModel):
    """A county or district with what can be chosen in it."""

    code: str
    name: str
    unit: str
    towns: list[str]
    landmarks: list[str]
