import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls import ledger
from cti.calls.ledger import CallFilter
from cti.paging import cursor_of, key_of
from schemas.calls import AgentId, Call, CallId, Outcome, State
from schemas.errors import Invalid
from schemas.tables import CallRow, TimelineRow
from schemas.times import day_of, midnight

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
Sessions = async_sessionmaker[AsyncSession]


class Running:
    def __init__(self, *calls: Call) -> None:
        self.calls = {call.id: call for call in calls}

    def get(self, call: str) -> Call | None:
        return self.calls.get(CallId(call))

    def all(self) -> Iterable[Call]:
        return self.calls.values()


def row(id: str, at: float = T0, **more: Any) -> CallRow:
    fixed: dict[str, Any] = {"node": "n1", "state": "ended", "chain": []}
    if "answered_at" in more:
        more.setdefault("sla_seconds", more["answered_at"] - at)
        more.setdefault("outcome", "answered")
    return CallRow(**{"id": id, "started_at": at, **fixed, **more})


async def add(sessions: Sessions, *rows: Any) -> None:
    async with sessions.begin() as session:
        session.add_all(rows)


async def listed(sessions: Sessions, *live: Call, **asked: Any) -> list[str]:
    async with sessions() as session:
        page = await ledger.find(
            session, CallFilter.model_validate(asked), live=Running(*live), node="n1"
        )
    return [call.id for call in page.items]


def running(id: str, at: float = T0, **more: Any) -> Call:
    return Call(id=CallId(id), state=State.QUEUED, started_at=at, since=at, **more)


async def test_a_call_is_read_with_its_timeline_in_order(sessions: Sessions) -> None:
    await add(
        sessions,
        row("n1-1", answered_at=T0 + 4.5, caller="0917", agent="1001"),
        TimelineRow(call_id="n1-1", at=T0 + 4.5, kind="AgentAnswered", detail={"agent": "1001"}),
        TimelineRow(call_id="n1-1", at=T0, kind="CallArrived", detail={}),
        TimelineRow(call_id="n1-2", at=T0, kind="CallArrived", detail={}),
    )
    async with sessions() as session:
        call = await ledger.get(session, "n1-1", live=Running(), node="n1")
        assert await ledger.get(session, "n1-3", live=Running(), node="n1") is None
    assert call is not None
    assert call.started_at.endswith("+08:00")
    assert call.sla_seconds == 4.5
    assert [entry.kind for entry in call.timeline] == ["CallArrived", "AgentAnswered"]


async def test_a_running_call_is_told_as_memory_has_it(sessions: Sessions) -> None:
    await add(sessions, row("n1-1", state="new"), row("n1-0", at=T0 - 1))
    live = running("n1-1", agent=AgentId("1001"))
    async with sessions() as session:
        call = await ledger.get(session, "n1-1", live=Running(live), node="n1")
    assert call is not None
    assert (call.state, call.agent) == ("queued", "1001")
    newer = running("n1-2", at=T0 + 1)
    assert await listed(sessions, live, newer) == ["n1-2", "n1-1", "n1-0"]
    assert await listed(sessions, live, newer, agent="1001") == ["n1-1"]
    assert await listed(sessions, live, newer, since="2000-01-01", limit=1) == ["n1-2"]


async def test_filters_narrow_the_list(sessions: Sessions) -> None:
    await add(
        sessions,
        row("a", at=T0, number="12345", caller="1", outcome="failed"),
        row("b", at=T0 + 10, number="12319", caller="1", answered_at=T0 + 12, agent="1001"),
        row("c", at=T0 + 20, number="12345", caller="2", outcome="abandoned_in_queue"),
    )
    assert await listed(sessions) == ["c", "b", "a"]
    assert await listed(sessions, number="12345") == ["c", "a"]
    assert await listed(sessions, caller="1", outcome="answered") == ["b"]
    assert await listed(sessions, agent="1001") == ["b"]
    assert await listed(sessions, since=T0 + 10, until=T0 + 20) == ["b"]
    assert await listed(sessions, caller="' OR 1=1 --") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_hold_every_call_once_though_some_still_run(
    sessions: Sessions, limit: int
) -> None:
    moments = [T0 + n // 3 for n in range(20)]  # several calls begin at the same moment
    await add(sessions, *(row(f"n1-{n:02}", at=at) for n, at in enumerate(moments)))
    live = [running(f"n1-{n:02}", at=moments[n]) for n in (0, 5, 6, 7, 19)]
    live.append(running("n1-20", at=T0 + 30))
    live.append(running("n1-21", at=T0 - 30))
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(40):
        asked = CallFilter(limit=limit, cursor=cursor)
        async with sessions() as session:
            page = await ledger.find(session, asked, live=Running(*live), node="n1")
        assert len(page.items) <= limit
        seen += [call.id for call in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert cursor is None
    assert sorted(seen) == [f"n1-{n:02}" for n in range(22)]
    assert seen[0] == "n1-20"
    assert seen[-1] == "n1-21"


@given(st.floats(allow_nan=False, allow_infinity=False), st.text("n0123456789-.", max_size=64))
def test_a_cursor_keeps_its_key(at: float, id: str) -> None:
    assert key_of(cursor_of((at, id))) == (at, id)


@given(st.one_of(st.text(max_size=60), st.text("AWyI0=_-", max_size=60)))
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        at, id = key_of(text)
    except Invalid:
        return
    assert isinstance(at, float)
    assert isinstance(id, str)


async def test_the_service_level_counts_from_the_invite_and_counts_who_gave_up(
    sessions: Sessions,
) -> None:
    hour = midnight(day_of(T0)) + 9 * 3600
    calls = itertools.count()

    def call(at: float, **more: Any) -> CallRow:
        return row(f"n1-{next(calls)}", at=at, **more)

    await add(
        sessions,
        call(hour, number="12345", hotline="市民热线", answered_at=hour + 15),
        call(hour + 1, number="12345", hotline="市民热线", answered_at=hour + 16.1),
        call(hour + 2, number="12319", hotline="城管热线", answered_at=hour + 4),
        call(hour + 3600, number="12319", outcome=Outcome.ABANDONED_IN_QUEUE.value),
        call(hour + 3600, outcome=Outcome.ABANDONED_IN_FLOW.value),
        call(hour + 3600, number="12345", outcome=Outcome.OUT_OF_SCOPE.value),  # heard a notice
        call(hour + 3600, number="12345", outcome=Outcome.FAILED.value),
        call(hour + 7195, number="12345", state="queued"),  # five seconds old: not decided yet
        call(hour + 7180, number="12345", state="queued"),  # waits longer than the limit already
        call(hour - 1, number="12345", answered_at=hour + 1),  # before the span
        call(hour + 7200, number="12345", answered_at=hour + 7201),  # after it
    )
    async with sessions() as session:
        level = await ledger.service_level(
            session, since=hour, until=hour + 7200, now=hour + 7200, limit=15
        )
    total = level.total
    assert (total.calls, total.offered, total.answered, total.in_time) == (9, 7, 3, 2)
    assert (total.abandoned, total.failed) == (2, 1)
    assert total.rate == round(2 / 7, 4)
    assert total.answer_rate == round(3 / 7, 4)
    assert total.mean_answer_seconds == round((15 + 15.1 + 2) / 3, 3)
    assert {n.number: (n.calls, n.in_time) for n in level.by_number} == {
        None: (1, 0),
        "12319": (2, 1),
        "12345": (6, 1),
    }
    assert [(h.hour[11:16], h.calls) for h in level.by_hour] == [("09:00", 3), ("10:00", 6)]
    assert level.rolling_24h.calls == 10  # and the one before the span, within the same day
    assert level.rolling_24h.target == 0.95


async def test_a_span_without_calls_has_no_rate(sessions: Sessions) -> None:
    async with sessions() as session:
        level = await ledger.service_level(session, since=0, until=9, now=9, limit=15)
    assert level.total.rate is None
    assert level.total.offered == 0
    assert level.by_number == level.by_hour == []


async def test_hours_are_cut_not_rounded_on_both_databases(sessions: Sessions) -> None:
    hour = midnight(day_of(T0))
    await add(sessions, row("a", at=hour + 3599.999), row("b", at=hour + 3600.0))
    async with sessions() as session:
        level = await ledger.service_level(
            session, since=hour, until=hour + 86400, now=hour, limit=15
        )
    assert [h.hour[11:16] for h in level.by_hour] == ["00:00", "01:00"]


async def test_a_callers_earlier_calls_are_the_newest_ones(sessions: Sessions) -> None:
    await add(sessions, *(row(f"{n}", at=T0 + n, caller="0917") for n in range(9)))
    async with sessions() as session:
        found = await ledger.earlier_calls(session, "0917", before=T0 + 8, limit=3)
    assert [call.id for call in found] == ["7", "6", "5"]
