"""Vosk: words while they are spoken.

To make a recogniser costs a quarter of a second of computing with some models, and most of its
speed afterwards comes from the part of the graph that it has already walked. So recognisers are
kept: after a final result nothing of a voice is left in them, only the graph.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import vosk

from ivr.speech.models import Model
from ivr.speech.sound import RATE, from_slin, steady
from schemas.errors import Unavailable
from schemas.speech import Recognised

BLOCK = 1600
"""Bytes that go in at once (0.1 s): how the sound was cut never changes the words."""
LOOK = 48_000
"""Bytes (3 s) in which there must be something that no hiss and no tone is."""
NO_WORDS = "[<"
"""How a model begins what it writes for noises: [unk], <unk>, [noise]."""
UNSPACED = frozenset({"zh", "ja"})
"""Languages that are written without spaces between words."""
KEPT = 32
"""Recognisers that wait for the next caller, at the most."""


class Vosk:
    """A Kaldi model; streams share it."""

    streaming = True

    def __init__(self, model: Model, folder: Path) -> None:
        vosk.SetLogLevel(-1)  # Kaldi writes to stderr by itself
        self.name = model.name
        self.bears = model.bears
        self.space = "" if model.language in UNSPACED else " "
        try:
            self._model = vosk.Model(str(folder))
        except Exception as error:  # it raises nothing narrower
            raise Unavailable(f"{model.name}: Vosk cannot load {folder}: {error}") from error
        self._free: deque[Any] = deque(maxlen=KEPT)
        self.give_back(self._recogniser())  # the first caller does not wait for it

    def open(self) -> "_Stream":
        """Return a stream for one sentence."""
        try:
            recogniser = self._free.pop()
        except IndexError:
            recogniser = self._recogniser()
        return _Stream(self, recogniser)

    def give_back(self, recogniser: Any) -> None:
        """Keep a recogniser that has given its final result."""
        self._free.append(recogniser)

    def _recogniser(self) -> Any:
        # telephone sound as it is: Kaldi brings it to the rate of the model (allow-upsample)
        recogniser = vosk.KaldiRecognizer(self._model, RATE)
        recogniser.SetWords(True)
        return recogniser


class _Stream:
    def __init__(self, engine: Vosk, recogniser: Any) -> None:
        self._engine = engine
        self._recogniser = recogniser
        self._waiting = bytearray()
        self._last = bytearray()
        self._varied = False
        self._done: list[Mapping[str, Any]] = []
        self._text = ""

    def feed(self, pcm: bytes) -> str:
        """Take sound; return the words so far."""
        self._waiting += pcm
        if len(self._waiting) < BLOCK:
            return self._text
        while len(self._waiting) >= BLOCK:
            self._take(bytes(self._waiting[:BLOCK]))
            del self._waiting[:BLOCK]
        if self._varied:
            partial = json.loads(self._recogniser.PartialResult()).get("partial", "")
            self._text = self._joined([*(word["word"] for word in self._done), *partial.split()])
        return self._text

    def finish(self) -> Recognised:
        """Return the words."""
        if whole := len(self._waiting) & ~1:  # half a sample is no sound
            self._take(bytes(self._waiting[:whole]))
        recogniser, self._recogniser = self._recogniser, None
        self._keep(recogniser.FinalResult())
        self._engine.give_back(recogniser)
        words = [word for word in self._done if word["word"][0] not in NO_WORDS]
        if not words or not self._varied:
            return Recognised(text="", engine=self._engine.name)
        seconds = [max(word["end"] - word["start"], 0.01) for word in words]
        sure = sum(word["conf"] * s for word, s in zip(words, seconds, strict=True))
        return Recognised(
            text=self._joined(word["word"] for word in words),
            score=min(max(round(100 * sure / sum(seconds)), 0), 100),
            engine=self._engine.name,
        )

    def _take(self, block: bytes) -> None:
        if not self._varied:
            self._last += block
            del self._last[:-LOOK]
            self._varied = not steady(from_slin(bytes(self._last)))
        if self._recogniser.AcceptWaveform(block):  # Kaldi ends sentences by itself; we go on
            self._keep(self._recogniser.Result())

    def _keep(self, result: str) -> None:
        self._done += json.loads(result).get("result", ())

    def _joined(self, words: Iterable[str]) -> str:
        return self._engine.space.join(word for word in words if word[0] not in NO_WORDS)
