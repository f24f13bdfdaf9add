"""The recognising thread: who is served when, and what is told."""

import queue
import threading

import pytest

from ivr.speech.mind import Mind
from schemas.speech import Recognised

pytestmark = pytest.mark.unit

SECOND = 16_000


class Ears:
    """Takes what is told."""

    def __init__(self) -> None:
        self.told: queue.Queue[tuple[int, int, str | None]] = queue.Queue()

    def words(self, stream: int, sentence: int, found: Recognised) -> None:
        self.told.put((stream, sentence, found.text))

    def failed(self, stream: int, sentence: int) -> None:
        self.told.put((stream, sentence, None))

    def next(self) -> tuple[int, int, str | None]:
        return self.told.get(timeout=20)


class Engine:
    """Words are how many bytes were heard; computes only when it is let."""

    name, bears = "counter", 1

    def __init__(self, *, streaming: bool, deaf: bool = False) -> None:
        self.streaming, self.deaf = streaming, deaf
        self.let = threading.Event()
        self.let.set()
        self.busy = threading.Event()
        self.served: queue.Queue[int] = queue.Queue()
        self.finished = 0

    def open(self) -> "Stream":
        return Stream(self)


class Stream:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.heard = engine, b""

    def wait(self) -> None:
        self.engine.busy.set()
        assert self.engine.let.wait(20)

    def feed(self, pcm: bytes) -> str:
        self.heard += pcm
        if self.engine.streaming:
            self.engine.served.put(self.heard[0])
            self.wait()
        return "" if self.engine.deaf or not self.engine.streaming else "x"

    def finish(self) -> Recognised:
        self.wait()
        self.engine.finished += 1
        if b"!" in self.heard:
            raise RuntimeError("native code")
        return Recognised(text="" if self.engine.deaf else str(len(self.heard)))


def mind_of(engine: Engine, **more: object) -> tuple[Mind, Ears]:
    ears = Ears()
    mind = Mind(engine, ears, **more)  # type: ignore[arg-type]
    mind.start()
    return mind, ears


@pytest.mark.parametrize("streaming", [True, False])
def test_a_sentence_comes_whole(streaming: bool) -> None:
    mind, ears = mind_of(Engine(streaming=streaming))
    mind.begin(1, 5, "c-1")
    for _ in range(77):
        mind.hear(1, b"ab" * 160)
    mind.end(1)
    assert ears.next() == (1, 5, str(77 * 320))


def test_streams_take_turns_and_whose_sentence_is_over_goes_first() -> None:
    engine = Engine(streaming=True)
    mind, ears = mind_of(engine)
    engine.let.clear()
    mind.begin(0, 0, "")
    mind.hear(0, b"\0" * 3200)
    assert engine.busy.wait(20)  # the engine computes, and meanwhile:
    for stream in (1, 2, 3):
        mind.begin(stream, stream, "")
        mind.hear(stream, bytes([stream]) * 3200 * 3)
    mind.end(3)
    engine.let.set()
    served = [engine.served.get(timeout=20) for _ in range(10)]
    assert served == [0, 3, 3, 3, 1, 2, 1, 2, 1, 2]
    assert ears.next() == (3, 3, str(3200 * 3))


def test_what_nobody_wants_any_more_is_not_told() -> None:
    engine = Engine(streaming=False)
    mind, ears = mind_of(engine)
    engine.let.clear()
    mind.begin(1, 1, "")
    mind.hear(1, b"a" * 100)
    mind.end(1)
    assert engine.busy.wait(20)
    mind.begin(1, 2, "")  # the same stream, a new sentence
    mind.hear(1, b"b" * 7)
    mind.end(1)
    engine.let.set()
    assert ears.next() == (1, 2, "7")
    mind.forget(99)
    mind.hear(99, b"x")
    mind.end(99)
    mind.pause(99)
    mind.resume(99)
    mind.look(99)


def test_an_engine_that_fails_fails_one_sentence() -> None:
    mind, ears = mind_of(Engine(streaming=True))
    mind.begin(1, 1, "")
    mind.hear(1, b"!" * 100)
    mind.end(1)
    assert ears.next() == (1, 1, None)
    mind.begin(1, 2, "")
    mind.hear(1, b"a" * 100)
    mind.end(1)
    assert ears.next() == (1, 2, "100")


def test_three_seconds_without_a_word_are_noise() -> None:
    mind, ears = mind_of(Engine(streaming=True, deaf=True))
    mind.begin(1, 1, "")
    mind.hear(1, bytes(3 * SECOND))
    assert ears.next() == (1, 1, "")  # nobody said that it ended


@pytest.mark.parametrize("deaf", [True, False])
def test_a_look_at_what_never_pauses(deaf: bool) -> None:
    engine = Engine(streaming=False, deaf=deaf)
    mind, ears = mind_of(engine)
    mind.begin(1, 1, "")
    mind.hear(1, bytes(3 * SECOND))
    mind.look(1)
    if deaf:
        assert ears.next() == (1, 1, "")
        return
    assert engine.busy.wait(20)
    mind.hear(1, bytes(SECOND))
    mind.end(1)
    assert ears.next() == (1, 1, str(4 * SECOND))  # the look stands for nothing
    assert engine.finished == 2


def test_what_was_recognised_at_the_pause_stands_when_nothing_follows() -> None:
    engine = Engine(streaming=False)
    mind, ears = mind_of(engine)
    engine.let.clear()
    mind.begin(1, 1, "")
    mind.hear(1, b"a" * SECOND)
    mind.pause(1)
    assert engine.busy.wait(20)
    mind.hear(1, bytes(320))  # silence: the caller has ended, the rest of the hangover
    mind.end(1)
    engine.let.set()
    assert ears.next() == (1, 1, str(SECOND))
    assert engine.finished == 1


def test_what_was_recognised_at_a_pause_is_thrown_away_when_the_caller_goes_on() -> None:
    engine = Engine(streaming=False)
    mind, ears = mind_of(engine)
    engine.let.clear()
    mind.begin(1, 1, "")
    mind.hear(1, b"a" * 100)
    mind.pause(1)
    assert engine.busy.wait(20)
    mind.resume(1)
    mind.hear(1, b"a" * 11)
    mind.end(1)
    engine.let.set()
    assert ears.next() == (1, 1, "111")


def test_sound_is_kept_under_its_name() -> None:
    kept: queue.Queue[tuple[str, bytes]] = queue.Queue()
    mind, ears = mind_of(Engine(streaming=True), keep=lambda *what: kept.put(what))
    mind.begin(1, 1, "c-1")
    mind.hear(1, b"ab" * 2000)
    mind.end(1)
    ears.next()
    assert kept.get(timeout=20) == ("c-1", b"ab" * 2000)
    assert mind.busy_for < 20
