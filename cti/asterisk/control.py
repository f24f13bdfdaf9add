"""What we ask of Asterisk: queue membership and a look at what is up."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cti.asterisk.ami import ActionRefused
from schemas.calls import GENERAL_QUEUE

log = logging.getLogger(__name__)

GENERAL = GENERAL_QUEUE
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

    Args:
        units: owner-unit codes that have a queue `unit-<code>` of their own.
    """

    def __init__(self, ami: Ami, *, units: Iterable[str]) -> None:
        self._ami = ami
        self._units = tuple(units)

    async def join(self, agent: str, interface: str, skills: Sequence[str], /) -> None:
        """Make *agent* an unpaused member of every queue, with the least penalty where skilled."""
        penalties = {GENERAL: 0} | {
            f"unit-{unit}": 0 if unit in skills else UNSKILLED for unit in self._units
        }
        await asyncio.gather(
            *(self._add(queue, agent, interface, p) for queue, p in penalties.items())
        )

    async def _add(self, queue: str, agent: str, interface: str, penalty: int) -> None:
        headers = {"Queue": queue, "Interface": interface}
        try:
            await self._ami.act(
                "QueueAdd",
                **headers,
                MemberName=agent,
                Penalty=str(penalty),
                Paused="false",
            )
        except ActionRefused as error:
            if "Already there" not in error.message:
                raise
            # a member since before: what changed is the skill, and a pause that must end
            await self._ami.act("QueuePenalty", **headers, Penalty=str(penalty))
            await self._ami.act("QueuePause", **headers, Paused="false")

    async def leave(self, agent: str, interface: str, /) -> None:
        """Take *agent* out of every queue."""
        queues = [GENERAL, *(f"unit-{unit}" for unit in self._units)]
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
            for m in await self._ami.ask("QueueStatus", Queue=GENERAL)
            if m["Event"] == "QueueMember" and m.get("Membership") == "dynamic"
        ]


async def channels(ami: Ami) -> list[Channel]:
    """Return every live channel."""
    return [
        Channel(
            name=c["Channel"],
            call=c["Linkedid"],
            own=c["Uniqueid"] == c["Linkedid"],
            context=c.get("Context", ""),
            exten=c.get("Exten", ""),
            caller=c.get("CallerIDNum", ""),
            application=c.get("Application", ""),
            seconds=_seconds(c.get("Duration", "")),
        )
        for c in await ami.ask("CoreShowChannels")
        if c["Event"] == "CoreShowChannel"
    ]


def _seconds(clock: str) -> float:
    """Return `hh:mm:ss` as seconds; 0 for anything else."""
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, seconds = map(int, parts)
    return float(hours * 3600 + minutes * 60 + seconds)
