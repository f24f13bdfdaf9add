"""AMI messages to call events, pure. Ids are compared, names from callers never are."""

import re
from collections.abc import Callable, Mapping

from cti.calls.control import ROOM
from schemas.calls import AgentId, CallId, Place
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    AgentSeated,
    CallArrived,
    CallerMoved,
    Event,
    FellBack,
    HungUp,
    MessageStarted,
    QueueJoined,
    QueueLeft,
    RecordingStarted,
    ThirdAnswered,
    ThirdDialled,
    ThirdJoined,
    ThirdLeft,
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
    if make is None:
        return None
    # a leg that we dialled is of the call before it is bridged, and then only its variable says so
    return make(m, CallId(m.get("Call") or m["Linkedid"]), float(m["Timestamp"]))


def _party(m: Ami, call: CallId, at: float) -> Event | None:
    match m["Party"], m["Place"]:
        case "caller", "gone":
            return None  # its hang-up tells more
        case "caller", place:
            return CallerMoved(call=call, at=at, place=PLACES[place])
        case "agent", "room":
            return AgentSeated(call=call, at=at, agent=AgentId(m["Who"]))
        case "agent", "gone":
            since = int(m["Since"])
            return AgentFinished(
                call=call,
                at=at,
                agent=AgentId(m["Who"]),
                queue="",
                talked=max(0.0, at - since) if since else 0.0,
                reason=ROOM,
            )
        case "third", "room":
            return ThirdJoined(call=call, at=at, target=m["Who"])
        case "third", "gone":
            return ThirdLeft(call=call, at=at, target=m["Who"], status="LEFT")
        case party:
            raise ValueError(f"nobody is {party}")


def _third(m: Ami, call: CallId, at: float) -> Event:
    target = m["Target"]
    match m["Status"]:
        case "DIALLED":
            internal = m.get("Internal") == "1"
            return ThirdDialled(call=call, at=at, target=target, internal=internal)
        case "ANSWER":
            return ThirdAnswered(call=call, at=at, target=target)
        case status:
            return ThirdLeft(call=call, at=at, target=target, status=text(status))


PLACES = {"room": Place.ROOM, "held": Place.HELD, "parked": Place.PARKED, "back": Place.QUEUE}
"""Where the dialplan says that the caller is."""


USER_EVENTS: Mapping[str, Callable[[Ami, CallId, float], Event | None]] = {
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
    "HotlineParty": _party,
    "HotlineThird": _third,
    "HotlineTook": lambda m, call, at: AgentAnswered(
        call=call, at=at, agent=AgentId(m["Agent"]), queue=m["Queue"], waited=0.0
    ),
    "HotlineMissed": lambda m, call, at: AgentMissed(
        call=call, at=at, agent=AgentId(m["Agent"]), queue=m["Queue"], rang=0.0
    ),
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
