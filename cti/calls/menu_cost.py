"""What prompts cost: seconds that each step adds to a call, and where callers give up.

The clock of GB/T 33358-2016 runs while a prompt plays, so every second here is a second of the
15 that a caller may wait for a person.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.events import PromptPlayed, Waited
from schemas.reports import FlowCost, MenuCost, StepCost
from schemas.tables import TimelineRow
from schemas.times import day_of, iso

KINDS = (PromptPlayed.__name__, Waited.__name__)
BATCH = 2000


@dataclass(slots=True)
class _Step:
    calls: set[str] = field(default_factory=set)
    prompts: dict[str, None] = field(default_factory=dict)
    played: float = 0.0
    waited: float = 0.0
    cut: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)


async def count(session: AsyncSession, *, since: float, until: float) -> MenuCost:
    """Return the cost of all steps heard between *since* and *until* (Unix seconds).

    Rows are read as a stream: a month of a busy city does not stand in memory at once.
    """
    steps: dict[tuple[str, str], _Step] = {}
    rows = await session.stream(
        select(TimelineRow.call_id, TimelineRow.at, TimelineRow.kind, TimelineRow.detail)
        .where(TimelineRow.kind.in_(KINDS), TimelineRow.at >= since, TimelineRow.at < until)
        .execution_options(yield_per=BATCH)
    )
    async for call, at, kind, detail in rows:
        _add(steps, call, at, kind, detail)
    return MenuCost(
        **{"from": iso(since), "to": iso(until)},
        steps=[_shown(day, step, found) for (day, step), found in sorted(steps.items())],
        flows=_flows(steps),
    )


def _add(
    steps: dict[tuple[str, str], _Step], call: str, at: float, kind: str, detail: dict[str, Any]
) -> None:
    step = detail.get("step")
    if not isinstance(step, str) or not step:
        return  # played before steps had names
    found = steps.setdefault((day_of(at).isoformat(), step), _Step())
    found.calls.add(call)
    seconds = float(detail.get("seconds") or 0.0)
    if kind == PromptPlayed.__name__:
        found.prompts[str(detail.get("prompt"))] = None
        found.played += seconds
        if detail.get("key"):
            found.cut.add(call)
    else:
        found.waited += seconds
    if detail.get("left"):
        found.left.add(call)


def _shown(day: str, step: str, found: _Step) -> StepCost:
    calls = len(found.calls)
    return StepCost(
        day=day,
        flow=step.partition("/")[0],
        step=step,
        prompts=list(found.prompts)[:20],
        calls=calls,
        seconds=round(found.played + found.waited, 3),
        played_seconds=round(found.played, 3),
        waited_seconds=round(found.waited, 3),
        mean_seconds=round((found.played + found.waited) / calls, 3),
        cut=len(found.cut),
        left=len(found.left),
        left_share=round(len(found.left) / calls, 4),
    )


def _flows(steps: dict[tuple[str, str], _Step]) -> list[FlowCost]:
    days: dict[tuple[str, str], list[_Step]] = {}
    for (day, step), found in sorted(steps.items()):
        days.setdefault((day, step.partition("/")[0]), []).append(found)
    return [_flow(day, flow, some) for (day, flow), some in days.items()]


def _flow(day: str, flow: str, steps: Iterable[_Step]) -> FlowCost:
    steps = tuple(steps)
    calls = len(frozenset().union(*(step.calls for step in steps)))
    left = len(frozenset().union(*(step.left for step in steps)))
    seconds = sum(step.played + step.waited for step in steps)
    return FlowCost(
        day=day,
        flow=flow,
        calls=calls,
        seconds=round(seconds, 3),
        mean_seconds=round(seconds / calls, 3),
        left=left,
        left_share=round(left / calls, 4),
    )
