import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti import switches
from schemas.switches import Switch

pytestmark = pytest.mark.unit
Sessions = async_sessionmaker[AsyncSession]


async def turn(sessions: Sessions, *, on: bool, at: float, why: str = "暴雨") -> bool:
    async with sessions.begin() as session:
        return await switches.turn(session, Switch.SURGE, on=on, who="user:chen", why=why, at=at)


async def test_a_switch_nobody_turned_is_off(sessions: Sessions) -> None:
    known = switches.Switches()
    async with sessions() as session:
        await known.look(session)
        assert (await switches.shown(session, Switch.SURGE)).turns == []
    assert not known.on(Switch.SURGE)


async def test_every_turn_is_kept_with_who_and_why(sessions: Sessions) -> None:
    assert await turn(sessions, on=True, at=100.0)
    assert await turn(sessions, on=False, at=200.0, why="雨停了")
    assert await turn(sessions, on=True, at=300.0, why="又下了")
    async with sessions() as session:
        found = await switches.shown(session, Switch.SURGE)
    assert found.on
    assert [(t.on, t.who, t.why) for t in found.turns] == [
        (True, "user:chen", "又下了"),
        (False, "user:chen", "雨停了"),
        (True, "user:chen", "暴雨"),
    ]


async def test_turning_it_to_where_it_stands_leaves_no_trace(sessions: Sessions) -> None:
    assert not await turn(sessions, on=False, at=100.0)
    assert await turn(sessions, on=True, at=200.0)
    assert not await turn(sessions, on=True, at=300.0)
    async with sessions() as session:
        assert len((await switches.shown(session, Switch.SURGE)).turns) == 1


async def test_who_looks_again_sees_what_another_process_turned(sessions: Sessions) -> None:
    known = switches.Switches()
    await turn(sessions, on=True, at=100.0)
    assert not known.on(Switch.SURGE)
    async with sessions() as session:
        await known.look(session)
    assert known.on(Switch.SURGE)
    await turn(sessions, on=False, at=200.0)
    async with sessions() as session:
        await known.look(session)
    assert not known.on(Switch.SURGE)
