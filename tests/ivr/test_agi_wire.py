"""The AGI protocol as bytes."""

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import agi_wire
from ivr.agi_wire import (
    AgiWire,
    Environment,
    Garbage,
    Hangup,
    Item,
    Misuse,
    Reply,
    State,
    Words,
    encode,
    recognised,
)

pytestmark = pytest.mark.unit

BLOCK = (
    b"agi_network: yes\nagi_network_script: inbound\nagi_callerid: 139\n"
    b"agi_accountcode: \nagi_empty:\nagi_arg_1: n1-1.2\n\n"
)
TALK: Sequence[tuple[bytes, tuple[str, ...], Item]] = (
    (b"200 result=1\n", ("SET VARIABLE", "A", "b"), Reply(200, "1")),
    (
        b"200 result=49 endpos=16000\n",
        ("STREAM FILE", "hello", "1"),
        Reply(200, "49", None, {"endpos": "16000"}),
    ),
    (
        '200 result=1 (speech) endpos=0 results=1 score0=90 text0="转(人)工" grammar0=m\n'.encode(),
        ("SPEECH RECOGNIZE", "x", "5"),
        Reply(
            200,
            "1",
            "speech",
            {
                "endpos": "0",
                "results": "1",
                "score0": "90",
                "text0": "转(人)工",
                "grammar0": "m",
            },
        ),
    ),
    (b"200 result= (timeout)\n", ("GET DATA", "x"), Reply(200, "", "timeout")),
    (b"200 result=1 (a (b) c)\n", ("GET VARIABLE", "X"), Reply(200, "1", "a (b) c")),
    (
        b"520-Invalid command syntax.  Proper usage follows:\nUsage: X\n 200 result=0\n\n"
        b"520 End of proper usage.\n",
        ("STREAM FILE",),
        Reply(520, data="End of proper usage."),
    ),
    (b"100 result=0 Trying...\n200 result=0\n", ("NOOP",), Reply(200, "0")),
    (
        b"510 Invalid or unknown command\n",
        ("NONSENSE",),
        Reply(510, data="Invalid or unknown command"),
    ),
    (b"HANGUP\n", ("CHANNEL STATUS",), Hangup()),
)


def opened() -> AgiWire:
    wire = AgiWire()
    wire.receive(BLOCK)
    assert isinstance(wire.next(), Environment)
    return wire


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(p % (len(data) + 1) for p in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_where_tcp_cuts_the_stream_changes_nothing(places: list[int]) -> None:
    wire, items = AgiWire(), []
    for segment, command in [(BLOCK, None), *((t[0], t[1]) for t in TALK)]:
        if command:
            wire.send(*command)
        for piece in cut(segment, places):
            wire.receive(piece)
            items += iter(wire.next, None)
    assert items[0] == Environment(
        {
            "agi_network": "yes",
            "agi_network_script": "inbound",
            "agi_callerid": "139",
            "agi_accountcode": "",
            "agi_empty": "",
            "agi_arg_1": "n1-1.2",
        }
    )
    assert items[1:] == [t[2] for t in TALK]


@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_arbitrary_bytes_are_garbage_at_worst(pieces: list[bytes], after_opening: bool) -> None:
    wire = opened() if after_opening else AgiWire()
    if after_opening:
        wire.send("NOOP")
    for piece in pieces:
        wire.receive(piece)
        try:
            while wire.next():
                pass
        except Garbage:
            assert wire.state is State.DEAD


GOOD_TEXT = st.text(
    st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=100
)


@given(text=GOOD_TEXT)
def test_what_is_encoded_is_what_asterisk_reads(
    text: str, asterisk_words: Callable[[str], list[str]]
) -> None:
    line = encode("STREAM FILE", text, 5)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert asterisk_words(line.decode().removesuffix("\n")) == ["STREAM", "FILE", text, "5"]


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "x" * 2000])
def test_what_would_break_the_line_is_refused_and_changes_nothing(bad: str) -> None:
    wire = opened()
    with pytest.raises(Misuse):
        wire.send("STREAM FILE", bad)
    assert wire.send("NOOP") == b"NOOP\n"


@pytest.mark.parametrize("verb", ["", "noop", "SET\nHANGUP", "HANGUP  NOW", "EXEC x"])
def test_a_verb_is_upper_case_words(verb: str) -> None:
    with pytest.raises(Misuse):
        encode(verb)


def test_lone_surrogates_are_replaced() -> None:
    assert encode("NOOP", "\ud800") == b'NOOP "?"\n'


def test_one_command_at_a_time() -> None:
    wire = opened()
    wire.send("NOOP")
    with pytest.raises(Misuse, match="theirs"):
        wire.send("NOOP")
    wire.receive(b"200 result=0\n")
    with pytest.raises(Misuse, match="theirs"):
        wire.send("NOOP")
    assert wire.next() == Reply(200, "0")
    wire.receive(b"HANGUP\n")
    with pytest.raises(Misuse, match="before everything"):
        wire.send("NOOP")
    assert wire.next() == Hangup()


def test_no_command_before_the_environment() -> None:
    with pytest.raises(Misuse):
        AgiWire().send("NOOP")


def test_a_hangup_is_no_reply_and_nothing_counts_after_it() -> None:
    wire = opened()
    wire.send("STREAM FILE", "x", "")
    wire.receive(b"HANGUP\n200 result=-1 endpos=1\n200 result=9\n")
    assert wire.next() == Hangup()
    wire.receive(b"nonsense\n" * 1000)
    assert wire.next() is None
    with pytest.raises(Misuse):
        wire.send("NOOP")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "not an AGI environment"),
        (b"\n", "empty"),
        (b"agi_x: 1\nagi_x: 2\n", "not an AGI environment"),
        (b"agi_x: 1\nevil\n", "not an AGI environment"),
        (b"x" * (agi_wire.LONGEST_LINE + 1), "too long"),
        (b"agi_x: " + b"x" * agi_wire.LONGEST_LINE + b"\n", "too long"),
        (b"".join(b"agi_k%d: %s\n" % (n, b"v" * 1000) for n in range(70)), "too large"),
    ],
)
def test_a_bad_environment_is_garbage_for_ever(data: bytes, why: str) -> None:
    wire = AgiWire()
    wire.receive(data)
    for _ in range(2):
        with pytest.raises(Garbage, match=why):
            wire.next()
        wire.receive(BLOCK)
    with pytest.raises(Misuse):
        wire.send("NOOP")


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"200 fine\n",
        b"200\n",
        b"20 result=1\n",
        b"520-usage\n" + b"x" * 8000 + b"\n" + (b"y" * 8000 + b"\n") * 10,
    ],
)
def test_a_bad_reply_is_garbage(data: bytes) -> None:
    wire = opened()
    wire.send("NOOP")
    wire.receive(data)
    with pytest.raises(Garbage):
        wire.next()


def test_a_reply_nobody_asked_for_is_garbage() -> None:
    wire = opened()
    wire.send("NOOP")
    wire.receive(b"200 result=0\n200 result=0\n")
    assert wire.next() == Reply(200, "0")
    with pytest.raises(Garbage):
        wire.next()


def test_broken_utf8_is_replaced() -> None:
    wire = AgiWire()
    wire.receive(b"agi_calleridname: \xff\xe4\xbd\n\n")
    item = wire.next()
    assert isinstance(item, Environment)
    assert item.values["agi_calleridname"] == "��"


@given(st.text(max_size=30))
def test_a_result_is_a_number_or_none(result: str) -> None:
    reply = Reply(200, result)
    assert reply.number is None or isinstance(reply.number, int)


# ---- what a recogniser heard


def heard(rest: str) -> Words | None:
    """Return the result in a `(speech)` reply that goes on with *rest*."""
    wire = opened()
    wire.send("SPEECH RECOGNIZE", "x", 1)
    wire.receive(f"200 result=1 (speech) endpos=0 {rest}\n".encode())
    reply = wire.next()
    assert isinstance(reply, Reply)
    return recognised(reply)


@given(
    text=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n")),
    score=st.integers(-1, 100),
    grammar=st.from_regex(r"[a-z]{0,12}", fullmatch=True),
)
def test_whatever_was_said_is_the_text_and_nothing_else(
    text: str, score: int, grammar: str
) -> None:
    rest = f'results=1 score0={score} text0="{text}" grammar0={grammar}'
    assert heard(rest) == Words(text, score, grammar)


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("results=0 ", None),
        ("", None),
        ("results=1 ", None),
        ('results=1 score0=1 text0="a" grammar0=b c', None),
        ('results=1 score0=1 text0="a', None),
        ('results=2 score0=1 text0="a" grammar0=b score1=2 text1="c" grammar1=d',
         Words("a", 1, "b")),
        ('results=2 score0=1 text0="a" grammar0=b', None),
    ],
)  # fmt: skip
def test_of_several_results_the_newest_counts_and_of_none_none(
    rest: str, found: Words | None
) -> None:
    assert heard(rest) == found


def test_a_reply_about_something_else_holds_no_words() -> None:
    rest = 'endpos=0 results=1 score0=1 text0="a" grammar0=b'
    assert recognised(Reply(200, "1", "timeout", rest=rest)) is None
