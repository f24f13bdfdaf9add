"""What a caller hears, step by step."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.flow import TABLE, Done, FlowEnded, Hear, Heard, Input, Move, Say, State, begin, hear
from schemas.calls import Route, RouteKind
from schemas.numbers import Integration, Number, Register

pytestmark = pytest.mark.unit

SILENCE, FAILED = Heard(), Heard(failed=True)
GENERAL = Route(kind=RouteKind.QUEUE, queue="citizens")
ANSWERS = st.sampled_from([SILENCE, FAILED, *(Heard(key) for key in "0123456789*#")])


def walk(number: Number | None, *answers: Heard, returning: bool = False) -> list[Move]:
    flow, move = begin(number, returning=returning)
    moves = [move]
    for answer in answers:
        flow, move = hear(flow, answer)
        moves.append(move)
    return moves


@pytest.mark.parametrize("answer", [SILENCE, FAILED, Heard("0"), Heard("1"), Heard("7")])
def test_12345_greets_once_and_goes_to_the_general_queue(answer: Heard, register: Register) -> None:
    assert walk(register.find("12345"), answer) == [Say(("greeting",)), Done(GENERAL)]


@pytest.mark.parametrize("answer", [SILENCE, FAILED, Heard("0")])
def test_an_integrated_number_gives_one_notice_and_queues_for_its_owner(
    answer: Heard, register: Register
) -> None:
    moves = walk(register.find("12336"), answer)
    assert moves == [Say(("notice-12336",)), Done(replace(GENERAL, skill="land"))]


def test_a_dual_run_number_asks_the_owners_seat_first(register: Register) -> None:
    route = replace(GENERAL, seat_queue="seat-12328", seat_seconds=20)
    assert walk(register.find("12328"), SILENCE) == [Say(("dual-12328",)), Done(route)]


OFFER = Hear(("onward-12388",), 3.0)
TRANSFER = Done(Route(kind=RouteKind.TRANSFER, target="12388", queue="citizens"))


@pytest.mark.parametrize(
    ("answers", "moves"),
    [
        ([Heard("1")], [OFFER, TRANSFER]),
        ([SILENCE, SILENCE], [OFFER, OFFER, TRANSFER]),
        ([SILENCE, Heard("1")], [OFFER, OFFER, TRANSFER]),
        ([Heard("0")], [OFFER, Done(GENERAL)]),
        ([Heard("5")], [OFFER, Done(GENERAL)]),
        ([SILENCE, Heard("0")], [OFFER, OFFER, Done(GENERAL)]),
        ([FAILED], [OFFER, Done(GENERAL)]),
        ([SILENCE, FAILED], [OFFER, OFFER, Done(GENERAL)]),
    ],
)
def test_a_number_that_is_not_ours_offers_the_transfer(
    answers: list[Heard], moves: list[Move], register: Register
) -> None:
    assert walk(register.find("12388"), *answers) == moves


def test_our_own_transfer_that_came_back_is_not_transferred_again(register: Register) -> None:
    assert walk(register.find("12388"), returning=True) == [Done(GENERAL)]


def test_an_unknown_number_hears_so_and_reaches_an_agent() -> None:
    assert walk(None, SILENCE) == [Say(("unknown-number",)), Done(GENERAL)]


@pytest.mark.parametrize(
    ("digits", "gap"),
    [("12328", {"seat": None}), ("12388", {"onward": None}), ("12336", {"flow": "new"})],
)
def test_a_gap_in_the_register_still_leads_to_a_person(
    digits: str, gap: dict[str, str | None], register: Register
) -> None:
    number = replace(register.numbers[digits], **gap)  # type: ignore[arg-type]
    assert walk(number, SILENCE) == [Say((number.notice,)), Done(GENERAL)]


def test_after_the_end_nothing_moves(register: Register) -> None:
    flow, _ = begin(register.find("12388"), returning=True)
    with pytest.raises(FlowEnded):
        hear(flow, SILENCE)


def test_the_table_has_a_way_out_of_every_state_for_every_input() -> None:
    assert set(TABLE) == set(State)
    assert all(set(ways) in (set(Input), set()) for ways in TABLE.values())


@given(
    data=st.data(),
    answers=st.lists(ANSWERS, min_size=2, max_size=2),
    returning=st.booleans(),
)
def test_every_flow_ends_with_a_person_after_two_prompts_at_most(
    data: st.DataObject, answers: list[Heard], returning: bool, register: Register
) -> None:
    number = data.draw(st.sampled_from([None, *register.numbers.values()]))
    flow, move = begin(number, returning=returning)
    for answer in answers:
        if not isinstance(move, Done):
            flow, move = hear(flow, answer)
    assert isinstance(move, Done)
    assert move.route.queue  # a person is what follows, also when a transfer is not answered
    if move.route.kind is RouteKind.TRANSFER:
        assert number is not None
        assert number.integration is Integration.NOT_INTEGRATED
        assert not any(a.failed or a.key == "0" for a in answers[:1])
