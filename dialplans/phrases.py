"""What citizens say, `phrases.tsv`: intents and the words that mean them."""

import re
from collections.abc import Mapping
from pathlib import Path

from dialplans.cells import quote, read_table
from schemas.errors import Fault

INTENT = re.compile(r"[a-z][a-z0-9_-]{0,39}")
LONGEST = 20
"""Characters of a phrase."""


def read(path: Path) -> tuple[Mapping[str, tuple[str, ...]], list[Fault]]:
    """Return the phrases by intent, and every fault of the file; a missing file is no fault."""
    if not path.exists():
        return {}, []
    lines, faults = read_table(path, required=("intent", "phrase"), optional=("note",), tabs=True)
    found: dict[str, list[str]] = {}
    meant: dict[str, tuple[str, int]] = {}
    for line in lines:
        intent, phrase = line.cells.get("intent", ""), line.cells.get("phrase", "")
        if {"intent", "phrase"} - set(line.cells):
            continue  # told already
        if not INTENT.fullmatch(intent):
            reason = f"must be a-z 0-9 _ -, a letter first, not {quote(intent)}"
            faults.append(Fault(str(path), line.line, "intent", reason))
        elif not 1 <= len(phrase) <= LONGEST:
            reason = f"must be 1 to {LONGEST} characters, not {quote(phrase)}"
            faults.append(Fault(str(path), line.line, "phrase", reason))
        elif phrase in meant:
            other, at = meant[phrase]
            reason = f"{quote(phrase)} means {other} on line {at} already"
            faults.append(Fault(str(path), line.line, "phrase", reason))
        else:
            meant[phrase] = (intent, line.line)
            found.setdefault(intent, []).append(phrase)
    return {intent: tuple(phrases) for intent, phrases in found.items()}, faults
