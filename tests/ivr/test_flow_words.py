"""The flow machine: what callers say, asked about once where we are not sure."""

from typing import Any

import pytest

from ivr.flow import begin, hear
from ivr.place import Place
from schemas.calls import Route
from schemas.moves import Done, Hear, Heard, Listen, Move, Say
from schemas.numbers import Integration, Number
from tests.ivr.flow_walks import (
    AGENT,
    ENDS,
    FAILED,
    GENERAL,
    LISTEN,
    SAY,
    SILENCE,
    Steps,
    city,
    end,
    flow,
    key,
    moves,
    number,
    queue,
    situation,
    walk,
    words,
)

pytestmark = pytest.mark.unit

ASKED = Listen(step="f/a", prompts=("ask",), wait=2.5, key_wait=1.0, intents=("yes",))


def test_words_and_keys_are_taken() -> None:
    steps = {"a": LISTEN, **ENDS}
    assert moves(steps, speech=True) == [ASKED]
    assert end(steps, words("yes"), speech=True) == queue(queue="two")
    assert end(steps, key("1"), speech=True) == queue(queue="one")
    assert moves(steps, words(""), speech=True) == [ASKED, ASKED]
    assert moves(steps, words("no"), words(""), speech=True) == [ASKED, ASKED, AGENT]
    assert moves(steps, SILENCE, words(""), speech=True) == [ASKED, ASKED, AGENT]
    assert moves(steps, FAILED, speech=True) == [ASKED, AGENT]


@pytest.mark.parametrize(
    ("more", "speech", "heard", "prompts"),
    [
        ({}, True, [], "spoken"),
        ({}, False, [], "ask"),
        ({"intents": {}}, True, [], "ask"),
        ({"intents": {}, "lines": "one"}, True, [], "spoken"),
        ({}, True, [SILENCE], "spoken"),
        ({"again": ["again"]}, True, [SILENCE], "again"),
        ({"again": ["again"]}, False, [SILENCE], "again"),
    ],
)
def test_who_can_be_understood_is_greeted_in_other_words(
    more: dict[str, Any], speech: bool, heard: list[Heard], prompts: str
) -> None:
    last = moves({"a": LISTEN | {"spoken": ["spoken"]} | more, **ENDS}, *heard, speech=speech)[-1]
    assert isinstance(last, Listen | Hear)
    assert last.prompts == (prompts,)


# ---- not sure

DOUBTED: dict[str, Any] = {
    "do": "listen", "prompts": ["hello"], "wait": 2.5, "key_wait": 0,
    "keys": {"1": "one", "2": "two"}, "otherwise": "two", "silence": "two", "retries": 0,
    "intents": {"progress": "one", "agent": "two", "emergency-119": "fire", "yes": "two"},
}  # fmt: skip
FIRE = {"fire": {"do": "queue", "queue": "fire"}}
UNSURE = words("progress", sure=False)
MEANT = Listen(
    step="f/a", prompts=("ask-progress",), wait=2.5, key_wait=2.5,
    intents=("yes", "no", "emergency-119"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "route"),
    [
        (words("yes"), queue(queue="one")),
        (key("1"), queue(queue="one")),
        (words("emergency-119"), queue(queue="fire")),
        (words("emergency-119", sure=False), queue(queue="fire")),
        (words("yes", sure=False), GENERAL),
        (words("no"), GENERAL),
        (words(""), GENERAL),
        (words("progress"), GENERAL),
        (words("emergency-110"), GENERAL),
        (key("2"), GENERAL),
        (key("0"), GENERAL),
        (SILENCE, GENERAL),
        (FAILED, GENERAL),
    ],
)
def test_who_was_not_sure_to_have_meant_it_is_asked_once(answer: Heard, route: Route) -> None:
    steps = {"a": DOUBTED, **ENDS, **FIRE}
    assert moves(steps, UNSURE, speech=True)[-1] == MEANT
    assert end(steps, UNSURE, answer, speech=True) == route


def test_an_emergency_is_not_asked_about_twice() -> None:
    """Its own flow asks; so long a way for who is right must not be longer."""
    steps = {"a": DOUBTED, **ENDS, **FIRE}
    assert end(steps, words("emergency-119", sure=False), speech=True) == queue(queue="fire")


@pytest.mark.parametrize("intent", ["agent", "yes"])
def test_what_no_prompt_asks_about_counts_for_nothing_unless_it_is_sure(intent: str) -> None:
    steps = {"a": DOUBTED | {"otherwise": "fire"}, **ENDS, **FIRE}
    assert end(steps, words(intent, sure=False), speech=True) == queue(queue="fire")
    assert end(steps, words(intent), speech=True) == queue(queue="two")


def test_what_was_meant_may_ask_about_something_new() -> None:
    """A doubt that was cleared is forgotten: the key 1 of the next question is its own."""
    steps = {"a": DOUBTED | {"intents": {"progress": "b"}}, "b": DOUBTED, **ENDS, **FIRE}
    heard = (UNSURE, words("yes"), key("2"))
    assert end(steps, *heard, speech=True) == queue(queue="two")


def test_who_is_never_sure_meets_a_person_all_the_same() -> None:
    steps = {"a": DOUBTED | {"intents": {"progress": "a"}}, **ENDS}
    _, place = walk(steps, *[UNSURE, words("yes")] * 30, speech=True)
    assert place.troubles == (("f/a", "goes round in circles"),)
    assert place.over


# ---- lines of the annex

MAIN = number(number="12345", line_no=1, unit="gov")
WATER = number(number="3221212", line_no=40, unit="zhujian", integration=Integration.DUAL_RUN)
POWER = number(
    number="95598", line_no=41, unit="gongdian", integration=Integration.NOT_INTEGRATED,
    notice="bye", onward="95598",
)  # fmt: skip
OTHERS = (
    number(), WATER, number(number="3658059", line_no=40, notice="hello"), POWER,
)  # fmt: skip
LINES: Steps = {
    "a": {
        "do": "listen", "prompts": ["hello"], "retries": 0, "silence": "two",
        "intents": {"line-41": "power"}, "lines": "said",
    },
    "said": {
        "do": "lookup", "what": "line", "cases": {"dual_run": "wait", "integrated": "wait"},
        "otherwise": "one",
    },
    "wait": {"do": "queue", "skill": "{unit}"},
    "power": {"do": "say", "prompts": ["{notice}"], "next": "said"},
    **ENDS,
}  # fmt: skip


def said(*heard: Heard, dialled: Number | None = MAIN) -> tuple[list[Move], Place]:
    """Return moves and place of who dialled so and said that."""
    here = city(flow(LINES), flow(LINES, "unknown"), of=MAIN, others=OTHERS)
    place, move = begin(here, situation(dialled, speech=True))
    found = [move]
    for one in heard:
        place, move = hear(place, one)
        found.append(move)
    return found, place


def test_every_line_of_the_register_may_be_said() -> None:
    (move,), _ = said()
    assert isinstance(move, Listen)
    assert move.intents == ("line-41", "line-1", "line-7", "line-40")


@pytest.mark.parametrize("dialled", [MAIN, None])
def test_who_dialled_no_line_of_its_own_is_served_as_if_they_had(dialled: Number | None) -> None:
    found, place = said(words("line-40"), dialled=dialled)
    name = "unknown" if dialled is None else "f"
    assert found[-1] == Done(step=f"{name}/wait", route=queue(skill="zhujian"))
    assert place.situation.number == WATER  # the first number of the line
    assert (place.values["number"], place.values["caller"]) == ("3221212", "13900000001")
    assert not place.troubles


def test_a_line_that_is_not_ours_goes_its_own_way() -> None:
    found, place = said(words("line-41"), SILENCE)
    assert found[1:] == [
        Say(step="f/power", prompts=("bye",)),
        Done(step="f/one", route=queue(queue="one")),
    ]
    assert place.situation.number == POWER


def test_what_was_said_may_be_said_otherwise() -> None:
    steps = {
        "a": LINES["a"] | {"intents": {}, "lines": "b"},
        "b": LINES["a"] | {"intents": {}, "lines": "wait"},
        "wait": LINES["wait"],
        **ENDS,
    }
    here = city(flow(steps), of=MAIN, others=OTHERS)
    place, _ = begin(here, situation(MAIN, speech=True))
    place, _ = hear(place, words("line-41"))
    place, move = hear(place, words("line-40"))
    assert place.situation.number == WATER
    assert move == Done(step="f/wait", route=queue(skill="zhujian"))


def test_a_line_we_are_not_sure_of_is_asked_about() -> None:
    unsure = words("line-7", sure=False)
    found, place = said(unsure)
    assert found[-1] == Listen(
        step="f/a", prompts=("ask-line-7",), wait=3.0, key_wait=3.0, intents=("yes", "no")
    )
    assert place.situation.number == MAIN
    found, place = said(unsure, words("yes"))
    assert found[-1] == Done(step="f/wait", route=queue(skill="land"))
    assert said(unsure, words("no"))[1].situation.number == MAIN


def test_a_number_that_was_dialled_for_its_own_sake_holds() -> None:
    found, place = said(words("line-40"), dialled=number())
    assert found[-1] == Done(step="f/wait", route=queue(skill="land"))
    assert place.situation.number == number()


def test_a_line_there_is_not_was_not_understood() -> None:
    assert said(words("line-99"))[0][-1] == Done(step="f/person", route=GENERAL)
    here = {"a": LISTEN | {"intents": {"line-99": "one"}}, **ENDS}
    found, place = walk(here, words("line-99"), speech=True)
    assert found[-1] == Done(step="f/one", route=queue(queue="one"))
    assert place.situation.number == number()


@pytest.mark.parametrize(
    ("dialled", "step"), [(MAIN, "wait"), (WATER, "wait"), (POWER, "one"), (None, "one")]
)
def test_what_was_dialled_has_a_class_too(dialled: Number | None, step: str) -> None:
    steps = {**LINES, "a": LINES["said"]}
    here = city(flow(steps), flow(steps, "unknown"), of=MAIN, others=OTHERS)
    _, move = begin(here, situation(dialled))
    assert isinstance(move, Done)
    assert move.step.partition("/")[2] == step


def test_a_key_pressed_ahead_answers_a_listen() -> None:
    steps = {"a": SAY, "b": DOUBTED, **ENDS, **FIRE}
    assert end(steps, key("2"), speech=True) == queue(queue="two")
