"""Models for recognition on this machine: which are here, fetching them, checking them."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hotline import model_archives as archives
from hotline.config import Config
from ivr.speech import models as known
from ivr.speech.models import AUTO, Model
from schemas.errors import NotFound, Unavailable

WITHOUT = "without a model for Mandarin callers use keys; everything else works"
LOCAL = "HOTLINE_MODELS"
"""Variable that names a folder of models or of their archives, to look in first."""


@dataclass(frozen=True, slots=True)
class Row:
    """A model as `hotline models list` shows it."""

    name: str
    engine: str
    language: str
    license: str
    size: int
    """Bytes on disk, about."""
    here: str | None
    """Its folder."""
    installed: bool
    """Whether the engine's library is."""
    taken: bool
    """Whether the service takes it, by the settings."""
    verified: bool
    """Whether the sums were taken from archives that we had in our own hands."""
    sources: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as JSON shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one model."""

    name: str
    ok: bool
    state: str
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return it as JSON shows it."""
        return asdict(self)


def folders(config: Config) -> list[Path]:
    """Return where models are looked for, in order; they are fetched into the last one."""
    given = os.environ.get(LOCAL)
    own = config.speech.models or config.site.state / "models"
    return [*([Path(given)] if given else ()), own.resolve()]


def rows(config: Config) -> list[Row]:
    """Return every model that is known."""
    places = folders(config)
    try:
        taken = known.find(config.speech.model, places)[0].name
    except (NotFound, Unavailable):
        taken = ""
    found = []
    for model in known.read():
        here = known.present(model, places)
        found.append(
            Row(
                name=model.name,
                engine=model.engine,
                language=model.language,
                license=model.license,
                size=model.size,
                here=str(here) if here else None,
                installed=model.installed,
                taken=model.name == taken,
                verified=all(archive.verified for archive in model.archives),
                sources=tuple(source for part in model.archives for source in part.sources),
            )
        )
    return found


# ---- fetching


def fetch(config: Config, names: Sequence[str] = ()) -> list[Outcome]:
    """Fetch models that are not here yet; never raises for one that cannot be had.

    Args:
        names: of the models; none: what the settings ask for, or, when they say `auto`, the first
            one for Mandarin that can be had.

    Raises:
        NotFound: there is no model of a name.
    """
    places = folders(config)
    models = known.read()
    if names:
        return [_fetched(_named(models, name), places) for name in names]
    if config.speech.model != AUTO:
        return [_fetched(_named(models, config.speech.model), places)]
    with contextlib.suppress(Unavailable):
        return [_fetched(known.find(AUTO, places)[0], places)]
    outcomes = []
    for model in models:
        if model.language in known.MANDARIN:
            outcomes.append(_fetched(model, places))
            if outcomes[-1].ok and model.installed:
                break
    return outcomes


def ready(config: Config, say: Callable[[str], None]) -> bool:
    """Get what can be had for the service to understand Mandarin, and say plainly what could not.

    Never raises: the service runs without any model.
    """
    if not config.speech.enabled:
        return False
    try:
        outcomes = fetch(config)
        for outcome in outcomes:
            for line in told(outcome):
                say(line)
        known.find(config.speech.model, folders(config))
    except (NotFound, Unavailable, OSError) as error:
        if isinstance(error, NotFound):
            say(error.message)
        say(WITHOUT)
        return False
    return True


def told(outcome: Outcome) -> Iterator[str]:
    """Say the outcome in lines for people."""
    yield f"model {outcome.name}: {outcome.state}"
    for reason in outcome.reasons:
        yield f"  {reason}"


def _named(models: Iterable[Model], name: str) -> Model:
    for model in models:
        if model.name == name:
            return model
    raise NotFound(f"there is no model {name}; `hotline models list` shows them")


def _fetched(model: Model, places: Sequence[Path]) -> Outcome:
    if here := known.present(model, places):
        looked = _checked(model, here)
        if looked.ok:
            return Outcome(model.name, True, f"is in {here}")
        if here.parent != places[-1]:  # not ours to mend
            return looked
    try:
        _fetch(model, places)
    except Unavailable as error:
        return Outcome(model.name, False, "cannot be had", tuple(error.message.splitlines()))
    except OSError as error:
        why = f"{error.strerror or error}: {error.filename or places[-1]}"
        return Outcome(model.name, False, "cannot be kept", (why,))
    return Outcome(model.name, True, f"fetched into {places[-1] / model.name}")


def _fetch(model: Model, places: Sequence[Path]) -> None:
    """Fetch, check and unpack beside where it shall be, then put it there in one go."""
    home = places[-1]
    with _alone(home) as work:
        if (here := known.present(model, places)) and _checked(model, here).ok:
            return  # somebody else was quicker
        fresh = work / model.name
        fresh.mkdir()
        for archive in model.archives:
            file = archives.obtain(archive, model, places, work)
            archives.unpack(archive, file, model, fresh)
            if file.parent == work:
                file.unlink()  # room is short on small machines
        archives.join(model, fresh)
        if wrong := archives.faults(model, fresh):
            raise Unavailable("\n".join(wrong))
        target = home / model.name
        if target.exists():  # not whole, or spoilt
            target.rename(work / f"old-{model.name}")
        fresh.rename(target)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[Path]:
    """Yield a folder to work in, beside the models; what a killed run left goes."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in home.glob(".fetch-*"):
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=home))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


# ---- checking


def check(config: Config) -> list[Outcome]:
    """Look at every model that is here, byte by byte, and at whether callers are understood."""
    places = folders(config)
    found = []
    for model in known.read():
        if here := known.present(model, places):
            found.append(_checked(model, here))
        elif any((place / model.name).exists() for place in places):
            found.append(Outcome(model.name, False, "is not whole; fetch it again"))
    found.append(_understood(config, places))
    return found


def _checked(model: Model, here: Path) -> Outcome:
    try:
        wrong = archives.faults(model, here)
    except OSError as error:
        wrong = [f"{error.strerror or error}: {error.filename}"]
    if wrong:
        mend = f"`hotline models fetch {model.name}` gets it anew"
        return Outcome(model.name, False, f"is spoilt in {here}", (*wrong, mend))
    unknown = sum(not known_sum for known_sum in model.files.values())
    if unknown:
        why = "its sums are not known to this version: it is here, whether it is right nobody says"
        return Outcome(model.name, True, f"is in {here}, unverified", (why,))
    return Outcome(model.name, True, f"is in {here}, every byte as it should be")


def _understood(config: Config, places: Sequence[Path]) -> Outcome:
    what = "Mandarin"
    if not config.speech.enabled:
        return Outcome(what, True, "speech is off by the settings; callers use keys")
    try:
        model, here = known.find(config.speech.model, places)
    except (NotFound, Unavailable) as error:
        return Outcome(what, False, "is not understood", (error.message, WITHOUT))
    if not model.installed:
        reason = f"the library of {model.engine} is not installed"
        return Outcome(what, False, "is not understood", (reason, WITHOUT))
    if model.language not in known.MANDARIN:
        return Outcome(what, False, f"is not understood: {model.name} knows another language")
    if not (looked := _checked(model, here)).ok:
        return Outcome(what, False, "is not understood", (f"{model.name} {looked.state}", WITHOUT))
    return Outcome(what, True, f"is understood, by {model.name}")
