"""`hotline scores …`: what a month says of the units (考核), closing it, taking it out as Excel."""

import asyncio
import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from hotline.config import Config
from hotline.tell import cell, say, show, table_of
from schemas.errors import Fault, Faulty
from schemas.identity import Role, Who
from schemas.scores import Month, MonthOut, RecomputedOut

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
WhichMonth = Annotated[str, typer.Argument(help="Year and month: 2026-10.", metavar="MONTH")]
By = Annotated[str | None, typer.Option("--who", help="Who does it; your login here.")]

scores_app = typer.Typer(no_args_is_help=True, help="Monthly scores of the units (考核).")


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.add_typer(scores_app, name="scores")


@scores_app.command("month")
def month(
    month: WhichMonth,
    close: Annotated[
        bool, typer.Option("--close", help="Close it: nothing changes it again.")
    ] = False,
    xlsx: Annotated[Path | None, typer.Option(help="Write it as Excel to this file.")] = None,
    who: By = None,
    as_json: AsJson = False,
) -> None:
    """Show the six figures and the score of each unit in a month."""
    from hotline.cli import load

    found = asyncio.run(_month(load(), _checked(month), close=close, who=who))
    if xlsx is not None:
        from cti.scores.excel import workbook

        xlsx.write_bytes(workbook(found))
    state = "closed" if found.closed else "open: it will still change"
    table = table_of(
        "rank", "unit", *_labels(found), "not reached", "score", title=f"{month} {state}"
    )
    for one in sorted(found.units, key=lambda one: (one.rank or len(found.units) + 1, one.unit)):
        figures = (_figure(f.value, share=f.whole is not None) for f in one.figures.values())
        table.add_row(*map(cell, (one.rank, one.unit_label, *figures, one.unreached, one.score)))
    show(found.model_dump(mode="json"), as_json=as_json, table=table)
    if xlsx is not None and not as_json:
        say(f"written to {xlsx}")


@scores_app.command("recompute")
def recompute(month: WhichMonth, as_json: AsJson = False) -> None:
    """Show in what a closed month would be another today; nothing is written."""
    from hotline.cli import load

    found = asyncio.run(_recomputed(load(), _checked(month)))
    title = f"{month} closed by formula {found.formula}, now {found.formula_now}"
    table = table_of("unit", "score then", "score now", title=title)
    for one in found.differences:
        then, now = one.closed and one.closed.score, one.now and one.now.score
        table.add_row(*map(cell, (one.unit_label, then, now)))
    show(found.model_dump(mode="json"), as_json=as_json, table=table)
    if not as_json and not found.differences:
        say("the same as when it was closed")


def _checked(month: str) -> str:
    try:
        return str(TypeAdapter(Month).validate_python(month))
    except ValidationError:
        reason = f"must be year and month, 2026-10 (given: {month!r:.40})"
        raise Faulty([Fault("command line", None, "MONTH", reason)]) from None


async def _month(config: Config, month: str, *, close: bool, who: str | None) -> MonthOut:
    from cti.scores import store
    from hotline import admin, exchange

    book = exchange.city(config).casebook
    by = Who(kind="user", id=f"cli:{who or getpass.getuser()}", role=Role.ADMIN)
    async with admin.database(config) as session:
        if close:
            return await store.close(session, by, month, book, now=time.time())
        return await store.month(session, month, book, now=time.time())


async def _recomputed(config: Config, month: str) -> RecomputedOut:
    from cti.scores import store
    from hotline import admin, exchange

    async with admin.database(config) as session:
        return await store.recompute(
            session, month, exchange.city(config).casebook, now=time.time()
        )


def _labels(found: MonthOut) -> list[str]:
    from cti.scores.formula import LABELS

    return list(LABELS.values())


def _figure(value: float | None, *, share: bool) -> str | None:
    if value is None:
        return None
    return f"{value:.1%}" if share else f"{value:.0f}"
