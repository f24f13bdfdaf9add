"""Who publishes and who approves.

Alone, the login of the operating system is believed: whoever may run the command may edit the files
too. Where two persons are asked for, a name must be proven: a login of the service with its
password, or for a machine that publishes its token in `HOTLINE_TOKEN`. Approving is for people:
one person may hold any number of tokens.
"""

import getpass
import os
import pwd
import sys

from hotline.config import Config
from hotline.releases import SYSTEM
from schemas.errors import Fault, Faulty, Forbidden, Unauthorised, Unavailable
from schemas.identity import Right, may

TOKEN = "HOTLINE_TOKEN"  # noqa: S105 - the name of a variable
RESERVED = frozenset({SYSTEM, "watch"})


async def publisher(config: Config, who: str | None) -> str:
    """Return the name under which somebody publishes or rolls back.

    Raises:
        Unauthorised, Forbidden: two persons are asked for, and the name was not proven.
        Faulty: a name that nobody can have.
    """
    if not config.dialplan.two_persons:
        return _named(who)
    if token := os.environ.get(TOKEN):
        return await _machine(config, token)
    return await _person(config, who)


async def approver(config: Config, who: str | None) -> str:
    """Return the name under which somebody approves.

    Raises:
        Unauthorised, Forbidden, Faulty: as `publisher`.
    """
    return await _person(config, who) if config.dialplan.two_persons else _named(who)


def login() -> str:
    """Return the login of the operating system, also behind sudo."""
    if os.geteuid() == 0 and (behind := os.environ.get("SUDO_USER")):
        return behind
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return f"uid-{os.getuid()}"


def _named(who: str | None) -> str:
    name = login() if who is None else who.strip()
    if not 1 <= len(name) <= 60 or not name.isprintable() or name in RESERVED:
        reason = f"must be 1 to 60 visible characters and not ours (given: {name!r:.80})"
        raise Faulty([Fault("command line", None, "who", reason)])
    return name


async def _machine(config: Config, token: str) -> str:
    from agents import keys
    from hotline import admin

    async with admin.database(config) as session:
        who = await keys.token_owner(session, token)
    if who is None:
        raise Unauthorised(f"the token in {TOKEN} is not valid")
    if not may(who, Right.ADMIN):
        raise Forbidden(f"the token in {TOKEN} is no administrator's")
    return f"token:{who.id}"


async def _person(config: Config, who: str | None) -> str:
    from sqlalchemy import select

    from agents import keys, roster
    from hotline import admin
    from schemas.tables import UserRow

    name = login() if who is None else who
    if not sys.stdin.isatty():
        raise Unavailable(
            f"two persons are asked for: type this at a terminal, for the password of {name!r:.40}"
        )
    password = getpass.getpass(f"password of {name} (a login of the hotline): ")
    async with admin.database(config) as session:
        user = (await session.scalars(select(UserRow).where(UserRow.login == name))).first()
        fits = user is not None and user.active and roster.verify(user.password_hash, password)
    if user is None or not fits:
        raise Unauthorised("login or password is wrong; `--who LOGIN` names another login")
    if not may(keys.who_is_user(user), Right.ADMIN):
        raise Forbidden(f"{name} is no administrator")
    return name
