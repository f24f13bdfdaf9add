"""The recognising thread of a worker: many sentences, one engine, nobody starved.

Whose sentence has ended is served first, for its caller waits; the others take turns, a fifth of
a second of sound each. The engine's native code lets other threads run, so that the worker goes
on hearing where speech begins and ends while the engine computes.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ivr.speech.engines import Engine, Stream
from schemas.speech import Recognised

log = logging.getLogger(__name__)

SLICE = 3200
"""Bytes an engine takes from one caller before the next one's turn: 0.2 s."""
LEAST = 1600
"""Bytes worth a turn, while the caller still speaks."""
NO_WORD_AFTER = 3.0
"""Seconds of speech without one word after which it counts as noise."""
_SECOND = 16_000


class Told(Protocol):
    """Who is told what came of a sentence; called by the recognising thread."""

    def words(self, stream: int, sentence: int, found: Recognised) -> None:
        """Its words, "" for noise."""
        ...

    def failed(self, stream: int, sentence: int) -> None:
        """The engine could not."""
        ...


@dataclass(slots=True, eq=False)
class Sentence:
    """What one caller says; shared by the two threads under the lock."""

    stream: int
    number: int
    name: str
    """Under which its sound is kept."""
    waiting: bytearray = field(default_factory=bytearray)
    whole: bytearray = field(default_factory=bytearray)
    fed: int = 0
    ended: bool = False
    gone: bool = False
    recogniser: Stream | None = None
    early: bool = False
    """Whether an early look at the sound so far is wanted."""
    pause: int = 0
    """Which pause the caller makes just now, 0 while speaking."""
    pauses: int = 0
    guess: tuple[int, Recognised] | None = None
    """What was recognised at which pause: stands if the sentence ends in this one."""
    worded: bool = False
    """Whether it is known to have words."""


class Mind:
    """Takes sound from the hearing thread and tells words."""

    def __init__(
        self, engine: Engine, told: Told, *, keep: Callable[[str, bytes], None] | None = None
    ) -> None:
        """Begin; `start` makes it work.

        Args:
            keep: takes name and sound of each sentence when it is over.
        """
        self._engine = engine
        self._told = told
        self._keep = keep
        self._changed = threading.Condition()
        self._sentences: dict[int, Sentence] = {}
        self._since: float | None = None
        self._thread = threading.Thread(target=self._work, name="mind", daemon=True)

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        self._thread.start()

    @property
    def busy_for(self) -> float:
        """Seconds that the engine has been at one piece of work."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    # ---- by the hearing thread

    def begin(self, stream: int, number: int, name: str) -> None:
        """Begin a sentence; an older one of the stream is forgotten."""
        self.forget(stream)
        with self._changed:
            self._sentences[stream] = Sentence(stream, number, name)

    def hear(self, stream: int, pcm: bytes) -> None:
        """Take more of its sound."""
        with self._changed:
            if sentence := self._sentences.get(stream):
                if self._keep or not self._engine.streaming:
                    sentence.whole += pcm
                if self._engine.streaming:
                    sentence.waiting += pcm
                    self._changed.notify()

    def pause(self, stream: int) -> None:
        """The caller may have ended: an engine that takes its time begins to recognise."""
        with self._changed:
            if (sentence := self._sentences.get(stream)) and not self._engine.streaming:
                sentence.pauses += 1
                sentence.pause = sentence.pauses
                sentence.early = True
                self._changed.notify()

    def look(self, stream: int) -> None:
        """The caller never pauses: find out whether these are words at all."""
        with self._changed:
            if (sentence := self._sentences.get(stream)) and not self._engine.streaming:
                sentence.early = True
                self._changed.notify()

    def resume(self, stream: int) -> None:
        """The caller goes on after a pause: what was recognised there is not the whole."""
        with self._changed:
            if sentence := self._sentences.get(stream):
                sentence.early = False
                sentence.pause = 0

    def end(self, stream: int) -> None:
        """The sentence is over; words are wanted."""
        with self._changed:
            if sentence := self._sentences.get(stream):
                sentence.ended = True
                self._sentences[stream] = self._sentences.pop(stream)  # in order of their ends
                self._changed.notify()

    def forget(self, stream: int) -> None:
        """Nobody wants its words any more."""
        with self._changed:
            if sentence := self._sentences.pop(stream, None):
                sentence.gone = True

    # ---- the recognising thread

    def _work(self) -> None:
        while True:
            with self._changed:
                while (chosen := self._next()) is None:
                    self._changed.wait()
            self._since = time.monotonic()
            try:
                self._serve(chosen)
            except Exception:  # whatever native code raises is this one caller's misfortune
                log.exception("call %s: the engine failed", chosen.name)
                self._close(chosen)
                self._told.failed(chosen.stream, chosen.number)
            finally:
                self._since = None

    def _next(self) -> Sentence | None:
        """Choose whose turn it is, under the lock."""
        living = self._sentences.values()
        for sentence in living:
            if sentence.ended:
                return sentence
        for sentence in living:
            ready = len(sentence.waiting) >= LEAST if self._engine.streaming else sentence.early
            if ready:
                self._sentences[sentence.stream] = self._sentences.pop(sentence.stream)
                return sentence
        return None

    def _serve(self, sentence: Sentence) -> None:
        if self._engine.streaming:
            self._feed(sentence)
        else:
            self._transcribe(sentence)

    def _feed(self, sentence: Sentence) -> None:
        """Give a streaming engine some sound, or all that is left and ask for the words."""
        with self._changed:
            ended = sentence.ended and len(sentence.waiting) <= SLICE
            piece = bytes(sentence.waiting[:SLICE])
            del sentence.waiting[:SLICE]
        if sentence.recogniser is None:
            sentence.recogniser = self._engine.open()
        text = sentence.recogniser.feed(piece)
        sentence.fed += len(piece)
        sentence.worded = sentence.worded or bool(text)
        if ended:
            self._tell(sentence, sentence.recogniser.finish())
        elif not sentence.worded and sentence.fed >= NO_WORD_AFTER * _SECOND:
            self._tell(sentence, Recognised(text="", engine=self._engine.name))

    def _transcribe(self, sentence: Sentence) -> None:
        """Let an engine that takes whole sentences have one, or what there is of it so far."""
        with self._changed:
            ended, pause, sound = sentence.ended, sentence.pause, bytes(sentence.whole)
            guess = sentence.guess
            sentence.early = False
        if ended and pause and guess and guess[0] == pause:
            self._tell(sentence, guess[1])
            return
        recogniser = self._engine.open()
        recogniser.feed(sound)
        found = recogniser.finish()
        if ended or (not found.text and len(sound) >= NO_WORD_AFTER * _SECOND):
            self._tell(sentence, found)
        else:
            sentence.guess = pause, found

    def _tell(self, sentence: Sentence, found: Recognised) -> None:
        if self._close(sentence):
            self._told.words(sentence.stream, sentence.number, found)
            if self._keep and sentence.name:
                self._keep(sentence.name, bytes(sentence.whole))

    def _close(self, sentence: Sentence) -> bool:
        """Take it off the list; False: nobody wants it any more."""
        with self._changed:
            if sentence.gone:
                return False
            del self._sentences[sentence.stream]
            sentence.gone = True
            return True
