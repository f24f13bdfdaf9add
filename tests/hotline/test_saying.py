"""Sentences typed for a trial call, and sound files as the recogniser hears them."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialplans.city import load as load_city
from hotline import cli, saying
from hotline.config import Config, load
from hotline.models import folders
from ivr.speech import models
from schemas.errors import HotlineError, Invalid, Unavailable
from schemas.speech import Recognised

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"
WATER = BAOJI / "audio" / "ask-line-40.wav"
"""A sentence that is always here: 您是要反映供水问题吗？"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return the settings of an empty folder in which no model is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOTLINE_MODELS", raising=False)
    (tmp_path / "hotline.toml").write_text('[speech]\nmodels = "none"\n', "utf-8")
    return load(tmp_path / "hotline.toml", {})


def test_what_is_typed_was_said(config: Config) -> None:
    texts = ["我家停水了", "-", " \x07是\n", "", "水" * 500]
    assert saying.sentences(config, texts) == (
        Recognised(text="我家停水了", score=100),
        None,
        Recognised(text="是", score=100),
        Recognised(text="", score=100),
        Recognised(text="水" * 200, score=100),
    )


def test_a_file_that_is_not_there_is_told_before_any_model_is_loaded(config: Config) -> None:
    with pytest.raises(Invalid, match=r"there is no file nothing\.WAV"):
        saying.sentences(config, [str(WATER), "nothing.WAV"])


def test_without_a_model_it_is_told_how_to_get_one(config: Config) -> None:
    with pytest.raises(Unavailable, match="`hotline models fetch`"):
        saying.sentences(config, [str(WATER)])


def test_a_sound_is_heard_by_the_model_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAOJI.parents[1])
    config = load(Path("hotline.toml"), {})
    try:
        model, _ = models.find("auto", folders(config))
        heard = saying.sentences(config, [str(WATER), "好"])
    except HotlineError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no recogniser here: {missing}")
    words, typed = heard
    assert words is not None
    assert words.engine == model.name
    assert words.text
    assert typed == Recognised(text="好", score=100)
    meaning = saying.understanding(load_city(BAOJI))(words.text, ["line-40", "line-41", "agent"])
    assert meaning.intent == "line-40"
    assert words.text in saying.told(words)


def test_no_words_are_told_as_such() -> None:
    assert saying.told(Recognised(text="", score=3, engine="m")) == "m heard no words (score 3)"


# ---- the command


@pytest.fixture
def simulated(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Return what types `hotline dialplan simulate … --json` and reads the walk."""

    def _type(*words: str) -> Any:
        typed = ["hotline", "dialplan", "simulate", "--json", "--dir", str(BAOJI), *words]
        monkeypatch.setattr(sys, "argv", typed)
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert not left.value.code, said.err
        return json.loads(said.out)

    return _type


def test_a_citizen_without_water_stands_in_the_right_queue(simulated: Callable[..., Any]) -> None:
    walk = simulated("--say", "我家停水两天了", "--staffed", "all")
    assert (walk["about"], walk["route"], walk["skill"]) == (
        "3221212", "queue:unit-zhujian", "zhujian",
    )  # fmt: skip
    assert walk["steps"][0]["words"]["intent"] == "line-40"
    assert walk["steps"][0]["words"]["sure"]


def test_an_emergency_needs_a_yes(simulated: Callable[..., Any]) -> None:
    assert simulated("--say", "着火了", "--say", "是")["route"] == "transfer:119"
    assert simulated("--say", "着火了", "--say", "不是")["route"] == "queue:citizens"
    assert simulated("--say", "着火了", "--say", "-")["route"] == "queue:citizens"


def test_who_says_nothing_though_they_might_is_greeted_in_other_words(
    simulated: Callable[..., Any],
) -> None:
    assert simulated("--speech")["steps"][0]["prompts"] == ["greeting-spoken"]
    assert simulated()["steps"][0]["prompts"] == ["greeting"]


def test_every_number_may_be_tried_with_words(simulated: Callable[..., Any]) -> None:
    found = simulated("--all", "--at", "2026-01-01", "--say", "我要投诉")
    ways = {(w["number"], w["route"]) for w in found["walks"] if "T08:30" in w["at"]}
    assert ("12328", "queue:citizens") in ways  # a complaint is ours, not the owner's
