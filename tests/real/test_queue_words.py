"""What a caller who queues is told, taken from the sound that reached the caller's ear."""

import asyncio
import contextlib
import itertools
import math
import wave
from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path

import pytest

from hotline.carrier import Carrier, CitizensCall
from ivr import say
from schemas import config

from .conftest import Exchange, running_city, running_exchange, setting
from .test_dialplan import Desk, at, controller, ready, to_queue

pytestmark = pytest.mark.real

AUDIO = Path(__file__).parents[2] / "dialplans" / "baoji" / "audio"
EVERY = 5
"""Seconds between two announcements in these tests."""
STEP = 4
"""Samples of 8 kHz made one: speech below 1 kHz is enough to know a prompt by."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A prompt that was found in a recording."""

    id: str
    begins: float
    """Seconds into the recording."""
    likeness: float
    """1 for the prompt itself, about 0 for anything else."""


def coarse(file: Path) -> list[float]:
    with wave.open(str(file), "rb") as opened:
        samples = array("h", opened.readframes(opened.getnframes()))
    # means over two steps: half a step more or less must not matter
    sums = [
        sum(samples[i : i + 2 * STEP]) / 2 / STEP
        for i in range(0, len(samples) - 2 * STEP + 1, STEP)
    ]
    mean = sum(sums) / max(len(sums), 1)
    return [s - mean for s in sums]


def find(prompt: str, recording: Sequence[float], *, from_likeness: float = 0.7) -> list[Heard]:
    """Return where *prompt* was played, by the correlation of its sound with the recording."""
    wanted = coarse(AUDIO / f"{prompt}.wav")
    length, own = len(wanted), math.sqrt(sum(map(mul, wanted, wanted)))
    squares = [0.0]
    for sample in recording:
        squares.append(squares[-1] + sample * sample)
    found: list[Heard] = []
    for start in range(len(recording) - length):
        power = squares[start + length] - squares[start]
        if power < 200**2 * length / 10:
            continue
        likeness = sum(map(mul, wanted, recording[start : start + length])) / own / math.sqrt(power)
        if likeness < from_likeness:
            continue
        here = Heard(prompt, start * STEP / 8000, likeness)
        if found and here.begins - found[-1].begins < length * STEP / 8000:
            found[-1] = max(found[-1], here, key=lambda h: h.likeness)
        else:
            found.append(here)
    return found


def told(recording: Path, *prompts: str) -> list[Heard]:
    """Return which of *prompts* were played and when; where two fit, the one that fits better."""
    sound = coarse(recording)
    every = sorted((h for p in prompts for h in find(p, sound)), key=lambda h: h.begins)
    kept: list[Heard] = []
    for heard in every:
        if kept and heard.begins - kept[-1].begins < 0.15:
            kept[-1] = max(kept[-1], heard, key=lambda h: h.likeness)
        else:
            kept.append(heard)
    return kept


@pytest.fixture
async def talkative(asterisk, tmp_path: Path) -> AsyncIterator[Exchange]:
    """Yield an exchange that announces every few seconds, with the city's own prompts."""
    settings = setting(calls=config.Calls(ring=5, announce_every=EVERY))
    async with running_exchange(asterisk, tmp_path, settings=settings, prompts=AUDIO) as made:
        yield made


@pytest.fixture
async def town(asterisk, tmp_path: Path, talkative: Exchange) -> AsyncIterator[Carrier]:
    async with running_city(asterisk, tmp_path, talkative) as carrier:
        yield carrier


async def queued(town: Carrier, listener: Desk, caller: str) -> CitizensCall:
    call = await town.call("12345", caller=caller)
    await listener.see("QueueCallerJoin", CallerIDNum=caller)
    return call


async def stay(town: Carrier, call: CitizensCall, seconds: float) -> None:
    """Let the caller listen: what is announced by the clock can only be waited for."""
    try:
        async with asyncio.timeout(seconds):
            await call.ended.wait()
    except TimeoutError:
        await town.hang_up(call)
    async with asyncio.timeout(10):
        while not whole(call.heard):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)


def whole(recording: Path) -> bool:
    """Tell whether Asterisk has closed it: only then does its header tell its real length."""
    with contextlib.suppress(OSError, EOFError, wave.Error), wave.open(str(recording)) as opened:
        return 0 < opened.getnframes() * 2 == recording.stat().st_size - 44
    return False


async def test_a_queue_says_each_callers_place_in_chinese_and_not_more_often_than_set(
    talkative: Exchange, town: Carrier
) -> None:
    listener = Desk()
    link = await talkative.link(listener)
    async with controller(talkative.settings.agi.port, to_queue(), []):
        first = await queued(town, listener, "13900000001")
        second = await queued(town, listener, "13900000002")
        third = await queued(town, listener, "13900000003")
        await stay(town, third, 3 * EVERY + 2)
        await asyncio.gather(*(stay(town, call, 0.1) for call in (first, second)))
    await link.close()

    phrases = {
        call: ("queue-with-you", *say.count(n), "queue-callers")
        for call, n in ((second, 2), (third, 3))
    }
    phrases[first] = ("queue-next",)
    numbers = [f"n-{n}" for n in range(1, 6)]
    for call, phrase in phrases.items():
        words = told(
            call.heard, "queue-next", "queue-with-you", "queue-callers", "n-liang", *numbers
        )
        times = [word.begins for word in words if word.id == phrase[0]]
        assert [w.id for w in words] == list(phrase) * len(times), words
        assert len(times) <= 4
        assert len(times) >= 2 or call is first  # later versions tell the first in line nothing
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert min(gaps, default=EVERY) >= EVERY, gaps


async def test_an_idle_agent_is_rung_at_once_and_nothing_is_announced(
    talkative: Exchange, town: Carrier
) -> None:
    listener = Desk()
    link = await talkative.link(listener)
    await ready(link, "8001", "citizens")
    async with controller(talkative.settings.agi.port, to_queue(), []):
        call = await queued(town, listener, "13900000001")
        rings = await listener.see("AgentCalled", MemberName="8001")
        await listener.see("AgentConnect", MemberName="8001")
        await stay(town, call, 1)
    await link.close()
    joined = await listener.see("QueueCallerJoin")
    assert at(rings) - at(joined) < 1.5
    assert told(call.heard, "queue-next", "queue-with-you") == []
