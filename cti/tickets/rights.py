"""Who may make which move: rights of the role, and the unit whose ticket it is."""

from collections.abc import Mapping

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
from schemas.cases import Case
from schemas.cases import TicketState as S
from schemas.identity import Right, Who, may

RIGHTS_OF: Mapping[type[CaseMove], frozenset[Right]] = {
    Accept: frozenset({Right.WRITE_TICKETS}),
    Answer: frozenset({Right.WRITE_TICKETS}),
    Refuse: frozenset({Right.WRITE_TICKETS, Right.DISPATCH}),
    Dispatch: frozenset({Right.DISPATCH}),
    GrantReturn: frozenset({Right.DISPATCH}),
    RejectReturn: frozenset({Right.DISPATCH}),
    ToCoordinator: frozenset({Right.DISPATCH, Right.COORDINATE}),
    Sign: frozenset({Right.HANDLE_CASES}),
    Contact: frozenset({Right.HANDLE_CASES}),
    Return: frozenset({Right.HANDLE_CASES}),
    AskExtension: frozenset({Right.HANDLE_CASES}),
    AskCitizen: frozenset({Right.HANDLE_CASES}),
    CitizenAnswered: frozenset({Right.HANDLE_CASES, Right.WRITE_TICKETS}),
    Opinion: frozenset({Right.HANDLE_CASES}),
    Finish: frozenset({Right.HANDLE_CASES}),
    Told: frozenset({Right.HANDLE_CASES, Right.WRITE_TICKETS}),
    GrantExtension: frozenset({Right.SUPERVISE_CASES}),
    DenyExtension: frozenset({Right.SUPERVISE_CASES}),
    Supervise: frozenset({Right.SUPERVISE_CASES}),
    SendBack: frozenset({Right.SUPERVISE_CASES}),
    Check: frozenset({Right.CHECK_CASES}),
    Close: frozenset({Right.CHECK_CASES}),
    Rework: frozenset({Right.CHECK_CASES}),
    Urge: frozenset({Right.WRITE_TICKETS}),
    Merge: frozenset({Right.WRITE_TICKETS, Right.DISPATCH}),
    Withdraw: frozenset({Right.WRITE_TICKETS}),
    Note: frozenset({Right.WRITE_TICKETS, Right.HANDLE_CASES}),
}
"""Any of these lets somebody make the move, in the order people read them; HANDLE_CASES for the
tickets of their own unit alone."""
COORDINATED = frozenset({Dispatch, GrantReturn, RejectReturn})
"""Moves that are the coordinator's once a ticket is with them."""
WITH_UNIT = frozenset({S.DISPATCHED, S.SIGNED, S.HANDLING, S.RETURNED, S.DONE, S.CHECKING})
"""States in which `Case.unit` is the lead, no guess."""


def entitled(
    case: Case, who: Who, kind: type[CaseMove], *, above: frozenset[str] = frozenset()
) -> bool:
    """Return whether role and unit of *who* let them make such a move, whatever the state says."""
    rights = RIGHTS_OF[kind]
    if kind in COORDINATED and case.with_coordinator:
        rights = frozenset({Right.COORDINATE})
    if any(may(who, right) for right in rights - {Right.HANDLE_CASES}):
        return True
    if Right.HANDLE_CASES not in rights or not may(who, Right.HANDLE_CASES):
        return False
    units = _units(who, above)
    leads = case.state in WITH_UNIT and case.unit in units
    assists = case.state in WITH_UNIT and not units.isdisjoint(case.assisting)
    if kind is Opinion:
        return assists
    return leads or (kind is Note and assists)


def _units(who: Who, above: frozenset[str]) -> frozenset[str]:
    """Return the units for which *who* may act."""
    if who.unit is None:
        return frozenset()
    return frozenset({who.unit}) | (above if who.head else frozenset())
