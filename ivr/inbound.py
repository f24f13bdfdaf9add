"""The script behind `agi://…/inbound`: who was dialled, what is heard, where it leads.

The decisions are in `ivr.routing` and `ivr.flow`; here they meet the telephone. Nothing is caught
but a prompt that fails: any other exception ends the session without a route, and then the
dialplan queues the caller by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ivr import flow
from ivr.agi import Session
from ivr.listen import Listener
from ivr.play import Lookups, Player, Report
from ivr.routing import attribute, facts_from
from schemas.calls import Route, skill_queue
from schemas.city import City
from schemas.events import Attributed, FlowFailed, FlowStarted, RouteChosen
from schemas.moves import Done, Situation
from schemas.numbers import Attribution, Number
from schemas.times import SHANGHAI

STEP = 14
"""Seconds until Asterisk takes the caller back when we fall silent before the first prompt."""


class Returning(Protocol):
    """Guards against loops."""

    def __call__(self, number: Number, caller: str, /) -> bool:
        """Say whether we are just now transferring *caller* to *number*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """The script, with what it needs."""

    city: Callable[[], City]
    """Numbers and flows as they are now; a call keeps those it began with."""
    report: Report
    returning: Returning
    lookups: Lookups
    staffed: Callable[[str], bool]
    """Whether some agent has this skill, so that its queue is served."""
    clock: Callable[[], float]
    """Unix seconds."""
    listener: Listener | None = None
    """Speech as the service offers it; None: keys alone."""

    async def __call__(self, session: Session) -> None:
        """Serve one caller and leave a route in the channel."""
        # Before anything else: the dialplan gives the first command only agi.first_word seconds.
        await session.keep_alive(STEP)
        city = self.city()
        facts = facts_from(session.environment)
        found = attribute(facts, city.register)
        at = self.clock()
        self.report(
            FlowStarted(
                call=facts.call,
                at=at,
                channel=facts.channel,
                did=facts.did,
                caller=facts.caller,
                number=found.number,
                attribution=found.attribution,
                dialled=found.dialled,
                chain=found.chain,
                version=city.version,
            )
        )
        player = Player(
            session=session,
            city=city,
            call=facts.call,
            caller=facts.caller,
            report=self.report,
            lookups=self.lookups,
            clock=self.clock,
            until=at + STEP,
            listener=self.listener,
        )
        situation = Situation(
            number=found.number,
            caller=facts.caller,
            at=datetime.fromtimestamp(at, SHANGHAI),
            returning=found.number is not None and self.returning(found.number, facts.caller),
            speech=self.listener is not None and self.listener.offered(),
        )
        place, move = flow.begin(city, situation)
        about = found.number
        while True:
            for step, reason in place.troubles:
                at = self.clock()
                self.report(FlowFailed(call=facts.call, at=at, step=step, reason=reason))
            if (number := place.situation.number) != about:
                about = number
                self.report(
                    Attributed(
                        call=facts.call,
                        at=self.clock(),
                        number=number,
                        attribution=Attribution.SAID,
                        dialled=found.dialled,
                        chain=found.chain,
                    )
                )
            if isinstance(move, Done):
                break
            place, move = flow.hear(place, await player.perform(move))
        route = self._queued(move.route)
        await session.set_variables(variables(route))
        # Asterisk goes on when we close: nothing can happen to the caller before this is told.
        self.report(RouteChosen(call=facts.call, at=self.clock(), route=route))

    def _queued(self, route: Route) -> Route:
        """Return *route* with the skill's own queue where somebody serves it before the others."""
        if route.skill is None or not self.staffed(route.skill):
            return route
        return replace(route, queue=skill_queue(route.skill))


def variables(route: Route) -> Mapping[str, str | int]:
    """Return the channel variables that tell the dialplan *route*, and end the time limit."""
    values: dict[str, str | int] = {
        "TIMEOUT(absolute)": 0,
        "HOTLINE_QUEUE": route.queue or "",
        "HOTLINE_PRIO": route.priority,
        "HOTLINE_SEAT_QUEUE": route.seat_queue or "",
        "HOTLINE_SEAT_SECONDS": route.seat_seconds,
        "HOTLINE_TARGET": route.target or "",
        "HOTLINE_AGENT": route.agent or "",
        # Last, because the dialplan believes the others only when this one is there.
        "HOTLINE_ROUTE": route.kind,
    }
    return values
