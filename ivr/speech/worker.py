"""A recogniser process: hears where sentences begin and end, and has their words found.

    python -m ivr.speech.worker ORDERS        ORDERS: `Orders` as JSON

The front tells it on its standard input and is answered on its standard output, in packets of
`ivr.speech.pipe`; it ends when its input closes. One thread hears, another one recognises
(`ivr.speech.mind`).
"""

import logging
import os
import re
import sys
import threading
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from ivr.speech import pipe
from ivr.speech.babble import babble
from ivr.speech.endpoint import FRAME_BYTES, Begun, Ended, Endpoint, Item, Rules, Silent, Sound
from ivr.speech.engines import RATE, Engine, load
from ivr.speech.mind import Mind
from ivr.speech.models import Model
from ivr.speech.pipe import Kind, Packet
from schemas.errors import HotlineError
from schemas.speech import Recognised
from schemas.times import SHANGHAI

log = logging.getLogger(__name__)

KINDER = 2
"""Added to our niceness: Asterisk's and the front's packets go before our arithmetic."""
STUCK = 15.0
"""Seconds at one piece of work after which the engine counts as hung, and we end."""
PAUSE = 350
"""Milliseconds of silence that may be the end of the sentence."""
NEVER_PAUSED = 3000
"""Milliseconds without a pause after which one looks whether it is speech at all."""
WARM_UP = 4.0
"""Seconds of babble that a new engine hears first."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Orders(BaseModel):
    """What the front wants of a worker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Model
    folder: Path
    """Of the model."""
    hangover: int
    """Milliseconds; as `longest`."""
    longest: int
    keep: Path | None = None
    """Where the sound of sentences is kept; None: nowhere."""

    @property
    def rules(self) -> Rules:
        """The rules for the ends of sentences."""
        return Rules(hangover=self.hangover, longest=self.longest)


@dataclass(slots=True)
class Ear:
    """One connection."""

    endpoint: Endpoint
    sentence: int = 0
    listen: int = 0
    name: str = ""
    speaks: bool = False
    paused: bool = False
    looked: bool = False


class Worker:
    """Serves the streams of one pipe."""

    def __init__(
        self,
        engine: Engine,
        rules: Rules,
        say: Callable[[bytes], None],
        *,
        about: Mapping[str, object] = MappingProxyType({}),
        keep: Callable[[str, bytes], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            say: takes packets for the front, from either thread.
            about: facts about the model to tell the front.
            keep: takes name and sound of each sentence.
        """
        self._engine = engine
        self._rules = rules
        self._say = say
        self._ears: dict[int, Ear] = {}
        self._mind = Mind(engine, self, keep=keep)
        self._mind.start()
        say(
            pipe.tell(
                Kind.READY,
                model=engine.name,
                streaming=engine.streaming,
                bears=engine.bears,
                resident=resident(),
                **about,
            )
        )

    # ---- from the front

    def take(self, packet: Packet) -> None:
        """Do what the front says."""
        match packet.kind:
            case Kind.SOUND:
                if ear := self._ears.get(packet.stream):
                    self._hear(packet.stream, ear, packet.content)
            case Kind.OPEN:
                self._ears[packet.stream] = Ear(Endpoint(self._rules))
            case Kind.LISTEN:
                if ear := self._ears.get(packet.stream):
                    self._listen(packet.stream, ear, packet)
            case Kind.CLOSE:
                self._ears.pop(packet.stream, None)
                self._mind.forget(packet.stream)
            case Kind.PING:
                if self._mind.busy_for > STUCK:
                    log.error("the engine hangs; this worker ends")
                    os._exit(os.EX_SOFTWARE)
                self._say(pipe.tell(Kind.PONG, resident=resident()))
            case _:
                raise pipe.Broken(f"a packet that only we send: {packet.kind.name}")

    def _listen(self, stream: int, ear: Ear, packet: Packet) -> None:
        facts = packet.facts()
        fresh = facts["sentence"] != ear.sentence
        ear.sentence, ear.listen = facts["sentence"], facts["listen"]
        if fresh:
            self._mind.forget(stream)
            ear.speaks = ear.paused = ear.looked = False
        if not ear.speaks:
            ear.name = safe_name(facts["call"], facts["step"])
        ear.endpoint.listen(facts["give_up"], fresh=fresh)

    def _hear(self, stream: int, ear: Ear, pcm: bytes) -> None:
        for begin in range(0, len(pcm), FRAME_BYTES):  # a pause inside a big piece is one too
            for item in ear.endpoint.feed(pcm[begin : begin + FRAME_BYTES]):
                self._note(stream, ear, item)
            if ear.speaks:
                self._watch(stream, ear)

    def _note(self, stream: int, ear: Ear, item: Item) -> None:
        match item:
            case Sound(sound):
                self._mind.hear(stream, sound)
            case Begun():
                ear.speaks = True
                self._mind.begin(stream, ear.sentence, ear.name)
                self._say(pipe.tell(Kind.BEGUN, stream, sentence=ear.sentence))
            case Ended():
                self._say(pipe.tell(Kind.ENDED, stream, sentence=ear.sentence))
                self._mind.end(stream)
            case Silent():
                self._say(pipe.tell(Kind.SILENT, stream, listen=ear.listen))

    def _watch(self, stream: int, ear: Ear) -> None:
        """Let a slow engine begin early, and find out what never pauses."""
        paused = ear.endpoint.quiet >= PAUSE
        if paused != ear.paused:
            ear.paused = paused
            (self._mind.pause if paused else self._mind.resume)(stream)
        if not ear.looked and ear.endpoint.unbroken >= NEVER_PAUSED:
            ear.looked = True
            self._mind.look(stream)

    # ---- from the recognising thread

    def words(self, stream: int, sentence: int, found: Recognised) -> None:
        """Tell the front the words."""
        self._say(
            pipe.tell(Kind.WORDS, stream, sentence=sentence, text=found.text, score=found.score)
        )

    def failed(self, stream: int, sentence: int) -> None:
        """Tell the front that there will be none."""
        self._say(pipe.tell(Kind.FAILED, stream, sentence=sentence))


def resident() -> int:
    """Return the bytes of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def safe_name(call: str, step: int) -> str:
    """Return the name of a sentence's sound, "" for a call without an id.

    >>> safe_name("../n1-1.2", 3)
    '_n1-1.2-3'
    """
    call = _UNSAFE.sub("_", call).lstrip(".")[:64]
    return f"{call}-{step}" if call else ""


def keeper(folder: Path) -> Callable[[str, bytes], None]:
    """Return what writes sound to `YYYY/MM/DD/<call>-<step>.wav` under *folder*."""

    def keep(name: str, pcm: bytes) -> None:
        day = folder / datetime.now(UTC).astimezone(SHANGHAI).strftime("%Y/%m/%d")
        try:
            day.mkdir(parents=True, exist_ok=True)
            unfinished = day / f".{name}.part"
            with wave.open(str(unfinished), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(pcm)
            target, more = day / f"{name}.wav", 1
            while target.exists():  # each step of a flow counts its sentences anew
                more += 1
                target = day / f"{name}.{more}.wav"
            unfinished.rename(target)
        except OSError as error:  # a full disk keeps nobody from being understood
            log.warning("call %s: its sound is not kept: %s", name, error)

    return keep


def serve(
    load_engine: Callable[[], Engine],
    rules: Rules,
    *,
    about: Mapping[str, object] = MappingProxyType({}),
    keep: Path | None = None,
) -> None:
    """Be a worker on standard input and output until the input closes."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.nice(KINDER)
    ours, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # native libraries print: not into our pipe
    lock = threading.Lock()

    def say(packet: bytes) -> None:
        with lock:
            while packet:
                packet = packet[os.write(answers, packet) :]

    began = time.monotonic()
    engine = load_engine()
    about = {**about, "seconds": round(time.monotonic() - began, 1)}
    try:
        worker = Worker(engine, rules, say, about=about, keep=keeper(keep) if keep else None)
        reader = pipe.Reader()
        while piece := os.read(ours, 65536):
            for packet in reader.read(piece):
                worker.take(packet)
    except BrokenPipeError:
        pass  # the front is gone
    os._exit(0)  # the engine may be computing, and nobody waits for it


def warm(engine: Engine) -> Engine:
    """Return *engine* after it has heard something, on as many streams as it bears.

    What it keeps for a stream is ready then, and the first callers are answered in time.
    """
    sound = babble(WARM_UP)
    streams = [engine.open() for _ in range(engine.bears if engine.streaming else 1)]
    for stream in streams:
        stream.feed(sound)
        stream.finish()
    return engine


def main() -> None:
    """Serve as the first argument orders."""
    orders = Orders.model_validate_json(sys.argv[1])
    model = orders.model
    about: Mapping[str, object] = {"engine": model.engine, "language": model.language}
    try:
        serve(lambda: warm(load(model, orders.folder)), orders.rules, about=about, keep=orders.keep)
    except HotlineError as error:
        sys.exit(error.message)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
