"""The script behind `agi://…/inbound`: who was dialled, what is heard, where it leads.

The decisions are in `ivr.routing` and `ivr.flow`; here they meet the telephone. Nothing is caught
but a prompt that fails: any other exception ends the session without a route, and then the
dialplan queues the caller by itself.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ivr import flow
from ivr.agi import CommandFailed, Session
from ivr.routing import Facts, attribute, facts_from
from schemas.calls import Route, skill_queue
from schemas.events import Event, FlowStarted, PromptPlayed, RouteChosen
from schemas.numbers import Number, Register

log = logging.getLogger(__name__)

STEP = 14
"""Seconds one step of the flow may take before Asterisk takes the caller back.

The longest is the offer of a transfer: a prompt of at most 10 s and 3 s for the key.
"""
SOUNDS = "hotline/"
"""Folder of our prompts among Asterisk's sounds."""


class Report(Protocol):
    """Tells the call machine."""

    def __call__(self, event: Event, /) -> None:
        """Take *event* to the inbox, at once and without waiting."""


class Returning(Protocol):
    """Guards against loops."""

    def __call__(self, number: Number, caller: str, /) -> bool:
        """Say whether we are just now transferring *caller* to *number*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """The script, with what it needs."""

    register: Callable[[], Register]
    """The register as it is now; a published change counts from the next call on."""
    report: Report
    returning: Returning
    staffed: Callable[[str], bool]
    """Whether some agent has this owner unit's matters as a skill, so that its queue is served."""
    clock: Callable[[], float]
    """Unix seconds."""

    async def __call__(self, session: Session) -> None:
        """Serve one caller and leave a route in the channel."""
        # Before anything else: the dialplan gives the first command only agi.first_word seconds.
        await session.keep_alive(STEP)
        facts = facts_from(session.environment)
        found = attribute(facts, self.register())
        self.report(
            FlowStarted(
                call=facts.call,
                at=self.clock(),
                channel=facts.channel,
                did=facts.did,
                caller=facts.caller,
                number=found.number,
                attribution=found.attribution,
                dialled=found.dialled,
                chain=found.chain,
            )
        )
        returning = found.number is not None and self.returning(found.number, facts.caller)
        state, move = flow.begin(found.number, returning=returning)
        first = True
        while not isinstance(move, flow.Done):
            if not first:
                await session.keep_alive(STEP)
            first = False
            state, move = flow.hear(state, await self._perform(session, facts, move))
        route = self._queued(move.route)
        await session.set_variables(variables(route))
        # Asterisk goes on when we close: nothing can happen to the caller before this is told.
        self.report(RouteChosen(call=facts.call, at=self.clock(), route=route))

    def _queued(self, route: Route) -> Route:
        """Return *route* with the unit's own queue where somebody serves it before the others."""
        if route.skill is None or not self.staffed(route.skill):
            return route
        return replace(route, queue=skill_queue(route.skill))

    async def _perform(
        self, session: Session, facts: Facts, move: flow.Say | flow.Hear
    ) -> flow.Heard:
        try:
            key = await self._play(session, facts, move.prompts)
            if key is None and isinstance(move, flow.Hear):
                key = (await session.ask((), within=move.wait)).key
        except CommandFailed as error:
            log.warning("a prompt failed: %s", error, extra={"call": facts.call})
            return flow.Heard(failed=True)
        return flow.Heard(key)

    async def _play(self, session: Session, facts: Facts, prompts: Sequence[str]) -> str | None:
        """Play and report at once, so that a wait for a key does not count as prompt."""
        key = None
        for played in await session.say([SOUNDS + prompt for prompt in prompts]):
            key = played.key
            self.report(
                PromptPlayed(
                    call=facts.call,
                    at=self.clock(),
                    prompt=played.prompt.removeprefix(SOUNDS),
                    seconds=played.seconds,
                    key=key,
                )
            )
        return key


def variables(route: Route) -> Mapping[str, str | int]:
    """Return the channel variables that tell the dialplan *route*, and end the time limit."""
    values: dict[str, str | int] = {
        "TIMEOUT(absolute)": 0,
        "HOTLINE_QUEUE": route.queue or "",
        "HOTLINE_PRIO": route.priority,
        "HOTLINE_SEAT_QUEUE": route.seat_queue or "",
        "HOTLINE_SEAT_SECONDS": route.seat_seconds,
        "HOTLINE_TARGET": route.target or "",
        # Last, because the dialplan believes the others only when this one is there.
        "HOTLINE_ROUTE": route.kind,
    }
    return values
