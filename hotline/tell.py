"""How the command line speaks: tables and JSON, and sentences about what went wrong.

A fault is told with place and reason, never as a traceback.
"""

import json
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from schemas.errors import Fault, Faulty, HotlineError, Invalid

FAULTY = 2
"""Exit code when something a person wrote has faults; nothing was changed then."""
FAILED = 1
"""Exit code when it could not be done, or what was asked about is not well."""

Told = HotlineError | OSError | SQLAlchemyError
"""What is told as a sentence; anything else is a bug of ours and keeps its traceback."""

WHOLE = {"password": 24, "unit": 14}
"""Columns that stay in one piece however narrow the screen is: what they hold is typed again."""

out = Console()


def say(text: str) -> None:
    """Print a sentence for people as it is."""
    # no markup, no wrapping: file names with brackets stay whole and can be clicked
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def show(data: object, *, as_json: bool, table: Table | None = None) -> None:
    """Print *data* as JSON, or *table* for people."""
    if as_json or table is None:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    else:
        out.print(table)


def table_of(*columns: str, title: str | None = None) -> Table:
    """Return an empty table; on a narrow screen long words are folded, never cut."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", min_width=WHOLE.get(column))
    return table


def cell(value: object) -> str:
    """Return *value* as it stands in a table for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else escape(str(value))


def tell(error: Told, *, as_json: bool) -> int:
    """Tell *error* on stderr, or as JSON on stdout, and return the exit code."""
    if as_json:
        sys.stdout.write(
            json.dumps(_as_json(error), ensure_ascii=False, indent=2, default=str) + "\n"
        )
    else:
        for line in _lines(error):
            Console(stderr=True).print(
                line, style="red", markup=False, highlight=False, soft_wrap=True
            )
    return FAULTY if isinstance(error, Faulty | Invalid) else FAILED


def _lines(error: Told) -> list[str]:
    if isinstance(error, Faulty):
        found = [str(fault) for fault in error.faults]
        return [*found, f"{plural(len(found))}; nothing was changed"]
    return [error.message if isinstance(error, HotlineError) else sentence(error)]


def _as_json(error: Told) -> dict[str, object]:
    """Return *error* in the shape that REST gives it."""
    if isinstance(error, Faulty):
        faults = list(map(as_row, error.faults))
        message = f"{plural(len(faults))}; nothing was changed"
        return {"error": error.code, "message": message, "details": {"faults": faults}}
    if isinstance(error, HotlineError):
        return {"error": error.code, "message": error.message, "details": dict(error.details)}
    return {"error": "unavailable", "message": sentence(error), "details": {}}


def as_row(fault: Fault) -> dict[str, object]:
    """Return *fault* as machines read it."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "key": fault.key,
        "reason": fault.reason,
    }


def plural(faults: int) -> str:
    """Return "1 fault", "2 faults"."""
    return f"{faults} fault{'' if faults == 1 else 's'}"


def sentence(error: OSError | SQLAlchemyError) -> str:
    """Return what went wrong outside of us: reason and place, no secret."""
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{where}"
    # its text may quote the URL, and that a password
    return f"the database fails ({type(error).__name__}); see url in [database]"
