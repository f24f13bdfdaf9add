"""The flow machine: how a flow begins and ends, and what of its prompts can be played."""

from dataclasses import replace
from typing import Any

import pytest

from ivr.flow import FlowEnded, begin, hear
from schemas.calls import Outcome, Route, RouteKind
from schemas.city import Spoken
from schemas.moves import Done, Hear, Heard, Say
from tests.ivr.flow_walks import (
    AGENT,
    DIGITS,
    ENDS,
    ENTERED,
    FAILED,
    GENERAL,
    LISTEN,
    MENU,
    SAY,
    SILENCE,
    city,
    end,
    flow,
    hangup,
    key,
    moves,
    number,
    queue,
    situation,
    start,
    transfer,
    walk,
)

pytestmark = pytest.mark.unit

# ---- ends

NOTICE = {"do": "notice", "prompts": ["hello"], "keys": {"1": "one"}}


@pytest.mark.parametrize(
    ("step", "heard", "route"),
    [
        ({"do": "queue"}, None, GENERAL),
        ({"do": "queue", "queue": "q", "priority": 3}, None, queue(queue="q", priority=3)),
        ({"do": "queue", "prompts": ["bye"]}, FAILED, GENERAL),
        ({"do": "queue", "queue": "q", "prompts": ["bye"]}, key("0"), queue(queue="q")),
        ({"do": "queue", "skill": "{unit}"}, None, queue(skill="land")),
        ({"do": "queue", "skill": "skill-night"}, None, queue(skill="skill-night")),
        ({"do": "queue", "skill": "{nothing}"}, None, GENERAL),
        ({"do": "queue", "skill": "mars"}, None, GENERAL),
        ({"do": "queue", "seat": True}, None, GENERAL),
        ({"do": "queue", "agent": "8001"}, None, queue(agent="8001")),
        ({"do": "transfer", "to": "110"}, None, transfer("110")),
        ({"do": "transfer", "to": "110", "priority": 9}, None, transfer("110", priority=9)),
        ({"do": "transfer", "to": "+{number}"}, None, transfer("+12336")),
        ({"do": "transfer", "to": "{onward}"}, None, GENERAL),
        ({"do": "transfer", "to": "1+1", "priority": 9}, None, queue(priority=9)),
        ({"do": "transfer", "to": "110", "prompts": ["bye"]}, SILENCE, transfer("110")),
        ({"do": "transfer", "to": "110", "prompts": ["bye"]}, FAILED, transfer("110")),
        ({"do": "transfer", "to": "110", "prompts": ["bye"]}, key("5"), transfer("110")),
        ({"do": "transfer", "to": "110", "prompts": ["bye"], "priority": 9}, key("0"),
         queue(priority=9)),
        ({"do": "message"}, None, queue(kind=RouteKind.MESSAGE, outcome=Outcome.CALLBACK_PROMISED)),
        ({"do": "message", "prompts": ["bye"]}, FAILED,
         queue(kind=RouteKind.MESSAGE, outcome=Outcome.CALLBACK_PROMISED)),
        ({"do": "message", "prompts": ["bye"]}, key("0"), GENERAL),
        ({"do": "hangup"}, None, hangup(Outcome.SELF_SERVICE)),
        ({"do": "hangup", "prompts": ["bye"]}, SILENCE, hangup(Outcome.SELF_SERVICE)),
        ({"do": "hangup", "prompts": ["bye"], "outcome": "out_of_scope"}, key("5"),
         hangup(Outcome.OUT_OF_SCOPE)),
        ({"do": "hangup", "prompts": ["bye"]}, key("0"), GENERAL),
        ({"do": "hangup", "prompts": ["bye"]}, FAILED, GENERAL),
        (NOTICE, SILENCE, hangup(Outcome.OUT_OF_SCOPE)),
        (NOTICE | {"outcome": "callback_promised"}, SILENCE, hangup(Outcome.CALLBACK_PROMISED)),
        (NOTICE, key("1"), queue(queue="one")),
        (NOTICE, key("0"), GENERAL),
        (NOTICE, key("9"), GENERAL),
        (NOTICE | {"keys": {"0": "two"}}, key("0"), queue(queue="two")),
        (NOTICE, FAILED, GENERAL),
    ],
)  # fmt: skip
def test_every_end_has_its_route(step: dict[str, Any], heard: Heard | None, route: Route) -> None:
    assert end({"a": step, **ENDS}, *([] if heard is None else [heard])) == route


def test_what_is_heard_before_an_end_is_a_move_of_its_own() -> None:
    assert moves({"a": {"do": "hangup", "prompts": ["bye"]}}) == [Say(step="f/a", prompts=("bye",))]
    assert moves({"a": NOTICE, **ENDS}) == [Hear(step="f/a", prompts=("hello",), wait=2.0)]


def test_the_owners_seats_come_first_where_the_number_has_some() -> None:
    steps = {"a": {"do": "queue", "seat": True, "skill": "{unit}"}}
    dual = number(seat="3260000", seat_seconds=20)
    assert end(steps, of=dual) == queue(seat_queue="seat-12336", seat_seconds=20, skill="land")
    assert end(steps, of=replace(dual, seat_seconds=0)) == queue(skill="land")
    assert begin(city(flow(steps, "unknown")), situation(None))[1] == Done(
        step="unknown/a", route=GENERAL
    )


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({"do": "queue", "skill": "mars"}, "nobody can have the skill 'mars'"),
        ({"do": "transfer", "to": "{hotline}"}, "'某热线' cannot be dialled"),
    ],
)
def test_an_end_that_cannot_be_as_written_is_told(step: dict[str, Any], what: str) -> None:
    assert walk({"a": step})[1].troubles == (("f/a", what),)


# ---- prompts


def test_prompts_are_ids_values_and_ids_made_of_values() -> None:
    prompts = ["hello", "{notice}", {"number": "{line_no}"}]
    steps = {"a": {"do": "say", "prompts": prompts, "next": "person"}}
    assert moves(steps) == [Say(step="f/a", prompts=("hello", "notice-x", "n-7"))]


def test_what_cannot_be_said_is_left_out_and_told() -> None:
    prompts = ["missing", {"number": "{hotline}"}, "hello", {"money": "3.5"}]
    found, place = walk({"a": {"do": "say", "prompts": prompts, "next": "person"}})
    assert found[0].prompts[0] == "hello"  # type: ignore[union-attr]
    assert ("f/a", "there is no prompt 'missing'") in place.troubles
    assert any("某热线" in what for _, what in place.troubles)


GONE: dict[str, Any] = {"prompts": ["missing"]}


@pytest.mark.parametrize(
    ("step", "route"),
    [
        ({"do": "say", "next": "one"}, queue(queue="one")),
        (MENU, GENERAL),
        (LISTEN, GENERAL),
        (DIGITS, GENERAL),
        (NOTICE, GENERAL),
        ({"do": "hangup"}, GENERAL),
        ({"do": "queue", "queue": "q"}, queue(queue="q")),
        ({"do": "transfer", "to": "110"}, transfer("110")),
        ({"do": "message"}, queue(kind=RouteKind.MESSAGE, outcome=Outcome.CALLBACK_PROMISED)),
    ],
)
def test_who_can_be_told_nothing_is_neither_asked_nor_hung_up_on(
    step: dict[str, Any], route: Route
) -> None:
    found, place = walk({"a": {**step, **GONE}, **ENDS, **ENTERED})
    assert [type(move) for move in found] == [Done]
    assert end({"a": {**step, **GONE}, **ENDS, **ENTERED}) == route
    assert ("f/a", "there is no prompt 'missing'") in place.troubles


def test_troubles_are_those_since_the_last_move() -> None:
    steps = {"a": {"do": "say", "prompts": ["hello", "missing"], "next": "b"}, "b": {"do": "queue"}}
    place, _ = start(steps)
    assert place.troubles == (("f/a", "there is no prompt 'missing'"),)
    assert hear(place, SILENCE)[0].troubles == ()
    assert hear(place, FAILED)[0].troubles == (("f/a", "no sound"),)


def test_troubles_on_the_way_to_a_question_answered_ahead_are_told_too() -> None:
    steps = {
        "a": SAY,
        "b": {"do": "hours", "schedule": "x", "open": "c", "closed": "c"},
        "c": MENU,
        **ENDS,
    }
    place, _ = hear(start(steps)[0], key("1"))
    assert place.troubles == (("f/b", "there is no schedule 'x'"),)


# ---- the beginning and after the end


def test_an_unknown_number_has_a_flow_of_its_own() -> None:
    steps = {"a": {"do": "say", "prompts": ["{notice}"], "next": "person"}}
    here = replace(city(flow(steps, "unknown")), prompts={"unknown-number": Spoken("未登记", 2.0)})
    assert begin(here, situation(None))[1] == Say(step="unknown/a", prompts=("unknown-number",))


def test_a_number_whose_flow_is_missing_reaches_a_person() -> None:
    place, move = begin(city(), situation(number(flow="x")))
    assert move == Done(step="x/person", route=GENERAL)
    assert place.troubles == (("x/person", "there is no flow 'x'"),)


def test_a_flow_that_begins_nowhere_reaches_a_person() -> None:
    place, move = begin(city(flow({"a": SAY}, start="x")), situation(number()))
    assert move == Done(step="f/x", route=GENERAL)
    assert place.troubles == (("f/x", "there is no such step"),)


def test_our_own_transfer_that_came_back_is_not_played_to_again() -> None:
    found, place = walk({"a": SAY}, returning=True)
    assert found == [AGENT]
    assert not place.troubles


def test_after_the_end_nothing_moves() -> None:
    place, _ = start({"a": {"do": "queue"}})
    with pytest.raises(FlowEnded, match="f/a"):
        hear(place, SILENCE)
