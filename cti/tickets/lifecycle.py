"""The life of a ticket.

Rule 1: every state of a ticket and every move between states is in this file, as far as possible
in the table. Rule 2: no clock, no I/O; time comes with the move.

A move passes four doors: the table (does this state know it), the guard (does the ticket stand so
that it may come, whatever it says), the form (does what it says fit), the effect; guards and forms
are in `guards`. `allowed` asks the first two and who somebody is (`rights`), so a page offers
nothing that the state would refuse.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cti.tickets.guards import Rules, guarded, unfit
from cti.tickets.rights import RIGHTS_OF, entitled
from schemas.case_moves import (
    MOVE_LABELS,
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
from schemas.cases import (
    AGENT_OF,
    CALLBACKS,
    COORDINATOR,
    DISPATCHERS,
    MONITORS,
    UNIT_OF,
    Case,
    Resolution,
    TicketState,
    Waiting,
)
from schemas.errors import Conflict
from schemas.identity import Who


class ImpossibleMove(Conflict):
    """The table has no such move from here; the ticket is as it was."""

    code = "impossible_move"


# ---- the table

S = TicketState
Row = Mapping[type[CaseMove], TicketState]


def _notes(state: TicketState) -> Row:
    """Moves open to every ticket that was accepted; they leave the state alone."""
    return {Supervise: state, Urge: state, Note: state}


ENDS: Row = {Merge: S.MERGED, Withdraw: S.WITHDRAWN}
"""Moves open until the matter is done."""

TRANSITIONS: Mapping[TicketState, Row] = {
    S.DRAFT: {Accept: S.ACCEPTED, Answer: S.ARCHIVED, Refuse: S.REFUSED, **ENDS},
    S.ACCEPTED: {
        Dispatch: S.DISPATCHED,
        ToCoordinator: S.ACCEPTED,
        Answer: S.ARCHIVED,
        Refuse: S.REFUSED,
        **_notes(S.ACCEPTED),
        **ENDS,
    },
    S.DISPATCHED: {
        Sign: S.SIGNED,
        Return: S.RETURNED,
        ToCoordinator: S.ACCEPTED,
        Opinion: S.DISPATCHED,
        **_notes(S.DISPATCHED),
        **ENDS,
    },
    S.SIGNED: {
        Contact: S.HANDLING,
        Return: S.RETURNED,
        AskExtension: S.SIGNED,
        GrantExtension: S.SIGNED,
        DenyExtension: S.SIGNED,
        ToCoordinator: S.ACCEPTED,
        Opinion: S.SIGNED,
        **_notes(S.SIGNED),
        **ENDS,
    },
    S.HANDLING: {
        Contact: S.HANDLING,
        Finish: S.DONE,
        AskExtension: S.HANDLING,
        GrantExtension: S.HANDLING,
        DenyExtension: S.HANDLING,
        AskCitizen: S.HANDLING,
        CitizenAnswered: S.HANDLING,
        ToCoordinator: S.ACCEPTED,
        Opinion: S.HANDLING,
        **_notes(S.HANDLING),
        **ENDS,
    },
    S.RETURNED: {
        GrantReturn: S.ACCEPTED,
        RejectReturn: S.DISPATCHED,
        Dispatch: S.DISPATCHED,
        ToCoordinator: S.ACCEPTED,
        Refuse: S.REFUSED,
        **_notes(S.RETURNED),
        **ENDS,
    },
    S.DONE: {
        Check: S.CHECKING,
        Told: S.DONE,
        SendBack: S.HANDLING,
        Rework: S.DISPATCHED,
        **_notes(S.DONE),
    },
    S.CHECKING: {
        Close: S.ARCHIVED,
        Told: S.CHECKING,
        Rework: S.DISPATCHED,
        **_notes(S.CHECKING),
    },
    S.ARCHIVED: {},
    S.REFUSED: {},
    S.MERGED: {},
    S.WITHDRAWN: {},
}

HINTS: Mapping[tuple[TicketState, type[CaseMove]], str] = {
    (S.DRAFT, Dispatch): "还是草稿，请先受理再派单",
    (S.ACCEPTED, Sign): "还没有派单，不能签收",
    (S.DISPATCHED, Contact): "请先签收，再联系群众",
    (S.DISPATCHED, Finish): "请先签收、联系群众，再办结",
    (S.SIGNED, Finish): "还没有联系群众：请先登记「联系群众」，再办结",
    (S.SIGNED, AskCitizen): "请先登记「联系群众」，再请群众补充",
    (S.HANDLING, Return): "已开始办理，不能退单；确有争议请联系热线转协调",
    (S.DONE, Close): "请先开始回访，再归档",
}
"""What to do instead, where it is not plain."""

# ---- effects: everything but the state


def _effect(case: Case, move: CaseMove, at: float) -> Mapping[str, Any]:
    settled = {"waiting": None, "asked_until": None}
    # Whose matter it is, is open again: the unit that had it sees it no longer.
    unclaimed = {**settled, "unit": None, "assisting": ()}
    match move:
        case Accept():
            return {"urgency": move.urgency or case.urgency}
        case Answer():
            return {"resolution": Resolution.ANSWERED, "told_at": at}
        case Refuse():
            return {"scope": move.scope}
        case Dispatch():
            return {
                "unit": move.unit,
                "assisting": tuple(dict.fromkeys(move.assisting)),
                "urgency": move.urgency or case.urgency,
            }
        case ToCoordinator():
            return {**unclaimed, "with_coordinator": True}
        case Return():
            # A rejected return counts as well: else a unit could play for time for ever.
            return {"returns": case.returns + 1}
        case GrantReturn():
            return unclaimed
        case AskExtension():
            return {"waiting": Waiting.EXTENSION, "asked_until": move.until}
        case GrantExtension():
            return {**settled, "extensions": case.extensions + 1}
        case AskCitizen():
            return {"waiting": Waiting.CITIZEN}
        case DenyExtension() | CitizenAnswered() | Withdraw():
            return settled
        case Merge():
            return {**settled, "merged_into": move.into}
        case Finish():
            told = at if move.told else None
            return {**settled, "resolution": move.resolution, "told_at": told}
        case Told():
            return {"told_at": at}
        case SendBack():
            return {"resolution": None, "told_at": None}
        case Close():
            # Who was reached by the callback has heard the result, if not before.
            told = at if move.reached and case.told_at is None else case.told_at
            return {"solved": move.solved, "satisfied": move.satisfied, "told_at": told}
        case Rework():
            cleared = {"resolution": None, "told_at": None, "solved": None, "satisfied": None}
            return {**cleared, "reworks": case.reworks + 1}
        case Supervise():
            return {"supervised": case.supervised + 1}
        case Urge():
            return {"urged": case.urged + 1}
        case _:
            return {}


def step(
    case: Case, move: CaseMove, *, at: float, most_returns: int = 2, most_extensions: int = 1
) -> Case:
    """Return *case* after *move*.

    Args:
        at: Unix seconds.
        most_returns: of limits.toml, as `most_extensions`.

    Raises:
        ImpossibleMove: it does not fit the state; the message is Chinese and says why.
    """
    kind, state = type(move), case.state
    after = TRANSITIONS[state].get(kind)
    if after is None:
        raise ImpossibleMove(_unknown(state, kind), state=state.value, do=name_of(kind))
    rules = Rules(most_returns=most_returns, most_extensions=most_extensions)
    why = guarded(case, kind, rules) or unfit(case, move, at)
    if why:
        raise ImpossibleMove(why, state=state.value, do=name_of(kind))
    return replace(case, state=after, **_effect(case, move, at))


def _unknown(state: TicketState, kind: type[CaseMove]) -> str:
    label = MOVE_LABELS[name_of(kind)]
    if state.closed:
        return f"工单{state.label}，已经结束，不能再{label}"
    return HINTS.get((state, kind), f"工单现在是「{state.label}」，不能{label}")


def name_of(kind: type[CaseMove]) -> str:
    """Return the word of a move: its `do`."""
    return str(kind.model_fields["do"].default)


# ---- who


def owner_of(case: Case) -> str:
    """Return who must move now: AGENT_OF, DISPATCHERS, … `unit:code`; "" once it is closed."""
    match case.state:
        case S.DRAFT:
            return AGENT_OF
        case S.ACCEPTED | S.RETURNED:
            return COORDINATOR if case.with_coordinator else DISPATCHERS
        case S.DISPATCHED | S.SIGNED | S.HANDLING:
            if case.waiting is Waiting.EXTENSION:
                return MONITORS
            return UNIT_OF + case.unit if case.unit else DISPATCHERS
        case S.DONE | S.CHECKING:
            return CALLBACKS
        case _:
            return ""


def allowed(
    case: Case,
    who: Who,
    *,
    above: frozenset[str] = frozenset(),
    most_returns: int = 2,
    most_extensions: int = 1,
) -> tuple[str, ...]:
    """Return the names (`do`) of the moves that *who* may make now, in the order people read them.

    Args:
        above: units that stand below the unit of *who*, whose responsible person they are.
        most_returns: of limits.toml, as `most_extensions`.
    """
    rules = Rules(most_returns=most_returns, most_extensions=most_extensions)
    return tuple(
        name_of(kind)
        for kind in RIGHTS_OF
        if kind in TRANSITIONS[case.state]
        and not guarded(case, kind, rules)
        and entitled(case, who, kind, above=above)
    )


# ---- the picture


def diagram() -> str:
    """Return the table in Mermaid's language; moves that leave the state alone are left out."""
    lines = ["stateDiagram-v2", "    [*] --> draft"]
    lines += [f"    {state.value}: {state.label}" for state in TicketState]
    for before, row in TRANSITIONS.items():
        ways: dict[TicketState, list[str]] = {}
        for kind, after in row.items():
            if after is not before:
                ways.setdefault(after, []).append(MOVE_LABELS[name_of(kind)])
        for after, labels in ways.items():
            lines.append(f"    {before.value} --> {after.value}: {' / '.join(labels)}")
        if before.closed:
            lines.append(f"    {before.value} --> [*]")
    return "\n".join(lines) + "\n"
