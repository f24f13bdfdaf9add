"""Presence: what one agent does and wants, and what app_queue must therefore be told.

Rule 1: every state and every move is in this file. Rule 2: no clock, no I/O; time comes with the
event. Two facts make up a state: what the agent *wants* (ready, paused, offline) and what the phone
*does* (nothing, ringing, talking). Seen from outside the phone comes first, then wrap-up, then the
wish; so a pause asked for during a talk needs no machinery of its own: it shows when the talk ends.

app_queue is told only the difference between what it should hold and what it was last told.
A talking member is left unpaused on purpose: should the controller die, they serve again by
themselves. app_queue's own short wrap-up covers the moment between the end of a talk and our pause.

An event that does not fit changes nothing: around a restart the stream has gaps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from schemas.calls import CallId

WRAP_UP = "wrap_up"
MISSED = "missed"
"""Reason of the pause we set ourselves, so that a phone without an agent keeps nobody waiting."""


class State(StrEnum):
    """What others see; the values of `schemas.desktop.Presence`."""

    OFFLINE = "offline"
    READY = "ready"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    PAUSED = "paused"


class Phone(StrEnum):
    """What the phone does, as far as calls of the queues go."""

    IDLE = "idle"
    RINGING = "ringing"
    TALKING = "talking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What app_queue holds of an agent."""

    joined: bool = False
    paused: str | None = None
    """Reason; None while calls are to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The two figures of the house."""

    wrap_up: float = 20.0
    """Seconds after a talk; 0 for none."""
    misses: int = 2
    """Unanswered rings in a row after which the agent is paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """One agent as a value."""

    since: float
    """Unix seconds of the last change of `state` or `reason`."""
    wish: State = State.OFFLINE
    """READY, PAUSED or OFFLINE."""
    pause: str | None = None
    """Reason of the wish PAUSED."""
    phone: Phone = Phone.IDLE
    call: CallId | None = None
    """Call that rings, is talked, or is wrapped up."""
    wrap_up_ends: float | None = None
    """Unix seconds; outlives a ring that comes into the wrap-up."""
    misses: int = 0
    told: Membership = Membership()

    @property
    def state(self) -> State:
        """What others see."""
        if self.phone is not Phone.IDLE:
            return State(self.phone.value)
        return State.WRAP_UP if self.wrap_up_ends is not None else self.wish

    @property
    def reason(self) -> str | None:
        """Why paused, or what is to come after the talk."""
        if self.wish is State.OFFLINE and self.state is not State.OFFLINE:
            return State.OFFLINE.value
        return self.pause

    @property
    def shown(self) -> tuple[object, ...]:
        """All of it that others see."""
        return self.state, self.reason, self.call, self.wrap_up_ends


# ---- events


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceEvent:
    """Base of everything the machine may be told."""

    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(PresenceEvent):
    """The agent wants calls; ends wrap-up, signs on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(PresenceEvent):
    """The agent wants no calls for now."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline(PresenceEvent):
    """The agent leaves the queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang(PresenceEvent):
    """The phone is about to ring. An agent of the fallback queue rings in every state."""

    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class RingEnded(PresenceEvent):
    """It rings no longer, without an answer here."""

    call: CallId
    missed: bool
    """The agent let it ring, rather than the caller or another agent ending it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(PresenceEvent):
    """Caller and agent talk."""

    call: CallId | None
    """None when only app_queue knows of the talk (after a restart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(PresenceEvent):
    """The talk is over."""

    call: CallId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpOver(PresenceEvent):
    """The timer of the wrap-up that was to end at `until` rang."""

    until: float


# ---- commands


@dataclass(frozen=True, slots=True)
class JoinQueues:
    """Become a member that gets calls."""


@dataclass(frozen=True, slots=True)
class LeaveQueues:
    """Be a member no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseQueues:
    """Get no calls; `reason` is kept by app_queue and read back after a restart."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnpauseQueues:
    """Get calls again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWrapUp:
    """Say `WrapUpOver` at `until`, Unix seconds."""

    until: float


Tell = JoinQueues | LeaveQueues | PauseQueues | UnpauseQueues
Command = Tell | StartWrapUp
Move = Callable[[Presence, Any, Rules], Presence]

# ---- moves


def _want(before: Presence, event: Ready | Pause | Offline, _: Rules) -> Presence:
    wish = {Ready: State.READY, Pause: State.PAUSED, Offline: State.OFFLINE}[type(event)]
    reason = event.reason if isinstance(event, Pause) else None
    phone = before.phone
    if isinstance(event, Ready) and _unproven(before):
        phone = Phone.IDLE
    call = before.call if phone is not Phone.IDLE else None
    return replace(
        before, wish=wish, pause=reason, phone=phone, wrap_up_ends=None, misses=0, call=call
    )


def _ring(before: Presence, event: Rang, _: Rules) -> Presence:
    # A second ring into a talk (another queue was quicker) must not hide the talk.
    if before.phone is Phone.TALKING and not _unproven(before):
        return before
    return replace(before, phone=Phone.RINGING, call=event.call)


def _unproven(presence: Presence) -> bool:
    """Return whether the talk is only app_queue's word: it may be a call outside the queues."""
    return presence.phone is Phone.TALKING and presence.call is None


def _stop_ringing(before: Presence, event: RingEnded, rules: Rules) -> Presence:
    if event.call != before.call:
        return before
    after = replace(before, phone=Phone.IDLE, call=None)
    if not event.missed or before.wish is not State.READY:
        return after
    if before.misses + 1 < rules.misses:
        return replace(after, misses=before.misses + 1)
    return replace(after, wish=State.PAUSED, pause=MISSED, misses=0, wrap_up_ends=None)


def _talk(before: Presence, event: Answered, _: Rules) -> Presence:
    return replace(before, phone=Phone.TALKING, call=event.call, misses=0, wrap_up_ends=None)


def _stop_talking(before: Presence, event: Finished, rules: Rules) -> Presence:
    if before.call is not None and event.call not in (None, before.call):
        return before
    if before.wish is not State.READY or not rules.wrap_up:
        return replace(before, phone=Phone.IDLE, call=None)
    return replace(before, phone=Phone.IDLE, wrap_up_ends=event.at + rules.wrap_up)


def _wrapped_up(before: Presence, event: WrapUpOver, _: Rules) -> Presence:
    if event.until != before.wrap_up_ends:
        return before
    call = before.call if before.phone is not Phone.IDLE else None
    return replace(before, wrap_up_ends=None, call=call)


WISHES: Mapping[type[PresenceEvent], Move] = {Ready: _want, Pause: _want, Offline: _want}
"""Open in every state."""

MOVES: Mapping[Phone, Mapping[type[PresenceEvent], Move]] = {
    Phone.IDLE: {**WISHES, Rang: _ring, Answered: _talk, WrapUpOver: _wrapped_up},
    Phone.RINGING: {
        **WISHES,
        Rang: _ring,
        RingEnded: _stop_ringing,
        Answered: _talk,
        WrapUpOver: _wrapped_up,
    },
    Phone.TALKING: {**WISHES, Rang: _ring, Answered: _talk, Finished: _stop_talking},
}


def step(
    before: Presence, event: PresenceEvent, rules: Rules
) -> tuple[Presence, tuple[Command, ...]]:
    """Return the presence after *event* and what must now be done about it."""
    move = MOVES[before.phone].get(type(event))
    return (before, ()) if move is None else _settle(before, move(before, event, rules), event.at)


def adopt(
    member: Membership, *, at: float, talks: bool, call: CallId | None, rules: Rules
) -> tuple[Presence, tuple[Command, ...]]:
    """Return the presence of an agent of whom only app_queue knows something: after our restart."""
    fresh = Presence(since=at, told=member)
    if member.joined:
        wish = State.READY if member.paused in (None, WRAP_UP) else State.PAUSED
        fresh = replace(fresh, wish=wish, pause=member.paused if wish is State.PAUSED else None)
    if talks:
        fresh = replace(fresh, phone=Phone.TALKING, call=call)
    elif member.paused == WRAP_UP:
        fresh = replace(fresh, wrap_up_ends=at + rules.wrap_up)
    return _settle(Presence(since=at, told=member), fresh, at)


def reconcile(
    before: Presence,
    member: Membership,
    *,
    at: float,
    talks: bool,
    call: CallId | None,
    rules: Rules,
) -> tuple[Presence, tuple[Command, ...]]:
    """Return the presence after the link was away: the wish is ours, the rest is app_queue's."""
    known = replace(before, told=member)
    if talks:
        same = before.phone is Phone.TALKING and call in (None, before.call)
        after = known if same else _talk(known, Answered(at=at, call=call), rules)
    elif before.phone is Phone.TALKING:
        after = _stop_talking(known, Finished(at=at, call=None), rules)
    elif before.phone is Phone.RINGING:
        after = replace(known, phone=Phone.IDLE, call=None)
    else:
        after = known
    return _settle(known, after, at)


# ---- what follows


def _settle(before: Presence, after: Presence, at: float) -> tuple[Presence, tuple[Command, ...]]:
    commands: tuple[Command, ...] = ()
    if (should := _membership(after)) != after.told:
        commands = (_tell(after.told, should),)
        after = replace(after, told=should)
    if after.wrap_up_ends is not None and after.wrap_up_ends != before.wrap_up_ends:
        commands += (StartWrapUp(until=after.wrap_up_ends),)
    if (after.state, after.reason) != (before.state, before.reason):
        after = replace(after, since=at)
    return after, commands


def _membership(presence: Presence) -> Membership:
    """Return what app_queue should hold."""
    told = presence.told
    if presence.wish is State.OFFLINE:
        # Who is on the phone leaves when it is over: app_queue still counts the call with them.
        return told if presence.phone is not Phone.IDLE else Membership()
    pause = WRAP_UP if presence.wrap_up_ends is not None else presence.pause
    if pause is None:
        return Membership(joined=True)
    # Joining paused takes two actions and the phone could ring between them: stay out instead.
    return Membership(joined=True, paused=pause) if told.joined else told


def _tell(told: Membership, should: Membership) -> Tell:
    if not should.joined:
        return LeaveQueues()
    if not told.joined:
        return JoinQueues()
    return UnpauseQueues() if should.paused is None else PauseQueues(reason=should.paused)
