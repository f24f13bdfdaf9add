"""Tables that people edit, CSV or TSV: bytes to rows of clean cells, every fault with its line.

What Excel does to such files is expected here: a UTF-8 byte-order mark is welcome (Excel needs it
to show Chinese), GBK and UTF-16 are named as what they are, and the rest of the file is still
checked so that one round of corrections is enough.
"""

import codecs
import csv
import io
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import Fault

MAX_BYTES = 1_000_000
FORMULA = ("=", "+", "-", "@")
"""A cell that starts so is run as a formula when somebody opens the file in a spreadsheet."""
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file."""

    line: int
    """Line of the file on which the row begins, from 1."""
    cells: Mapping[str, str]
    """Stripped text by column; a cell that is named in `bad` is not here."""
    bad: frozenset[str]
    """Columns whose fault has been told already."""


def quote(text: str) -> str:
    """Return *text* in quotes, short, and harmless on a terminal."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def read_table(
    path: Path,
    *,
    required: Collection[str],
    optional: Collection[str] = (),
    many_lines: Collection[str] = (),
    tabs: bool = False,
) -> tuple[list[Line], list[Fault]]:
    """Return the rows of *path* and what is wrong with its form; never raises for its content.

    Args:
        required: columns that the heading must have.
        optional: columns that it may have.
        many_lines: columns whose cells may hold line breaks.
        tabs: tabs part the cells and quotes mean nothing, instead of CSV.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        return [], [Fault(str(path), None, "file", f"cannot be read: {reason or 'bad name'}")]
    if len(raw) > MAX_BYTES:
        return [], [Fault(str(path), None, "file", f"is larger than {MAX_BYTES} bytes")]
    text, faults = _decode(raw, str(path))
    records = _records(text, str(path), faults, tabs=tabs)
    heading = next(records, None)
    if heading is None:
        faults.append(Fault(str(path), None, "file", "is empty: not even a heading"))
        return [], faults
    columns = _columns(heading, str(path), faults, required=required, optional=optional)
    rows = [_row(at, cells, columns, str(path), faults, many_lines) for at, cells in records]
    return rows, faults


def _decode(raw: bytes, file: str) -> tuple[str, list[Fault]]:
    """Return the text; bytes that are no text stay in it as surrogates, for their own cell."""
    if raw.startswith(UTF16):
        reason = 'is UTF-16; save it as "CSV UTF-8"'
        text = raw.decode("utf-16", errors="replace").replace("\ufffd", "")
        return text, [Fault(file, None, "encoding", reason)]
    text = raw.decode("utf-8-sig", errors="surrogateescape")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
    else:
        return text, []
    try:
        chinese = raw.decode("gb18030")
    except UnicodeDecodeError:
        return text, []
    # Almost any bytes are *some* GB18030; only what reads as everyday Chinese is believed.
    everyday = sum("一" <= c <= "龥" and len(c.encode("gbk", "ignore")) == 2 for c in chinese)
    foreign = sum(not c.isascii() for c in chinese)
    if everyday < 2 or everyday < foreign * 0.8:
        return text, []
    reason = 'is GBK (how Excel saves plain "CSV"), not UTF-8; save it as "CSV UTF-8"'
    return chinese, [Fault(file, line, "encoding", reason)]


def _records(
    text: str, file: str, faults: list[Fault], *, tabs: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yield rows that hold anything, each with the line it begins on."""
    source = io.StringIO(text, newline="")
    reader = (
        csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tabs
        else csv.reader(source, strict=True)
    )
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            faults.append(Fault(file, begins, "row", f"is not a table row: {error}"))
            continue
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _columns(
    heading: tuple[int, Sequence[str]],
    file: str,
    faults: list[Fault],
    *,
    required: Collection[str],
    optional: Collection[str],
) -> list[str | None]:
    """Return what each column holds, None where nobody knows."""
    line, cells = heading
    columns: list[str | None] = []
    for name in (cell.strip() for cell in cells):
        if name in columns:
            faults.append(Fault(file, line, name, "is a column twice"))
        elif name not in required and name not in optional:
            faults.append(Fault(file, line, quote(name), "is no column known here"))
        else:
            columns.append(name)
            continue
        columns.append(None)
    missing = [name for name in required if name not in columns]
    faults.extend(Fault(file, line, name, "is a column that is missing") for name in missing)
    return columns


def _row(
    line: int,
    cells: Sequence[str],
    columns: Sequence[str | None],
    file: str,
    faults: list[Fault],
    many_lines: Collection[str],
) -> Line:
    good: dict[str, str] = {}
    bad: set[str] = set()
    extra = [c for c in cells[len(columns) :] if c.strip()]
    if extra:
        many = f"has {len(cells)} cells, the heading {len(columns)}: {quote(extra[0])}"
        faults.append(Fault(file, line, "row", many))
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    for column, cell in zip(columns, padded, strict=False):
        if column is None:
            continue
        text = cell.strip()
        if reason := hostile(text, many_lines=column in many_lines):
            faults.append(Fault(file, line, column, f"{reason}: {quote(text)}"))
            bad.add(column)
        else:
            good[column] = text
    return Line(line, good, frozenset(bad))


def hostile(text: str, *, many_lines: bool = False) -> str | None:
    """Return why *text* may not stand in a cell, or None."""
    if any("\udc80" <= c <= "\udcff" for c in text):
        return "holds bytes that are not UTF-8"
    allowed = "\r\n" if many_lines else ""
    if any(unicodedata.category(c) in INVISIBLE and c not in allowed for c in text):
        return "holds a control or invisible character"
    if text.startswith(FORMULA):
        return "looks like a spreadsheet formula"
    return None
