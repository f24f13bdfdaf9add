"""What travels over `/ws/desk`: one snapshot, then numbered changes.

Commands carry an id of the desk's own and are answered with it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.calls import CallOut

Presence = Literal["offline", "ready", "ringing", "talking", "wrap_up", "paused"]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        # A line break would end the AMI header it travels in: app_queue could not be told.
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$",
    ),
]
"""Why an agent takes no calls, in one line."""


class Message(BaseModel):
    """Base: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class EarlierCall(Message):
    """A line of the caller's history."""

    id: str
    started_at: str
    hotline: str | None
    outcome: str | None
    agent: str | None


class OpenTicket(Message):
    """An open ticket of the caller."""

    id: str
    state: str
    title: str
    created_at: str


class History(Message):
    """What is known of a caller."""

    calls: list[EarlierCall] = []
    tickets: list[OpenTicket] = []


class ScreenPop(Message):
    """Everything the agent should see while the phone starts to ring.

    Sent twice when the history was not at hand at once: first without, then (same call) with it.
    """

    call: str
    caller: str | None
    number: str | None
    hotline: str | None
    owner_unit: str | None
    integration: str | None
    attribution: str | None
    queue: str | None
    waited: float = Field(description="Seconds since the INVITE: what the citizen has waited")
    started_at: str
    history: list[EarlierCall] | None = None
    open_tickets: list[OpenTicket] | None = None
    transcript: str | None = Field(
        default=None, description="What the caller said to the flow: recognised, not checked"
    )
    intent: str | None = Field(default=None, description="What it was taken to mean")
    confidence: float | None = Field(default=None, description="0-1: how sure that was")


class AgentState(Message):
    """One agent as desks and supervisors see it."""

    agent: str
    name: str
    state: Presence
    since: str
    reason: str | None = None
    call: str | None = None
    phone_online: bool | None = None
    desk: bool = Field(default=False, description="A desk of this agent is open")
    wrap_up_ends: str | None = None


class Snapshot(Message):
    """First message on the socket."""

    type: Literal["snapshot"] = "snapshot"
    v: int
    me: AgentState
    call: CallOut | None = None
    pop: ScreenPop | None = None


class Change(Message):
    """One change after the snapshot; `v` grows by one each time.

    `state` replaces `me` and `call` replaces `call`. `pop` replaces `pop`; one of another call
    also empties `call`. `pop_closed` empties both and says `why`: missed, answered (elsewhere),
    caller_gone or done.
    `ticket` (`id`, `call`) says that the draft of a call is committed.
    """

    type: Literal["state", "pop", "pop_closed", "call", "ticket"]
    v: int
    body: dict[str, object]


class Answer(Message):
    """The answer to one command."""

    type: Literal["answer"] = "answer"
    id: str
    ok: bool
    error: dict[str, object] | None = None


class Command(Message):
    """Base of what a desk may ask; `id` comes back in the answer."""

    id: str = Field(min_length=1, max_length=64)


class Ready(Command):
    """Take calls; also ends wrap-up."""

    do: Literal["ready"]


class Pause(Command):
    """Take no calls."""

    do: Literal["pause"]
    reason: Reason


class Offline(Command):
    """Sign off the queues."""

    do: Literal["offline"]


class Ping(Command):
    """Ask for a sign of life."""

    do: Literal["ping"]


AnyCommand = Annotated[Ready | Pause | Offline | Ping, Field(discriminator="do")]
COMMAND: TypeAdapter[Ready | Pause | Offline | Ping] = TypeAdapter(AnyCommand)
