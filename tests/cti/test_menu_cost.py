from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls import menu_cost
from cti.calls.journal import detail
from schemas.calls import CallId
from schemas.events import PromptPlayed, Waited
from schemas.reports import MenuCost
from schemas.tables import TimelineRow
from schemas.times import read

pytestmark = pytest.mark.unit
Sessions = async_sessionmaker[AsyncSession]
DAY = read("2026-11-23")


def played(call: str, at: float, prompt: str, seconds: float, **more: Any) -> PromptPlayed:
    step = more.pop("step", "main/greet")
    return PromptPlayed(
        call=CallId(call), at=DAY + at, prompt=prompt, seconds=seconds, step=step,
        key=more.get("key"), left=more.get("left", False),
    )  # fmt: skip


def waited(call: str, at: float, seconds: float, *, left: bool = False) -> Waited:
    return Waited(
        call=CallId(call), at=DAY + at, step="offer/ask", seconds=seconds, key=None, left=left
    )


async def cost(sessions: Sessions, *events: PromptPlayed | Waited) -> MenuCost:
    async with sessions.begin() as session:
        session.add_all(
            TimelineRow(call_id=e.call, at=e.at, kind=type(e).__name__, detail=dict(detail(e)))
            for e in events
        )
    async with sessions() as session:
        return await menu_cost.count(session, since=DAY, until=DAY + 2 * 86400)


async def test_a_step_costs_what_its_prompts_and_waits_took_from_each_call(
    sessions: Sessions,
) -> None:
    found = await cost(
        sessions,
        played("a", 1, "onward-95598", 6.0, step="offer/ask"),
        waited("a", 7, 3.0),
        played("a", 9, "onward-95598", 1.0, step="offer/ask", key="1"),
        played("b", 5, "onward-12338", 2.0, step="offer/ask", key="0"),
    )
    (step,) = found.steps
    assert (step.flow, step.step, step.calls) == ("offer", "offer/ask", 2)
    assert (step.played_seconds, step.waited_seconds, step.seconds) == (9.0, 3.0, 12.0)
    assert (step.mean_seconds, step.cut, step.left) == (6.0, 2, 0)
    assert step.prompts == ["onward-95598", "onward-12338"]
    (flow,) = found.flows
    assert (flow.flow, flow.calls, flow.mean_seconds) == ("offer", 2, 6.0)


async def test_who_hung_up_is_counted_at_the_step_where_it_was(sessions: Sessions) -> None:
    found = await cost(
        sessions,
        played("a", 1, "greeting", 4.6),
        played("b", 2, "greeting", 1.5, left=True),
        played("b2", 2, "greeting", 4.6),
        waited("b2", 8, 1.0, left=True),
        played("c", 3, "greeting", 0.4, left=True),
    )
    by_step = {s.step: s for s in found.steps}
    assert (by_step["main/greet"].left, by_step["main/greet"].left_share) == (2, 0.5)
    assert by_step["offer/ask"].left_share == 1.0


async def test_days_are_the_days_of_shanghai_and_the_span_ends_before_its_end(
    sessions: Sessions,
) -> None:
    found = await cost(
        sessions,
        played("before", -0.001, "greeting", 1.0),
        played("first", 0.0, "greeting", 1.0),
        played("last", 86399.9, "greeting", 1.0),
        played("next", 86400.0, "greeting", 1.0),
        played("after", 2 * 86400.0, "greeting", 1.0),
    )
    assert [(s.day, s.calls) for s in found.steps] == [("2026-11-23", 2), ("2026-11-24", 1)]


async def test_prompts_from_before_steps_had_names_are_left_out(sessions: Sessions) -> None:
    found = await cost(sessions, played("old", 1, "greeting", 4.0, step=""))
    assert (found.steps, found.flows) == ([], [])
