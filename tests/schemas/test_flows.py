"""What a flow document may say, and what it means."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hotline import documents
from schemas import flows
from schemas.flows import (
    CALL_VARIABLES,
    LOOKUPS,
    OF_NUMBER,
    PERSON,
    UNKNOWN_NOTICE,
    AnyStep,
    Flow,
    Listen,
    Spoken,
    fill,
    known_of,
    lines_of,
    variables,
)
from schemas.numbers import Integration, Number, Register

pytestmark = pytest.mark.unit

STEP: TypeAdapter[AnyStep] = TypeAdapter(AnyStep)
SCHEMA = Path(flows.__file__).with_name("flow.schema.json")


def step(**values: Any) -> AnyStep:
    return STEP.validate_python(values)


SOME = {"prompts": ["greeting"]}
STEPS: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...], int]] = {
    "say": ({**SOME, "next": "b"}, (("next", "b"),), 1),
    "menu": (
        {**SOME, "again": ["x", "y"], "keys": {"1": "b", "*": "c"}, "silence": "d"},
        (("keys.1", "b"), ("keys.*", "c"), ("silence", "d"), ("otherwise", PERSON)),
        3,
    ),
    "listen": (
        {**SOME, "spoken": ["x"], "lines": "d", "intents": {"agent": "b"}, "otherwise": "c"},
        (("otherwise", "c"), ("lines", "d"), ("intents.agent", "b")),
        2,
    ),
    "digits": (
        {**SOME, "again": ["x"], "into": "entry", "next": "b"},
        (("next", "b"), ("failed", PERSON)),
        2,
    ),
    "queue": (SOME, (), 1),
    "transfer": ({**SOME, "to": 95598}, (), 1),
    "notice": ({**SOME, "keys": {"1": "b"}}, (("keys.1", "b"),), 1),
    "lookup": (
        {"what": "duty", "cases": {"away": "b"}},
        (("cases.away", "b"), ("otherwise", PERSON)),
        0,
    ),
    "hours": (
        {"schedule": "office", "open": "b", "closed": "c"},
        (("open", "b"), ("closed", "c")),
        0,
    ),
    "message": ({}, (), 0),
    "hangup": (SOME, (), 1),
    "goto": ({"flow": "main", "then": "b"}, (("then", "b"),), 0),
}


@pytest.mark.parametrize("do", STEPS)
def test_a_step_knows_where_it_leads_and_what_is_heard(do: str) -> None:
    values, targets, heard = STEPS[do]
    found = step(do=do, **values)
    assert found.targets == targets
    assert len(found.heard) == heard


def test_every_kind_of_step_is_tried() -> None:
    assert set(STEPS) == set(_kinds())


def _kinds() -> list[str]:
    with pytest.raises(ValidationError) as raised:
        step(do="nothing")
    expected = raised.value.errors()[0]["ctx"]["expected_tags"]
    return [kind.strip("'") for kind in expected.split(", ")]


def test_a_goto_leads_to_a_step_or_through_a_flow_never_both() -> None:
    assert step(do="goto", to="b").targets == (("to", "b"),)
    for values in ({}, {"to": "b", "flow": "main"}):
        with pytest.raises(ValidationError, match="needs either `to`"):
            step(do="goto", **values)


def test_an_entry_has_no_less_than_none_and_no_more_than_most() -> None:
    with pytest.raises(ValidationError, match="min is 9 and max 3"):
        step(do="digits", **SOME, into="entry", min=9, max=3, next="b")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"what": "duty", "cases": {"on": "b"}}, "duty answers free, busy, away, not on"),
        ({"what": "duty", "of": "1", "cases": {"away": "b"}}, "duty takes no `of`"),
        ({"what": "ticket", "cases": {"open": "b"}}, "ticket needs `of`"),
    ],
)
def test_a_lookup_asks_what_can_be_answered(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        step(do="lookup", **values)


def test_words_of_lookups_that_leave_the_caller_alone_are_words_of_theirs() -> None:
    assert all(set(known.alone) <= set(known.words) for known in LOOKUPS.values())


def test_a_value_is_said_in_one_way() -> None:
    said = step(do="say", prompts=[{"phone": "{caller}"}], next="b").heard[0]
    assert isinstance(said, Spoken)
    assert (said.kind, said.value) == ("phone", "{caller}")
    for wrong in ({}, {"phone": "1", "digits": "1"}):
        with pytest.raises(ValidationError, match="needs exactly one of number"):
            step(do="say", prompts=[wrong], next="b")


def test_a_prompt_that_is_made_in_python_is_one_too() -> None:
    assert step(do="queue", prompts=[Spoken(phone="1")]).heard == (Spoken(phone="1"),)


def test_variables_are_found_and_filled_and_unknown_ones_become_nothing() -> None:
    assert list(variables("a-{b}-{c_d}{e}")) == ["b", "c_d", "e"]
    assert list(variables(Spoken(phone="{caller}"))) == ["caller"]
    assert fill("a-{b}-{c}", {"b": "1"}) == "a-1-"


def test_words_are_those_that_are_named_and_every_line_once() -> None:
    of_line = {"12369": 26, "3221212": 40, "3658059": 40}
    numbers = {
        digits: Number(
            number=digits, line_no=line_no, hotline="某热线", owner_unit="某局", unit="u",
            integration=Integration.DUAL_RUN, notice="n", flow="f",
        )
        for digits, line_no in of_line.items()
    }  # fmt: skip
    register = Register(numbers)
    assert {no: n.number for no, n in lines_of(register).items()} == {26: "12369", 40: "3221212"}
    named = {"agent": "b", "line-40": "c", "emergency-110": "d"}
    listen = step(do="listen", prompts=["greeting"], intents=named, lines="e")
    assert isinstance(listen, Listen)
    assert listen.words(register) == ("agent", "line-40", "emergency-110", "line-26")
    assert listen.asks(register) == ("ask-agent", "ask-line-40", "ask-line-26")
    listen = step(do="listen", prompts=["greeting"], intents=named)
    assert isinstance(listen, Listen)
    assert listen.words(register) == tuple(named)


def test_what_is_known_of_a_number_is_what_flows_may_name() -> None:
    number = Number(
        number="12369", line_no=26, hotline="环保", owner_unit="市环保局", unit="huanbao",
        integration=Integration.DUAL_RUN, notice="dual-12369", flow="dual_run", seat="812369",
    )  # fmt: skip
    assert set(known_of(number)) == set(known_of(None)) == set(OF_NUMBER)
    assert {*OF_NUMBER, "caller"} == set(CALL_VARIABLES)
    assert known_of(number)["seat"] == "812369"
    assert known_of(number)["onward"] == ""
    assert {k: v for k, v in known_of(None).items() if v} == {"notice": UNKNOWN_NOTICE}


def test_the_schema_that_editors_use_is_the_one_that_is_checked() -> None:
    assert SCHEMA.read_text("utf-8") == documents.schema(), (
        "hotline dialplan schema > schemas/flow.schema.json"
    )
    assert json.loads(documents.schema())["properties"].keys() == Flow.model_fields.keys()
