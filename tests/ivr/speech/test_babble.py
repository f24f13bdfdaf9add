"""Sound to warm up with."""

from array import array

import pytest

from ivr.speech.babble import LOUD, babble
from ivr.speech.endpoint import Begun, Endpoint, Rules
from ivr.speech.worker import warm
from schemas.speech import Recognised

pytestmark = pytest.mark.unit


def test_it_is_like_speech_and_always_the_same() -> None:
    sound = babble(1.5)
    assert len(sound) == 24_000
    assert babble(1.5) == sound
    assert babble(1.5, seed=2) != sound
    assert max(map(abs, array("h", sound))) > LOUD / 2
    ear = Endpoint(Rules())
    ear.listen(None, fresh=True)
    assert any(isinstance(item, Begun) for item in ear.feed(sound))


@pytest.mark.parametrize(("streaming", "warmed"), [(True, 3), (False, 1)])
def test_every_stream_that_an_engine_bears_is_warmed(streaming: bool, warmed: int) -> None:
    class Engine:
        name, bears = "one", 3
        opened = finished = 0

        def __init__(self) -> None:
            self.streaming = streaming

        def open(self) -> "Engine":
            assert not self.finished  # else one recogniser would be warmed again and again
            self.opened += 1
            return self

        def feed(self, pcm: bytes) -> str:
            return ""

        def finish(self) -> Recognised:
            self.finished += 1
            return Recognised(text="")

    engine = Engine()
    assert warm(engine) is engine
    assert (engine.opened, engine.finished) == (warmed, warmed)
