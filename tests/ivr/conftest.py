"""Asterisk's side of FastAGI, played over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pytest

from ivr.agi import AgiServer, Script
from schemas.city import City, Spoken
from schemas.numbers import Integration, Number, Register
from tests.ivr import flow_walks

Answerer = Callable[[list[str]], str | bytes | None]
"""Takes a command's words, gives Asterisk's reply; None closes the connection."""


def words_of(line: str) -> list[str]:
    """Split a command as res_agi.c parse_args does."""
    words: list[str] = []
    word, quoted, escaped, started = "", False, False, False
    for char in line:
        if escaped:
            word, escaped, started = word + char, False, True
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted, started = not quoted, True
        elif char in " \t" and not quoted:
            if started:
                words.append(word)
            word, started = "", False
        else:
            word, started = word + char, True
    return [*words, word] if started else words


def environment(script: str = "inbound", **more: str) -> bytes:
    values = {
        "network": "yes",
        "network_script": script,
        "request": f"agi://127.0.0.1:4573/{script}",
        "channel": "PJSIP/trunk-00000001",
        "uniqueid": "n1-1795398938.1",
        "callerid": "13900000001",
        "calleridname": "unknown",
        "extension": "12345",
        **more,
    }
    return "".join(f"agi_{k}: {v}\n" for k, v in values.items()).encode() + b"\n"


def arguments(*args: str) -> dict[str, str]:
    return {f"arg_{n}": value for n, value in enumerate(args, 1)}


@dataclass
class AsteriskSide:
    """Connects, sends the environment, answers commands, notes what the channel was told."""

    port: int
    answers: Mapping[str, str | bytes | Answerer | None] = field(default_factory=dict)
    """Reply by verb (its first words); everything else works and plays for 1 s."""
    commands: list[list[str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    async def call(self, block: bytes) -> None:
        """Be one call from the AGI() line to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(20):
                writer.write(block)
                while line := await reader.readline():
                    words = words_of(line.decode().rstrip("\n"))
                    self.commands.append(words)
                    if (reply := self.reply(words)) is None:
                        return
                    writer.write(reply.encode() if isinstance(reply, str) else reply)
        except ConnectionError:
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def reply(self, words: list[str]) -> str | bytes | None:
        text = " ".join(words)
        for verb, answer in self.answers.items():
            if text.startswith(verb):
                return answer(words) if callable(answer) else answer
        match words:
            case ["SET", "VARIABLE", name, value]:
                self.variables[name] = value
                return "200 result=1\n"
            case ["EXEC", "MSet", pairs]:
                self.variables |= dict(pair.split("=", 1) for pair in pairs.split(","))
                return "200 result=0\n"
            case ["STREAM", "FILE", *_]:
                return "200 result=0 endpos=8000\n"
            case _:
                return "200 result=0\n"


Serving = Callable[..., AbstractAsyncContextManager[AgiServer]]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Start servers; an exception that reaches the loop fails the test."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    @asynccontextmanager
    async def start(
        script: Script | None = None, *, most: int = 500, **settings: float
    ) -> AsyncIterator[AgiServer]:
        async def nothing(_: object) -> None:
            return

        server = AgiServer(
            {"inbound": script or nothing}, host="127.0.0.1", port=0, most=most, **settings
        )
        async with server:
            yield server

    yield start
    assert faults == []


def _number(number: str, kind: str, **more: object) -> Number:
    base: dict[str, object] = {
        "number": number,
        "line_no": 1,
        "hotline": "某热线",
        "owner_unit": "某局",
        "unit": f"u{number}",
        "integration": Integration.INTEGRATED if kind == "main" else Integration(kind),
        "notice": f"notice-{number}",
        "flow": kind,
        "review": date(2027, 1, 1),
    }
    return Number(**(base | more))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def register() -> Register:
    """Every kind of number there is."""
    numbers = (
        _number("12345", "main", notice="greeting", unit="gov"),
        _number("12336", "integrated", unit="land"),
        _number("12320", "integrated", unit="health"),
        _number("3206789", "integrated", unit="chengguan"),
        _number("12328", "dual_run", seat="3260000", seat_seconds=20, notice="dual-12328"),
        _number("12388", "not_integrated", onward="12388", notice="onward-12388"),
    )
    return Register(MappingProxyType({n.number: n for n in numbers}))


FLOWS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "main": {
        "a": {"do": "say", "prompts": ["greeting"], "next": "agents"},
        "agents": {"do": "queue"},
    },
    "integrated": {
        "a": {"do": "say", "prompts": ["{notice}"], "next": "agents"},
        "agents": {"do": "queue", "skill": "{unit}"},
    },
    "dual_run": {
        "a": {"do": "say", "prompts": ["{notice}"], "next": "seat"},
        "seat": {"do": "queue", "seat": True},
    },
    "not_integrated": {
        "a": {
            "do": "menu", "prompts": ["{notice}"], "keys": {"1": "go"}, "silence": "go",
        },
        "go": {"do": "transfer", "to": "{onward}"},
    },
    "unknown": {
        "a": {"do": "say", "prompts": ["{notice}"], "next": "agents"},
        "agents": {"do": "queue"},
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def city(register: Register) -> City:
    """The register with flows that are as short as can be; every prompt lasts 4 s."""
    notices = {n.notice for n in register.numbers.values()} | {"unknown-number"}
    return City(
        folder=Path("nowhere"),
        register=register,
        flows={name: flow_walks.flow(steps, name) for name, steps in FLOWS.items()},
        prompts={id: Spoken(id, 4.0) for id in notices},
        version=3,
    )


@dataclass(eq=False)
class Clock:
    """Unix seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, reply: str | None) -> Answerer:
        """Answer with *reply*, that much later."""

        def answer(_: list[str]) -> str | None:
            self.now += seconds
            return reply

        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def asterisk_words() -> Callable[[str], list[str]]:
    """Split a command line as Asterisk does."""
    return words_of


@pytest.fixture
def asterisk_side() -> type[AsteriskSide]:
    return AsteriskSide


@pytest.fixture
def block() -> Callable[..., bytes]:
    """Build the environment of a call: `block(did, orig, from, diversion, history)`."""

    def build(*args: str, script: str = "inbound", **more: str) -> bytes:
        given = ("n1-1795398938.1", *args) if script == "inbound" else args
        return environment(script, **arguments(*given), **more)

    return build


@pytest.fixture
async def ticking() -> AsyncIterator[Callable[[], int]]:
    """Count the turns of the event loop: a frozen loop stops counting."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    task = asyncio.create_task(count())
    yield lambda: turns
    task.cancel()


@pytest.fixture
def soon() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something is so, looking at every turn of the loop."""

    async def wait(so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not so():  # noqa: ASYNC110 - what is watched has no event of its own
                await asyncio.sleep(0.002)

    return wait
