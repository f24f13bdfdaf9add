"""`hotline tickets …`: the evidence pack of a ticket, taken and checked."""

import asyncio
import getpass
import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from hotline.config import Config
from hotline.tell import FAILED, cell, say, show, table_of
from schemas.errors import Fault, Faulty
from schemas.identity import Role, Who

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

tickets_app = typer.Typer(no_args_is_help=True, help="Tickets (工单): evidence packs.")


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.add_typer(tickets_app, name="tickets")


@tickets_app.command("evidence")
def evidence(
    id: Annotated[str, typer.Argument(help="Ticket: BJ20261123-000001.", metavar="ID")],
    file: Annotated[Path, typer.Argument(help="Zip to write.", metavar="FILE.zip")],
    who: Annotated[str | None, typer.Option(help="Who takes it; your login here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the evidence pack of a ticket; a confidential caller stays masked. It is audited."""
    from hotline.cli import load
    from schemas.tickets import TicketId

    try:
        ticket = TypeAdapter(TicketId).validate_python(id)
    except ValidationError:
        reason = f"must be as BJ20261123-000001 (given: {id!r:.40})"
        raise Faulty([Fault("command line", None, "ID", reason)]) from None
    hashed = asyncio.run(_take(load(), ticket, file, who or getpass.getuser()))
    found = {"ticket": ticket, "file": str(file), "manifest_sha256": hashed}
    table = table_of(*found)
    table.add_row(*map(cell, found.values()))
    show(found, as_json=as_json, table=table)


@tickets_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="Zip to check.", metavar="FILE.zip")],
    as_json: AsJson = False,
) -> None:
    """Check hashes and history of an evidence pack; exit code 1 says that it is not whole."""
    from cti.evidence_pack.verify import check

    found = check(file)
    table = table_of("what", "is")
    for what in ("ticket", "made_at", "made_by", "unmasked", "files", "manifest_sha256"):
        table.add_row(what, cell(found[what]))
    for one in found["left_out"]:
        table.add_row("left out", cell(f"{one.get('what')}：{one.get('why')}"))
    for fault in found["faults"]:
        table.add_row("FAULT", cell(fault))
    show(found, as_json=as_json, table=table)
    if not as_json:
        say(
            "whole: every file and the history are as they were packed"
            if found["fine"]
            else "NOT whole"
        )
    if not found["fine"]:
        raise typer.Exit(FAILED)


async def _take(config: Config, ticket: str, file: Path, who: str) -> str:
    from cti.evidence_pack.http import Packs
    from cti.tickets.casework import Casework
    from hotline import admin, exchange

    city = exchange.city(config)
    by = Who(kind="user", id=f"cli:{who}", role=Role.ADMIN)
    files = config.site.state / "evidence"
    async with admin.sessions(config) as sessions:
        casework = Casework(
            sessions,
            sessions,
            book=lambda: city.casebook,
            calendar=lambda: city.calendar,
            register=lambda: city.register,
            files=files,
        )
        packs = Packs(
            sessions,
            sessions,
            casework,
            evidence=files,
            recordings=lambda: exchange.recordings(config),
        )
        coming = file.with_name(f".{file.name}.coming")
        try:
            descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as made:
                hashed = await packs.make(by, ticket, made)
            coming.replace(file)  # whole, or not at all
        finally:
            coming.unlink(missing_ok=True)
    return hashed
