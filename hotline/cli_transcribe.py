"""`hotline transcribe`: what was said in recordings."""

import asyncio
from typing import Annotated, Any

import typer

from hotline.tell import cell, say, show, table_of
from schemas.errors import Invalid

MOST_WORDS = 60
"""Characters to search for."""


def add_to(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command("transcribe")(transcribe)


def transcribe(
    calls: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of calls; every recording without a transcript."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Those that have a transcript, too.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with the calls that come; ends with Ctrl-C.")
    ] = False,
    search: Annotated[
        str | None, typer.Option(help="Listen to nothing: show where these words were said.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Transcripts to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Write down what was said in recordings, with what the machine has to spare."""
    from hotline import transcribing
    from hotline.cli import load

    if search is not None:
        if calls or again or follow:
            raise Invalid("--search goes with --limit and --json only")
        if not 1 <= len(search) <= MOST_WORDS:
            raise Invalid(f"--search takes 1 to {MOST_WORDS} characters")
        found = asyncio.run(transcribing.search(load(), search, limit))
        table = table_of("call", "made", "model", "s", "said")
        for one in found:
            seconds = f"{one.seconds:.0f}"
            table.add_row(*map(cell, (one.call_id, one.made_at, one.engine, seconds, one.text)))
        if found or as_json:
            show([one.model_dump() for one in found], as_json=as_json, table=table)
        else:
            say(f"nobody is known to have said {search}")
        return
    if follow and (calls or again or as_json):
        raise Invalid("--follow goes on with what comes: it takes no calls, --again or --json")
    rows: list[dict[str, Any]] = []

    def tell(made: transcribing.Made) -> None:
        rows.append({"call": made.call, "seconds": made.seconds, "took": made.took,
                     "words": made.words, "error": made.error})  # fmt: skip
        if not as_json:
            what = made.error or f"{made.words} characters"
            say(f"{made.call}: {made.seconds:.0f} s of sound in {made.took:.1f} s: {what}")
            if follow:
                rows.clear()

    transcribing.step_back()
    asyncio.run(transcribing.transcribe(load(), calls or (), again=again, follow=follow, tell=tell))
    if as_json:
        show(rows, as_json=True)
    elif not rows:
        say("every recording has its transcript")
