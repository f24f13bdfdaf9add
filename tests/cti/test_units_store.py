"""Probes as rows on both databases: written first, claimed once, ended once, counted right."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.units import store
from cti.units.probes import Planned
from cti.units.store import Ended, ProbeFilter
from schemas.case_tables import ProbeRow
from schemas.errors import TooMany
from schemas.probes import ProbeResult
from schemas.times import day_of

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
NOW = 1_795_399_200.0
"""2026-11-23 10:00, a Monday."""
TODAY = day_of(NOW)
PHONES = {"a": "80010001", "b": "80010002"}


async def plan(
    sessions: Sessions, *calls: Planned, day: int = 0, per_week: int = 2, at: float = NOW
) -> int:
    async with sessions.begin() as session:
        return await store.planned(
            session,
            TODAY + timedelta(days=day),
            lambda: calls,
            PHONES,
            per_week=per_week,
            at=at + day * 86400,
        )


async def rows(sessions: Sessions) -> list[ProbeRow]:
    async with sessions() as session:
        return list(await session.scalars(select(ProbeRow).order_by(ProbeRow.id)))


async def claim(sessions: Sessions, *, now: float = NOW, at_once: int = 1) -> list[int]:
    async with sessions.begin() as session:
        return [row.id for row in await store.claim(session, now=now, at_once=at_once)]


async def end(sessions: Sessions, id: int, result: str, **more: object) -> bool:
    async with sessions.begin() as session:
        return await store.end(session, id, Ended(ProbeResult(result), **more))  # type: ignore[arg-type]


async def test_a_day_is_planned_once_and_what_is_past_is_left_out(sessions: Sessions) -> None:
    calls = (Planned(NOW - 60, "a"), Planned(NOW + 60, "a"), Planned(NOW + 90, "gone"))
    assert await plan(sessions, *calls) == 1
    assert await plan(sessions, *calls) == 0  # after a restart, say
    assert await plan(sessions, Planned(NOW - 86000, "b"), day=-1) == 0  # a clock that went back
    (row,) = await rows(sessions)
    assert (row.unit, row.phone, row.planned_at, row.state, row.asked_by) == (
        "a", "80010001", NOW + 60, "planned", None,
    )  # fmt: skip


async def test_a_plan_that_changes_within_the_week_gives_nobody_more(sessions: Sessions) -> None:
    assert await plan(sessions, Planned(NOW + 60, "a"), Planned(NOW + 70, "b")) == 2
    tuesday = [Planned(NOW + 86400 + n, unit) for n in (60, 90, 120) for unit in "ab"]
    assert await plan(sessions, *tuesday, day=1, per_week=2) == 2
    assert sorted(row.unit for row in await rows(sessions)) == ["a", "a", "b", "b"]
    monday = Planned(NOW + 7 * 86400 + 60, "a")
    assert await plan(sessions, monday, day=7) == 1  # another week


async def test_two_that_plan_at_once_write_one_plan(sessions: Sessions) -> None:
    calls = [Planned(NOW + n, unit) for n in (60, 9000) for unit in "ab"]
    written = await asyncio.gather(*(plan(sessions, *calls) for _ in range(4)))
    assert sorted(written) == [0, 0, 0, 4]


async def test_a_due_probe_is_claimed_by_one_of_many(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        for n in range(3):
            session.add(store._row("a", "80010001", NOW - n, None))
        session.add(store._row("b", "80010002", NOW + 1, None))
    claimed = await asyncio.gather(*(claim(sessions, at_once=2) for _ in range(5)))
    taken = [id for some in claimed for id in some]
    assert len(taken) == len(set(taken)) == 2  # of three that are due: never more at once
    assert {r.id for r in await rows(sessions) if r.state == "calling"} == set(taken)
    first = min(await rows(sessions), key=lambda row: row.planned_at)
    assert first.id in taken
    assert await end(sessions, taken[0], "busy", rang=1.5, cause=17)
    assert len(await claim(sessions, at_once=2)) == 1


async def test_an_end_is_written_once(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        session.add(store._row("a", "80010001", NOW, None))
    (row,) = await rows(sessions)
    assert not await end(sessions, row.id, "answered")  # not before it was claimed
    await claim(sessions)
    assert await end(sessions, row.id, "answered", rang=3.0, cause=16)
    assert not await end(sessions, row.id, "failed")
    (row,) = await rows(sessions)
    assert (row.state, row.result, row.rang, row.cause, row.called_at) == (
        "ended", "answered", 3.0, 16, NOW,
    )  # fmt: skip
    assert await claim(sessions, now=NOW + 9999) == []


async def test_what_a_crash_cut_off_has_failed_and_is_never_dialled_again(
    sessions: Sessions,
) -> None:
    async with sessions.begin() as session:
        for n in (0, 1, 2):
            session.add(store._row("a", "80010001", NOW + n, None))
        session.add(store._row("b", "80010002", NOW + 5000, None))
    cut_off, goes_on, _ = await claim(sessions, now=NOW + 2, at_once=3)
    long_after = NOW + 3 + store.LONGEST

    async def repair(now: float) -> int:
        async with sessions.begin() as session:
            return await store.repair(session, now=now, but=[goes_on])

    assert await repair(NOW + store.LONGEST - 1) == 0
    assert await end(sessions, (await rows(sessions))[2].id, "busy")
    assert await repair(long_after) == 1
    found = {row.id: row for row in await rows(sessions)}
    assert (found[cut_off].state, found[cut_off].result) == ("ended", "failed")
    assert found[goes_on].state == "calling"
    assert await claim(sessions, now=long_after, at_once=9) == []
    # we were not there when it was due
    assert await repair(NOW + 5000 + store.LATE + 1) == 1
    assert [row.result for row in await rows(sessions) if row.unit == "b"] == ["failed"]


async def test_a_unit_is_not_rung_again_at_once(sessions: Sessions) -> None:
    async def ask(at: float, unit: str = "a") -> int:
        async with sessions.begin() as session:
            made = await store.ask(session, unit, PHONES[unit], who="user:chen", at=at)
        assert (made.state, made.asked_by, made.phone) == ("planned", "user:chen", PHONES[unit])
        return made.id

    first = await ask(NOW)
    await ask(NOW, "b")
    with pytest.raises(TooMany) as refused:
        await ask(NOW + 10)
    assert refused.value.details["retry_after"] == 290
    await claim(sessions, now=NOW + 100, at_once=9)
    await end(sessions, first, "answered")
    with pytest.raises(TooMany):  # counted from when it rang
        await ask(NOW + 350)
    assert await ask(NOW + 401) > first
    asked = await asyncio.gather(*(ask(NOW + 9000) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(made, int) for made in asked) == 1


async def test_a_plan_to_come_keeps_nobody_from_asking(sessions: Sessions) -> None:
    await plan(sessions, Planned(NOW + 60, "a"))
    async with sessions.begin() as session:
        await store.ask(session, "a", PHONES["a"], who="user:chen", at=NOW)


async def test_lists_and_shares_are_of_what_is_known(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        for n, result in enumerate(["answered", "busy", "failed", "answered", "no_answer"]):
            row = store._row("a", "80010001", NOW + n, None)
            row.state, row.result, row.called_at = "ended", result, NOW + n
            session.add(row)
        old = store._row("a", "80010001", NOW - 31 * 86400, None)
        old.state, old.result = "ended", "busy"
        session.add_all([old, store._row("a", "80010001", NOW + 60, None)])
        await store.ask(session, "b", "80010002", who="user:chen", at=NOW)
    async with sessions() as session:
        found = await store.find(session, "a", ProbeFilter())
        assert [row.result for row in found] == [
            "no_answer", "answered", "failed", "busy", "answered", "busy",
        ]  # fmt: skip
        page = await store.find(session, "a", ProbeFilter(limit=2, until=found[1].planned_at))
        assert [row.id for row in page] == [row.id for row in found[2:4]]
        since = await store.find(session, "a", ProbeFilter(since=NOW, result=ProbeResult.ANSWERED))
        assert [row.planned_at for row in since] == [NOW + 3, NOW]
        assert [row.unit for row in await store.find(session, None, ProbeFilter(limit=1))] == ["a"]
        assert [row.state for row in await store.find(session, "b", ProbeFilter())] == ["planned"]
        last = await store.last(session, ["a", "b"])
        assert {unit: row.result for unit, row in last.items()} == {"a": "no_answer"}
        reach = await store.reach(session, ["a", "b"], now=NOW)
        assert (reach["a"].answered, reach["a"].all, reach["a"].share) == (2, 4, 0.5)
        assert (reach["b"].answered, reach["b"].all, reach["b"].share) == (0, 0, None)
        assert await store.next_due(session) == NOW
