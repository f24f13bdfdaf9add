"""What citizens say, as it sounds: words that a recogniser cannot tell apart."""

from collections import defaultdict

import pytest

from dialplans.phrases import read
from ivr.speech.syllables import sounds
from schemas.speech import EMERGENCY
from tests.dialplans.folders import BAOJI

pytestmark = pytest.mark.unit

PHRASES, _ = read(BAOJI / "phrases.tsv")


def spoken(phrase: str) -> tuple[str, ...]:
    return tuple(sound.readings[0] for sound in sounds(phrase))


def test_every_phrase_has_a_sound() -> None:
    assert [p for some in PHRASES.values() for p in some if not spoken(p)] == []


def test_no_emergency_sounds_like_anything_else() -> None:
    meant: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for intent, some in PHRASES.items():
        for phrase in some:
            meant[spoken(phrase)].add(intent)
    collisions = {
        " ".join(said): sorted(intents)
        for said, intents in meant.items()
        if len(intents) > 1 and any(intent.startswith(EMERGENCY) for intent in intents)
    }
    assert collisions == {}


def test_few_phrases_sound_like_those_of_another_intent() -> None:
    meant: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for intent, some in PHRASES.items():
        for phrase in some:
            meant[spoken(phrase)].add(intent)
    collisions = [said for said, intents in meant.items() if len(intents) > 1]
    assert len(collisions) <= 0.005 * len(meant), collisions
