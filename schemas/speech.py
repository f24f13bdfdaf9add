"""What callers said: recognised words, and what they mean to a flow.

Intents are the names that `phrases.tsv` gives to things people say: `agent`, `progress`, `yes`,
`emergency-110`, `line-40` (line 40 of the annex). A flow names those it knows what to do with;
the lines all at once, by `lines` of its `listen` step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

LINE = "line-"
"""How the intents of the annex's lines begin; the line's number follows."""
EMERGENCY = "emergency-"
"""How the intents of the four emergencies begin; 110, 119, 120 or 122 follows."""
YES, NO = "yes", "no"
GRADES = frozenset({"satisfied", "basically", "dissatisfied"})
SOLUTIONS = frozenset({"solved", "unsolved"})
"""With `GRADES`: answers to what is asked after a call, not by flows."""
ASK = "ask-"
"""How the prompt begins that asks once whether an intent was meant; the intent follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Words as an engine heard them."""

    text: str
    """Without spaces around; "" when there were no words."""
    score: int = 0
    """How sure the engine is, 0-100, by its own measure: figures of two engines do not compare."""
    engine: str = ""
    """Name of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What words mean."""

    intent: str = ""
    """"" when they mean nothing that was asked for."""
    confidence: float = 0.0
    """0-1: how well the words fit the intent, and no other."""
    sure: bool = False
    """Whether it may be acted upon; else the caller is asked once."""
    runner_up: str = ""
    """The intent that came next, for people who look into confusions."""


class Understand(Protocol):
    """Finds what words mean, by the vocabulary of one version of the city."""

    def __call__(self, text: str, among: Iterable[str], /) -> Meaning:
        """Return what *text* means.

        Args:
            among: intents that mean something where the caller is; `lines()` spells out the
                annex's. An emergency among them is found before anything else.
        """
        ...


def line_intent(line_no: int) -> str:
    """Return the intent of a line of the annex.

    >>> line_intent(40)
    'line-40'
    """
    return f"{LINE}{line_no}"


def line_of(intent: str) -> int | None:
    """Return the line of the annex that *intent* is about, None when it is about none.

    >>> line_of("line-40"), line_of("agent"), line_of("line-")
    (40, None, None)
    """
    number = intent.removeprefix(LINE)
    return int(number) if number != intent and number.isascii() and number.isdigit() else None
