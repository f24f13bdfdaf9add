"""Recordings written down by the real engine: what was said when, and what is found."""

import os
import time
import wave
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cti.transcripts import store
from hotline import admin, exchange, transcribing
from hotline.cli import app
from hotline.config import Config
from hotline.transcribing import Made
from ivr.speech import sound
from schemas import config as sections
from schemas.errors import HotlineError, NotFound
from schemas.tables import CallRow

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("models")]
ROOT = Path(__file__).parents[2]
MODELS = Path(os.environ.get("HOTLINE_MODELS", ROOT / ".local/models"))
VOICES = ROOT / "tests/audio/speech"
ENDED = time.time() - 3600


@pytest.fixture
def config(tmp_path: Path) -> Config:
    if not (MODELS / "whisper-base").is_dir():
        reason = f"whisper-base is not in {MODELS}; `hotline models fetch whisper-base`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Config(
        site=sections.Site(state=tmp_path),
        asterisk=sections.Asterisk(program=str(ROOT / ".local/asterisk")),
        speech=sections.Speech(model="whisper-base", models=MODELS),
    )


def record(config: Config, name: str, *voices: str) -> None:
    """Write a recording in which *voices* speak, two seconds of silence between them."""
    file = exchange.instance(config).recordings / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        for voice in voices:
            out.writeframes(bytes(32_000) + sound.read(VOICES / f"{voice}.wav"))
        out.writeframes(bytes(16_000))


async def ledger(config: Config, **recordings: str) -> None:
    async with admin.database(config) as session:
        for n, (call, recording) in enumerate(recordings.items()):
            session.add(
                CallRow(
                    id=call,
                    node="n1",
                    state="ended",
                    chain=[],
                    started_at=ENDED - 60,
                    ended_at=ENDED + n,
                    outcome="answered",
                    recording=recording,
                )
            )


async def transcribed(config: Config, *only: str, again: bool = False) -> list[Made]:
    made: list[Made] = []
    await transcribing.transcribe(config, only, again=again, follow=False, tell=made.append)
    return made


async def test_what_was_said_is_written_down_with_its_place(config: Config) -> None:
    record(config, "2026/11/23/a.wav", "water", "road")
    (exchange.instance(config).recordings / "2026/11/23/b.wav").write_bytes(b"no sound at all")
    await ledger(config, a="2026/11/23/a.wav", b="2026/11/23/b.wav", c="2026/11/23/gone.wav")
    made = await transcribed(config)
    assert [one.call for one in made] == ["a", "b", "c"]
    assert [bool(one.error) for one in made] == [False, True, True]
    assert "b.wav" in (made[1].error or "")
    async with admin.database(config) as session:
        kept = await store.get(session, "a")
    assert kept is not None
    assert len(kept.parts) == 2
    first, second = kept.parts
    assert "水" in first.text
    assert 1.5 <= first.at <= 2.6
    assert first.until < second.at
    assert kept.engine == "whisper-base"
    assert await transcribed(config) == [], "each once, also what failed"
    assert [one.call_id for one in await transcribing.search(config, "水", 9)] == ["a"]
    again = await transcribed(config, "a", again=True)
    assert [replace(one, took=0) for one in again] == [replace(made[0], took=0)]


async def test_a_call_without_a_recording_is_named(config: Config) -> None:
    record(config, "a.wav", "water")
    await ledger(config, a="a.wav")
    with pytest.raises(NotFound, match="x, y: there is no such call with a recording"):
        await transcribed(config, "y", "a", "x")
    assert await transcribing.search(config, "水", 9) == [], "and nothing was begun"


async def test_without_a_model_it_says_so(config: Config, tmp_path: Path) -> None:
    empty = config.model_copy(
        update={"speech": sections.Speech(model="whisper-base", models=tmp_path / "none")}
    )
    with pytest.raises(HotlineError, match="hotline models fetch"):
        await transcribed(empty)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--follow", "n1-1"], "--follow goes on with what comes"),
        (["--search", "水", "--again"], "--search goes with"),
        (["--search", ""], "1 to 60 characters"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], says: str) -> None:
    found = CliRunner().invoke(app, ["transcribe", *arguments])
    assert isinstance(found.exception, HotlineError)
    assert says in str(found.exception)
