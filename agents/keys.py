"""Keys that open doors: machines' tokens and browsers' cookies. Only their hashes are kept."""

import hashlib
import re
import secrets
from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from agents.roster import EXTENSION, unit_fits
from schemas.calls import AgentId
from schemas.errors import Invalid, NotFound
from schemas.identity import Role, Who
from schemas.tables import SessionRow, TokenRow, UserRow

PREFIX = "hl_"
"""Makes a token recognisable to people and to scanners for leaked secrets."""


def digest(key: str) -> str:
    """Return what is kept of a key. Keys are random, so a plain hash is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


async def create_token(
    session: AsyncSession,
    *,
    role: Role,
    now: float,
    label: str = "",
    agent: str | None = None,
    unit: str | None = None,
) -> str:
    """Make a token and return it; it is shown once. The caller commits.

    Args:
        agent: extension whose desk the token may open.
        unit: for role `unit`, whose system it is for.

    Raises:
        Invalid: label, extension or unit is not of its form, or the unit does not fit the role.
    """
    if len(label) > 80 or not label.isprintable():
        raise Invalid("a label has at most 80 visible characters")
    if agent is not None and not re.fullmatch(EXTENSION, agent):
        raise Invalid("an extension has 3 to 6 digits")
    unit_fits(role, unit)
    token = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(
        id=digest(token),
        role=role.value,
        label=label,
        agent=agent,
        unit=unit,
        created_at=now,
        revoked_at=None,
    )
    session.add(row)
    await session.flush()
    return token


async def tokens(session: AsyncSession) -> Sequence[TokenRow]:
    """Return all tokens, newest first."""
    return (await session.scalars(select(TokenRow).order_by(TokenRow.created_at.desc()))).all()


async def revoke_token(session: AsyncSession, id: str, *, now: float) -> None:
    """End a token by the first characters (8 or more) of its hash. The caller commits.

    Raises:
        NotFound: no living token begins so.
        Invalid: more than one does, or too few characters.
    """
    if not re.fullmatch(r"[0-9a-f]{8,64}", id):
        raise Invalid("give 8 or more characters of the token's id")
    wanted = select(TokenRow).where(TokenRow.id.startswith(id), TokenRow.revoked_at.is_(None))
    found = (await session.scalars(wanted)).all()
    if not found:
        raise NotFound("no living token has this id")
    if len(found) > 1:
        raise Invalid("several tokens begin so; give more characters")
    found[0].revoked_at = now
    await session.flush()


async def token_owner(session: AsyncSession, key: str) -> Who | None:
    """Return whom a token stands for, None when it is unknown or revoked."""
    row = await session.get(TokenRow, digest(key))
    if row is None or row.revoked_at is not None:
        return None
    agent = None if row.agent is None else AgentId(row.agent)
    role = Role(row.role)
    return Who(kind="token", id=row.id[:12], role=role, agent=agent, unit=_unit(role, row.unit))


async def open_session(session: AsyncSession, user: UserRow, *, now: float, seconds: float) -> str:
    """Sign *user* in and return the cookie's value; clears away what has run out."""
    await session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    key = secrets.token_urlsafe(32)
    session.add(
        SessionRow(id=digest(key), user_id=user.id, created_at=now, expires_at=now + seconds)
    )
    await session.flush()
    return key


async def close_session(session: AsyncSession, key: str) -> None:
    """Sign a browser out; an unknown cookie is no fault."""
    await session.execute(delete(SessionRow).where(SessionRow.id == digest(key)))


async def cookie_owner(session: AsyncSession, key: str, *, now: float) -> Who | None:
    """Return who is signed in with a cookie, None when nobody is any more."""
    wanted = (
        select(UserRow)
        .join(SessionRow, SessionRow.user_id == UserRow.id)
        .where(SessionRow.id == digest(key), SessionRow.expires_at > now, UserRow.active)
    )
    row = (await session.scalars(wanted)).first()
    return None if row is None else who_is_user(row)


def who_is_user(row: UserRow) -> Who:
    """Return the person of a row."""
    agent = None if row.extension is None else AgentId(row.extension)
    role = Role(row.role)
    unit = _unit(role, row.unit)
    return Who(
        kind="user",
        id=row.login,
        role=role,
        agent=agent,
        unit=unit,
        head=row.head and unit is not None,
        name=row.name,
    )


def _unit(role: Role, unit: str | None) -> str | None:
    """Return the unit of somebody: only a unit's people have one, whatever the row says."""
    return unit if role is Role.UNIT else None
