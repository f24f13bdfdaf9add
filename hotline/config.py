"""Settings: `hotline.toml` under `HOTLINE_*`, validated as a whole before anything starts."""

import fcntl
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from schemas import config as sections
from schemas.errors import Fault, Faulty

FILE = "hotline.toml"
PREFIX = "HOTLINE_"
NOT_SETTINGS = frozenset(
    {
        "HOTLINE_CONFIG",
        "HOTLINE_ASTERISK",
        "HOTLINE_DEBIAN_MIRROR",
        "HOTLINE_FUZZ",
        "HOTLINE_GOLDEN",
        "HOTLINE_KEEP",
        "HOTLINE_MODELS",
        "HOTLINE_TEST_POSTGRES",
        "HOTLINE_TOKEN",
    }
)
"""Variables with our prefix that are no settings of the file."""


class Config(BaseModel):
    """Every setting. Built by `load`; frozen from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: sections.Site = sections.Site()
    asterisk: sections.Asterisk = sections.Asterisk()
    trunk: sections.Trunk = sections.Trunk()
    ami: sections.Ami = sections.Ami()
    agi: sections.Agi = sections.Agi()
    speech: sections.Speech = sections.Speech()
    web: sections.Web = sections.Web()
    database: sections.Database = sections.Database()
    calls: sections.Calls = sections.Calls()
    dialplan: sections.Dialplan = sections.Dialplan()
    cases: sections.Cases = sections.Cases()
    logging: sections.Logging = sections.Logging()

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.database.url or f"sqlite+aiosqlite:///{self.site.state.resolve()}/hotline.db"


def load(file: Path, env: Mapping[str, str]) -> Config:
    """Return the settings of *file* (may be missing) under *env*.

    Raises:
        Faulty: with every fault of the file and of the environment at once.
    """
    values, faults = _read(file)
    faults += _lay_over(values, env)
    config: Config | None = None
    try:
        config = Config(**values)
    except ValidationError as error:
        faults += _faults(error, file, env)
    if config is not None and not faults:
        faults += _across(config, file)
    if faults or config is None:
        raise Faulty(faults)
    return config


def _read(file: Path) -> tuple[dict[str, Any], list[Fault]]:
    if not file.exists():
        return {}, []
    try:
        return tomllib.loads(file.read_text("utf-8")), []
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line (\d+)", str(error))
        line = int(where[1]) if where else None
        return {}, [Fault(str(file), line, "toml", str(error))]
    except (OSError, UnicodeDecodeError) as error:
        return {}, [Fault(str(file), None, "file", str(error))]


def _lay_over(values: dict[str, Any], env: Mapping[str, str]) -> list[Fault]:
    """Put the settings of *env* over *values*; return those that are none."""
    strange = []
    for name in sorted(env):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        field = Config.model_fields.get(section)
        known = getattr(field.annotation, "model_fields", {}) if field else {}
        if key not in known:
            strange.append(Fault("environment", None, name, "is not a setting"))
            continue
        several = str(known[key].annotation).startswith("tuple")
        value = env[name].split(",") if several else env[name]
        table = values.setdefault(section, {})
        if isinstance(table, dict):  # else the file's own fault is told
            table[key] = value
    return strange


def _faults(error: ValidationError, file: Path, env: Mapping[str, str]) -> list[Fault]:
    found = []
    for item in error.errors(include_url=False):
        path = [str(part) for part in item["loc"]]
        variable = PREFIX + "__".join(path[:2]).upper()
        from_env = variable in env
        # a URL may hold a password: it is never repeated
        quiet = isinstance(item["input"], dict) or path[-1] == "url"
        given = "" if quiet else f" (given: {item['input']!r})"
        found.append(
            Fault(
                "environment" if from_env else str(file),
                None if from_env else _line_of(file, path),
                variable if from_env else ".".join(path),
                item["msg"] + given,
            )
        )
    return found


def _line_of(file: Path, path: list[str]) -> int | None:
    """Return the line on which the setting *path* stands, for a person to jump to."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    section, in_section, header = path[0], False, None
    for number, text in enumerate(lines, 1):
        if match := re.match(r"\s*\[\s*([\w.-]+)\s*\]", text):
            in_section = match[1] == section
            header = number if in_section else header
            continue
        name = path[1] if in_section and len(path) > 1 else None if in_section else section
        if name and re.match(rf"\s*{re.escape(name)}\s*[.=]", text):
            return number
    return header


def _across(config: Config, file: Path) -> list[Fault]:
    """Find what single settings cannot show."""
    faults = []
    ports: dict[int, str] = {}
    for name, port in {
        "ami.port": config.ami.port,
        "agi.port": config.agi.port,
        "speech.port": config.speech.port,
        "web.port": config.web.port,
        "asterisk.http_port": config.asterisk.http_port,
    }.items():
        if port and (other := ports.get(port)):
            faults.append(
                Fault(str(file), _line_of(file, name.split(".")), name, f"{port} is {other} too")
            )
        ports[port] = name
    if config.asterisk.rtp_end < config.asterisk.rtp_start + 3:
        faults.append(
            Fault(
                str(file),
                _line_of(file, ["asterisk", "rtp_end"]),
                "asterisk.rtp_end",
                f"{config.asterisk.rtp_end} leaves no room after rtp_start "
                f"{config.asterisk.rtp_start}; a call needs two ports a leg",
            )
        )
    if config.database.url:
        try:
            make_url(config.database.url)
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            line = _line_of(file, ["database", "url"])
            faults.append(Fault(str(file), line, "database.url", "cannot be read as a URL"))
    return faults


def secret(state: Path, name: str) -> str:
    """Return the secret *name* of this installation, made on first use and kept with mode 0600."""
    file = state / "secrets.toml"
    if file.exists() and name in (known := tomllib.loads(file.read_text())):
        return str(known[name])
    state.mkdir(parents=True, exist_ok=True)
    with (state / "secrets.lock").open("w") as lock:  # two parts may start for the first time
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = tomllib.loads(file.read_text()) if file.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(24)
            fresh = file.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.chmod(0o600)
            lines = (f'{key} = "{value}"\n' for key, value in sorted(known.items()))
            fresh.write_text("".join(lines))
            fresh.replace(file)
    return str(known[name])
