"""`hotline units …`: units, who answers for them, test calls to their duty phones, their logins."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import typer

from hotline.tell import cell, say, show, table_of
from schemas.probes import ProbeResult

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Code = Annotated[str, typer.Argument(help="Of units.toml: zhujian.")]

units_app = typer.Typer(no_args_is_help=True, help="Units that handle tickets (承办单位).")


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.add_typer(units_app, name="units")


@units_app.command("list")
def units_list(as_json: AsJson = False) -> None:
    """Show every unit: phone, who is on duty now, last test call, how often it was answered."""
    from hotline import unit_desk
    from hotline.cli import load

    found = asyncio.run(unit_desk.units(load()))
    table = table_of("unit", "name", "level", "phone", "on duty", "last probe", "answered")
    for unit in found:
        last = unit["last_probe"]
        table.add_row(
            *map(cell, (unit["code"], unit["name"], unit["level"], unit["phone"])),
            cell(f"{unit['on_duty']['who']} {unit['on_duty']['phone']}"),
            cell(_last(last, 16)),
            cell(_reach(unit)),
        )
    show(found, as_json=as_json, table=table)


@units_app.command("show")
def units_show(code: Code, as_json: AsJson = False) -> None:
    """Show one unit with its 四个一."""
    from hotline import unit_desk
    from hotline.cli import load

    (unit,) = asyncio.run(unit_desk.units(load(), code))
    table = table_of("what", "is", title=f"{code} {unit['name']}")
    last = unit["last_probe"]
    for what, value in (
        ("level", unit["level"]),
        ("below", unit["parent"]),
        ("hours", unit["hours"]),
        ("phone (一部电话)", unit["phone"]),
        ("login (一台电脑)", unit["login"]),
        ("clerk (一名工作人员)", unit["clerk"]),
        ("head (一个负责人)", f"{unit['head']} {unit['head_login']} {unit['head_phone'] or ''}"),
        ("on duty now", f"{unit['on_duty']['who']} {unit['on_duty']['phone']}"),
        ("departments", ", ".join(unit["departments"]) or None),
        ("last probe", _last(last, 19)),
        ("answered", _reach(unit)),
    ):
        table.add_row(what, cell(value))
    show(unit, as_json=as_json, table=table)


@units_app.command("probe")
def units_probe(code: Code, as_json: AsJson = False) -> None:
    """Let the running service ring a unit's duty phone now, and say what became of it."""
    from hotline import unit_desk
    from hotline.cli import load

    found = asyncio.run(unit_desk.probe(load(), code))
    if as_json:
        show(found, as_json=True)
    else:
        after = "" if found["rang"] is None else f" after {found['rang']:g} s"
        cause = "" if found["cause"] is None else f", cause {found['cause']}"
        say(f"{code} {found['phone']}: {found['result']} ({found['result_label']}){after}{cause}")
    raise typer.Exit(0 if found["result"] == ProbeResult.ANSWERED else 1)


@units_app.command("probes")
def units_probes(
    code: Annotated[str | None, typer.Argument(help="Of units.toml; all units.")] = None,
    result: Annotated[ProbeResult | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the last test calls (拨测); those still to come are nobody's to know."""
    from hotline import unit_desk
    from hotline.cli import load

    found = asyncio.run(unit_desk.probes(load(), code, result=result, limit=limit))
    table = table_of("at", "unit", "phone", "state", "result", "rang s", "cause", "asked by")
    for row in found:
        at = (row["called_at"] or row["planned_at"])[:19]
        keys = ("unit", "phone", "state", "result", "rang", "cause", "asked_by")
        table.add_row(at, *(cell(row[key]) for key in keys))
    show(found, as_json=as_json, table=table)


@units_app.command("users")
def units_users(as_json: AsJson = False) -> None:
    """Make the logins of units.toml that are missing, and print their passwords once."""
    from hotline import unit_desk
    from hotline.cli import load

    found = asyncio.run(unit_desk.users(load()))
    table = table_of("unit", "login", "head", "state", "password")
    for login in found:
        table.add_row(
            *map(cell, (login.unit, login.login, login.head, login.state)),
            cell(login.password),
        )
    rows: list[dict[str, Any]] = [asdict(login) for login in found]
    show(rows, as_json=as_json, table=table)
    taken = [login.login for login in found if login.state == "taken"]
    if taken and not as_json:
        say(f"somebody else's: {', '.join(taken)}; give these units other logins in units.toml")
    raise typer.Exit(1 if taken else 0)


def _reach(unit: dict[str, Any]) -> str | None:
    reach = unit["reach"]
    return f"{reach['answered']}/{reach['all']} in {reach['days']} days" if reach["all"] else None


def _last(probe: dict[str, Any] | None, to: int) -> str | None:
    """Return when the last probe was, to so many characters, and what came of it."""
    if probe is None:
        return None
    return f"{(probe['called_at'] or probe['planned_at'])[:to]} {probe['result']}"
