"""Everything that is wrong with an admin's folder, before a caller can find out.

`lint` tells what keeps a folder from being published, `warnings` what still works but should be
looked at. What is looked for is told in the modules that look: form in `dialplans.city` and what
it reads, names that mean nothing in `references`, callers who reach no person in `reach`, the
calendar in `days`, what callers may say in `words`, the admin's own dialplan in `custom`.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from dialplans import casebook, custom, days, prompts, reach, references, words
from dialplans.city import Reading, read
from dialplans.looked import Looked, Spoken
from schemas.errors import Fault


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in a folder."""

    reading: Reading
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def lint(folder: Path, *, spoken: Spoken | None = None) -> tuple[Fault, ...]:
    """Return every fault of *folder*, in the order of its files and lines.

    Args:
        spoken: says values; without it, pieces are not looked for and their seconds not counted.
    """
    looked = Looked(read(folder), spoken)
    return _faults(looked)


def warnings(folder: Path, *, today: date) -> tuple[Fault, ...]:
    """Return what in *folder* should be looked at, though it works."""
    return _warnings(Looked(read(folder)), today)


def examine(folder: Path, *, today: date, spoken: Spoken | None = None) -> Findings:
    """Return faults and warnings of *folder*, and what could be read of it."""
    looked = Looked(read(folder), spoken)
    return Findings(looked.reading, _faults(looked), _warnings(looked, today))


def _faults(looked: Looked) -> tuple[Fault, ...]:
    found = [*looked.reading.faults, *references.faults(looked)]
    if not found:  # ways cannot be followed through gaps
        found += references.unset(looked)
        found += reach.faults(looked)
    found += days.faults(looked)
    found += custom.faults(looked.reading.folder / "custom")
    return _sorted(found)


def _warnings(looked: Looked, today: date) -> tuple[Fault, ...]:
    return _sorted(
        [
            *days.warnings(looked, today),
            *words.warnings(looked.reading),
            *custom.warnings(looked.reading.folder / "custom"),
            *casebook.warnings(looked.reading.folder),
            *prompts.stale(looked.reading.folder / "prompts.tsv"),
        ]
    )


def _sorted(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    tables: dict[str, list[str]] = {}
    unique = dict.fromkeys(_with_column(fault, tables) for fault in faults)
    return tuple(sorted(unique, key=lambda f: (f.file, f.line or 0, f.column or 0, f.key)))


def _with_column(fault: Fault, tables: dict[str, list[str]]) -> Fault:
    """Return *fault* with the place of the cell that it is about, if it is about one.

    Args:
        tables: lines of the tables by file; filled here.
    """
    if fault.column is not None or fault.line is None or not fault.file.endswith((".csv", ".tsv")):
        return fault
    if fault.file not in tables:
        raw = Path(fault.file).read_bytes()
        tables[fault.file] = raw.decode("utf-8-sig", "replace").split("\n")
    lines, tabs = tables[fault.file], fault.file.endswith(".tsv")
    if fault.line > len(lines):
        return fault
    heading = lines[0].split("\t") if tabs else next(csv.reader([lines[0]]), [])
    begins = _begins(lines[fault.line - 1], tabs=tabs)
    columns = dict(zip((name.strip() for name in heading), begins, strict=False))
    return replace(fault, column=columns.get(fault.key))


def _begins(line: str, *, tabs: bool) -> list[int]:
    """Return where the cells of *line* begin, in characters from 1."""
    begins, quoted = [1], False
    for i, c in enumerate(line, 1):
        if c == '"' and not tabs:
            quoted = not quoted
        elif c == ("\t" if tabs else ",") and not quoted:
            begins.append(i + 1)
    return begins
