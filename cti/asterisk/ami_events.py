"""AMI messages to call events, pure. Ids are compared, names from callers never are."""

import re
from collections.abc import Callable, Mapping

from schemas.calls import AgentId, CallId
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    CallArrived,
    Event,
    FellBack,
    HungUp,
    MessageStarted,
    QueueJoined,
    QueueLeft,
    RecordingStarted,
    TransferAnswered,
    TransferDialled,
    TransferEnded,
)

TRUNK_CONTEXT = "from-trunk"
MAX_TEXT = 64
"""Longest caller-controlled text that we keep, characters."""

Ami = Mapping[str, str]


class AmiShape(Exception):
    """The event matters, but a header is missing or is not what it must be."""


def text(value: str) -> str:
    """Return caller-controlled *value* without control characters and of bounded length."""
    return "".join(c for c in value if c.isprintable())[:MAX_TEXT]


def caller(value: str) -> str:
    """Return *value* if it is a telephone number, else nothing: `unknown`, `anonymous`, junk."""
    return value if re.fullmatch(r"\+?[0-9]{1,24}", value) else ""


def _arrived(m: Ami) -> Event | None:
    """A trunk channel that is its own Linkedid is a citizen calling in; others are legs."""
    if m.get("Context") != TRUNK_CONTEXT or m["Uniqueid"] != m["Linkedid"]:
        return None
    return CallArrived(
        call=CallId(m["Linkedid"]),
        at=float(m["Timestamp"]),
        channel=m["Channel"],
        did=text(m.get("Exten", "")),
        caller=caller(m.get("CallerIDNum", "")),
    )


def _hung_up(m: Ami) -> Event | None:
    if m["Uniqueid"] != m["Linkedid"]:
        return None
    return HungUp(call=CallId(m["Linkedid"]), at=float(m["Timestamp"]), cause=int(m["Cause"]))


def _joined(m: Ami) -> Event:
    return QueueJoined(
        call=CallId(m["Linkedid"]),
        at=float(m["Timestamp"]),
        queue=m["Queue"],
        position=int(m["Position"]),
        caller=caller(m.get("CallerIDNum", "")),
    )


def _left(m: Ami) -> Event:
    return QueueLeft(call=CallId(m["Linkedid"]), at=float(m["Timestamp"]), queue=m["Queue"])


def _called(m: Ami) -> Event:
    return AgentRinging(
        call=CallId(m["Linkedid"]),
        at=float(m["Timestamp"]),
        agent=AgentId(m["MemberName"]),
        queue=m["Queue"],
    )


def _missed(m: Ami) -> Event:
    return AgentMissed(
        call=CallId(m["Linkedid"]),
        at=float(m["Timestamp"]),
        agent=AgentId(m["MemberName"]),
        queue=m["Queue"],
        rang=int(m.get("RingTime", "0")) / 1000,
    )


def _connected(m: Ami) -> Event:
    return AgentAnswered(
        call=CallId(m["Linkedid"]),
        at=float(m["Timestamp"]),
        agent=AgentId(m["MemberName"]),
        queue=m["Queue"],
        waited=float(m["HoldTime"]),
    )


def _completed(m: Ami) -> Event:
    return AgentFinished(
        call=CallId(m["Linkedid"]),
        at=float(m["Timestamp"]),
        agent=AgentId(m["MemberName"]),
        queue=m["Queue"],
        talked=float(m["TalkTime"]),
        reason=m.get("Reason", ""),
    )


def _user_event(m: Ami) -> Event | None:
    make = USER_EVENTS.get(m.get("UserEvent", ""))
    return make(m, CallId(m["Linkedid"]), float(m["Timestamp"])) if make else None


USER_EVENTS: Mapping[str, Callable[[Ami, CallId, float], Event]] = {
    "HotlineRinging": lambda m, call, at: AgentRinging(
        call=call, at=at, agent=AgentId(m["Agent"]), queue=m["Queue"]
    ),
    "HotlineFallback": lambda m, call, at: FellBack(
        call=call,
        at=at,
        reason=text(m["Reason"]).lower() or "unknown",
        redirecting=text(m.get("Redirecting", "")),
    ),
    "HotlineTransfer": lambda m, call, at: TransferDialled(call=call, at=at, target=m["Target"]),
    "HotlineTransferAnswered": lambda m, call, at: TransferAnswered(
        call=call, at=at, target=m["Target"]
    ),
    "HotlineTransferEnd": lambda m, call, at: TransferEnded(
        call=call, at=at, target=m["Target"], status=m["Status"], answered=m["Status"] == "ANSWER"
    ),
    "HotlineMessage": lambda m, call, at: MessageStarted(call=call, at=at, file=m["File"]),
    "HotlineRecording": lambda m, call, at: RecordingStarted(call=call, at=at, file=m["File"]),
}
"""What our own dialplan says with UserEvent()."""

EVENTS: Mapping[str, Callable[[Ami], Event | None]] = {
    "Newchannel": _arrived,
    "NewCallerid": _arrived,
    "Hangup": _hung_up,
    "QueueCallerJoin": _joined,
    "QueueCallerLeave": _left,
    "AgentCalled": _called,
    "AgentRingNoAnswer": _missed,
    "AgentConnect": _connected,
    "AgentComplete": _completed,
    "UserEvent": _user_event,
}
"""AMI events that mean something to a call. `AgentCalled` repeats what HotlineRinging said."""


def understand(m: Ami) -> Event | None:
    """Return our event, or None for the many AMI events that mean nothing to a call.

    Raises:
        AmiShape: the event matters but a header is missing or not a number.
    """
    make = EVENTS.get(m.get("Event", ""))
    if make is None:
        return None
    try:
        return make(m)
    except (KeyError, ValueError) as error:
        raise AmiShape(f"{m.get('Event')}: {error}") from error
