"""Sound as engines want it: files read, sampling rates changed."""

import wave
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.errors import Invalid

RATE = 8000
"""Samples a second that everything here speaks of: telephones'."""
SLOWEST, FASTEST = 8000, 48_000
LONGEST = 4 * 3600
"""Seconds of the longest file that is read: a whole call, with room."""
_REACH = 24
"""Zero crossings of the filter on each side of a sample, at the lower of the two rates."""
_BETA = 8.0
"""Kaiser's: about 80 dB between what stays and what goes."""

Floats = NDArray[np.float32]


def read(path: Path) -> bytes:
    """Return a WAV file of 16-bit samples as slin: mono, 8000 Hz.

    Raises:
        Invalid: it is no such file; says what it is instead.
        OSError: it cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if width != 2:
                raise Invalid(f"{path}: samples of {8 * width} bits; 16 are read")
            if not SLOWEST <= rate <= FASTEST:
                raise Invalid(f"{path}: {rate} samples a second; {SLOWEST} to {FASTEST} are read")
            if channels not in (1, 2):
                raise Invalid(f"{path}: {channels} channels; one or two are read")
            if file.getnframes() > LONGEST * rate:
                raise Invalid(f"{path}: longer than {LONGEST // 3600} hours")
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise Invalid(f"{path} is no WAV file that can be read: {error or 'it ends'}") from None
    whole = len(content) - len(content) % (2 * channels)
    samples = np.frombuffer(content[:whole], "<i2")
    if channels == 1 and rate == RATE:
        return samples.tobytes()
    mono = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return to_slin(resample((mono / 32768).astype(np.float32), rate, RATE))


def from_slin(pcm: bytes) -> Floats:
    """Return slin as numbers from -1 to 1; half a sample at the end is left out."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    return (samples / np.float32(32768)).astype(np.float32)


def to_slin(sound: Floats) -> bytes:
    """Return numbers from -1 to 1 as slin."""
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes()


def resample(sound: Floats, old: int, new: int) -> Floats:
    """Return *sound* at another sampling rate, by a windowed sinc; begin and end stay in place."""
    if old == new or not sound.size:
        return sound
    ratio = Fraction(new, old)
    up, down = ratio.numerator, ratio.denominator
    bank, first, shift = _bank(up, down)
    length = -(-sound.size * up // down)
    before, after = -first, bank.shape[1] + first + down
    padded = np.pad(sound, (before, after))
    out = np.empty(length, np.float32)
    for phase in range(up):  # one row of the bank for all output samples of this phase
        count = len(range(phase, length, up))
        if count:
            start = int(shift[phase])
            windows = np.lib.stride_tricks.sliding_window_view(padded, bank.shape[1])
            out[phase::up] = windows[start : start + count * down : down][:count] @ bank[phase]
    return out


@lru_cache(maxsize=8)
def _bank(up: int, down: int) -> tuple[Floats, int, NDArray[np.int64]]:
    """Return a filter for each output phase, where its first tap lies, and each phase's begin."""
    cutoff = min(1.0, up / down)
    half = int(np.ceil(_REACH / cutoff))
    phases = np.arange(up) * down
    shift = phases // up
    offsets = (phases % up) / up
    taps = np.arange(-half + 1, half + 1)
    distance = taps[None, :] - offsets[:, None]
    inside = np.clip(1 - (distance / half) ** 2, 0, None)
    window = np.i0(_BETA * np.sqrt(inside)) / np.i0(_BETA)
    bank = cutoff * 0.98 * np.sinc(cutoff * 0.98 * distance) * window
    bank /= bank.sum(axis=1, keepdims=True)
    return bank.astype(np.float32), int(taps[0]), shift


FRAME = RATE // 50
"""Samples of 20 ms."""
LEAST = 30.0
"""Root mean square below which nobody speaks: about -60 dB of full scale."""
NEAR, SPREAD = 20.0, 3.0
"""dB below the loud frames that count too; and by which speech varies at the least."""


def steady(sound: Floats) -> bool:
    """Tell whether 8000 Hz sound is silence, a hiss or a tone: what no voice is.

    The loud frames of a voice differ by 10 dB and more, those of a hiss by about one.
    """
    count = sound.size // FRAME
    if count < 5:
        return True
    power = np.square(sound[: count * FRAME].reshape(count, FRAME)).mean(axis=1)
    levels = 10 * np.log10(power + 1e-12)
    loud = np.percentile(levels, 95)
    if loud < 20 * np.log10(LEAST / 32768):
        return True
    low, high = np.percentile(levels[levels > loud - NEAR], (10, 90))
    return bool(high - low < SPREAD)
