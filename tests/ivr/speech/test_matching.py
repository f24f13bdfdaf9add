"""Where do phrases stand in what was said?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech.matching import Index, Spot
from ivr.speech.syllables import sounds

pytestmark = pytest.mark.unit

WORDS = {
    "water": ("停水", "自来水发黄", "水管爆了"),
    "power": ("停电", "电表跳闸"),
    "bus": ("公交车不停", "BRT到站"),
    "yes": ("对",),
}
INDEX = Index(WORDS)
EVERYTHING = "".join(phrase for some in WORDS.values() for phrase in some)


def spots(said: str, index: Index = INDEX) -> list[Spot]:
    return index.spot([index.near(sound) for sound in sounds(said)])


def best(said: str, index: Index = INDEX) -> Spot:
    return max(spots(said, index), key=lambda spot: spot.fit * spot.phrase.telling)


def evidence(said: str) -> dict[str, float]:
    return INDEX.evidence([INDEX.near(sound) for sound in sounds(said)])


def test_a_phrase_is_found_inside_a_sentence_where_it_stands() -> None:
    found = best("我们小区停水两天了")
    assert (found.phrase.intent, found.begin, found.end) == ("water", 4, 6)
    assert found.fit == pytest.approx(1)


def test_a_phrase_is_found_by_like_sounds_less_well() -> None:
    found = best("自来碎发方")
    assert found.phrase.intent == "water"
    assert 0.7 < found.fit < 1


@pytest.mark.parametrize("said", ["自来发黄", "自来的水发黄"])
def test_a_sound_may_be_dropped_or_added(said: str) -> None:
    found = best(said)
    assert found.phrase.intent == "water"
    assert 0.6 < found.fit < 1
    assert (found.begin, found.end) == (0, len(said))


def test_nothing_is_found_in_silence_and_little_in_other_words() -> None:
    assert spots("") == []
    assert evidence("") == {}
    assert all(spot.fit < 0.5 for spot in spots("蕊臀"))


def test_words_that_nobody_wrote_together_speak_for_their_intent() -> None:
    found = evidence("水管没自来水了")
    assert max(found, key=found.__getitem__) == "water"


def test_a_pair_that_all_intents_have_speaks_for_none_of_them() -> None:
    index = Index({"a": ("老公园",), "b": ("新公园",)})
    said = [index.near(sound) for sound in sounds("公园")]
    assert index.evidence(said).get("a", 0.0) == pytest.approx(index.evidence(said).get("b", 0.0))


def test_a_phrase_of_one_sound_and_a_latin_word_are_found() -> None:
    assert best("对").phrase.intent == "yes"
    assert best("brt到站晚").phrase.intent == "bus"
    assert INDEX.near(sounds("brtx")[0]) == {}


def test_other_readings_count_a_little_less() -> None:
    index = Index({"bank": ("银行",)})
    assert best("银行", index).fit > best("引行人", index).fit > 0.8


def test_particles_weigh_little() -> None:
    index = Index({"a": ("车撞了",)})
    assert best("车撞", index).fit > 0.85


def test_an_index_may_be_empty() -> None:
    index = Index({})
    assert index.phrases == ()
    assert spots("停水", index) == []
    assert Index({"a": ("？",)}).phrases == ()


@given(st.text(st.sampled_from(EVERYTHING + "的了我家小区"), max_size=30))
def test_fits_are_shares_and_stand_inside_what_was_said(said: str) -> None:
    for spot in spots(said):
        assert 0 <= spot.fit <= 1 + 1e-9
        assert 0 <= spot.begin <= spot.end <= len(sounds(said))


@given(st.sampled_from([p for some in WORDS.values() for p in some]), st.text(max_size=10))
def test_a_phrase_is_found_whole_whatever_stands_before_it(phrase: str, before: str) -> None:
    assert any(spot.fit > 0.999 for spot in spots(before + "，" + phrase))


def test_the_weights_of_a_phrase_add_up_to_one() -> None:
    for phrase in INDEX.phrases:
        assert sum(phrase.weights) == pytest.approx(1)
        assert len(phrase.weights) == len(phrase.sounds)
