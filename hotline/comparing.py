"""Two dialplans against each other, for the command line: what changes for whom."""

import difflib
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dialplans import city as city_room
from dialplans import diff, store
from dialplans.diff import Changes, Side, names
from dialplans.diff_calls import Call, Changed
from hotline import releases, trying
from hotline.config import Config
from ivr import flow as machine
from schemas.errors import Invalid

TEXTS = (".csv", ".tsv", ".toml", ".yaml", ".conf")
"""Endings of files that people write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What was found, and between what."""

    old: Path
    new: Path
    old_name: str
    new_name: str
    changes: Changes

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "old": self.old_name,
            "new": self.new_name,
            "same": self.changes.nothing,
            **asdict(self.changes),
        }


def compare(config: Config, old: str | None, new: str | None, now: datetime) -> Compared:
    """Compare two folders or published versions.

    Args:
        old: None: the version that is live.
        new: None: the working folder.

    Raises:
        Faulty, NotFound, Invalid: one of them cannot be read.
    """
    if old is None:
        current = releases.versions(config).current()
        if current is None:
            raise Invalid("nothing is published yet: name two folders, as `diff OLD NEW`")
        old = str(current)
    before, after = trying.folder(config, old), trying.folder(config, new)
    return Compared(
        old=before,
        new=after,
        old_name=f"version {old}" if old.isdigit() else old,
        new_name="working folder" if new is None else f"version {new}" if new.isdigit() else new,
        changes=diff.compare(_side(before), _side(after), machine, now.date()),
    )


def _side(folder: Path) -> Side:
    return Side(city_room.load(folder), store.hashes(folder))


def lines(found: Compared) -> Iterator[str]:
    """Yield the changes in lines for people, the calls first."""
    changes = found.changes
    yield f"{found.old_name} → {found.new_name}"
    if changes.nothing:
        yield "nothing changes for anybody"
        return
    if not changes.calls:
        yield "no call goes another way"
    for call in changes.calls:
        yield from _call(call)
    for row in changes.numbers:
        told = ", ".join(f"{k} {_was(v[0])} → {_was(v[1])}" for k, v in row["fields"].items())
        yield f"number {row['number']} {row['hotline']}: {told or row['change']}"
    for row in changes.prompts:
        yield from _prompt(row)
    for row in changes.days:
        why = f" ({row['why']})" if row["why"] else ""
        yield f"day {row['day']}: {row['old']} → {row['new']}{why}"
    for kind in ("schedules", "phrases", "skills", "cases"):
        for row in getattr(changes, kind):
            what, old, new = row.values()
            yield f"{next(iter(row))} {what}: {_was(old)} → {_was(new)}"
    for row in changes.flows:
        steps = f", steps {names(row['steps'], 12)}" if row["change"] == "changed" else ""
        met = f"; met by {names(row['met_by'])}" if row["met_by"] else "; no number runs it"
        yield f"flow {row['flow']}: {row['change']}{steps}{met}"
    for row in changes.custom:
        how = "added" if row["old"] is None else "removed" if row["new"] is None else "changed"
        yield f"{row['file']}: {how}; it is Asterisk's own and was not tried"


def _call(call: Changed) -> Iterator[str]:
    does = f"keys {call.keys}" if call.keys else "caller does nothing"
    does = f"caller says {call.say}" if call.say else does
    condition = f", {call.condition}" if call.condition else ""
    yield f"calls to {names(call.numbers)}; {call.when}; {does}{condition}"
    yield f"  was  {_way(call.old)}"
    yield f"  now  {_way(call.new)}"


def _way(call: Call) -> str:
    # a number that is read out is a dozen prompts
    parts = itertools.groupby(call.heard, key=lambda prompt: prompt.startswith("n-"))
    heard = " + ".join("…" if read else " + ".join(some) for read, some in parts) or "nothing"
    skill = f", skill {call.skill}" if call.skill else ""
    troubles = "".join(f"; {reason}" for reason in call.troubles)
    return f"{call.seconds:.1f} s: {heard} → {call.route}{skill}{troubles}"


def _prompt(row: dict[str, Any]) -> Iterator[str]:
    before, after = row["seconds"]
    how = f"{_was(before)} → {_was(after)} s" if before != after else f"{after} s"
    sound = ", another sound" if row["sound"] and None not in (before, after) else ""
    by = f"heard by {names(row['heard_by'])}" if row["heard_by"] else "no flow plays it"
    yield f"prompt {row['prompt']}: {how}{sound}; {by}"
    if row["text"]:
        yield f"  was  {_was(row['text'][0])}"
        yield f"  now  {_was(row['text'][1])}"


def _was(value: object) -> str:
    return "nothing" if value is None else str(value)


def text(found: Compared) -> Iterator[str]:
    """Yield the lines of text that differ, as `diff -u` does."""
    for name in sorted({n for folder in (found.old, found.new) for n in _texts(folder)}):
        before, after = _lines(found.old / name), _lines(found.new / name)
        titles = f"{found.old_name}/{name}", f"{found.new_name}/{name}"
        yield from difflib.unified_diff(before, after, *titles, lineterm="")


def _texts(folder: Path) -> Iterator[str]:
    for name, _ in store.contents(folder):
        if name.endswith(TEXTS):
            yield name


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8", errors="replace").splitlines() if file.exists() else []
