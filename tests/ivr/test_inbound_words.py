"""One call through the inbound script whose caller says what it is about."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ivr.listen import Listener
from schemas.calls import Route, RouteKind
from schemas.city import City
from schemas.events import Attributed, FlowStarted, PromptPlayed, RouteChosen, Said
from schemas.numbers import Attribution, Register
from schemas.speech import Meaning
from tests.ivr.flow_walks import flow
from tests.ivr.inbound_script import ID, Script

pytestmark = pytest.mark.unit

Block = Callable[..., bytes]
Clock = Any

LINE = {
    "a": {"do": "listen", "prompts": ["greeting"], "intents": {"agent": "agents"}, "lines": "said"},
    "said": {"do": "queue", "skill": "{unit}"},
    "agents": {"do": "queue"},
}


class Recogniser:
    """Hears one sentence while the greeting plays, if it is there at all."""

    def __init__(self, *, offered: bool, sure: bool = True) -> None:
        self.meaning = Meaning(intent="line-4", confidence=0.9, sure=sure)
        self.listener = Listener(
            offered=lambda: offered, met=lambda _: None, model=lambda: "m", longest=10,
            understand=lambda _: lambda text, among: self.meaning, answer_within=1,
        )  # fmt: skip
        self.answers = {
            "SPEECH RECOGNIZE": '200 result=1 (speech) endpos=0 results=1 score0=80 text0="卫生" '
            "grammar0=final\n",
            "SPEECH": "200 result=1\n",
        }


@pytest.mark.parametrize("dialled", ["12345", "99999"])
async def test_what_was_said_decides_whose_call_it_is(
    serving: Any, asterisk_side: Any, block: Block, city: City, clock: Clock, dialled: str
) -> None:
    health = replace(city.register.numbers["12320"], line_no=4)
    register = Register({**city.register.numbers, "12320": health})
    flows = {"main": flow(LINE, "main"), "unknown": flow(LINE, "unknown")}
    speech = Recogniser(offered=True)
    script = Script(replace(city, register=register, flows=flows), clock)
    script.run = replace(script.run, listener=speech.listener)
    async with serving(script.run) as server:
        side = asterisk_side(server.port, speech.answers)
        await side.call(block(dialled))
    assert script.events[-2:] == [
        Attributed(
            call=ID, at=1000.0, number=health, attribution=Attribution.SAID, dialled=dialled
        ),
        RouteChosen(
            call=ID,
            at=1000.0,
            route=Route(kind=RouteKind.QUEUE, queue="unit-health", skill="health"),
        ),
    ]
    assert [type(event) for event in script.events] == [
        FlowStarted, PromptPlayed, Said, Attributed, RouteChosen,
    ]  # fmt: skip


@pytest.mark.parametrize("speech", [Recogniser(offered=False), None])
async def test_where_nobody_can_be_understood_keys_are_waited_for(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    city: City,
    clock: Clock,
    speech: Recogniser | None,
) -> None:
    script = Script(replace(city, flows={"main": flow(LINE, "main")}), clock)
    listener = None if speech is None else speech.listener
    script.run = replace(script.run, listener=listener)
    async with serving(script.run) as server:
        side = asterisk_side(server.port)
        await side.call(block("12345"))
    assert "SPEECH" not in {words[0] for words in side.commands}
    assert [type(event) for event in script.events] == [FlowStarted, PromptPlayed, RouteChosen]
