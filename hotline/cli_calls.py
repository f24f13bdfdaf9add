"""`hotline surge`, `hotline menu-cost`: how calls are served, and what serving them costs."""

import asyncio
import getpass
from typing import Annotated, Literal

import typer

from hotline.tell import cell, say, show, table_of

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command("surge")(surge)
    app.command("menu-cost")(menu_cost)


def surge(
    to: Annotated[
        Literal["on", "off"] | None, typer.Argument(help="Leave it out to see how it stands.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="Kept with the turn; needed to turn.")] = None,
    who: Annotated[str | None, typer.Option(help="Who turns it; your login here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn surge mode (应急保障): callers hear that many call and are offered a callback first."""
    from hotline import switching
    from hotline.cli import load

    on = None if to is None else to == "on"
    by = who or getpass.getuser()
    found = asyncio.run(switching.surge(load(), on=on, who=by, why=why))
    table = table_of("turned", "when", "who", "why", title=f"surge is {found['state']}")
    for turn in found["turns"]:
        table.add_row(*map(cell, ("on" if turn["on"] else "off", *list(turn.values())[1:])))
    show(found, as_json=as_json, table=table)


def menu_cost(
    since: Annotated[str | None, typer.Option("--from", help="Time or day; today.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Time or day, included; now.")] = None,
    by: Annotated[Literal["flow", "step"], typer.Option(help="What a row is.")] = "step",
    as_json: AsJson = False,
) -> None:
    """Show the seconds each prompt adds to a call, and where callers give up."""
    from hotline import switching
    from hotline.cli import load

    found = asyncio.run(switching.menu_cost(load(), since=since, until=until))
    table = table_of("day", by, "calls", "mean s", "played s", "waited s", "cut", "left", "left %")
    for row in found["steps" if by == "step" else "flows"]:
        table.add_row(
            *map(
                cell,
                (
                    row["day"],
                    row[by],
                    row["calls"],
                    row["mean_seconds"],
                    row.get("played_seconds"),
                    row.get("waited_seconds"),
                    row.get("cut"),
                    row["left"],
                    f"{row['left_share']:.1%}",
                ),
            )
        )
    show(found, as_json=as_json, table=table)
    if not as_json and not found["steps"]:
        say("no call heard a prompt in this time")
