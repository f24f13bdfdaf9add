"""Which of a prompt's two sounds a telephone hears: Asterisk takes the one that suits its codec."""

import asyncio
from pathlib import Path

import pytest

from dialplans import sound
from tests.real import whole

from .conftest import Exchange, running_city, running_exchange

pytestmark = pytest.mark.real

AUDIO = Path(__file__).parents[2] / "dialplans" / "baoji" / "audio"
PROMPT = "scope-3"
PLAYING = f"""
[hotline-custom](+)
exten => *77,1,Answer()
 same => n,Wait(0.5)
 same => n,Playback(hotline/{PROMPT})
 same => n,Hangup()
"""


def above_4_khz(samples: sound.Samples) -> float:
    """Return the part of the power of 16 kHz sound that narrow-band telephones cannot hear."""
    low = sound.resample(sound.resample(samples, 16000, 8000), 8000, 16000)
    whole = sum(s * s for s in samples)
    return sum((a - b) ** 2 for a, b in zip(samples, low, strict=False)) / whole


async def heard(exchange: Exchange, asterisk, folder: Path, codec: str) -> sound.Samples:
    """Let a desk phone that speaks *codec* alone call the prompt; return what it heard, 16 kHz."""
    async with running_city(asterisk, folder, exchange) as city:
        pjsip = city.instance.home / "etc" / "pjsip.conf"
        text = pjsip.read_text("utf-8")
        assert "allow = alaw,ulaw" in text
        pjsip.write_text(text.replace("allow = alaw,ulaw", f"allow = {codec}"), encoding="utf-8")
        await city.instance.console("module load codec_g722.so")
        await city.instance.console("module reload res_pjsip.so")
        recording = city.heard / f"{codec}.wav16"
        await city.link.act(
            "Originate",
            variables=[f"HEARD={asterisk.inside(recording)}", "HOLD=60"],
            Channel="PJSIP/*77@phone-8001",
            Context="citizen",
            Exten="s",
            Priority="1",
            Codecs="slin16",  # or the recording would be narrow, whatever the telephone hears
            Async="true",
        )
        async with asyncio.timeout(20):
            await whole.settled(recording)
        return sound.read(recording, sound.WIDE)


async def test_a_wide_band_telephone_hears_the_wide_band_sound(asterisk, tmp_path: Path) -> None:
    shipped = above_4_khz(sound.read(AUDIO / f"{PROMPT}.wav16", sound.WIDE))
    async with running_exchange(asterisk, tmp_path, agents=("8001",), prompts=AUDIO) as exchange:
        etc = exchange.instance.home / "etc" / "extensions_agents.conf"
        etc.write_text(etc.read_text("utf-8") + PLAYING, encoding="utf-8")
        await exchange.instance.console("dialplan reload")
        wide = await heard(exchange, asterisk, tmp_path, "g722")
        narrow = await heard(exchange, asterisk, tmp_path, "alaw")
    assert len(wide) / sound.WIDE > 5
    assert above_4_khz(wide) > shipped / 2
    assert above_4_khz(narrow) < shipped / 20
