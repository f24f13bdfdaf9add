"""A call as everybody outside the call machine sees it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from pydantic import BaseModel, Field

from schemas.numbers import Attribution, Number

CallId = NewType("CallId", str)
"""Asterisk's Linkedid: one value for all channels of one conversation."""

AgentId = NewType("AgentId", str)
"""Extension of an agent, which is also the name of the phone's SIP endpoint and AOR."""

GENERAL_QUEUE = "citizens"
"""Queue of every agent. Not "general": that section of queues.conf holds app_queue's settings."""

FALLBACK_QUEUE = "fallback"
"""Queue the dialplan uses by itself when no controller tells it better."""


SKILL = "skill-"
"""How the code of a skill begins that is no owner unit's: `skill-dialect`, `skill-night`."""


TOP_PRIORITY = 100
"""QUEUE_PRIO of callers who were in an agent's hands already and lost them."""


def skill_queue(skill: str) -> str:
    """Return the queue of *skill*: an owner unit's code, or a code that begins with `SKILL`.

    Agents with that skill are rung first.
    """
    return skill if skill.startswith(SKILL) else f"unit-{skill}"


def agent_queue(agent: str) -> str:
    """Return the queue that rings one agent alone: who knows the caller already."""
    return f"agent-{agent}"


class Outcome(StrEnum):
    """The one closing word of a call."""

    ANSWERED = "answered"
    TRANSFERRED = "transferred"
    EMERGENCY = "emergency"
    SELF_SERVICE = "self_service"
    OUT_OF_SCOPE = "out_of_scope"
    CALLBACK_PROMISED = "callback_promised"
    ABANDONED_IN_FLOW = "abandoned_in_flow"
    ABANDONED_IN_QUEUE = "abandoned_in_queue"
    FALLBACK = "fallback"
    """A person answered, but the dialplan found the way by itself: the controller did not."""
    FAILED = "failed"


class RouteKind(StrEnum):
    """What the dialplan is to do once the flow has ended."""

    QUEUE = "queue"
    TRANSFER = "transfer"
    MESSAGE = "message"
    """The caller leaves a message (留言) and is called back."""
    HANGUP = "hangup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the flow decided; the dialplan acts on it from channel variables."""

    kind: RouteKind
    queue: str | None = None
    """Queue to stand in, also after a failed transfer or an unanswered seat."""
    skill: str | None = None
    """Owner-unit code: whose matter it is. Where somebody has this skill, `queue` is theirs."""
    priority: int = 0
    """app_queue's QUEUE_PRIO; higher is served first."""
    seat_queue: str | None = None
    """Queue of the owner's seats, tried first for `seat_seconds`."""
    seat_seconds: int = 0
    target: str | None = None
    """Number to dial over the trunk (transfer)."""
    agent: str | None = None
    """Extension of the agent who is rung before the queue: they know this caller."""
    outcome: Outcome | None = None
    """Set when the flow itself is the whole answer (notice heard, then hang-up)."""

    def __str__(self) -> str:
        match self.kind:
            case RouteKind.QUEUE if self.agent:
                return f"queue:{agent_queue(self.agent)}>{self.queue}"
            case RouteKind.QUEUE if self.seat_queue:
                return f"queue:{self.seat_queue}>{self.queue}"
            case RouteKind.QUEUE:
                return f"queue:{self.queue}"
            case RouteKind.TRANSFER:
                return f"transfer:{self.target}"
            case _:
                return str(self.kind)


class State(StrEnum):
    """Where a call is; the table of moves is in the call machine."""

    NEW = "new"
    """Known by its channel only."""
    FLOW = "flow"
    QUEUED = "queued"
    RINGING = "ringing"
    """Queued, and at least one agent's phone rings for it."""
    TALKING = "talking"
    TALKED = "talked"
    """The talk is over and the caller still on the line (rating, next step)."""
    TRANSFERRING = "transferring"
    OUTSIDE = "outside"
    """Speaking to an outside number over the trunk."""
    PARKED = "parked"
    """Waits with music until some agent takes the caller."""
    ENDED = "ended"


class Place(StrEnum):
    """Where call control has put the caller."""

    QUEUE = "queue"
    """Nowhere: app_queue's own bridge, or no talk at all."""
    ROOM = "room"
    HELD = "held"
    PARKED = "parked"


class Third(StrEnum):
    """How far a third party has come."""

    RINGING = "ringing"
    BRIEFED = "briefed"
    """Answered, and hears what it is about."""
    JOINED = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What call control has made of a talk; the table of moves is in `cti.calls.control`."""

    caller: Place = Place.QUEUE
    seated: bool = False
    """The agent's phone is in the call's room."""
    roomed: bool = False
    """This talk was moved out of app_queue's bridge: what app_queue says of it counts no more."""
    target: str | None = None
    """Whom the third party is: a number of the trunk, or an agent's extension."""
    third: Third | None = None
    internal: bool = False
    """The third party is one of our agents."""
    muted: bool = False
    """Nothing is recorded just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One conversation as a value: what the machine steps and everybody else may read."""

    id: CallId
    state: State
    started_at: float
    """Unix seconds of the INVITE: the SLA clock starts here."""
    since: float
    """Unix seconds of the last change of state."""
    channel: str | None = None
    did: str | None = None
    caller: str | None = None
    number: Number | None = None
    attribution: Attribution | None = None
    dialled: str | None = None
    chain: tuple[str, ...] = ()
    route: Route | None = None
    queue: str | None = None
    ringing: tuple[AgentId, ...] = ()
    """Agents whose phones ring for this call just now."""
    agent: AgentId | None = None
    """Who talks, or talked last."""
    answered_at: float | None = None
    """First time a human answered."""
    ended_at: float | None = None
    outcome: Outcome | None = None
    fell_back: str | None = None
    """Why the dialplan had to help itself, if it had to."""
    ticket_id: str | None = None
    transcript: str | None = None
    """What the caller said to the flow, as recognised, one sentence after another; hostile text."""
    intent: str | None = None
    """What we took it to mean (`line-40`); None when nothing was said or understood."""
    confidence: float | None = None
    """0-1: how sure we were."""
    recording: str | None = None
    cause: int | None = None
    control: Control = Control()
    emergency: bool = False
    """110, 119, 120 or 122 has answered."""


class TimelineEntry(BaseModel):
    """One thing that happened in a call."""

    at: str = Field(description="ISO 8601 with zone")
    kind: str
    detail: dict[str, str | int | float | bool | None] = {}


class CallOut(BaseModel):
    """A call in JSON; times ISO 8601 with zone, durations in seconds."""

    id: str
    node: str
    number: str | None = Field(description="Number of the register the citizen dialled")
    line_no: int | None
    hotline: str | None
    integration: str | None
    attribution: str | None
    did: str | None = Field(description="Number the call arrived on")
    caller: str | None
    state: str
    started_at: str
    answered_at: str | None
    ended_at: str | None
    sla_seconds: float | None = Field(description="INVITE to a human's answer, prompts included")
    outcome: Outcome | None
    route: str | None
    queue: str | None
    agent: str | None
    ticket_id: str | None
    transcript: str | None = Field(description="What the caller said to the flow, as recognised")
    intent: str | None = Field(description="What it was taken to mean")
    confidence: float | None = Field(description="0-1: how sure that was")
    recording: str | None
    timeline: list[TimelineEntry] = []
