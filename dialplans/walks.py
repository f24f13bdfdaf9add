"""Walks as people and programs read them: JSON, the sentence at the end, tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dialplans.simulate import Stage, Walk, written
from dialplans.windows import Window, told
from schemas.calls import RouteKind, skill_queue

TSV = ("number", "hotline", "class", "when", "heard", "seconds", "route", "skill", "end")


def as_json(walk: Walk) -> dict[str, Any]:
    """Return *walk* as JSON has it; seconds are rounded to milliseconds."""
    case, route, number = walk.case, walk.route, walk.number
    return {
        "number": case.number,
        "hotline": None if number is None else number.hotline,
        "integration": None if number is None else number.integration.value,
        "about": None if walk.about is None else walk.about.number,
        "at": case.at.isoformat(timespec="minutes"),
        "caller": case.caller,
        "keys": written(case.keys),
        "say": [None if words is None else words.text for words in case.say],
        "speech": case.speech or bool(case.say),
        "steps": [
            {
                "step": stage.step,
                "prompts": list(stage.prompts),
                "text": stage.text,
                "answer": stage.answer,
                "words": _words(stage),
                "asked": stage.asked,
                "played": stage.played,
                "waited": stage.waited,
                "seconds": stage.seconds,
                "total": stage.total,
            }
            for stage in walk.stages
        ],
        "seconds": walk.seconds,
        "person_after": walk.person_after,
        "end": walk.end,
        "route": str(route),
        "queue": route.queue,
        "skill": route.skill,
        "priority": route.priority,
        "outcome": None if route.outcome is None else str(route.outcome),
        "troubles": [{"step": step, "reason": reason} for step, reason in walk.troubles],
        "keys_left": written(walk.spare),
        "words_left": [None if words is None else words.text for words in walk.unsaid],
    }


def _words(stage: Stage) -> dict[str, Any] | None:
    """Return what was said and what it was taken for; whoever was not sure was asked."""
    words, found = stage.words, stage.meaning
    if words is None or found is None:
        return None
    return {
        "text": words.text,
        "score": words.score,
        "engine": words.engine,
        "intent": found.intent,
        "confidence": round(found.confidence, 3),
        "sure": found.sure,
        "runner_up": found.runner_up,
    }


def ending(walk: Walk, limit: float) -> str:
    """Return in a sentence how *walk* ends, and whether it keeps the promise.

    Args:
        limit: seconds within which a person should answer.
    """
    route, seconds = walk.route, walk.seconds
    match route.kind:
        case RouteKind.HANGUP:
            return f"the flow ends the call after {seconds:.1f} s: {route.outcome}"
        case RouteKind.MESSAGE:
            return f"the caller leaves a message after {seconds:.1f} s and is called back"
        case RouteKind.TRANSFER:
            rung, after = f"{route.target} is rung", "; if nobody answers there, an agent is"
        case _ if route.agent:
            rung, after = f"agent {route.agent} is rung", f", then queue {route.queue}"
        case _ if route.seat_queue:
            seat = "the owner's seat" if walk.about is None else f"seat {walk.about.seat}"
            rung, last = f"{seat} is rung", seconds + route.seat_seconds
            after = f", for {route.seat_seconds} s, then queue {route.queue}: after {last:.1f} s"
        case _:
            rung, after = f"a person is rung (queue {route.queue})", ""
    kept = f"limit {limit:g} s" if seconds <= limit else f"OVER the limit of {limit:g} s"
    if route.skill is not None and route.queue != skill_queue(route.skill):
        after += f"; whoever has the skill {route.skill} is rung first"
    away = route.kind is RouteKind.QUEUE and walk.case.conditions.duty == "away"
    nobody = "; nobody is signed on: the caller waits" if away else ""
    return f"{rung} after {seconds:.1f} s of prompts and waits ({kept}){after}{nobody}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """The windows in which calls to a number go the same way."""

    walk: Walk
    """The first of them."""
    when: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As `TSV` names them."""
        walk, number = self.walk, self.walk.number
        return (
            walk.case.number,
            "" if number is None else number.hotline,
            "" if number is None else number.integration.value,
            self.when,
            " ".join(walk.heard),
            f"{walk.seconds:.1f}",
            str(walk.route),
            walk.route.skill or "",
            walk.end,
        )


def grouped(found: Iterable[tuple[Window, Walk]], every: Sequence[Window]) -> list[Same]:
    """Return the walks of `walk_all`, those of a number that do not differ put together."""
    alike: dict[tuple[object, ...], list[tuple[Window, Walk]]] = {}
    for window, walk in found:
        alike.setdefault((walk.case.number, walk.signature), []).append((window, walk))
    return [
        Same(walk=pairs[0][1], when=told([window for window, _ in pairs], every))
        for pairs in alike.values()
    ]
