"""The life of a ticket: every move, every refusal, every role, and what holds on any path."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.tickets.guards import LONGEST_EXTENSION, unfit
from cti.tickets.lifecycle import (
    TRANSITIONS,
    ImpossibleMove,
    allowed,
    diagram,
    name_of,
    owner_of,
    step,
)
from cti.tickets.rights import RIGHTS_OF, entitled
from schemas.case_moves import (
    MOVE_LABELS,
    Accept,
    Answer,
    AskExtension,
    CaseMove,
    Close,
    DenyExtension,
    Dispatch,
    Finish,
    GrantExtension,
    GrantReturn,
    Merge,
    Note,
    Opinion,
    Refuse,
    RejectReturn,
    SendBack,
    Supervise,
    ToCoordinator,
    Told,
    Urge,
    Withdraw,
)
from schemas.cases import Case, Resolution, TicketState, Urgency, Waiting
from schemas.identity import Role, Who
from tests.cti.lives import (
    ACCEPT,
    ASK_CITIZEN,
    CHECK,
    CITIZEN_ANSWERED,
    CLOSE,
    CONTACT,
    DISPATCH,
    DRAFT,
    EXPLAIN,
    FINISH,
    FINISH_UNTOLD,
    HAPPY,
    ID,
    OTHER,
    PEOPLE,
    RETURN,
    REWORK,
    SIGN,
    START,
    by_kind,
    drafts,
    until,
)

pytestmark = pytest.mark.unit

S = TicketState
GRANT_RETURN, REJECT_RETURN = GrantReturn(text="不属该单位"), RejectReturn(text="职责清单第3条")
TO_COORDINATOR = ToCoordinator(reason="涉及三个部门")
SEND_BACK = SendBack(reason="答非所问")


def lived(*moves: CaseMove, start: Case = DRAFT, at: float = START) -> Case:
    for move in moves:
        start = step(start, move, at=at)
    return start


def refused(case: Case, move: CaseMove, at: float = START, **rules: int) -> str:
    with pytest.raises(ImpossibleMove) as told:
        step(case, move, at=at, **rules)
    assert told.value.details == {"state": case.state.value, "do": name_of(type(move))}
    return told.value.message


IN = {
    S.DRAFT: DRAFT,
    S.ACCEPTED: lived(*HAPPY[:1]),
    S.DISPATCHED: lived(*HAPPY[:2]),
    S.SIGNED: lived(*HAPPY[:3]),
    S.HANDLING: lived(*HAPPY[:4]),
    S.RETURNED: lived(ACCEPT, DISPATCH, RETURN),
    S.DONE: lived(*HAPPY[:5]),
    S.CHECKING: lived(*HAPPY[:6]),
    S.ARCHIVED: lived(*HAPPY),
    S.REFUSED: lived(Refuse(scope=2, text="涉法涉诉")),
    S.MERGED: lived(Merge(into=OTHER, reason="同一处漏水")),
    S.WITHDRAWN: lived(Withdraw(reason="已自行解决")),
}


def test_the_whole_life_goes_through_every_state_of_it() -> None:
    seen = [lived(*HAPPY[:n]).state for n in range(len(HAPPY) + 1)]
    way = (S.DRAFT, S.ACCEPTED, S.DISPATCHED, S.SIGNED, S.HANDLING, S.DONE, S.CHECKING, S.ARCHIVED)
    assert tuple(seen) == way
    closed = lived(*HAPPY)
    assert (closed.unit, closed.assisting, closed.solved, closed.satisfied) == (
        *("zhujian", ("jiaotong",), True, 5),
    )
    assert (closed.resolution, closed.told_at) == (Resolution.SOLVED, START)


@pytest.mark.parametrize("state", TicketState)
def test_each_state_is_reached_and_has_its_owner(state: TicketState) -> None:
    owners = {
        **{S.DRAFT: "agent", S.ACCEPTED: "dispatchers", S.RETURNED: "dispatchers"},
        **dict.fromkeys((S.DISPATCHED, S.SIGNED, S.HANDLING), "unit:zhujian"),
        **dict.fromkeys((S.DONE, S.CHECKING), "callbacks"),
    }
    assert IN[state].state is state
    assert owner_of(IN[state]) == owners.get(state, "")


def test_waiting_and_the_coordinator_change_the_owner() -> None:
    assert owner_of(lived(until(9), start=IN[S.SIGNED])) == "monitors"
    assert owner_of(lived(ASK_CITIZEN, start=IN[S.HANDLING])) == "unit:zhujian"
    coordinated = lived(TO_COORDINATOR, start=IN[S.HANDLING])
    assert (owner_of(coordinated), coordinated.unit, coordinated.assisting) == (
        *("coordinator", None, ()),
    )
    assert owner_of(lived(DISPATCH, RETURN, start=coordinated)) == "coordinator"
    assert owner_of(replace(IN[S.SIGNED], unit=None)) == "dispatchers"


@pytest.mark.parametrize("state", TicketState)
@pytest.mark.parametrize("kind", list(RIGHTS_OF), ids=name_of)
def test_what_the_table_does_not_know_is_refused_in_chinese(
    state: TicketState, kind: type[CaseMove]
) -> None:
    if kind in TRANSITIONS[state]:
        return
    why = refused(IN[state], kind.model_construct())
    assert MOVE_LABELS[name_of(kind)] in why or "先" in why
    assert not any("a" <= letter <= "z" for letter in why)


ALWAYS = "supervise urge note"
TABLE = {
    "draft": "accept>accepted answer>archived refuse>refused merge>merged withdraw>withdrawn",
    "accepted": "dispatch>dispatched to_coordinator>accepted answer>archived refuse>refused"
    f" {ALWAYS} merge>merged withdraw>withdrawn",
    "dispatched": "sign>signed return>returned to_coordinator>accepted opinion"
    f" {ALWAYS} merge>merged withdraw>withdrawn",
    "signed": "contact>handling return>returned ask_extension grant_extension deny_extension"
    f" to_coordinator>accepted opinion {ALWAYS} merge>merged withdraw>withdrawn",
    "handling": "contact finish>done ask_extension grant_extension deny_extension ask_citizen"
    f" citizen_answered to_coordinator>accepted opinion {ALWAYS} merge>merged withdraw>withdrawn",
    "returned": "grant_return>accepted reject_return>dispatched dispatch>dispatched"
    f" to_coordinator>accepted refuse>refused {ALWAYS} merge>merged withdraw>withdrawn",
    "done": f"check>checking told send_back>handling rework>dispatched {ALWAYS}",
    "checking": f"close>archived told rework>dispatched {ALWAYS}",
    **dict.fromkeys(("archived", "refused", "merged", "withdrawn"), ""),
}
"""The whole table as the plan has it, written down a second time."""


@pytest.mark.parametrize("state", TicketState)
def test_the_table_is_the_plans(state: TicketState) -> None:
    planned = {}
    for way in TABLE[state].split():
        do, _, after = way.partition(">")
        planned[do] = after or state.value
    assert {name_of(kind): after.value for kind, after in TRANSITIONS[state].items()} == planned


def test_every_move_has_rights_a_label_and_a_place_in_the_table() -> None:
    placed = {kind for row in TRANSITIONS.values() for kind in row}
    assert placed == set(RIGHTS_OF) == set(by_kind(START))
    assert {name_of(kind) for kind in placed} < set(MOVE_LABELS)
    assert set(TRANSITIONS) == set(TicketState)


# ---- guards and forms


def test_a_draft_is_accepted_when_it_is_complete() -> None:
    assert "补全" in refused(replace(DRAFT, complete=False), ACCEPT)
    assert lived(Accept(urgency=Urgency.URGENT)).urgency is Urgency.URGENT


def test_only_a_consultation_is_answered_on_the_line() -> None:
    assert "咨询" in refused(DRAFT, Answer(text="请带身份证"))
    answered = step(replace(DRAFT, kind="consult"), Answer(text="请带身份证"), at=7)
    assert (answered.state, answered.resolution, answered.told_at) == (
        *(S.ARCHIVED, Resolution.ANSWERED, 7),
    )


def test_a_ticket_is_returned_twice_and_not_a_third_time() -> None:
    once = lived(RETURN, GRANT_RETURN, start=IN[S.DISPATCHED])
    assert (once.state, once.returns, once.unit) == (S.ACCEPTED, 1, None)
    twice = lived(DISPATCH, SIGN, RETURN, REJECT_RETURN, start=once)
    assert (twice.state, twice.returns, twice.unit) == (S.DISPATCHED, 2, "zhujian")
    assert "转协调" in refused(twice, RETURN)
    assert step(twice, RETURN, at=START, most_returns=3).returns == 3
    assert lived(TO_COORDINATOR, DISPATCH, start=twice).with_coordinator


def test_a_returned_ticket_goes_to_another_unit_at_once_but_not_to_the_same() -> None:
    elsewhere = Dispatch(unit="jiaotong", reason="道路归交通局")
    after = step(IN[S.RETURNED], elsewhere, at=START)
    assert (after.state, after.unit, after.returns) == (S.DISPATCHED, "jiaotong", 1)
    assert "驳回退单" in refused(IN[S.RETURNED], DISPATCH)


def test_the_lead_unit_does_not_assist_itself_and_is_named_once() -> None:
    twice = Dispatch(unit="zhujian", assisting=["jiaotong", "jiaotong"], reason="共管")
    assert step(IN[S.ACCEPTED], twice, at=START).assisting == ("jiaotong",)
    itself = Dispatch(unit="zhujian", assisting=["zhujian"], reason="共管")
    assert "协办" in refused(IN[S.ACCEPTED], itself)


def test_a_complaint_of_a_units_conduct_never_goes_to_it_alone() -> None:
    about = replace(IN[S.ACCEPTED], complained_of="zhujian")
    alone = Dispatch(unit="zhujian", reason="谁主管谁负责")
    assert "投诉" in refused(about, alone)
    assert "转协调" in refused(about, DISPATCH)
    assert step(about, Dispatch(unit="jiaotong", reason="另行指定"), at=START).unit == "jiaotong"
    coordinated = lived(TO_COORDINATOR, start=about)
    assert "投诉" in refused(coordinated, alone)
    assert step(coordinated, DISPATCH, at=START).unit == "zhujian"


def test_the_coordinator_has_it_once() -> None:
    assert "协调" in refused(lived(TO_COORDINATOR, start=IN[S.ACCEPTED]), TO_COORDINATOR)


def test_an_extension_is_asked_once_and_granted_no_longer_than_asked() -> None:
    asked = lived(until(9), start=IN[S.HANDLING])
    assert (asked.waiting, asked.asked_until) == (Waiting.EXTENSION, START + 9 * 86400)
    assert "重复" in refused(asked, until(9))
    assert "审核" in refused(asked, ASK_CITIZEN)
    later = GrantExtension(until=START + 10 * 86400, text="同意")
    assert "不晚于" in refused(asked, later)
    assert "已经过了" in refused(asked, GrantExtension(text="同意"), START + 9 * 86400)
    assert "已经过了" in refused(replace(asked, asked_until=None), GrantExtension(text="同意"))
    granted = step(asked, GrantExtension(until=START + 86400, text="同意一天"), at=START)
    assert (granted.waiting, granted.asked_until, granted.extensions) == (None, None, 1)
    assert "已延期1次" in refused(granted, until(9))
    assert step(granted, until(9), at=START, most_extensions=2).waiting is Waiting.EXTENSION
    denied = step(asked, DenyExtension(text="理由不充分"), at=START)
    assert (denied.waiting, denied.extensions) == (None, 0)
    assert "没有待审核" in refused(denied, GrantExtension(text="同意"))
    assert lived(FINISH, start=asked).waiting is None
    assert "审核" in refused(lived(until(9), start=IN[S.SIGNED]), RETURN)


@pytest.mark.parametrize(
    "bad", [START, START - 1, 0.0, START + LONGEST_EXTENSION + 1, float("inf"), float("nan")]
)
def test_an_extension_is_asked_for_a_time_to_come(bad: float) -> None:
    asked = AskExtension.model_construct(until=bad, reason="等配件")  # past what the model lets in
    assert "400天" in refused(IN[S.SIGNED], asked)


def test_the_citizen_is_waited_for_until_they_answered() -> None:
    asked = lived(ASK_CITIZEN, start=IN[S.HANDLING])
    assert asked.waiting is Waiting.CITIZEN
    assert "已经在等" in refused(asked, ASK_CITIZEN)
    assert "暂停" in refused(asked, until(9))
    assert step(asked, CONTACT, at=START).waiting is Waiting.CITIZEN
    assert step(asked, CITIZEN_ANSWERED, at=START).waiting is None
    assert "没有在等" in refused(IN[S.HANDLING], CITIZEN_ANSWERED)


def test_an_opinion_needs_an_assisting_unit() -> None:
    assert "协办" in refused(replace(IN[S.SIGNED], assisting=()), Opinion(text="同意"))
    assert step(IN[S.SIGNED], Opinion(text="同意"), at=START) == IN[S.SIGNED]


def test_what_cannot_be_solved_is_explained_with_its_basis() -> None:
    bare = Finish(resolution=Resolution.EXPLAINED, text="办不了", policy=" ", told=True)
    assert "依据" in refused(IN[S.HANDLING], bare)
    assert lived(EXPLAIN, start=IN[S.HANDLING]).resolution is Resolution.EXPLAINED


def test_the_citizen_is_told_once() -> None:
    told = Told(text="已电话告知")
    done = lived(FINISH_UNTOLD, start=IN[S.HANDLING])
    assert done.told_at is None
    assert step(done, told, at=9).told_at == 9
    assert "已经答复" in refused(IN[S.DONE], told)


def test_a_reply_that_is_none_goes_back() -> None:
    back = lived(SEND_BACK, start=IN[S.DONE])
    assert (back.state, back.told_at, back.resolution) == (S.HANDLING, None, None)


def test_a_citizen_who_is_not_content_is_not_archived() -> None:
    for unhappy in (Close(reached=True, solved=False), Close(reached=True, satisfied=2)):
        assert "重办" in refused(IN[S.CHECKING], unhappy)
    assert "请填写" in refused(IN[S.CHECKING], Close(reached=True))
    again = lived(REWORK, start=IN[S.CHECKING])
    assert (again.state, again.reworks, again.told_at, again.resolution, again.unit) == (
        *(S.DISPATCHED, 1, None, None, "zhujian"),
    )


def test_what_was_explained_and_gone_over_again_may_end() -> None:
    unhappy = Close(reached=True, solved=False, satisfied=1)
    explained = lived(SIGN, CONTACT, EXPLAIN, CHECK, start=IN[S.DISPATCHED])
    assert "重办" in refused(explained, unhappy)
    once_more = lived(REWORK, SIGN, CONTACT, EXPLAIN, CHECK, start=explained)
    ended = step(once_more, unhappy, at=START)
    assert (ended.state, ended.solved, ended.satisfied) == (S.ARCHIVED, False, 1)
    solved = lived(REWORK, SIGN, CONTACT, FINISH, CHECK, start=explained)
    assert "重办" in refused(solved, unhappy)


def test_who_was_not_reached_said_nothing() -> None:
    for told in (Close(reached=False, solved=True), Close(reached=False, satisfied=5)):
        assert "没有联系上" in refused(IN[S.CHECKING], told)
    closed = step(IN[S.CHECKING], Close(reached=False), at=START)
    assert (closed.solved, closed.satisfied) == (None, None)


def test_who_is_reached_by_the_callback_has_heard_the_result() -> None:
    untold = lived(FINISH_UNTOLD, CHECK, start=IN[S.HANDLING])
    assert step(untold, CLOSE, at=START + 5).told_at == START + 5
    assert step(untold, Close(reached=False), at=START + 5).told_at is None
    assert step(IN[S.CHECKING], CLOSE, at=START + 5).told_at == START


def test_nothing_is_merged_into_itself() -> None:
    assert "自己" in refused(DRAFT, Merge(into=ID, reason="重复"))
    assert IN[S.MERGED].merged_into == OTHER


def test_supervising_and_urging_are_counted_and_a_note_changes_nothing() -> None:
    after = lived(Supervise(text="限期"), Urge(text="又来电"), Note(text="x"), start=IN[S.DONE])
    assert after == replace(IN[S.DONE], supervised=1, urged=1)


# ---- who may


def who(role: Role, unit: str | None = None, *, head: bool = False) -> Who:
    return Who(kind="user", id="x", role=role, unit=unit, head=head)


@pytest.mark.parametrize(
    ("state", "whom", "moves"),
    [
        (S.DRAFT, who(Role.AGENT), "accept refuse merge withdraw"),
        (S.DRAFT, who(Role.UNIT, "zhujian"), ""),
        (S.ACCEPTED, who(Role.AGENT), "refuse urge merge withdraw note"),
        (
            S.ACCEPTED,
            who(Role.DISPATCHER),
            "refuse dispatch to_coordinator urge merge withdraw note",
        ),
        (S.ACCEPTED, who(Role.UNIT, "zhujian"), ""),
        (S.DISPATCHED, who(Role.UNIT, "zhujian"), "sign return note"),
        (S.DISPATCHED, who(Role.UNIT, "jiaotong"), "opinion note"),
        (S.DISPATCHED, who(Role.UNIT, "gongshui"), ""),
        (S.DISPATCHED, who(Role.UNIT), ""),
        (S.DISPATCHED, who(Role.MONITOR), "to_coordinator supervise urge merge withdraw note"),
        (S.SIGNED, who(Role.UNIT, "zhujian"), "contact return ask_extension note"),
        (
            S.HANDLING,
            who(Role.UNIT, "zhujian"),
            "contact ask_extension ask_citizen finish note",
        ),
        (S.RETURNED, who(Role.UNIT, "zhujian"), "note"),
        (
            S.RETURNED,
            who(Role.SUPERVISOR),
            "refuse dispatch grant_return reject_return to_coordinator urge merge withdraw note",
        ),
        (S.DONE, who(Role.AGENT), "check rework urge note"),
        (S.DONE, who(Role.MONITOR), "supervise send_back check rework urge note"),
        (S.CHECKING, who(Role.QUALITY), "close rework"),
        (S.CHECKING, who(Role.INSPECTOR), ""),
        (S.CHECKING, who(Role.READER), ""),
        (S.ARCHIVED, who(Role.ADMIN), ""),
    ],
)
def test_everybody_is_offered_their_own_moves(state: TicketState, whom: Who, moves: str) -> None:
    assert allowed(IN[state], whom) == tuple(moves.split())


def test_a_responsible_person_may_do_for_the_units_below_what_their_clerk_may() -> None:
    below = replace(IN[S.DISPATCHED], unit="gongshui", assisting=())
    above = frozenset({"gongshui"})
    head = who(Role.UNIT, "zhujian", head=True)
    assert allowed(below, head, above=above) == ("sign", "return", "note")
    assert allowed(below, who(Role.UNIT, "zhujian"), above=above) == ()
    assert allowed(below, head) == ()


def test_a_guess_of_the_unit_gives_it_no_rights() -> None:
    for state in (S.DRAFT, S.ACCEPTED):
        guessed = replace(IN[state], unit="zhujian", assisting=("jiaotong",))
        assert allowed(guessed, who(Role.UNIT, "zhujian")) == ()
        assert allowed(guessed, who(Role.UNIT, "jiaotong")) == ()


def test_what_the_coordinator_has_only_a_coordinator_moves_on() -> None:
    case = lived(TO_COORDINATOR, start=IN[S.ACCEPTED])
    assert "dispatch" not in allowed(case, who(Role.SUPERVISOR))
    assert "dispatch" in allowed(case, who(Role.MONITOR))
    assert "dispatch" not in allowed(IN[S.ACCEPTED], who(Role.MONITOR))
    back = lived(DISPATCH, RETURN, start=case)
    assert "grant_return" not in allowed(back, who(Role.SUPERVISOR))
    assert "reject_return" in allowed(back, who(Role.DISPATCHER))


# ---- what holds on any path


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A ticket after any moves that the table let through."""
    case, at = draw(drafts), START
    for _ in range(draw(st.integers(0, 14))):
        row = TRANSITIONS[case.state]
        if not row:
            break
        moves = by_kind(at)
        kind = draw(st.sampled_from([*row]))
        with contextlib.suppress(ImpossibleMove):
            case = step(case, draw(moves[kind]), at=at)
        at += 3600
    return case


def tried(case: Case, move: CaseMove) -> tuple[Case | None, str]:
    try:
        return step(case, move, at=START), ""
    except ImpossibleMove as refusal:
        return None, refusal.message


@given(case=cases(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_allowed_and_step_agree(case: Case, data: st.DataObject) -> None:
    moves = by_kind(START)
    offered = {do for whom, above in PEOPLE for do in allowed(case, whom, above=above)}
    for kind, draw in moves.items():
        move = data.draw(draw)
        after, why = tried(case, move)
        if after is None:
            assert name_of(kind) not in offered or unfit(case, move, START) == why
            continue
        assert after.state is TRANSITIONS[case.state][kind]
        someone = any(entitled(case, whom, kind, above=above) for whom, above in PEOPLE)
        assert name_of(kind) in offered or not someone
        assert (owner_of(after) == "") == after.state.closed


@given(case=cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_closed_ticket_refuses_every_move_so_closing_never_happens_twice(
    case: Case, data: st.DataObject
) -> None:
    ends = {S.CHECKING: CLOSE, S.DONE: CHECK}.get(case.state, Withdraw(reason="群众要求"))
    if not case.state.closed:
        case = step(case, ends, at=START)
    if case.state is S.CHECKING:
        case = step(case, CLOSE, at=START)
    assert case.state.closed
    for draw in by_kind(START).values():
        refused(case, data.draw(draw))
    assert all(allowed(case, whom, above=above) == () for whom, above in PEOPLE)


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_an_open_ticket_always_has_an_owner_who_can_move_it(case: Case) -> None:
    if case.state.closed:
        assert owner_of(case) == ""
        return
    roles = {
        "agent": {Role.AGENT},
        "dispatchers": {Role.DISPATCHER, Role.SUPERVISOR},
        "coordinator": {Role.DISPATCHER, Role.MONITOR},
        "monitors": {Role.MONITOR},
        "callbacks": {Role.AGENT, Role.QUALITY},
    }
    owner = owner_of(case)
    unit = owner.removeprefix("unit:") if owner.startswith("unit:") else None
    wanted = {Role.UNIT} if unit else roles[owner]
    able = [
        whom for whom, _ in PEOPLE if whom.role in wanted and (unit is None or whom.unit == unit)
    ]
    complete = replace(case, complete=True)
    assert able
    assert all(set(allowed(complete, whom)) - {"note", "urge"} for whom in able)


def test_the_table_can_be_drawn() -> None:
    drawn = diagram()
    assert drawn.startswith("stateDiagram-v2\n    [*] --> draft\n")
    assert "    checking --> archived: 归档\n" in drawn
    assert "    handling: 办理中\n" in drawn
    for state in TicketState:
        assert (f"    {state.value} --> [*]\n" in drawn) == state.closed
