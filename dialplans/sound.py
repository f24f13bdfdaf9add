"""Telephone sound: 8 kHz, mono, 16 bit. Read, measure, bring to one loudness."""

import io
import math
import sys
import wave
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Samples: TypeAlias = "array[int]"
"""Signed 16-bit samples, one channel, 8 kHz."""
RATE = 8000
FRAME = RATE // 50
"""Samples in 20 ms, the grain of telephone audio."""
FULL = 32768
LOUDNESS = -20.0
"""Level of the spoken parts in dB below full scale: loud on a handset, with room for peaks."""
PEAK = 0.89
"""Highest sample, of 1.0, that we write (-1 dB)."""
QUIET = -45.0
"""A frame below this level, in dB, is silence once the loudness is set."""
MARGIN = 0.1
"""Seconds of silence left before and after the words."""


class NotTelephoneSound(Exception):
    """The file is no WAV of 8 kHz, mono, 16 bit."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What can be said of a prompt without listening; levels in dB of full scale."""

    seconds: float
    loudness: float
    """Level of its spoken frames; -inf when all is silence."""
    clipped: int
    """Samples at the very top, in runs of three and more."""
    silence_before: float
    silence_after: float


def read(path: Path) -> Samples:
    """Return the samples of a WAV file.

    Raises:
        NotTelephoneSound: it is something else, cut short, or broken.
        OSError: it cannot be read.
    """
    data = io.BytesIO(path.read_bytes())
    try:
        with wave.open(data) as wav:
            form = (wav.getframerate(), wav.getnchannels(), wav.getsampwidth())
            frames = wav.getnframes()
            raw = wav.readframes(frames)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        raise NotTelephoneSound(f"is no WAV file: {error or 'cut short'}") from None
    if form != (RATE, 1, 2):
        found = f"{form[0]} Hz, {form[1]} channel(s), {form[2] * 8} bit"
        raise NotTelephoneSound(f"must be {RATE} Hz, mono, 16 bit, is {found}")
    if len(raw) != frames * 2:
        raise NotTelephoneSound("is cut short")
    samples = array("h", raw)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def write(path: Path, samples: Samples) -> None:
    """Write a WAV file, whole or not at all."""
    out = array("h", samples)
    if sys.byteorder == "big":
        out.byteswap()
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(out.tobytes())
    part.replace(path)


def levels(samples: Samples) -> list[float]:
    """Return the level of each 20 ms in dB of full scale."""
    return [_level(samples[i : i + FRAME]) for i in range(0, len(samples), FRAME)]


def measure(samples: Samples) -> Measure:
    """Look at *samples* as they are."""
    frames = levels(samples)
    spoken = [i for i, level in enumerate(frames) if level > QUIET]
    before = spoken[0] if spoken else len(frames)
    after = len(frames) - 1 - spoken[-1] if spoken else 0
    return Measure(
        seconds=len(samples) / RATE,
        loudness=_loudness(frames),
        clipped=_clipped(samples),
        silence_before=before * FRAME / RATE,
        silence_after=after * FRAME / RATE,
    )


def polish(samples: Samples) -> Samples:
    """Return *samples* at our loudness, with the silence around the words cut to `MARGIN`."""
    loudness = _loudness(levels(samples))
    top = max((abs(s) for s in samples), default=0)
    if top == 0 or loudness == -math.inf:
        return array("h")
    gain = min(10 ** ((LOUDNESS - loudness) / 20), PEAK * FULL / top)
    loud = array("h", (round(s * gain) for s in samples))
    spoken = [i for i, level in enumerate(levels(loud)) if level > QUIET]
    margin = round(MARGIN * RATE)
    begin = max(spoken[0] * FRAME - margin, 0)
    end = min((spoken[-1] + 1) * FRAME + margin, len(loud))
    return loud[begin:end]


def _level(frame: Samples) -> float:
    power = sum(s * s for s in frame) / len(frame)
    return 10 * math.log10(power / FULL**2) if power else -math.inf


def _loudness(frames: list[float]) -> float:
    """Return the mean level of the frames that hold speech: those within 25 dB of the loudest."""
    loudest = max(frames, default=-math.inf)
    if loudest < -70:
        return -math.inf
    spoken = [10 ** (f / 10) for f in frames if f > loudest - 25]
    return 10 * math.log10(sum(spoken) / len(spoken))


def _clipped(samples: Samples) -> int:
    count = run = 0
    for sample in samples:
        run = run + 1 if abs(sample) >= FULL - 2 else 0
        count += 3 if run == 3 else 1 if run > 3 else 0
    return count
