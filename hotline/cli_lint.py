"""`hotline dialplan lint|schema|render`: what admins wrote, before it is published."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hotline.tell import FAULTY, as_row, plural, say, show

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Folder = Annotated[Path | None, typer.Argument(help="Folder to look at; the working folder.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    for command in (lint, schema, render):
        app.command(command.__name__)(command)


def lint(folder: Folder = None, as_json: AsJson = False) -> None:
    """Find everything wrong with numbers, flows, prompts, calendar and your own dialplan."""
    from hotline import documents
    from hotline.cli import load

    found = documents.examined(documents.folder(load(), folder))
    if as_json:
        told = {"faults": found.faults, "warnings": found.warnings}
        show({kind: list(map(as_row, some)) for kind, some in told.items()}, as_json=True)
    else:
        for warning in found.warnings:
            say(f"{warning} (warning)")
        for fault in found.faults:
            say(str(fault))
        say(plural(len(found.faults)) if found.faults else documents.summary(found.reading.city))
    raise typer.Exit(FAULTY if found.faults else 0)


def schema() -> None:
    """Print the JSON Schema of a flow, by which an editor completes and underlines.

    Save it beside the flows as flow.schema.json and begin each flow with the line
    `# yaml-language-server: $schema=flow.schema.json`.
    """
    from hotline import documents

    sys.stdout.write(documents.schema())


def render(
    folder: Folder = None,
    into: Annotated[Path | None, typer.Option(help="Folder to write to, instead.")] = None,
) -> None:
    """Print what Asterisk would read of it."""
    from hotline import documents
    from hotline.cli import load

    config = load()
    files = documents.rendered(config, documents.folder(config, folder))
    if into is not None:
        documents.write(files, into)
        say(f"{len(files)} files are in {into}")
        return
    for name, text in files.items():
        sys.stdout.write(f"; ==== {name}\n{text}\n")
