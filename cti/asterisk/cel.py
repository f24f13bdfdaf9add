"""Asterisk's channel event log (CEL) to call events, pure.

CEL is what Asterisk itself wrote while the controller may have been dead: who called, whom they
reached, when it ended. Each record becomes the same events that AMI would have brought, so that
one machine decides one outcome, however we came to know.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from cti.asterisk.ami_events import TRUNK_CONTEXT, caller, text
from cti.calls.control import ROOM
from schemas.calls import AgentId, CallId, Place
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentSeated,
    CallArrived,
    CallerMoved,
    Event,
    FellBack,
    HungUp,
    QueueJoined,
    ThirdDialled,
    ThirdJoined,
    ThirdLeft,
    TransferAnswered,
    TransferDialled,
)

FIELDS = (
    "type", "time", "linkedid", "uniqueid", "channel", "caller",
    "exten", "context", "app", "data", "peer", "extra", "rdnis",
)  # fmt: skip
"""Columns of the file, in order; `asterisk-config/cel_custom.conf.j2` writes them."""

THIRD = "hotline-third-in"
"""Context of a third party in the room of a call."""
_AGENT = re.compile(r"^PJSIP/w?(\d{3,6})-")
_SEAT = re.compile(r"^Local/(seat-\d+)@hotline-seat-")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log."""

    type: str
    at: float
    call: CallId
    uniqueid: str
    channel: str
    caller: str
    exten: str
    context: str
    app: str
    data: str
    peer: str
    extra: str
    rdnis: str

    @property
    def own(self) -> bool:
        """Whether this is the citizen's own channel."""
        return self.uniqueid == self.call


def records(lines: Iterable[str]) -> Iterator[Record]:
    """Return the records of *lines*; a line cut by a crash or not ours is left out."""
    for row in csv.reader(line for line in lines if "\0" not in line):
        if len(row) < len(FIELDS) - 1:
            continue
        values = dict(zip(FIELDS, [*row, ""], strict=False))
        try:
            at = float(values["time"])
        except ValueError:
            continue
        yield Record(
            type=values["type"],
            at=at,
            call=CallId(values["linkedid"]),
            uniqueid=values["uniqueid"],
            channel=values["channel"],
            caller=caller(values["caller"]),
            exten=text(values["exten"]),
            context=values["context"],
            app=values["app"],
            data=values["data"],
            peer=values["peer"],
            extra=values["extra"],
            rdnis=text(values["rdnis"]),
        )


def by_call(found: Iterable[Record]) -> Mapping[CallId, list[Record]]:
    """Return the records of citizens' calls, each call's in order; other channels' left out."""
    calls: dict[CallId, list[Record]] = {}
    for read in found:
        record = read
        if read.app == "ConfBridge":  # a room does not link its channels
            record = replace(read, call=CallId(read.data.partition(",")[0]))
        begins = record.type == "CHAN_START" and record.own and record.context == TRUNK_CONTEXT
        if begins or record.call in calls:
            calls.setdefault(record.call, []).append(record)
    return calls


def events(found: Iterable[Record]) -> Iterator[Event]:
    """Return what the records of one call say, as events of the call machine."""
    queue = target = ""
    joined = 0.0
    talking: AgentId | None = None
    since = 0.0
    for r in found:
        match r:
            case Record(type="CHAN_START", own=True):
                yield CallArrived(
                    call=r.call, at=r.at, channel=r.channel, did=r.exten, caller=r.caller
                )
            case Record(type="APP_START", own=True, app="Queue"):
                queue, joined = r.data.partition(",")[0], r.at
                if queue == "fallback":
                    yield FellBack(call=r.call, at=r.at, reason="cel", redirecting=r.rdnis)
                yield QueueJoined(
                    call=r.call,
                    at=r.at,
                    queue=queue,
                    position=0,
                    caller=r.caller,
                    redirecting=r.rdnis,
                )
            case Record(type="APP_START", own=True, app="Dial"):
                queue, target = "", r.exten
                yield TransferDialled(call=r.call, at=r.at, target=target)
            case Record(type="BRIDGE_ENTER", own=True, context="hotline-room"):
                yield CallerMoved(call=r.call, at=r.at, place=Place.ROOM)
            case Record(type="BRIDGE_EXIT", own=True, context="hotline-held"):
                yield CallerMoved(call=r.call, at=r.at, place=Place.HELD)
            case Record(type="BRIDGE_EXIT", own=True, context="hotline-room"):
                pass  # from here to there, or a hang-up, which has a record of its own
            case Record(type="BRIDGE_EXIT", own=True, context="hotline-parked"):
                yield CallerMoved(call=r.call, at=r.at, place=Place.PARKED)
            case Record(type="BRIDGE_ENTER", own=False, context="hotline-room"):
                if (agent := _agent(r)) and agent != talking:
                    talking, since = agent, r.at
                    yield AgentAnswered(
                        call=r.call, at=r.at, agent=agent, queue="parked", waited=0.0
                    )
                if agent:
                    yield AgentSeated(call=r.call, at=r.at, agent=agent)
            case Record(type="BRIDGE_ENTER", own=False, context="hotline-third-in"):
                internal = _AGENT.match(r.channel) is not None
                yield ThirdDialled(call=r.call, at=r.at, target=r.exten, internal=internal)
                yield ThirdJoined(call=r.call, at=r.at, target=r.exten)
            case Record(type="BRIDGE_EXIT", own=False, context="hotline-third-in"):
                yield ThirdLeft(call=r.call, at=r.at, target=r.exten, status="LEFT")
            case Record(
                type="BRIDGE_EXIT", own=False, context="hotline-room", app="ConfBridge"
            ) if talking is not None and _agent(r) == talking:
                yield AgentFinished(
                    call=r.call,
                    at=r.at,
                    agent=talking,
                    queue=queue,
                    talked=r.at - since,
                    reason=ROOM,
                )
                talking = None
            case Record(type="BRIDGE_ENTER", own=False) if talking is None:
                if queue and (agent := _agent(r)):
                    talking, since = agent, r.at
                    yield AgentAnswered(
                        call=r.call, at=r.at, agent=agent, queue=queue, waited=r.at - joined
                    )
                elif not queue and not r.channel.startswith("Local/"):
                    yield TransferAnswered(call=r.call, at=r.at, target=target)
            case Record(type="BRIDGE_EXIT", own=True) if talking is not None:
                yield AgentFinished(
                    call=r.call,
                    at=r.at,
                    agent=talking,
                    queue=queue,
                    talked=r.at - since,
                    reason="cel",
                )
                talking = None
            case Record(type="HANGUP", own=True):
                yield HungUp(call=r.call, at=r.at, cause=_cause(r))


def _agent(r: Record) -> AgentId | None:
    if match := _AGENT.match(r.channel):
        return AgentId(match[1])
    match = _SEAT.match(r.channel)
    return AgentId(match[1]) if match else None


def _cause(r: Record) -> int:
    match = re.search(r'"hangupcause":\s*(\d+)', r.extra)
    return int(match[1]) if match else 0
