"""What admins wrote, before anybody hears it: lint, the schema, what Asterisk would read."""

import json
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from dialplans.city import load
from dialplans.lint import Findings, examine, lint
from hotline import exchange, places
from hotline.asterisk.render import Directories, Secrets, render
from hotline.config import Config
from ivr.say import spoken
from schemas.city import City
from schemas.errors import Fault, Faulty, Unavailable
from schemas.flows import Flow
from schemas.times import SHANGHAI

NO_SECRET = "not-shown-here"  # noqa: S105 - that it is none is the point


def folder(config: Config, named: Path | None) -> Path:
    """Return the folder that was named, or the working folder of the settings.

    Raises:
        Faulty: it is none.
    """
    found = named or places.dialplan(config.site)
    if not found.is_dir():
        raise Faulty([Fault(str(found), None, "folder", "is not there")])
    return found


def examined(found: Path) -> Findings:
    """Return what is wrong with a folder and what should be looked at, as of today."""
    return examine(found, today=datetime.now(SHANGHAI).date(), spoken=spoken)


def summary(city: City) -> str:
    """Return how much there is in a folder, in a sentence."""
    numbers, flows, prompts = len(city.register.numbers), len(city.flows), len(city.prompts)
    return f"{numbers} numbers, {flows} flows, {prompts} prompts: nothing keeps them from callers"


def schema() -> str:
    """Return the JSON Schema of a flow, by which editors complete and underline."""
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_closed(Flow.model_json_schema()),
        "title": "One flow of a 12345 hotline",
    }
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _closed(schema: Any) -> Any:
    """Return *schema* with tables that take no other keys than those they describe."""
    if isinstance(schema, list):
        return [_closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(inner) for key, inner in schema.items()}
    return closed | ({"additionalProperties": False} if "patternProperties" in schema else {})


def rendered(config: Config, found: Path) -> dict[str, str]:
    """Return the files that Asterisk would read of a folder: name below `etc` → text.

    Raises:
        Faulty: with every fault of the folder.
    """
    if faults := lint(found, spoken=spoken):
        raise Faulty(faults)
    city = load(found)
    version: tuple[int, ...] = (20,)
    directories = Directories(PurePosixPath(config.site.state.resolve()))
    try:
        asterisk = exchange.instance(config)
    except Unavailable:
        pass  # it is rendered for another machine
    else:
        version, directories = asterisk.installation.version, asterisk.directories
    files = render(
        config,
        city.register,
        agents=(),
        secrets=Secrets(ami=NO_SECRET),
        directories=directories,
        version=version,
        custom={path.name: path.read_text("utf-8") for path in (found / "custom").glob("*.conf")},
        skills=city.skills,
        sound=city.sound,
    )
    return {
        name: text
        for name, text in sorted(files.items())
        if name in exchange.OF_A_VERSION or name.startswith(exchange.CUSTOM)
    }


def write(files: dict[str, str], into: Path) -> None:
    """Write *files* into a folder, which is made if need be."""
    for name, text in files.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
