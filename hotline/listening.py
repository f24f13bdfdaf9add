"""`hotline listen`: what the service makes of a sound file, as it would of a caller."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hotline import models
from hotline.config import Config
from ivr.speech import engines, sound
from ivr.speech import models as known
from ivr.speech.endpoint import FRAME, FRAME_BYTES, Begun, Ended, Endpoint, Rules, Sound
from ivr.speech.engines import Engine, Stream
from ivr.speech.intents import Vocabulary
from ivr.speech.passages import silence
from schemas.city import City
from schemas.errors import Invalid, NotFound, Unavailable
from schemas.speech import Meaning, line_intent

BYTES_A_SECOND = 2 * sound.RATE


@dataclass(frozen=True, slots=True)
class Partial:
    """Words so far."""

    at: float
    """Seconds of sound, from the begin of the file; as everywhere here."""
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, from its begin to its meaning."""

    began: float
    ended: float
    """When it counted as over: the silence after it is in it."""
    why: str
    partials: tuple[Partial, ...]
    text: str
    score: int
    intent: str
    confidence: float
    sure: bool
    runner_up: str
    after: float
    """Seconds of computing after the end, which a caller waits."""


@dataclass(frozen=True, slots=True)
class Listened:
    """All of it."""

    file: str
    seconds: float
    model: str
    engine: str
    load: float
    """Seconds to load the model."""
    compute: float
    """Seconds of work for the file, by the clock."""
    sentences: tuple[Sentence, ...]

    @property
    def real_time(self) -> float:
        """Seconds of work for a second of sound."""
        return self.compute / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, object]:
        """Return it as JSON shows it."""
        return asdict(self) | {"real_time": round(self.real_time, 3)}


def listen(config: Config, file: Path, model: str | None, city: City | None) -> Listened:
    """Hear *file*.

    Args:
        model: its name; None: as the settings say.
        city: whose words are understood; None: none, the intents stay "".

    Raises:
        Invalid: the file is no sound, or there is no model to hear it with.
    """
    try:
        pcm = sound.read(file)
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror or error}") from None
    try:
        chosen, folder = known.find(model or config.speech.model, models.folders(config))
        began = time.monotonic()
        engine = engines.load(chosen, folder)
    except (NotFound, Unavailable) as error:
        raise Invalid(error.message) from error
    loaded = time.monotonic()
    understand = _understanding(city)
    rules = Rules.of(config.speech)
    sentences = _sentences(engine, pcm + silence(rules), rules, understand)
    return Listened(
        file=str(file),
        seconds=round(len(pcm) / BYTES_A_SECOND, 3),
        model=chosen.name,
        engine=chosen.engine,
        load=round(loaded - began, 3),
        compute=round(time.monotonic() - loaded, 3),
        sentences=tuple(sentences),
    )


def _understanding(city: City | None) -> Callable[[str], Meaning]:
    if city is None:
        return lambda text: Meaning()
    vocabulary = Vocabulary.of(city)
    lines = {number.line_no for number in city.register.numbers.values()}
    among = {*map(line_intent, lines), *city.phrases}
    return lambda text: vocabulary.understand(text, among)


def _sentences(
    engine: Engine, pcm: bytes, rules: Rules, understand: Callable[[str], Meaning]
) -> Sequence[Sentence]:
    endpoint = Endpoint(rules)
    endpoint.listen(None, fresh=True)
    found: list[Sentence] = []
    stream: Stream | None = None
    began = 0.0
    partials: list[Partial] = []

    def over(ended: float, why: str, stream: Stream) -> None:
        clock = time.monotonic()
        words = stream.finish()
        meaning = understand(words.text) if words.text else Meaning()
        found.append(
            Sentence(
                began=began,
                ended=ended,
                why=why,
                partials=tuple(partials),
                text=words.text,
                score=words.score,
                intent=meaning.intent,
                confidence=round(meaning.confidence, 3),
                sure=meaning.sure,
                runner_up=meaning.runner_up,
                after=round(time.monotonic() - clock, 3),
            )
        )

    for place in range(0, len(pcm), FRAME_BYTES):
        for item in endpoint.feed(pcm[place : place + FRAME_BYTES]):
            match item:
                case Begun(at):
                    stream, began, partials = engine.open(), at / 1000, []
                case Sound(part) if stream is not None:
                    text = stream.feed(part)
                    if text and (not partials or partials[-1].text != text):
                        partials.append(Partial((place // FRAME_BYTES + 1) * FRAME / 1000, text))
                case Ended(at, why) if stream is not None:
                    over(at / 1000, why, stream)
                    stream = None
                    endpoint.listen(None, fresh=True)
    return found
