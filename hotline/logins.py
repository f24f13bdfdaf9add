"""The first logins of a new installation: generated, shown, kept until somebody deletes them."""

import os
import time
import tomllib
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from agents import roster
from hotline.config import Config

PEOPLE = (
    ("admin", "管理员", "admin", None),
    ("banzhang", "班长", "supervisor", "8000"),
    ("zuoxi1", "坐席一", "agent", "8001"),
    ("zuoxi2", "坐席二", "agent", "8002"),
)


def path(config: Config) -> Path:
    """Return where they are kept."""
    return config.site.state / "first-logins.toml"


async def make(config: Config, session: AsyncSession) -> None:
    """Make the first people when there is nobody yet. The caller commits."""
    if await roster.people(session):
        return
    lines = []
    for login, name, role, extension in PEOPLE:
        user = roster.new_user(login=login, name=name, role=role, extension=extension)
        password = await roster.add(session, user, now=time.time())
        lines += [
            "[[login]]",
            f'login = "{login}"',
            f'password = "{password}"',
            f'role = "{role}"',
            f'extension = "{extension or ""}"',
            "",
        ]
    file = path(config)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write("\n".join(lines))


def first(config: Config) -> list[dict[str, str]]:
    """Return the first logins while their file is there."""
    file = path(config)
    if not file.exists():
        return []
    return list(tomllib.loads(file.read_text())["login"])
