"""The register of numbers, `hotlines.csv`: validated as a whole, every fault at once."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from dialplans.cells import Line, quote, read_table
from schemas.errors import Fault, Faulty
from schemas.numbers import MAIN_NUMBER, Integration, Number, Register, normalise

SEAT_SECONDS = 10
"""Seconds an owner's seat rings when the file does not say."""
OF_CLASS = {
    "main": Integration.INTEGRATED,
    "integrated": Integration.INTEGRATED,
    "dual_run": Integration.DUAL_RUN,
    "dual_run_office": Integration.DUAL_RUN,
    "not_integrated": Integration.NOT_INTEGRATED,
}
"""Flows that are made for one class; any other flow serves every class."""
CHINESE = {
    "整合": Integration.INTEGRATED,
    "双轨运行": Integration.DUAL_RUN,
    "暂不整合": Integration.NOT_INTEGRATED,
}
COLUMNS = (
    "line_no", "hotline_name", "number", "owner_unit", "unit", "integration", "notice", "flow",
    "seat", "seat_seconds", "onward", "review",
)  # fmt: skip


def _digits(shortest: int, longest: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(rf"[0-9]{{{shortest},{longest}}}", text):
            raise ValueError(f"must be {shortest} to {longest} digits and nothing else")
        return text

    return check


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return check


def _like(pattern: str, means: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {means}")
        return text

    return check


def _as_dialled(text: str) -> str:
    if normalise(text) != text:
        raise ValueError(f"must be written without country or area code: {normalise(text)}")
    return text


def _class(text: str) -> Integration:
    if text in CHINESE:
        return CHINESE[text]
    try:
        return Integration(text)
    except ValueError:
        raise ValueError(f"must be one of {' '.join([*CHINESE, *Integration])}") from None


def _day(text: str) -> date:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError("must be a day that exists, as 2027-06-30")


def _name(text: str) -> str:
    if not 1 <= len(text) <= 40:
        raise ValueError("must be 1 to 40 characters")
    return text


Dialled = Annotated[str, AfterValidator(_digits(3, 15))]


class Row(BaseModel):
    """One row of the file, cell by cell; what one cell means for another is checked later.

    A cell that was faulty keeps its default, so that the rest of the row can still be checked.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    line_no: Annotated[int, BeforeValidator(_whole(1, 999))] = 0
    hotline_name: Annotated[str, AfterValidator(_name)] = ""
    number: Annotated[str, AfterValidator(_digits(5, 8)), AfterValidator(_as_dialled)] = ""
    owner_unit: Annotated[str, AfterValidator(_name)] = ""
    unit: Annotated[
        str,
        AfterValidator(_like(r"[a-z][a-z0-9]{1,23}", "2 to 24 of a-z 0-9, a letter first")),
    ] = ""
    integration: Annotated[Integration | None, BeforeValidator(_class)] = None
    notice: Annotated[
        str,
        AfterValidator(_like(r"[a-z0-9][a-z0-9-]{0,63}", "a prompt's id: a-z 0-9 and hyphens")),
    ] = ""
    flow: Annotated[
        str, AfterValidator(_like(r"[a-z][a-z0-9_-]{0,39}", "a flow's name: a-z 0-9 _ -"))
    ] = ""
    seat: Dialled | None = None
    seat_seconds: Annotated[int | None, BeforeValidator(_whole(3, 60))] = None
    onward: Dialled | None = None
    review: Annotated[date | None, BeforeValidator(_day)] = None


OPTIONAL = ("seat", "seat_seconds", "onward", "review")
"""Cells that may be empty, as far as the cell alone is concerned."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, where it stands, and which of its cells are known to be faulty or missing."""

    line: int
    row: Row
    bad: frozenset[str]

    def has(self, *columns: str) -> bool:
        """Say whether all of *columns* hold something that was not faulty."""
        return all(c not in self.bad and getattr(self.row, c) not in (None, "", 0) for c in columns)

    def lacks(self, column: str) -> bool:
        """Say whether *column* is empty, rather than faulty."""
        return column not in self.bad and getattr(self.row, column) is None


def load(
    path: Path, prompts: Collection[str] | None = None, flows: Collection[str] | None = None
) -> Register:
    """Return the register in *path*.

    Args:
        prompts: ids of the prompts there are; None leaves the notices unchecked.
        flows: names of the flows there are; None leaves them unchecked.

    Raises:
        Faulty: with every fault of the file.
    """
    entries, faults = _read(path, prompts, flows)
    if faults:
        raise Faulty(faults)
    return Register(MappingProxyType({e.row.number: _number(e.row) for e in entries}))


def check(
    path: Path, prompts: Collection[str] | None = None, flows: Collection[str] | None = None
) -> tuple[Fault, ...]:
    """Return every fault of the register in *path*, in the order of its lines."""
    return tuple(_read(path, prompts, flows)[1])


def _read(
    path: Path, prompts: Collection[str] | None, flows: Collection[str] | None
) -> tuple[list[Entry], list[Fault]]:
    lines, faults = read_table(path, required=COLUMNS, optional=["note"], many_lines=["note"])
    file = str(path)
    entries = [_entry(line, file, faults) for line in lines]
    found = [
        *(_row_faults(e, prompts, flows) for e in entries),
        _clashes(entries),
        _one_line_one_story(entries),
        _one_owner_one_code(entries),
        _loops(entries),
        _main(entries),
    ]
    faults += [Fault(file, line, key, reason) for some in found for line, key, reason in some]
    if not lines and not faults:
        faults.append(Fault(file, None, "file", "holds no number"))
    return entries, sorted(faults, key=lambda f: (f.line or 0, f.key))


Found = Iterator[tuple[int | None, str, str]]
"""Line (None: the file as a whole), column, reason."""


def _entry(line: Line, file: str, faults: list[Fault]) -> Entry:
    cells = {k: v for k, v in line.cells.items() if v or k not in OPTIONAL}
    bad = set(line.bad) | (set(COLUMNS) - set(line.cells))
    try:
        row = Row.model_validate(cells)
    except ValidationError as error:
        for e in error.errors():
            column = str(e["loc"][0])
            reason = str(e.get("ctx", {}).get("error", e["msg"]))
            value = cells[column]
            faults.append(
                Fault(file, line.line, column, f"{reason}, not {quote(value)}" if value else reason)
            )
            bad.add(column)
        row = Row.model_validate({k: v for k, v in cells.items() if k not in bad})
    return Entry(line.line, row, frozenset(bad))


def _row_faults(
    entry: Entry, prompts: Collection[str] | None, flows: Collection[str] | None
) -> Found:
    row, line = entry.row, entry.line
    if prompts is not None and entry.has("notice") and row.notice not in prompts:
        yield line, "notice", f"there is no prompt {quote(row.notice)}"
    if flows is not None and entry.has("flow") and row.flow not in flows:
        there = " ".join(sorted(flows)) or "none at all"
        yield line, "flow", f"there is no flow {quote(row.flow)}; there are {there}"
    if row.integration is None:
        return
    if entry.has("flow") and OF_CLASS.get(row.flow, row.integration) is not row.integration:
        fitting = " or ".join(f for f, of in OF_CLASS.items() if of is row.integration)
        yield line, "flow", f"{row.flow} does not fit {row.integration}, which needs {fitting}"
    dual = row.integration is Integration.DUAL_RUN
    apart = row.integration is Integration.NOT_INTEGRATED
    if dual and entry.lacks("seat"):
        yield line, "seat", "a dual-run number needs the number of its owner's seat"
    if dual and entry.lacks("review"):
        yield line, "review", "a dual-run number needs the day on which it is looked at again"
    if apart and entry.lacks("onward"):
        yield line, "onward", "a number that is not integrated needs the number callers are told"
    for column in ("seat", "seat_seconds"):
        if not dual and entry.has(column):
            yield line, column, f"only dual-run numbers have it, this one is {row.integration}"
    if not apart and entry.has("onward"):
        yield line, "onward", f"only not_integrated numbers have it, not {row.integration} ones"


def _clashes(entries: list[Entry]) -> Found:
    first: dict[str, int] = {}
    for entry in entries:
        if not entry.has("number"):
            continue
        number = entry.row.number
        if number in first:
            yield entry.line, "number", f"{number} stands on line {first[number]} already"
        first.setdefault(number, entry.line)


def _one_line_one_story(entries: list[Entry]) -> Found:
    """Rows of one annex line must agree in all that belongs to the line."""
    told: dict[tuple[int, str], Entry] = {}
    for entry in entries:
        for column in ("hotline_name", "owner_unit", "integration"):
            if not entry.has("line_no", column):
                continue
            other = told.setdefault((entry.row.line_no, column), entry)
            here, there = getattr(entry.row, column), getattr(other.row, column)
            if here != there:
                where = f"line_no {entry.row.line_no} says {quote(there)} on line {other.line}"
                yield entry.line, column, f"{quote(here)}, but {where}"


def _one_owner_one_code(entries: list[Entry]) -> Found:
    codes: dict[str, Entry] = {}
    owners: dict[str, Entry] = {}
    for entry in entries:
        if not entry.has("owner_unit", "unit"):
            continue
        owner, code = entry.row.owner_unit, entry.row.unit
        by_owner, by_code = codes.setdefault(owner, entry), owners.setdefault(code, entry)
        if by_owner.row.unit != code:
            known = f"{by_owner.row.unit} on line {by_owner.line}"
            yield entry.line, "unit", f"{quote(owner)} has the code {known}, here {code}"
        elif by_code.row.owner_unit != owner:
            known = f"{quote(by_code.row.owner_unit)} on line {by_code.line}"
            yield entry.line, "unit", f"{code} is the code of {known}"


def _loops(entries: list[Entry]) -> Found:
    """A call we send out must not come back to us."""
    here = {e.row.number: e.row.integration for e in entries if e.has("number")}
    for entry in entries:
        seat, onward = entry.row.seat, entry.row.onward
        if seat and normalise(seat) in here:
            yield entry.line, "seat", f"{seat} is a number of this register: calls would loop"
        if onward and here.get(normalise(onward), Integration.NOT_INTEGRATED) in (
            Integration.INTEGRATED,
            Integration.DUAL_RUN,
        ):
            yield entry.line, "onward", f"{onward} is answered here: calls would loop"


def _main(entries: list[Entry]) -> Found:
    """12345 itself greets; without it there is no hotline."""
    main = next((e for e in entries if e.row.number == MAIN_NUMBER), None)
    if main is None and entries:
        yield None, "number", f"{MAIN_NUMBER} itself is missing"
    elif main and main.row.flow == "integrated":
        yield main.line, "flow", f"{MAIN_NUMBER} needs main"
    if main and main.row.integration not in (None, Integration.INTEGRATED):
        yield main.line, "integration", f"{MAIN_NUMBER} can only be integrated"


def _number(row: Row) -> Number:
    assert row.integration is not None, "a row without faults has a class"
    dual = row.integration is Integration.DUAL_RUN
    return Number(
        number=row.number,
        line_no=row.line_no,
        hotline=row.hotline_name,
        owner_unit=row.owner_unit,
        unit=row.unit,
        integration=row.integration,
        notice=row.notice,
        flow=row.flow,
        seat=row.seat,
        seat_seconds=(row.seat_seconds or SEAT_SECONDS) if dual else 0,
        onward=row.onward,
        review=row.review,
    )
