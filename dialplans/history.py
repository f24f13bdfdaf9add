"""What became of published versions, line by line: one JSON object each, appended and synced.

The file is the answer to "who changed this, when and why"; nothing in it is ever rewritten. A line
torn by a crash is left behind a line break of its own and read over.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Event(StrEnum):
    """What may happen to a version."""

    STAGED = "staged"
    """Written, and waits for a second person."""
    APPROVED = "approved"
    """A second person agreed; it went live."""
    PUBLISHED = "published"
    """Went live."""
    APPLIED = "applied"
    """The controller runs it and Asterisk read it back."""
    REFUSED = "refused"
    """It could not be loaded, rendered or read back: the version before it is live again."""
    ROLLED_BACK = "rolled_back"
    """`version` is live again instead of `left`."""
    WATCH_PASSED = "watch_passed"
    ALARM = "alarm"
    """A person should look; `why` says at what."""


LIVE = frozenset({Event.PUBLISHED, Event.APPROVED, Event.ROLLED_BACK})
"""What makes its version the current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    at: float
    """Unix seconds."""
    event: Event
    version: int
    who: str
    why: str
    left: int | None = None
    """Version that was live before."""


def append(file: Path, entry: Entry) -> None:
    """Write *entry* behind all others and return when it is on the disk."""
    line = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" * torn + line)  # one write: never between two of another
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(file: Path) -> list[Entry]:
    """Return every whole line, oldest first."""
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [entry for line in lines for entry in _understood(line)]


def _understood(line: bytes) -> Iterator[Entry]:
    try:
        found = json.loads(line)
        yield Entry(**{**found, "event": Event(found["event"])})
    except (ValueError, TypeError, KeyError):
        return  # torn by a crash, or of a later release
