"""Asterisk's AGI protocol without a socket.

Feed bytes to `AgiWire.receive`, take items from `AgiWire.next` until it returns None, and only
then ask `AgiWire.send` for the bytes of the next command: one command, one reply.

AgiError
 ├─ Misuse     our side asked for what the protocol forbids: a bug of ours
 └─ Garbage    the other side sent what Asterisk never sends; the wire is dead from then on
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LONGEST_LINE = 8 * 1024
"""Bytes of one line from Asterisk; its own lines end well below."""
LARGEST_BLOCK = 64 * 1024
"""Bytes of the environment, or of the usage text inside a multi-line reply."""
LONGEST_COMMAND = 2000
"""Bytes of one command: Asterisk reads into a buffer of 2048 (AGI_BUF_LEN)."""

_ENVIRONMENT = re.compile(r"(agi_\w{1,64}):(?: (.*))?", re.ASCII | re.DOTALL)
_REPLY = re.compile(r"(\d{3})([ -])(.*)", re.ASCII | re.DOTALL)
_RESULT = re.compile(r"result=(\S*)(?: (.*))?", re.DOTALL)
# These words come from Asterisk itself and may be followed by text0="…)…"; any other parenthesis
# holds a variable's value, which may contain parentheses of its own.
_WORD = re.compile(r"\((timeout|digit|speech|hangup)\)(?: (.*))?", re.DOTALL)
_VALUE = re.compile(r"\((.*)\)([^)]*)", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)=("[^"]*"|\S+)', re.ASCII)
_RESULT_0 = re.compile(r'score0=(-?\d{1,9}) text0="(.*)" grammar0=([a-z]*)', re.ASCII | re.DOTALL)
_RESULTS = re.compile(
    r'score0=(-?\d{1,9}) text0="(.*?)" grammar0=([a-z]*) score1=.*', re.ASCII | re.DOTALL
)
_VERB = re.compile(r"[A-Z]+(?: [A-Z]+)*")


class AgiError(Exception):
    """Base of what can go wrong on an AGI connection."""


class Misuse(AgiError):
    """We asked for something the protocol forbids."""


class Garbage(AgiError):
    """The other side does not speak AGI."""


class State(StrEnum):
    """Whose turn it is."""

    ENVIRONMENT = "environment"
    OURS = "ours"
    """No command is out: Asterisk may say HANGUP and nothing else."""
    THEIRS = "theirs"
    """One command is out and its reply is due."""
    HUNG_UP = "hung_up"
    """Whatever follows belongs to a command nobody waits for any more."""
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Environment:
    """The block of `agi_*` values Asterisk opens with."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command: `200 result=RESULT (DATA) endpos=…`."""

    code: int
    result: str = ""
    data: str | None = None
    """Text in parentheses; for an error its sentence."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What follows the parentheses, as far as it is Asterisk's own: endpos, results, digit."""
    rest: str = field(default="", compare=False, repr=False)
    """The same as it came. Asterisk quotes nothing inside a quoted text: see `recognised`."""

    @property
    def number(self) -> int | None:
        """The result as an integer, or None when it is none (GET DATA may answer `12*`)."""
        return int(self.result) if re.fullmatch(r"-?[0-9]{1,9}", self.result) else None


@dataclass(frozen=True, slots=True)
class Words:
    """One result of a recogniser."""

    text: str
    """Hostile: whatever came through the recogniser, quotes and all."""
    score: int
    grammar: str


def recognised(reply: Reply) -> Words | None:
    """Return the result of a `(speech)` reply, the newest when there are several; None for none.

    Asterisk escapes nothing in `text0="…"`, so that a text may look like anything. With one
    result its text ends at the last `" grammar0=` of the line, whatever stands before.

    >>> recognised(Reply(200, "1", "speech", rest='endpos=0 results=0 '))
    >>> line = 'endpos=0 results=1 score0=9 text0="a" grammar0=x" grammar0=final'
    >>> recognised(Reply(200, "1", "speech", rest=line))
    Words(text='a" grammar0=x', score=9, grammar='final')
    """
    count = re.match(r"endpos=-?\d+ results=(\d+) ", reply.rest, re.ASCII)
    if reply.data != "speech" or count is None:
        return None
    words = (_RESULTS if int(count[1]) > 1 else _RESULT_0).fullmatch(reply.rest, count.end())
    return Words(words[2], int(words[1]), words[3]) if words else None


@dataclass(frozen=True, slots=True)
class Hangup:
    """The caller hung up."""


Item = Environment | Reply | Hangup


def encode(verb: str, *args: str | int) -> bytes:
    """Return the line that asks Asterisk for *verb* with *args*, each quoted.

    Raises:
        Misuse: the verb is not upper-case words, an argument holds a line break or NUL, or the
            line is longer than Asterisk reads.
    """
    if not _VERB.fullmatch(verb):
        raise Misuse(f"{verb!r} is not an AGI command")
    words = [verb]
    for arg in map(str, args):
        if re.search(r"[\r\n\0]", arg):
            raise Misuse(f"line break or NUL in an argument of {verb}")
        escaped = arg.replace("\\", "\\\\").replace('"', '\\"')
        words.append(f'"{escaped}"')
    line = " ".join(words).encode("utf-8", "replace") + b"\n"
    if len(line) > LONGEST_COMMAND:
        raise Misuse(f"{verb} would be {len(line)} bytes, allowed {LONGEST_COMMAND}")
    return line


class AgiWire:
    """One AGI conversation as a machine: bytes in, items out."""

    def __init__(self) -> None:
        self.state = State.ENVIRONMENT
        self._buffer = bytearray()
        self._values: dict[str, str] = {}
        self._block = 0  # bytes of the environment or usage text read so far
        self._usage = ""  # code of the multi-line reply being read
        self._fault = ""

    def receive(self, data: bytes) -> None:
        """Take bytes as they come, cut anywhere."""
        if self.state not in (State.HUNG_UP, State.DEAD):
            self._buffer += data

    def send(self, verb: str, *args: str | int) -> bytes:
        """Return the bytes of one command; its reply is due now.

        Raises:
            Misuse: it is not our turn, or *args* cannot be sent; nothing has changed.
        """
        if self.state is not State.OURS:
            raise Misuse(f"{verb} while the wire is {self.state}")
        if b"\n" in self._buffer:
            raise Misuse(f"{verb} before everything received was read")
        line = encode(verb, *args)
        self.state = State.THEIRS
        return line

    def next(self) -> Item | None:
        """Return the oldest unread item, or None when more bytes are needed.

        Raises:
            Garbage: the bytes are no AGI; every later call raises it again.
        """
        if self.state is State.DEAD:
            raise Garbage(self._fault)
        try:
            while self.state is not State.HUNG_UP and (line := self._line()) is not None:
                if item := self._understand(line):
                    return item
        except Garbage as error:
            self.state, self._fault = State.DEAD, str(error)
            self._buffer.clear()
            raise
        return None

    def _line(self) -> str | None:
        end = self._buffer.find(b"\n", 0, LONGEST_LINE + 1)
        if end < 0:
            if len(self._buffer) > LONGEST_LINE:
                raise Garbage("line too long")
            return None
        line = self._buffer[:end].decode("utf-8", "replace")
        del self._buffer[: end + 1]
        return line

    def _understand(self, line: str) -> Item | None:
        if self.state is State.ENVIRONMENT:
            return self._environment(line)
        if self._usage:
            return self._more_usage(line)
        if line == "HANGUP":
            self.state = State.HUNG_UP
            self._buffer.clear()
            return Hangup()
        if self.state is State.OURS:
            raise Garbage("a reply without a command")
        if not (match := _REPLY.fullmatch(line)):
            raise Garbage("not a reply")
        code, sign, text = match.groups()
        if sign == "-":  # "520-Invalid command syntax.  Proper usage follows:"
            self._usage, self._block = code, 0
            return None
        if code == "100":  # "100 Trying": the reply is still to come
            return None
        return self._replied(int(code), text)

    def _environment(self, line: str) -> Environment | None:
        self._grow(line)
        if line:
            match = _ENVIRONMENT.fullmatch(line)
            # Asterisk names nothing twice. A second value comes from a line break inside a value,
            # that is from somebody who wants to be believed.
            if not match or match[1] in self._values:
                raise Garbage("not an AGI environment")
            self._values[match[1]] = match[2] or ""
            return None
        if not self._values:
            raise Garbage("empty environment")
        self.state = State.OURS
        return Environment(self._values)

    def _more_usage(self, line: str) -> Reply | None:
        self._grow(line)
        code, _, text = line.partition(" ")
        if code != self._usage:
            return None
        self._usage = ""
        return self._replied(int(code), text)

    def _replied(self, code: int, text: str) -> Reply:
        self.state = State.OURS
        if code != 200:
            return Reply(code, data=text)
        if not (match := _RESULT.fullmatch(text)):
            raise Garbage("a reply without a result")
        result, rest = match[1], match[2] or ""
        data = None
        if found := _WORD.fullmatch(rest) or _VALUE.fullmatch(rest):
            data, rest = found[1], found[2] or ""
        attributes = {key: value.strip('"') for key, value in _ATTRIBUTE.findall(rest)}
        return Reply(code, result, data, attributes, rest)

    def _grow(self, line: str) -> None:
        self._block += len(line) + 1
        if self._block > LARGEST_BLOCK:
            raise Garbage("block too large")
