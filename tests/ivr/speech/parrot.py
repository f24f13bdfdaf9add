"""A recogniser process with a scripted engine: everything of a worker but the model.

python parrot.py MODE [KEEP]: what the engine does when a sentence is over.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from ivr.speech.endpoint import Rules
from ivr.speech.worker import serve
from schemas.speech import Recognised

WORDS = "我家停水两天了"


class Parrot:
    """Says the same whatever it hears."""

    name = "parrot"
    bears = 2

    def __init__(self, mode: str) -> None:
        self.streaming = mode != "whole"
        self.mode = mode
        if mode == "noise on stdout":
            os.write(1, b"native libraries do")

    def open(self) -> "Stream":
        return Stream(self.mode)


class Stream:
    """One sentence."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.heard = 0

    def feed(self, pcm: bytes) -> str:
        self.heard += len(pcm)
        return "" if self.mode in {"mute", "whole"} else WORDS

    def finish(self) -> Recognised:
        match self.mode:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
                threading.Event().wait()  # this thread may run on for a while
            case "hang":
                threading.Event().wait()
            case "slow":
                time.sleep(2.5)
            case "raise":
                raise RuntimeError("as native code does")
            case "garbage":
                return Recognised(text='"\n停\\水\0' + "x" * 999, score=5000)
            case "mute":
                return Recognised(text="")
        return Recognised(text=WORDS, score=88, engine="parrot")


def main() -> None:
    mode = sys.argv[1]
    if mode == "babble":
        os.write(1, b"nonsense" * 9)
    if mode == "never ready":
        threading.Event().wait()
    if mode == "broken":
        sys.exit("no model")
    keep = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    about = {"engine": "parrot", "language": "zh"}
    serve(lambda: Parrot(mode), Rules(hangover=300, longest=5000), about=about, keep=keep)


if __name__ == "__main__":
    main()
