"""What we ask of Asterisk: queue membership and a look at what is up."""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from cti.asterisk.ami import ActionRefused
from schemas.calls import GENERAL_QUEUE, skill_queue

log = logging.getLogger(__name__)

UNSKILLED = 10
"""Penalty of an agent in the queue of a unit whose matters are not this agent's skill."""


class Ami(Protocol):
    """The part of the AMI link that is needed here."""

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        """Run one action."""
        ...

    async def ask(self, action: str, **headers: str) -> list[Mapping[str, str]]:
        """Run a list action."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent as app_queue holds them, over all queues."""

    agent: str
    interface: str
    paused: bool
    reason: str
    in_call: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A live channel."""

    name: str
    call: str
    own: bool
    """The citizen's own channel of its call."""
    context: str
    exten: str
    caller: str
    application: str
    seconds: float


class Queues:
    """Tells app_queue who takes which calls. Presence decides; app_queue never does.

    An owner unit's queue is staffed only while some agent has that unit as a skill: every phone's
    change of state is looked up in every queue it is a member of, so queues without a purpose cost
    Asterisk more than the calls do.
    """

    def __init__(self, ami: Ami) -> None:
        self._ami = ami
        self._units: frozenset[str] = frozenset()
        self._staffed: frozenset[str] = frozenset()

    def staffed(self, unit: str) -> bool:
        """Tell whether every agent on duty is a member of the unit's queue."""
        return unit in self._staffed

    async def staff(self, skills: Mapping[str, Collection[str]]) -> None:
        """Open the queues of all units that are somebody's skill; send nobody new to the others.

        Members of a queue that is nobody's skill any more stay, for who still waits in it.

        Args:
            skills: owner-unit codes by agent.
        """
        units = frozenset(unit for some in skills.values() for unit in some)
        if units == self._units and units == self._staffed:
            return
        self._staffed &= units
        self._units = units  # who joins from now on joins them
        for member in await self.members():
            own = skills.get(member.agent, ())
            for unit in sorted(units):
                penalty = 0 if unit in own else UNSKILLED
                await self._add(
                    skill_queue(unit), member.agent, member.interface, penalty, member.paused
                )
        self._staffed = units

    async def join(self, agent: str, interface: str, skills: Collection[str], /) -> None:
        """Make *agent* an unpaused member of every queue, with the least penalty where skilled."""
        penalties = {GENERAL_QUEUE: 0} | {
            skill_queue(unit): 0 if unit in skills else UNSKILLED for unit in self._units
        }
        await asyncio.gather(
            *(self._add(queue, agent, interface, p) for queue, p in penalties.items())
        )

    async def _add(
        self, queue: str, agent: str, interface: str, penalty: int, paused: bool = False
    ) -> None:
        there = {"Queue": queue, "Interface": interface}
        pause = "true" if paused else "false"
        try:
            await self._ami.act(
                "QueueAdd", **there, MemberName=agent, Penalty=str(penalty), Paused=pause
            )
        except ActionRefused as error:
            if "Already there" not in error.message:
                raise
            # a member since before: what may have changed is the skill and the pause
            await self._ami.act("QueuePenalty", **there, Penalty=str(penalty))
            await self._ami.act("QueuePause", **there, Paused=pause)

    async def leave(self, agent: str, interface: str, /) -> None:
        """Take *agent* out of every queue."""
        listed = await self._ami.ask("QueueStatus", Member=interface)
        queues = {m["Queue"] for m in listed if m["Event"] == "QueueMember"} | {GENERAL_QUEUE}
        await asyncio.gather(*(self._remove(queue, interface) for queue in queues))

    async def _remove(self, queue: str, interface: str) -> None:
        with contextlib.suppress(ActionRefused):  # was not there: what we wanted
            await self._ami.act("QueueRemove", Queue=queue, Interface=interface)

    async def pause(self, agent: str, interface: str, reason: str, /) -> None:
        """Let no call ring at *agent* in any queue; *reason* is kept for after a restart."""
        with contextlib.suppress(ActionRefused):  # member of no queue: rings nowhere anyway
            await self._ami.act(
                "QueuePause", Interface=interface, Paused="true", Reason=reason[:40]
            )

    async def unpause(self, agent: str, interface: str, /) -> None:
        """Let calls ring at *agent* again.

        Raises:
            ActionRefused: *agent* is a member of no queue.
        """
        await self._ami.act("QueuePause", Interface=interface, Paused="false")

    async def members(self) -> list[Member]:
        """Return the agents that app_queue knows as dynamic members of the general queue."""
        return [
            Member(
                agent=m["Name"],
                interface=m["Location"],
                paused=m.get("Paused") == "1",
                reason=m.get("PausedReason", ""),
                in_call=m.get("InCall") == "1" or m.get("Status") in ("2", "3"),
            )
            for m in await self._ami.ask("QueueStatus", Queue=GENERAL_QUEUE)
            if m["Event"] == "QueueMember" and m.get("Membership") == "dynamic"
        ]


async def channels(ami: Ami) -> list[Channel]:
    """Return every live channel."""
    return [
        Channel(
            name=c["Channel"],
            call=(call := _room(c) or c["Linkedid"]),
            own=c["Uniqueid"] == call,
            context=c.get("Context", ""),
            exten=c.get("Exten", ""),
            caller=c.get("CallerIDNum", ""),
            application=c.get("Application", ""),
            seconds=_seconds(c.get("Duration", "")),
        )
        for c in await ami.ask("CoreShowChannels")
        if c["Event"] == "CoreShowChannel"
    ]


def _room(c: Mapping[str, str]) -> str:
    """Return the call whose room the channel is in: a room does not link its channels."""
    if c.get("Application") != "ConfBridge":
        return ""
    return c.get("ApplicationData", "").partition(",")[0]


def _seconds(clock: str) -> float:
    """Return `hh:mm:ss` as seconds; 0 for anything else."""
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, seconds = map(int, parts)
    return float(hours * 3600 + minutes * 60 + seconds)
