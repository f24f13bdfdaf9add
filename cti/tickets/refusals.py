"""What is refused before life is asked: who may edit what, and words nobody knows; pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.case_moves import CaseMove, Dispatch, Return
from schemas.casebook import Casebook
from schemas.cases import TicketState
from schemas.errors import Forbidden, Invalid
from schemas.identity import Right, Who, may

BEFORE_DISPATCH = frozenset({TicketState.DRAFT, TicketState.ACCEPTED})
"""Here urgency and unit are still a guess that an edit may change."""
WITH_UNIT = frozenset(
    {
        TicketState.RETURNED,
        TicketState.DISPATCHED,
        TicketState.SIGNED,
        TicketState.HANDLING,
    }
)
"""Here a dispatcher, coordinator or monitor may still correct what the unit reads."""
MOVES_ONLY = frozenset({"urgency", "unit"})
"""What moves alone change once a ticket is dispatched."""
ALWAYS = frozenset({"confidential"})
"""What may be changed as long as it is open: a citizen may ask for it at any time."""


def may_edit(who: Who, state: TicketState, changed: Iterable[str]) -> None:
    """Let pass an edit of the fields *changed* by *who*.

    An agent edits a ticket until it is dispatched; from then on people elsewhere work with it, and
    what comes later is a note. Whoever steers cases may correct it until it is done.

    Raises:
        Forbidden: not theirs to change, or not any more.
    """
    if not may(who, Right.WRITE_TICKETS):
        raise Forbidden("您的岗位不能修改工单", right=Right.WRITE_TICKETS)
    others = set(changed) - ALWAYS
    if not others or state in BEFORE_DISPATCH:
        return
    if others & MOVES_ONLY:
        raise Forbidden("派单以后，紧急程度和承办单位只能通过派单改变")
    steers = any(may(who, r) for r in (Right.DISPATCH, Right.COORDINATE, Right.SUPERVISE_CASES))
    if not steers:
        raise Forbidden("工单已派单，不能再修改；有新情况请写备注")
    if state not in WITH_UNIT:
        raise Forbidden("工单已办结，不能再修改；有新情况请写备注")


def known_units(book: Casebook, codes: Iterable[str | None], *, key: str) -> None:
    """Let pass *codes* that are units; every code, while the casebook has none.

    Raises:
        Invalid: one of them is no unit.
    """
    units = book.units.units
    strange = sorted({code for code in codes if code is not None and code not in units})
    if units and strange:
        _refuse(key, f"没有这个承办单位：{'、'.join(strange)}")


def known_words(book: Casebook, given: Mapping[str, Any]) -> None:
    """Let pass category, county and unit of *given* that the casebook knows, where it has any.

    Raises:
        Invalid: it does not know one of them.
    """
    known_units(book, (given.get("unit"),), key="unit")
    category, county = given.get("category"), given.get("county")
    if category and book.catalogue.fields and not _category(book, category):
        _refuse("category", "目录里没有这个类别")
    if county and book.gazetteer.counties and county not in book.gazetteer.counties:
        _refuse("county", "没有这个县（区）")


def _category(book: Casebook, code: str) -> bool:
    return code in book.catalogue.fields or book.catalogue.category(code) is not None


def known_move(book: Casebook, move: CaseMove) -> None:
    """Let pass a move that names units there are.

    Raises:
        Invalid: it names others.
    """
    match move:
        case Dispatch():
            known_units(book, (move.unit, *move.assisting), key="move.unit")
        case Return():
            known_units(book, (move.suggest,), key="move.suggest")
        case _:
            pass


def _refuse(key: str, reason: str) -> None:
    raise Invalid(reason, faults=[{"in": "body", "key": key, "reason": reason}])
