"""The `hotline` command. Each subcommand parses, calls one function, prints; no decisions here."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from hotline import config as settings
from hotline import log
from schemas.errors import Faulty, HotlineError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
numbers_app = typer.Typer(no_args_is_help=True, help="The register of hotline numbers.")
user_app = typer.Typer(no_args_is_help=True, help="People who sign in.")
token_app = typer.Typer(no_args_is_help=True, help="Keys for machines.")
db_app = typer.Typer(no_args_is_help=True, help="The database.")
prompts_app = typer.Typer(no_args_is_help=True, help="What callers hear.")
asterisk_app = typer.Typer(no_args_is_help=True, help="The telephone exchange.")
for name, sub in {
    "numbers": numbers_app,
    "user": user_app,
    "token": token_app,
    "db": db_app,
    "prompts": prompts_app,
    "asterisk": asterisk_app,
}.items():
    app.add_typer(sub, name=name)

out = Console()
err = Console(stderr=True)
T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
FAULTY = 2
"""Exit code when something a person wrote has faults."""


class _State:
    config_file: Path = Path(settings.FILE)


@app.callback()
def main_options(
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="HOTLINE_CONFIG", help="Settings file.")
    ] = Path(settings.FILE),
) -> None:
    """12345 hotline: telephony-first IVR and CTI for a city's government hotline."""
    _State.config_file = config


def load() -> settings.Config:
    """Return the settings, or tell every fault and leave."""
    return settings.load(_State.config_file, os.environ)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* to its end."""
    return asyncio.run(work)


def show(data: object, *, as_json: bool, table: Table | None = None) -> None:
    """Print *data* as JSON, or *table* for people."""
    if as_json or table is None:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    else:
        out.print(table)


def table_of(*columns: str, title: str | None = None) -> Table:
    """Return an empty table."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


# ---- running


@app.command()
def up(
    background: Annotated[
        bool, typer.Option("--background", help="Return when everything is up; `down` stops it.")
    ] = False,
) -> None:
    """Run Asterisk and the controller, and start again what dies."""
    from hotline import up as supervisor

    config = load()
    if background:
        supervisor.start_in_background(config, _State.config_file, out)
    else:
        run(supervisor.run(config, str(_State.config_file.resolve()), out))


@app.command()
def down() -> None:
    """Stop what `up` started."""
    from hotline import up as supervisor

    out.print(supervisor.stop(load()))


@app.command()
def serve() -> None:
    """Run the controller alone (Asterisk is run by something else)."""
    from hotline import app as application

    config = load()
    log.set_up(config.logging.level, json_lines=config.logging.json_lines)
    run(application.serve(config))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show addresses and links."""
    from hotline import up as supervisor

    found = run(supervisor.status(load()))
    table = table_of("part", "ok", "detail")
    for part, state in found["links"].items():
        table.add_row(part, "yes" if state["ok"] else "NO", str(state.get("last_error") or ""))
    if not as_json:
        out.print(f"web {found['web']}   sip {found['sip']}")
    show(found, as_json=as_json, table=table)
    raise typer.Exit(0 if found["ok"] else 1)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Skip the call when it was made.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make one real call: a citizen dials 12345, a simulated agent answers."""
    from hotline import demo as demonstration

    run(demonstration.show(load(), out, once=once, as_json=as_json))


@app.command()
def probe(number: str, as_json: AsJson = False) -> None:
    """Make a real test call to NUMBER: rang, answered after, heard, route."""
    from hotline import demo as demonstration

    found = run(demonstration.probe(load(), number))
    table = table_of("what", "found", title=f"probe of {number}")
    for what, value in found.items():
        table.add_row(what, str(value))
    show(found, as_json=as_json, table=table)
    raise typer.Exit(0 if found["answered"] else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at everything the service needs, and say what to do about what is missing."""
    from hotline import doctor as practice

    findings = practice.examine(load())
    table = table_of("what", "state", "what to do")
    for finding in findings:
        table.add_row(finding.what, finding.state, finding.advice)
    show([finding.as_json() for finding in findings], as_json=as_json, table=table)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


# ---- the register, prompts


@numbers_app.command("check")
def numbers_check(
    file: Annotated[Path | None, typer.Argument(help="Register to check.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the register of numbers as a whole; every fault at once."""
    from hotline import admin

    register = admin.register(load(), file)
    by_class: dict[str, int] = {}
    for number in register.numbers.values():
        by_class[number.integration.value] = by_class.get(number.integration.value, 0) + 1
    lines = len({number.line_no for number in register.numbers.values()})
    found = {"numbers": len(register.numbers), "lines": lines, "by_class": by_class}
    table = table_of("numbers", "lines", *by_class)
    table.add_row(str(found["numbers"]), str(lines), *map(str, by_class.values()))
    show(found, as_json=as_json, table=table)


@prompts_app.command("check")
def prompts_check(as_json: AsJson = False) -> None:
    """Find missing, unused, silent, clipped, over-long and outdated audio."""
    from hotline import admin

    prompts = admin.prompts(load())
    table = table_of("prompt", "seconds", "text")
    for prompt in prompts:
        table.add_row(*map(str, prompt.values()))
    show(prompts, as_json=as_json, table=table)


@prompts_app.command("build")
def prompts_build() -> None:
    """Speak the prompts whose text changed."""
    from hotline import admin

    out.print(admin.build_prompts(load()))


# ---- people, machines, database


@user_app.command("add")
def user_add(
    login: str,
    name: Annotated[str, typer.Option(help="Name as people read it.")],
    role: Annotated[str, typer.Option(help="agent, supervisor, admin, …")] = "agent",
    extension: Annotated[str | None, typer.Option(help="Extension of an agent.")] = None,
    skills: Annotated[str, typer.Option(help="Owner-unit codes, comma-separated.")] = "",
    phone: Annotated[str, typer.Option(help="desk or browser.")] = "desk",
    as_json: AsJson = False,
) -> None:
    """Add a person and print the generated password once; for agents it is the phone's too."""
    from hotline import admin

    password = run(
        admin.add_user(
            load(),
            login=login,
            name=name,
            role=role,
            extension=extension,
            skills=[skill for skill in skills.split(",") if skill],
            phone=phone,
        )
    )
    found = {"login": login, "role": role, "extension": extension, "password": password}
    table = table_of(*found)
    table.add_row(*(str(value or "") for value in found.values()))
    show(found, as_json=as_json, table=table)


@user_app.command("passwd")
def user_passwd(login: str) -> None:
    """Give a person a new generated password and print it once."""
    from hotline import admin

    sys.stdout.write(run(admin.new_password(load(), login)) + "\n")


@user_app.command("list")
def user_list(as_json: AsJson = False) -> None:
    """List the people."""
    from hotline import admin

    people = run(admin.people(load()))
    table = table_of("login", "name", "role", "extension", "phone", "skills", "active")
    for person in people:
        table.add_row(*(str(value or "") for value in person.values()))
    show(people, as_json=as_json, table=table)


@token_app.command("create")
def token_create(
    role: Annotated[str, typer.Option(help="reader, agent or admin")],
    agent: Annotated[str | None, typer.Option(help="Extension, for role agent.")] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a token; it is printed alone on the last line and kept nowhere."""
    from hotline import admin

    sys.stdout.write(run(admin.create_token(load(), role, agent=agent, label=label)) + "\n")


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    from hotline import db

    config = load()
    config.site.state.mkdir(parents=True, exist_ok=True)
    run(db.upgrade(config.database_url))
    out.print("database is at the newest schema")


@asterisk_app.command("install")
def asterisk_install() -> None:
    """Find Asterisk, or build a private one under the state folder."""
    from hotline import admin

    out.print(admin.install_asterisk(load()))


# ---- entry


def main() -> NoReturn:
    """Run the command line; faults of what people wrote end with 2, ours with 1."""
    try:
        app(standalone_mode=True)
    except Faulty as error:
        for fault in error.faults:
            err.print(str(fault), style="red", markup=False, highlight=False, soft_wrap=True)
        err.print(f"{len(error.faults)} faults; nothing was changed", markup=False)
        sys.exit(FAULTY)
    except HotlineError as error:
        err.print(error.message, style="red", markup=False, highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


if __name__ == "__main__":
    main()
