"""工单 in JSON. For now its draft: the life of a ticket comes with case work."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from schemas.http import Asks, Text

BODY_LENGTH = 8000
"""Characters of a ticket's text."""


class Kind(StrEnum):
    """What the citizen wants (受理类别)."""

    CONSULT = "consult"
    HELP = "help"
    COMPLAINT = "complaint"
    REPORT = "report"
    ADVICE = "advice"
    PRAISE = "praise"

    @property
    def label(self) -> str:
        """The word people read."""
        return LABELS[self]


LABELS: Mapping[Kind, str] = {
    Kind.CONSULT: "咨询",
    Kind.HELP: "求助",
    Kind.COMPLAINT: "投诉",
    Kind.REPORT: "举报",
    Kind.ADVICE: "建议",
    Kind.PRAISE: "表扬",
}


class TicketState(StrEnum):
    """Where a ticket is."""

    DRAFT = "draft"
    CLOSED = "closed"


Phone = Annotated[str, Field(pattern=r"^\+?[0-9]{3,20}$", examples=["09173260000"])]
"""A number a person typed: digits, perhaps a plus in front."""
TICKET_PREFIX = "BJ"
TicketId = Annotated[
    str, Field(pattern=rf"^{TICKET_PREFIX}[0-9]{{8}}-[0-9]{{6,9}}$", examples=["BJ20261123-000001"])
]


def ticket_id(digits: str) -> str:
    """Return the ticket number of *digits*: the day, yyyymmdd, and the running number."""
    return f"{TICKET_PREFIX}{digits[:8]}-{digits[8:]}"


_Line = Annotated[Text, Field(max_length=200)]
_Name = Annotated[Text, Field(max_length=80)]
_Body = Annotated[Text, Field(max_length=BODY_LENGTH)]
_Unit = Annotated[Text, Field(max_length=64)]


class TicketOut(BaseModel):
    """A ticket; times ISO 8601 with zone."""

    id: str
    call_id: str | None
    state: TicketState
    kind: Kind | None
    kind_label: str | None = Field(description="受理类别 in Chinese")
    caller: str | None
    contact_name: str | None
    number: str | None = Field(description="Number of the register the citizen dialled")
    hotline: str | None
    attribution: str | None
    unit: str | None
    agent: str | None
    transcript: str | None = Field(
        description="What the caller said before anybody answered: recognised, not checked"
    )
    confidence: float | None = Field(description="0-1: how sure its meaning was")
    title: str
    body: str
    place: str
    version: int = Field(description="Send it back with a change")
    created_at: str
    updated_at: str


class TicketIn(Asks):
    """A ticket that no call opened."""

    title: _Line
    kind: Kind | None = None
    caller: Phone | None = None
    contact_name: _Name | None = None
    number: Phone | None = Field(default=None, description="A number of the register")
    unit: _Unit | None = None
    body: _Body = ""
    place: _Line = ""


class TicketPatch(Asks):
    """What may be changed; what is missing or null stays as it is."""

    version: int = Field(ge=1, le=2**31 - 1, description="The version the change was made on")
    state: TicketState | None = None
    title: _Line | None = None
    kind: Kind | None = None
    contact_name: _Name | None = None
    unit: _Unit | None = None
    body: _Body | None = None
    place: _Line | None = None
