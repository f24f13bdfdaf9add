"""What the call machine wants done. Frozen; each runs in its own call's ordered task."""

from dataclasses import dataclass

from schemas.calls import AgentId, CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTicket:
    """Commit a draft ticket that carries the call id."""

    call: CallId
    agent: AgentId
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseCallback:
    """Commit a promise to call the citizen back (漏接电话回拨)."""

    call: CallId
    caller: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BringBack:
    """Take the held caller into the room: there is one person in it."""

    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingUndone:
    """Tell the caller's channel that nothing is under way: the end of the room is its end, too."""

    call: CallId


Command = OpenTicket | PromiseCallback | BringBack | NothingUndone
