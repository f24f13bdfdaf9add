"""The call machine.

Rule 1: every state of a call and every move between states is in this file, as far as possible in
the table. Rule 2: no clock, no I/O; time comes with the event.

An event that does not fit the state raises `ImpossibleEvent` and changes nothing. Two kinds of
event fit every living state: the end (`HungUp`, `Vanished`) and notes that only add facts.
"""

from collections.abc import Mapping
from dataclasses import replace

from cti.calls import control
from schemas.calls import AgentId, Call, Control, Outcome, RouteKind, State
from schemas.commands import Command, OpenTicket, PromiseCallback
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    AgentSeated,
    Attributed,
    CallArrived,
    CallerMoved,
    CallEvent,
    Controlled,
    Event,
    FellBack,
    FlowFailed,
    FlowStarted,
    HungUp,
    MessageStarted,
    PromptPlayed,
    QueueJoined,
    QueueLeft,
    RecordingStarted,
    RoomFound,
    RoomOpened,
    RouteChosen,
    Said,
    ThirdAnswered,
    ThirdDialled,
    ThirdJoined,
    ThirdLeft,
    TicketOpened,
    TransferAnswered,
    TransferDialled,
    TransferEnded,
    Vanished,
    Waited,
)
from schemas.numbers import EMERGENCY_NUMBERS, MAIN_NUMBER, PROBE_CALLER, Attribution
from schemas.speech import NO, YES

FALLBACK_QUEUE = "fallback"


class ImpossibleEvent(Exception):
    """The table has no such move; the call is as it was."""

    def __init__(self, state: State, event: CallEvent) -> None:
        super().__init__(f"{type(event).__name__} in state {state}")
        self.state = state
        self.event = event


S = State
TO_QUEUE: Mapping[type[CallEvent], State] = {QueueJoined: S.QUEUED, FellBack: S.FLOW}
"""Moves open to every call whose caller the dialplan still holds."""

# app_queue says QueueCallerLeave before AgentConnect and before the hang-up of who gave up, so it
# changes nothing here: what comes next tells why the caller left.
TRANSITIONS: Mapping[State, Mapping[type[CallEvent], State]] = {
    S.NEW: {
        FlowStarted: S.FLOW,
        AgentRinging: S.RINGING,
        AgentAnswered: S.TALKING,
        TransferDialled: S.TRANSFERRING,
        **TO_QUEUE,
    },
    S.FLOW: {
        FlowStarted: S.FLOW,
        RouteChosen: S.FLOW,
        TransferDialled: S.TRANSFERRING,
        **TO_QUEUE,
    },
    S.QUEUED: {
        AgentFinished: S.QUEUED,
        AgentRinging: S.RINGING,
        AgentMissed: S.QUEUED,
        AgentAnswered: S.TALKING,
        QueueLeft: S.QUEUED,
        **TO_QUEUE,
    },
    S.RINGING: {
        AgentFinished: S.RINGING,
        AgentRinging: S.RINGING,
        AgentMissed: S.RINGING,
        AgentAnswered: S.TALKING,
        QueueLeft: S.RINGING,
        **TO_QUEUE,
    },
    S.TALKING: {
        AgentFinished: S.TALKED,
        AgentAnswered: S.TALKING,
        AgentMissed: S.TALKING,
        QueueLeft: S.TALKING,
        TransferDialled: S.TRANSFERRING,
        QueueJoined: S.QUEUED,
    },
    S.TALKED: {
        AgentFinished: S.TALKED,
        QueueLeft: S.TALKED,
        TransferDialled: S.TRANSFERRING,
        **TO_QUEUE,
    },
    S.TRANSFERRING: {
        TransferAnswered: S.OUTSIDE,
        TransferEnded: S.FLOW,
        AgentFinished: S.TRANSFERRING,
        **TO_QUEUE,
    },
    S.OUTSIDE: {TransferEnded: S.FLOW, AgentFinished: S.OUTSIDE, **TO_QUEUE},
    S.PARKED: {
        AgentRinging: S.PARKED,
        AgentMissed: S.PARKED,
        AgentAnswered: S.TALKING,
        AgentFinished: S.PARKED,
        QueueLeft: S.PARKED,
        **TO_QUEUE,
    },
    S.ENDED: {},
}

OWED: Mapping[Outcome, str] = {
    Outcome.ABANDONED_IN_QUEUE: "abandoned",
    Outcome.CALLBACK_PROMISED: "promised",
}
"""Outcomes that owe the caller a call, with the reason as the promise has it."""

REFUSED = frozenset({34, 42})
"""Q.850 causes of a call that Asterisk itself turned away: no circuit, congestion."""

SENTENCES = "；"
"""Between two things that a caller said."""
LONGEST_TRANSCRIPT = 1000
"""Characters of what a caller said to the flow."""

NOTES = (PromptPlayed, Waited, Said, FlowFailed, MessageStarted, RecordingStarted, TicketOpened)
"""Events that add a fact and leave the state alone."""


def step(call: Call, event: Event) -> tuple[Call, tuple[Command, ...]]:
    """Return the call after *event* and what must now be done about it.

    Raises:
        ImpossibleEvent: the table has no such move; *call* still holds.
    """
    match event:
        case TicketOpened(ticket=ticket):  # the ticket may be committed after the caller hung up
            return replace(call, ticket_id=ticket), ()
        case Said():
            return _said(call, event), ()
        case Attributed(attribution=Attribution.SAID):
            return _about(call, event), ()
        case Attributed() if call.number is None:
            return _attribute(call, event), ()
        case Attributed():
            return call, ()
        case RecordingStarted(file=file) | MessageStarted(file=file):
            return replace(call, recording=call.recording or file), ()
        case AgentFinished() if control.hearsay(call, event):
            raise ImpossibleEvent(call.state, event)
        case AgentFinished() if (left := control.finished(call, event)) is not None:
            return left
        case AgentFinished() | AgentMissed() if call.state is S.ENDED:
            return call, ()  # news of the agent's leg, later than the caller's own hang-up
        case (
            RoomOpened()
            | AgentSeated()
            | CallerMoved()
            | ThirdDialled()
            | ThirdAnswered()
            | ThirdJoined()
            | ThirdLeft()
            | Controlled()
            | RoomFound()
        ):
            return control.step(call, event)
    if call.state is S.ENDED:
        raise ImpossibleEvent(call.state, event)
    match event:
        case PromptPlayed() | Waited() | FlowFailed():
            return call, ()
        case CallArrived():
            return _arrive(call, event), ()
        case HungUp():
            return _end(call, event)
        case Vanished():
            return _vanish(call, event)
    try:
        state = TRANSITIONS[call.state][type(event)]
    except KeyError:
        raise ImpossibleEvent(call.state, event) from None
    after = replace(call, state=state, since=event.at if state is not call.state else call.since)
    return _apply(after, event)


def _arrive(call: Call, event: CallArrived) -> Call:
    """The channel's own news may come after the flow's: it only fills what is empty."""
    return replace(
        call,
        started_at=min(call.started_at, event.at),
        channel=call.channel or event.channel,
        did=call.did or event.did,
        caller=call.caller or event.caller,
    )


def _attribute(call: Call, event: FlowStarted | Attributed) -> Call:
    return replace(
        call,
        number=event.number,
        attribution=event.attribution,
        dialled=event.dialled,
        chain=event.chain,
    )


def _about(call: Call, event: Attributed) -> Call:
    """Words tell only of a call to 12345 or to nothing we know; a number that was dialled holds."""
    own = call.number
    if own is not None and own.number != MAIN_NUMBER and call.attribution is not Attribution.SAID:
        return call
    return replace(call, number=event.number, attribution=event.attribution)


def _said(call: Call, event: Said) -> Call:
    """Add a sentence; a yes or no to our question leaves what the call is about alone."""
    text = SENTENCES.join(filter(None, (call.transcript, event.text)))[:LONGEST_TRANSCRIPT]
    said = replace(call, transcript=text or None)
    if event.intent == NO and call.attribution is not Attribution.SAID:
        return replace(said, intent=None, confidence=None)  # it was not what we asked
    if not event.intent or event.intent in (YES, NO):
        return said
    return replace(said, intent=event.intent, confidence=event.confidence)


def _apply(call: Call, event: Event) -> tuple[Call, tuple[Command, ...]]:
    match event:
        case FlowStarted():
            known = _attribute(call, event)
            return replace(
                known, channel=event.channel, did=event.did, caller=event.caller or call.caller
            ), ()
        case RouteChosen(route=route):
            return replace(call, route=route), ()
        case FellBack(reason=reason):
            return replace(call, fell_back=call.fell_back or reason, ringing=()), ()
        case QueueJoined(queue=queue):
            fell_back = call.fell_back
            if queue == FALLBACK_QUEUE and fell_back is None:
                fell_back = "queue"
            caller = call.caller or event.caller
            queued = replace(call, queue=queue, caller=caller, ringing=(), fell_back=fell_back)
            # the dialplan has the caller again; the agent's phone may still be on its way out
            return replace(queued, control=control.out(call.control)), ()
        case AgentRinging(agent=agent):
            return replace(call, ringing=(*_without(call, agent), agent), queue=event.queue), ()
        case TransferDialled(target=target):
            return replace(call, control=replace(control.out(call.control), target=target)), ()
        case AgentMissed(agent=agent):
            ringing = _without(call, agent)
            state = S.QUEUED if call.state is S.RINGING and not ringing else call.state
            return replace(call, ringing=ringing, state=state), ()
        case AgentAnswered(agent=agent):
            answered = replace(
                call,
                control=Control(),
                agent=agent,
                queue=event.queue,
                ringing=(),
                answered_at=event.at if call.answered_at is None else call.answered_at,
            )
            return answered, (OpenTicket(call=call.id, agent=agent, at=event.at),)
        case TransferAnswered(target=target):
            return replace(
                call,
                answered_at=call.answered_at or event.at,
                emergency=call.emergency or target in EMERGENCY_NUMBERS,
            ), ()
        case _:
            return call, ()


def _without(call: Call, agent: AgentId) -> tuple[AgentId, ...]:
    return tuple(other for other in call.ringing if other != agent)


def _end(call: Call, event: HungUp) -> tuple[Call, tuple[Command, ...]]:
    outcome = _outcome(call, event.cause)
    ended = replace(
        call,
        state=S.ENDED,
        since=event.at,
        ended_at=max(event.at, call.started_at),
        outcome=outcome,
        cause=event.cause,
        ringing=(),
    )
    return ended, _promise(ended, OWED.get(outcome))


def _vanish(call: Call, event: Vanished) -> tuple[Call, tuple[Command, ...]]:
    answered_at = call.answered_at if call.answered_at is not None else event.answered_at
    known = replace(call, answered_at=answered_at, agent=call.agent or event.agent)
    outcome = event.outcome or _outcome(known)
    if event.lost and answered_at is None:
        outcome = Outcome.FAILED
    ended = replace(
        known,
        state=S.ENDED,
        since=event.at,
        ended_at=max(event.at, call.started_at, answered_at or 0.0),
        outcome=outcome,
        ringing=(),
    )
    if event.lost:  # cut off by us: owed a call even when somebody had answered
        return ended, _promise(ended, "lost")
    return ended, _promise(ended, OWED.get(outcome))


def _outcome(call: Call, cause: int = 0) -> Outcome:
    """Return the one closing word of a call that ends as it now stands."""
    if call.state is S.NEW and cause in REFUSED:
        return Outcome.FAILED
    if call.route is not None and call.route.outcome is not None and call.answered_at is None:
        return call.route.outcome
    if call.emergency:
        return Outcome.EMERGENCY
    if call.state is S.OUTSIDE or (call.answered_at is not None and call.agent is None):
        return Outcome.TRANSFERRED
    if call.answered_at is not None:
        return Outcome.FALLBACK if call.fell_back else Outcome.ANSWERED
    match call.state:
        case S.QUEUED | S.RINGING:
            return Outcome.ABANDONED_IN_QUEUE
        case S.TRANSFERRING:
            return Outcome.ABANDONED_IN_QUEUE
        case _:
            return Outcome.ABANDONED_IN_FLOW


def _promise(call: Call, reason: str | None) -> tuple[Command, ...]:
    """漏接电话回拨: who waited for a person and got none is called back, if we know the number."""
    if reason is None or not call.caller or call.caller.startswith(PROBE_CALLER):
        return ()
    return (
        PromiseCallback(
            call=call.id, caller=call.caller, reason=reason, at=call.ended_at or call.since
        ),
    )


def route_of(call: Call) -> str | None:
    """Return the route in one word for the ledger."""
    if call.route is not None:
        return str(call.route)
    return f"{RouteKind.QUEUE}:{FALLBACK_QUEUE}" if call.fell_back else None
