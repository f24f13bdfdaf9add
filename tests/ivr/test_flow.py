"""The flow machine: what each kind of step does with what was heard."""

from typing import Any

import pytest

from ivr.flow import FAILURES, MOST_STEPS
from schemas.calls import Route
from schemas.moves import Collect, Done, Hear, Heard, Look, Say
from tests.ivr.flow_walks import (
    AGENT,
    ASKED,
    DIGITS,
    ENDS,
    ENTERED,
    FAILED,
    GENERAL,
    LISTEN,
    MENU,
    SAID,
    SAY,
    SILENCE,
    end,
    flow,
    key,
    moves,
    queue,
    transfer,
    walk,
)

pytestmark = pytest.mark.unit

# ---- say


@pytest.mark.parametrize("heard", [SILENCE, FAILED, key("5"), key("#")])
def test_after_what_is_said_the_flow_goes_on_heard_or_not(heard: Heard) -> None:
    steps = {"a": SAY, "b": {"do": "queue", "queue": "q"}}
    assert moves(steps, heard) == [SAID, Done(step="f/b", route=queue(queue="q"))]


def test_key_0_during_what_is_said_is_a_person() -> None:
    steps = {"a": SAY, "b": {"do": "hangup"}}
    assert moves(steps, key("0")) == [SAID, AGENT]


# ---- type-ahead


@pytest.mark.parametrize(
    "between",
    [
        {},
        {"b": {"do": "goto", "to": "c"}},
        {"b": {"do": "hours", "schedule": "day", "open": "c", "closed": "person"}},
        {"b": {"do": "goto", "flow": "sub", "then": "c"}},
    ],
)
def test_a_key_that_cuts_what_is_said_answers_the_question_that_follows(
    between: dict[str, Any],
) -> None:
    sub = flow({"a": {"do": "goto", "to": "return"}}, "sub")
    steps = {"a": SAY, **between, ("c" if between else "b"): MENU, **ENDS}
    assert end(steps, key("2"), others=(sub,)) == queue(queue="two")


def test_a_listen_takes_it_too() -> None:
    steps = {"a": SAY, "b": MENU | {"do": "listen", "intents": {"x": "one"}}, **ENDS}
    assert end(steps, key("2"), speech=True) == queue(queue="two")


def test_a_key_pressed_ahead_that_nobody_offers_is_a_failure_and_the_question_is_asked() -> None:
    steps = {"a": SAY, "b": MENU, **ENDS}
    one = Done(step="f/one", route=queue(queue="one"))
    assert moves(steps, key("9"), key("1")) == [SAID, ASKED, one]
    assert moves(steps, key("9"), key("9")) == [SAID, ASKED, AGENT]


@pytest.mark.parametrize(
    "between",
    [
        {"b": {"do": "lookup", "what": "surge", "cases": {"on": "one"}, "otherwise": "c"}},
        {"b": {"do": "say", "prompts": ["hello"], "next": "c"}},
    ],
)
def test_a_key_does_not_answer_what_comes_later(between: dict[str, Any]) -> None:
    steps = {"a": SAY, **between, "c": MENU, **ENDS}
    assert moves(steps, key("1"), SILENCE)[-1] == Hear(step="f/c", prompts=("ask",), wait=3.0)


def test_a_digit_that_cuts_what_is_said_begins_the_entry_that_follows() -> None:
    steps = {"a": SAY, "b": DIGITS, **ENTERED}
    rest = Collect(step="f/b", prompts=(), most=3, wait=4.0)
    done = Done(step="f/z", route=transfer("789"))
    assert moves(steps, key("7"), Heard(digits="89")) == [SAID, rest, done]
    assert end(steps, key("7"), SILENCE, Heard(digits="123")) == transfer("123")


def test_other_keys_only_cut_what_is_said_before_an_entry() -> None:
    steps = {"a": SAY, "b": DIGITS, **ENTERED}
    whole = Collect(step="f/b", prompts=("ask",), most=4, wait=4.0)
    done = Done(step="f/z", route=transfer("1234"))
    assert moves(steps, key("#"), Heard(digits="1234")) == [SAID, whole, done]


def test_an_entry_of_one_digit_may_be_whole_before_it_is_asked_for() -> None:
    steps = {"a": SAY, "b": DIGITS | {"min": 1, "max": 1}, **ENTERED}
    assert end(steps, key("7")) == transfer("7")


# ---- menu


@pytest.mark.parametrize(
    ("more", "heard", "route"),
    [
        ({}, [key("1")], queue(queue="one")),
        ({}, [key("0")], GENERAL),
        ({"keys": {"0": "two"}}, [key("0")], queue(queue="two")),
        ({}, [FAILED], GENERAL),
        ({}, [SILENCE, key("2")], queue(queue="two")),
        ({}, [SILENCE, SILENCE], GENERAL),
        ({}, [key("9"), SILENCE], GENERAL),
        ({}, [key("9"), key("1")], queue(queue="one")),
        ({"silence": "two"}, [SILENCE, SILENCE], queue(queue="two")),
        ({"silence": "two", "retries": 0}, [SILENCE], queue(queue="two")),
        ({"silence": "two", "retries": 3}, [SILENCE] * 4, queue(queue="two")),
        ({"otherwise": "two", "retries": 0}, [key("9")], queue(queue="two")),
        ({"otherwise": "two", "retries": 3}, [key("9"), key("#")], GENERAL),
        ({"wait": 0}, [SILENCE], GENERAL),
        ({"wait": 0, "silence": "two"}, [SILENCE], queue(queue="two")),
        ({}, [Heard(intent="one")], None),
        ({"retries": 0, "otherwise": "two"}, [Heard(intent="")], queue(queue="two")),
    ],
)  # fmt: skip
def test_a_menu_leads_where_the_caller_says(
    more: dict[str, Any], heard: list[Heard], route: Route | None
) -> None:
    found = moves({"a": MENU | more, **ENDS}, *heard)
    assert found[:-1] == [found[0]] * len(heard)  # the same question until it is answered
    last = found[-1]
    assert last == found[0] if route is None else isinstance(last, Done) and last.route == route


def test_a_menu_may_ask_in_other_words_the_second_time() -> None:
    steps = {"a": MENU | {"again": ["again"], "wait": 1.5}, **ENDS}
    assert moves(steps, SILENCE, SILENCE) == [
        Hear(step="f/a", prompts=("ask",), wait=1.5),
        Hear(step="f/a", prompts=("again",), wait=1.5),
        AGENT,
    ]


def test_failures_of_two_menus_count_together() -> None:
    steps = {"a": MENU | {"retries": 0, "otherwise": "b"}, "b": MENU | {"retries": 3}, **ENDS}
    assert FAILURES == 2
    assert moves(steps, key("9"), key("9")) == [
        Hear(step="f/a", prompts=("ask",), wait=3.0), ASKED, AGENT,
    ]  # fmt: skip


def test_silence_that_the_document_provides_for_is_no_failure() -> None:
    steps = {"a": MENU | {"retries": 0, "silence": "b"}, "b": MENU | {"retries": 1}, **ENDS}
    assert moves(steps, SILENCE, key("9"))[1:] == [ASKED, ASKED]


def test_a_menu_entered_anew_has_all_its_tries_again() -> None:
    steps = {"a": MENU | {"keys": {"1": "a"}, "silence": "one", "again": ["again"]}, **ENDS}
    found = moves(steps, SILENCE, key("1"), SILENCE, SILENCE)
    assert [m.prompts for m in found[:-1] if isinstance(m, Hear)] == [
        ("ask",), ("again",), ("ask",), ("again",),
    ]  # fmt: skip
    assert found[-1] == Done(step="f/one", route=queue(queue="one"))


# ---- listen without speech; with it, see test_flow_words


@pytest.mark.parametrize(("more", "speech"), [({}, False), ({"intents": {}}, True)])
def test_without_speech_a_listen_is_a_menu_with_a_wait_of_its_own(
    more: dict[str, Any], speech: bool
) -> None:
    steps = {"a": LISTEN | more, **ENDS}
    asked = Hear(step="f/a", prompts=("ask",), wait=1.0)
    assert moves(steps, speech=speech) == [asked]
    assert end(steps, key("1"), speech=speech) == queue(queue="one")
    assert moves(steps, SILENCE, speech=speech) == [asked, asked]


def test_without_speech_and_a_wait_for_keys_silence_goes_on_at_once() -> None:
    steps = {"a": LISTEN | {"key_wait": 0, "silence": "two"}, **ENDS}
    assert end(steps, SILENCE) == queue(queue="two")


# ---- digits


def test_an_entry_becomes_a_variable() -> None:
    asked = Collect(step="f/a", prompts=("ask",), most=4, wait=4.0)
    found = moves({"a": DIGITS, **ENTERED}, Heard(digits="1234"))
    assert found == [asked, Done(step="f/z", route=transfer("1234"))]


@pytest.mark.parametrize("entry", ["", "1", "12", "12345", "1*3", "１２３", None])
def test_an_entry_that_is_none_is_asked_for_again_and_then_a_person_helps(
    entry: str | None,
) -> None:
    heard = Heard(digits=entry)
    steps = {"a": DIGITS | {"again": ["again"]}, **ENTERED}
    found = moves(steps, heard, heard)
    assert [m.prompts for m in found[:2] if isinstance(m, Collect)] == [("ask",), ("again",)]
    assert found[2] == AGENT


@pytest.mark.parametrize("heard", [Heard(digits="0"), FAILED])
def test_0_alone_instead_of_an_entry_is_a_person(heard: Heard) -> None:
    assert moves({"a": DIGITS | {"min": 1}, **ENTERED}, heard)[-1] == AGENT


def test_a_failed_entry_may_lead_elsewhere() -> None:
    steps = {"a": DIGITS | {"retries": 0, "failed": "one"}, **ENTERED, **ENDS}
    assert end(steps, SILENCE) == queue(queue="one")


# ---- lookup

LOOKUP = {
    "do": "lookup", "what": "last_agent", "cases": {"free": "same", "busy": "one"},
    "otherwise": "two",
}  # fmt: skip
SAME = {"same": {"do": "queue", "agent": "{agent}"}, **ENDS}


@pytest.mark.parametrize(
    ("heard", "route"),
    [
        (Heard(word="free", found={"agent": "8001"}), queue(agent="8001")),
        (Heard(word="free", found={"agent": "8001;x"}), GENERAL),
        (Heard(word="free", found={"unit": "8001"}), GENERAL),
        (Heard(word="free"), GENERAL),
        (Heard(word="busy", found={"agent": "8001"}), queue(queue="one")),
        (Heard(word="none"), queue(queue="two")),
        (Heard(word="what?"), queue(queue="two")),
        (SILENCE, queue(queue="two")),
        (Heard(failed="too late"), queue(queue="two")),
    ],
)
def test_a_lookup_leads_where_the_answer_says(heard: Heard, route: Route) -> None:
    assert end({"a": LOOKUP, **SAME}, heard) == route


def test_a_lookup_sets_its_own_variables_and_no_other() -> None:
    steps = {
        "a": LOOKUP | {"cases": {"free": "t"}},
        "t": {"do": "transfer", "to": "{number}{agent}"},
    }
    assert end(steps, Heard(word="free", found={"agent": "1", "number": "9"})) == transfer("123361")


def test_a_lookup_may_ask_about_a_variable() -> None:
    steps = {
        "a": DIGITS | {"next": "b"},
        "b": {"do": "lookup", "what": "ticket", "of": "{entry}", "cases": {"open": "one"}},
        **ENDS,
    }
    assert moves(steps, Heard(digits="123"))[-1] == Look(step="f/b", what="ticket", of="123")
    assert moves({"a": LOOKUP, **SAME}) == [Look(step="f/a", what="last_agent", of="")]


def test_an_answer_that_did_not_come_is_told() -> None:
    _, place = walk({"a": LOOKUP, **SAME}, Heard(failed="too late"))
    assert place.troubles == (("f/a", "too late"),)


# ---- hours, goto, sub-flows


@pytest.mark.parametrize(("schedule", "route"), [("day", "one"), ("never", "two"), ("noon", "two")])
def test_the_clock_decides(schedule: str, route: str) -> None:
    steps = {"a": {"do": "hours", "schedule": schedule, "open": "one", "closed": "two"}, **ENDS}
    found, place = walk(steps)
    assert found == [Done(step=f"f/{route}", route=queue(queue=route))]
    assert not place.troubles


def test_a_schedule_that_is_not_there_is_closed_and_told() -> None:
    steps = {"a": {"do": "hours", "schedule": "x", "open": "one", "closed": "two"}, **ENDS}
    found, place = walk(steps)
    assert found == [Done(step="f/two", route=queue(queue="two"))]
    assert place.troubles == (("f/a", "there is no schedule 'x'"),)


def test_a_flow_returns_to_who_called_it_over_two_floors() -> None:
    steps = {"a": {"do": "goto", "flow": "g", "then": "one"}, **ENDS}
    middle = flow({"a": {"do": "goto", "flow": "h", "then": "return"}}, "g")
    inner = flow({"a": {"do": "say", "prompts": ["hello"], "next": "return"}}, "h")
    assert moves(steps, SILENCE, others=(middle, inner)) == [
        Say(step="h/a", prompts=("hello",)),
        Done(step="f/one", route=queue(queue="one")),
    ]


def test_a_flow_that_nobody_called_returns_to_a_person() -> None:
    found, place = walk({"a": {"do": "goto", "to": "return"}})
    assert found == [AGENT]
    assert not place.troubles


def test_a_person_within_a_sub_flow_is_the_end() -> None:
    steps = {"a": {"do": "goto", "flow": "g", "then": "one"}, **ENDS}
    assert moves(steps, others=(flow({"a": {"do": "goto", "to": "person"}}, "g"),)) == [AGENT]


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({"do": "goto", "to": "x"}, ("f/x", "there is no such step")),
        ({"do": "goto", "flow": "x", "then": "one"}, ("f/a", "there is no flow 'x'")),
        ({"do": "goto", "to": "a"}, ("f/a", "goes round in circles")),
        ({"do": "goto", "flow": "f", "then": "one"}, ("f/a", "goes round in circles")),
    ],
)
def test_what_leads_nowhere_leads_to_a_person_and_is_told(
    step: dict[str, Any], what: tuple[str, str]
) -> None:
    found, place = walk({"a": step, **ENDS})
    assert found == [AGENT]
    assert place.troubles == (what,)


def test_a_caller_who_goes_round_in_circles_meets_a_person() -> None:
    steps = {"a": MENU | {"keys": {"1": "a"}}}
    found, place = walk(steps, *[key("1")] * MOST_STEPS)
    assert found[-1] == AGENT
    assert len(found) == MOST_STEPS + 1
    assert place.troubles == (("f/a", "goes round in circles"),)
