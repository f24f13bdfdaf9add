"""Calls walked through without a telephone whose callers speak."""

from dataclasses import replace
from pathlib import Path

import pytest

from dialplans import simulate, walks
from dialplans.city import load
from hotline import trying
from schemas.city import City
from tests.dialplans.trial import Words, walk

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"


@pytest.fixture(scope="module")
def city() -> City:
    return load(BAOJI)


MEANS = Words(停水="line-40", 水="line-40?", 电="line-41", 着火="emergency-119?", 是="yes", 不="no")


@pytest.mark.parametrize(
    ("texts", "keys", "heard", "about", "route", "skill"),
    [
        (["停水"], "", ["greeting-spoken"], "3221212", "queue:citizens", "zhujian"),
        (["水", "是"], "", ["greeting-spoken", "ask-line-40"], "3221212", "queue:citizens",
         "zhujian"),
        (["水"], "1", ["greeting-spoken", "ask-line-40"], "3221212", "queue:citizens", "zhujian"),
        (["水", "不"], "", ["greeting-spoken", "ask-line-40"], "12345", "queue:citizens", None),
        (["水", None], "", ["greeting-spoken", "ask-line-40"], "12345", "queue:citizens", None),
        (["水", "着火", "是"], "",
         ["greeting-spoken", "ask-line-40", "emergency-119-spoken", "emergency-going"],
         "12345", "transfer:119", None),
        (["着火", "不"], "", ["greeting-spoken", "emergency-119-spoken"], "12345",
         "queue:citizens", None),
        (["电"], "", ["greeting-spoken", "onward-95598"], "95598", "queue:citizens", None),
        (["电", "是"], "", ["greeting-spoken", "onward-95598"], "95598", "transfer:95598", None),
        (["天气不错"], "", ["greeting-spoken"], "12345", "queue:citizens", None),
        ([""], "", ["greeting-spoken"], "12345", "queue:citizens", None),
        ([None], "", ["greeting-spoken"], "12345", "queue:citizens", None),
    ],
)  # fmt: skip
def test_words_lead_where_they_mean_and_nowhere_else(
    city: City,
    texts: list[str | None],
    keys: str,
    heard: list[str],
    about: str,
    route: str,
    skill: str | None,
) -> None:
    found = walk(city, "12345", keys, say=texts, understand=MEANS)
    assert list(found.heard) == heard
    assert found.about is not None
    assert (found.about.number, str(found.route), found.route.skill) == (about, route, skill)
    assert (found.unsaid, found.spare, found.troubles) == ((), (), ())


def test_words_cost_their_length_and_are_told_with_what_they_mean(city: City) -> None:
    found = walk(city, "12345", say=["水", "是"], understand=MEANS)
    assert [stage.answer for stage in found.stages[:2]] == [
        "“水” = line-40 0.40 (not sure)",
        "“是” = yes 0.90 (sure)",
    ]
    assert [stage.waited for stage in found.stages[:2]] == [simulate.SPEAKING] * 2
    told = walks.as_json(found)
    assert told["say"] == ["水", "是"]
    assert (told["number"], told["about"], told["speech"]) == ("12345", "3221212", True)
    assert told["steps"][0]["words"] == {
        "text": "水", "score": 100, "engine": "", "intent": "line-40", "confidence": 0.4,
        "sure": False, "runner_up": "",
    }  # fmt: skip
    silent = walk(city, "12345", say=[None])
    assert silent.stages[0].waited == 2.5
    assert walks.as_json(silent)["steps"][0]["words"] is None
    assert "served as 3221212 供水服务热线, as said (zhujian)" in trying.closing(found, 15)


def test_what_may_be_said_is_what_the_flow_listens_for(city: City) -> None:
    words = Words(水="line-40?")
    walk(city, "12345", say=["水", "是"], understand=words)
    first, then = words.asked
    assert {"agent", "progress", "emergency-110", "line-1", "line-47"} <= set(first)
    assert then == ("yes", "no", "emergency-110", "emergency-119", "emergency-120", "emergency-122")


def test_without_anybody_who_understands_words_mean_nothing(city: City) -> None:
    found = walk(city, "12345", say=["停水"])
    assert found.stages[0].answer == "“停水” = not understood"
    assert found.end == "main/agents"


def test_the_seat_that_is_rung_is_that_of_the_line_that_was_said(city: City) -> None:
    flows = dict(city.flows)
    of_said = flows["said"].model_dump(by_alias=True)
    of_said["steps"]["agents"]["seat"] = True
    flows["said"] = type(flows["said"]).model_validate(of_said)
    found = walk(replace(city, flows=flows), "12345", say=["停水"], understand=MEANS)
    assert "seat 83221212 is rung" in walks.ending(found, 15)


def test_words_and_keys_that_nothing_asked_for_are_named(city: City) -> None:
    found = walk(city, "12336", "<0<7-", say=["投诉", None])
    told = trying.closing(found, 15)
    assert "nothing asked for the keys <7-" in told
    assert "nothing listened for “投诉”: the flow has no `listen` on this way" in told
    assert "nothing listened for silence: the flow has no `listen` on this way" in told
    assert walks.as_json(found)["words_left"] == ["投诉", None]
