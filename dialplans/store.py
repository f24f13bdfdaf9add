"""Copies of the admin's folder that share what they have in common.

Each file's content is kept once, under its hash, and hard-linked into every copy that has it: a
thousand copies of a folder full of sounds cost little more than one. What is linked is read-only,
for a change in one copy would be a change in all.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.errors import Fault, Faulty

KINDS = frozenset({"wav", "wav16", "ulaw", "alaw", "sln", "sln16", "g722"})
"""Endings of sounds that Asterisk plays."""
MOST_BYTES = 1_000_000_000
"""A folder with more than this was not meant: a wrong path, or recordings of years."""
LEFT_OUT = ("~", ".swp", ".part", ".pyc")
"""Endings of what editors and tools leave behind."""


def contents(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name below *folder*, path) of every file that belongs to it, in order.

    Hidden files, editors' leftovers, sockets and the like do not; a link's target does.

    Raises:
        Faulty: there is no such folder.
    """
    if not folder.is_dir():
        raise Faulty([Fault(str(folder), None, "folder", "is not there")])
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
        for name in sorted(names):
            path = Path(place, name)
            below = path.relative_to(folder).as_posix()
            if name.startswith((".", "#")) or name.endswith(LEFT_OUT) or below == "version.json":
                continue
            if path.is_file():
                yield below, path


def hashes(folder: Path) -> Mapping[str, str]:
    """Return name → SHA-256 of every file of *folder*.

    Raises:
        Faulty, OSError: it cannot be read.
    """
    return {name: _hash(path.read_bytes()) for name, path in contents(folder)}


def copy(source: Path, into: Path, *, store: Path) -> Mapping[str, str]:
    """Fill the empty folder *into* with what *source* holds; return name → SHA-256.

    What was read is what was hashed is what is kept, even while somebody edits *source*. All of it
    is on the disk at return.

    Raises:
        Faulty: *source* cannot be read, or is far too large.
    """
    store.mkdir(parents=True, exist_ok=True)
    found: dict[str, str] = {}
    size, fresh = 0, False
    for name, path in contents(source):
        try:
            size += path.stat().st_size
            if size > MOST_BYTES:
                reason = f"holds more than {MOST_BYTES // 10**6} MB: is it the right folder?"
                raise Faulty([Fault(str(source), None, "folder", reason)])
            content = path.read_bytes()
        except OSError as error:
            raise Faulty([Fault(str(path), None, "file", str(error.strerror))]) from error
        found[name] = _hash(content)
        blob = store / found[name]
        if not _holds(blob, found[name]):
            replace(blob, content, mode=0o444)
            fresh = True
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(blob, target)
    if fresh:
        sync(store)
    for place, _, _ in os.walk(into):
        sync(Path(place))
    return found


def sounds(files: Mapping[str, str]) -> Mapping[str, str]:
    """Return prompt id → sound file below Asterisk's sounds, for a version's *files*.

    The name holds what is heard (all formats of it): a change is a new file, so a call in progress
    keeps its own.
    """
    formats: dict[str, list[str]] = {}
    for name in sorted(files):
        folder, _, file = name.rpartition("/")
        prompt, _, kind = file.partition(".")
        if folder == "audio" and kind in KINDS:
            formats.setdefault(prompt, []).append(files[name])
    return {
        prompt: f"hotline/{prompt}-{hashlib.sha256(''.join(found).encode()).hexdigest()[:10]}"
        for prompt, found in formats.items()
    }


def sweep(store: Path) -> None:
    """Delete what no copy holds any more."""
    for blob in store.iterdir():
        if blob.stat().st_nlink == 1:
            blob.unlink()


def sync(folder: Path) -> None:
    """Return when the names in *folder* are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(file: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write *file* so that a reader, even after a crash, sees the old content or the new, whole."""
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        os.replace(name, file)  # noqa: PTH105 - both are names already
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise


def _holds(blob: Path, sha256: str) -> bool:
    """Tell whether *blob* is what its name says: an edited version is an edited blob."""
    try:
        return _hash(blob.read_bytes()) == sha256
    except FileNotFoundError:
        return False


def _link(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError:  # a file system without hard links, or one link too many
        shutil.copyfile(blob, target)
        with target.open("rb") as copied:
            os.fsync(copied.fileno())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
