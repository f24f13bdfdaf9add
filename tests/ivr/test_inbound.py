"""One call through the inbound script, Asterisk's side played over a real socket."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ivr.inbound import variables
from schemas.calendar import Calendar
from schemas.calls import Route, RouteKind
from schemas.city import City
from schemas.events import (
    FlowFailed,
    FlowStarted,
    PromptPlayed,
    RouteChosen,
    Waited,
)
from schemas.numbers import Attribution
from tests.ivr.flow_walks import flow
from tests.ivr.inbound_script import ID, Script

pytestmark = pytest.mark.unit

Block = Callable[..., bytes]
Clock = Any


async def test_a_call_to_12345_takes_four_commands(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    script = Script(city, clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, {"STREAM": clock.after(3.5, "200 result=0\n")})
        await side.call(block("12345"))
    assert side.commands == [
        ["SET", "VARIABLE", "TIMEOUT(absolute)", "14"],
        ["SET", "VARIABLE", "TIMEOUT(absolute)", "9"],  # the prompt's 4 s, and 5 to spare
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
        "HOTLINE_AGENT": "",
    }
    assert script.events == [
        FlowStarted(
            call=ID,
            at=1000.0,
            channel="PJSIP/trunk-00000001",
            did="12345",
            caller="13900000001",
            number=city.register.find("12345"),
            attribution=Attribution.DID,
            dialled="12345",
            version=3,
        ),
        PromptPlayed(call=ID, at=1003.5, prompt="greeting", seconds=3.5, key=None, step="main/a"),
        RouteChosen(call=ID, at=1003.5, route=Route(kind=RouteKind.QUEUE, queue="citizens")),
    ]


async def test_a_call_keeps_the_city_it_began_with(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    cities = [city, replace(city, flows={}, version=4)]
    script = Script(city, clock)
    script.run = replace(script.run, city=lambda: cities.pop(0))
    async with serving(script.run) as server:
        await asterisk_side(server.port).call(block("12336"))
        assert str(script.events[-1].route) == "queue:unit-land"  # type: ignore[union-attr]
        script.events.clear()
        await asterisk_side(server.port).call(block("12336"))
    assert [type(event) for event in script.events] == [FlowStarted, FlowFailed, RouteChosen]
    assert script.events[0].version == 4  # type: ignore[union-attr]
    assert script.events[1] == FlowFailed(
        call=ID, at=1000.0, step="integrated/person", reason="there is no flow 'integrated'"
    )


async def test_a_published_sound_is_asked_for_by_its_own_name(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    script = Script(city.published(4, {"greeting": "hotline/greeting-0123456789"}), clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert ["STREAM", "FILE", "hotline/greeting-0123456789", "0123456789*#"] in side.commands
    assert script.events[1].prompt == "greeting"  # type: ignore[union-attr]


async def test_an_agent_who_knows_the_caller_is_told_to_the_dialplan(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    asked: list[tuple[str, str, str]] = []

    async def lookup(what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
        asked.append((what, of, caller))
        return "free", {"agent": "8001"}

    steps = {
        "a": {"do": "lookup", "what": "last_agent", "cases": {"free": "b"}},
        "b": {"do": "queue", "agent": "{agent}"},
    }
    script = Script(replace(city, flows={"main": flow(steps, "main")}), clock)
    script.run = replace(script.run, lookups=lookup)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert asked == [("last_agent", "", "13900000001")]
    assert (side.variables["HOTLINE_QUEUE"], side.variables["HOTLINE_AGENT"]) == (
        "citizens",
        "8001",
    )
    assert [words[0] for words in side.commands] == ["SET", "EXEC"]


async def test_the_hour_of_the_call_is_the_citys(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    clock.now = datetime(2026, 11, 23, 0, 30, tzinfo=UTC).timestamp()  # 08:30 in Baoji
    day = Calendar.model_validate({"schedules": {"day": {"every": ["08:00-09:00"]}}})
    steps = {
        "a": {"do": "hours", "schedule": "day", "open": "b", "closed": "person"},
        "b": {"do": "queue", "queue": "q"},
    }
    script = Script(replace(city, calendar=day, flows={"main": flow(steps, "main")}), clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert side.variables["HOTLINE_QUEUE"] == "q"


async def test_a_unit_that_is_nobodys_skill_is_everybodys_matter(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    script = Script(city, clock)
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
    city: City,
    clock: Clock,
    arguments: tuple[str, ...],
    route: str,
) -> None:
    script = Script(city, clock)
    async with serving(script.run) as server:
        await asterisk_side(server.port).call(block(*arguments))
    assert isinstance(script.events[-1], RouteChosen)
    assert str(script.events[-1].route) == route


@pytest.mark.parametrize(
    ("answers", "route", "commands"),
    [
        ({}, "transfer:12388", 8),
        ({"STREAM": "200 result=49 endpos=800\n"}, "transfer:12388", 4),
        ({"WAIT": "200 result=48\n"}, "queue:citizens", 5),
        ({"STREAM": "200 result=-1 endpos=0\n"}, "queue:citizens", 5),
    ],
)
async def test_a_transfer_is_offered_and_the_time_limit_renewed_at_each_step(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    city: City,
    clock: Clock,
    answers: dict[str, str],
    route: str,
    commands: int,
) -> None:
    script = Script(city, clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, answers)
        await side.call(block("12388"))
    assert isinstance(script.events[-1], RouteChosen)
    assert str(script.events[-1].route) == route
    assert side.variables["HOTLINE_QUEUE"] == "citizens"
    assert len(side.commands) == commands


async def test_who_hangs_up_while_we_wait_for_a_key_is_told_as_having_left(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    script = Script(city, clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, {"WAIT": clock.after(1.25, "HANGUP\n")})
        await side.call(block("12388"))
    assert [type(event) for event in script.events] == [FlowStarted, PromptPlayed, Waited]
    assert script.events[-1] == Waited(
        call=ID, at=1001.25, step="not_integrated/a", seconds=1.25, key=None, left=True
    )


async def test_a_transfer_that_came_back_goes_to_an_agent(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    script = Script(city, clock, returning=True)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345", "", "12388"))
    assert script.asked == [("12388", "13900000001")]
    assert side.variables["HOTLINE_ROUTE"] == "queue"
    assert [words[0] for words in side.commands] == ["SET", "EXEC"]


async def test_a_missing_greeting_costs_no_call(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock
) -> None:
    script = Script(city, clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, {"STREAM": "200 result=-1 endpos=0\n"})
        await side.call(block("12345"))
    assert side.variables["HOTLINE_ROUTE"] == "queue"
    assert [type(event) for event in script.events] == [FlowStarted, FlowFailed, RouteChosen]
    assert script.events[1].step == "main/a"  # type: ignore[union-attr]


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
    serving: Any,
    asterisk_side: Any,
    block: Block,
    city: City,
    clock: Clock,
    answers: dict[str, Any],
) -> None:
    script = Script(city, clock)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, answers)
        await side.call(block("12345"))
    assert "HOTLINE_ROUTE" not in side.variables
    assert not any(isinstance(event, RouteChosen) for event in script.events)


async def test_a_broken_city_leaves_the_caller_to_the_dialplan(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    city: City,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> City:
        raise RuntimeError("no city")

    script = replace(Script(city, clock).run, city=broken)
    async with serving(script) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert "HOTLINE_ROUTE" not in side.variables
    assert "no city" in caplog.text


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
    city: City,
    clock: Clock,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script(city, clock)
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
