"""Who may do what with which ticket, and what nobody sees."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.tickets.lifecycle import ImpossibleMove
from schemas.case_moves import MoveIn
from schemas.case_tables import AuditRow, OutboxRow
from schemas.cases import TicketState
from schemas.errors import Conflict, Forbidden, NotFound
from schemas.identity import Right, Role, Who, may
from schemas.tables import TicketRow
from schemas.tickets import TicketFilter, TicketIn, TicketOut, TicketPatch
from tests.cti.case_desk import AGENT, DISPATCHER, MONITOR, MOVES, SAID, UNITS, Desk, desk

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
ZHUJIAN, GONGSHUI, WEIBIN = UNITS["zhujian"], UNITS["gongshui"], UNITS["weibin"]
HEAD = Who(kind="user", id="zhujian.head", role=Role.UNIT, unit="zhujian", head=True)
NOBODYS = Who(kind="user", id="lost", role=Role.UNIT, unit=None)
STAFF = {role: Who(kind="user", id=role.value, role=role) for role in Role if role != Role.UNIT}
SUPERVISOR = STAFF[Role.SUPERVISOR]
MACHINE = Who(kind="token", id="4f00", role=Role.ADMIN)


@pytest.fixture
def city(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


# ---- every role and every move

ALL = frozenset(STAFF)
CASE_WORK = frozenset({Role.AGENT, Role.SUPERVISOR, Role.DISPATCHER, Role.MONITOR, Role.ADMIN})
DISPATCHERS = frozenset({Role.SUPERVISOR, Role.DISPATCHER, Role.ADMIN})
MONITORS = frozenset({Role.MONITOR, Role.ADMIN})
CHECKERS = frozenset({Role.AGENT, Role.SUPERVISOR, Role.MONITOR, Role.QUALITY, Role.ADMIN})
NOBODY: frozenset[Role] = frozenset()
MAY: Mapping[str, frozenset[Role]] = {
    "accept": CASE_WORK,
    "answer": CASE_WORK,
    "refuse": CASE_WORK,
    "dispatch": DISPATCHERS,
    "to_coordinator": DISPATCHERS | MONITORS,
    "sign": NOBODY,
    "contact": NOBODY,
    "return": NOBODY,
    "grant_return": DISPATCHERS,
    "reject_return": DISPATCHERS,
    "ask_extension": NOBODY,
    "grant_extension": MONITORS,
    "deny_extension": MONITORS,
    "ask_citizen": NOBODY,
    "citizen_answered": CASE_WORK,
    "opinion": NOBODY,
    "finish": NOBODY,
    "told": CASE_WORK,
    "send_back": MONITORS,
    "check": CHECKERS,
    "close": CHECKERS,
    "rework": CHECKERS,
    "supervise": MONITORS,
    "urge": CASE_WORK,
    "merge": CASE_WORK,
    "withdraw": CASE_WORK,
    "note": CASE_WORK,
}
"""Staff who may make a move somewhere in the life; units' moves are in the tests below."""


def asked(version: int, do: str) -> MoveIn:
    special: dict[str, dict[str, Any]] = {
        "answer": {"text": "答"},
        "dispatch": {"unit": "zhujian", "reason": "主管"},
        "ask_extension": {"until": 1_793_600_000, "reason": "材料未到"},
        "merge": {"into": "BJ20260101-000001", "reason": "同一件"},
    }
    said = special.get(do, SAID.get(do, {}))
    return MoveIn(version=version, move=MOVES.validate_python({"do": do, **said}))


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_each_role_may_make_the_moves_of_the_table_and_no_other(city: Desk) -> None:
    tickets = {
        TicketState.DRAFT: await city.open(),
        TicketState.HANDLING: await handling(city),
        TicketState.DONE: await city.done(),
    }
    for do, roles in MAY.items():
        for role, who in STAFF.items():
            for state, ticket in tickets.items():
                # the version is wrong on purpose: who has the right is told of that, and no more
                with pytest.raises((Forbidden, Conflict)) as refused:
                    await city.casework.move(who, ticket.id, asked(99, do))
                allowed = not isinstance(refused.value, Forbidden)
                assert allowed == (role in roles), (do, role, state)
                assert any("\u4e00" <= c <= "\u9fff" for c in refused.value.message)


async def handling(city: Desk, unit: str = "zhujian", **more: Any) -> TicketOut:
    ticket = await city.do(UNITS[unit], await city.dispatched(unit, **more), "sign")
    return await city.do(UNITS[unit], ticket, "contact", text="已联系")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_lead_unit_makes_its_moves_and_an_assisting_one_gives_an_opinion(
    city: Desk,
) -> None:
    ticket = await city.do(AGENT, await city.open(), "accept")
    ticket = await city.do(
        DISPATCHER, ticket, "dispatch", unit="zhujian", assisting=["weibin"], reason="主管"
    )
    with pytest.raises(Forbidden, match="贵单位"):
        await city.do(WEIBIN, ticket, "sign")
    ticket = await city.do(WEIBIN, ticket, "opinion", text="我方配合")
    ticket = await city.do(ZHUJIAN, ticket, "sign")
    with pytest.raises(Forbidden):
        await city.do(WEIBIN, ticket, "contact", text="x")
    with pytest.raises(Forbidden):
        await city.do(ZHUJIAN, ticket, "supervise", text="x")
    assert "opinion" in (await city.casework.get(WEIBIN, ticket.id)).may
    assert "opinion" not in (await city.casework.get(ZHUJIAN, ticket.id)).may


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_responsible_person_does_for_units_below_what_their_clerk_may(
    city: Desk,
) -> None:
    ticket = await city.dispatched("gongshui")
    with pytest.raises(NotFound):
        await city.casework.get(ZHUJIAN, ticket.id)  # a clerk sees the own unit's alone
    assert (await city.casework.get(HEAD, ticket.id)).id == ticket.id
    assert (await city.do(HEAD, ticket, "sign")).state == "signed"
    page = await city.casework.find(HEAD, TicketFilter())
    assert [t.id for t in page.items] == [ticket.id]


# ---- what is another unit's does not exist


async def chunks(data: bytes) -> Any:
    yield data


async def test_another_units_ticket_cannot_be_felt_out(city: Desk) -> None:
    ticket = await handling(city, "weibin")
    made = await city.casework.attach(WEIBIN, ticket.id, "a.pdf", chunks(b"%PDF-1.4 x"))
    work, strange = city.casework, (ZHUJIAN, GONGSHUI, HEAD, NOBODYS)
    said: list[str] = []
    for who in strange:
        for id in (ticket.id, "BJ20990101-000001"):
            patch = TicketPatch(version=1, title="x")
            for attempt in (
                work.get(who, id),
                work.history(who, id),
                work.change(who, id, patch),
                work.move(who, id, asked(ticket.version, "sign")),
                work.move(who, id, asked(ticket.version, "merge")),
                work.attach(who, id, "a.pdf", chunks(b"%PDF-1.4 x")),
                work.file(who, id, made.id),
            ):
                with pytest.raises(NotFound) as refused:
                    await attempt
                said.append(refused.value.message)
        for filters in ({}, {"unit": "weibin"}, {"text": "停水"}, {"caller": "13912348000"}):
            assert (await work.find(who, TicketFilter.model_validate(filters))).items == []
        assert (await work.count(who)).open == 0
    assert len(set(said)) == 1  # not even the words tell which there is
    whole = await work.get(AGENT, ticket.id)
    assert (whole.version, len(whole.files)) == (ticket.version, 1)
    own = await city.dispatched("zhujian")
    with pytest.raises(NotFound):  # another ticket's file by its number
        await work.file(ZHUJIAN, own.id, made.id)


async def test_a_unit_sees_a_ticket_from_its_dispatch_until_it_is_taken_back(city: Desk) -> None:
    guessed = await city.open(unit="zhujian")
    accepted = await city.do(AGENT, guessed, "accept")
    with pytest.raises(NotFound):
        await city.casework.get(ZHUJIAN, guessed.id)
    ticket = await city.do(DISPATCHER, accepted, "dispatch", unit="zhujian", reason="主管")
    await city.casework.get(ZHUJIAN, ticket.id)
    ticket = await city.do(ZHUJIAN, ticket, "return", reason="不归我们")
    await city.casework.get(ZHUJIAN, ticket.id)
    ticket = await city.do(DISPATCHER, ticket, "grant_return", text="同意")
    patch = TicketPatch(version=ticket.version, unit="weibin")
    ticket = await city.casework.change(DISPATCHER, ticket.id, patch)
    await city.do(AGENT, ticket, "withdraw", reason="不办了")
    for who in (ZHUJIAN, WEIBIN):
        with pytest.raises(NotFound):
            await city.casework.get(who, ticket.id)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_machines_of_a_unit_see_what_its_people_see(city: Desk) -> None:
    ticket = await city.dispatched()
    machine = Who(kind="token", id="ab12", role=Role.UNIT, unit="zhujian")
    assert (await city.casework.get(machine, ticket.id)).id == ticket.id
    assert (await city.do(machine, ticket, "sign")).state == "signed"


async def test_a_unit_cannot_see_when_the_citizen_will_be_called(city: Desk) -> None:
    done = await city.done()
    checking = await city.do(AGENT, done, "check")
    seen = await city.casework.get(ZHUJIAN, checking.id)
    assert (seen.state, seen.state_label) == (TicketState.DONE, "已办结")
    assert (seen.due_at, seen.light) == (None, "off")
    assert "check" not in [row.move for row in seen.history]
    assert "check" not in [clock.name for clock in seen.clocks]
    assert all(row.after != "checking" for row in seen.history)
    for filters, found in (
        ({"state": ["checking"]}, []),
        ({"state": ["done"]}, [checking.id]),
        ({"light": "green"}, []),
        ({"light": "red"}, []),
    ):
        page = await city.casework.find(ZHUJIAN, TicketFilter.model_validate(filters))
        assert [t.id for t in page.items] == found, filters
    counts = await city.casework.count(ZHUJIAN)
    assert (counts.state, sum(counts.light.values())) == ({TicketState.DONE: 1}, 0)


async def test_neither_ladder_nor_refusal_tells_a_unit_of_the_callback(city: Desk) -> None:
    seen: list[tuple[set[str], str, dict[str, Any]]] = []
    for do in ((), ("check",)):
        ticket = await city.done()
        for move in do:
            ticket = await city.do(AGENT, ticket, move)
        city.clock.now += 40 * 86400
        await city.casework.sweep()
        with pytest.raises(ImpossibleMove) as refused:
            await city.do(ZHUJIAN, ticket, "sign")
        whole = await city.casework.get(ZHUJIAN, ticket.id)
        clocks = {str(row.detail.get("clock")) for row in whole.history}
        assert "check" not in clocks
        seen.append((clocks, refused.value.message, dict(refused.value.details)))
        staff = await city.casework.get(AGENT, ticket.id)
        assert "check" in {row.detail.get("clock") for row in staff.history}
        noted = await city.do(ZHUJIAN, ticket, "note", text="材料已归集")
        assert noted.state is TicketState.DONE
    assert seen[0] == seen[1]
    assert seen[0][2]["state"] == "done"


# ---- mass assignment


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (TicketIn, {"title": "t", "state": "archived"}),
        (TicketIn, {"title": "t", "agent": "1002"}),
        (TicketPatch, {"version": 1, "owner": ""}),
        (TicketPatch, {"version": 1, "caller": "110"}),
        (TicketPatch, {"version": 1, "supervised": 0}),
        (MoveIn, {"version": 1, "move": {"do": "sign", "unit": "weibin"}}),
        (MoveIn, {"version": 1, "move": {"do": "accept"}, "who": "root"}),
        (MoveIn, {"version": 1, "move": {"do": "close", "reached": True, "satisfied": 6}}),
        (MoveIn, {"version": 1, "move": {"do": "open"}}),
        (MoveIn, {"version": 1, "move": {"do": "finish", "resolution": "answered", "text": "x",
                                         "told": True}}),
        (MoveIn, {"version": 1, "move": {"do": "ask_extension", "until": float("inf"),
                                         "reason": "x"}}),
    ],
)  # fmt: skip
def test_what_nobody_may_set_is_refused(model: Any, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        model.model_validate(given)


# ---- confidential callers

MASKED = ("139****8000", "*某")


async def test_a_confidential_caller_is_masked_for_everybody_everywhere(
    city: Desk, sessions: Sessions
) -> None:
    ticket = await city.open(confidential=True)
    assert (ticket.caller, ticket.contact_name) == MASKED
    ticket = await city.do(AGENT, ticket, "accept")
    ticket = await city.do(DISPATCHER, ticket, "dispatch", unit="zhujian", reason="主管")
    for who in (*STAFF.values(), MACHINE, ZHUJIAN):
        whole = await city.casework.get(who, ticket.id)
        (listed,) = (await city.casework.find(who, TicketFilter())).items
        for seen in (whole, listed):
            assert (seen.caller, seen.contact_name) == MASKED, who
        assert "13912348000" not in whole.model_dump_json()
        assert "赵钱孙" not in whole.model_dump_json()
    async with sessions() as session:
        assert "13912348000" not in str((await session.scalars(select(OutboxRow.body))).all())


async def test_a_number_tells_only_who_takes_calls_whose_a_confidential_ticket_is(
    city: Desk,
) -> None:
    await city.open(confidential=True)
    asked = TicketFilter(caller="13912348000")
    for who in (*STAFF.values(), MACHINE, ZHUJIAN):
        found = (await city.casework.find(who, asked)).items
        assert len(found) == may(who, Right.WRITE_TICKETS), who


async def test_words_of_a_confidential_caller_are_not_for_units_and_readers(
    city: Desk, sessions: Sessions
) -> None:
    hidden, plain = await city.dispatched(confidential=True), await city.dispatched()
    async with sessions.begin() as session:
        await session.execute(update(TicketRow).values(transcript="我是赵钱孙"))
    for who in (*STAFF.values(), ZHUJIAN):
        heard = who.role not in (Role.UNIT, Role.READER)
        whole = await city.casework.get(who, hidden.id)
        assert whole.transcript == ("我是赵钱孙" if heard else None), who
        assert (await city.casework.get(who, plain.id)).transcript == "我是赵钱孙"


async def test_who_knows_the_number_finds_the_ticket_but_a_unit_does_not(city: Desk) -> None:
    ticket = await city.dispatched(confidential=True)
    plain = await city.dispatched(caller="13900001111")
    for who, number, found in (
        (AGENT, "13912348000", [ticket.id]),
        (ZHUJIAN, "13912348000", []),
        (ZHUJIAN, "13900001111", [plain.id]),
    ):
        page = await city.casework.find(who, TicketFilter(caller=number))
        assert [t.id for t in page.items] == found


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_masking_later_masks_what_the_history_says(city: Desk) -> None:
    ticket = await city.open()
    work = city.casework
    ticket = await work.change(AGENT, ticket.id, TicketPatch(version=1, contact_name="周吴郑"))
    assert ticket.caller == "13912348000"
    await work.change(AGENT, ticket.id, TicketPatch(version=2, confidential=True))
    shown = (await work.get(AGENT, ticket.id)).model_dump_json()
    for secret in ("13912348000", "赵钱孙", "周吴郑"):
        assert secret not in shown


async def test_unmasking_needs_two_people_and_leaves_a_trace(
    city: Desk, sessions: Sessions
) -> None:
    ticket, work = await city.open(confidential=True), city.casework
    with pytest.raises(Forbidden, match="批准"):
        await work.unmasked(SUPERVISOR, ticket.id)
    request = await work.ask_unmask(SUPERVISOR, ticket.id, "群众要求回电")
    for who, why in (
        (SUPERVISOR, "另一个人"),
        (AGENT, "权限"),
        (MACHINE, "机器"),
        (ZHUJIAN, "权限"),
    ):
        with pytest.raises(Forbidden, match=why):
            await work.grant_unmask(who, request.id, True)
    with pytest.raises(Forbidden):
        await work.unmasked(SUPERVISOR, ticket.id)
    assert [r.id for r in await work.asked_unmask(MONITOR)] == [request.id]
    granted = await work.grant_unmask(MONITOR, request.id, True)
    assert (granted.granted_by, granted.refused) == ("monitor", False)
    assert await work.asked_unmask(MONITOR) == []
    contact = await work.unmasked(SUPERVISOR, ticket.id)
    assert (contact.caller, contact.name) == ("13912348000", "赵钱孙")
    with pytest.raises(Forbidden):
        await work.unmasked(MONITOR, ticket.id)  # who grants does not see
    with pytest.raises(Conflict):
        await work.grant_unmask(MONITOR, request.id, False)
    city.clock.now += 15 * 60
    with pytest.raises(Forbidden, match="15分钟"):
        await work.unmasked(SUPERVISOR, ticket.id)
    async with sessions() as session:
        trace = (await session.scalars(select(AuditRow).order_by(AuditRow.id))).all()
    assert [(row.who, row.what) for row in trace] == [
        ("supervisor", "unmask_ask"),
        ("monitor", "unmask_grant"),
        ("supervisor", "unmask_look"),
    ]
    told = await work.history(AGENT, ticket.id)
    steps = [row.detail["step"] for row in told.rows if row.move == "unmask"]
    assert (steps, told.verified) == (["ask", "grant", "look"], True)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_refused_old_or_needless_request_shows_nothing(city: Desk) -> None:
    ticket, work = await city.open(confidential=True), city.casework
    request = await work.ask_unmask(SUPERVISOR, ticket.id, "核实")
    assert (await work.grant_unmask(MONITOR, request.id, False)).refused
    with pytest.raises(Forbidden):
        await work.unmasked(SUPERVISOR, ticket.id)
    request = await work.ask_unmask(SUPERVISOR, ticket.id, "核实")
    city.clock.now += 3601
    with pytest.raises(Conflict, match="过期"):
        await work.grant_unmask(MONITOR, request.id, True)
    with pytest.raises(NotFound):
        await work.grant_unmask(MONITOR, 999, True)
    with pytest.raises(Conflict):
        await work.ask_unmask(SUPERVISOR, (await city.open()).id, "核实")
    with pytest.raises(Forbidden):
        await work.ask_unmask(MACHINE, ticket.id, "核实")


async def test_calls_of_a_confidential_ticket_are_known(city: Desk, sessions: Sessions) -> None:
    from schemas.tables import CallRow

    async with sessions.begin() as session:
        for id in ("n1-1", "n1-2"):
            session.add(CallRow(id=id, node="n1", state="ended", chain=[], started_at=1.0))
    hidden = await city.dispatched(confidential=True)
    plain = await city.dispatched()
    await city.do(AGENT, hidden, "urge", text="催", call_id="n1-1")
    await city.do(AGENT, plain, "urge", text="催", call_id="n1-2")
    assert await city.casework.confidential_calls(["n1-1", "n1-2", "n1-3"]) == {"n1-1"}
    assert await city.casework.confidential_calls([]) == frozenset()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_refused_move_of_a_unit_says_why_in_chinese(city: Desk) -> None:
    ticket = await city.do(ZHUJIAN, await city.dispatched(), "sign")
    with pytest.raises(ImpossibleMove, match="联系群众"):
        await city.do(ZHUJIAN, ticket, "finish", resolution="solved", text="x", told=True)
