"""`hotline doctor`: everything the service needs, looked at one by one."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from hotline import admin, db, models, releases, running
from hotline.asterisk import install
from hotline.config import Config
from hotline.speech_link import KEYS
from hotline.tell import plural, sentence
from ivr.speech import models as known
from schemas.errors import Faulty, HotlineError, NotFound, Unavailable

ROOM = 2 * 1024**3
"""Bytes that should be free: a day of recordings of a small site."""
NOT_NEEDED = frozenset({"speech"})
"""Links without which calls are served: of speech the finding `speech` tells."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    state: str
    advice: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the finding as JSON shows it."""
        return {"what": self.what, "ok": self.ok, "state": self.state, "advice": self.advice}


def examine(config: Config) -> list[Finding]:
    """Return what was found, good and bad; never raises."""
    return [_look(what, examiner, config) for what, examiner in EXAMINERS.items()]


def _look(what: str, examiner: Callable[[Config], tuple[str, str]], config: Config) -> Finding:
    try:
        state, advice = examiner(config)
    except Faulty as error:
        count = len(error.faults)
        more = f" (and {count - 1} more)" if count > 1 else ""
        return Finding(what, False, plural(count), f"{error.faults[0]}{more}")
    except HotlineError as error:
        return Finding(what, False, "missing", error.message)
    except (OSError, SQLAlchemyError) as error:
        return Finding(what, False, "unreadable", sentence(error))
    return Finding(what, not advice, state, advice)


def _python(_: Config) -> tuple[str, str]:
    return sys.version.split()[0], "" if sys.version_info >= (3, 11) else "install Python 3.11"


def _asterisk(config: Config) -> tuple[str, str]:
    found = install.find(config.asterisk.program, config.site.state.resolve())
    return f"{'.'.join(map(str, found.version))} at {found.root or found.binary}", ""


def _city(config: Config) -> tuple[str, str]:
    site = releases.working(config)
    return f"{len(site.register.numbers)} numbers", ""


def _prompts(config: Config) -> tuple[str, str]:
    return f"{len(admin.prompts(config))} prompts", ""


def _database(config: Config) -> tuple[str, str]:
    url = make_url(config.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return "not made yet", ""

    async def ask() -> db.Health:
        engine = db.engine(config.database_url)
        try:
            return await db.check(engine)
        finally:
            await engine.dispose()

    health = asyncio.run(ask())
    kind = url.get_backend_name()
    advice = "`hotline db upgrade`, or start the server that database.url names"
    return (f"{kind}, {health.seconds * 1000:.0f} ms", "") if health.ok else (kind, advice)


def _room(config: Config) -> tuple[str, str]:
    folder = config.site.state.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    advice = "" if free > ROOM else "free some room: recordings need it"
    return f"{free / 1024**3:.0f} GiB free", advice


def _secrets(config: Config) -> tuple[str, str]:
    file = config.site.state / "secrets.toml"
    if not file.exists():
        return "made at the first start", ""
    mode = file.stat().st_mode & 0o777
    return f"mode {mode:o}", "" if mode == 0o600 else f"chmod 600 {file}"


def _service(config: Config) -> tuple[str, str]:
    try:
        found = asyncio.run(running.status(config))
    except Unavailable:
        return "not running", ""
    down = [
        name for name, link in found["links"].items() if not link["ok"] and name not in NOT_NEEDED
    ]
    return "running", f"links down: {', '.join(down)}" if down else ""


def _speech(config: Config) -> tuple[str, str]:
    """Say whether callers can speak; it is no fault when they cannot, for they have keys."""
    if not config.speech.enabled:
        return f"off by the settings; {KEYS}", ""
    try:
        model, _ = known.find(config.speech.model, models.folders(config))
    except (NotFound, Unavailable) as error:
        return f"off: {error.message}; {KEYS}", ""
    if not model.installed:
        return f"off: the library of {model.engine} is not installed; {KEYS}", ""
    try:
        link = asyncio.run(running.status(config))["links"].get("speech")
    except Unavailable:
        return f"on once it runs ({model.name}); keys work beside it", ""
    if link is None or link["ok"]:
        return f"on ({model.name}); keys work beside it", ""
    return f"off: {link['last_error']}", ""


EXAMINERS: dict[str, Callable[[Config], tuple[str, str]]] = {
    "python": _python,
    "asterisk": _asterisk,
    "register": _city,
    "prompts": _prompts,
    "database": _database,
    "disk": _room,
    "secrets": _secrets,
    "speech": _speech,
    "service": _service,
}
