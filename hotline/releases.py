"""Publishing for whoever asks: command line, REST, first start. The versions are in `dialplans`."""

import fcntl
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from dialplans.city import load as load_folder
from dialplans.history import Entry, Event
from dialplans.lint import lint
from dialplans.store import sounds
from dialplans.versions import Version, Versions
from hotline import places
from hotline.config import Config
from ivr.say import spoken
from schemas.city import City
from schemas.errors import Fault, Faulty, Invalid, NotFound

log = logging.getLogger(__name__)

CONTROLLER_LOCK = "controller.lock"
"""Held by a controller as long as it lives."""
SYSTEM = "system"
"""Who did what no person did."""
LONGEST = 400
"""Characters of a reason."""


def versions(config: Config) -> Versions:
    """Return the published versions of this installation."""
    return Versions(config.site.state.resolve() / "dialplan", keep=config.dialplan.keep_versions)


def working(config: Config) -> City:
    """Return what stands in the working folder just now, published or not.

    Raises:
        Faulty: with every fault.
    """
    return load_folder(places.dialplan(config.site))


def load(found: Versions, version: int) -> City:
    """Return a published version as calls use it.

    Raises:
        Faulty: it cannot be loaded, or is not as it was published.
        NotFound: there is none.
    """
    if faults := found.damage(version):
        raise Faulty(faults)
    city = load_folder(found.folder(version))
    return city.published(version, sounds(found.get(version).files))


def current(config: Config) -> City:
    """Return the version that is live; the first start publishes it from the working folder.

    A version that this release of the software cannot load any more is followed by one from the
    working folder, if that is sound.

    Raises:
        Faulty: neither can be loaded.
    """
    found = versions(config)
    number = found.current()
    if number is not None:
        try:
            return load(found, number)
        except (Faulty, NotFound) as error:
            log.error(
                "version %d cannot be loaded any more (%s); publishing the working folder anew",
                number,
                error.message.partition("\n")[0],
            )
    made = found.publish(
        places.dialplan(config.site),
        who=SYSTEM,
        why="first start" if number is None else f"version {number} cannot be loaded any more",
        check=_first_check,
        only_first=number is None,
        anew=True,
    )
    log.warning("published version %d of the dialplan: %s", made.version, made.why)
    return load(found, made.version)


def check(folder: Path) -> Sequence[Fault]:
    """Return all that keeps *folder* from being published: form, then lint.

    Raises:
        Faulty: as an alternative to returning faults.
    """
    return lint(folder, spoken=spoken)


def _first_check(folder: Path) -> Sequence[Fault]:
    """Return what `check` finds; a bug of ours in it must not keep the hotline from starting."""
    try:
        return check(folder)
    except Faulty:
        raise
    except Exception:
        log.exception("lint is broken: the working folder is published as it is")
        return ()


def publish(
    config: Config, *, who: str, why: str, watch: float | None = None, staged: bool = False
) -> tuple[Version, bool]:
    """Publish the working folder; return the version and whether it is a new one.

    Args:
        watch: minutes; None: as set.
        staged: leave it for a second person, also where the settings do not ask for one.

    Raises:
        Faulty: with every fault; nothing was changed.
        Invalid: no reason was given.
    """
    found = versions(config)
    before = found.current()
    made = found.publish(
        places.dialplan(config.site),
        who=who,
        why=reason(why),
        check=check,
        watch=config.dialplan.watch_minutes if watch is None else watch,
        staged=staged or config.dialplan.two_persons,
    )
    fresh = made.version != before
    if fresh:
        log.info("%s published version %d of the dialplan", who, made.version)
    return made, fresh


def reason(why: str) -> str:
    """Return *why* as it is kept.

    Raises:
        Invalid: it says nothing, or too much.
    """
    why = " ".join(why.split())
    if not why or len(why) > LONGEST or not why.isprintable():
        raise Invalid(f"say why in 1 to {LONGEST} visible characters: others will read it")
    return why


def rows(found: Versions) -> list[dict[str, object]]:
    """Return every version there was, newest first, as people and machines read it."""
    from schemas.times import iso

    kept = set(found.numbers())
    born: dict[int, Entry] = {}
    approved: dict[int, str] = {}
    last: dict[int, Entry] = {}
    for entry in found.history():
        if entry.event in (Event.PUBLISHED, Event.STAGED):
            born.setdefault(entry.version, entry)
        if entry.event is Event.APPROVED:
            approved[entry.version] = entry.who
        # that it runs again says less than who went back to it, and why
        if entry.event is not Event.APPLIED or _came_by_itself(last.get(entry.version)):
            last[entry.version] = entry
        if entry.event is Event.ROLLED_BACK and entry.left is not None:
            last[entry.left] = entry
    states = found.states()
    return [
        {
            "version": number,
            "state": states[number],
            "at": iso(entry.at),
            "who": entry.who,
            "why": entry.why,
            "parent": entry.left,
            "approved_by": approved.get(number),
            "last": {
                "event": str(last[number].event),
                "at": iso(last[number].at),
                "who": last[number].who,
                "why": last[number].why,
            },
            "kept": number in kept,
        }
        for number, entry in sorted(born.items(), reverse=True)
    ]


def _came_by_itself(before: Entry | None) -> bool:
    return before is None or before.event is not Event.ROLLED_BACK


def applies(found: Versions) -> bool:
    """Tell whether a controller runs that will apply what becomes current."""
    try:
        with (found.home / CONTROLLER_LOCK).open("r") as lock:
            return not got(lock)
    except FileNotFoundError:
        return False


def got(lock: IO[str]) -> bool:
    """Take the lock on a file if nobody holds it; tell whether it is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_applied(found: Versions, version: int, *, since: float, within: float) -> str | None:
    """Wait until the controller runs *version*.

    Args:
        since: Unix seconds; older news does not count.
        within: seconds.

    Returns:
        None when it runs, else why it does not.
    """
    end = time.monotonic() + within
    while True:
        applied = found.applied()
        if applied is not None and applied.version == version and applied.at >= since:
            return None
        for entry in reversed(found.history()):
            if entry.at < since:
                break
            if entry.event is Event.REFUSED and entry.version == version:
                return entry.why
        if time.monotonic() > end:
            return f"the controller has not said within {within:g} s that it runs it"
        time.sleep(0.05)
