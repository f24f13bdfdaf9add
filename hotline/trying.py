"""Trying the dialplan before it is published, for the command line."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from dialplans import city as city_room
from dialplans import simulate, walks, windows
from dialplans.simulate import Case, Conditions, Walk
from hotline import places, releases, saying
from hotline.config import Config
from ivr import flow as machine
from schemas.calendar import is_open, is_workday
from schemas.city import City
from schemas.errors import Invalid
from schemas.speech import Recognised
from schemas.times import SHANGHAI


def city(config: Config, place: str | None) -> City:
    """Return the city in *place*: a folder, the number of a version, None for the working folder.

    Raises:
        Faulty: it has faults.
        NotFound: there is no such version.
        Invalid: there is no such folder.
    """
    return city_room.load(folder(config, place))


def folder(config: Config, place: str | None) -> Path:
    """Return the folder of *place*, as `city` takes it.

    Raises:
        NotFound, Invalid: as `city`.
    """
    if place is None:
        return places.dialplan(config.site)
    if place.isdigit() and not Path(place).is_dir():
        versions = releases.versions(config)
        return versions.folder(versions.get(int(place)).version)
    if not Path(place).is_dir():
        raise Invalid(f"{place} is neither a folder nor the number of a published version")
    return Path(place)


def moment(text: str | None, now: datetime) -> datetime:
    """Return the local time that *text* means.

    Args:
        text: `2026-10-02 03:00`, ISO 8601 with or without zone, a day (its 00:00), an hour of
            today (`03:00`), or None for now.

    Raises:
        Invalid: it is none of these.
    """
    if text is None:
        return now
    try:
        if len(text) == 5 and text[2] == ":":
            text = f"{now:%Y-%m-%d} {text}"
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=SHANGHAI)).astimezone(SHANGHAI)
    except (ValueError, OverflowError):
        raise Invalid(
            f"{text[:40]!r} is no time: write 2026-10-02 03:00, 2026-10-02T03:00+08:00, or 03:00"
        ) from None


def conditions(
    *, duty: str, surge: bool, last_agent: str | None, ticket: str | None, staffed: str | None,
    of: City,
) -> Conditions:  # fmt: skip
    """Return how things are at the service, as the command line names it.

    Args:
        last_agent: an extension, `:busy` behind it when that agent is not free.
        staffed: skills that somebody has, comma-separated, or `all`.

    Raises:
        Invalid: there is no such skill.
    """
    who, _, state = (last_agent or "").partition(":")
    if state not in ("", "free", "busy") or (who and not who.isdigit()):
        raise Invalid("last-agent is an extension, with :busy behind it when they are not free")
    known = of.skill_codes
    skills = set(known) if staffed == "all" else {s for s in (staffed or "").split(",") if s}
    if strange := sorted(skills - known.keys()):
        raise Invalid(f"there is no skill {strange[0]!r}; there are {', '.join(sorted(known))}")
    return Conditions(
        duty=duty,
        surge=surge,
        last_agent=who,
        last_agent_free=state != "busy",
        ticket=ticket or "",
        staffed=frozenset(skills),
    )


def case(
    number: str, at: datetime, *, keys: str, say: tuple[Recognised | None, ...], speech: bool,
    caller: str | None, now: Conditions,
) -> Case:  # fmt: skip
    """Return the call as it was typed.

    Raises:
        Invalid: with a sentence.
    """
    try:
        pressed = simulate.presses(keys)
    except ValueError as error:
        raise Invalid(f"keys: {error}") from None
    if not any(map(str.isdigit, number)):
        raise Invalid(f"{number[:40]!r} is no number that anybody can dial")
    who = simulate.CALLER if caller is None else caller
    return Case(
        number=number, at=at, caller=who, keys=pressed, say=say, speech=speech, conditions=now
    )


def walk(of: City, one: Case) -> Walk:
    """Walk one call through *of*."""
    understand = saying.understanding(of) if one.say else simulate.deaf
    return simulate.walk(of, machine, one, understand=understand)


def as_json(one: Walk) -> dict[str, Any]:
    """Return *one* as JSON has it."""
    return walks.as_json(one)


def opening(of: City, one: Walk) -> list[str]:
    """Return who calls where and when, in sentences: how number and time were understood."""
    at, number = one.case.at, one.number
    if number is None:
        line = f"{one.case.number} is not in the register: the flow `unknown` runs"
    else:
        line = f"{number.number} {number.hotline} ({number.integration}, {number.owner_unit})"
    states = {name: is_open(of.calendar, name, at) for name in sorted(of.calendar.schedules)}
    hours = ", ".join(f"{name} {'open' if is_ else 'closed'}" for name, is_ in states.items())
    day = "working day" if is_workday(of.calendar, at.date()) else "no working day"
    return [line, f"{at:%A %Y-%m-%d %H:%M} in Baoji, {day}" + (f"; {hours}" if hours else "")]


def closing(one: Walk, limit: float) -> list[str]:
    """Return how it ends, and what is not as it should be."""
    lines = [saying.told(words) for words in one.case.say if words is not None and words.engine]
    if one.about is not None and one.about != one.number:
        number = one.about
        lines.append(f"served as {number.number} {number.hotline}, as said ({number.unit})")
    lines.append(walks.ending(one, limit))
    lines += [f"{step}: {reason}" for step, reason in one.troubles]
    if one.spare:
        lines.append(f"nothing asked for the keys {simulate.written(one.spare)}")
    for words in one.unsaid:
        said = "silence" if words is None else f"“{words.text}”"
        lines.append(f"nothing listened for {said}: the flow has no `listen` on this way")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Every number in every window."""

    pairs: list[tuple[windows.Window, Walk]]
    windows: tuple[windows.Window, ...]

    @property
    def kinds(self) -> str:
        """The days that stand for the others, in a line."""
        days = {w.day: f"{w.day} {w.begin:%Y-%m-%d} ({windows.KINDS[w.day]})" for w in self.windows}
        return ", ".join(days.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "windows": [
                {
                    "window": str(window),
                    "kind": windows.KINDS[window.day],
                    "begin": window.begin.isoformat(timespec="minutes"),
                    "end": window.end.isoformat(timespec="minutes"),
                }
                for window in self.windows
            ],
            "walks": [{"window": str(w), **walks.as_json(one)} for w, one in self.pairs],
        }

    def rows(self) -> list[walks.Same]:
        """Return it for people: the windows in which a number does the same, together."""
        return walks.grouped(self.pairs, self.windows)


def everything(of: City, like: Case, *, number: str | None, today: date) -> Everything:
    """Let a caller as in *like* dial in every window of the year from *today*.

    Args:
        number: this number alone; None: every one of the register.
    """
    found = windows.windows([of.calendar], windows.days(of.calendar, today))
    numbers = of.register.numbers if number is None else (number,)
    understand = saying.understanding(of) if like.say else simulate.deaf
    pairs = simulate.walk_all(of, machine, found, like, numbers, understand=understand)
    return Everything(pairs=pairs, windows=found)


def tsv(rows: Iterable[walks.Same]) -> str:
    """Return the table of everything as text that can be kept and compared."""
    return "".join("\t".join(cells) + "\n" for cells in (walks.TSV, *(r.cells for r in rows)))
