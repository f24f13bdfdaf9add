"""One call through the inbound script, Asterisk's side played over a real socket."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from ivr.inbound import Inbound, variables
from schemas.calls import CallId, Route, RouteKind
from schemas.events import Event, FlowStarted, PromptPlayed, RouteChosen
from schemas.numbers import Attribution, Number, Register

pytestmark = pytest.mark.unit

Block = Callable[..., bytes]
ID = CallId("n1-1795398938.1")


class Script:
    """The script with ports that remember."""

    def __init__(self, register: Register, *, returning: bool = False) -> None:
        self.events: list[Event] = []
        self.asked: list[tuple[str, str]] = []
        self._answer = returning
        ticks = count(1000)
        self.run = Inbound(
            register=lambda: register,
            report=self.events.append,
            staffed=lambda unit: True,
            returning=self.returning,
            clock=lambda: float(next(ticks)),
        )

    def returning(self, number: Number, caller: str, /) -> bool:
        self.asked.append((number.number, caller))
        return self._answer


async def test_a_call_to_12345_takes_three_commands(
    serving: Any, asterisk_side: Any, block: Block, register: Register
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert side.commands == [
        ["SET", "VARIABLE", "TIMEOUT(absolute)", "14"],
        ["STREAM", "FILE", "hotline/greeting", "0123456789*#"],
        side.commands[-1],
    ]
    assert side.variables == {
        "TIMEOUT(absolute)": "0",
        "HOTLINE_ROUTE": "queue",
        "HOTLINE_QUEUE": "citizens",
        "HOTLINE_PRIO": "0",
        "HOTLINE_SEAT_QUEUE": "",
        "HOTLINE_SEAT_SECONDS": "0",
        "HOTLINE_TARGET": "",
    }
    assert script.events == [
        FlowStarted(
            call=ID,
            at=1000.0,
            channel="PJSIP/trunk-00000001",
            did="12345",
            caller="13900000001",
            number=register.find("12345"),
            attribution=Attribution.DID,
            dialled="12345",
        ),
        PromptPlayed(call=ID, at=1001.0, prompt="greeting", seconds=1.0, key=None),
        RouteChosen(call=ID, at=1002.0, route=Route(kind=RouteKind.QUEUE, queue="citizens")),
    ]


async def test_a_unit_that_is_nobodys_skill_is_everybodys_matter(
    serving: Any, asterisk_side: Any, block: Block, register: Register
) -> None:
    script = Script(register)
    script.run = replace(script.run, staffed=lambda unit: False)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12336"))
    assert side.variables["HOTLINE_QUEUE"] == "citizens"


@pytest.mark.parametrize(
    ("arguments", "route"),
    [
        (("12336",), "queue:unit-land"),
        (("12345", "", "12320"), "queue:unit-health"),
        (("12345", "", "", "12320;12336"), "queue:unit-land"),
        (("12345", "", "", "", "12320;12345"), "queue:unit-health"),
        (("0917-12328",), "queue:seat-12328>citizens"),
        (("99999",), "queue:citizens"),
        ((), "queue:citizens"),
    ],
)
async def test_each_number_leads_where_it_should(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    register: Register,
    arguments: tuple[str, ...],
    route: str,
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        await asterisk_side(server.port).call(block(*arguments))
    assert isinstance(script.events[-1], RouteChosen)
    assert str(script.events[-1].route) == route


@pytest.mark.parametrize(
    ("answers", "route", "commands"),
    [
        ({}, "transfer:12388", 7),
        ({"STREAM": "200 result=49 endpos=800\n"}, "transfer:12388", 3),
        ({"WAIT": "200 result=48\n"}, "queue:citizens", 4),
        ({"STREAM": "200 result=-1 endpos=0\n"}, "queue:citizens", 4),
    ],
)
async def test_a_transfer_is_offered_and_the_time_limit_renewed_at_each_step(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    register: Register,
    answers: dict[str, str],
    route: str,
    commands: int,
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, answers)
        await side.call(block("12388"))
    assert isinstance(script.events[-1], RouteChosen)
    assert str(script.events[-1].route) == route
    assert side.variables["HOTLINE_QUEUE"] == "citizens"
    assert len(side.commands) == commands


async def test_a_prompt_is_reported_before_the_wait_for_a_key(
    serving: Any, asterisk_side: Any, block: Block, register: Register
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        await asterisk_side(server.port, {"WAIT": "HANGUP\n"}).call(block("12388"))
    assert [type(event) for event in script.events] == [FlowStarted, PromptPlayed]


async def test_a_transfer_that_came_back_goes_to_an_agent(
    serving: Any, asterisk_side: Any, block: Block, register: Register
) -> None:
    script = Script(register, returning=True)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345", "", "12388"))
    assert script.asked == [("12388", "13900000001")]
    assert side.variables["HOTLINE_ROUTE"] == "queue"
    assert [words[0] for words in side.commands] == ["SET", "EXEC"]


async def test_a_missing_greeting_costs_no_call(
    serving: Any, asterisk_side: Any, block: Block, register: Register
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, {"STREAM": "200 result=-1 endpos=0\n"})
        await side.call(block("12345"))
    assert side.variables["HOTLINE_ROUTE"] == "queue"
    assert [type(event) for event in script.events] == [FlowStarted, RouteChosen]


@pytest.mark.parametrize(
    "answers",
    [
        {"SET": None},
        {"STREAM": None},
        {"STREAM": "HANGUP\n200 result=-1 endpos=0\n"},
        {"EXEC": None},
        {"EXEC": "200 result=-1\n"},
        {"EXEC": "garbage\n"},
    ],
)
async def test_without_a_route_in_the_channel_none_is_reported(
    serving: Any, asterisk_side: Any, block: Block, register: Register, answers: dict[str, Any]
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, answers)
        await side.call(block("12345"))
    assert "HOTLINE_ROUTE" not in side.variables
    assert not any(isinstance(event, RouteChosen) for event in script.events)


async def test_a_broken_register_leaves_the_caller_to_the_dialplan(
    serving: Any, asterisk_side: Any, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Register:
        raise RuntimeError("no register")

    script = Inbound(
        register=broken,
        report=print,
        staffed=lambda unit: True,
        returning=lambda number, caller: False,
        clock=lambda: 0.0,
    )
    async with serving(script) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert "HOTLINE_ROUTE" not in side.variables
    assert "no register" in caplog.text


HOSTILE = [
    '"',
    "'; DROP TABLE calls;--",
    "${SHELL(id)}",
    "a" * 4000,
    "\xff\x00\x07",
    "市",
    "\r\x0b",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_reaches_neither_the_dialplan_nor_the_log(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    register: Register,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script(register)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        everywhere = dict.fromkeys(("extension", "callerid", "calleridname"), text)
        await side.call(block(text, text, text, text, text, **everywhere))
    assert side.variables["HOTLINE_QUEUE"] == "citizens"
    started = script.events[0]
    assert isinstance(started, FlowStarted)
    assert started.attribution is Attribution.UNKNOWN
    assert all(len(t) <= 64 and t.isprintable() for t in (started.did, started.caller))
    assert all(text not in str(words) for words in side.commands if len(text) > 1)
    assert not caplog.records


def test_a_transfer_says_what_follows_when_it_fails() -> None:
    route = Route(kind=RouteKind.TRANSFER, target="12388", queue="citizens", priority=5)
    told = variables(route)
    assert list(told)[-1] == "HOTLINE_ROUTE"
    assert told["HOTLINE_ROUTE"] == "transfer"
    assert (told["HOTLINE_TARGET"], told["HOTLINE_QUEUE"], told["HOTLINE_PRIO"]) == (
        "12388",
        "citizens",
        5,
    )
