"""Web hooks in JSON."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas.http import Asks, Text

HookId = Annotated[int, Field(ge=1, le=2**31 - 1)]
Topic = Annotated[
    str,
    Field(max_length=40, pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", examples=["ticket"]),
]
Url = Annotated[
    Text,
    Field(min_length=8, max_length=500, examples=["https://oa.example.gov.cn/hotline"]),
]
Topics = Annotated[
    list[Topic],
    Field(max_length=20, description="Beginnings of topics: `ticket`, `ticket.close`; none: all"),
]
Label = Annotated[Text, Field(max_length=80)]


class HookIn(Asks):
    """Who is to be told."""

    url: Url
    topics: Topics = Field(default=[])
    label: Label = ""
    active: bool = True


class HookPatch(Asks):
    """What changes; what is missing or null stays."""

    url: Url | None = None
    topics: Topics | None = None
    label: Label | None = None
    active: bool | None = Field(
        default=None, description="What is due to a hook waits while it is not active"
    )


class HookOut(BaseModel):
    """A web hook; its secret is never shown again."""

    id: int
    url: str
    topics: list[str]
    label: str
    active: bool
    created_at: str
    created_by: str
    waiting: int = Field(description="Deliveries not yet made")
    given_up: int = Field(description="Deliveries nobody tries any more")


class HookMade(HookOut):
    """A web hook just made, or given a new secret: shown this once."""

    secret: str = Field(description="Key of HMAC-SHA256 over `<X-Hotline-Timestamp>.<body>`")


DeliveryState = Literal["waiting", "delivered", "given_up"]


class DeliveryOut(BaseModel):
    """One piece of news on its way to one hook."""

    id: int
    news: int = Field(description="The `id` the receiver sees, however often it is sent")
    topic: str
    ref: str
    seq: int
    at: str = Field(description="When it happened")
    state: DeliveryState
    tries: int = Field(description="How often it failed")
    next_at: str | None = Field(description="Not tried before; null once it is settled")
    delivered_at: str | None
    status: int | None = Field(description="Last HTTP status")
    error: str | None
