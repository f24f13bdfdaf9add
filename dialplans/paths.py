"""Flows as graphs: where callers can get to, and round in circles.

A way from step to step is *free* when it is gone without any doing of the caller, again and again:
after prompts, by the clock, by what a lookup found, or by a silence that has a target of its own.
A failure (a key nobody offered, an entry that did not come) is not free: the second one is a
person. A key, a word or an entry is the caller's own choice.

Nothing here knows of files or sentences; flows that do not exist, and steps, are simply no way on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from schemas import flows
from schemas.flows import RETURN, Flow, Step

Flows = Mapping[str, Flow]
Ref = tuple[str, str]
"""Flow and step."""


class By(StrEnum):
    """Why a caller goes a way."""

    FREE = "free"
    """By themselves: they have said and pressed nothing."""
    FAILURE = "failure"
    CHOICE = "choice"


class Way(NamedTuple):
    """From a step to another of the same flow."""

    key: str
    """Where it stands in the step: `next`, `keys.1`, …"""
    target: str
    by: By


def ways(step: Step) -> tuple[Way, ...]:
    """Return all ways out of *step*; that out of a sub-flow (`then`) is among them."""
    match step:
        case flows.Asking():
            # without a target of its own, silence is a failure that ends at a person
            return tuple(Way(key, to, _asked(key)) for key, to in step.targets)
        case flows.Digits():
            return (Way("next", step.next, By.CHOICE), Way("failed", step.failed, By.FAILURE))
        case flows.Notice():
            return tuple(Way(key, to, By.CHOICE) for key, to in step.targets)
        case _:
            return tuple(Way(key, to, By.FREE) for key, to in step.targets)


def _asked(key: str) -> By:
    if key == "silence":
        return By.FREE
    return By.FAILURE if key == "otherwise" else By.CHOICE


def callee(step: Step) -> str | None:
    """Return the flow that *step* runs."""
    return step.flow if isinstance(step, flows.Goto) else None


def calls(flow: Flow) -> Iterator[tuple[str, str]]:
    """Yield (step, flow that it runs)."""
    for name, step in flow.steps.items():
        if (called := callee(step)) is not None:
            yield name, called


# ---- where one can get to


def reachable(flow: Flow) -> set[str]:
    """Return the steps that something leads to."""
    seen: set[str] = set()
    todo = [flow.start]
    while todo:
        name = todo.pop()
        if name not in seen and name in flow.steps:
            seen.add(name)
            todo += [way.target for way in ways(flow.steps[name])]
    return seen


def closure(found: Flows, start: str) -> set[str]:
    """Return the flows that a call may run which begins in *start*."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen and name in found:
            seen.add(name)
            todo += [called for _, called in calls(found[name])]
    return seen


@dataclass(frozen=True, slots=True)
class Node:
    """A caller in a step, with what is remembered of the way there."""

    flow: str
    entry: bool
    """The mark with which the flow was entered."""
    step: str
    mark: bool


class Trail(NamedTuple):
    """The way to a step, last part first."""

    ref: Ref
    before: "Trail | None"

    def refs(self) -> list[Ref]:
        """Return the steps in the order in which they are gone."""
        found: list[Ref] = []
        at: Trail | None = self
        while at is not None:
            found.append(at.ref)
            at = at.before
        return found[::-1]


Change = Callable[[str, Step, Way, bool], bool | None]
"""The mark after a way out of a step (of that name) was gone; None: this way is not gone."""


def explore(found: Flows, start: str, change: Change, *, mark: bool) -> Mapping[Node, Trail]:
    """Return every step that can be got to from the begin of flow *start*, with one mark.

    Sub-flows come back to where they were called, with the mark they ended with. The end of a call
    at a person is a step as well.
    """
    seen: dict[Node, Trail] = {}
    todo: deque[tuple[Node, Trail]] = deque()
    waiting: dict[tuple[str, bool], list[tuple[Node, str, Trail]]] = {}
    returned: dict[tuple[str, bool], dict[bool, Trail]] = {}

    def go(node: Node, before: Trail | None) -> None:
        if node not in seen:
            seen[node] = trail = Trail((node.flow, node.step), before)
            todo.append((node, trail))

    def back(caller: Node, then: str, mark: bool, trail: Trail) -> None:
        go(Node(caller.flow, caller.entry, then, mark), trail)

    def enter(flow: str, mark: bool, before: Trail | None) -> None:
        if flow in found:
            go(Node(flow, mark, found[flow].start, mark), before)

    enter(start, mark, None)
    while todo:
        node, trail = todo.popleft()
        if node.step == RETURN:
            entry = (node.flow, node.entry)
            if node.mark not in returned.setdefault(entry, {}):
                returned[entry][node.mark] = trail
                for caller, then, _ in waiting.get(entry, []):
                    back(caller, then, node.mark, trail)
            continue
        step = found[node.flow].steps.get(node.step)
        if step is None:
            continue
        called = callee(step)
        for way in ways(step):
            after = change(node.step, step, way, node.mark)
            if after is None:
                continue
            if called is None:
                go(Node(node.flow, node.entry, way.target, after), trail)
                continue
            enter(called, after, trail)
            waiting.setdefault((called, after), []).append((node, way.target, trail))
            for mark_back, trail_back in returned.get((called, after), {}).items():
                back(node, way.target, mark_back, trail_back)
    return seen


# ---- round in circles


def recursions(found: Flows) -> Iterator[list[Ref]]:
    """Yield circles of flows that run each other: the steps that do it, one circle per flow."""
    told: set[str] = set()
    for name in found:
        circle = _circle(found, name)
        if circle and not told & {flow for flow, _ in circle}:
            told |= {flow for flow, _ in circle}
            yield circle


def _circle(found: Flows, start: str) -> list[Ref] | None:
    """Return the shortest circle of calls from *start* to itself."""
    before: dict[str, Ref] = {}
    todo = [start]
    while todo:
        flow = todo.pop(0)
        for step, called in calls(found[flow]):
            if called == start:
                circle = [(flow, step)]
                while circle[0][0] != start:
                    circle.insert(0, before[circle[0][0]])
                return circle
            if called in found and called not in before:
                before[called] = (flow, step)
                todo.append(called)
    return None


def circles(found: Flows) -> Iterator[tuple[str, list[str]]]:
    """Yield (flow, steps) that are gone round by who says nothing; each step is in one at most.

    The first step is the one that stands first in the document.
    """
    coming_back = _returning(found)
    for name, flow in found.items():
        told: set[str] = set()
        for step in flow.steps:
            circle = _free_circle(flow, step, coming_back)
            if circle and not told & set(circle):
                told |= set(circle)
                yield name, circle


def _free(step: Step, coming_back: set[str]) -> list[str]:
    called = callee(step)
    if called is not None and called not in coming_back:
        return []
    return [way.target for way in ways(step) if way.by is By.FREE]


def _returning(found: Flows) -> set[str]:
    """Return the flows that come back by themselves."""
    known: set[str] = set()
    while True:
        more = {
            name for name, flow in found.items()
            if name not in known and RETURN in _freely(flow, flow.start, known)
        }  # fmt: skip
        if not more:
            return known
        known |= more


def _freely(flow: Flow, start: str, coming_back: set[str]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            if name in flow.steps:
                todo += _free(flow.steps[name], coming_back)
    return seen


def _free_circle(flow: Flow, start: str, coming_back: set[str]) -> list[str] | None:
    before: dict[str, str] = {}
    todo = [start]
    while todo:
        name = todo.pop(0)
        for target in _free(flow.steps[name], coming_back):
            if target == start:
                circle = [name]
                while circle[0] != start:
                    circle.insert(0, before[circle[0]])
                return circle
            if target in flow.steps and target not in before:
                before[target] = name
                todo.append(target)
    return None
