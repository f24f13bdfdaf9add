"""What the call machine may be told. Frozen; a closed family: do not subclass outside this file."""

from dataclasses import dataclass

from schemas.calls import AgentId, Call, CallId, Control, Outcome, Place, Route
from schemas.numbers import Attribution, Number


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """Base of everything the call machine may be told."""

    call: CallId
    at: float
    """Unix time it happened, seconds, from Asterisk's own clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(CallEvent):
    """An INVITE of the trunk became a channel: the SLA clock starts."""

    channel: str
    did: str
    """User part of the request URI, as dialled; hostile text."""
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStarted(CallEvent):
    """The AGI script runs and knows which number the citizen dialled."""

    channel: str
    did: str
    caller: str
    number: Number | None
    attribution: Attribution
    dialled: str
    """Normalised number the attribution rests on; for an unknown number its digits."""
    chain: tuple[str, ...] = ()
    """Numbers of the redirection chain, first dialled first."""
    version: int = 0
    """Published version of the dialplan that this call runs on to its end; 0: none published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed(CallEvent):
    """Which number the citizen dialled, learnt without the flow (it never ran, or died)."""

    number: Number | None
    attribution: Attribution
    dialled: str
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPlayed(CallEvent):
    """A prompt ended: how long the caller listened and which key cut it."""

    prompt: str
    seconds: float
    key: str | None
    step: str = ""
    """`flow/step` that played it."""
    left: bool = False
    """The caller hung up while it played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(CallEvent):
    """The flow waited for a key or a word after its prompts."""

    step: str
    seconds: float
    key: str | None
    left: bool = False
    """The caller hung up meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(CallEvent):
    """The caller said something, and this is what we made of it."""

    step: str
    """`flow/step` that listened."""
    text: str
    """As recognised; hostile text."""
    score: int
    """How sure the engine is, 0-100."""
    intent: str
    """"" when it means nothing that was asked for."""
    confidence: float
    """0-1: how sure we are of the intent."""
    engine: str
    seconds: float
    """From the begin of the step to the words."""


NOT_ANSWERED = "was not answered"
"""In the reason of a failure that is the service's (its database is away), not the flow's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFailed(CallEvent):
    """A step of the flow could not do what it says; the caller went on without it."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStarted(CallEvent):
    """The caller begins to leave a message (留言); `file` is relative to the recordings folder."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChosen(CallEvent):
    """The flow has ended and handed the dialplan its route."""

    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class FellBack(CallEvent):
    """The dialplan queued the caller on the fallback queue by itself."""

    reason: str
    """AGISTATUS, or `timeout` when the controller hung."""
    redirecting: str = ""
    """Redirecting number as Asterisk knew it; the flow that would have looked never did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueJoined(CallEvent):
    """The caller stands in a queue."""

    queue: str
    position: int
    caller: str = ""
    """The caller's number once the dialplan has filtered it; the arrival knows none yet."""
    redirecting: str = ""
    """Redirecting number, known when Asterisk's own records tell of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLeft(CallEvent):
    """The caller left a queue without an answer and is still on the line."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRinging(CallEvent):
    """An agent's phone is about to ring for this caller."""

    agent: AgentId
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMissed(CallEvent):
    """An agent's phone stopped ringing without an answer."""

    agent: AgentId
    queue: str
    rang: float
    """Seconds it rang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswered(CallEvent):
    """Caller and agent are bridged."""

    agent: AgentId
    queue: str
    waited: float
    """Seconds between joining the queue and the bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFinished(CallEvent):
    """The talk with this agent ended (either side hung up, or a transfer)."""

    agent: AgentId
    queue: str
    talked: float
    """Seconds of talk."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDialled(CallEvent):
    """The dialplan began to dial an outside number for the caller."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnded(CallEvent):
    """Dial() on the outside number came back; `status` is DIALSTATUS."""

    target: str
    status: str
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAnswered(CallEvent):
    """The outside number answered: a person speaks to the caller."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HungUp(CallEvent):
    """The caller's channel is gone."""

    cause: int
    """Q.850 cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketOpened(CallEvent):
    """The draft ticket of this call is committed."""

    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished(CallEvent):
    """Asterisk no longer knows the call: it ended while nobody watched, or Asterisk died.

    `at` is the best estimate of the end; `outcome` what Asterisk's own records prove, if anything.
    """

    outcome: Outcome | None = None
    agent: AgentId | None = None
    answered_at: float | None = None
    lost: bool = False
    """The caller was cut off by a fault of ours rather than by a hang-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(CallEvent):
    """MixMonitor writes this talk; `file` is relative to the recordings folder."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOpened(CallEvent):
    """Caller and agent are about to be moved out of app_queue's bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSeated(CallEvent):
    """An agent's phone is in the call's room."""

    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerMoved(CallEvent):
    """The caller is in the room, held, parked, or on the way back to a person (`queue`)."""

    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdDialled(CallEvent):
    """A third party's line begins to ring."""

    target: str
    internal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdAnswered(CallEvent):
    """The third party has answered and hears what it is about."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdJoined(CallEvent):
    """The third party is in the room."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdLeft(CallEvent):
    """The third party was not to be had, or has left; `status` is DIALSTATUS or `LEFT`."""

    target: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Controlled(CallEvent):
    """Somebody asked something of the call, and how it went."""

    who: str
    """Extension of an agent, else the name of who signed in."""
    do: str
    target: str | None
    result: str
    """`ok`, or the code of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFound(CallEvent):
    """After an outage: the call as Asterisk's channels and the timeline show it."""

    control: Control
    agent: AgentId | None
    emergency: bool


Event = (
    CallArrived
    | FlowStarted
    | Attributed
    | PromptPlayed
    | Waited
    | Said
    | FlowFailed
    | MessageStarted
    | RouteChosen
    | FellBack
    | QueueJoined
    | QueueLeft
    | AgentRinging
    | AgentMissed
    | AgentAnswered
    | AgentFinished
    | TransferDialled
    | TransferAnswered
    | TransferEnded
    | RecordingStarted
    | RoomOpened
    | AgentSeated
    | CallerMoved
    | ThirdDialled
    | ThirdAnswered
    | ThirdJoined
    | ThirdLeft
    | Controlled
    | RoomFound
    | TicketOpened
    | HungUp
    | Vanished
)


@dataclass(frozen=True, slots=True)
class Happened:
    """What the inbox publishes after each step: the event and the call as it is now."""

    event: Event
    call: Call
