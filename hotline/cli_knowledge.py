"""`hotline knowledge …`: articles of the knowledge base from files and to files."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hotline.tell import say, show
from schemas.errors import Fault, Faulty

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

knowledge_app = typer.Typer(no_args_is_help=True, help="The knowledge base (知识库).")


@knowledge_app.command("import")
def knowledge_import(
    file: Annotated[Path, typer.Argument(help="Articles: .toml or .xlsx.")],
    as_json: AsJson = False,
) -> None:
    """Add the articles of a file, or change those of the same unit and title."""
    from cti.knowledge import exchange, sheets
    from hotline import admin, identities
    from hotline.cli import load, run
    from schemas.identity import Role, Who

    config = load()
    articles = sheets.load(file)
    who = Who(kind="user", id=identities.login(), role=Role.ADMIN)

    async def work() -> exchange.Imported:
        async with admin.database(config) as session:
            return await exchange.put_all(session, who, articles, at=time.time())

    done = run(work())
    if as_json:
        show(asdict(done), as_json=True)
    else:
        say(f"{done.added} added, {done.changed} changed, {done.unchanged} as they were")


@knowledge_app.command("export")
def knowledge_export(
    file: Annotated[Path, typer.Argument(help="An Excel file to write: knowledge.xlsx.")],
) -> None:
    """Write every article that is not withdrawn to an Excel file that `import` reads again."""
    from cti.knowledge import exchange, sheets
    from hotline import admin
    from hotline.cli import load, run
    from schemas.knowledge import ArticleOut

    if file.suffix.lower() != ".xlsx":
        raise Faulty([Fault(str(file), None, "file", "must end with .xlsx")])
    config = load()

    async def work() -> list[ArticleOut]:
        async with admin.database(config) as session:
            return await exchange.take_all(session, at=time.time())

    articles = run(work())
    file.write_bytes(sheets.save(articles))
    say(f"{file}: {len(articles)} articles")
