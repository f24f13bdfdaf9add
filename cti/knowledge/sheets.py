"""Articles in files that people edit: TOML and Excel in, Excel out.

Every fault is told at once with its line; what begins like a formula is text in every cell.
"""

import io
import re
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils.exceptions import InvalidFileException
from pydantic import ValidationError

from schemas.errors import Fault, Faulty
from schemas.knowledge import LABELS, ArticleIn, ArticleOut
from schemas.times import SHANGHAI, day_of, iso, midnight, read

LARGEST = 20 * 1024 * 1024
"""Bytes of a file."""
MOST = 20_000
"""Articles of a file."""
COLUMNS: Mapping[str, str] = {
    "标题": "title",
    "单位": "unit",
    "类别": "category",
    "关键词": "keywords",
    "正文": "body",
    "朗读": "spoken",
    "有效期起": "valid_from",
    "有效期止": "valid_until",
    "复核日期": "review_at",
    "状态": "state",
}
"""Heading of the Excel file → field."""
_NEEDED = ("标题", "单位")
_PART = re.compile(r"[、，,;；\s]+")
_ARTICLE = re.compile(r"\s*\[\[\s*articles\s*\]\]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BROKEN = (
    InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, IndexError, TypeError,
    AttributeError, EOFError, OSError, SyntaxError, NotImplementedError, zlib.error,
)  # fmt: skip
"""What openpyxl raises for files that are none of its own; XML that is broken is a SyntaxError."""
_STATES = {label: state for state, label in LABELS.items()}
_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a key of an article",
}


def load(path: Path) -> list[ArticleIn]:
    """Return the articles of the file *path*, `.toml` or `.xlsx`.

    Raises:
        Faulty: all that is wrong with it; nothing of it may be used then.
    """
    name = path.name
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise Faulty([Fault(name, None, "file", error.strerror or "cannot be read")]) from None
    if len(raw) > LARGEST:
        raise Faulty([Fault(name, None, "file", f"is larger than {LARGEST} bytes")])
    ending = path.suffix.lower()
    if ending == ".toml":
        rows = _toml(name, raw)
    elif ending == ".xlsx":
        rows = _excel(name, raw)
    else:
        raise Faulty([Fault(name, None, "file", "must end with .toml or .xlsx")])
    return _articles(name, rows)


Row = tuple[int | None, Mapping[str, object]]
"""Line and fields."""


def _toml(name: str, raw: bytes) -> list[Row]:
    try:
        text = raw.decode("utf-8-sig")
        given = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Faulty([Fault(name, None, "file", f"is no TOML in UTF-8: {error}")]) from None
    rows = given.get("articles", [])
    strange = sorted(given.keys() - {"articles"})
    if strange or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        what = strange[0] if strange else "articles"
        raise Faulty([Fault(name, None, what, "a file holds [[articles]] and nothing else")])
    begins = [n for n, line in enumerate(text.splitlines(), 1) if _ARTICLE.match(line)]
    known = len(begins) == len(rows)  # another count: one stands inside a text
    return [(begins[n] if known else None, _plain(row)) for n, row in enumerate(rows)]


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    return {key: _time(value) if isinstance(value, date) else value for key, value in row.items()}


def _excel(name: str, raw: bytes) -> list[Row]:
    try:
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        rows = [list(row) for row in _sheet_rows(book.worksheets[0])]
    except _BROKEN:
        raise Faulty([Fault(name, None, "file", "is no Excel file (.xlsx)")]) from None
    head = [str(cell or "").strip() for cell in (rows[0] if rows else [])]
    faults = [Fault(name, 1, column, "is missing") for column in _NEEDED if column not in head]
    faults += [
        Fault(name, 1, column, "is not a column of articles")
        for column in head
        if column and column not in COLUMNS
    ]
    faults += [Fault(name, 1, c, "stands twice") for c in COLUMNS if head.count(c) > 1]
    if faults:
        raise Faulty(faults)
    found: list[Row] = []
    for line, row in enumerate(rows[1:], 2):
        cells = {COLUMNS[h]: v for h, v in zip(head, row, strict=False) if h and v is not None}
        if any(str(value).strip() for value in cells.values()):
            found.append((line, {key: _field(key, value) for key, value in cells.items()}))
    return found


def _sheet_rows(sheet: Any) -> Iterator[Sequence[object]]:
    for number, row in enumerate(sheet.iter_rows(values_only=True, max_col=40)):
        if number > MOST:
            return
        yield row


def _field(key: str, value: object) -> object:
    if isinstance(value, date):
        return _time(value)
    text = str(value).strip()
    if text.startswith("'") and text[1:].lstrip().startswith(_FORMULA):
        text = text[1:]  # what `save` put in front
    if key == "keywords":
        return [word for word in _PART.split(text) if word]
    if key == "state":
        return _STATES.get(text, text)
    return text or None if key not in ("title", "body", "spoken") else text


def _time(value: date) -> str:
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=SHANGHAI)
        whole = at.timestamp() == midnight(day_of(at.timestamp()))
        return day_of(at.timestamp()).isoformat() if whole else at.isoformat()
    return value.isoformat()


def _articles(name: str, rows: Sequence[Row]) -> list[ArticleIn]:
    faults: list[Fault] = []
    made: list[ArticleIn] = []
    seen: dict[tuple[str, str], int | None] = {}
    for line, fields in rows:
        try:
            article = ArticleIn.model_validate(fields)
        except ValidationError as error:
            faults += [
                Fault(
                    name,
                    line,
                    ".".join(map(str, told["loc"][:2])) or "article",
                    _REASONS.get(told["type"], told["msg"]),
                )
                for told in error.errors(include_url=False, include_context=False)
            ]
            continue
        if article.valid_from and article.valid_until and article.valid_until <= article.valid_from:
            faults.append(Fault(name, line, "valid_until", "is not after valid_from"))
        key = article.unit, article.title
        if key in seen:
            first = f" of line {seen[key]}" if seen[key] else ""
            faults.append(Fault(name, line, "title", f"is that{first} of the same unit"))
        seen.setdefault(key, line)
        made.append(article)
    if not rows:
        faults.append(Fault(name, None, "file", "holds no articles"))
    if faults:
        raise Faulty(faults)
    return made


def save(articles: Iterable[ArticleOut]) -> bytes:
    """Return an Excel file of *articles* that `load` reads again."""
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet("知识库")
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDEFGHIJ", (36, 14, 14, 24, 60, 40, 14, 14, 14, 10), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.append([_cell(sheet, head) for head in COLUMNS])
    for article in articles:
        sheet.append([_cell(sheet, _shown(article, key)) for key in COLUMNS.values()])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _shown(article: ArticleOut, key: str) -> str:
    value = getattr(article, key)
    if value is None:
        return ""
    if key == "keywords":
        return "、".join(value)
    if key == "state":
        return article.state_label
    if key in ("valid_from", "valid_until", "review_at"):
        at = read(value)
        if at != midnight(day_of(at)):
            return iso(at)
        return day_of(at - 1 if key == "valid_until" else at).isoformat()
    return str(value)


def _cell(sheet: Any, text: str) -> Any:
    plain = ILLEGAL_CHARACTERS_RE.sub("", text).translate({0xFFFE: None, 0xFFFF: None})
    made: Any = WriteOnlyCell(sheet, "")
    made.value = "'" + plain if plain.lstrip().startswith(_FORMULA) else plain
    made.data_type = "s"
    return made
