"""A month's scores as Excel, for the notice to the units (定期通报考核结果)."""

from io import BytesIO
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from cti.scores.formula import LABELS
from schemas.scores import MonthOut, UnitScoreOut

MEDIA = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook(found: MonthOut) -> bytes:
    """Return *found* as an .xlsx file; best rank first, units without a score last."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("月度考核")
    sheet.freeze_panes = "C3"
    state = "已关账" if found.closed else "未关账，数据会变"
    title = f"{found.month} 承办单位月度考核（{state}；考核办法 {found.formula}；"
    sheet.append([_text(sheet, f"{title}指纹 {found.formula_sha256}）", bold=True)])
    heads = ["名次", "单位", *LABELS.values(), "未接通回访", "得分"]
    sheet.append([_text(sheet, head, bold=True) for head in heads])
    for one in sorted(found.units, key=lambda one: (one.rank or len(found.units) + 1, one.unit)):
        sheet.append(_row(sheet, one))
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def _row(sheet: Any, one: UnitScoreOut) -> list[object]:
    cells: list[object] = [one.rank, _text(sheet, one.unit_label)]
    for name in LABELS:
        figure = one.figures[name]
        cell = WriteOnlyCell(sheet, value=figure.value)
        if figure.whole is not None:
            cell.number_format = "0.00%"
        cells.append(cell)
    return [*cells, one.unreached, one.score]


def _text(sheet: Any, text: str, *, bold: bool = False) -> Any:
    """Return a cell that stays text whatever it begins with: names come from files people edit."""
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"  # or openpyxl takes what begins with = for a formula
    cell.quotePrefix = True
    if bold:
        cell.font = Font(bold=True)
    return cell
