"""The pure parts: masks, the hash chain, refusals, sight."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.tickets import masks, sight
from cti.tickets.chain import COVERED, GENESIS, digest, verify
from cti.tickets.refusals import known_move, known_units, known_words, may_edit
from schemas.calls import CallOut
from schemas.case_moves import Dispatch, Return, Sign
from schemas.casebook import Casebook
from schemas.cases import ClockName, TicketState
from schemas.errors import Forbidden, Invalid
from schemas.gazetteer import County, Gazetteer
from schemas.identity import Role, Who
from schemas.units import Units
from tests.cti.case_desk import AGENT, BOOK, DISPATCHER, UNITS

pytestmark = pytest.mark.unit

ZHUJIAN = UNITS["zhujian"]


# ---- masks


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        ("13912348000", "139****8000"),
        ("+8613912348000", "+86****8000"),
        ("3260000", "****00"),
        ("12345", "****45"),
        ("110", "****"),
        ("", ""),
        (None, None),
    ],
)
def test_a_masked_number_cannot_be_called(caller: str | None, shown: str | None) -> None:
    assert masks.number(caller) == shown


@settings(deadline=None)
@given(st.from_regex(r"\A\+?[0-9]{3,20}\Z"))
def test_no_masked_number_holds_the_number(caller: str) -> None:
    assert caller not in str(masks.number(caller))
    assert sum(c != "*" for c in str(masks.number(caller))) <= 7


def test_names_are_hidden_whole() -> None:
    assert (masks.name("欧阳锋"), masks.name(""), masks.name(None)) == ("*某", "", None)


def test_a_confidential_call_shows_neither_number_nor_name_of_its_recording() -> None:
    def a_call(**known: Any) -> CallOut:
        return CallOut.model_construct(None, id="n1-1", **known)

    call = a_call(caller="13912348000", recording="2026/11/13912348000.wav")
    shown = masks.call_out(call)
    assert (shown.caller, shown.recording) == ("139****8000", "n1-1")
    unheard = masks.call_out(a_call(caller=None, recording=None))
    assert (unheard.caller, unheard.recording) == (None, None)


def test_units_are_not_told_of_the_callback() -> None:
    assert masks.state(TicketState.CHECKING, ZHUJIAN) is TicketState.DONE
    assert masks.state(TicketState.CHECKING, AGENT) is TicketState.CHECKING
    assert masks.state(TicketState.SIGNED, ZHUJIAN) is TicketState.SIGNED
    assert masks.callback_clock(TicketState.DONE, ZHUJIAN)
    assert not masks.callback_clock(TicketState.DONE, AGENT)
    assert not masks.clock_shown(ClockName.CHECK, ZHUJIAN)
    assert masks.clock_shown(ClockName.CHECK, AGENT)
    moves: list[tuple[str, dict[str, Any], int]] = [
        ("sign", {}, 1),
        ("check", {}, 2),
        ("unmask", {}, 3),
        ("escalate", {"clock": "check"}, 4),
        ("reckon", {"clock": "check"}, 5),
        ("escalate", {"clock": "finish"}, 6),
    ]
    assert masks.moves_shown(moves, ZHUJIAN) == [1, 6]
    assert masks.moves_shown(moves, AGENT) == [1, 2, 3, 4, 5, 6]


# ---- the chain


@dataclass(frozen=True)
class Row:
    ticket_id: str = "BJ20261123-000001"
    seq: int = 1
    at: float = 1.5
    who: str = "1001"
    role: str = "agent"
    unit: str | None = None
    move: str = "note"
    before: str = "draft"
    after: str = "draft"
    why: str = "x"
    call_id: str | None = None
    detail: Any = None
    previous: str = GENESIS
    hash: str = ""


def chained(count: int) -> list[Row]:
    rows: list[Row] = []
    for seq in range(1, count + 1):
        previous = rows[-1].hash if rows else GENESIS
        row = Row(seq=seq, why=f"第{seq}步", detail={"b": 1, "a": [None]}, previous=previous)
        said = {name: getattr(row, name) for name in COVERED}
        rows.append(replace(row, hash=digest(said, previous)))
    return rows


OTHER: dict[str, Any] = {
    "ticket_id": "BJ20261123-000002",
    "seq": 9,
    "at": 2.5,
    "detail": {"b": 2, "a": [None]},
    "previous": "1" * 64,
    "hash": "2" * 64,
}


@pytest.mark.parametrize("column", [*COVERED, "previous", "hash"])
@pytest.mark.parametrize("at", [0, 2])
def test_altering_any_column_of_any_row_breaks_the_chain(column: str, at: int) -> None:
    rows = chained(4)
    assert verify(rows) is None
    rows[at] = replace(rows[at], **{column: OTHER.get(column, "other")})
    assert verify(rows) == at + 1


def test_a_row_that_is_gone_or_moved_breaks_the_chain() -> None:
    assert verify([]) is None
    one, two, three = chained(3)
    assert verify([one, three]) == 2
    assert verify([two, three]) == 1
    assert verify([one, three, two]) == 2
    assert verify([one, two, two]) == 3


def test_a_rewritten_row_needs_every_later_hash_too() -> None:
    rows = chained(3)
    forged = replace(rows[1], why="改")
    said = {name: getattr(forged, name) for name in COVERED}
    rows[1] = replace(forged, hash=digest(said, forged.previous))
    assert verify(rows) == 3


def test_the_form_of_a_hash_does_not_change() -> None:
    """Evidence packs of years ago must be checked with it."""
    text = (
        '{"after":"draft","at":1.5,"before":"draft","call_id":null,"detail":{"a":[null],"b":1},'
        '"move":"note","role":"agent","seq":1,"ticket_id":"BJ20261123-000001","unit":null,'
        '"who":"1001","why":"第1步"}\n' + "0" * 64
    )
    assert chained(1)[0].hash == hashlib.sha256(text.encode()).hexdigest()


# ---- refusals

DRAFT, SIGNED, DONE = TicketState.DRAFT, TicketState.SIGNED, TicketState.DONE
READER = Who(kind="token", id="r", role=Role.READER)


@pytest.mark.parametrize(
    ("who", "state", "changed", "allowed"),
    [
        (AGENT, DRAFT, ["title", "unit"], True),
        (READER, DRAFT, [], False),
        (ZHUJIAN, SIGNED, ["title"], False),
        (AGENT, SIGNED, ["confidential"], True),
        (AGENT, SIGNED, [], True),
        (AGENT, SIGNED, ["title"], False),
        (DISPATCHER, SIGNED, ["title"], True),
        (DISPATCHER, SIGNED, ["unit"], False),
        (DISPATCHER, DONE, ["title"], False),
        (DISPATCHER, DONE, ["confidential"], True),
    ],
)
def test_who_may_edit_what_when(
    who: Who, state: TicketState, changed: list[str], allowed: bool
) -> None:
    if allowed:
        may_edit(who, state, changed)
    else:
        with pytest.raises(Forbidden):
            may_edit(who, state, changed)


def test_words_nobody_knows_are_refused_where_there_is_a_book() -> None:
    places = Gazetteer(counties={"weibin": County(name="渭滨区", unit="weibin")})
    book = Casebook(units=BOOK.units, catalogue=BOOK.catalogue, gazetteer=places)
    strange = {"unit": "nobody", "category": "x.y", "county": "nowhere"}
    for key, value in strange.items():
        with pytest.raises(Invalid):
            known_words(book, {key: value})
        known_words(Casebook(), {key: value})
        known_words(book, {key: None})
    known_words(book, {"unit": "weibin", "category": "zhujian.water", "county": "weibin"})
    known_words(book, {"category": "zhujian"})
    known_units(book, (), key="unit")
    known_move(book, Sign())
    known_move(book, Return(reason="x"))
    for move in (
        Return(reason="x", suggest="nobody"),
        Dispatch(unit="nobody", reason="x"),
        Dispatch(unit="weibin", assisting=["nobody"], reason="x"),
    ):
        with pytest.raises(Invalid, match="nobody"):
            known_move(book, move)


# ---- sight


def units(**parents: str | None) -> Units:
    one = BOOK.units.units["weibin"]
    return Units(
        units={code: one.model_copy(update={"parent": parent}) for code, parent in parents.items()}
    )


def test_a_head_sees_units_below_and_a_clerk_the_own_alone() -> None:
    tree = units(aa=None, bb="aa")
    clerk = Who(kind="user", id="c", role=Role.UNIT, unit="aa")
    head = replace(clerk, head=True)
    assert sight.units_of(clerk, tree) == frozenset({"aa"})
    assert sight.units_of(head, tree) == frozenset({"aa", "bb"})
    assert sight.units_of(replace(clerk, unit=None, head=True), tree) == frozenset()
    assert sight.units_of(AGENT, tree) is None
    assert sight.above_of(replace(AGENT, head=True, unit="aa"), tree) == frozenset()
