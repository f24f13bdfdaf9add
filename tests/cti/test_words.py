"""Words of a text and of a query, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti import words
from cti.knowledge.snippets import LENGTH, marks, snippet
from cti.words import Term

pytestmark = pytest.mark.unit


def plain(groups: list[words.Group]) -> list[str]:
    return ["|".join(t.token + "*" * t.prefix for t in group) for group in groups]


def test_the_dictionary_is_read_once() -> None:
    words.initialise()
    assert words.cut("社保卡补办") == ["社保卡", "补办"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("停水通知", ["停水", "水通", "通知", "知"]),
        ("停水，停水", ["停水", "水"]),
        ("10路", ["ν10", "ν10路", "路"]),
        ("K3 路", ["k3", "路"]),
        ("Wi-Fi", ["wi", "fi", "wifi"]),
        ("café ＡＢＣ", ["cafe", "abc"]),
        ("二〇二六", ["二零", "零二", "二六", "六"]),
        ("😀\0\ud800 -- '*", []),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert words.tokens(text) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("停水", ["停水"]),
        ("经二路", ["经二", "二路"]),
        ("陈仓区虢镇", ["陈仓", "仓区|区虢", "区虢|虢镇", "虢镇"]),
        ("修路灯", ["路灯"]),
        ("社保卡怎么补办", ["社保", "保卡", "补办"]),
        ("灯", ["灯*"]),
        ("停水 灯", ["停水", "灯*"]),
        ("10路", ["ν10路"]),
        ("10路公交", ["ν10路", "公交"]),
        ("wi fi", ["wi", "fi*"]),
        ("的", ["的*"]),
        ("怎么办", ["怎么", "么办"]),
        ("", []),
        ("***", []),
    ],
)
def test_what_a_query_asks_for(query: str, expected: list[str]) -> None:
    assert plain(words.asked(query)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("社保卡怎么补办", ["社保卡", "补办"]),
        ("ＷiFi 密码", ["wifi", "密码"]),
        ("的了", ["的", "了"]),
        ("", []),
    ],
)
def test_the_words_of_a_query(query: str, expected: list[str]) -> None:
    assert words.words(query) == expected


def test_numbers_of_people_are_taken_out_of_a_text() -> None:
    text = "3号楼，请打139-0000-1234或幺三九零零零零幺二三四找我，门牌1203"
    assert words.without_numbers(text).split() == ["3号楼,请打", "或", "找我,门牌1203"]
    for kept in ("12345", "110", "11-23", "一二三号", "10路、11路、12路、13路"):
        assert words.without_numbers(kept) == kept


def test_of_latin_words_beginnings_may_be_enough() -> None:
    assert plain(words.asked("sbk bb", beginnings=True)) == ["sbk*", "bb*"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [("修路灯", ["修路", "路灯"]), ("3 号 wifi", ["ν3*", "号*", "wifi*"]), ("", [])],
)
def test_a_phrase_leaves_nothing_out(query: str, expected: list[str]) -> None:
    assert plain(words.phrase(query)) == expected


def test_sounds_begin_at_every_character() -> None:
    assert words.sounds("公积金 A 办") == [
        "gjj",
        "gongjijin",
        "jj",
        "jijin",
        "j",
        "jin",
        "b",
        "ban",
    ]
    assert words.sounds("银行行长")[:2] == ["yhhz", "yinhanghangzhang"]
    assert words.sounds("") == []


def test_marks_say_where_a_word_stands() -> None:
    assert words.marked("停水", "title") == ["τ停水", "τ水"]
    assert words.standing([[Term("停水")], [Term("a", True)]], "keyword") == [
        [Term("κ停水")],
        [Term("κa", True)],
    ]
    assert words.whole("停水（2026）Ａ") == "ω停水2026a"
    assert words.whole("（）") == ""


def test_a_text_takes_no_more_room_than_an_index_has() -> None:
    kept = words.within(f"w{n:030d}" for n in range(100_000))
    assert sum(len(word) + 1 for word in kept) <= words.MOST_BYTES < (len(kept) + 1) * 32
    assert words.tokens("停" * 200_000) == ["停停", "停"]


@given(st.text(max_size=300))
def test_tokens_are_letters_and_digits_and_a_query_finds_its_own_text(text: str) -> None:
    kept = set(words.tokens(text))
    assert all(token.isalnum() and len(token) <= 40 for token in kept)
    for query in (text[:30], text):
        for group in words.asked(query):
            assert all(term.token.isalnum() for term in group)
            assert any(
                token.startswith(term.token) if term.prefix else token == term.token
                for term in group
                for token in kept
            )


@given(st.text("停水路灯坏了的10kK３３ ，", max_size=30))
def test_a_text_is_found_by_itself(text: str) -> None:
    kept = set(words.tokens(text))
    for group in words.asked(text) + words.phrase(text):
        assert any(
            token == term.token or (term.prefix and token.startswith(term.token))
            for term in group
            for token in kept
        )


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("社保卡补办社保", ["社保卡", "社保"], [(0, 3), (5, 7)]),
        ("ＷＩ-fi", ["wi"], [(0, 2)]),
        ("停水停水", ["停水"], [(0, 4)]),
        ("ﬁ停水", ["停水"], [(1, 3)]),
        ("停水", [""], []),
        ("停水", [], []),
    ],
)
def test_marks_are_where_the_words_are(
    text: str, asked: list[str], expected: list[tuple[int, int]]
) -> None:
    assert marks(text, asked) == expected


def test_a_snippet_shows_the_part_with_most_of_the_words() -> None:
    text = "停水" + "。" * 300 + "\n停水的补偿标准" + "。" * 300 + "补偿"
    part, places = snippet(text, ["停水", "补偿"])
    assert len(part) == LENGTH
    assert [part[a:b] for a, b in places] == ["停水", "补偿"]
    assert "\n" not in part
    assert snippet("无关", ["停水"]) == ("无关", [])
