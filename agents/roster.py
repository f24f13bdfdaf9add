"""Who works here: people, their roles, their phones, and the two forms of their password."""

import asyncio
import hashlib
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.calls import AgentId
from schemas.errors import Conflict, Invalid, NotFound
from schemas.http import Asks
from schemas.http_errors import invalid
from schemas.identity import RIGHTS, Right, Role
from schemas.tables import UserRow
from schemas.units import UNIT_CODE

REALM = "hotline"
"""SIP realm of the phones' sign-in."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""argon2id with OWASP's small setting: 19 MiB a try, so that sign-ins cannot eat the memory."""

EXTENSION = r"^[0-9]{3,6}$"
LOGIN = r"^[a-z][a-z0-9._-]{1,30}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Somebody with an extension, as desks and queues need to know them."""

    id: AgentId
    login: str
    name: str
    role: Role
    phone: Literal["desk", "browser"] = "desk"
    skills: tuple[str, ...] = ()
    sip_ha1: str | None = field(default=None, repr=False)
    """What the registrar compares a phone's password with; None: no phone yet."""

    @property
    def interface(self) -> str:
        """What app_queue dials."""
        return f"PJSIP/{self.id}"


def _plain(name: str) -> str:
    """Refuse what cannot be seen: control and format characters could reorder or hide text."""
    if not name.strip() or any(unicodedata.category(c) in _UNSEEN for c in name):
        raise ValueError("must be visible text without control characters")
    return name.strip()


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

Name = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_plain)]
Skill = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
Password = Annotated[SecretStr, Field(min_length=12, max_length=128)]
"""A phone's sign-in needs MD5 of it, which is quick to search: short ones are refused."""


class NewUser(Asks):
    """A person to be added; every fault is told at once."""

    login: str = Field(pattern=LOGIN)
    name: Name
    role: Role
    extension: str | None = Field(default=None, pattern=EXTENSION, validate_default=True)
    phone: Literal["desk", "browser"] = "desk"
    skills: tuple[Skill, ...] = ()
    unit: str | None = Field(default=None, pattern=UNIT_CODE, validate_default=True)
    """Role `unit`: whose tickets they handle."""
    head: bool = False
    """Role `unit`: its responsible person (负责人)."""
    password: Password | None = None

    # what fits which role is asked field by field: so every fault is told, not only the first

    @field_validator("role")
    @classmethod
    def _is_a_persons(cls, role: Role) -> Role:
        if role is Role.READER:
            raise ValueError("reader is a role of machines: make a token")
        return role

    @field_validator("extension")
    @classmethod
    def _agents_have_phones(cls, extension: str | None, given: ValidationInfo) -> str | None:
        role = given.data.get("role")
        if role is Role.AGENT and extension is None:
            raise ValueError("an agent needs an extension")
        if role is not None and extension is not None and Right.OPEN_DESK not in RIGHTS[role]:
            raise ValueError(f"the role {role} opens no desk and needs no extension")
        return extension

    @field_validator("unit")
    @classmethod
    def _units_people_have_one(cls, unit: str | None, given: ValidationInfo) -> str | None:
        if fault := _misfit(given.data.get("role"), unit):
            raise ValueError(fault)
        return unit

    @field_validator("head")
    @classmethod
    def _heads_are_of_units(cls, head: bool, given: ValidationInfo) -> bool:
        if head and given.data.get("role") not in (None, Role.UNIT):
            raise ValueError("only the role unit has a responsible person")
        return head


def _misfit(role: Any, unit: str | None) -> str | None:
    """Return what is wrong with a role's unit; None: it fits, or the role is none."""
    if role is Role.UNIT and unit is None:
        return "the role unit needs a unit"
    if role not in (None, Role.UNIT) and unit is not None:
        return f"the role {role} belongs to no unit"
    return None


def unit_fits(role: Role, unit: str | None) -> None:
    """Check the unit of a role, also a machine's.

    Raises:
        Invalid: a unit's people need one of its form, and nobody else has one.
    """
    if fault := _misfit(role, unit):
        raise Invalid(fault)
    if unit is not None and not re.fullmatch(UNIT_CODE, unit):
        raise Invalid("a unit's code has 2 to 32 of a-z 0-9 _, a letter first")


def new_user(**given: object) -> NewUser:
    """Return the checked form of *given*.

    Raises:
        Invalid: with every fault.
    """
    try:
        return NewUser.model_validate(given)
    except ValidationError as error:
        raise invalid(error, "user") from None


def ha1(extension: str, password: str) -> str:
    """Return what Asterisk stores as `md5_cred` instead of the password."""
    text = f"{extension}:{REALM}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def generated() -> str:
    """Return a password nobody has to invent: 96 bits, easy to type into a phone."""
    return secrets.token_hex(12)


def verify(stored: str, password: str) -> bool:
    """Return whether *password* belongs to the hash *stored*. Slow on purpose: not in the loop."""
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def load(session: AsyncSession) -> tuple[Agent, ...]:
    """Return everybody who has an extension and is not put aside, by extension."""
    rows = await session.scalars(
        select(UserRow)
        .where(UserRow.active, UserRow.extension.is_not(None))
        .order_by(UserRow.extension)
    )
    return tuple(as_agent(row) for row in rows)


def as_agent(row: UserRow) -> Agent:
    """Return the row of somebody with an extension as the rest of the room knows them."""
    assert row.extension is not None
    return Agent(
        id=AgentId(row.extension),
        login=row.login,
        name=row.name,
        role=Role(row.role),
        phone="browser" if row.phone == "browser" else "desk",
        skills=tuple(row.skills),
        sip_ha1=row.sip_ha1,
    )


async def people(session: AsyncSession) -> Sequence[UserRow]:
    """Return all users, by login."""
    return (await session.scalars(select(UserRow).order_by(UserRow.login))).all()


async def add(session: AsyncSession, user: NewUser, *, now: float) -> str:
    """Add a person and return the password, which is kept nowhere. The caller commits.

    Raises:
        Conflict: login or extension is taken.
    """
    same = [UserRow.login == user.login]
    if user.extension is not None:
        same.append(UserRow.extension == user.extension)
    if taken := (await session.scalars(select(UserRow).where(or_(*same)))).first():
        what = "login" if taken.login == user.login else "extension"
        raise Conflict(f"this {what} is taken", taken=what)
    password = user.password.get_secret_value() if user.password else generated()
    row = UserRow(
        login=user.login,
        name=user.name,
        role=user.role.value,
        extension=user.extension,
        phone=user.phone,
        skills=list(user.skills),
        unit=user.unit,
        head=user.head,
        created_at=now,
        active=True,
    )
    await _set(row, password)
    session.add(row)
    await session.flush()
    return password


async def passwd(session: AsyncSession, login: str, password: str | None = None) -> str:
    """Give a person a new password and return it. The caller commits.

    Raises:
        NotFound: there is no such login.
        Invalid: the password is too short or too long.
    """
    row = await find(session, login)
    if password is not None and not 12 <= len(password) <= 128:
        raise Invalid("a password has 12 to 128 characters")
    password = password or generated()
    await _set(row, password)
    await session.flush()
    return password


async def set_active(session: AsyncSession, login: str, active: bool) -> None:
    """Put a person aside, or take them back. The caller commits.

    Raises:
        NotFound: there is no such login.
    """
    (await find(session, login)).active = active
    await session.flush()


async def find(session: AsyncSession, login: str) -> UserRow:
    """Return a user.

    Raises:
        NotFound: there is no such login.
    """
    row = (await session.scalars(select(UserRow).where(UserRow.login == login))).first()
    if row is None:
        raise NotFound("no such user", login=login if re.fullmatch(LOGIN, login) else None)
    return row


async def _set(row: UserRow, password: str) -> None:
    row.password_hash = await asyncio.to_thread(HASHER.hash, password)
    row.sip_ha1 = ha1(row.extension, password) if row.extension else None
