"""Published versions of the admin's folder: whole, never changed again, one of them current.

    <home>/lock              held by whoever changes anything; publishers queue up at it
           versions/0007/    a whole copy of the folder, and `version.json`: who, when, why, hashes
           current           link to the version that is live; changed by one rename
           store/            contents by hash, shared by the versions (hard links)
           history.jsonl     what happened, only ever appended to
           pending.json      the line that a change of `current` owes to the history
           applied.json      what the controller runs, written by the controller

Files only: everything here works while the controller and the database are down. Whatever dies at
whatever moment, `current` leads to a whole version; the next one who takes the lock clears up.
"""

import contextlib
import fcntl
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dialplans import history, store
from dialplans.history import LIVE, Entry, Event
from schemas.errors import Conflict, Fault, Faulty, Forbidden, NotFound

Check = Callable[[Path], Iterable[Fault]]
"""Finds what is wrong with a folder; may raise Faulty instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One published state of the admin's folder."""

    version: int
    at: float
    """Unix seconds."""
    who: str
    why: str
    parent: int | None
    """Version that was live when it was made, and that a rollback leads to."""
    files: Mapping[str, str]
    """Name → SHA-256."""
    watch: float
    """Minutes to watch it after it went live; 0: not at all."""
    approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What the controller runs."""

    version: int
    at: float
    """Unix seconds."""
    asterisk: bool
    """Whether Asterisk read it back; False: that Asterisk is configured elsewhere."""


class Versions:
    """The versions in one folder.

    Args:
        keep: how many to keep besides the current one and those a rollback leads to.
        clock: Unix seconds.
    """

    def __init__(
        self, home: Path, *, keep: int = 50, clock: Callable[[], float] = time.time
    ) -> None:
        self.home = home
        self._keep = keep
        self._clock = clock

    # ---- looking

    def current(self) -> int | None:
        """Return the version that is live, None before the first."""
        try:
            return int((self.home / "current").readlink().name)
        except FileNotFoundError:
            return None

    def folder(self, version: int) -> Path:
        """Return where *version* is."""
        return self.home / "versions" / f"{version:04d}"

    def get(self, version: int) -> Version:
        """Return *version*.

        Raises:
            NotFound: there is none, or no longer.
            Faulty: somebody wrote into it.
        """
        file = self.folder(version) / "version.json"
        try:
            return Version(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            raise NotFound(f"there is no version {version}, or no longer") from None
        except (ValueError, TypeError) as error:
            raise Faulty([Fault(str(file), None, "version", f"cannot be read: {error}")]) from error

    def numbers(self) -> list[int]:
        """Return the versions that are kept, oldest first."""
        with contextlib.suppress(FileNotFoundError):
            names = (path.name for path in (self.home / "versions").iterdir())
            return sorted(int(name) for name in names if name.isdigit())
        return []

    def history(self) -> list[Entry]:
        """Return what happened, oldest first."""
        return history.read(self._history)

    def applied(self) -> Applied | None:
        """Return what the controller runs, or ran last."""
        try:
            return Applied(**json.loads((self.home / "applied.json").read_bytes()))
        except FileNotFoundError:
            return None

    def damage(self, version: int) -> list[Fault]:
        """Return what of *version* is not as it was published.

        Raises:
            NotFound: there is none.
        """
        told = self.get(version).files
        there = store.hashes(self.folder(version))
        return [
            Fault(str(self.folder(version) / name), None, "file", reason)
            for name in sorted(told.keys() | there.keys())
            if told.get(name) != there.get(name)
            for reason in ["is not as it was published: versions are never edited"]
        ]

    def differs(self, source: Path) -> bool:
        """Tell whether the working folder holds anything else than the current version."""
        current = self.current()
        return current is None or self.get(current).files != store.hashes(source)

    # ---- changing

    def publish(
        self,
        source: Path,
        *,
        who: str,
        why: str,
        check: Check | None = None,
        watch: float = 0.0,
        staged: bool = False,
        only_first: bool = False,
        anew: bool = False,
    ) -> Version:
        """Copy *source* and make it the current version; an unchanged folder publishes nothing.

        Args:
            check: looks at the copy, so that what was checked is what goes live.
            watch: minutes to watch it.
            staged: leave it until `approve`.
            only_first: leave everything as it is when there is a version already.
            anew: also when nothing has changed: the current version is damaged.

        Raises:
            Faulty: with every fault; nothing was changed.
        """
        with self._locked():
            current = self.current()
            if current is not None and only_first:  # somebody else was faster
                return self.get(current)
            fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self.home / "versions"))
            try:
                files = store.copy(source, fresh, store=self.home / "store")
                if current is not None and not anew and files == self.get(current).files:
                    return self.get(current)
                _refuse(check, fresh, source)
                made = Version(
                    version=self._next(), at=self._clock(), who=who, why=why, parent=current,
                    files=files, watch=watch,
                )  # fmt: skip
                _write(fresh / "version.json", made)
                fresh.chmod(0o755)
                store.sync(fresh)
                fresh.rename(self.folder(made.version))
                store.sync(self.home / "versions")
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            event = Event.STAGED if staged else Event.PUBLISHED
            entry = self._entry(event, made.version, who=who, why=why, left=current)
            if staged:
                history.append(self._history, entry)
            else:
                self._switch(entry)
            self._prune()
            return made

    def approve(self, version: int, *, who: str) -> Version:
        """Make a staged version the current one.

        Raises:
            NotFound: there is none.
            Forbidden: *who* made it.
            Conflict: it does not wait for approval, or another went live since it was made.
        """
        with self._locked():
            made = self.get(version)
            if self.states().get(version) != "staged":
                raise Conflict(f"version {version} does not wait for approval")
            if made.who == who:
                raise Forbidden("who made a version does not approve it: ask somebody else")
            if (current := self.current()) != made.parent:
                raise Conflict(
                    f"version {version} was made from version {made.parent}, but {current} is "
                    "live now: publish anew"
                )
            made = replace(made, approved_by=who)
            _write(self.folder(version) / "version.json", made)
            self._switch(self._entry(Event.APPROVED, version, who=who, why=made.why, left=current))
            return made

    def back_to(self, version: int | None) -> int:
        """Return the version that a rollback to *version*, or by one step, leads to.

        Raises:
            NotFound: there is none, or no longer.
            Conflict: it is live now, never was, or there is nothing to go back to.
        """
        current = self.current()
        if version is None:
            version = self.get(current).parent if current is not None else None
            if version is None:
                raise Conflict("this is the first version: there is nothing to go back to")
        if self.get(version).version == current:
            raise Conflict(f"version {version} is live now")
        if version not in {e.version for e in self.history() if e.event in LIVE}:
            raise Conflict(f"version {version} never was live")
        return version

    def roll_back(
        self, version: int | None = None, *, who: str, why: str, left: int | None = None,
        refused: bool = False,
    ) -> int | None:  # fmt: skip
        """Make an earlier version the current one and return it.

        Args:
            version: None: the one before the current.
            left: do it only while this one is live, else return None.
            refused: note that the current one could not be applied.

        Raises:
            NotFound, Conflict: as `back_to`.
        """
        with self._locked():
            current = self.current()
            if left is not None and current != left:
                return None
            target = self.back_to(version)
            if refused and current is not None:
                self._note(Event.REFUSED, current, who=who, why=why)
            self._switch(self._entry(Event.ROLLED_BACK, target, who=who, why=why, left=current))
            return target

    def note(self, event: Event, version: int, *, who: str, why: str = "") -> None:
        """Write into the history what changes no version."""
        with self._locked():
            self._note(event, version, who=who, why=why)

    def set_applied(self, version: int, *, asterisk: bool) -> None:
        """Say what the controller runs."""
        done = Applied(version=version, at=self._clock(), asterisk=asterisk)
        store.replace(self.home / "applied.json", json.dumps(asdict(done)).encode())

    def states(self) -> Mapping[int, str]:
        """Return for each version that ever was one word of what it is now.

        `live`, `staged`, `refused`, `rolled_back` (somebody went back from it) or `retired`.
        """
        words: dict[int, str] = {}
        for entry in self.history():
            if entry.event in LIVE:
                words[entry.version] = "live"
                if entry.left is not None and words.get(entry.left) == "live":
                    back = entry.event is Event.ROLLED_BACK
                    words[entry.left] = "rolled_back" if back else "retired"
            elif entry.event in (Event.STAGED, Event.REFUSED):
                words[entry.version] = str(entry.event)
        current = self.current()
        return {
            version: "live" if version == current else "retired" if word == "live" else word
            for version, word in words.items()
        }

    # ---- under the lock

    @property
    def _history(self) -> Path:
        return self.home / "history.jsonl"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait for the lock, clear up what somebody left who died with it, and hold it."""
        (self.home / "versions").mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._mend()
            yield

    def _mend(self) -> None:
        for folder in (self.home, self.home / "versions", self.home / "store"):
            for left in [*folder.glob(".new-*"), *folder.glob(".old-*")]:
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left)
                else:
                    left.unlink()
        self._settle()
        told = {entry.version for entry in self.history()}
        numbers = self.numbers()
        if told and numbers and numbers[-1] > max(told):  # whole, but its publisher died there
            self._drop(numbers[-1])

    def _settle(self) -> None:
        """Give the history the line of a change whose maker died after it."""
        pending = self.home / "pending.json"
        if not pending.exists():
            return
        found: dict[str, Any] = json.loads(pending.read_bytes())
        entry = Entry(**{**found, "event": Event(found["event"])})
        if self.current() == entry.version and self.history()[-1:] != [entry]:
            history.append(self._history, entry)
        pending.unlink()

    def _switch(self, entry: Entry) -> None:
        """Make the version of *entry* the current one; the moment is one rename."""
        pending, fresh = self.home / "pending.json", self.home / ".new-current"
        store.replace(pending, json.dumps(asdict(entry)).encode())
        fresh.symlink_to(f"versions/{entry.version:04d}")
        fresh.rename(self.home / "current")
        store.sync(self.home)
        history.append(self._history, entry)
        pending.unlink()

    def _next(self) -> int:
        numbers = self.numbers() + [entry.version for entry in self.history()]
        return max(numbers, default=0) + 1

    def _entry(
        self, event: Event, version: int, *, who: str, why: str, left: int | None = None
    ) -> Entry:
        return Entry(at=self._clock(), event=event, version=version, who=who, why=why, left=left)

    def _note(self, event: Event, version: int, *, who: str, why: str) -> None:
        history.append(self._history, self._entry(event, version, who=who, why=why))

    def _prune(self) -> None:
        """Delete what is too old to be gone back to."""
        numbers = self.numbers()
        needed = set(numbers[-self._keep :]) | self._needed()
        if old := [n for n in numbers if n not in needed]:
            for number in old:
                self._drop(number)
            store.sweep(self.home / "store")

    def _needed(self) -> set[int]:
        """Return the current version, the two before it, and what the controller runs."""
        applied = self.applied()
        needed = {applied.version} if applied else set()
        at: int | None = self.current()
        for _ in range(3):
            if at is None:
                break
            needed.add(at)
            with contextlib.suppress(NotFound):
                at = self.get(at).parent
        return needed

    def _drop(self, version: int) -> None:
        """Delete *version*: out of sight at once, whatever happens then."""
        gone = self.home / "versions" / f".old-{version:04d}"
        self.folder(version).rename(gone)
        shutil.rmtree(gone)


def _write(file: Path, version: Version) -> None:
    store.replace(file, json.dumps(asdict(version), ensure_ascii=False, indent=1).encode())


def _refuse(check: Check | None, copied: Path, source: Path) -> None:
    """Let *check* look at the copy and tell its faults as the author's folder has them.

    Raises:
        Faulty: it found some.
    """
    try:
        found = tuple(check(copied)) if check else ()
    except Faulty as error:
        found = error.faults
    if found:
        raise Faulty(replace(f, file=f.file.replace(str(copied), str(source))) for f in found)
