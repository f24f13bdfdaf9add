"""Errors that cross a room, and faults in what people wrote.

HotlineError
 ├─ NotFound · Forbidden · Unauthorised · Conflict · Invalid     what the other side did wrong
 ├─ TooMany                                                      … too often
 └─ Unavailable                                                  what we cannot do just now
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar


class HotlineError(Exception):
    """Base: a stable code, an HTTP status, a sentence, and facts."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details


class NotFound(HotlineError):
    """There is no such thing."""

    code, status = "not_found", 404


class Unauthorised(HotlineError):
    """We do not know who asks."""

    code, status = "unauthorised", 401


class Forbidden(HotlineError):
    """We know who asks, and they may not."""

    code, status = "forbidden", 403


class Conflict(HotlineError):
    """It does not fit what is so just now."""

    code, status = "conflict", 409


class Invalid(HotlineError):
    """The request is not of the form it must have."""

    code, status = "invalid", 422


class TooMany(HotlineError):
    """Too often in too short a time; `retry_after` in the details is in seconds."""

    code, status = "too_many", 429


class Unavailable(HotlineError):
    """A part of ours that is needed is away; trying again later may work."""

    code, status = "unavailable", 503


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in something a person wrote."""

    file: str
    line: int | None
    key: str
    """Column, key or setting."""
    reason: str
    column: int | None = None
    """Character in the line where it begins, from 1."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        if self.line and self.column:
            place = f"{place}:{self.column}"
        return f"{place}: {self.key}: {self.reason}"


class Faulty(HotlineError):
    """A file or setting has faults; all of them are here at once."""

    code, status = "faulty", 422

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
