"""How long the ways through flows take: prompts and waits added up, the longest way of all."""

from collections.abc import Callable
from typing import NamedTuple

from dialplans.paths import Flows, Ref, callee, ways
from schemas import flows
from schemas.flows import PERSON, RETURN, Step

MOST_PARTS = 60
"""Parts of a way that are kept: ways through flows that run others twice double with each."""
ASKED_BACK = " + ask"
"""Behind the name of a step whose question whether words were meant is counted too."""


class Lasting(NamedTuple):
    """The longest way of one kind."""

    seconds: float
    parts: tuple[tuple[Ref, float], ...]
    """What took how long, the first of it; steps that take no time are left out."""

    def after(self, ref: Ref, seconds: float) -> "Lasting":
        """Return this way with a step before it."""
        parts = ((ref, seconds), *self.parts) if seconds else self.parts
        return Lasting(self.seconds + seconds, parts[:MOST_PARTS])

    def then(self, other: "Lasting") -> "Lasting":
        """Return this way with another one behind it."""
        return Lasting(self.seconds + other.seconds, (self.parts + other.parts)[:MOST_PARTS])


class Longest(NamedTuple):
    """The longest ways on from a step; None: there is none of that kind."""

    end: Lasting | None
    """To the end of the flow's part in the call."""
    back: Lasting | None
    """To where the flow comes back to its caller."""


NOTHING = Lasting(0.0, ())


class Clock:
    """Measures ways of who says nothing through flows that never go round in circles.

    Args:
        cost: seconds a caller spends in a step.
        rare: whether words that mean that nobody can be had soon are counted too.
        doubt: seconds that who is not sure to have been understood spends in a step until a
            person; 0: nobody is asked back there.
    """

    def __init__(
        self,
        found: Flows,
        *,
        cost: Callable[[Step], float],
        rare: bool,
        doubt: Callable[[Step], float] = lambda _: 0.0,
    ) -> None:
        self._flows = found
        self._cost = cost
        self._doubt = doubt
        self._rare = rare
        self._known: dict[Ref, Longest] = {}

    def longest(self, flow: str, step: str) -> Longest:
        """Return the longest ways on from *step*, itself included."""
        todo, active = [(flow, step)], set[Ref]()
        while todo:  # by hand: flows may be longer than Python's stack
            ref = todo[-1]
            missing = [] if ref in self._known else self._needs(*ref)
            # a step that waits for itself is come back to by failures: the next is a person
            missing = [r for r in missing if r not in self._known and r not in active]
            if missing and ref not in active:
                active.add(ref)
                todo += missing
            else:
                todo.pop()
                active.discard(ref)
                self._known.setdefault(ref, self._measure(*ref))
        return self._known[flow, step]

    def _step(self, ref: Ref) -> Step | None:
        found = self._flows.get(ref[0])
        return None if found is None else found.steps.get(ref[1])

    def _needs(self, flow: str, name: str) -> list[Ref]:
        step = self._step((flow, name))
        if step is None:
            return []
        called = callee(step)
        inside = [] if called is None else [self._begin(called)]
        return [*((flow, target) for target in self._quiet(step)), *inside]

    def _begin(self, flow: str) -> Ref:
        found = self._flows.get(flow)
        return (flow, PERSON if found is None else found.start)

    def _measure(self, flow: str, name: str) -> Longest:
        if name == RETURN:
            return Longest(None, NOTHING)
        step = self._step((flow, name))
        at_person = Longest(NOTHING, None)
        if step is None:
            return at_person
        ref, seconds = (flow, name), self._cost(step)
        targets = self._quiet(step)
        if not targets:
            return Longest(NOTHING.after(ref, seconds), None)
        end, back = None, None
        for target in targets:
            onward = self._known.get((flow, target), at_person)
            end, back = longer(end, onward.end), longer(back, onward.back)
        if (called := callee(step)) is not None:
            inside = self._known.get(self._begin(called), at_person)
            end = longer(inside.end, inside.back and end and inside.back.then(end))
            back = inside.back and back and inside.back.then(back)
        end = end and end.after(ref, seconds)
        if asked := self._doubt(step):
            end = longer(end, NOTHING.after((flow, name + ASKED_BACK), asked))
        return Longest(end, back and back.after(ref, seconds))

    def _quiet(self, step: Step) -> list[str]:
        """Return where who says nothing gets to."""
        match step:
            case flows.Asking():
                return [step.silence or PERSON]
            case flows.Digits():
                return [PERSON if step.retries else step.failed]  # the second failure is a person
            case flows.Notice():
                return []
            case flows.Lookup() if not self._rare:
                return _ordinary(step)
            case _:
                return [way.target for way in ways(step)]


def _ordinary(step: flows.Lookup) -> list[str]:
    """Return where a lookup leads while somebody of ours can be had soon."""
    known = flows.LOOKUPS[step.what]
    usual = [word for word in known.words if word not in known.alone]
    found = [step.cases[word] for word in usual if word in step.cases]
    if known.alone and len(found) == len(usual):
        return found
    return [*found, step.otherwise]


def longer(one: Lasting | None, other: Lasting | None) -> Lasting | None:
    """Return the longer of both ways."""
    if one is None or other is None:
        return one or other
    return one if one.seconds >= other.seconds else other
