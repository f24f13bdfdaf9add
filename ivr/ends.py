"""How a flow ends: the route that each closing step gives its caller; without I/O."""

import re
from dataclasses import replace

from ivr.place import Place, trouble
from schemas import flows
from schemas.calls import GENERAL_QUEUE, Outcome, Route, RouteKind
from schemas.flows import PERSON, fill
from schemas.moves import Done, Move

AGENT_OF_OURS = Route(kind=RouteKind.QUEUE, queue=GENERAL_QUEUE)

_DIALABLE = re.compile(r"\+?[0-9]{1,23}")
_EXTENSION = re.compile(r"[0-9]{2,8}")


def end(place: Place) -> tuple[Place, Move]:
    """Return the end that the present step means; where there is no step, a person is due."""
    match place.now:
        case flows.Queue() as step:
            return done(*_queued(place, step))
        case flows.Transfer(to=to, priority=priority):
            # The queue is what follows when nobody answers there.
            person = replace(AGENT_OF_OURS, priority=priority)
            target = fill(to, place.values)
            if not _DIALABLE.fullmatch(target):
                return done(trouble(place, f"{target[:30]!r} cannot be dialled"), person)
            return done(place, replace(person, kind=RouteKind.TRANSFER, target=target))
        case flows.Message():
            promised = Outcome.CALLBACK_PROMISED
            message = replace(AGENT_OF_OURS, kind=RouteKind.MESSAGE, outcome=promised)
            return done(place, message)
        case flows.Hangup(outcome=outcome) | flows.Notice(outcome=outcome):
            return done(place, Route(kind=RouteKind.HANGUP, outcome=flows.CLOSING[outcome]))
        case _:
            if place.step != PERSON:
                place = trouble(place, "there is no such step")
            return done(place, AGENT_OF_OURS)


def done(place: Place, route: Route) -> tuple[Place, Move]:
    """Return the end with *route*."""
    return replace(place, over=True), Done(step=place.ref, route=route)


def _queued(place: Place, step: flows.Queue) -> tuple[Place, Route]:
    number = place.situation.number
    seat_queue, seat_seconds = None, 0
    if step.seat and number is not None and number.seat_queue and number.seat_seconds > 0:
        seat_queue, seat_seconds = number.seat_queue, number.seat_seconds
    skill = fill(step.skill or "", place.values)
    if skill and skill not in place.city.skill_codes:
        place = trouble(place, f"nobody can have the skill {skill[:30]!r}")
        skill = ""
    agent = fill(step.agent or "", place.values)
    return place, Route(
        kind=RouteKind.QUEUE,
        queue=step.queue,
        skill=skill or None,
        priority=step.priority,
        seat_queue=seat_queue,
        seat_seconds=seat_seconds,
        agent=agent if _EXTENSION.fullmatch(agent) else None,
    )
