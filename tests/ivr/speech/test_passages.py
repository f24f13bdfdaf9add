import math
import random
from array import array

import pytest

from ivr.speech.endpoint import Rules
from ivr.speech.passages import first_words, passages
from schemas.speech import Recognised

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


class Counts:
    """An engine that says how much sound it was given; the words do not matter here."""

    name = "counts"
    streaming = False
    bears = 1

    def open(self) -> "Counts":
        return Counts()

    def __init__(self) -> None:
        self.heard = 0

    def feed(self, pcm: bytes) -> str:
        self.heard += len(pcm)
        return ""

    def finish(self) -> Recognised:
        return Recognised(text=f"{self.heard / A_SECOND:.1f}", engine=self.name)


def test_only_the_first_sentence_is_heard_and_it_ends_by_itself() -> None:
    rules = Rules()
    first = first_words(voice(2) + SILENCE * 2 + voice(4, 2), Counts(), rules)
    assert first == first_words(voice(2), Counts(), rules)
    assert 2 <= float(first.text) < 3.5


def test_who_says_nothing_has_no_words() -> None:
    assert first_words(SILENCE * 3, Counts(), Rules()) == Recognised(text="", engine="counts")
