"""Models for recognition: which ones are known, which are here, which one `auto` is."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from schemas.errors import Fault, Faulty, NotFound, Unavailable

KNOWN = Path(__file__).with_name("models.toml")
"""What this version of the service knows."""
AUTO = "auto"
MANDARIN = frozenset({"zh", "multilingual"})
LIBRARIES = {"vosk": "vosk", "whisper": "faster_whisper"}
"""What each engine imports."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Inside = Annotated[str, StringConstraints(pattern=r"^\w[\w-]*([./]?[\w-]+)*$", max_length=200)]
"""Path of a file in a model: relative, never upwards."""
Source = Annotated[
    str,
    StringConstraints(
        pattern=r"^(https?://[^\s/]+/\S+|pypi:[A-Za-z0-9][\w.-]{0,99}==[0-9][\w.+!-]{0,39})$"
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Archive(_Strict):
    """A zip or wheel that holds a model, or a part of one."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]{0,199}\.(zip|whl)$")]
    sha256: Sha256
    verified: bool = True
    """Whether the sum was taken from an archive that we had in our own hands."""
    folder: Inside
    """What of it is the model."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """In the order in which they are tried."""


class Model(_Strict):
    """One model for recognition."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    engine: Literal["vosk", "whisper"]
    language: Annotated[str, StringConstraints(pattern=r"^([a-z]{2}|multilingual)$")]
    license: Annotated[str, Field(min_length=1)]
    size: Annotated[int, Field(gt=0)]
    """Bytes on disk, about."""
    bears: Annotated[int, Field(ge=1, le=100)]
    """Callers who speak at once that one core is known to bear."""
    files: Annotated[dict[Inside, Sha256 | Literal[""]], Field(min_length=1)]
    """What must be there, with its sum; "" where that is not known."""
    join: dict[Inside, Annotated[tuple[Inside, ...], Field(min_length=2)]] = {}
    archives: Annotated[tuple[Archive, ...], Field(min_length=1)]

    @property
    def installed(self) -> bool:
        """Tell whether the library of its engine is."""
        return find_spec(LIBRARIES[self.engine]) is not None

    def complete(self, folder: Path) -> bool:
        """Tell whether every file that it needs is in *folder*; sums are `check`'s business."""
        return all((folder / file).is_file() for file in self.files)


class _Document(_Strict):
    models: Annotated[tuple[Model, ...], Field(min_length=1)]


def read(path: Path | None = None) -> list[Model]:
    """Return the models that *path* describes, in its order; without it, those of this version.

    Raises:
        Faulty: with every fault at once.
        OSError: it cannot be read.
    """
    path = path or KNOWN
    try:
        found = _Document.model_validate(tomllib.loads(path.read_text("utf-8"))).models
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Faulty([Fault(str(path), None, "toml", str(error))]) from None
    except ValidationError as error:
        raise Faulty(
            Fault(str(path), None, ".".join(map(str, item["loc"])), item["msg"])
            for item in error.errors(include_url=False, include_context=False)
        ) from None
    if faults := list(_across(found, str(path))):
        raise Faulty(faults)
    return list(found)


def _across(models: Sequence[Model], file: str) -> Iterable[Fault]:
    """Find what single fields cannot show."""
    for name, times in Counter(model.name for model in models).items():
        if times > 1:
            yield Fault(file, None, name, f"is there {times} times")
    for model in models:
        for joined in model.join.keys() - model.files.keys():
            yield Fault(file, None, f"{model.name}.join", f"{joined} is not among its files")


def present(model: Model, folders: Iterable[Path]) -> Path | None:
    """Return the first of *folders*' own folders of the model that is complete."""
    for folder in folders:
        if model.complete(folder / model.name):
            return folder / model.name
    return None


def find(name: str, folders: Sequence[Path], known: Sequence[Model] = ()) -> tuple[Model, Path]:
    """Return the model *name* and the folder in which it is.

    Args:
        name: of the model, or `auto`: the first that knows Mandarin and whose library is here.
        folders: where models are looked for, each in a folder of its own name.
        known: models to choose from; those of this version.

    Raises:
        NotFound: there is no such model.
        Unavailable: it is not here, or none for Mandarin.
    """
    models = list(known) or read()
    if name == AUTO:
        wanted = [model for model in models if model.language in MANDARIN and model.installed]
    else:
        wanted = [model for model in models if model.name == name]
        if not wanted:
            names = ", ".join(model.name for model in models)
            raise NotFound(f"there is no model {name}; known are {names}")
    for model in wanted:
        if folder := present(model, folders):
            return model, folder
    places = " or ".join(map(str, folders))
    which = "no model for Mandarin" if name == AUTO else f"the model {name} is not whole or not"
    raise Unavailable(f"{which} in {places}: `hotline models fetch` tries to get it")
