"""How alike do two syllables sound?"""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin.pinyin_dict import pinyin_dict

from ivr.speech.engines.characters import simplified
from ivr.speech.syllables import LONGEST, alike, plain, sounds, split

pytestmark = pytest.mark.unit

SYLLABLES = sorted({s.readings[0] for code in range(0x4E00, 0x9FA5) for s in sounds(chr(code))})
SYLLABLE = st.sampled_from(SYLLABLES)


def first(text: str) -> list[str]:
    return [sound.readings[0] for sound in sounds(text)]


@given(SYLLABLE, SYLLABLE)
def test_likeness_is_symmetric_and_whole_only_for_the_same(a: str, b: str) -> None:
    assert alike(a, b) == alike(b, a)
    assert 0 < alike(a, b) <= 1
    assert (alike(a, b) == 1) == (split(a) == split(b))


@pytest.mark.parametrize(
    ("pair", "stranger"),
    [
        ("si shi", "si xi"),  # z c s, zh ch sh
        ("nan lan", "nan tan"),  # n, l
        ("xin xing", "xin xian"),  # in, ing
        ("chen cheng", "chen chuan"),  # en, eng
        ("fei hui", "fei mai"),  # f, h
        ("ban bang", "ban bu"),  # an, ang
        ("gong kong", "gong song"),
    ],
)
def test_what_shaanxi_speech_confuses_is_more_alike_than_other_sounds(
    pair: str, stranger: str
) -> None:
    assert alike(*pair.split()) > alike(*stranger.split())


def test_four_and_west_share_a_letter_and_no_vowel() -> None:
    assert alike("si", "xi") < alike("si", "shi")


@pytest.mark.parametrize(
    ("syllable", "parts"),
    [
        ("zhuang", ("zh", "uang")), ("yuan", ("", "van")), ("ju", ("j", "v")), ("nv", ("n", "v")),
        ("a", ("", "a")), ("wu", ("", "u")), ("shi", ("sh", "-i")), ("xue", ("x", "ve")),
    ],
)  # fmt: skip
def test_a_syllable_is_split_as_it_is_spoken(syllable: str, parts: tuple[str, str]) -> None:
    assert split(syllable) == parts


def test_same_sounds_are_one_however_they_are_written() -> None:
    assert first("医保卡") == first("一宝卡")
    assert first("工单进度") == first("公单进度")


def test_context_chooses_between_readings_and_others_are_kept() -> None:
    assert first("银行") == ["yin", "hang"]
    assert first("行人") == ["xing", "ren"]
    assert "xing" in sounds("银行")[1].readings


def test_digits_latin_words_and_punctuation() -> None:
    assert [s.readings for s in sounds("打110，OK!")] == [
        ("da",), ("yi", "yao"), ("yi", "yao"), ("ling",), ("@ok",),
    ]  # fmt: skip
    assert sounds("…… ~ \x00\x1b[31m"[:4]) == ()
    assert first("bus") == ["@bus"]


def test_writing_is_levelled() -> None:
    assert plain("我家停電，ＡＢ") == "我家停电,ab"
    assert simplified("問題") == "问题"


def test_every_character_has_the_sound_of_its_simplified_form() -> None:
    for code in pinyin_dict:
        if len(new := simplified(chr(code))) and new != chr(code):
            assert len(new) == 1


@given(st.text(max_size=400))
def test_any_text_is_read_and_none_changes_by_being_levelled_twice(text: str) -> None:
    assert len(sounds(text)) <= LONGEST
    assert plain(plain(text)) == plain(text)
    for sound in sounds(text):
        assert all(reading.strip("@").isascii() for reading in sound.readings)


@given(st.text(st.characters(min_codepoint=0x3400, max_codepoint=0x9FFF), max_size=60))
def test_every_row_of_characters_has_a_sound_for_each_at_most(text: str) -> None:
    assert len(sounds(text)) <= len(text)


def test_a_long_text_is_cut() -> None:
    assert len(sounds("水" * 10_000)) == LONGEST
    assert first(string.ascii_lowercase * 100) == ["@abcdefghijkl"]
