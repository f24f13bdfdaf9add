"""The service of case work: one transaction a change, on both databases."""

import asyncio
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.hooks import outbox
from cti.tickets.lifecycle import ImpossibleMove
from schemas.case_moves import MoveIn
from schemas.case_tables import ClockRow, HistoryRow, OutboxRow, TextRow, TicketCallRow
from schemas.cases import TicketState
from schemas.catalogue import Branch, Catalogue, Category
from schemas.errors import Conflict, Forbidden, Invalid, NotFound
from schemas.tables import CallRow, TicketRow
from schemas.tickets import TicketFilter, TicketIn, TicketOut, TicketPatch
from tests.cti.case_desk import (
    AGENT,
    BOOK,
    DISPATCHER,
    MONITOR,
    MOVES,
    NOW,
    PEOPLE,
    UNITS,
    Desk,
    choose,
    desk,
)

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
ZHUJIAN = UNITS["zhujian"]
COUNTED = (TicketRow, HistoryRow, ClockRow, OutboxRow, TextRow, TicketCallRow)


@pytest.fixture
def city(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


async def rows(sessions: Sessions) -> dict[str, int]:
    async with sessions() as session:
        return {
            table.__tablename__: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in COUNTED
        }


async def row_of(sessions: Sessions, id: str) -> dict[str, Any]:
    async with sessions() as session:
        row = (await session.scalars(select(TicketRow).where(TicketRow.id == id))).one()
        return {column.key: getattr(row, column.key) for column in TicketRow.__table__.columns}


async def a_call(sessions: Sessions, id: str) -> str:
    async with sessions.begin() as session:
        session.add(CallRow(id=id, node="n1", state="ended", chain=[], started_at=NOW))
    return id


async def test_the_whole_life_is_in_the_history_and_its_chain_holds(
    city: Desk, sessions: Sessions
) -> None:
    closed = await city.closed()
    whole = await city.casework.get(AGENT, closed.id)
    moves = [row.move for row in whole.history]
    assert moves == (["open", "accept", "dispatch", "sign", "contact", "finish", "check", "close"])
    assert [row.seq for row in whole.history] == list(range(1, 9))
    assert (whole.state, whole.owner, whole.due_at, whole.light) == ("archived", "", None, "off")
    assert (whole.solved, whole.satisfied, whole.reply) == (True, 5, "已恢复供水")
    assert all(clock.ended_at for clock in whole.clocks)
    assert whole.may == []
    told = await city.casework.history(AGENT, closed.id)
    assert (told.verified, told.broken) == (True, None)
    async with sessions() as session:
        topics = (await session.scalars(select(OutboxRow.topic).order_by(OutboxRow.id))).all()
        bodies = (await session.scalars(select(OutboxRow.body))).all()
    assert topics == [f"ticket.{move}" for move in moves]
    assert not any("13912348000" in str(body) or "赵钱孙" in str(body) for body in bodies)


async def test_dates_of_the_row_follow_the_moves(city: Desk, sessions: Sessions) -> None:
    ticket = await city.open()
    assert (await row_of(sessions, ticket.id))["accepted_at"] is None
    city.clock.now += 60
    ticket = await city.do(AGENT, ticket, "accept")
    city.clock.now += 60
    ticket = await city.do(DISPATCHER, ticket, "dispatch", unit="zhujian", reason="主管")
    city.clock.now += 60
    ticket = await city.do(ZHUJIAN, ticket, "sign")
    row = await row_of(sessions, ticket.id)
    assert [row[name] - NOW for name in ("accepted_at", "dispatched_at", "signed_at")] == [
        60,
        120,
        180,
    ]
    await city.do(DISPATCHER, ticket, "to_coordinator", reason="几家的事")
    row = await row_of(sessions, ticket.id)
    assert (row["dispatched_at"], row["signed_at"], row["accepted_at"]) == (None, None, NOW + 60)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ticket_history SET why = '改' WHERE seq = 3",
        "DELETE FROM ticket_history WHERE seq = 3",
    ],
)
async def test_an_altered_row_breaks_the_chain(city: Desk, sessions: Sessions, change: str) -> None:
    ticket = await city.dispatched()
    ticket = await city.do(ZHUJIAN, ticket, "sign")
    async with sessions.begin() as session:
        await session.execute(text(change))
    told = await city.casework.history(MONITOR, ticket.id)
    assert (told.verified, told.broken) == (False, 3)


@pytest.mark.parametrize(
    ("who", "do", "said", "why"),
    [
        (DISPATCHER, "dispatch", {"unit": "zhujian", "reason": "主管"}, "草稿"),
        (AGENT, "answer", {"text": "答"}, "咨询"),
        (MONITOR, "supervise", {"text": "抓紧"}, "草稿"),
        (AGENT, "check", {}, "草稿"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_wrong_transition_changes_nothing(
    city: Desk, sessions: Sessions, who: Any, do: str, said: dict[str, Any], why: str
) -> None:
    ticket = await city.open()
    before, counted = await row_of(sessions, ticket.id), await rows(sessions)
    with pytest.raises(ImpossibleMove, match=why):
        await city.do(who, ticket, do, **said)
    assert (await row_of(sessions, ticket.id), await rows(sessions)) == (before, counted)


async def test_a_crash_in_the_middle_leaves_nothing_half_written(
    city: Desk, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await city.open()
    before, counted = await row_of(sessions, ticket.id), await rows(sessions)

    async def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("dead")

    monkeypatch.setattr(outbox, "put", dies)
    for attempt in (
        city.do(AGENT, ticket, "accept"),
        city.casework.change(AGENT, ticket.id, TicketPatch(version=1, title="另一件")),
        city.open(),
    ):
        with pytest.raises(RuntimeError):
            await attempt
    assert (await row_of(sessions, ticket.id), await rows(sessions)) == (before, counted)
    monkeypatch.undo()
    assert (await city.do(AGENT, ticket, "accept")).version == 2


async def test_of_two_writers_at_once_one_is_told_of_the_other(city: Desk) -> None:
    ticket = await city.open()
    results = await asyncio.gather(
        city.do(AGENT, ticket, "accept"),
        city.do(AGENT, ticket, "withdraw", reason="不办了"),
        city.casework.change(AGENT, ticket.id, TicketPatch(version=1, title="x")),
        return_exceptions=True,
    )
    assert sorted(type(r).__name__ for r in results) == ["Conflict", "Conflict", "TicketOut"]
    told = await city.casework.history(AGENT, ticket.id)
    assert (len(told.rows), told.verified) == (2, True)


async def test_closing_never_happens_twice(city: Desk) -> None:
    ticket = await city.do(AGENT, await city.done(), "check")
    asked = MoveIn(
        version=ticket.version,
        move=MOVES.validate_python({"do": "close", "reached": False}),
    )
    results = await asyncio.gather(
        *(city.casework.move(AGENT, ticket.id, asked) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(r).__name__ for r in results) == ["Conflict"] * 3 + ["TicketOut"]


# ---- edits


def sealed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_an_edit_keeps_old_and_new_but_no_name_and_no_text(city: Desk) -> None:
    ticket = await city.open(contact_name="赵钱孙")
    patch = TicketPatch(
        version=1, title="没水", place="13987654321", contact_name="周吴郑", urgency="pressing"
    )
    changed = await city.casework.change(AGENT, ticket.id, patch)
    assert (changed.version, changed.contact_name, changed.urgency) == (2, "周吴郑", "pressing")
    (_, edit) = (await city.casework.get(AGENT, ticket.id)).history
    assert edit.move == "edit"
    assert edit.detail["changed"] == {
        "title": [sealed("家里停水"), sealed("没水")],
        "place": ["", sealed("13987654321")],
        "urgency": ["normal", "pressing"],
        "contact_name": ["*某", "*某"],
    }
    again = TicketPatch(version=2, title="没水")
    assert (await city.casework.change(AGENT, ticket.id, again)).version == 2
    assert len((await city.casework.get(AGENT, ticket.id)).history) == 2


async def test_an_edit_is_found_by_its_new_words(city: Desk) -> None:
    ticket = await city.open(title="路灯不亮", body="经二路路灯")
    patch = TicketPatch(version=1, title="井盖丢失", body="高新大道井盖")
    await city.casework.change(AGENT, ticket.id, patch)
    for words, found in (("井盖", [ticket.id]), ("路灯", [])):
        page = await city.casework.find(AGENT, TicketFilter(text=words))
        assert [t.id for t in page.items] == found, words


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_after_dispatch_only_who_steers_edits_and_nobody_the_unit(city: Desk) -> None:
    ticket = await city.dispatched()

    async def edit(who: Any, **said: Any) -> TicketOut:
        patch = TicketPatch.model_validate({"version": ticket.version, **said})
        return await city.casework.change(who, ticket.id, patch)

    with pytest.raises(Forbidden, match="备注"):
        await edit(AGENT, title="x")
    for moves_only in ({"unit": "weibin"}, {"urgency": "urgent"}):
        with pytest.raises(Forbidden, match="派单"):
            await edit(DISPATCHER, **moves_only)
    with pytest.raises(Forbidden):
        await edit(ZHUJIAN, title="x")
    ticket = await edit(DISPATCHER, place="经二路10号")
    ticket = await edit(AGENT, confidential=True)
    with pytest.raises(Invalid, match="保密"):
        await edit(AGENT, confidential=False)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_closed_ticket_stays_as_it_is(city: Desk) -> None:
    closed = await city.closed()
    for said in ({"title": "x"}, {"confidential": True}):
        patch = TicketPatch.model_validate({"version": closed.version, **said})
        with pytest.raises(Conflict, match="结束"):
            await city.casework.change(DISPATCHER, closed.id, patch)
    with pytest.raises(ImpossibleMove, match="结束"):
        await city.do(MONITOR, closed, "supervise", text="x")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_units_categories_and_counties_must_be_known(city: Desk) -> None:
    ticket = await city.do(AGENT, await city.open(), "accept")
    for said in (
        {"unit": "nobody", "reason": "r"},
        {"unit": "zhujian", "assisting": ["nobody"], "reason": "r"},
    ):
        with pytest.raises(Invalid, match="nobody"):
            await city.do(DISPATCHER, ticket, "dispatch", **said)
    for fields in ({"unit": "nobody"}, {"category": "zhujian.fire"}):
        with pytest.raises(Invalid):
            await city.casework.create(AGENT, TicketIn.model_validate({"title": "t", **fields}))
    made = await city.open(category="zhujian.water", county="weibin")
    assert (made.category, made.county) == ("zhujian.water", "weibin")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_complaint_of_a_units_conduct_does_not_go_to_it(city: Desk) -> None:
    conduct = Category(name="作风效能", conduct=True)
    city.book = city.book.__class__(
        units=BOOK.units,
        catalogue=Catalogue(
            fields={"affairs": Branch(name="政务", unit="weibin", categories={"conduct": conduct})}
        ),
    )
    opened = await city.open(category="affairs.conduct", body="市住建局窗口工作人员态度恶劣")
    ticket = await city.do(AGENT, opened, "accept")
    with pytest.raises(ImpossibleMove, match="投诉"):
        await city.do(DISPATCHER, ticket, "dispatch", unit="zhujian", reason="主管")
    city.casework._complained_of = lambda title, body, category: "weibin"  # who knows better
    with pytest.raises(ImpossibleMove, match="投诉"):
        await city.do(DISPATCHER, ticket, "dispatch", unit="weibin", reason="另定")
    city.casework._complained_of = None
    ticket = await city.do(DISPATCHER, ticket, "dispatch", unit="weibin", reason="另定")
    assert ticket.unit == "weibin"


# ---- calls


async def test_a_move_names_the_call_it_was_said_in(city: Desk, sessions: Sessions) -> None:
    ticket = await city.dispatched()
    call = await a_call(sessions, "n1-7.1")
    ticket = await city.do(AGENT, ticket, "urge", text="又来电", call_id=call)
    whole = await city.casework.get(AGENT, ticket.id)
    assert (whole.calls, whole.urged, whole.history[-1].call_id) == ([call], 1, call)
    page = await city.casework.find(AGENT, TicketFilter(call_id=call))
    assert [t.id for t in page.items] == [ticket.id]
    with pytest.raises(Invalid, match="电话"):
        await city.do(AGENT, ticket, "urge", text="又来电", call_id="n1-0.0")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_unit_draws_no_strangers_call_to_its_ticket(city: Desk, sessions: Sessions) -> None:
    ticket = await city.do(ZHUJIAN, await city.dispatched(), "sign")
    stranger = await a_call(sessions, "n1-8.1")
    with pytest.raises(Invalid):
        await city.do(ZHUJIAN, ticket, "contact", text="已联系", call_id=stranger)
    ticket = await city.do(AGENT, ticket, "urge", text="催", call_id=stranger)
    await city.do(ZHUJIAN, ticket, "contact", text="已联系", call_id=stranger)


# ---- merging


async def test_a_merged_ticket_gives_calls_and_supervision(city: Desk, sessions: Sessions) -> None:
    one, two = await city.dispatched(), await city.dispatched()
    call = await a_call(sessions, "n1-9.1")
    one = await city.do(AGENT, one, "urge", text="催", call_id=call)
    for _ in range(2):
        one = await city.do(MONITOR, one, "supervise", text="督办")
    two = await city.do(MONITOR, two, "supervise", text="督办")
    merged = await city.do(DISPATCHER, one, "merge", into=two.id, reason="同一件事")
    assert (merged.state, merged.merged_into) == (TicketState.MERGED, two.id)
    into = await city.casework.get(AGENT, two.id)
    assert (into.calls, into.supervised, into.version) == ([call], 2, two.version + 1)
    assert (into.history[-1].move, into.history[-1].detail["from"]) == ("merged_here", one.id)
    assert into.due_at == two.due_at
    for id in (one.id, two.id):
        assert (await city.casework.history(AGENT, id)).verified


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_merge_goes_into_another_open_ticket_only(city: Desk) -> None:
    one, two, closed = await city.open(), await city.open(), await city.closed()
    for into in (one.id, closed.id, "BJ20990101-000001"):
        with pytest.raises(ImpossibleMove):
            await city.do(AGENT, one, "merge", into=into, reason="同一件事")
    await city.do(AGENT, one, "merge", into=two.id, reason="同一件事")
    two = await city.casework.get(AGENT, two.id)
    with pytest.raises(ImpossibleMove):  # a circle
        await city.do(AGENT, two, "merge", into=one.id, reason="同一件事")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_merge_goes_into_nothing_that_is_done(city: Desk) -> None:
    one, done = await city.open(), await city.done()
    with pytest.raises(ImpossibleMove, match="已经办结，请先重办或退回"):
        await city.do(AGENT, one, "merge", into=done.id, reason="同一件事")
    done = await city.do(AGENT, done, "check")
    with pytest.raises(ImpossibleMove, match="已经办结，请先重办或退回"):
        await city.do(AGENT, one, "merge", into=done.id, reason="同一件事")
    assert (await city.casework.get(AGENT, one.id)).version == one.version


async def test_merges_the_other_way_round_do_not_wait_for_ever(city: Desk) -> None:
    one, two = await city.open(), await city.open()
    async with asyncio.timeout(20):
        results = await asyncio.gather(
            city.do(AGENT, one, "merge", into=two.id, reason="同"),
            city.do(AGENT, two, "merge", into=one.id, reason="同"),
            return_exceptions=True,
        )
    assert sum(isinstance(r, TicketOut) for r in results) == 1
    assert sum(isinstance(r, Conflict) for r in results) == 1


# ---- what always holds


@pytest.mark.parametrize("seed", range(3))
async def test_on_any_way_an_open_ticket_has_an_owner_and_a_due_time(city: Desk, seed: int) -> None:
    dice = random.Random(seed)
    ticket = await city.open(kind=dice.choice(["complaint", "consult", "help"]))
    id = ticket.id
    for _ in range(20):
        city.clock.now += dice.choice([60.0, 3600.0, 40_000.0, 200_000.0])
        seen = []
        for who in PEOPLE:
            try:
                seen.append((who, await city.casework.get(who, id)))
            except NotFound:
                continue
        chosen = choose(dice, seen)
        if chosen is None:
            break
        who, do, said = chosen
        version = seen[0][1].version
        asked = MoveIn(version=version, move=MOVES.validate_python({"do": do, **said}))
        try:
            await city.casework.move(who, id, asked)
        except ImpossibleMove:
            continue
        now = await city.casework.get(AGENT, id)
        if now.state.closed:
            assert (now.owner, now.due_at) == ("", None)
        else:
            assert now.owner, now
            assert now.due_at is not None, now
            running = [clock for clock in now.clocks if not clock.ended_at and not clock.paused]
            assert now.due_at == min(clock.due_at or "" for clock in running)
    assert (await city.casework.history(AGENT, id)).verified


async def test_tickets_of_before_have_no_history_and_go_on(city: Desk, sessions: Sessions) -> None:
    ticket = await city.open()
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM ticket_history"))
        await session.execute(text("DELETE FROM ticket_clocks"))
        await session.execute(update(TicketRow).values(due_at=None, yellow_at=None))
    ticket = await city.do(AGENT, ticket, "accept")
    assert ticket.due_at is not None
    told = await city.casework.history(AGENT, ticket.id)
    assert ([row.move for row in told.rows], told.verified) == (["accept"], True)
