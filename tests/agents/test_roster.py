"""People and keys in both databases."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents import keys, roster
from agents.lockout import Lockout
from schemas.errors import Conflict, Invalid, NotFound
from schemas.identity import RIGHTS, Right, Role, Who, may
from schemas.tables import TokenRow

pytestmark = pytest.mark.unit

GOOD: dict[str, Any] = {
    "login": "wang.fang",
    "name": "王芳",
    "role": "agent",
    "extension": "8001",
    "skills": ["hrss"],
}


async def test_a_person_is_added_and_comes_back_as_an_agent(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        password = await roster.add(session, roster.new_user(**GOOD), now=1.0)
        admin = roster.new_user(login="boss", name="陈", role="admin")
        await roster.add(session, admin, now=1.0)
    async with sessions() as session:
        (agent,) = await roster.load(session)
        row = await roster.find(session, "wang.fang")
        assert [user.login for user in await roster.people(session)] == ["boss", "wang.fang"]
    assert (agent.id, agent.interface, agent.skills) == ("8001", "PJSIP/8001", ("hrss",))
    assert roster.verify(row.password_hash, password)
    assert not roster.verify(row.password_hash, password + "x")
    assert row.sip_ha1 == roster.ha1("8001", password)
    assert password not in repr(vars(row))


def test_the_phones_hash_is_the_one_of_rfc_2617() -> None:
    # echo -n 8001:hotline:secret | md5sum
    assert roster.ha1("8001", "secret") == "1883e11af42e1c3a0a846ecd118e3aba"


async def test_login_and_extension_belong_to_one_person(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        await roster.add(session, roster.new_user(**GOOD), now=1.0)
        for other in ({"extension": "8002"}, {"login": "li"}):
            with pytest.raises(Conflict):
                await roster.add(session, roster.new_user(**GOOD | other), now=1.0)


async def test_a_new_password_replaces_both_forms_of_the_old_one(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        old = await roster.add(session, roster.new_user(**GOOD), now=1.0)
        new = await roster.passwd(session, "wang.fang")
        row = await roster.find(session, "wang.fang")
        assert new != old
        assert roster.verify(row.password_hash, new)
        assert not roster.verify(row.password_hash, old)
        assert row.sip_ha1 == roster.ha1("8001", new)
        with pytest.raises(Invalid):
            await roster.passwd(session, "wang.fang", "short")
        with pytest.raises(NotFound):
            await roster.passwd(session, "nobody")


async def test_who_is_put_aside_is_no_agent(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions.begin() as session:
        await roster.add(session, roster.new_user(**GOOD), now=1.0)
        await roster.set_active(session, "wang.fang", False)
        assert await roster.load(session) == ()


HOSTILE = [
    {"login": "Wang"}, {"login": "a"}, {"login": "a" * 32}, {"login": "a b"}, {"login": "a\n"},
    {"login": "王"}, {"login": "a'; DROP TABLE users"}, {"name": ""}, {"name": "  "},
    {"name": "a\nb"}, {"name": "a\x00"}, {"name": "\u202eabc"}, {"name": "x" * 41},
    {"name": "\ud800"}, {"name": "\u2028"}, {"extension": "80"}, {"extension": "8001\n"},
    {"extension": "٨٠٠١"}, {"extension": "../8001"}, {"extension": "8001@x"}, {"extension": None},
    {"role": "root"}, {"role": "reader"}, {"role": "quality"}, {"skills": ["hr,ss"]},
    {"skills": ["a" * 33]}, {"phone": "fax"}, {"password": "short"}, {"password": "x" * 129},
    {"more": 1}, {"unit": "zhujian"}, {"head": True},
    {"role": "unit"}, {"role": "unit", "extension": None, "unit": None},
    {"role": "unit", "extension": None, "unit": "Zhu Jian"},
    {"role": "unit", "extension": None, "unit": "zhujian\n"},
    {"role": "unit", "extension": None, "unit": "x" * 33},
    {"role": "admin", "unit": "zhujian"}, {"role": "inspector", "extension": None, "head": True},
]  # fmt: skip


@pytest.mark.parametrize("fault", HOSTILE, ids=repr)
def test_hostile_people_are_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        roster.new_user(**GOOD | fault)


def test_all_faults_of_a_person_are_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        roster.new_user(login="X", name="", role="x", extension="1", password="p")
    faults = refused.value.details["faults"]
    assert isinstance(faults, list)
    assert {fault["key"] for fault in faults} == {"login", "name", "role", "extension", "password"}


def test_faults_of_form_do_not_hide_those_of_the_role() -> None:
    with pytest.raises(Invalid) as refused:
        roster.new_user(login="X", name="张三", role="unit", extension="8001", phone="fax")
    faults = refused.value.details["faults"]
    assert isinstance(faults, list)
    assert {fault["key"] for fault in faults} == {"login", "extension", "phone", "unit"}
    with pytest.raises(Invalid) as refused:
        roster.new_user(login="li", name="李", role="agent", unit="zhujian", head=True)
    faults = refused.value.details["faults"]
    assert isinstance(faults, list)
    assert {fault["key"] for fault in faults} == {"extension", "unit", "head"}


async def test_a_units_people_are_of_their_unit(sessions: async_sessionmaker[AsyncSession]) -> None:
    clerk = roster.new_user(login="zhujian", name="张三", role="unit", unit="zhujian")
    head = roster.new_user(login="boss", name="李四", role="unit", unit="zhujian", head=True)
    async with sessions.begin() as session:
        for user in (clerk, head):
            await roster.add(session, user, now=1.0)
        found = [keys.who_is_user(await roster.find(session, u.login)) for u in (clerk, head)]
        assert await roster.load(session) == ()
    assert found == [
        Who(kind="user", id="zhujian", role=Role.UNIT, unit="zhujian", head=False, name="张三"),
        Who(kind="user", id="boss", role=Role.UNIT, unit="zhujian", head=True, name="李四"),
    ]


async def test_a_unit_in_the_row_of_another_role_means_nothing(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        await roster.add(session, roster.new_user(**GOOD), now=1.0)
        row = await roster.find(session, "wang.fang")
        row.unit, row.head = "zhujian", True
        who = keys.who_is_user(row)
    assert (who.unit, who.head) == (None, False)


async def test_the_system_of_a_unit_has_a_token_of_that_unit(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        token = await keys.create_token(session, role=Role.UNIT, unit="zhujian", now=1.0)
        who = await keys.token_owner(session, token)
    assert who is not None
    assert (who.role, who.unit, who.head, who.name) == (Role.UNIT, "zhujian", False, "")


@pytest.mark.parametrize(
    ("role", "unit"),
    [(Role.UNIT, None), (Role.UNIT, "x y"), (Role.UNIT, "zhujian\n"), (Role.ADMIN, "zhujian")],
)
async def test_a_token_whose_unit_does_not_fit_is_not_made(
    sessions: async_sessionmaker[AsyncSession], role: Role, unit: str | None
) -> None:
    async with sessions.begin() as session:
        with pytest.raises(Invalid):
            await keys.create_token(session, role=role, unit=unit, now=1.0)


def test_passwords_do_not_show_in_a_repr() -> None:
    assert "correct horse" not in repr(roster.new_user(**GOOD, password="correct horse battery"))


def test_a_broken_hash_opens_nothing() -> None:
    assert not roster.verify("not a hash", "x")


async def test_a_token_is_kept_as_its_hash_and_can_be_revoked(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        token = await keys.create_token(
            session, role=Role.AGENT, agent="8001", label="测试", now=1.0
        )
    assert re.fullmatch(r"hl_[\w-]{43}", token)
    async with sessions.begin() as session:
        (row,) = await keys.tokens(session)
        assert token not in repr(vars(row))
        who = await keys.token_owner(session, token)
        assert who == Who(kind="token", id=row.id[:12], role=Role.AGENT, agent="8001")
        await keys.revoke_token(session, row.id[:8], now=2.0)
        assert await keys.token_owner(session, token) is None
        with pytest.raises(NotFound):
            await keys.revoke_token(session, row.id, now=3.0)


async def test_a_token_is_not_made_nor_revoked_from_hostile_words(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        for extra in ({"label": "a\nb"}, {"label": "x" * 81}, {"agent": "8001;"}):
            with pytest.raises(Invalid):
                await keys.create_token(session, role=Role.AGENT, now=1.0, **extra)
        for id in ("", "abc", "%%%%%%%%", "x' OR 1=1 --"):
            with pytest.raises(Invalid):
                await keys.revoke_token(session, id, now=1.0)
        for n in range(2):
            session.add(TokenRow(id=f"abcdef12{n}", role="reader", label="", created_at=1.0))
        await session.flush()
        with pytest.raises(Invalid, match="several"):
            await keys.revoke_token(session, "abcdef12", now=1.0)


TIMES = st.lists(st.integers(0, 5000).map(float), max_size=30).map(sorted)


@given(TIMES)
def test_nobody_is_locked_before_the_fifth_failure_nor_longer_than_the_window(
    times: list[float],
) -> None:
    lockout = Lockout(failures=5, window=900)
    noted: list[float] = []
    for now in times:
        recent = [at for at in noted[-5:] if at > now - 900]
        assert (lockout.locked_for("k", now=now) > 0) == (len(recent) >= 5)
        assert lockout.locked_for("k", now=now) <= 900
        if not lockout.locked_for("k", now=now):
            lockout.failed("k", now=now)
            noted.append(now)


def test_the_lockout_forgets_the_oldest_of_too_many_keys() -> None:
    lockout = Lockout(failures=1, keys=2)
    for key in "abc":
        lockout.failed(key, now=0)
    assert [lockout.locked_for(key, now=1) > 0 for key in "abc"] == [False, True, True]
    lockout.succeeded("c")
    assert lockout.locked_for("c", now=1) == 0


def test_an_admin_has_every_right_but_a_units_own_and_readers_change_nothing() -> None:
    changes = {Right.WRITE_TICKETS, Right.WRITE_CALLBACKS, Right.STEER_AGENTS, Right.ADMIN}
    assert RIGHTS[Role.ADMIN] == set(Right) - {Right.HANDLE_CASES}
    assert [role for role in Role if Right.ADMIN in RIGHTS[role]] == [Role.ADMIN]
    for role in (Role.READER, Role.INSPECTOR, Role.QUALITY, Role.UNIT):
        assert not RIGHTS[role] & changes
    assert set(RIGHTS) == set(Role)
    assert not may(Who(kind="token", id="x", role=Role.AGENT), Right.STEER_AGENTS)
