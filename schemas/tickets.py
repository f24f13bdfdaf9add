"""工单 in JSON."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas.cases import ClockName, Kind, Light, Resolution, TicketState, Urgency, Waiting
from schemas.http import Asks, Text
from schemas.times import Since, Until

BODY_LENGTH = 8000
"""Characters of a ticket's text."""


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
_Town = Annotated[Text, Field(max_length=40)]
_County = Annotated[str, Field(pattern=r"^[a-z]{3,16}$")]
_Body = Annotated[Text, Field(max_length=BODY_LENGTH)]


_Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{1,47}$")]
_Unit = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")]


class ClockOut(BaseModel):
    """A clock of a ticket; times ISO 8601 with zone."""

    name: ClockName
    label: str
    unit: str | None
    begun_at: str
    due_at: str | None = Field(description="null while it pauses")
    ended_at: str | None
    paused: bool
    light: Light
    limit: str = Field(description="As people read it: 5个工作日")
    basis: str = Field(description="Rule of limits.toml")
    met: bool | None


class HistoryOut(BaseModel):
    """One change of a ticket."""

    seq: int
    at: str
    who: str
    role: str
    unit: str | None
    move: str
    label: str
    before: str
    after: str
    why: str
    call_id: str | None
    detail: dict[str, object]
    hash: str


class FileOut(BaseModel):
    """Evidence of a ticket."""

    id: int
    name: str
    media: str
    size: int
    sha256: str
    who: str
    at: str


class TicketOut(BaseModel):
    """A ticket; times ISO 8601 with zone. Of a confidential caller number and name are masked."""

    id: str
    call_id: str | None
    state: TicketState
    state_label: str = ""
    kind: Kind | None
    kind_label: str | None = Field(description="受理类别 in Chinese")
    urgency: Urgency = Urgency.NORMAL
    category: str | None = None
    county: str | None = None
    town: str | None = None
    caller: str | None
    contact_name: str | None
    confidential: bool = False
    number: str | None = Field(description="Number of the register the citizen dialled")
    hotline: str | None
    attribution: str | None
    unit: str | None
    unit_label: str | None = None
    assisting: list[str] = []
    owner: str = Field(default="", description='Who must move now; "" once it is closed')
    agent: str | None
    transcript: str | None = Field(
        description="What the caller said before anybody answered: recognised, not checked"
    )
    confidence: float | None = Field(description="0-1: how sure its meaning was")
    title: str
    body: str
    place: str
    occurred: str = ""
    waiting: Waiting | None = None
    with_coordinator: bool = False
    returns: int = 0
    extensions: int = 0
    reworks: int = 0
    supervised: int = 0
    urged: int = 0
    scope: int | None = None
    merged_into: str | None = None
    resolution: Resolution | None = None
    reply: str = ""
    policy: str = ""
    told_at: str | None = None
    solved: bool | None = None
    satisfied: int | None = None
    light: Light = Light.OFF
    due_at: str | None = None
    version: int = Field(description="Send it back with a change")
    created_at: str
    updated_at: str
    closed_at: str | None = None
    may: list[str] = Field(default=[], description="Moves that who asks may make now")


class TicketWhole(TicketOut):
    """A ticket with all that belongs to it."""

    clocks: list[ClockOut] = []
    history: list[HistoryOut] = []
    files: list[FileOut] = []
    calls: list[str] = []


class TicketIn(Asks):
    """A ticket that no call opened."""

    title: _Line
    kind: Kind | None = None
    urgency: Urgency = Urgency.NORMAL
    category: _Code | None = None
    county: _County | None = None
    town: _Town | None = None
    caller: Phone | None = None
    contact_name: _Name | None = None
    confidential: bool = False
    number: Phone | None = Field(default=None, description="A number of the register")
    unit: _Unit | None = None
    body: _Body = ""
    place: _Line = ""
    occurred: Annotated[Text, Field(max_length=100)] = ""


class TicketPatch(Asks):
    """What may be changed while it is open; what is missing or null stays as it is.

    The state changes by moves alone (`POST /api/v1/tickets/{id}/moves`).
    """

    version: int = Field(ge=1, le=2**31 - 1, description="The version the change was made on")
    title: _Line | None = None
    kind: Kind | None = None
    urgency: Urgency | None = Field(default=None, description="Before it is dispatched only")
    category: _Code | None = None
    county: _County | None = None
    town: _Town | None = None
    contact_name: _Name | None = None
    confidential: bool | None = Field(
        default=None, description="Only ever from false to true: who is masked stays masked"
    )
    unit: _Unit | None = Field(default=None, description="A guess, before it is dispatched only")
    body: _Body | None = None
    place: _Line | None = None
    occurred: Annotated[Text, Field(max_length=100)] | None = None


class TicketFilter(Asks):
    """Which tickets; a unit's people find their own unit's only, whatever they ask."""

    since: Since | None = Field(default=None, description="Opened at this time or later")
    until: Until | None = Field(default=None, description="Opened before this time")
    state: list[TicketState] = Field(default=[], description="Any of these")
    open: bool | None = Field(default=None, description="Not closed (true) or closed (false)")
    kind: Kind | None = None
    urgency: Urgency | None = None
    category: str | None = Field(default=None, max_length=48)
    county: str | None = Field(default=None, max_length=16)
    unit: str | None = Field(default=None, max_length=64, description="Lead unit")
    owner: str | None = Field(default=None, max_length=64)
    light: Light | None = None
    caller: str | None = Field(default=None, max_length=64)
    agent: str | None = Field(default=None, max_length=32)
    call_id: str | None = Field(default=None, max_length=64)
    text: str | None = Field(
        default=None, max_length=100, description="Words of title, text, place"
    )
    order: Literal["newest", "due"] = Field(
        default="newest", description="`due`: what is due first; only what has a due time"
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class Counts(BaseModel):
    """How many open tickets there are that who asks may see."""

    open: int
    light: dict[Light, int] = Field(description="By light; a unit's own clocks only")
    state: dict[TicketState, int] = Field(description="By state; only those that there are")


class HistoryWhole(BaseModel):
    """The history of a ticket, and whether nobody altered it."""

    rows: list[HistoryOut]
    verified: bool = Field(description="Whether every row's hash covers the row before it")
    broken: int | None = Field(default=None, description="First row that does not fit")


class UnmaskIn(Asks):
    """Why somebody must know who a confidential caller is."""

    why: Annotated[Text, Field(min_length=1, max_length=200)]


class UnmaskGrant(Asks):
    """What the second person says."""

    grant: bool


class UnmaskOut(BaseModel):
    """A request to see who a confidential caller is; two people, and for a short time."""

    id: int
    ticket_id: str
    asked_by: str
    asked_at: str
    why: str
    granted_by: str | None = Field(description="Who judged it, also when it was refused")
    granted_at: str | None
    refused: bool
    expires_at: str | None


class CallerOut(BaseModel):
    """Who a confidential caller is; never kept, never listed."""

    caller: str | None
    name: str | None


class Swept(BaseModel):
    """What one sweep did."""

    reckoned: int = 0
    """Clocks that a changed calendar moved."""
    climbed: int = 0
    """Steps of the ladder that were taken."""
    begun: int = 0
    """Open tickets that had no running clock, and have one now."""
