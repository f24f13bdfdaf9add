"""The watch over a change: what counts, what follows, and that a restart forgets nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from dialplans.watch import Limits
from hotline.watching import Watch, Watched
from schemas.calls import Call, CallId, State
from schemas.events import NOT_ANSWERED, Event, FellBack, FlowFailed, FlowStarted, Happened, HungUp
from schemas.numbers import Attribution
from schemas.tables import CallRow, TimelineRow

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]

NOW = 1_795_400_000.0


@dataclass
class House:
    """A watch, its clock, and what it did."""

    sessions: async_sessionmaker[AsyncSession]
    file: Path
    now: float = NOW
    bad: list[tuple[int, str]] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def watch(self) -> Watch:
        async def bad(watched: Watched, why: str) -> None:
            self.bad.append((watched.back_to, why))
            self.told.set()

        async def passed(watched: Watched) -> None:
            self.passed.append(watched.version)
            self.told.set()

        return Watch(
            self.file, read=self.sessions, sla_answer=15, limits=Limits(calls=10), bad=bad,
            passed=passed, clock=lambda: self.now,
        )  # fmt: skip

    async def calls(self, count: int, *, at: float, **more: object) -> None:
        """Put calls into the ledger."""
        async with self.sessions.begin() as session:
            for n in range(count):
                usual: dict[str, object] = {
                    "id": f"{at}-{len(more)}-{n}", "node": "n1", "state": "ended", "chain": [],
                    "started_at": at, "outcome": "answered", "answered_at": at + 5,
                    "sla_seconds": 5.0,
                }  # fmt: skip
                session.add(CallRow(**{**usual, **more}))


@pytest.fixture
def house(sessions: async_sessionmaker[AsyncSession], tmp_path: Path) -> House:
    return House(sessions, tmp_path / "watch.json")


@pytest.fixture
async def running(house: House) -> AsyncIterator[Watch]:
    watch = house.watch()
    task = asyncio.create_task(watch.run())
    yield watch
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def happened(event: Event, *, started: float = NOW + 1) -> Happened:
    call = Call(id=event.call, state=State.FLOW, started_at=started, since=started)
    return Happened(event, call)


def begin(n: int, version: int) -> Happened:
    return happened(
        FlowStarted(
            call=CallId(f"c{n}"), at=NOW + 1, channel="x", did="12345", caller="139", number=None,
            attribution=Attribution.DID, dialled="12345", version=version,
        )
    )  # fmt: skip


def fail(n: int, reason: str = "no date") -> Happened:
    return happened(FlowFailed(call=CallId(f"c{n}"), at=NOW + 1, step="a", reason=reason))


def fell_back(n: int, reason: str, *, started: float = NOW + 1) -> Happened:
    return happened(FellBack(call=CallId(f"c{n}"), at=NOW + 1, reason=reason), started=started)


async def test_three_failed_flows_are_enough_at_once(house: House, running: Watch) -> None:
    await running.begin(7, back_to=6, minutes=10)
    for n in range(3):
        running.happened(begin(n, 7))
        running.happened(fail(n))
    async with asyncio.timeout(3):
        await house.told.wait()
    assert house.bad == [(6, "the flow failed in 3 of 3 calls (100 %; in the hour before 0 %)")]
    assert running.now is None
    assert not house.file.exists()


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(lambda n: [begin(n, 6), fail(n)], id="calls of the version before"),
        pytest.param(lambda n: [begin(n, 7), fail(0)], id="one call that fails again and again"),
        pytest.param(lambda n: [fell_back(n, "FAILURE")], id="no controller"),
        pytest.param(lambda n: [fell_back(n, "timeout")], id="a controller that hangs"),
        pytest.param(lambda n: [begin(n, 7), fell_back(n, "queue-TIMEOUT")], id="no agent"),
        pytest.param(
            lambda n: [begin(n, 7), fail(n, f"duty {NOT_ANSWERED}: OSError")], id="no database"
        ),
        pytest.param(lambda n: [fell_back(n, "SUCCESS", started=NOW - 1)], id="began before"),
        pytest.param(
            lambda n: [begin(n, 7), happened(HungUp(call=CallId(f"c{n}"), at=NOW, cause=16)),
                       fail(n)], id="after the end",
        ),
    ],
)  # fmt: skip
async def test_what_is_not_the_change_s_fault_does_not_count(
    house: House, running: Watch, tell: Callable[[int], list[Happened]]
) -> None:
    await running.begin(7, back_to=6, minutes=10)
    for n in range(5):
        for what in tell(n):
            running.happened(what)
    house.now = NOW + 601  # the next look ends the watch
    running.happened(begin(90, 7))
    running.happened(fail(90))
    async with asyncio.timeout(3):
        await house.told.wait()
    assert (house.bad, house.passed) == ([], [7])


@pytest.mark.parametrize(
    ("started", "reason"),
    [(True, "SUCCESS"), (True, "FAILURE"), (True, "timeout"), (True, "queue-"), (False, "SUCCESS")],
)
async def test_flows_that_die_without_a_route_count(
    house: House, running: Watch, started: bool, reason: str
) -> None:
    await running.begin(7, back_to=6, minutes=10)
    for n in range(3):
        if started:
            running.happened(begin(n, 7))
        running.happened(fell_back(n, reason))
    async with asyncio.timeout(3):
        await house.told.wait()
    assert [back for back, _ in house.bad] == [6]


async def test_failures_of_the_hour_before_are_known_from_the_ledger(
    house: House, running: Watch
) -> None:
    await house.calls(10, at=NOW - 60)
    async with house.sessions.begin() as session:
        for n in range(4):
            row = TimelineRow(
                call_id=f"{NOW - 60}-0-{n}", at=NOW - 59, kind="FlowFailed", detail={}
            )
            session.add(row)
    await running.begin(7, back_to=6, minutes=10)
    assert running.now is not None
    assert (running.now.before.calls, running.now.before.failed) == (10, 4)


async def test_abandonment_is_counted_from_the_ledger(house: House) -> None:
    await house.calls(40, at=NOW - 60)
    watch = house.watch()
    await watch.begin(7, back_to=6, minutes=10)
    await house.calls(
        40, at=NOW + 1, outcome="abandoned_in_queue", answered_at=None, sla_seconds=None
    )
    house.now = NOW + 60
    task = asyncio.create_task(watch.run())  # looks at once: a watch has begun
    async with asyncio.timeout(10):
        await house.told.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "100 % of 40 calls were abandoned" in house.bad[0][1]


async def test_a_restart_goes_on_with_the_watch(house: House) -> None:
    await house.calls(10, at=NOW - 60)
    before = house.watch()
    await before.begin(7, back_to=6, minutes=10)
    after = house.watch()
    assert not after.resume(8)
    assert after.now is None
    assert after.resume(7)
    assert after.now == before.now
    # a call that fell back while nobody watched is not counted, a new one is
    house.now = NOW + 100
    again = house.watch()
    assert again.resume(7)
    again.happened(fell_back(1, "SUCCESS"))
    assert not again._failed
    house.file.write_text("{")
    assert not house.watch().resume(7)
    house.file.unlink()
    assert not house.watch().resume(7)


async def test_a_ledger_that_is_away_leaves_the_failures_to_decide(
    house: House,
) -> None:
    def away() -> AsyncSession:
        raise OSError("no database")

    house.sessions = away  # type: ignore[assignment]
    blind = house.watch()
    await blind.begin(7, back_to=6, minutes=10)
    assert blind.now is not None
    assert blind.now.before.calls == 0
    task = asyncio.create_task(blind.run())
    for n in range(3):
        blind.happened(begin(n, 7))
        blind.happened(fail(n))
    async with asyncio.timeout(3):
        await house.told.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [back for back, _ in house.bad] == [6]
