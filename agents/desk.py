"""The desks: what happened to calls becomes presence, screen-pops and changes for each agent."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from agents import presence as p
from agents.errands import Errands, code_of, tell
from agents.hub import Hub
from agents.ports import Histories, Member, Queues
from agents.roster import Agent
from agents.screen import Screen, Screens
from schemas.calls import AgentId, Call, CallId, CallOut, Third
from schemas.calls import State as CallState
from schemas.desktop import AgentState, Snapshot
from schemas.errors import NotFound
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    Happened,
    ThirdAnswered,
    ThirdDialled,
    ThirdLeft,
    TicketOpened,
)
from schemas.times import iso, iso_or_none

log = logging.getLogger(__name__)


class Timer(Protocol):
    """A timer that can be taken back."""

    def cancel(self) -> None:
        """Do not ring."""
        ...


class Alarm(Protocol):
    """Rings once."""

    def __call__(self, when: float, then: Callable[[], None], /) -> Timer:
        """Call *then* at Unix seconds *when*, or at once when that is past."""
        ...


@dataclass(slots=True)
class _Desk:
    agent: Agent
    presence: p.Presence
    met: bool = False
    """app_queue has told us of this agent since we started."""
    trouble: str | None = None
    """Why app_queue could not be told; shown until it could."""
    phone_online: bool | None = None
    screen: Screen = field(init=False)
    timer: Timer | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.screen = Screen(self.agent.id)


class Desks:
    """All agents. `happened` is called by the inbox and never waits.

    Args:
        describe: a call as JSON shows it.
        clock: Unix seconds.
    """

    def __init__(
        self,
        agents: Iterable[Agent],
        *,
        hub: Hub,
        queues: Queues,
        histories: Histories,
        describe: Callable[[Call], CallOut],
        clock: Callable[[], float],
        alarm: Alarm,
        rules: p.Rules,
    ) -> None:
        self.hub = hub
        self._queues = queues
        self._clock = clock
        self._alarm = alarm
        self._rules = rules
        self._desks: dict[AgentId, _Desk] = {}
        self._on: dict[CallId, set[AgentId]] = {}
        """Agents whose presence is about a call."""
        self._screens = Screens(hub, histories, describe=describe, clock=clock)
        self._errands = Errands()
        self.set_roster(agents)

    async def __aenter__(self) -> "Desks":
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all work of ours: histories under way, queue commands, timers, sockets."""
        self.hub.close()
        for desk in self._desks.values():
            _cancel(desk.timer)
        await self._screens.end()
        await self._errands.close()

    # ---- who

    def set_roster(self, agents: Iterable[Agent]) -> None:
        """Take the people as they are now. Who is gone leaves the queues.

        Changed skills are told to app_queue when the agent next signs on.
        """
        roster = {agent.id: agent for agent in agents}
        for id in self._desks.keys() - roster.keys():
            desk = self._desks.pop(id)
            if desk.presence.told.joined or desk.trouble is not None:
                self._tell(desk, p.LeaveQueues())
            self._file(id, desk.presence.call, None)
            _cancel(desk.timer)
            self.hub.disconnect(id, 4003, "no longer an agent")
        for id, agent in roster.items():
            if known := self._desks.get(id):
                known.agent = agent
            else:
                self._desks[id] = _Desk(agent, p.Presence(since=self._clock()))

    def __contains__(self, agent: object) -> bool:
        return agent in self._desks

    def states(self) -> list[AgentState]:
        """Return every agent as supervisors see them."""
        return [self._state(desk) for desk in self._desks.values()]

    def state(self, agent: AgentId) -> AgentState:
        """Return one agent.

        Raises:
            NotFound: nobody has this extension.
        """
        return self._state(self._find(agent))

    def snapshot(self, agent: AgentId) -> Snapshot:
        """Return the agent's whole desk as it is after change `v`.

        Raises:
            NotFound: nobody has this extension.
        """
        desk = self._find(agent)
        return Snapshot(
            v=self.hub.v(agent),
            me=self._state(desk),
            call=self._screens.described(desk.screen),
            pop=desk.screen.pop,
        )

    # ---- what people want

    def ready(self, agent: AgentId) -> AgentState:
        """Let the agent take calls; ends wrap-up.

        Raises:
            NotFound: nobody has this extension.
        """
        return self._wish(agent, p.Ready(at=self._clock()))

    def pause(self, agent: AgentId, reason: str) -> AgentState:
        """Let the agent take no calls; during a talk, after it.

        Raises:
            NotFound: nobody has this extension.
        """
        return self._wish(agent, p.Pause(at=self._clock(), reason=reason))

    def offline(self, agent: AgentId) -> AgentState:
        """Take the agent out of the queues; during a talk, after it.

        Raises:
            NotFound: nobody has this extension.
        """
        return self._wish(agent, p.Offline(at=self._clock()))

    def _wish(self, agent: AgentId, event: p.PresenceEvent) -> AgentState:
        desk = self._find(agent)
        if desk.trouble is not None:
            # What app_queue holds is uncertain: believe whatever makes the wish be told in full.
            unsure = p.Membership(joined=not isinstance(event, p.Ready), paused="unsure")
            desk.presence = replace(desk.presence, told=unsure)
        self._step(desk, event)
        return self._state(desk)

    # ---- what happens

    def happened(self, news: Happened) -> None:
        """Take what the inbox publishes."""
        event, call = news.event, news.call
        match event:
            case AgentRinging(agent=agent) if desk := self._desks.get(agent):
                self._rings(desk, call, event.at)
            case AgentMissed(agent=agent) if desk := self._desks.get(agent):
                self._ring_ended(desk, call.id, event.at, missed=True, why="missed")
            case AgentAnswered(agent=agent) if desk := self._desks.get(agent):
                desk.screen.call = call
                self._step(desk, p.Answered(at=event.at, call=call.id))
                if (
                    desk.screen.pop is None or desk.screen.pop.call != call.id
                ):  # the ring was never seen
                    self._screens.open(desk.screen, call)
            case AgentFinished(agent=agent) if desk := self._desks.get(agent):
                self._step(desk, p.Finished(at=event.at, call=call.id))
            case ThirdDialled(target=target) if desk := self._desks.get(AgentId(target)):
                if event.internal:
                    self._rings(desk, call, event.at)
            case ThirdAnswered(target=target) if desk := self._desks.get(AgentId(target)):
                if desk.presence.call == call.id:
                    self._step(desk, p.Answered(at=event.at, call=call.id))
            case ThirdLeft(target=target) if desk := self._desks.get(AgentId(target)):
                missed = event.status == "NOANSWER"
                self._ring_ended(desk, call.id, event.at, missed=missed, why="missed")
                if desk.presence.call == call.id:
                    self._step(desk, p.Finished(at=event.at, call=call.id))
        for id in tuple(self._on.get(call.id, ())):
            self._follow(self._desks[id], news)

    def _rings(self, desk: _Desk, call: Call, at: float) -> None:
        self._step(desk, p.Rang(at=at, call=call.id))
        if desk.presence.call == call.id:
            desk.screen.call = None
            self._screens.open(desk.screen, call)

    def _follow(self, desk: _Desk, news: Happened) -> None:
        """Bring a desk that has to do with the call in line with it."""
        event, call = news.event, news.call
        if desk.presence.phone is p.Phone.RINGING and desk.agent.id not in call.ringing:
            why = "answered" if isinstance(event, AgentAnswered) else "caller_gone"
            self._ring_ended(desk, call.id, event.at, missed=False, why=why)
            return
        if desk.presence.phone is p.Phone.RINGING:
            return
        ended = call.state is CallState.ENDED and not in_room(call, desk.agent.id)
        if ended and desk.presence.phone is p.Phone.TALKING:
            self._step(desk, p.Finished(at=event.at, call=call.id))  # AgentFinished may never come
        if desk.screen.call is not None and desk.screen.call.id == call.id:
            if isinstance(event, TicketOpened):
                body: dict[str, object] = {"id": event.ticket, "call": call.id}
                self.hub.publish(desk.agent.id, "ticket", body)
            self._screens.show(desk.screen, call)

    def phone(self, agent: AgentId, *, online: bool) -> None:
        """Note whether the agent's phone is registered."""
        desk = self._desks.get(agent)
        if desk is not None and desk.phone_online is not online:
            desk.phone_online = online
            self._publish_state(desk)

    def restore(
        self, members: Iterable[Member], *, talking: Mapping[AgentId, Call], at: float
    ) -> None:
        """Bring presence in line with app_queue after the link was away.

        Of whom we knew nothing we believe app_queue; of whom we knew, the wish stays ours.

        Args:
            talking: living calls by the agent who talks in them.
        """
        seen = {member.agent: member for member in members}
        for id, desk in self._desks.items():
            member = seen.get(id)
            call = talking.get(id)
            held = p.Membership(
                joined=member is not None,
                paused=(member.reason or "unknown") if member and member.paused else None,
            )
            talks = call is not None or (member is not None and member.in_call)
            known = None if call is None else call.id
            desk.trouble = None
            if desk.met or desk.presence.wish is not p.State.OFFLINE:
                after, commands = p.reconcile(
                    desk.presence, held, at=at, talks=talks, call=known, rules=self._rules
                )
            else:
                after, commands = p.adopt(held, at=at, talks=talks, call=known, rules=self._rules)
            desk.met = True
            self._become(desk, after, commands)
            if call is not None and not desk.screen.pops(call):
                desk.screen.call = call
                self._screens.open(desk.screen, call)

    # ---- inside

    def _find(self, agent: AgentId) -> _Desk:
        try:
            return self._desks[agent]
        except KeyError:
            raise NotFound("no such agent", agent=agent) from None

    def _step(self, desk: _Desk, event: p.PresenceEvent) -> None:
        after, commands = p.step(desk.presence, event, self._rules)
        self._become(desk, after, commands)

    def _become(self, desk: _Desk, after: p.Presence, commands: Iterable[p.Command]) -> None:
        before, desk.presence = desk.presence, after
        if after.call != before.call:
            self._file(desk.agent.id, before.call, after.call)
        if after.wrap_up_ends != before.wrap_up_ends:
            _cancel(desk.timer)
            desk.timer = None
        for command in commands:
            if isinstance(command, p.StartWrapUp):
                self._start_wrap_up(desk, command.until)
            else:
                self._tell(desk, command)
        if after.shown != before.shown:
            self._publish_state(desk)
        if after.state in (p.State.READY, p.State.PAUSED, p.State.OFFLINE):
            self._screens.clear(desk.screen, "done")

    def _file(self, agent: AgentId, before: CallId | None, after: CallId | None) -> None:
        if before is not None and (on := self._on.get(before)):
            on.discard(agent)
            if not on:
                del self._on[before]
        if after is not None:
            self._on.setdefault(after, set()).add(agent)

    def _start_wrap_up(self, desk: _Desk, until: float) -> None:
        def over() -> None:
            self._step(desk, p.WrapUpOver(at=max(until, self._clock()), until=until))

        desk.timer = self._alarm(until, over)

    def _tell(self, desk: _Desk, command: p.Tell) -> None:
        agent = desk.agent

        async def errand() -> None:
            await tell(self._queues, agent, command)

        whole = isinstance(command, p.JoinQueues | p.LeaveQueues)

        def done(error: Exception | None) -> None:
            trouble = desk.trouble if error is None else f"queues not told: {code_of(error)}"
            if error is None and whole:  # nothing of an earlier failure is left
                trouble = None
            if trouble != desk.trouble:
                desk.trouble = trouble
                self._publish_state(desk)

        self._errands.add(agent.id, errand, done)

    def _ring_ended(self, desk: _Desk, call: CallId, at: float, *, missed: bool, why: str) -> None:
        if desk.presence.phone is p.Phone.RINGING and desk.presence.call == call:
            self._screens.clear(desk.screen, why)
            self._step(desk, p.RingEnded(at=at, call=call, missed=missed))

    def _publish_state(self, desk: _Desk) -> None:
        state = self._state(desk)
        self.hub.publish(desk.agent.id, "state", state.model_dump(mode="json"))

    def _state(self, desk: _Desk) -> AgentState:
        now = desk.presence
        return AgentState(
            agent=desk.agent.id,
            name=desk.agent.name,
            state=now.state.value,
            since=iso(now.since),
            reason=desk.trouble or now.reason,
            call=now.call,
            phone_online=desk.phone_online,
            desk=self.hub.online(desk.agent.id),
            wrap_up_ends=iso_or_none(now.wrap_up_ends),
        )


def in_room(call: Call, agent: AgentId) -> bool:
    """Return whether the agent's phone is in a room of *call*, whatever became of the caller."""
    control = call.control
    own = control.seated and agent == call.agent
    return own or (control.internal and agent == control.target and control.third is Third.JOINED)


def _cancel(what: Timer | None) -> None:
    if what is not None:
        what.cancel()
