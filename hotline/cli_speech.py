"""`hotline models …` and `hotline listen`: what recognition needs, and what it makes of a sound."""

from pathlib import Path
from typing import Annotated

import typer

from hotline.tell import cell, say, show, table_of

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

models_app = typer.Typer(no_args_is_help=True, help="Models for speech recognition.")


def add_to(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.add_typer(models_app, name="models")
    app.command("listen")(listen)


@models_app.command("list")
def models_list(as_json: AsJson = False) -> None:
    """Show every model that is known, whether it is here, and which one is taken."""
    from hotline import models
    from hotline.cli import load

    config = load()
    rows = models.rows(config)
    table = table_of("model", "engine", "language", "MB", "here", "taken", "notes")
    table.columns[0].no_wrap = True
    table.columns[0].overflow = "fold"
    for row in rows:
        notes = [] if row.installed else [f"{row.engine} is not installed"]
        notes += [] if row.verified else ["sum unverified"]
        size = f"{row.size / 1e6:.0f}"
        cells = (row.name, row.engine, row.language, size, bool(row.here), row.taken)
        table.add_row(*map(cell, (*cells, ", ".join(notes))))
    show([row.as_json() for row in rows], as_json=as_json, table=table)
    if not as_json:
        say(f"looked in: {', '.join(map(str, models.folders(config)))}")


@models_app.command("fetch")
def models_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models; what the settings need.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch models from the first source that has them; say why the others have not."""
    from hotline import models
    from hotline.cli import load

    config = load()
    outcomes = models.fetch(config, names or ())
    understood = any(outcome.ok for outcome in outcomes)
    if as_json:
        show([outcome.as_json() for outcome in outcomes], as_json=True)
    else:
        for outcome in outcomes:
            for line in models.told(outcome):
                say(line)
        if not understood and not names:
            say(models.WITHOUT)
    good = all(outcome.ok for outcome in outcomes) if names else understood
    raise typer.Exit(0 if good else 1)


@models_app.command("check")
def models_check(as_json: AsJson = False) -> None:
    """Compare the models that are here with their sums; say what works."""
    from hotline import models
    from hotline.cli import load

    outcomes = models.check(load())
    if as_json:
        show([outcome.as_json() for outcome in outcomes], as_json=True)
    else:
        for outcome in outcomes:
            say(f"{outcome.name}: {outcome.state}")
            for reason in outcome.reasons:
                say(f"  {reason}")
    raise typer.Exit(0 if all(outcome.ok for outcome in outcomes) else 1)


def listen(
    file: Annotated[Path, typer.Argument(help="WAV file of 16-bit samples.")],
    model: Annotated[str | None, typer.Option(help="Its name; as the settings say.")] = None,
    place: Annotated[
        str | None,
        typer.Option("--dir", help="Folder, or number of a published version; working folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what the service hears in a sound file: words as they come, meaning, timings."""
    from hotline import listening, trying
    from hotline.cli import load

    config = load()
    found = listening.listen(config, file, model, trying.city(config, place))
    if as_json:
        show(found.as_json(), as_json=True)
        return
    for sentence in found.sentences:
        say(f"{sentence.began:7.2f} s  speech begins")
        for partial in sentence.partials:
            say(f"{partial.at:7.2f} s  … {partial.text}")
        say(f"{sentence.ended:7.2f} s  speech ends ({sentence.why})")
        say(f"           words    {sentence.text or '(none)'}  score {sentence.score}")
        unsure = "" if sentence.sure else ", to be asked"
        meant = f"{sentence.intent}  {sentence.confidence:.2f}{unsure}"
        say(f"           intent   {meant if sentence.intent else '(unknown)'}")
        say(f"           {sentence.after * 1000:.0f} ms of computing after the end")
    if not found.sentences:
        say("nobody speaks")
    say(
        f"{found.seconds:.2f} s of sound, {found.model}: loaded in {found.load:.2f} s, "
        f"computed {found.compute:.2f} s, real-time factor {found.real_time:.2f}"
    )
