"""`hotline dialplan publish|rollback|approve|versions`: changes that nobody needs to fear."""

import time
from typing import Annotated, Any

import typer

from hotline.config import Config
from hotline.tell import cell, say, show, table_of

Why = Annotated[str, typer.Option(help="What changes and why: others will read it.")]
Who = Annotated[str | None, typer.Option(help="Who you are; else your login.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    for command in (publish, approve, rollback, versions):
        app.command(command.__name__)(command)


def _load() -> Config:
    from hotline.cli import load

    return load()


def publish(
    why: Why,
    who: Who = None,
    watch: Annotated[
        float | None, typer.Option(help="Minutes to watch the calls; else as set.", min=0, max=1440)
    ] = None,
    no_watch: Annotated[bool, typer.Option("--no-watch", help="Do not watch the calls.")] = False,
    approve_needed: Annotated[
        bool, typer.Option("--approve-needed", help="Wait for a second person's approval.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the working folder and let the service run it; calls in progress end as they began."""
    from hotline import releases
    from hotline.cli import run
    from hotline.identities import publisher

    config = _load()
    name = run(publisher(config, who))
    began = time.time()
    made, fresh = releases.publish(
        config, who=name, why=why, watch=0.0 if no_watch else watch, staged=approve_needed
    )
    found: dict[str, Any] = {"version": made.version, "who": name, "watch_minutes": made.watch}
    if not fresh:
        found |= {"state": "unchanged"}
        text = f"nothing has changed since version {made.version}; nothing was published"
    elif releases.versions(config).current() != made.version:
        found |= {"state": "staged"}
        text = (
            f"version {made.version} waits for a second person: "
            f"`hotline dialplan approve {made.version}`"
        )
    else:
        _live(config, made.version, began, found, as_json=as_json)
        return
    show(found, as_json=True) if as_json else say(text)


def approve(version: int, who: Who = None, as_json: AsJson = False) -> None:
    """Let a version go live that somebody else published."""
    from hotline import releases
    from hotline.cli import run
    from hotline.identities import approver

    config = _load()
    name = run(approver(config, who))
    began = time.time()
    made = releases.versions(config).approve(version, who=name)
    found = {"version": version, "who": name, "watch_minutes": made.watch}
    _live(config, version, began, found, as_json=as_json)


def rollback(
    why: Why,
    version: Annotated[
        int | None, typer.Argument(help="Version to go back to; else the one before.")
    ] = None,
    who: Who = None,
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier version at once; the working folder stays as it is."""
    from hotline import releases
    from hotline.cli import run
    from hotline.identities import publisher

    config = _load()
    name = run(publisher(config, who))
    began = time.time()
    target = releases.versions(config).roll_back(version, who=name, why=releases.reason(why))
    assert target is not None  # only who names the version to leave can be too late
    _live(config, target, began, {"version": target, "who": name}, as_json=as_json)


def versions(
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was published: by whom, why, and what became of it."""
    from hotline import releases

    found = releases.rows(releases.versions(_load()))[:limit]
    table = table_of("version", "state", "at", "who", "why", "approved by", "last")
    for row in found:
        last = row["last"]
        assert isinstance(last, dict)
        table.add_row(
            *map(cell, (row["version"], row["state"], str(row["at"])[:19], row["who"], row["why"])),
            cell(row["approved_by"]),
            cell(f"{last['event']} {last['at'][:19]} {last['who']} {last['why']}".strip()),
        )
    show(found, as_json=as_json, table=table)


def _live(
    config: Config, version: int, began: float, found: dict[str, Any], *, as_json: bool
) -> None:
    """Say what came of it that *version* is current; exit status 1 when it does not run."""
    from hotline import releases

    kept = releases.versions(config)
    within = config.dialplan.apply_within
    if not releases.applies(kept):
        found |= {"state": "waiting"}
        text = f"version {version} is current; it takes effect when the service starts"
    elif why := releases.wait_applied(kept, version, since=began, within=within):
        refused = kept.current() != version
        found |= {"state": "refused" if refused else "waiting", "reason": why}
        text = f"version {version} {'was refused' if refused else 'is not live yet'}: {why}"
        if refused:
            text += f"\nversion {kept.current()} is live as before"
    else:
        found |= {"state": "live"}
        watched = found.get("watch_minutes")
        more = f"; its calls are watched for {watched:g} minutes" if watched else ""
        text = f"version {version} is live{more}"
    show(found, as_json=True) if as_json else say(text)
    raise typer.Exit(1 if "reason" in found else 0)
