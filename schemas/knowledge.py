"""The knowledge base (知识库) in JSON: articles, what is found, what agents say of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo

from schemas.http import Asks, Text
from schemas.times import Since, Until

BODY_LENGTH = 20_000
"""Characters of an article."""
SPOKEN_LENGTH = 600
"""Characters of what is read to a caller: about two minutes."""
_LATEST = 7_258_089_600.0
"""2200-01-01: a time beyond it is a slip."""


class ArticleState(StrEnum):
    """Whether an article may be used."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The word people read."""
        return LABELS[self]


LABELS: Mapping[ArticleState, str] = {
    ArticleState.DRAFT: "草稿",
    ArticleState.PUBLISHED: "已发布",
    ArticleState.WITHDRAWN: "已撤下",
}

RowId = Annotated[int, Field(ge=1, le=2**31 - 1)]
_Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{1,47}$")]
_Unit = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
_Title = Annotated[Text, Field(min_length=2, max_length=200)]
_Body = Annotated[Text, Field(max_length=BODY_LENGTH)]
_Spoken = Annotated[Text, Field(max_length=SPOKEN_LENGTH)]
_Keyword = Annotated[Text, Field(min_length=1, max_length=40)]
_Keywords = Annotated[list[_Keyword], Field(max_length=30)]


def _written(given: object, info: ValidationInfo) -> object:
    """Refuse numbers where JSON should have a date or a time as text."""
    if info.mode == "json" and given is not None and not isinstance(given, str):
        raise ValueError("must be text: a date or a time")
    return given


_From = Annotated[Since, Field(ge=0, le=_LATEST, allow_inf_nan=False), BeforeValidator(_written)]
_Until = Annotated[Until, Field(ge=0, le=_LATEST, allow_inf_nan=False), BeforeValidator(_written)]
_CallId = Annotated[Text, Field(max_length=64)]


class ArticleFileOut(BaseModel):
    """An attachment of an article."""

    id: int
    name: str
    media: str
    size: int
    sha256: str
    at: str


class ArticleOut(BaseModel):
    """An article; times ISO 8601 with zone."""

    id: int
    title: str
    body: str = Field(description="Plain text")
    spoken: str = Field(description='What may be read to a caller; "": not for reading out')
    unit: str = Field(description="Owner: keeps it right")
    category: str | None
    keywords: list[str]
    valid_from: str | None
    valid_until: str | None
    review_at: str | None
    state: ArticleState
    state_label: str
    valid: bool = Field(description="Published and within its time: agents find it")
    review_due: bool
    used: int = Field(description="Times an agent answered with it")
    wrong: int = Field(description="Open reports that it is wrong")
    version: int = Field(description="Send it back with a change")
    created_at: str
    updated_at: str
    updated_by: str
    files: list[ArticleFileOut] = []


class ArticleIn(Asks):
    """A new article."""

    title: _Title
    unit: _Unit
    body: _Body = ""
    spoken: _Spoken = ""
    category: _Code | None = None
    keywords: _Keywords = Field(default=[])
    valid_from: _From | None = None
    valid_until: _Until | None = Field(default=None, description="Not included; a date: its end")
    review_at: _From | None = None
    state: Literal[ArticleState.DRAFT, ArticleState.PUBLISHED] = ArticleState.DRAFT


class ArticlePatch(Asks):
    """A change; what is missing stays. A null takes category or date away."""

    version: int = Field(ge=1, le=2**31 - 1, description="The version the change was made on")
    title: _Title | None = None
    unit: _Unit | None = None
    body: _Body | None = None
    spoken: _Spoken | None = None
    category: _Code | None = None
    keywords: _Keywords | None = None
    valid_from: _From | None = None
    valid_until: _Until | None = None
    review_at: _From | None = None
    state: ArticleState | None = None


class ArticleFilter(Asks):
    """Which articles, newest first."""

    unit: str | None = Field(default=None, max_length=64)
    category: str | None = Field(default=None, max_length=48)
    state: ArticleState | None = None
    due: bool | None = Field(default=None, description="To be reviewed by now")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: RowId | None = Field(default=None, description="Only ids below this: the next page")


class SearchAsked(Asks):
    """What is looked for."""

    q: str = Field(max_length=200, description="Words, or pinyin: 社保卡, sbk, shebaoka")
    unit: str | None = Field(default=None, max_length=64)
    category: str | None = Field(default=None, max_length=48)
    all: bool = Field(
        default=False, description="Also drafts, withdrawn and out of date: one's own unit's only"
    )
    limit: Annotated[int, Field(ge=1, le=50)] = 20


Span = tuple[int, int]
"""Characters (code points) from, to (not included)."""


class Matched(StrEnum):
    """Where the words stand, best first."""

    TITLE = "title"
    KEYWORDS = "keywords"
    BODY = "body"
    SOME = "some"
    """Not all of them."""


class FoundArticle(BaseModel):
    """An article that was found."""

    id: int
    title: str
    title_marks: list[Span] = Field(description="Matched words in the title")
    snippet: str
    snippet_marks: list[Span] = Field(description="Matched words in the snippet")
    matched: Matched
    unit: str
    category: str | None
    state: ArticleState
    valid: bool
    valid_until: str | None
    spoken: bool = Field(description="Has a text to read to the caller")
    wrong: int
    used: int
    version: int


class SpokenOut(BaseModel):
    """What may be read to a caller."""

    id: int
    version: int
    text: str


class FeedbackKind(StrEnum):
    """What an agent says."""

    NOT_FOUND = "not_found"
    WRONG = "wrong"


class WrongIn(Asks):
    """The article is wrong."""

    text: Annotated[Text, Field(min_length=1, max_length=1000)]
    call_id: _CallId | None = None


class NotFoundIn(Asks):
    """There is no article on it."""

    query: Annotated[Text, Field(min_length=1, max_length=200)]
    text: Annotated[Text, Field(max_length=1000)] = ""
    unit: _Unit | None = Field(default=None, description="Who should write it, if that is known")
    call_id: _CallId | None = None


class FeedbackFilter(Asks):
    """Which feedback, newest first; a unit's people find their own unit's only."""

    open: bool = True
    kind: FeedbackKind | None = None
    unit: str | None = Field(default=None, max_length=64)
    article_id: RowId | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: RowId | None = Field(default=None, description="Only ids below this: the next page")


class SettleIn(Asks):
    """What was done about it."""

    answer: Annotated[Text, Field(min_length=1, max_length=1000)]


class FeedbackOut(BaseModel):
    """What an agent said, and what became of it."""

    id: int
    kind: FeedbackKind
    article_id: int | None
    unit: str | None = Field(description="Who is to settle it; null: the dispatchers")
    query: str
    text: str
    call_id: str | None
    who: str
    at: str
    settled_by: str | None
    settled_at: str | None
    answer: str
