"""Where speech begins and ends, by the sound alone."""

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.speech.endpoint import Begun, Ended, Endpoint, Item, Rules, Silent, Sound, Why
from tests.ivr.speech.voices import (
    RATE,
    click,
    cough,
    noise,
    over,
    silence,
    slin,
    tone,
    voice,
)

pytestmark = pytest.mark.unit

SECOND = 2 * RATE


def heard(pcm: bytes, rules: Rules | None = None, give_up: int | None = None) -> Sequence[Item]:
    ear = Endpoint(rules or Rules())
    ear.listen(give_up, fresh=True)
    return ear.feed(pcm)


def marks(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if not isinstance(item, Sound)]


def sound(items: Sequence[Item]) -> bytes:
    return b"".join(item.pcm for item in items if isinstance(item, Sound))


# ---- what is speech


@pytest.mark.parametrize("line", [0, 8, 40, 80])
@pytest.mark.parametrize("level", [3000, 8000, 20000])
def test_a_sentence_is_found_and_ends(line: float, level: float) -> None:
    talk = silence(1.0) + voice(2.0, level=level) + silence(2.0)
    begun, ended = marks(heard(over(talk, noise(5.0, line))))
    assert isinstance(begun, Begun)
    assert 1100 <= begun.at <= 1400
    assert isinstance(ended, Ended)
    assert ended.why is Why.SILENCE
    assert 3500 <= ended.at <= 3800


def test_who_speaks_from_the_first_sample_is_heard() -> None:
    begun, _ = marks(heard(over(voice(1.5) + silence(1.5), noise(3.0, 30))))
    assert isinstance(begun, Begun)
    assert begun.at <= 500


def test_one_word_is_enough() -> None:
    items = heard(over(silence(1.0) + voice(0.4) + silence(1.5), noise(2.9, 10)))
    assert [type(mark) for mark in marks(items)] == [Begun, Ended]


def test_no_first_syllable_is_lost() -> None:
    spoken = voice(1.0)
    kept = sound(heard(silence(2.0) + spoken + silence(1.0)))
    assert spoken[: SECOND // 2] in kept
    assert kept.index(spoken[: SECOND // 2]) >= 0.2 * SECOND  # and some silence before it


def hum(seconds: float) -> bytes:
    return over(tone(seconds, 50, level=4000), tone(seconds, 150, level=900))


NOT_SPEECH = {
    "silence": silence(6),
    "a noisy line": noise(6, 60),
    "a very noisy line": noise(6, 1500),
    "a noise that begins": noise(2, 10) + noise(4, 900),
    "hum": hum(6),
    "hum that begins": silence(2) + hum(4),
    "the dial tone": tone(6, 450),
    "a busy tone": (tone(0.35, 450) + silence(0.35)) * 8,
    "a key": noise(2, 10) + tone(0.4, 770, 1336, level=5000) + noise(2, 10),
    "a click": noise(2, 10) + click() + noise(3, 10),
    "many clicks": (noise(0.4, 10) + click()) * 12,
    "a cough": noise(2, 10) + cough() + noise(3, 10),
    "knocking": (noise(0.5, 10) + cough(0.06)) * 8,
    "an offset": slin(5000 for _ in range(6 * RATE)),
}


@pytest.mark.parametrize("what", NOT_SPEECH)
def test_what_is_not_speech(what: str) -> None:
    items = heard(NOT_SPEECH[what], give_up=3000)
    assert marks(items) == [Silent(3000)]
    assert sound(items) == b""


def test_a_noise_that_goes_on_behind_a_sentence_does_not_hold_it_open() -> None:
    talk = over(silence(1.5) + voice(1.5) + silence(4), silence(2) + noise(5, 500))
    ended = marks(heard(talk))[-1]
    assert isinstance(ended, Ended)
    assert ended.why is Why.SILENCE
    assert ended.at <= 6000


# ---- when it ends


def test_a_pause_shorter_than_the_hangover_ends_nothing() -> None:
    talk = silence(1) + voice(0.8) + silence(0.5) + voice(0.8) + silence(2)
    assert [type(mark) for mark in marks(heard(talk))] == [Begun, Ended]


def test_a_click_in_the_silence_does_not_keep_it_open() -> None:
    quiet = silence(1) + voice(1) + silence(2)
    clicked = silence(1) + voice(1) + silence(0.4) + click(0.03) + silence(1.57)
    assert marks(heard(quiet))[-1] == marks(heard(clicked))[-1]


def test_a_monologue_ends() -> None:
    items = heard(silence(0.5) + voice(20), Rules(longest=4000))
    begun, ended = marks(items)
    assert isinstance(begun, Begun)
    assert ended == Ended(begun.at + 4000, Why.LONGEST)
    assert len(sound(items)) <= 4.8 * SECOND


@given(st.integers(200, 3000))
@settings(max_examples=20, deadline=None)
def test_the_hangover_is_kept_to_a_frame(hangover: int) -> None:
    hangover -= hangover % 20
    ended = marks(heard(silence(1) + voice(1) + silence(4), Rules(hangover=hangover)))[-1]
    usual = marks(heard(silence(1) + voice(1) + silence(4)))[-1]
    assert isinstance(ended, Ended)
    assert isinstance(usual, Ended)
    assert ended.at - usual.at == hangover - 700


def test_after_the_end_nothing_is_looked_at_until_something_new_is_wanted() -> None:
    ear = Endpoint(Rules())
    ear.listen(None, fresh=True)
    talk = silence(1) + voice(1) + silence(1)
    assert len(marks(ear.feed(talk))) == 2
    assert list(ear.feed(talk)) == []
    ear.listen(100, fresh=False)
    assert list(ear.feed(talk)) == []
    ear.listen(None, fresh=True)
    assert [type(mark) for mark in marks(ear.feed(talk))] == [Begun, Ended]


# ---- nobody speaks


def test_silence_is_told_once_for_each_listen() -> None:
    ear = Endpoint(Rules())
    ear.listen(1000, fresh=True)
    assert list(ear.feed(silence(5))) == [Silent(1000)]
    ear.listen(0, fresh=False)
    assert list(ear.feed(silence(1))) == [Silent(5020)]
    ear.listen(500, fresh=False)
    assert list(ear.feed(silence(1))) == [Silent(6500)]


def test_silence_is_told_on_time_and_who_begins_just_then_is_heard_by_the_next_listen() -> None:
    ear = Endpoint(Rules())
    ear.listen(1100, fresh=True)
    spoken = silence(1.0) + voice(1.0)
    cut = int(1.1 * SECOND)
    assert list(ear.feed(spoken[:cut])) == [Silent(1100)]
    ear.listen(3000, fresh=False)
    items = ear.feed(spoken[cut:] + silence(1))
    assert [type(mark) for mark in marks(items)] == [Begun, Ended]
    assert voice(1.0)[: SECOND // 2] in sound(items)


def test_who_began_is_collected_over_a_new_listen() -> None:
    ear = Endpoint(Rules())
    ear.listen(None, fresh=True)
    first = marks(ear.feed(silence(1) + voice(0.6)))
    ear.listen(0, fresh=False)
    second = marks(ear.feed(voice(0.6) + silence(1)))
    assert [type(mark) for mark in (*first, *second)] == [Begun, Ended]


# ---- looking on


def test_quiet_and_unbroken_tell_pauses() -> None:
    ear = Endpoint(Rules())
    ear.listen(None, fresh=True)
    ear.feed(silence(0.5) + voice(2.0))
    assert ear.quiet < 100
    assert ear.unbroken >= 1700
    ear.feed(silence(0.4))
    assert 300 <= ear.quiet <= 400
    assert ear.unbroken == 0
    ear.feed(voice(0.5))
    assert ear.quiet == 0
    assert 400 <= ear.unbroken <= 700


# ---- the property


def _scene() -> bytes:
    dice = random.Random(3)
    parts = [noise(0.7, 20), voice(0.9), noise(0.5, 20), click(), voice(0.7), noise(1.2, 20)]
    parts += [cough(), noise(0.3, 20), slin(dice.gauss(0, 300) for _ in range(777)), b"\1"]
    return b"".join(parts)


SCENE = _scene()
IN_ONE = heard(SCENE, give_up=400)


@given(st.lists(st.integers(0, len(SCENE)), max_size=40))
@settings(deadline=None)
def test_how_the_sound_is_cut_changes_nothing(places: list[int]) -> None:
    ear = Endpoint(Rules())
    ear.listen(400, fresh=True)
    cuts = [0, *sorted(places), len(SCENE)]
    items = [item for a, b in pairwise(cuts) for item in ear.feed(SCENE[a:b])]
    assert items == list(IN_ONE)


def test_the_scene_is_worth_cutting() -> None:
    assert [type(mark) for mark in marks(IN_ONE)] == [Silent, Begun, Ended]


@given(st.binary(max_size=4000), st.integers(0, 200) | st.none())
@settings(deadline=None)
def test_any_bytes_are_some_sound(pcm: bytes, give_up: int | None) -> None:
    for item in heard(pcm, give_up=give_up):
        if isinstance(item, Begun | Ended | Silent):
            assert item.at % 20 == 0
            assert not math.isnan(item.at)
