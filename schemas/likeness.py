"""并单: open tickets that may be the same matter, in JSON."""

from typing import Annotated

from pydantic import BaseModel, Field

from schemas.cases import TicketState
from schemas.http import Asks, Text
from schemas.tickets import BODY_LENGTH, Phone


class AlikeIn(Asks):
    """What an agent has so far; nothing is saved."""

    title: Annotated[Text, Field(max_length=200)] = ""
    body: Annotated[Text, Field(max_length=BODY_LENGTH)] = ""
    caller: Phone | None = None
    category: Annotated[Text, Field(max_length=48)] | None = None
    county: Annotated[Text, Field(max_length=48)] | None = None
    town: Annotated[Text, Field(max_length=80)] | None = None
    place: Annotated[Text, Field(max_length=200)] = ""


class AlikeOut(BaseModel):
    """An open ticket that may be the same matter. Nothing of who called stands here."""

    ticket_id: str
    title: str
    state: TicketState
    state_label: str
    created_at: str
    score: int = Field(ge=0, le=100)
    likely: bool = Field(description="Very likely the same; otherwise only worth a look")
    repeat: bool = Field(description="The same number within 72 hours with the same matter")
    reasons: list[str] = Field(description="As people read them: 同一来电号码, 文字相似 87")
