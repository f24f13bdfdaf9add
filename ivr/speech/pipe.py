"""What front and recogniser processes tell each other over their pipes, as bytes.

A packet is a kind, a stream, a length and as many bytes: sound as it came, else JSON.

    to the worker   OPEN · LISTEN {sentence, listen, give_up, call, step} · SOUND · CLOSE · PING
    to the front    READY {…} · BEGUN · ENDED · SILENT · WORDS {text, score} · FAILED · PONG
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct("<BII")
HEADER = _HEADER.size
LONGEST = 256 * 1024
"""Bytes of one packet's content."""


class Kind(IntEnum):
    """What a packet is about."""

    OPEN = 1
    LISTEN = 2
    SOUND = 3
    CLOSE = 4
    PING = 5
    READY = 16
    BEGUN = 17
    ENDED = 18
    SILENT = 19
    WORDS = 20
    FAILED = 21
    PONG = 22


class Broken(Exception):
    """The bytes are not of this form: the other process is not ours, or not well."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One thing told."""

    kind: Kind
    stream: int = 0
    content: bytes = b""

    def facts(self) -> Mapping[str, Any]:
        """Return the content of a packet that is no sound.

        Raises:
            Broken: it is no JSON object.
        """
        try:
            found = json.loads(self.content or b"{}")
        except (ValueError, RecursionError):
            raise Broken("no JSON") from None
        if not isinstance(found, dict):
            raise Broken("no JSON object")
        return found


def sound(stream: int, pcm: bytes) -> bytes:
    """Return the packet of some sound."""
    return _HEADER.pack(Kind.SOUND, stream, len(pcm)) + pcm


def tell(kind: Kind, stream: int = 0, /, **facts: object) -> bytes:
    """Return a packet of facts."""
    content = json.dumps(facts, separators=(",", ":")).encode() if facts else b""
    return _HEADER.pack(kind, stream, len(content)) + content


class Reader:
    """Cuts packets out of bytes, wherever those were cut."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def read(self, piece: bytes) -> Iterator[Packet]:
        """Yield the packets that *piece* completes.

        Raises:
            Broken: it can be read no further.
        """
        self._waiting += piece
        begin = 0
        try:
            while len(self._waiting) - begin >= HEADER:
                number, stream, length = _HEADER.unpack_from(self._waiting, begin)
                if length > LONGEST or number not in Kind._value2member_map_:
                    raise Broken(f"a packet of kind {number} with {length} bytes")
                end = begin + HEADER + length
                if len(self._waiting) < end:
                    break
                content = bytes(self._waiting[begin + HEADER : end])
                begin = end
                yield Packet(Kind(number), stream, content)
        finally:
            del self._waiting[:begin]
