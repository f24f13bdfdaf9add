"""Sound files and sampling rates."""

import wave
from pathlib import Path

import numpy as np
import pytest

from ivr.speech import sound
from schemas.errors import Invalid

pytestmark = pytest.mark.unit


def write(path: Path, samples: np.ndarray, rate: int, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes())
    return path


def tone(hertz: float, rate: int, seconds: float = 1.0, loud: float = 8000) -> np.ndarray:
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def test_telephone_sound_is_read_as_it_is(tmp_path: Path) -> None:
    samples = np.array([0, 1, -1, 32767, -32768, 77])
    file = write(tmp_path / "a.wav", samples, 8000)
    assert sound.read(file) == samples.astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_becomes_8000_and_the_tone_stays(tmp_path: Path, rate: int, channels: int) -> None:
    samples = np.repeat(tone(440, rate), channels)
    pcm = sound.read(write(tmp_path / "a.wav", samples, rate, channels))
    found = np.frombuffer(pcm, "<i2").astype(float)
    assert found.size == 8000
    inner = slice(400, 7600)
    assert np.abs(found - tone(440, 8000))[inner].max() < 20


def test_what_8000_hz_cannot_hold_is_gone_not_folded(tmp_path: Path) -> None:
    pcm = sound.read(write(tmp_path / "a.wav", tone(5000, 16000), 16000))
    assert np.abs(np.frombuffer(pcm, "<i2")[400:7600]).max() < 20


def test_there_and_back_is_the_same() -> None:
    rng = np.random.default_rng(1)
    rough = rng.normal(0, 0.1, 8000).astype(np.float32)
    low = sound.resample(sound.resample(rough, 8000, 4000), 4000, 8000)  # nothing near the edge
    again = sound.resample(sound.resample(low, 8000, 16000), 16000, 8000)
    assert np.abs(again - low)[500:-500].max() < 1e-3


def test_nothing_stays_nothing() -> None:
    assert sound.resample(np.zeros(0, np.float32), 8000, 16000).size == 0
    assert sound.from_slin(b"\x01").size == 0


def test_too_loud_is_cut_not_wrapped() -> None:
    loud = np.array([2.0, -2.0], np.float32)
    assert sound.from_slin(sound.to_slin(loud)).tolist() == [32767 / 32768, -1.0]


@pytest.mark.parametrize(
    ("rate", "channels", "width", "reason"),
    [(4000, 1, 2, "4000"), (96000, 1, 2, "96000"), (8000, 3, 2, "3 channels"), (8000, 1, 1, "8 b")],
)
def test_other_sound_is_refused_by_what_it_is(
    tmp_path: Path, rate: int, channels: int, width: int, reason: str
) -> None:
    file = write(tmp_path / "a.wav", np.zeros(12), rate, channels, width)
    with pytest.raises(Invalid, match=reason):
        sound.read(file)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"hello" * 100, b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(content)
    with pytest.raises(Invalid, match="is no WAV file"):
        sound.read(file)


def test_a_cut_file_gives_what_is_there(tmp_path: Path) -> None:
    file = write(tmp_path / "a.wav", tone(440, 8000), 8000, 1)
    file.write_bytes(file.read_bytes()[:1001])
    assert 0 < len(sound.read(file)) < 1000
    assert len(sound.read(file)) % 2 == 0


def noise(rng: np.random.Generator, loud: float) -> np.ndarray:
    return rng.normal(0, loud, 24000)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(24000),
        np.random.default_rng(1).normal(0, 5, 24000),
        np.random.default_rng(2).normal(0, 3000, 24000),
        tone(440, 8000, 3.0),
        np.concatenate([np.zeros(12000), np.random.default_rng(3).normal(0, 900, 12000)]),
        np.zeros(10),
    ],
    ids=["silence", "faint", "hiss", "tone", "hiss begins", "nothing"],
)
def test_what_no_voice_is_is_steady(samples: np.ndarray) -> None:
    assert sound.steady((samples / 32768).astype(np.float32))


@pytest.mark.parametrize("snr", [40, 10, 3])
def test_a_voice_is_not_steady_even_in_noise(snr: int) -> None:
    folder = Path(__file__).parents[2] / "audio/speech"
    for file in sorted(folder.glob("*.wav")):
        voice = sound.from_slin(sound.read(file))
        loud = float(np.sqrt(np.square(voice).mean())) / 10 ** (snr / 20)
        rng = np.random.default_rng(1)
        mixed = voice + rng.normal(0, loud, voice.size).astype(np.float32)
        assert not sound.steady(mixed), file.name
