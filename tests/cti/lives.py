"""Moves and people of case work for the tests of its life and clocks."""

from collections.abc import Mapping

from hypothesis import strategies as st

from schemas.calendar import Calendar, Schedule
from schemas.case_moves import (
    Accept,
    Answer,
    AskCitizen,
    AskExtension,
    CaseMove,
    Check,
    CitizenAnswered,
    Close,
    Contact,
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
    Return,
    Rework,
    SendBack,
    Sign,
    Supervise,
    ToCoordinator,
    Told,
    Urge,
    Withdraw,
)
from schemas.cases import Case, Resolution, Urgency
from schemas.identity import Role, Who
from schemas.times import read

ID, OTHER = "BJ20251110-000001", "BJ20251110-000002"
UNITS = ("zhujian", "jiaotong", "gongshui")
START = read("2025-09-26 09:00")
CALENDAR = Calendar(schedules={"office": Schedule(workdays=("08:30-12:00", "14:00-18:00"))})

ACCEPT = Accept()
DISPATCH = Dispatch(unit="zhujian", assisting=["jiaotong"], reason="谁主管谁负责")
SIGN = Sign()
CONTACT = Contact(text="已联系，约定上门")
RETURN = Return(reason="不属本单位职责")
FINISH = Finish(resolution=Resolution.SOLVED, text="已修好", told=True)
FINISH_UNTOLD = Finish(resolution=Resolution.SOLVED, text="已修好", told=False)
EXPLAIN = Finish(
    resolution=Resolution.EXPLAINED, text="属历史遗留", policy="市政办发〔2020〕1号", told=True
)
CHECK = Check()
CLOSE = Close(reached=True, solved=True, satisfied=5)
REWORK = Rework(solved=False, reason="还在漏水")
ASK_CITIZEN = AskCitizen(text="请提供门牌号")
CITIZEN_ANSWERED = CitizenAnswered(text="3号楼")
HAPPY = (ACCEPT, DISPATCH, SIGN, CONTACT, FINISH, CHECK, CLOSE)
"""The whole life, as it should be."""


def until(days: float, at: float = START) -> AskExtension:
    return AskExtension(until=at + days * 86400, reason="要等配件")


DRAFT = Case(id=ID, kind="help", complete=True)

_units = st.sampled_from(UNITS)
_yes = st.sampled_from((None, True, False))
_stars = st.sampled_from((None, 1, 3, 5))
_urgency = st.sampled_from((None, *Urgency))


def by_kind(at: float) -> Mapping[type[CaseMove], st.SearchStrategy[CaseMove]]:
    """How to draw a move of each kind; *at* for those that name a time."""
    texts = {
        kind: st.just(kind(text="按规定"))  # type: ignore[call-arg]
        for kind in (
            *(Answer, Contact, GrantReturn, RejectReturn, DenyExtension, AskCitizen),
            *(CitizenAnswered, Opinion, Told, Supervise, Urge, Note),
        )
    }
    times = st.floats(-5, 40).map(lambda days: at + days * 86400)
    return {
        **texts,
        Accept: st.builds(Accept, urgency=_urgency),
        Refuse: st.just(Refuse(scope=3, text="属法院管辖，已告知")),
        Dispatch: st.builds(
            Dispatch,
            unit=_units,
            assisting=st.lists(_units, max_size=2),
            reason=st.just("属地管理"),
            urgency=_urgency,
        ),
        ToCoordinator: st.just(ToCoordinator(reason="涉及多个部门")),
        Sign: st.just(SIGN),
        Return: st.just(RETURN),
        AskExtension: st.builds(AskExtension, until=times, reason=st.just("要等配件")),
        GrantExtension: st.builds(GrantExtension, until=st.none() | times, text=st.just("同意")),
        Finish: st.builds(
            Finish,
            resolution=st.sampled_from((Resolution.SOLVED, Resolution.EXPLAINED)),
            text=st.just("已处理"),
            policy=st.sampled_from(("", "市政办发〔2020〕1号")),
            told=st.booleans(),
        ),
        SendBack: st.just(SendBack(reason="答非所问")),
        Check: st.just(CHECK),
        Close: st.builds(Close, reached=st.booleans(), solved=_yes, satisfied=_stars),
        Rework: st.builds(Rework, solved=_yes, satisfied=_stars, reason=st.just("没有解决")),
        Merge: st.builds(Merge, into=st.sampled_from((ID, OTHER)), reason=st.just("同一件事")),
        Withdraw: st.just(Withdraw(reason="群众要求")),
    }


drafts = st.builds(
    Case,
    id=st.just(ID),
    kind=st.sampled_from((None, "consult", "help", "complaint", "report")),
    urgency=st.sampled_from(Urgency),
    complete=st.sampled_from((True, True, True, False)),
    complained_of=st.sampled_from((None, None, "zhujian")),
)

PEOPLE: tuple[tuple[Who, frozenset[str]], ...] = (
    *((Who(kind="user", id=role.value, role=role), frozenset[str]()) for role in Role),
    *((Who(kind="user", id=unit, role=Role.UNIT, unit=unit), frozenset[str]()) for unit in UNITS),
    (
        Who(kind="user", id="head", role=Role.UNIT, unit="zhujian", head=True),
        frozenset({"gongshui"}),
    ),
)
"""Everybody there is, with the units below them."""
