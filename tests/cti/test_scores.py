import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.scores import counting, http, months, store
from cti.scores.counting import count, span
from cti.scores.excel import workbook
from cti.scores.formula import Counts
from cti.scores.months import KEPT, Months
from hotline import db
from schemas.case_tables import AuditRow, ClockRow, HistoryRow, ScoreRow
from schemas.errors import Conflict
from schemas.scores import Scores
from schemas.times import SHANGHAI
from tests.cti.case_desk import ADMIN, AGENT, BOOK, DISPATCHER, NOW, UNITS, Clock, Desk, desk
from tests.cti.hook_receiver import Client, answering, as_role

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
MONTH = "2026-11"
LATER = datetime(2026, 12, 20, tzinfo=SHANGHAI).timestamp()


@pytest.fixture
def at_desk(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


async def counted(sessions: Sessions, month: str = MONTH, now: float = LATER) -> dict[str, Counts]:
    async with sessions() as session:
        return dict(await count(session, month, now=now))


async def test_a_month_is_reckoned_from_what_happened(at_desk: Desk, sessions: Sessions) -> None:
    await at_desk.closed("zhujian")
    await at_desk.closed("zhujian", satisfied=3)
    await at_desk.closed("zhujian", reached=False, solved=None, satisfied=None)
    ticket = await at_desk.do(AGENT, await at_desk.done("zhujian"), "check")
    await at_desk.do(AGENT, ticket, "rework", solved=False, satisfied=1, reason="没有解决")
    late = await at_desk.dispatched("zhujian")
    back = await at_desk.do(UNITS["zhujian"], late, "return", reason="不归我们")
    back = await at_desk.do(DISPATCHER, back, "grant_return", text="同意")
    await at_desk.do(DISPATCHER, back, "dispatch", unit="weibin", reason="属地")
    await at_desk.open()
    found = await counted(sessions)
    zhujian, weibin = found.pop("zhujian"), found.pop("weibin")
    assert found == {}
    assert (zhujian.dispatched, zhujian.returned, zhujian.finished) == (5, 1, 4)
    assert (zhujian.rated, zhujian.satisfied, zhujian.unreached) == (3, 2, 1)
    assert zhujian.reworked == 1
    # four finished, and the one to do again is overdue by now; what was returned is not its matter
    assert (zhujian.closes_due, zhujian.closes_met) == (5, 4)
    assert (zhujian.signs_due, zhujian.signs_met) == (6, 5)
    assert weibin == Counts(dispatched=1, signs_due=1, closes_due=1)


async def test_a_long_month_is_counted_in_parts(
    at_desk: Desk, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_desk.closed("zhujian")
    await at_desk.closed("weibin")
    whole = await counted(sessions)
    turns: list[float] = []

    async def sleep(seconds: float) -> None:
        turns.append(seconds)

    monkeypatch.setattr(counting, "AT_A_TIME", 2)
    monkeypatch.setattr(counting, "asyncio", SimpleNamespace(sleep=sleep))
    assert await counted(sessions) == whole
    assert turns == [0, 0, 0], "others have a turn after each part: two tickets, three moves each"


async def test_what_is_not_due_yet_is_not_missed(at_desk: Desk, sessions: Sessions) -> None:
    await at_desk.dispatched("weibin")
    assert (await counted(sessions, now=NOW + 60))["weibin"] == Counts(dispatched=1)
    assert (await counted(sessions))["weibin"].closes_due == 1
    assert await counted(sessions, "2026-10") == {}


def test_months_begin_and_end_in_shanghai() -> None:
    begin, end = span("2026-12")
    assert datetime.fromtimestamp(begin, SHANGHAI) == datetime(2026, 12, 1, tzinfo=SHANGHAI)
    assert datetime.fromtimestamp(end, SHANGHAI) == datetime(2027, 1, 1, tzinfo=SHANGHAI)
    assert span("2026-11")[1] == begin


async def closed_month(sessions: Sessions, now: float = LATER) -> Any:
    async with sessions.begin() as session:
        return await store.close(session, ADMIN, MONTH, BOOK, now=now)


async def test_a_closed_month_does_not_change(at_desk: Desk, sessions: Sessions) -> None:
    await at_desk.closed("zhujian")
    await at_desk.done("weibin")
    closed = await closed_month(sessions)
    assert closed.closed
    async with sessions() as session:
        nothing = await store.recompute(session, MONTH, BOOK, now=LATER)
    assert (nothing.differences, nothing.same_formula) == ([], True)

    async with sessions.begin() as session:  # data and formula change
        await session.execute(update(ClockRow).values(met=False))
        await session.execute(update(HistoryRow).values(at=HistoryRow.at - 86400 * 90))
    other = replace(BOOK, scores=Scores(version="t2", figures=BOOK.scores.figures, fewest=9))
    async with sessions() as session:
        assert await store.month(session, MONTH, other, now=LATER + 99) == closed
        found = await store.recompute(session, MONTH, other, now=LATER)
        assert (found.formula, found.formula_now, found.same_formula) == ("t1", "t2", False)
        changed = {one.unit: one for one in found.differences}
        assert changed.keys() == {"zhujian", "weibin"}
        before, now = changed["zhujian"].closed, changed["zhujian"].now
        assert before is not None
        assert now is not None
        assert (before.score, now.score) == (100, None)
        assert now.figures["closed_in_time"].value == 0
        rows = await session.scalar(select(func.count()).select_from(ScoreRow))
        assert rows == 2
        assert await store.month(session, MONTH, other, now=LATER) == closed


async def test_a_month_is_closed_once_after_its_end_and_only_with_something_in_it(
    at_desk: Desk, sessions: Sessions
) -> None:
    with pytest.raises(Conflict, match="没有任何"):
        await closed_month(sessions)
    await at_desk.closed("zhujian")
    with pytest.raises(Conflict, match="还没有结束"):
        await closed_month(sessions, now=span(MONTH)[1] - 1)
    async with asyncio.timeout(30):
        tries = await asyncio.gather(
            *(closed_month(sessions) for _ in range(4)), return_exceptions=True
        )
    assert sum(not isinstance(one, BaseException) for one in tries) == 1
    assert sum(isinstance(one, Conflict) for one in tries) == 3
    async with sessions() as session:
        (note,) = await session.scalars(select(AuditRow).where(AuditRow.what == "scores.close"))
        assert (note.who, note.ref) == ("root", MONTH)
    async with sessions() as session:
        with pytest.raises(Conflict, match="没有关账"):
            await store.recompute(session, "2026-10", BOOK, now=LATER)


Meanwhile = Callable[[], Awaitable[None]]


class Counting:
    """Stands for `count`: how often it was asked, how many at once, what happens meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = self.most = self._now = 0
        self.meanwhile: Meanwhile | None = None
        monkeypatch.setattr(months, "count", self._count)

    async def _count(
        self, session: AsyncSession, month: str, *, now: float
    ) -> Mapping[str, Counts]:
        self.times += 1
        self._now += 1
        self.most = max(self.most, self._now)
        found = await count(session, month, now=now)
        if self.meanwhile is not None:
            await self.meanwhile()
        self._now -= 1
        return found


async def test_a_month_that_many_ask_for_is_counted_once_a_minute_and_one_at_a_time(
    at_desk: Desk, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_desk.closed("zhujian")
    counting, clock = Counting(monkeypatch), Clock(LATER)
    made = Months(db.readers(engine), db.writers(engine), book=lambda: BOOK, clock=clock)
    async with asyncio.timeout(30):
        found = await asyncio.gather(
            *(made.month(month) for month in (MONTH, "2026-10") for _ in range(12))
        )
    assert (counting.times, counting.most) == (2, 1)
    assert [len(one.units) for one in found] == [1] * 12 + [0] * 12
    clock.now += KEPT - 1
    await at_desk.closed("weibin")
    assert await made.month(MONTH) == found[0]
    clock.now += 1
    assert [one.unit for one in (await made.month(MONTH)).units] == ["weibin", "zhujian"]
    assert counting.times == 3


async def test_closing_counts_afresh_and_nobody_who_writes_waits_for_it(
    at_desk: Desk, engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_desk.closed("zhujian")
    counting = Counting(monkeypatch)
    made = Months(db.readers(engine), db.writers(engine), book=lambda: BOOK, clock=lambda: LATER)
    assert len((await made.month(MONTH)).units) == 1
    await at_desk.done("weibin")

    async def a_write() -> None:
        async with sessions.begin() as session:
            await session.execute(update(ScoreRow).values(made_at=1.0))

    counting.meanwhile = a_write
    monkeypatch.setattr(store, "count", None)  # within the transaction nothing is counted
    closed = await made.close(ADMIN, MONTH)
    assert (closed.closed, [one.unit for one in closed.units]) == (True, ["weibin", "zhujian"])
    assert counting.times == 2
    assert await made.month(MONTH) == closed
    with pytest.raises(Conflict, match="已经关账"):
        await made.close(ADMIN, MONTH)
    assert counting.times == 2, "who comes too late costs no count"


async def test_a_month_that_another_closed_meanwhile_is_refused(
    at_desk: Desk, engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_desk.closed("zhujian")
    counting = Counting(monkeypatch)
    made = Months(db.readers(engine), db.writers(engine), book=lambda: BOOK, clock=lambda: LATER)

    async def another() -> None:
        await at_desk.done("weibin")
        await closed_month(sessions)

    counting.meanwhile = another
    with pytest.raises(Conflict, match="已经关账"):
        await made.close(ADMIN, MONTH)
    assert len((await made.month(MONTH)).units) == 2


async def test_scores_as_excel_hold_no_formula(at_desk: Desk, sessions: Sessions) -> None:
    await at_desk.closed("zhujian")
    async with sessions() as session:
        found = await store.month(session, MONTH, BOOK, now=LATER)
    hostile = found.units[0].model_copy(update={"unit_label": '=HYPERLINK("http://x","y")'})
    read = load_workbook(io.BytesIO(workbook(found.model_copy(update={"units": [hostile]}))))
    (sheet,) = read.worksheets
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
    assert sheet["B3"].value == hostile.unit_label
    assert [sheet.cell(3, column).value for column in (1, 3, 4, 8, 9, 10)] == [1, 1, 1, 1, 0, 100]
    assert sheet["D3"].number_format == "0.00%"


# ---- REST


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[Client]:
    routes = http.routes(
        db.readers(engine), db.writers(engine), book=lambda: BOOK, clock=lambda: LATER
    )
    async with answering(routes) as made:
        yield made


async def test_a_unit_sees_its_own_figures_and_rank_alone(at_desk: Desk, client: Client) -> None:
    await at_desk.closed("zhujian")
    await at_desk.done("gongshui")
    await at_desk.dispatched("weibin")
    where = f"/api/v1/scores?month={MONTH}"

    async def seen(who: str) -> dict[str, int]:
        answer = await client.get(where, headers=as_role(who))
        assert answer.status == 200
        found = await answer.json()
        assert found["ranked"] == 3
        return {one["unit"]: one["rank"] for one in found["units"]}

    assert await seen("monitor") == {"zhujian": 1, "gongshui": 1, "weibin": 3}
    assert await seen("unit:weibin") == {"weibin": 3}
    assert await seen("unit:zhujian") == {"zhujian": 1}
    assert await seen("unit:zhujian:head") == {"zhujian": 1, "gongshui": 1}
    assert await seen("unit") == {}
    sheet = await client.get(f"/api/v1/scores/{MONTH}/scores.xlsx", headers=as_role("unit:weibin"))
    (page,) = load_workbook(io.BytesIO(await sheet.read())).worksheets
    assert page.max_row == 3


async def test_only_who_may_closes_a_month(at_desk: Desk, client: Client) -> None:
    await at_desk.closed("zhujian")
    where = f"/api/v1/scores/{MONTH}"
    for role in ("unit:zhujian", "agent", "supervisor", "monitor", "inspector", "reader"):
        assert (await client.post(f"{where}/close", headers=as_role(role))).status == 403
    assert (await client.get(f"{where}/recomputed")).status == 409
    closed = await client.post(f"{where}/close")
    assert (closed.status, (await closed.json())["closed"]) == (200, True)
    assert (await client.post(f"{where}/close")).status == 409
    found = await client.get(f"{where}/recomputed", headers=as_role("monitor"))
    assert (await found.json())["differences"] == []
    assert (await client.get(f"{where}/recomputed", headers=as_role("unit:zhujian"))).status == 403


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "1999-01", "2026-10%00", "x", ""])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_month_that_is_none_is_refused(client: Client, month: str) -> None:
    assert (await client.get(f"/api/v1/scores?month={month}")).status == 422
