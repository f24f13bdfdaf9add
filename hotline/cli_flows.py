"""`hotline dialplan simulate|diff|graph`: what a change would do, before it is published."""

import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from hotline.tell import cell, say, show
from schemas.errors import Invalid
from schemas.times import SHANGHAI

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _table(*columns: str, whole: Collection[str]) -> Table:
    """Return an empty table whose texts are never cut short; *whole* columns keep their lines."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    return table


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command("simulate")(simulate)
    app.command("diff")(diff)
    app.command("graph")(graph)


def simulate(
    number: Annotated[str | None, typer.Option(help="Number that is dialled; 12345.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Local time: 2026-10-02 03:00, ISO 8601, 03:00; now.")
    ] = None,
    keys: Annotated[
        str,
        typer.Option(
            help="What the caller does, one thing after another: a key pressed when the prompt "
            "has ended, <KEY as soon as it begins, - to let it pass.",
        ),
    ] = "",
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--say",
            help="Words said where the flow listens, as often as it listens; FILE.wav is "
            "recognised first, - lets a question pass.",
        ),
    ] = None,
    speech: Annotated[
        bool, typer.Option("--speech", help="Words can be recognised, though none are said.")
    ] = False,
    caller: Annotated[str | None, typer.Option("--from", help="Number of the caller.")] = None,
    duty: Annotated[
        Literal["free", "busy", "away"], typer.Option(help="Is anybody there to answer?")
    ] = "free",
    surge: Annotated[bool, typer.Option("--surge", help="Surge mode (应急保障) is on.")] = False,
    last_agent: Annotated[
        str | None,
        typer.Option(help="Who answered this caller today: 2001, or 2001:busy when not free."),
    ] = None,
    ticket: Annotated[str | None, typer.Option(help="The caller's own ticket.")] = None,
    staffed: Annotated[
        str | None, typer.Option(help="Skills that somebody has, with commas, or all.")
    ] = None,
    place: Annotated[
        str | None,
        typer.Option("--dir", help="Folder, or number of a published version; working folder."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every number in every window of the calendar.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what happens to a call: what is heard, what it costs, who is rung."""
    from hotline import saying, trying
    from hotline.cli import load

    config = load()
    city = trying.city(config, place)
    when = trying.moment(at, datetime.now(SHANGHAI))
    now = trying.conditions(
        duty=duty, surge=surge, last_agent=last_agent, ticket=ticket, staffed=staffed, of=city
    )
    said = saying.sentences(config, words or ())
    case = trying.case(
        number or "12345", when, keys=keys, say=said, speech=speech, caller=caller, now=now
    )
    if everything:
        found = trying.everything(city, case, number=number, today=when.date())
        table = _table("number", "when", "heard", "s", "route", "skill", whole=("number", "s"))
        for row in found.rows():
            who, _, _, when_, heard, seconds, route, skill, _ = map(cell, row.cells)
            table.add_row(who, when_, heard, seconds, route, skill)
        show(found.as_json() if as_json else None, as_json=as_json, table=table)
        if not as_json:
            say(f"{len(found.pairs)} calls in {len(found.windows)} windows: {found.kinds}")
        return
    walk = trying.walk(city, case)
    table = _table("step", "heard", "done", "s", "total", whole=("step", "s", "total"))
    for stage in walk.stages:
        cost = f"{stage.seconds:.1f}" if stage.seconds else ""
        table.add_row(
            cell(stage.step), cell(stage.text), cell(stage.did), cost, f"{stage.total:.1f}"
        )
    table.add_row(cell(walk.end), "", cell(f"→ {walk.route}"), "", f"{walk.seconds:.1f}")
    if not as_json:
        for line in trying.opening(city, walk):
            say(line)
    show(trying.as_json(walk) if as_json else None, as_json=as_json, table=table)
    if not as_json:
        for line in trying.closing(walk, config.calls.sla_answer):
            say(line)


def diff(
    old: Annotated[
        str | None, typer.Argument(help="Folder or version; what is live.", show_default=False)
    ] = None,
    new: Annotated[
        str | None, typer.Argument(help="Folder or version; working folder.", show_default=False)
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="The lines of text, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what changes for whom: numbers, calls at which times, prompts, days."""
    from hotline import comparing
    from hotline.cli import load

    found = comparing.compare(load(), old, new, datetime.now(SHANGHAI))
    if as_json:
        show(
            found.as_json() | ({"text": list(comparing.text(found))} if text else {}), as_json=True
        )
        return
    for line in comparing.lines(found):
        say(line)
    for line in comparing.text(found) if text else ():
        say(line)


def graph(
    flow: Annotated[
        str | None, typer.Argument(help="A flow; every flow.", show_default=False)
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder to write FLOW.svg into; else it is printed.")
    ] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Mermaid's language instead of SVG.")
    ] = False,
    place: Annotated[
        str | None,
        typer.Option("--dir", help="Folder, or number of a published version; working folder."),
    ] = None,
) -> None:
    """Draw flows as pictures: what is heard, which key leads where, where a person answers."""
    from hotline import pictures, trying
    from hotline.cli import load

    found = pictures.draw(trying.city(load(), place), flow, mermaid=mermaid)
    if into is not None:
        pictures.write(found, into)
        say(f"{len(found)} in {into}")
        return
    if len(found) > 1:
        names = ", ".join(name.partition(".")[0] for name in found)
        raise Invalid(f"name a folder with --into, or one flow of {names}")
    for text in found.values():
        sys.stdout.write(text)
