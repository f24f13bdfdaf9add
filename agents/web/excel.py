"""A list of tickets as an Excel file: text stays text, whatever citizens wrote."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from agents.web.words import moment, owner, place
from schemas.casebook import Casebook
from schemas.tickets import TicketOut

MEDIA = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST = 10_000
"""Rows of one export."""
LONGEST_CELL = 32_767
"""Characters; Excel calls a file with longer ones damaged."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What begins a formula when somebody edits the cell, or saves the sheet as CSV."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    head: str
    width: int
    value: Callable[[TicketOut, Casebook], str | int | datetime | None]


def _when(text: str | None) -> datetime | None:
    """Return Shanghai's time without its zone, which Excel has none for."""
    return None if text is None else moment(text).replace(tzinfo=None, microsecond=0)


def _truth(value: bool | None) -> str:
    return {True: "是", False: "否", None: ""}[value]


COLUMNS = (
    Column("工单号", 20, lambda t, _: t.id),
    Column("灯", 6, lambda t, _: t.light.label),
    Column("状态", 10, lambda t, _: t.state.label),
    Column("类别", 8, lambda t, _: t.kind_label),
    Column("紧急程度", 10, lambda t, _: t.urgency.label),
    Column("标题", 32, lambda t, _: t.title),
    Column("诉求内容", 48, lambda t, _: t.body),
    Column("事项分类", 18, lambda t, b: b.catalogue.label(t.category) if t.category else None),
    Column("地点", 28, lambda t, b: place(b, t.county, t.town, t.place)),
    Column("保密", 6, lambda t, _: _truth(t.confidential)),
    Column("来电号码", 16, lambda t, _: t.caller),
    Column("联系人", 10, lambda t, _: t.contact_name),
    Column("主办单位", 18, lambda t, b: b.unit_name(t.unit) if t.unit else None),
    Column("协办单位", 24, lambda t, b: "、".join(map(b.unit_name, t.assisting))),
    Column("当前责任方", 18, lambda t, b: owner(t.owner, b)),
    Column("登记时间", 17, lambda t, _: _when(t.created_at)),
    Column("到期时间", 17, lambda t, _: _when(t.due_at)),
    Column("关闭时间", 17, lambda t, _: _when(t.closed_at)),
    Column("督办", 6, lambda t, _: t.supervised),
    Column("催办", 6, lambda t, _: t.urged),
    Column("退单", 6, lambda t, _: t.returns),
    Column("延期", 6, lambda t, _: t.extensions),
    Column("重办", 6, lambda t, _: t.reworks),
    Column("办理结果", 10, lambda t, _: t.resolution.label if t.resolution else None),
    Column("办理情况", 48, lambda t, _: t.reply),
    Column("政策依据", 24, lambda t, _: t.policy),
    Column("是否解决", 10, lambda t, _: _truth(t.solved)),
    Column("满意度(1-5)", 12, lambda t, _: t.satisfied),
)


def workbook(tickets: Iterable[TicketOut], book: Casebook, about: Mapping[str, str]) -> bytes:
    """Return an Excel file of *tickets*; some seconds for thousands, so not in the loop.

    Args:
        about: what the file is, line by line, for its second sheet.
    """
    made = Workbook(write_only=True)
    sheet: Any = made.create_sheet("工单")
    sheet.freeze_panes = "B2"
    for number, column in enumerate(COLUMNS, 1):
        sheet.column_dimensions[get_column_letter(number)].width = column.width
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}1"
    sheet.append([_head(sheet, column.head) for column in COLUMNS])
    for ticket in tickets:
        sheet.append([cell(sheet, column.value(ticket, book)) for column in COLUMNS])
    told: Any = made.create_sheet("说明")
    told.column_dimensions["A"].width, told.column_dimensions["B"].width = 14, 60
    for name, text in about.items():
        told.append([_head(told, name), cell(told, text)])
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def cell(sheet: Any, value: str | int | datetime | None) -> Cell | str | int | None:
    """Return what a cell is made of; it never calculates.

    Text that `safe` has seen begins no formula, so openpyxl keeps it as text. A cell of its own
    is made only where it would guess otherwise: one for every text takes three times as long.
    """
    if isinstance(value, str):
        text = safe(value)
        if not text.startswith("#"):  # `#N/A` would become an error
            return text
        made: Cell = WriteOnlyCell(sheet, "")
        made.value = text
        made.data_type = "s"
        return made
    if isinstance(value, datetime):
        made = WriteOnlyCell(sheet, value)
        made.number_format = "yyyy-mm-dd hh:mm"
        return made
    return value


def safe(text: str) -> str:
    """Return *text* as a cell may hold it, with an apostrophe where it could become a formula."""
    seen = ILLEGAL_CHARACTERS_RE.sub("", text.encode("utf-8", "ignore").decode())
    seen = seen.translate({0xFFFE: None, 0xFFFF: None})
    if seen.lstrip(" \u3000").startswith(_FORMULA):
        seen = "'" + seen
    return seen[:LONGEST_CELL]


def _head(sheet: Any, text: str) -> Cell:
    made = WriteOnlyCell(sheet, text)
    made.font = Font(bold=True)
    return made
