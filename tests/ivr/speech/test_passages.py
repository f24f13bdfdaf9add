import math
import random
from array import array

import pytest

from ivr.speech.passages import passages

pytestmark = pytest.mark.unit
A_SECOND = 16_000
SILENCE = bytes(A_SECOND)


def voice(seconds: float, seed: int = 1) -> bytes:
    """Return something that swells and falls as a voice does."""
    noise = random.Random(seed)
    count = round(seconds * 8000)
    return array(
        "h",
        (
            int(noise.gauss(0, 4000) * (0.55 + 0.45 * math.sin(i / 8000 * 2 * math.pi * 4))) // 2
            for i in range(count)
        ),
    ).tobytes()


def test_silence_has_none() -> None:
    assert list(passages(SILENCE * 5)) == []
    assert list(passages(b"")) == []


def test_each_breath_is_one_with_its_place() -> None:
    found = list(passages(SILENCE * 2 + voice(2) + SILENCE * 2 + voice(1, 2) + SILENCE * 2))
    assert len(found) == 2
    first, second = found
    assert 1.3 <= first.at <= 2.1
    assert 4.0 <= first.until <= 5.0
    assert 5.3 <= second.at <= 6.1
    for one in found:
        assert len(one.pcm) == pytest.approx((one.until - one.at) * A_SECOND, abs=400)


def test_a_recording_that_ends_in_a_word_keeps_it() -> None:
    (only,) = passages(SILENCE + voice(2))
    assert only.until == pytest.approx(3.0, abs=0.05)


def test_who_talks_without_a_pause_is_cut() -> None:
    found = list(passages(SILENCE + voice(40)))
    assert len(found) >= 2
    assert all(one.until - one.at <= 26 for one in found)
