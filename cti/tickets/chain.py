"""The hash chain of a ticket's history; pure.

Each row's hash covers what the row says and the hash before it: who alters, drops or moves a row
must alter every row after it, and whoever kept a later hash (a web hook, an evidence pack) sees it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

GENESIS = "0" * 64
"""What stands before the first row."""
COVERED = (
    "ticket_id",
    "seq",
    "at",
    "who",
    "role",
    "unit",
    "move",
    "before",
    "after",
    "why",
    "call_id",
    "detail",
)
"""What a hash covers: everything that a row says."""


class Link(Protocol):
    """A row of the history, wherever it was read from."""

    @property
    def seq(self) -> Any:
        """Its number."""

    @property
    def previous(self) -> Any:
        """Hash of the row before."""

    @property
    def hash(self) -> Any:
        """Its own."""


def digest(said: Mapping[str, Any], previous: str) -> str:
    """Return the hash (hex) of a row that says *said* after the row with hash *previous*.

    The form is fixed: JSON of `COVERED` with sorted keys, no spaces, UTF-8, then a line break and
    *previous*; anybody can reckon it again.
    """
    text = json.dumps(
        {name: said[name] for name in COVERED},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(f"{text}\n{previous}".encode()).hexdigest()


def verify(rows: Iterable[Link]) -> int | None:
    """Return the `seq` of the first of *rows* (oldest first) that does not fit; None: all do."""
    previous = GENESIS
    for expected, row in enumerate(rows, 1):
        said = {name: getattr(row, name) for name in COVERED}
        fits = row.seq == expected and row.previous == previous
        if not fits or row.hash != digest(said, previous):
            return expected
        previous = row.hash
    return None
