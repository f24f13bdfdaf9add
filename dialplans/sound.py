"""Sound of prompts: mono, 16 bit. Read, bring to a rate and a loudness, measure, write.

Two rates are kept: 8 kHz, which every telephone plays, and 16 kHz for those that speak wide-band
(G.722, Opus in the browser), in which s, x and sh are told apart.
"""

import io
import math
import sys
import wave
from array import array
from dataclasses import dataclass
from functools import cache
from operator import mul
from pathlib import Path
from typing import TypeAlias

Samples: TypeAlias = "array[int]"
"""Signed 16-bit samples, one channel."""
RATE = 8000
"""Samples a second of narrow-band sound."""
WIDE = 16000
"""Samples a second of wide-band sound."""
FRAMES = 50
"""A second has so many frames of 20 ms, the grain of telephone audio."""
FULL = 32768
LOUDNESS = -20.0
"""Level of the spoken parts in dB below full scale: loud on a handset, with room for peaks."""
PEAK = 0.89
"""Highest sample, of 1.0, that we write (-1 dB)."""
QUIET = -45.0
"""A frame below this level, in dB, is silence once the loudness is set."""
MARGIN = 0.1
"""Seconds of silence left before and after the words."""
ZEROS = 16
"""Zero crossings of the filter on each side: the steeper, the more of the band is kept."""


class NotTelephoneSound(Exception):
    """The file is no WAV of the rate that is wanted, mono, 16 bit."""


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


def read(path: Path, rate: int = RATE) -> Samples:
    """Return the samples of a WAV file of *rate*, mono, 16 bit.

    Raises:
        NotTelephoneSound: it is something else, cut short, or broken.
        OSError: it cannot be read.
    """
    raw, form = _open(path)
    if form != (rate, 1, 2):
        found = f"{form[0]} Hz, {form[1]} channel(s), {form[2] * 8} bit"
        raise NotTelephoneSound(f"must be {rate} Hz, mono, 16 bit, is {found}")
    return _native(array("h", raw))


def read_any(path: Path) -> tuple[Samples, int]:
    """Return what a WAV file of whatever form holds, as mono of 16 bit, and its rate.

    Raises:
        NotTelephoneSound: it is no WAV file of 8 to 192 kHz that we understand.
        OSError: it cannot be read.
    """
    raw, (rate, channels, width) = _open(path)
    if not 8000 <= rate <= 192_000 or channels not in (1, 2) or width not in (2, 3, 4):
        found = f"{rate} Hz, {channels} channel(s), {width * 8} bit"
        raise NotTelephoneSound(f"cannot be used: it is {found}")
    # little-endian: the upper two bytes of each sample are its 16-bit value
    upper = bytearray(len(raw) // width * 2)
    upper[0::2], upper[1::2] = raw[width - 2 :: width], raw[width - 1 :: width]
    samples = _native(array("h", bytes(upper)))
    if channels == 2:
        pairs = zip(samples[0::2], samples[1::2], strict=True)
        samples = array("h", ((left + right) // 2 for left, right in pairs))
    return samples, rate


def write(path: Path, samples: Samples, rate: int = RATE) -> None:
    """Write a WAV file, whole or not at all."""
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(_native(array("h", samples)).tobytes())
    part.replace(path)


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return *samples* of *rate* at the *wanted* rate, without what the lower one cannot hold."""
    if rate == wanted:
        return array("h", samples)
    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    filters = _filters(up, down)
    length = len(filters[0])
    around = array("h", [0]) * length
    padded = around + samples + around
    out = array("h")
    for at in range(0, len(samples) * up // down * down, down):  # in steps of 1/up of a sample
        begin = at // up + length // 2 + 1
        value = sum(map(mul, filters[at % up], padded[begin : begin + length]))
        out.append(max(-FULL, min(FULL - 1, round(value))))
    return out


def levels(samples: Samples, rate: int = RATE) -> list[float]:
    """Return the level of each 20 ms in dB of full scale."""
    frame = rate // FRAMES
    return [_level(samples[i : i + frame]) for i in range(0, len(samples), frame)]


def measure(samples: Samples, rate: int = RATE) -> Measure:
    """Look at *samples* as they are."""
    frames = levels(samples, rate)
    spoken = [i for i, level in enumerate(frames) if level > QUIET]
    before = spoken[0] if spoken else len(frames)
    after = len(frames) - 1 - spoken[-1] if spoken else 0
    return Measure(
        seconds=len(samples) / rate,
        loudness=_loudness(frames),
        clipped=_clipped(samples),
        silence_before=before / FRAMES,
        silence_after=after / FRAMES,
    )


def polish(samples: Samples, rate: int = RATE, *, margin: float = MARGIN) -> Samples:
    """Return *samples* at our loudness, the silence around the words cut to *margin* seconds."""
    loud = loudened(samples, rate)
    spoken = [i for i, level in enumerate(levels(loud, rate)) if level > QUIET]
    if not spoken:
        return array("h")
    frame, kept = rate // FRAMES, round(margin * rate)
    begin = max(spoken[0] * frame - kept, 0)
    end = min((spoken[-1] + 1) * frame + kept, len(loud))
    return loud[begin:end]


def loudened(samples: Samples, rate: int = RATE) -> Samples:
    """Return *samples* at our loudness; silence stays silence."""
    loudness = _loudness(levels(samples, rate))
    top = max((abs(s) for s in samples), default=0)
    if top == 0 or loudness == -math.inf:
        return array("h", bytes(2 * len(samples)))
    gain = min(10 ** ((LOUDNESS - loudness) / 20), PEAK * FULL / top)
    return array("h", (round(s * gain) for s in samples))


def silence(seconds: float, rate: int = RATE) -> Samples:
    """Return silence."""
    return array("h", bytes(2 * round(seconds * rate)))


def _open(path: Path) -> tuple[bytes, tuple[int, int, int]]:
    """Return a WAV file's bytes of sound, and its rate, channels and bytes a sample."""
    data = io.BytesIO(path.read_bytes())
    try:
        with wave.open(data) as wav:
            form = (wav.getframerate(), wav.getnchannels(), wav.getsampwidth())
            frames = wav.getnframes()
            raw = wav.readframes(frames)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        raise NotTelephoneSound(f"is no WAV file: {error or 'cut short'}") from None
    if len(raw) != frames * form[1] * form[2]:
        raise NotTelephoneSound("is cut short")
    return raw, form


def _native(samples: Samples) -> Samples:
    """Turn samples between a WAV's byte order and the machine's."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


@cache
def _filters(up: int, down: int) -> list[list[float]]:
    """Return the taps for each of *up* positions between two samples (windowed sinc)."""
    cut = min(1.0, up / down) * 0.94  # of the lower rate's band; the rest is the filter's slope
    half = math.ceil(ZEROS / cut)
    filters = []
    for phase in range(up):
        taps = [_tap(k - phase / up, cut, half) for k in range(1 - half, half + 1)]
        total = sum(taps)
        filters.append([tap / total for tap in taps])
    return filters


def _tap(x: float, cut: float, half: int) -> float:
    """Return the filter's value *x* samples from its middle: a sinc under a raised cosine."""
    if abs(x) >= half:
        return 0.0
    angle = math.pi * x * cut
    return (0.5 + 0.5 * math.cos(math.pi * x / half)) * (math.sin(angle) / angle if x else 1.0)


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
