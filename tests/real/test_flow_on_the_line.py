"""The flow's driver on a real Asterisk: what was heard and how long, who left when, keys ahead.

The controller is only its FastAGI server, in this process; the flows are the test's own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dialplans.city import load
from hotline import places
from ivr.agi import AgiServer
from ivr.inbound import Inbound
from schemas import config
from schemas.city import City
from schemas.events import Event, FlowFailed, FlowStarted, PromptPlayed, RouteChosen, Waited
from schemas.flows import Flow
from tests.real import raw_sip
from tests.real.conftest import EXCHANGE_SIDE, Exchange, running_exchange, setting

pytestmark = pytest.mark.real

BAOJI = load(places.dialplan(config.Site()))
GREETING = BAOJI.prompts["greeting"].seconds
QUEUE = {"do": "queue"}
SAY = {"a": {"do": "say", "prompts": ["greeting"], "next": "b"}, "b": QUEUE}
Steps = Mapping[str, Mapping[str, Any]]


@dataclass(eq=False)
class House:
    """An exchange and what its flows told us."""

    exchange: Exchange
    city: City
    told: list[Event] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, event: Event, /) -> None:
        self.told.append(event)
        self.more.set()

    async def see(self, *kinds: type[Event], within: float = 15) -> Sequence[Event]:
        """Return all events once these have come, in this order and no other."""
        async with asyncio.timeout(within):
            while len(self.told) < len(kinds):
                self.more.clear()
                await self.more.wait()
        assert [type(event) for event in self.told] == list(kinds), self.told
        return self.told


@asynccontextmanager
async def house(asterisk: Any, folder: Path, steps: Steps) -> AsyncIterator[House]:
    """Yield an exchange on which 12345 runs *steps* from `a`."""
    flow = Flow.model_validate({"flow": "main", "title": "t", "start": "a", "steps": steps})
    city = City(
        folder=folder,
        register=BAOJI.register,
        flows={"main": flow},
        prompts={**BAOJI.prompts, "nowhere": BAOJI.prompts["greeting"]},
    )
    settings = setting()
    async with running_exchange(
        asterisk, folder, settings=settings, prompts=BAOJI.folder / "audio"
    ) as exchange:
        made = House(exchange, city)

        async def unknown(what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
            raise LookupError(what)

        script = Inbound(
            city=lambda: made.city,
            report=made.report,
            returning=lambda number, caller: False,
            lookups=unknown,
            staffed=lambda skill: False,
            clock=time.time,
        )
        async with AgiServer(
            {"inbound": script}, host=EXCHANGE_SIDE, port=settings.agi.port, most=10
        ):
            yield made


@asynccontextmanager
async def citizen(made: House) -> AsyncIterator[raw_sip.RawCall]:
    """Yield a citizen who dialled 12345 and hears the first prompt."""
    async with raw_sip.line(made.exchange.sip, port=_trunk(made)) as line:
        call = line.invite("12345")
        await call.hears()
        yield call


def _trunk(made: House) -> int:
    return int(made.exchange.settings.trunk.host.partition(":")[2])


@pytest.mark.parametrize(("codec", "rate"), [("slin", 8000), ("slin16", 16000)])
async def test_a_prompt_lasts_as_long_for_who_hears_it_in_wide_band(
    asterisk: Any, tmp_path: Path, codec: str, rate: int
) -> None:
    async with house(asterisk, tmp_path, SAY) as made:
        await made.exchange.instance.console("dialplan add extension s,1,Answer, into ear")
        await made.exchange.instance.console("dialplan add extension s,2,Wait,30 into ear")
        link = await made.exchange.link(lambda _: None)
        agi = f"agi://{EXCHANGE_SIDE}:{made.exchange.settings.agi.port}/inbound,x,12345"
        await link.act(
            "Originate", Channel="Local/s@ear/n", Codecs=codec, Application="AGI", Data=agi,
            Async="true",
        )  # fmt: skip
        _, played, _ = await made.see(FlowStarted, PromptPlayed, RouteChosen)
        await link.close()
    assert isinstance(played, PromptPlayed)
    # Asterisk plays the 16 kHz file to the second one, and endpos counts its samples
    assert played.seconds == pytest.approx(GREETING, abs=0.3)
    assert (BAOJI.folder / "audio" / f"greeting.wav{'16' if rate > 8000 else ''}").exists()


async def test_who_hangs_up_in_mid_prompt_has_left_in_this_step(
    asterisk: Any, tmp_path: Path
) -> None:
    async with house(asterisk, tmp_path, SAY) as made, citizen(made) as call:
        began = time.monotonic()
        call.hang_up()
        await call.gone()
        _, played = await made.see(FlowStarted, PromptPlayed)
        elapsed = time.monotonic() - began
    assert isinstance(played, PromptPlayed)
    assert (played.step, played.prompt, played.key, played.left) == (
        "main/a", "greeting", None, True,
    )  # fmt: skip
    assert played.seconds <= min(GREETING, elapsed + 1.0)


async def test_who_hangs_up_while_a_key_is_awaited_has_left_then(
    asterisk: Any, tmp_path: Path
) -> None:
    menu = {"do": "menu", "prompts": ["n-1"], "wait": 10}
    async with house(asterisk, tmp_path, {"a": menu}) as made, citizen(made) as call:
        await made.see(FlowStarted, PromptPlayed)
        call.hang_up()
        await call.gone()
        *_, waited = await made.see(FlowStarted, PromptPlayed, Waited)
    assert isinstance(waited, Waited)
    assert (waited.step, waited.left, waited.key) == ("main/a", True, None)
    assert waited.seconds < 10


async def test_a_key_pressed_ahead_answers_the_question_that_nobody_has_to_hear(
    asterisk: Any, tmp_path: Path
) -> None:
    steps = {
        **SAY,
        "b": {"do": "menu", "prompts": ["away"], "keys": {"7": "c"}},
        "c": {"do": "queue", "queue": "citizens", "priority": 7},
    }
    async with house(asterisk, tmp_path, steps) as made, citizen(made) as call:
        call.press("7")
        _, played, routed = await made.see(FlowStarted, PromptPlayed, RouteChosen)
    assert isinstance(played, PromptPlayed)
    assert (played.key, played.left) == ("7", False)
    assert played.seconds < GREETING
    assert isinstance(routed, RouteChosen)
    assert routed.route.priority == 7


async def test_a_question_whose_sound_is_missing_is_a_person(asterisk: Any, tmp_path: Path) -> None:
    menu = {"do": "menu", "prompts": ["n-1", "nowhere"], "silence": "away", "wait": 10}
    steps = {"a": menu, "away": {"do": "hangup"}}
    async with house(asterisk, tmp_path, steps) as made, citizen(made):
        _, played, failed, routed = await made.see(
            FlowStarted, PromptPlayed, FlowFailed, RouteChosen
        )
    assert isinstance(played, PromptPlayed)
    assert isinstance(failed, FlowFailed)
    assert isinstance(routed, RouteChosen)
    assert (played.prompt, failed.step) == ("n-1", "main/a")
    assert str(routed.route) == "queue:citizens"
