"""What `hotline units …` does: the units as they are published, their probes and their logins."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from agents import keys, roster
from cti.units import directory, store
from cti.units.http import shown
from cti.units.store import ProbeFilter, probe_out
from hotline import admin, releases, running
from hotline.config import Config
from schemas.city import City
from schemas.errors import (
    Conflict,
    Fault,
    Faulty,
    Forbidden,
    HotlineError,
    Invalid,
    NotFound,
    TooMany,
    Unavailable,
)
from schemas.identity import Role
from schemas.probes import ProbeResult
from schemas.tables import UserRow
from schemas.units import Units

WITHIN = 120.0
"""Seconds that a probe may take: others may be before it."""
EVERY = 0.3
"""Seconds between two looks at a probe."""
_REFUSALS: Mapping[int, type[HotlineError]] = {
    kind.status: kind for kind in (Forbidden, NotFound, Conflict, Invalid, TooMany)
}


async def units(config: Config, code: str | None = None) -> list[dict[str, Any]]:
    """Return every unit, or one, as REST shows it to staff.

    Raises:
        Faulty: there is no such unit, or nothing sound is published.
    """
    city = live(config)
    found = city.casebook.units
    codes = list(found.units) if code is None else [_known(found, code)]
    async with admin.database(config) as session:
        rows = await shown(session, found, city.calendar, codes, phones=True, at=time.time())
    return [row.model_dump(mode="json") for row in rows]


async def probes(
    config: Config, code: str | None, *, result: ProbeResult | None, limit: int
) -> list[dict[str, Any]]:
    """Return the last probes of one unit or of all, newest first.

    Raises:
        Faulty: there is no such unit.
    """
    if code is not None:
        _known(live(config).casebook.units, code)
    async with admin.database(config) as session:
        rows = await store.find(session, code, ProbeFilter(result=result, limit=limit))
        return [probe_out(row).model_dump(mode="json") for row in rows]


async def probe(config: Config, code: str) -> dict[str, Any]:
    """Have the running service ring a unit's duty phone now, and return what became of it.

    Raises:
        Faulty: there is no such unit.
        Unavailable: the service does not run, or did not ring in time.
        TooMany: the unit was rung a moment ago.
    """
    _known(live(config).casebook.units, code)
    web = (await running.status(config))["web"]
    async with admin.database(config) as session:
        token = await keys.create_token(
            session, role=Role.SUPERVISOR, now=time.time(), label=f"units probe {code}"
        )
    path = f"{web}/api/v1/units/{code}/probes"
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            async with http.post(path) as answer:
                made = await _body(answer)
            async with asyncio.timeout(WITHIN):
                while made["state"] != "ended":
                    await asyncio.sleep(EVERY)
                    async with http.get(path) as answer:
                        made = next(row for row in await _body(answer) if row["id"] == made["id"])
    except TimeoutError:
        raise Unavailable(
            f"the phone was not rung within {WITHIN:g} s: the probe waits still; "
            f"`hotline units probes {code}` shows it"
        ) from None
    except aiohttp.ClientError as error:
        raise Unavailable(f"the controller does not answer ({type(error).__name__})") from error
    finally:
        async with admin.database(config) as session:
            await keys.revoke_token(session, keys.digest(token), now=time.time())
    return dict(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login that `units.toml` asks for."""

    unit: str
    login: str
    name: str
    head: bool
    state: Literal["created", "there", "taken"]
    """`taken`: somebody else's, who is left as they are."""
    password: str | None = None
    """Of one just created; it is kept nowhere."""


async def users(config: Config) -> list[Login]:
    """Make the logins of clerks and responsible persons that are missing; return all.

    Raises:
        Faulty: there are no units, or `units.toml` has faults.
    """
    known = admin.units(config)
    if not known.units:
        raise Faulty([Fault(admin.UNITS, None, "units", "names no unit")])
    found: list[Login] = []
    async with admin.sessions(config) as write:
        for code, unit in known.units.items():
            # one person may be both: then it is one login, the responsible person's
            wanted = {unit.login: (unit.clerk, False), unit.head_login: (unit.head, True)}
            for login, (name, head) in wanted.items():
                async with write.begin() as session:  # each by itself: an end midway loses nothing
                    found.append(await _login(session, code, login, name, head=head))
    return found


async def _login(session: AsyncSession, unit: str, login: str, name: str, *, head: bool) -> Login:
    row = (await session.scalars(select(UserRow).where(UserRow.login == login))).first()
    if row is not None:
        theirs = (row.role, row.unit, row.head) == (Role.UNIT, unit, head)
        state: Literal["there", "taken"] = "there" if theirs else "taken"
        return Login(unit=unit, login=login, name=row.name, head=head, state=state)
    user = roster.new_user(login=login, name=name, role=Role.UNIT, unit=unit, head=head)
    password = await roster.add(session, user, now=time.time())
    return Login(
        unit=unit, login=login, name=user.name, head=head, state="created", password=password
    )


def live(config: Config) -> City:
    """Return what is published, or the working folder where nothing is yet.

    Raises:
        Faulty: it has faults.
    """
    versions = releases.versions(config)
    current = versions.current()
    return releases.working(config) if current is None else releases.load(versions, current)


def _known(units: Units, code: str) -> str:
    if code in units.units:
        return code
    near = directory.nearest(units, code, units.units)
    reason = f"no such unit: {code!r:.40}"
    if not units.units:
        reason += f"; {admin.UNITS} names none"
    elif near is not None:
        reason += f"; did you mean {near} ({units.units[near].name})?"
    else:
        reason += "; `hotline units list` shows them"
    raise Faulty([Fault(admin.TYPED, None, "CODE", reason)])


async def _body(answer: aiohttp.ClientResponse) -> Any:
    if answer.ok:
        return await answer.json()
    try:
        message = str((await answer.json())["message"])
    except (aiohttp.ClientError, ValueError, KeyError):
        message = f"the controller answers {answer.status}"
    raise _REFUSALS.get(answer.status, Unavailable)(message)
