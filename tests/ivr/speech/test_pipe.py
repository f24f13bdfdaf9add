"""Packets between front and worker, however the bytes are cut."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech import pipe
from ivr.speech.pipe import Broken, Kind, Packet, Reader

pytestmark = pytest.mark.unit

TALK = [
    (pipe.tell(Kind.OPEN, 7), Packet(Kind.OPEN, 7)),
    (pipe.sound(7, b"\1\0" * 160), Packet(Kind.SOUND, 7, b"\1\0" * 160)),
    (pipe.sound(2**32 - 1, b""), Packet(Kind.SOUND, 2**32 - 1)),
    (pipe.tell(Kind.WORDS, 7, text="停水"), None),
    (pipe.tell(Kind.PING), Packet(Kind.PING)),
]
WHOLE = b"".join(packet for packet, _ in TALK)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_where_the_bytes_are_cut_changes_nothing(places: list[int]) -> None:
    reader = Reader()
    cuts = [0, *sorted(places), len(WHOLE)]
    found = [packet for begin, end in pairwise(cuts) for packet in reader.read(WHOLE[begin:end])]
    assert len(found) == len(TALK)
    for packet, (_, wanted) in zip(found, TALK, strict=True):
        assert wanted is None or packet == wanted
    assert found[3].facts() == {"text": "停水"}
    assert found[4].facts() == {}


def test_a_reader_that_is_left_early_goes_on_where_it_was() -> None:
    reader = Reader()
    first = next(reader.read(WHOLE))
    assert first == TALK[0][1]
    assert next(reader.read(b"")) == TALK[1][1]


@pytest.mark.parametrize(
    "piece", [b"\0" + bytes(8), b"\xff" * 9, bytes([3, 0, 0, 0, 0]) + b"\xff\xff\xff\x7f"]
)
def test_what_is_no_packet_is_broken(piece: bytes) -> None:
    with pytest.raises(Broken):
        list(Reader().read(piece))


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_are_packets_or_broken(pieces: list[bytes]) -> None:
    reader = Reader()
    with suppress(Broken):
        for piece in pieces:
            for packet in reader.read(piece):
                assert isinstance(packet.kind, Kind)


@pytest.mark.parametrize("content", [b"no", b"[]", b"\xff", b"[" * 9999])
def test_facts_that_are_none(content: bytes) -> None:
    with pytest.raises(Broken):
        Packet(Kind.WORDS, 1, content).facts()
