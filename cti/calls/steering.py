"""Carries out what people ask of a call, one request of a call at a time, and tells how it went."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from cti.asterisk.rooms import Rooms
from cti.calls import control
from cti.calls.control import Do, Mode, MoveCaller, Target
from cti.calls.registry import Registry
from schemas.calls import AgentId, Call, CallId, Place, State
from schemas.commands import BringBack, Command
from schemas.errors import Conflict, Forbidden, HotlineError, Invalid, NotFound, Unavailable
from schemas.events import Controlled, Event, Happened, RoomOpened
from schemas.numbers import EMERGENCY_NUMBERS, MAIN_NUMBER, Register, normalise

log = logging.getLogger(__name__)

T = TypeVar("T")
SEEN_WITHIN = 5.0
"""Seconds until Asterisk must have told that a request took effect."""


class Known(Protocol):
    """The roster, as far as extensions go."""

    def __call__(self, extension: str, /) -> bool:
        """Tell whether one of our agents has this extension."""
        ...


@dataclass(slots=True)
class _Watch:
    """What a call went through since a request began; a busy line is over before we look."""

    modes: set[Mode] = field(default_factory=set)
    places: set[Place] = field(default_factory=set)
    ended: bool = False
    more: asyncio.Event = field(default_factory=asyncio.Event)


class Steering:
    """Takes requests; `happened` is called by the inbox.

    Args:
        spoken: sounds that tell a ticket's number; nothing when there are none.
        clock: Unix seconds.
    """

    def __init__(
        self,
        registry: Registry,
        rooms: Rooms,
        *,
        report: Callable[[Event], None],
        register: Callable[[], Register],
        known: Known,
        spoken: Callable[[str], Sequence[str]],
        clock: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._rooms = rooms
        self._report = report
        self._register = register
        self._known = known
        self._spoken = spoken
        self._clock = clock
        self._watched: dict[CallId, _Watch] = {}
        """Calls for which a request is being carried out."""

    def find(self, id: str) -> Call:
        """Return the running call.

        Raises:
            NotFound: there is none of this id.
        """
        call = self._registry.get(id)
        if call is None:
            raise NotFound("there is no such call on the line")
        return call

    async def control(
        self, id: str, do: Do, *, who: str, agent: AgentId | None, target: str | None, steers: bool
    ) -> Call:
        """Do what is asked and return the call once Asterisk has told that it is done.

        Args:
            who: for the timeline.
            agent: extension of who asks, if they have one.
            steers: they may control calls that are not theirs.

        Raises:
            NotFound, Forbidden, Conflict, Invalid, Unavailable: nothing was done, or not all.
        """
        call = self.find(id)
        if do is Do.PICK_UP:
            if agent is None or not self._known(agent):
                raise Forbidden("only an agent with an extension can take a parked call")
        elif not steers and (agent is None or agent != call.agent):
            raise Forbidden("this call is in the hands of another agent")
        if (target is not None) != (do in control.WITH_TARGET):
            raise Invalid("`target` belongs to transfer, consult and three_way, which need it")
        with self._alone(call) as watch, self._told(call, who, do, target):
            goal = None if target is None else self.target(target)
            moves = control.plan(call, do, target=goal, agent=agent)
            say = "&".join(self._spoken(call.ticket_id)) if call.ticket_id and goal else ""
            if call.control.caller is Place.QUEUE and any(isinstance(m, MoveCaller) for m in moves):
                self._report(RoomOpened(call=call.id, at=self._clock()))
            for number, move in enumerate(moves):
                await self._rooms.perform(call, move, say=say)
                if isinstance(move, MoveCaller) and number + 1 < len(moves):
                    await _seen(watch, watch.places, {move.to})
            if do in control.EXPECTED:
                await _seen(watch, watch.modes, control.EXPECTED[do])
        return self.find(id)

    async def watch(self, id: str, how: str, *, who: str, phone: str) -> Call:
        """Let a supervisor listen, whisper or come in.

        Raises:
            NotFound, Conflict, Unavailable: no such call or phone, nobody to hear, no Asterisk.
        """
        call = self.find(id)
        if not self._known(phone):
            raise NotFound("no such extension", extension=phone)
        with self._alone(call) as watch, self._told(call, who, how, phone):
            now = control.mode(call)
            if now in (Mode.NONE, Mode.PARKED, Mode.OUTSIDE):
                raise Conflict("no agent talks in this call", mode=now)
            if phone == call.agent:
                raise Conflict("this telephone is the agent's own", mode=now)
            if how == "barge" and call.control.caller is Place.QUEUE:
                self._report(RoomOpened(call=call.id, at=self._clock()))
                await self._rooms.perform(call, MoveCaller(to=Place.ROOM))
                await _seen(watch, watch.places, {Place.ROOM})
            await self._rooms.watch(call, how, phone, call.caller or "")
        return self.find(id)

    def target(self, dialled: str) -> Target:
        """Return whom *dialled* means: an agent of ours, a dual-run seat, or a number outside.

        Raises:
            Conflict: it is a number that is answered here.
        """
        digits = normalise(dialled)
        if digits in EMERGENCY_NUMBERS:
            return Target(number=digits)
        if self._known(digits):
            return Target(number=digits, internal=True)
        number = self._register().find(digits)
        if number is None and digits != MAIN_NUMBER:
            return Target(number=dialled)
        if number is not None and (onward := number.seat or number.onward):
            return Target(number=onward)
        raise Conflict("that number is answered here", target=digits)

    async def obey(self, command: Command, call: Call) -> None:
        """Carry out what the machine wants moved; the dialplan does it by itself, only slower."""
        now = self._registry.get(call.id) or call
        try:
            if isinstance(command, BringBack):
                await self._rooms.bring_back(now)
            else:
                await self._rooms.nothing_undone(now)
        except HotlineError as error:
            log.warning("call %s: %s: %s", call.id, type(command).__name__, error.message)

    def happened(self, news: Happened) -> None:
        """Take what the inbox publishes."""
        if watch := self._watched.get(news.call.id):
            watch.modes.add(control.mode(news.call))
            watch.places.add(news.call.control.caller)
            watch.ended = news.call.state is State.ENDED
            watch.more.set()

    # ---- inside

    @contextlib.contextmanager
    def _alone(self, call: Call) -> Iterator[_Watch]:
        if call.id in self._watched:
            raise Conflict("another request for this call is being carried out")
        watch = self._watched[call.id] = _Watch()
        try:
            yield watch
        finally:
            del self._watched[call.id]

    @contextlib.contextmanager
    def _told(self, call: Call, who: str, do: str, target: str | None) -> Iterator[None]:
        result = "failed"
        try:
            yield
            result = "ok"
        except HotlineError as error:
            result = error.code
            raise
        finally:
            self._report(
                Controlled(
                    call=call.id, at=self._clock(), who=who, do=do, target=target, result=result
                )
            )


async def _seen(watch: _Watch, seen: Set[T], wanted: Set[T]) -> None:
    """Return once Asterisk has told one of *wanted*.

    Raises:
        Conflict: the caller has hung up.
        Unavailable: it told nothing of the kind in time.
    """
    try:
        async with asyncio.timeout(SEEN_WITHIN):
            while not seen & wanted:
                if watch.ended:
                    raise Conflict("the caller has hung up")
                watch.more.clear()
                await watch.more.wait()
    except TimeoutError:
        raise Unavailable("Asterisk did not do it in time") from None
