"""Sound of files, cut where speech begins and ends as on the line; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ivr.speech.endpoint import FRAME, FRAME_BYTES, Ended, Endpoint, Rules, Sound
from ivr.speech.engines import Engine
from schemas.speech import Recognised

RULES = Rules(hangover=600, longest=25_000)
"""Of talks: engines hear 30 s at a time at most."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Sound in which somebody spoke."""

    at: float
    """Seconds of the recording at which it begins."""
    until: float
    pcm: bytes


def passages(pcm: bytes, rules: Rules = RULES) -> Iterator[Passage]:
    """Yield what was said in *pcm* (slin, mono, 8000 Hz), one breath after another."""
    ear = Endpoint(rules)
    ear.listen(None, fresh=True)
    sound = bytearray()
    for start in range(0, len(pcm), FRAME_BYTES):
        for item in ear.feed(pcm[start : start + FRAME_BYTES]):
            match item:
                case Sound(pcm=more):
                    sound += more
                case Ended():
                    yield _passage(sound, start + FRAME_BYTES)
                    sound.clear()
                    ear.listen(None, fresh=True)
    if sound:
        yield _passage(sound, len(pcm))


def first_words(pcm: bytes, engine: Engine, rules: Rules) -> Recognised:
    """Return what a caller would be heard to say who says *pcm* and then waits."""
    for passage in passages(pcm + silence(rules), rules):
        stream = engine.open()
        stream.feed(passage.pcm)
        return stream.finish()
    return Recognised(text="", engine=engine.name)


def silence(rules: Rules) -> bytes:
    """Return as much of it as ends a sentence."""
    return bytes((rules.hangover // FRAME + 2) * FRAME_BYTES)


def _passage(sound: bytearray, end: int) -> Passage:
    a_second = 1000 // FRAME * FRAME_BYTES
    until = end / a_second
    return Passage(round(until - len(sound) / a_second, 2), round(until, 2), bytes(sound))
