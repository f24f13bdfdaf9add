"""What a flow wants done next, and what came of it: spoken between the machine and who drives it.

Telephone and simulator drive the same machine with these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from schemas.calls import Route
from schemas.city import City
from schemas.numbers import Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known when a call comes in."""

    number: Number | None
    """None: a number that is not in the register."""
    caller: str
    at: datetime
    """Local time of the call."""
    returning: bool = False
    """Our own transfer of this caller came back to us: an agent takes it, nothing is played."""
    speech: bool = False
    """Whether words can be recognised just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Play the prompts, cut by any key, and go on at once."""

    step: str
    """`flow/step` it belongs to."""
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """Play the prompts and wait for a key, pressed during or after them."""

    step: str
    prompts: tuple[str, ...]
    wait: float
    """Seconds of silence to allow after the last prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Play the prompts and wait for words or a key, whichever comes first."""

    step: str
    prompts: tuple[str, ...]
    wait: float
    """Seconds until the first word, after the last prompt."""
    key_wait: float
    """Seconds until a key instead, should speech fail meanwhile."""
    intents: tuple[str, ...]
    """What may be said here; every line of the annex is named on its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Play the prompts and take up to `most` keys; # ends the entry."""

    step: str
    prompts: tuple[str, ...]
    most: int
    wait: float
    """Seconds of silence to allow before each key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Find something out; the caller hears nothing."""

    step: str
    what: str
    """One of `schemas.flows.LOOKUPS`."""
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The flow has ended."""

    step: str
    route: Route


Move = Say | Hear | Listen | Collect | Look | Done
Playing = Say | Hear | Listen | Collect
"""Moves that the caller notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a move; nothing at all is silence, or a prompt that ended uncut."""

    key: str | None = None
    digits: str | None = None
    """What `Collect` took, without the #."""
    intent: str | None = None
    """What the caller's words meant; "" for words that mean nothing to us; None: no words."""
    sure: bool = True
    """Whether `intent` may be acted upon; else the caller is asked once whether it was meant."""
    word: str | None = None
    """Answer to `Look`."""
    found: Mapping[str, str] = field(default_factory=dict)
    """Variables that `Look` filled."""
    failed: str | None = None
    """Why it could not be done: the prompt could not be played, the answer did not come."""


P = TypeVar("P")


class Machine(Protocol[P]):
    """The flow machine, for who drives it. `P` is a caller's place in the flow."""

    def begin(self, city: City, situation: Situation, /) -> tuple[P, Move]:
        """Start a flow."""
        ...

    def hear(self, place: P, heard: Heard, /) -> tuple[P, Move]:
        """Go on after the last move."""
        ...
