"""Carries out the moves of call control: AMI actions on the channels of one call.

Which channel is whose is asked of Asterisk each time, so a controller that has just started knows
as much as one that saw the call begin.
"""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cti.asterisk.ami import ActionRefused
from cti.asterisk.cel import THIRD
from cti.asterisk.control import Ami, Channel, channels
from cti.calls.control import (
    Dial,
    DropAgent,
    DropCaller,
    DropThird,
    HandOver,
    Move,
    MoveCaller,
    Park,
    Record,
    Ring,
)
from schemas.calls import AgentId, Call, CallId, Control, Place, Third
from schemas.errors import Conflict
from schemas.events import RoomFound
from schemas.numbers import EMERGENCY_NUMBERS

_PHONE = re.compile(r"PJSIP/w?(\d{2,8})-")
_PLACES = {
    ("hotline-room", "caller"): Place.ROOM,
    ("hotline-held", "s"): Place.HELD,
    ("hotline-parked", "s"): Place.PARKED,
}
GO = {Place.ROOM: ("hotline-room", "caller"), Place.HELD: ("hotline-held", "s")}
"""Context and extension of the places that a caller can be moved to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """The channels of one call, by their part in it."""

    caller: Channel | None
    agent: Channel | None
    seated: bool
    """The agent's phone is in the room."""
    others: tuple[Channel, ...]
    """Third party, and the line that is to bring one."""


class Rooms:
    """Moves channels. Raises `HotlineError` when Asterisk did not do it."""

    def __init__(self, ami: Ami) -> None:
        self._ami = ami

    async def perform(self, call: Call, move: Move, *, say: str = "") -> None:
        """Carry out one move.

        Args:
            say: sounds that a third party hears first, as Playback() takes them.

        Raises:
            Conflict: the channel is gone that would have to be moved.
            AsteriskUnreachable, ActionRefused: Asterisk did not do it.
        """
        legs = legs_of(call, await channels(self._ami))
        match move:
            case MoveCaller(to=to, consult=consult):
                await self._remember(call, legs, {"HOTLINE_HELD": "consult" if consult else "hold"})
                await self._redirect(legs, *GO[to], agent="agent")
            case HandOver(target=target):
                await self._remember(call, legs, {"__HOTLINE_SAY": say})
                context = "hotline-give" if target.internal else "hotline-blind"
                await self._redirect(legs, context, target.number, agent="bye")
            case Park():
                await self._remember(call, legs, {})
                await self._redirect(legs, "hotline-parked", "s", agent="bye")
            case Dial(target=target, together=together):
                undone = {"HOTLINE_UNDONE": target.number if together else ""}
                await self._remember(call, legs, undone)
                await self._originate(
                    f"Local/{target.number}@hotline-third{'-agent' if target.internal else ''}/n",
                    "hotline-line",
                    caller=call.caller or "",
                    HOTLINE_ROOM=call.id,
                    HOTLINE_TARGET=target.number,
                    HOTLINE_INTERNAL="1" if target.internal else "",
                    HOTLINE_SAY="" if target.emergency else say,
                )
            case Ring(agent=agent):
                await self._originate(
                    f"Local/{agent}@hotline-pick-up-agent/n",
                    "hotline-pick-up",
                    exten="wait",
                    caller=call.caller or "",
                    HOTLINE_ROOM=call.id,
                )
            case DropThird():
                for channel in legs.others:
                    await self._hang_up(channel)
            case DropAgent():
                await self._hang_up(legs.agent)
            case DropCaller():
                await self._hang_up(legs.caller)
            case Record(on=on):
                if legs.agent is None:
                    raise Conflict("the agent's phone is gone")
                await self._mute(legs.agent, "0" if on else "1")

    async def bring_back(self, call: Call) -> None:
        """Take the held caller into the room, if that is where the caller waits still."""
        legs = legs_of(call, await channels(self._ami))
        if legs.caller is not None and place_of(legs.caller) is Place.HELD:
            await self._redirect(legs, *GO[Place.ROOM], agent=None)

    async def nothing_undone(self, call: Call) -> None:
        """Let the end of the room be the end of the call."""
        if call.channel is not None:
            with contextlib.suppress(ActionRefused):  # hung up meanwhile
                await self._set(call.channel, "HOTLINE_UNDONE", "")

    async def watch(self, call: Call, how: str, phone: str, caller: str) -> None:
        """Ring a supervisor's *phone*; they listen, whisper to the agent, or come in (`barge`).

        Raises:
            Conflict: the agent's phone is gone.
        """
        legs = legs_of(call, await channels(self._ami))
        if legs.agent is None:
            raise Conflict("the agent's phone is gone")
        await self._originate(
            f"Local/{phone}@hotline-phones/n",
            "hotline-watch",
            exten=how,
            caller=caller,
            HOTLINE_ROOM=call.id,
            HOTLINE_SPIED=legs.agent.name,
        )

    # ---- inside

    async def _remember(self, call: Call, legs: Legs, values: dict[str, str]) -> None:
        """Write on the caller's channel what the dialplan must know when we are gone."""
        caller = _there(legs.caller)
        for name, value in {"HOTLINE_AGENT": call.agent or "", **values}.items():
            await self._set(caller.name, name, value)

    async def _set(self, channel: str, name: str, value: str) -> None:
        await self._ami.act("Setvar", Channel=channel, Variable=name, Value=value)

    async def _redirect(self, legs: Legs, context: str, exten: str, *, agent: str | None) -> None:
        """Move the caller; and the agent's phone to *agent*, unless it is there already."""
        caller = _there(legs.caller)
        there = {"Channel": caller.name, "Context": context, "Exten": exten, "Priority": "1"}
        if agent is not None and not (legs.seated and agent == "agent"):
            there |= {
                "ExtraChannel": _there(legs.agent).name,
                "ExtraContext": "hotline-room",
                "ExtraExten": agent,
                "ExtraPriority": "1",
            }
        await self._ami.act("Redirect", **there)

    async def _originate(
        self, channel: str, context: str, *, caller: str, exten: str = "s", **values: str
    ) -> None:
        await self._ami.act(
            "Originate",
            Channel=channel,
            Context=context,
            Exten=exten,
            Priority="1",
            CallerID=caller,
            # two underscores: the telephone that is dialled inherits them
            Variable=",".join(f"__{name}={value}" for name, value in values.items()),
            Timeout="60000",
            Async="true",
        )

    async def _hang_up(self, channel: Channel | None) -> None:
        if channel is not None:
            with contextlib.suppress(ActionRefused):  # gone: what we wanted
                await self._ami.act("Hangup", Channel=channel.name, Cause="16")

    async def _mute(self, channel: Channel, state: str) -> None:
        await self._ami.act("MixMonitorMute", Channel=channel.name, Direction="both", State=state)


def legs_of(call: Call, live: Iterable[Channel]) -> Legs:
    """Return the parts of *call* among the *live* channels."""
    own = [channel for channel in live if channel.call == call.id]
    phones = [c for c in own if (m := _PHONE.match(c.name)) and m[1] == call.agent]
    agent = next(iter(sorted(phones, key=_in_room, reverse=True)), None)
    caller = next((c for c in own if c.own), None)
    others = tuple(c for c in own if c.context in ("hotline-line", THIRD) and c is not agent)
    return Legs(
        caller=caller,
        agent=agent,
        seated=agent is not None and _in_room(agent),
        others=others,
    )


def found(call: CallId, live: Iterable[Channel], *, at: float) -> RoomFound | None:
    """Return what the live channels say of a call in our rooms; None: the caller is in none.

    Args:
        at: Unix seconds now.
    """
    own = [channel for channel in live if channel.call == call]
    place = next((p for c in own if c.own and (p := place_of(c))), None)
    if place is None:
        return None
    agent = next((c for c in own if c.context == "hotline-room" and not c.own), None)
    third = next((c for c in own if c.context == THIRD), None)
    internal = third is not None and _PHONE.match(third.name) is not None
    if agent is None and internal:  # the third party has the call now
        agent, third, internal = third, None, False
    ringing = any(c.context == "hotline-line" for c in own)
    state = Third.JOINED if third is not None else Third.RINGING if ringing else None
    who = _PHONE.match(agent.name) if agent is not None else None
    return RoomFound(
        call=call,
        at=at,
        control=Control(
            caller=place,
            seated=agent is not None,
            target=third.exten if third is not None else None,
            third=state,
            internal=internal,
        ),
        agent=AgentId(who[1]) if who else None,
        emergency=third is not None and not internal and third.exten in EMERGENCY_NUMBERS,
    )


def place_of(channel: Channel) -> Place | None:
    """Return where of our places a caller's channel is."""
    return _PLACES.get((channel.context, channel.exten))


def _in_room(channel: Channel) -> bool:
    return channel.context in ("hotline-room", THIRD)


def _there(channel: Channel | None) -> Channel:
    """Return the channel.

    Raises:
        Conflict: it is gone.
    """
    if channel is None:
        raise Conflict("that telephone has hung up")
    return channel
