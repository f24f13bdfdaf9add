"""AEAP, the protocol of Asterisk's `res_speech_aeap`, without a socket.

One WebSocket is one `SPEECH CREATE`. Text messages are JSON objects, binary ones are sound:

    Asterisk asks  {"request":"setup","id":I,"codecs":[{"name":"slin"}],…}
                   {"request":"set","id":I,"params":{NAME:VALUE}}
                   {"request":"get","id":I,"params":[NAME]}
    we answer      {"response":"setup","id":I,"codecs":[{"name":"slin"}]}, and so on
    we ask         {"request":"set","id":I,"params":{"results":[RESULT]}}, and it answers

`parse` reads what comes, the other functions write what goes.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PROTOCOL = "speech_to_text"
"""The WebSocket subprotocol."""
CODEC = "slin"
"""Signed linear 16 bit, little endian, mono, 8000 Hz: the only sound we take."""
LONGEST_MESSAGE = 16 * 1024
"""Characters of one text message; Asterisk's own have a few hundred."""
LONGEST_TEXT = 200
"""Characters of recognised words: Asterisk puts them into one AGI line of 4096 bytes."""
LONGEST_GIVE_UP = 600_000
"""Milliseconds."""

_ID = re.compile(r"[\x21-\x7e]{1,64}")
_PAIR = re.compile(r"([a-z_]{1,16})=([A-Za-z0-9_.-]{0,64})")
_NUMBER = re.compile(r"[0-9]{1,7}")
_BREAKS_THE_LINE = frozenset('"\\')


class Garbage(Exception):
    """The other side sent what Asterisk never sends; the message says what."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message: which sound Asterisk can send."""

    id: str
    codecs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """`SPEECH SET name value`; keys pressed come as `dtmf`."""

    id: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Get:
    """Asterisk asks: for `results` when it is done and has none, for settings otherwise."""

    id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request of ours."""

    id: str
    error: str | None = None


Message = Setup | Set | Get | Answer


class Kind(StrEnum):
    """What a result says; it travels as the result's grammar."""

    BEGAN = "began"
    FINAL = "final"
    SILENCE = "silence"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """The one answer to a RECOGNIZE."""

    kind: Kind
    text: str = ""
    score: int = 0
    """0-100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What the AGI side wants of the RECOGNIZE that comes next: the value of `listen`."""

    call: str = ""
    """Linkedid, for logs and the names of files."""
    step: int = 0
    """Which RECOGNIZE of its step."""
    give_up: int | None = None
    """Milliseconds of sound after which nobody has spoken; None: never."""
    barge: bool = False
    """Answer as soon as somebody speaks."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Keys that this version does not know."""


def parse(text: str) -> Message:
    """Return what a text message of Asterisk says.

    Raises:
        Garbage: it is no message of this protocol.
    """
    if len(text) > LONGEST_MESSAGE:
        raise Garbage("a message that is too long")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # numbers of thousands of digits, a thousand brackets
        raise Garbage("no JSON") from None
    if not isinstance(found, dict):
        raise Garbage("no JSON object")
    number = found.get("id")
    if not isinstance(number, str) or not _ID.fullmatch(number):
        raise Garbage("no id")
    if "response" in found:
        error = found.get("error_msg")
        return Answer(number, None if error is None else clean(str(error)))
    match found.get("request"):
        case "setup":
            return Setup(number, _codecs(found.get("codecs")))
        case "set":
            return Set(number, _values(found.get("params")))
        case "get":
            return Get(number, _names(found.get("params")))
    raise Garbage("no request that we know")


def _codecs(found: object) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise Garbage("a setup without codecs")
    names = [item.get("name") for item in found if isinstance(item, dict)]
    return tuple(name for name in names if isinstance(name, str))


def _values(found: object) -> Mapping[str, str]:
    if not isinstance(found, dict) or not found:
        raise Garbage("a set without params")
    if not all(isinstance(value, str) for value in found.values()):
        raise Garbage("a value that is no text")
    return found


def _names(found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not found:
        raise Garbage("a get without params")
    if not all(isinstance(name, str) for name in found):
        raise Garbage("a name that is no text")
    return tuple(found)


def listening(value: str) -> Listening:
    """Read the value of `SPEECH SET listen`: key=value pairs joined by ";".

    Raises:
        Garbage: it is not of that form, or a number is out of bounds.

    >>> listening("call=n1-1.2;step=1;give_up=4000;barge=1").give_up
    4000
    """
    pairs: dict[str, str] = {}
    for part in value.split(";"):
        pair = _PAIR.fullmatch(part)
        if pair is None or pair[1] in pairs:
            raise Garbage("a listen that is not key=value;…")
        pairs[pair[1]] = pair[2]
    give_up = pairs.pop("give_up", None)
    return Listening(
        call=pairs.pop("call", ""),
        step=_number(pairs.pop("step", "0"), 9999),
        give_up=None if give_up is None else _number(give_up, LONGEST_GIVE_UP),
        barge=bool(_number(pairs.pop("barge", "0"), 1)),
        extra=pairs,
    )


def _number(digits: str, most: int) -> int:
    if not _NUMBER.fullmatch(digits) or int(digits) > most:
        raise Garbage(f"a listen with a number that is not 0-{most}")
    return int(digits)


def clean(text: str) -> str:
    r"""Return *text* so that the AGI line it ends up in can still be read.

    No control or invisible characters, no half characters, no double quotes, no backslashes;
    at most `LONGEST_TEXT` characters.

    >>> clean(' 停"水\n了 ')
    '停 水 了'
    """
    kept = (
        " " if c in _BREAKS_THE_LINE or unicodedata.category(c)[0] in "CZ" else c
        for c in text[: 4 * LONGEST_TEXT]
    )
    return " ".join("".join(kept).split())[:LONGEST_TEXT].rstrip()


# ---- what we say


def accept(setup: Setup) -> str:
    """Return the response to a setup that offers our codec, alone or among others."""
    return _dump({"response": "setup", "id": setup.id, "codecs": [{"name": CODEC}]})


def done(message: Set) -> str:
    """Return the response to a set."""
    return _dump({"response": "set", "id": message.id})


def give(message: Get, last: Result | None) -> str:
    """Return the response to a get: the last result; of settings we have none.

    Asterisk asks for results when it believes that there are some and has got none; a caller
    whose words are lost has to be told so.
    """
    if message.names[0] == "results":
        results = [_result(last or Result(Kind.FAILED))]
        return _dump({"response": "get", "id": message.id, "params": {"results": results}})
    return refuse(message, "there is no such setting")


def refuse(message: Setup | Set | Get, why: str) -> str:
    """Return the response that says that it cannot be done."""
    name = type(message).__name__.lower()
    return _dump({"response": name, "id": message.id, "error_msg": why})


def results(number: str, result: Result) -> str:
    """Return our request that ends a RECOGNIZE.

    Args:
        number: id of the request; must be unlike any that Asterisk gives its own.
    """
    return _dump({"request": "set", "id": number, "params": {"results": [_result(result)]}})


def _result(result: Result) -> dict[str, Any]:
    return {
        "text": clean(result.text),
        "score": min(max(result.score, 0), 100),
        "grammar": result.kind.value,
        "best": 0,  # anything else, and the text reads empty in a dialplan
    }


def _dump(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
