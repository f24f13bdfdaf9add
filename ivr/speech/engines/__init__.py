"""Recognisers behind one contract: sound goes in, words come out.

Sound is signed linear 16 bit, little endian, mono, 8000 Hz, cut anywhere.
"""

from pathlib import Path
from typing import Protocol

from ivr.speech.models import Model
from schemas.errors import Unavailable
from schemas.speech import Recognised

RATE = 8000
"""Samples a second, as telephones have them."""


class Stream(Protocol):
    """One caller's sentence; belongs to one thread."""

    def feed(self, pcm: bytes) -> str:
        """Take sound; return the words so far, "" while there are none or none can be known."""
        ...

    def finish(self) -> Recognised:
        """Return the words; the stream is of no use afterwards."""
        ...


class Engine(Protocol):
    """A model in memory."""

    name: str
    """Of the model."""
    streaming: bool
    """Whether `Stream.feed` gives words."""
    bears: int
    """Streams that one process on one core is known to bear in real time."""

    def open(self) -> Stream:
        """Return a stream for one sentence."""
        ...


def load(model: Model, folder: Path) -> Engine:
    """Return the engine of *model*, loaded from *folder*; takes seconds.

    Raises:
        Unavailable: its library is not installed, or cannot load it.
    """
    try:
        if model.engine == "vosk":
            from ivr.speech.engines.vosk import Vosk

            return Vosk(model, folder)
        from ivr.speech.engines.whisper import Whisper

        return Whisper(model, folder)
    except ImportError as error:
        how = "pip install 'hotline-12345[whisper]'" if model.engine == "whisper" else "reinstall"
        raise Unavailable(f"{model.name}: {error.name} is not installed ({how})") from error
