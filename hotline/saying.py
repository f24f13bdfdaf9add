"""What callers say in trials: sentences as typed, or sound files as the recogniser hears them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hotline.config import Config
from schemas.city import City
from schemas.errors import Invalid
from schemas.speech import Recognised, Understand

NOTHING = "-"
"""Typed for a question that the caller lets pass."""
SOUND = ".wav"
LONGEST = 200
"""Characters of a sentence, as for real calls."""

Hear = Callable[[Path], Recognised]


def sentences(config: Config, texts: Sequence[str]) -> tuple[Recognised | None, ...]:
    """Return what *texts* say one after another; the model is loaded if one of them is a file.

    Raises:
        Invalid: a file is not there, or is no sound.
        NotFound, Unavailable: there is no model to hear it with.
    """
    for text in texts:
        if text.lower().endswith(SOUND) and not Path(text).is_file():
            raise Invalid(f"there is no file {text[:200]}")
    hear: Hear | None = None
    found: list[Recognised | None] = []
    for text in texts:
        if text == NOTHING:
            found.append(None)
        elif text.lower().endswith(SOUND):
            hear = hear or recogniser(config)
            found.append(hear(Path(text)))
        else:
            said = "".join(filter(str.isprintable, text)).strip()[:LONGEST]
            found.append(Recognised(text=said, score=100))
    return tuple(found)


def recogniser(config: Config) -> Hear:
    """Return what hears files with the model of the configuration; takes seconds.

    Raises:
        NotFound, Unavailable: there is no such model, or it is not on this machine.
    """
    # a recogniser is a large thing: only who brings a file waits for it
    from hotline.models import folders
    from ivr.speech import engines, models, sound
    from ivr.speech.endpoint import Rules
    from ivr.speech.passages import first_words

    rules = Rules.of(config.speech)
    model, folder = models.find(config.speech.model, folders(config))
    engine = engines.load(model, folder)

    def hear(file: Path) -> Recognised:
        return first_words(sound.read(file), engine, rules)

    return hear


def understanding(of: City) -> Understand:
    """Return how the words of *of* are understood, as for real calls."""
    from ivr.speech.intents import Vocabulary

    return Vocabulary.of(of).understand


def told(words: Recognised) -> str:
    """Return how a file was heard, in a line."""
    said = f"“{words.text}”" if words.text else "no words"
    return f"{words.engine} heard {said} (score {words.score})"
