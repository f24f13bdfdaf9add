"""What the administrators' commands do: register, prompts, people, tokens, Asterisk."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from agents import keys, roster
from dialplans import prompts as prompt_room
from dialplans import register as register_room
from dialplans.voices import VoiceAway, Zhtts
from hotline import db, exchange, places
from hotline.asterisk import install
from hotline.config import Config
from schemas.errors import Faulty, Invalid, Unavailable
from schemas.identity import Role
from schemas.numbers import Register


def register(config: Config, file: Path | None) -> Register:
    """Return the register in *file*, or the site's, checked as a whole.

    Raises:
        Faulty: with every fault.
    """
    folder = places.dialplan(config.site)
    known = prompt_room.load(folder / "prompts.tsv")
    return register_room.load(file or folder / "hotlines.csv", known.keys())


def prompts(config: Config) -> list[dict[str, object]]:
    """Return the prompts with their seconds, checked with their sounds.

    Raises:
        Faulty: with every fault of text and sound.
    """
    folder = places.dialplan(config.site)
    site = exchange.city(config)
    if faults := prompt_room.check(folder / "prompts.tsv", site.register):
        raise Faulty(faults)
    from dialplans import sound

    return [
        {
            "id": prompt.id,
            "seconds": round(
                sound.measure(sound.read(folder / "audio" / f"{prompt.id}.wav")).seconds, 2
            ),
            "text": prompt.text,
        }
        for prompt in prompt_room.load(folder / "prompts.tsv").values()
    ]


def build_prompts(config: Config) -> str:
    """Speak what changed and say what was made.

    Raises:
        Unavailable: there is no voice on this machine.
    """
    folder = places.dialplan(config.site)
    try:
        made = prompt_room.build(
            folder / "prompts.tsv", Zhtts(config.site.state.resolve() / "zhtts")
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


@asynccontextmanager
async def database(config: Config) -> AsyncIterator[AsyncSession]:
    """Yield a session in one transaction on the newest schema."""
    config.site.state.mkdir(parents=True, exist_ok=True)
    await db.upgrade(config.database_url)
    engine = db.engine(config.database_url)
    try:
        async with db.writers(engine).begin() as session:
            yield session
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
) -> str:
    """Add a person and return the generated password.

    Raises:
        Invalid: with every fault of what was given.
        Conflict: login or extension is taken.
    """
    known = register(config, None).units
    if strange := sorted(set(skills) - known.keys()):
        raise Invalid(f"no such unit: {', '.join(strange)}; units are {', '.join(sorted(known))}")
    user = roster.new_user(
        login=login, name=name, role=role, extension=extension, skills=list(skills), phone=phone
    )
    async with database(config) as session:
        return await roster.add(session, user, now=time.time())


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
                "active": row.active,
            }
            for row in await roster.people(session)
        ]


async def create_token(config: Config, role: str, *, agent: str | None, label: str) -> str:
    """Return a new token.

    Raises:
        Invalid: no such role, or an agent's token without an extension.
    """
    allowed = {Role.READER, Role.AGENT, Role.SUPERVISOR, Role.ADMIN}
    if role not in {r.value for r in allowed}:
        names = ", ".join(sorted(r.value for r in allowed))
        raise Invalid(f"no such role for a token: {role}; roles are {names}")
    async with database(config) as session:
        return await keys.create_token(
            session, role=Role(role), now=time.time(), label=label, agent=agent
        )
