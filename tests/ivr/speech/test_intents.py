"""What do callers mean?"""

import csv
import random
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplans.city import load
from ivr.speech.intents import REPLIES, SURE, WISHES, Vocabulary
from ivr.speech.syllables import sounds
from schemas.numbers import EMERGENCY_NUMBERS, Register
from schemas.speech import EMERGENCY, Meaning, line_intent
from tests.ivr.speech.misheard import Mishearing

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
CITY = load(ROOT / "dialplans" / "baoji")
VOCABULARY = Vocabulary.of(CITY)
URGENT = frozenset(EMERGENCY + number for number in EMERGENCY_NUMBERS)
LINES = frozenset(line_intent(n.line_no) for n in CITY.register.numbers.values())
ALL = frozenset(CITY.phrases) | LINES | URGENT | REPLIES | WISHES
with (ROOT / "tests" / "golden" / "speech" / "sentences.tsv").open(encoding="utf-8") as _file:
    SENTENCES = [(row["intent"], row["sentence"]) for row in csv.DictReader(_file, delimiter="\t")]
"""Ours, none of them from a recording: `calm` is some service's, `unknown` nobody's."""
POLITE = ("你好", "请问一下", "麻烦你", "嗯那个", "我想咨询一下")
PHRASES = [
    (intent, phrase)
    for intent, some in CITY.phrases.items()
    if intent not in REPLIES
    for phrase in some
    if len(phrase) >= 3
]


def means(text: str, among: Iterable[str] = ALL) -> Meaning:
    return VOCABULARY.understand(text, among)


def right(rows: Iterable[tuple[str, str]]) -> tuple[float, float]:
    """Return the shares that are acted upon rightly, and wrongly."""
    found = [(intent, means(text)) for intent, text in rows]
    good = sum(m.intent == intent and (m.sure or intent in URGENT) for intent, m in found)
    wrong = sum(m.intent not in ("", intent) and m.sure for intent, m in found)
    return good / len(found), wrong / len(found)


# ---- sentences


def test_sentences_that_nobody_wrote_into_the_vocabulary_are_understood() -> None:
    good, wrong = right(row for row in SENTENCES if row[0] not in ("calm", "unknown"))
    assert good >= 0.82
    assert wrong <= 0.06


def test_most_survive_a_recogniser_that_errs_by_sound() -> None:
    mishearing = Mishearing((c for _, sentence in SENTENCES for c in sentence), seed=7)
    rows = [
        (intent, mishearing.hear(sentence))
        for intent, sentence in SENTENCES
        if intent not in ("calm", "unknown")
    ]
    good, wrong = right(rows)
    assert good >= 0.70
    assert wrong <= 0.07


@pytest.mark.parametrize("intent", sorted(URGENT))
def test_every_emergency_is_caught(intent: str) -> None:
    sentences = [sentence for meant, sentence in SENTENCES if meant == intent]
    assert len(sentences) >= 4
    assert [s for s in sentences if means(s).intent != intent] == []


def test_no_service_is_taken_for_an_emergency() -> None:
    services = [(i, s) for i, s in SENTENCES if i not in URGENT]
    assert [s for _, s in services if means(s).intent in URGENT] == []


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("我有一宝卡", "line-27"),  # 医保卡
        ("公单进度", "progress"),
        ("杨老抱歉", "line-27"),  # 养老保险
        ("要点卖假要", "line-19"),  # 药店卖假药
        ("我們家停電了", "line-41"),
    ],
)
def test_what_recognisers_really_write_is_understood(said: str, intent: str) -> None:
    assert means(said).intent == intent


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("满意", "satisfied"), ("不满意", "dissatisfied"), ("不太满意", "dissatisfied"),
        ("不是很满意", "dissatisfied"), ("基本满意", "basically"), ("解决了", "solved"),
        ("没解决", "unsolved"), ("没有解决", "unsolved"), ("还没解决", "unsolved"),
        ("对", "yes"), ("不对", "no"), ("是的", "yes"), ("不是", "no"), ("没错", "yes"),
    ],
)  # fmt: skip
def test_a_negation_turns_the_answer_round(said: str, intent: str) -> None:
    found = means(said)
    assert (found.intent, found.sure) == (intent, True)


def test_a_negation_counts_without_a_phrase_of_its_own() -> None:
    small = Vocabulary({"satisfied": ("满意",), "dissatisfied": ("太差",)}, Register({}))
    grades = ("satisfied", "dissatisfied")
    assert small.understand("不是很满意", grades).intent == "dissatisfied"
    assert small.understand("没有满意", grades).intent == "dissatisfied"
    assert small.understand("我的满意", grades).intent == "satisfied"


def test_a_matter_goes_before_the_person_asked_for_beside_it() -> None:
    assert means("我家停水了给我转人工").intent == "line-40"
    assert means("转人工").intent == "agent"
    assert means("我家停水了给我转人工", ("agent", "progress")).intent in ("agent", "")


def test_a_complaint_is_for_the_line_that_takes_complaints() -> None:
    assert means("我要投诉旅行社").intent == "line-34"


def test_a_fire_in_the_woods_has_a_line_of_its_own() -> None:
    assert means("山上着火了").intent == "line-46"
    assert means("我家着火了").intent == "emergency-119"
    assert means("山上着火了", URGENT).intent == "emergency-119"


# ---- numbers


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("我要找12369", "line-26"), ("一二三六九", "line-26"), ("幺二三幺五", "line-25"),
        ("帮我接110", "emergency-110"), ("12119", "line-46"), ("12345", "line-1"),
    ],
)  # fmt: skip
def test_a_hotlines_number_names_it(said: str, intent: str) -> None:
    assert means(said) == Meaning(intent=intent, confidence=1.0, sure=True)


def test_who_speaks_of_an_emergency_number_does_not_call_it() -> None:
    assert means("上次打120来的那个司机态度很差").intent not in URGENT


# ---- among


def test_only_what_means_something_here_counts() -> None:
    assert means("我家停水两天了", ("agent", "progress")).intent == ""
    assert means("我家停水两天了", ()) == Meaning()
    assert means("着火了", ("agent",)).intent == ""


def test_what_means_nothing_here_makes_the_rest_less_sure() -> None:
    words = {"line-1": ("公园里的花",), "line-2": ("公园里的路",)}
    small = Vocabulary(words, Register({}))
    alone = Vocabulary({"line-1": words["line-1"]}, Register({}))
    said = "公园里的树"
    assert small.understand(said, ("line-1",)).confidence < (
        alone.understand(said, ("line-1",)).confidence
    )


def test_who_is_not_understood_is_told_what_came_near() -> None:
    found = means("天上的云好白")
    assert (found.intent, found.sure) == ("", False)
    assert found.runner_up in ALL


# ---- noise


@pytest.mark.parametrize(
    "said",
    [
        "", " ", "。。。", "……", "\x00\x1b[2J", "嗯", "啊啊啊", "字幕by索兰娅", "谢谢观看",
        "謝謝觀看",         "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", "谢谢大家", "🎵🎵🎵",
        "(音乐)", "的的的的的的",
    ],
)  # fmt: skip
def test_silence_and_ghosts_are_no_emergency_and_lead_nowhere(said: str) -> None:
    found = means(said)
    assert found.intent in ("", "yes")
    assert means(said, URGENT).intent == ""


@given(st.text(st.characters(categories=("P", "Z", "S", "C", "M")), max_size=60))
def test_noise_without_letters_is_never_an_emergency(text: str) -> None:
    assert means(text).intent not in URGENT


FAR = tuple("茄蕊钮蕉臀鹅绒橘薯笙")


@given(st.lists(st.sampled_from(FAR), max_size=20))
def test_syllables_far_from_any_phrase_are_never_an_emergency(chars: list[str]) -> None:
    assert means("".join(chars)).intent not in URGENT


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_has_an_answer_of_the_right_form(text: str) -> None:
    found = means(text)
    assert found.intent == "" or found.intent in ALL
    assert 0 <= found.confidence <= 1
    assert found.sure == (bool(found.intent) and found.confidence >= SURE)


@pytest.mark.parametrize("piece", ["着火了", "水", "a", "110", "\x00", "不", "𠀀", "ﷺ"])
def test_ten_thousand_characters_are_read_as_far_as_a_caller_can_speak(piece: str) -> None:
    text = (piece * 10_000)[:10_000]
    assert means(text) == means(text[:240])


# ---- properties


def test_politeness_changes_nothing() -> None:
    wrong = [
        f"{polite}{phrase}: {intent}, understood as {found or 'nothing'}"
        for intent, phrase in PHRASES
        for polite in ("", *POLITE)
        if (found := means(polite + phrase).intent) != intent
    ]
    assert wrong == []


@given(st.sampled_from(PHRASES), st.sampled_from(["，", " ", "。", "！", "\t"]))
@settings(max_examples=100)
def test_punctuation_and_writing_change_nothing(row: tuple[str, str], mark: str) -> None:
    _, phrase = row
    assert means(mark.join(phrase)) == means(phrase)
    assert means(f"{mark}{phrase}{mark}") == means(phrase)


def test_every_phrase_means_its_own_intent() -> None:
    collisions = [
        f"{phrase}: {intent}, understood as {found.intent or 'nothing'}"
        for intent, some in CITY.phrases.items()
        for phrase in some
        if (found := means(phrase)).intent != intent or not found.sure
    ]
    assert collisions == []


def test_understanding_changes_nothing_in_the_vocabulary() -> None:
    rows = random.Random(3).sample(SENTENCES, 60)
    fresh = Vocabulary.of(CITY)
    backwards = [fresh.understand(text, ALL) for _, text in reversed(rows)]
    assert [means(text) for _, text in rows] == backwards[::-1]


def test_politeness_is_no_sign_of_calm() -> None:
    assert means("你好我想咨询一下我家着火了怎么弄").intent == "emergency-119"


def test_the_order_of_phrases_means_nothing() -> None:
    some = {i: p[:20] for i, p in list(CITY.phrases.items())[:20]}
    turned = {i: tuple(reversed(p)) for i, p in reversed(some.items())}
    one = Vocabulary(MappingProxyType(some), CITY.register)
    two = Vocabulary(turned, CITY.register)
    for _, text in SENTENCES[::7]:
        assert one.understand(text, ALL) == two.understand(text, ALL)


def test_a_city_without_phrases_knows_its_hotlines_by_name_and_number() -> None:
    bare = Vocabulary({}, CITY.register)
    assert bare.understand("市长公开电话", ALL).intent == "line-1"
    assert bare.understand("12331", ALL).intent == "line-19"
    assert bare.understand("残联", ALL).intent == "line-8"
    assert Vocabulary({}, Register({})).understand("我家停水了", ALL) == Meaning()


def test_phrases_without_a_sound_are_no_phrases() -> None:
    odd = Vocabulary({"agent": ("？！", "人工")}, Register({}))
    assert odd.understand("人工", ("agent",)).intent == "agent"
    assert odd.understand("？！", ("agent",)) == Meaning()
    assert sounds("？！") == ()


def test_one_sound_inside_a_sentence_is_no_emergency() -> None:
    words = {"emergency-110": ("抢",), "line-1": ("公园里的花",)}
    small = Vocabulary(words, Register({}))
    assert small.understand("公园里的花很香枪", ("emergency-110", "line-1")).intent == "line-1"
