"""AEAP as text: what Asterisk says, and what nobody should."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech import wire
from ivr.speech.wire import Answer, Garbage, Get, Kind, Listening, Result, Set, Setup

pytestmark = pytest.mark.unit

ID = "6a1c37a5-6d94-4ab3-a9c5-0b4f2f6c1a11"


def said(**message: Any) -> wire.Message:
    return wire.parse(json.dumps({"id": ID, **message}))


def test_what_asterisk_says() -> None:
    setup = said(request="setup", version="0.1.0", codecs=[{"name": "slin"}], params={})
    assert setup == Setup(ID, ("slin",))
    assert said(request="setup", codecs=[{"name": "ulaw"}, 7, {"name": 8}]) == Setup(ID, ("ulaw",))
    assert said(request="set", params={"dtmf": "5"}) == Set(ID, {"dtmf": "5"})
    assert said(request="get", params=["results"]) == Get(ID, ("results",))
    assert said(response="set") == Answer(ID)
    assert said(response="set", error_msg='can"only') == Answer(ID, "can only")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("nonsense", "no JSON"),
        ("[" * 10_000, "no JSON"),
        ("9" * 5000, "no JSON"),
        (" " * (wire.LONGEST_MESSAGE + 1), "too long"),
        ("[]", "no JSON object"),
        ('"setup"', "no JSON object"),
        ('{"request":"setup","codecs":[]}', "no id"),
        ('{"request":"setup","id":5}', "no id"),
        ('{"request":"setup","id":"\\ud800"}', "no id"),
        ('{"request":"setup","id":"%s"}' % ("x" * 65), "no id"),
        ('{"id":"1"}', "no request"),
        ('{"id":"1","request":["set"]}', "no request"),
        ('{"id":"1","request":"reboot"}', "no request"),
        ('{"id":"1","request":"setup"}', "without codecs"),
        ('{"id":"1","request":"set"}', "without params"),
        ('{"id":"1","request":"set","params":{}}', "without params"),
        ('{"id":"1","request":"set","params":{"a":{}}}', "no text"),
        ('{"id":"1","request":"get","params":"results"}', "without params"),
        ('{"id":"1","request":"get","params":[]}', "without params"),
        ('{"id":"1","request":"get","params":[1]}', "no text"),
    ],
)
def test_what_asterisk_never_says(text: str, why: str) -> None:
    with pytest.raises(Garbage, match=why):
        wire.parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["request", "response", "id", "params", "codecs", "error_msg", "x"]),
        st.sampled_from(["setup", "set", "get", "1", "results"]) | json_values,
    )
    | json_values
)
def test_any_json_is_a_message_or_garbage_and_can_be_answered(found: Any) -> None:
    try:
        message = wire.parse(json.dumps(found))
    except Garbage:
        return
    if isinstance(message, Setup | Set | Get):
        answer = json.loads(wire.refuse(message, "no"))
        assert answer["response"] == found["request"]
        assert answer["id"] == found["id"]


@given(st.text())
def test_any_text_is_a_message_or_garbage(text: str) -> None:
    with contextlib.suppress(Garbage):
        wire.parse(text)


# ---- listen


def test_a_listen_is_read() -> None:
    assert wire.listening("call=n1-179.5;step=2;give_up=4500;barge=1") == Listening(
        call="n1-179.5", step=2, give_up=4500, barge=True
    )
    assert wire.listening("step=1") == Listening(step=1)
    assert wire.listening("call=;give_up=0;barge=0;later=x").extra == {"later": "x"}
    assert wire.listening("give_up=0").give_up == 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "call",
        "call=a;",
        "call=a;call=b",
        "call=../a b",
        "call=" + "x" * 65,
        "step=-1",
        "step=x",
        "step=",
        "step=10000",
        "give_up=600001",
        "give_up=9999999999",
        "barge=2",
        "barge=yes",
        "Call=1",
        "call=停",
        "step=１",
    ],
)
def test_a_listen_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(Garbage, match="a listen"):
        wire.listening(value)


@given(st.text())
def test_any_listen_is_read_or_refused(value: str) -> None:
    try:
        found = wire.listening(value)
    except Garbage:
        return
    assert 0 <= found.step <= 9999
    assert found.give_up is None or 0 <= found.give_up <= wire.LONGEST_GIVE_UP


# ---- what we say


def test_our_words_are_what_asterisk_reads() -> None:
    setup = Setup(ID, ("ulaw", "slin"))
    assert json.loads(wire.accept(setup)) == {
        "response": "setup",
        "id": ID,
        "codecs": [{"name": "slin"}],
    }
    assert json.loads(wire.done(Set(ID, {"a": "b"}))) == {"response": "set", "id": ID}
    assert json.loads(wire.refuse(setup, "why")) == {
        "response": "setup",
        "id": ID,
        "error_msg": "why",
    }
    sent = wire.results("r-1", Result(Kind.FINAL, "我家停水两天了", 187))
    assert "我家停水两天了" in sent
    assert json.loads(sent) == {
        "request": "set",
        "id": "r-1",
        "params": {
            "results": [{"text": "我家停水两天了", "score": 100, "grammar": "final", "best": 0}]
        },
    }


def test_who_asks_for_results_gets_the_last_one() -> None:
    asked = Get(ID, ("results",))
    found = json.loads(wire.give(asked, Result(Kind.FINAL, "转人工", 80)))
    assert found["response"] == "get"
    assert found["params"]["results"][0]["text"] == "转人工"
    nothing = json.loads(wire.give(asked, None))
    assert nothing["params"]["results"][0]["grammar"] == "failed"
    assert "error_msg" in json.loads(wire.give(Get(ID, ("volume",)), None))


@given(st.text() | st.text(alphabet='"\\\r\n\0\x85\u2028\u202e\ud800停水 '), st.integers())
def test_no_text_breaks_the_agi_line(text: str, score: int) -> None:
    sent = wire.results("1", Result(Kind.FINAL, text, score))
    sent.encode()  # no half characters
    result = json.loads(sent)["params"]["results"][0]
    assert not set(result["text"]) & set('"\\\r\n\0\x85\u2028\u202e')
    assert len(result["text"]) <= wire.LONGEST_TEXT
    assert result["text"] == result["text"].strip() == wire.clean(result["text"])
    assert 0 <= result["score"] <= 100


def test_ordinary_words_stay_as_they_are() -> None:
    assert wire.clean("你好，我家（高新区）停水了！ OK?") == "你好，我家（高新区）停水了！ OK?"
    assert wire.clean("停" * 300) == "停" * 200
