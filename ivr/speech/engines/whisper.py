"""Whisper by faster-whisper: a sentence at a time.

Its encoder always looks at a window of 30 s, most of it silence after a sentence of three. A
window of 10 s gives the same words for a quarter of the computing; much less makes it babble.
docs/speech.md has the figures. No prompt is given: none lowered the error rate, and what is in a
prompt turns up in short answers.
"""

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from ivr.speech.engines.characters import simplified
from ivr.speech.models import Model
from ivr.speech.sound import RATE, Floats, from_slin, resample, steady
from schemas.errors import Unavailable
from schemas.speech import Recognised

WIDE = 16_000
"""Samples a second that Whisper hears."""
HOP = 160
"""Of its samples in one frame of its window."""
SHORTEST, ROOM, LONGEST = 1000, 100, 3000
"""Frames of a window: the least, what is left after the sound, and the most."""
BEAM = 5
PIECE, SEEK = 28 * RATE, 6 * RATE
"""Samples that are recognised at once, and at whose end a quiet moment to cut is sought."""
TOKENS = 12
"""Tokens that a second of speech may have, and as many on top: it is about 7 for hasty people."""
REPEATS = 2.4
"""How well babble can be packed: 出租租租租租."""
DOUBT, UNLIKELY = 0.6, -1.0
"""Probability of no speech from which words less likely than so (logarithm) are no words."""
HOPELESS = -1.6
"""What is less likely (a score below 20) is music or noise: 嗯嗯嗯. Bad speech has 33 and more."""
GHOSTS = re.compile(
    r"字幕|请不吝|点赞|订阅|转发|打赏|明镜|(谢谢|感谢)(大家)?的?(观看|收看|收听)|下期(再见|见)|"
    r"索兰娅|中文字幕|普通话的句子|amara|youtube|优优独播|词曲|作词|作曲|^\W*音乐\W*$",
    re.IGNORECASE,
)
"""What Whisper learned from subtitles, and writes for noise and music."""


class Whisper:
    """A Whisper model in CTranslate2's form, for Mandarin."""

    streaming = False

    def __init__(self, model: Model, folder: Path, threads: int = 1) -> None:
        """Load the model.

        Args:
            threads: for one sentence; workers are as many as there are cores already.
        """
        self.name = model.name
        self.bears = model.bears
        try:
            loaded = WhisperModel(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise Unavailable(f"{model.name}: Whisper cannot load {folder}: {error}") from error
        self._model = loaded.model
        self._features = loaded.feature_extractor
        self._tokenizer = Tokenizer(
            loaded.hf_tokenizer, multilingual=True, task="transcribe", language="zh"
        )
        self._begin = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]

    def open(self) -> "_Stream":
        """Return a stream for one sentence."""
        return _Stream(self)

    def recognise(self, sound: Floats) -> Recognised:
        """Return the words of 8000 Hz sound of any length."""
        parts = [part for piece in _pieces(sound) if (part := self._piece(piece)).text]
        text = "".join(part.text for part in parts)
        likely = min((part.likely for part in parts), default=0.0)
        score = min(max(round(100 * math.exp(likely)), 0), 100) if text else 0
        return Recognised(text=text, score=score, engine=self.name)

    def _piece(self, sound: Floats) -> "_Part":
        if steady(sound):
            return _Part()
        wide = resample(sound, RATE, WIDE)
        window = min(max(SHORTEST, len(wide) // HOP + ROOM), LONGEST)
        wide = np.pad(wide[: window * HOP], (0, max(0, window * HOP - len(wide))))
        features = self._features(wide, padding=0)[np.newaxis, :, :window]
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features, np.float32))
        encoded = self._model.encode(view, to_cpu=False)
        most = len(self._begin) + round(TOKENS * (1 + sound.size / RATE))
        part = self._words(encoded, most)
        if part.packs > REPEATS:
            part = self._words(encoded, most, no_repeat_ngram_size=2)
        ghost = GHOSTS.search(part.text) or part.packs > REPEATS
        nobody = (part.nobody > DOUBT and part.likely < UNLIKELY) or part.likely < HOPELESS
        return _Part() if ghost or nobody else part

    def _words(self, encoded: Any, most: int, **more: Any) -> "_Part":
        [found] = self._model.generate(
            encoded,
            [self._begin],
            beam_size=BEAM,
            max_length=most,
            return_scores=True,
            return_no_speech_prob=True,
            **more,
        )
        tokens = found.sequences_ids[0]
        words = self._tokenizer.decode([one for one in tokens if one < self._tokenizer.eot])
        text = simplified("".join(filter(_writable, words)).strip())
        return _Part(text, found.scores[0] * len(tokens) / (len(tokens) + 1), found.no_speech_prob)


@dataclass(frozen=True, slots=True)
class _Part:
    """What was recognised in one window."""

    text: str = ""
    likely: float = 0.0
    """Mean logarithm of the probability of its tokens."""
    nobody: float = 1.0
    """Probability that nobody speaks."""

    @property
    def packs(self) -> float:
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw)) if raw else 0.0


class _Stream:
    def __init__(self, engine: Whisper) -> None:
        self._engine = engine
        self._sound = bytearray()

    def feed(self, pcm: bytes) -> str:
        """Take sound; there are no words before the end."""
        self._sound += pcm
        return ""

    def finish(self) -> Recognised:
        """Return the words; this is where the computing is done."""
        return self._engine.recognise(from_slin(bytes(self._sound)))


def _pieces(sound: Floats) -> Iterator[Floats]:
    """Cut long sound where it is quietest."""
    while sound.size > PIECE:
        step = RATE // 10
        tail = np.square(sound[PIECE - SEEK : PIECE]).reshape(-1, step).mean(axis=1)
        cut = PIECE - SEEK + int(tail.argmin()) * step + step // 2
        yield sound[:cut]
        sound = sound[cut:]
    yield sound


def _writable(character: str) -> bool:
    """Tell whether it is a character at all: a cut one is decoded as U+FFFD."""
    return character.isprintable() and character != "\ufffd"
