import asyncio
from collections import Counter

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.callbacks import store
from cti.callbacks.store import CallbackFilter
from schemas.callbacks import Callback, CallbackState
from schemas.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
Sessions = async_sessionmaker[AsyncSession]


async def promised(
    sessions: Sessions, caller: str, *, arrived: float = T0, due: float | None = None
) -> Callback:
    async with sessions.begin() as session:
        return await store.promise(
            session,
            caller=caller,
            reason="abandoned",
            call_id=f"n1-{arrived}",
            arrived_at=arrived,
            at=T0 + 100,
            number="12345",
            due=due,
        )


async def claimed(sessions: Sessions, limit: int = 10, now: float = T0 + 1000) -> list[Callback]:
    async with sessions.begin() as session:
        return list(await store.claim_due(session, now=now, limit=limit))


async def test_a_citizen_has_one_live_promise_and_keeps_the_earlier_place(
    sessions: Sessions,
) -> None:
    first = await promised(sessions, "0917", arrived=T0 + 5)
    later = await promised(sessions, "0917", arrived=T0 + 50)
    assert later == first
    earlier = await promised(sessions, "0917", arrived=T0 + 1)
    assert (earlier.id, earlier.arrived_at) == (first.id, T0 + 1)
    assert (await promised(sessions, "0918")).id != first.id


async def test_promises_made_at_once_are_one(sessions: Sessions) -> None:
    async with asyncio.timeout(30):
        made = await asyncio.gather(*(promised(sessions, "0917", arrived=T0 + n) for n in range(8)))
    assert len({promise.id for promise in made}) == 1
    async with sessions() as session:
        (kept,) = await store.find(session, CallbackFilter())
    assert kept.arrived_at == T0


async def test_who_came_first_is_called_first_but_not_before_it_is_due(sessions: Sessions) -> None:
    await promised(sessions, "late", arrived=T0 + 9)
    await promised(sessions, "early", arrived=T0 + 1)
    await promised(sessions, "tomorrow", arrived=T0, due=T0 + 86400)
    assert [c.caller for c in await claimed(sessions, limit=1)] == ["early"]
    assert [c.caller for c in await claimed(sessions)] == ["late"]
    assert await claimed(sessions) == []
    (taken,) = await claimed(sessions, now=T0 + 90000)
    assert (taken.caller, taken.state, taken.tries) == ("tomorrow", CallbackState.DIALLING, 1)


async def test_no_two_workers_take_the_same_promise(sessions: Sessions) -> None:
    for n in range(24):
        await promised(sessions, f"09{n:02}", arrived=T0 + n)
    async with asyncio.timeout(30):
        taken = await asyncio.gather(*(claimed(sessions, limit=3) for _ in range(12)))
    counted = Counter(c.id for part in taken for c in part)
    rest = await claimed(sessions, limit=100)
    assert set(counted.values()) == {1}
    assert len(counted) + len(rest) == 24


async def test_a_promise_is_settled_once_or_tried_again(sessions: Sessions) -> None:
    await promised(sessions, "0917")
    (taken,) = await claimed(sessions)
    async with sessions.begin() as session:
        again = await store.settle(session, taken.id, to=CallbackState.WAITING, due=T0 + 5000)
    assert (again.state, again.due) == (CallbackState.WAITING, T0 + 5000)
    assert await claimed(sessions) == []
    (taken,) = await claimed(sessions, now=T0 + 5000)
    assert taken.tries == 2
    async with sessions.begin() as session:
        await store.settle(session, taken.id, to=CallbackState.DONE)
    async with sessions.begin() as session:
        with pytest.raises(Conflict):
            await store.settle(session, taken.id, to=CallbackState.FAILED)
        with pytest.raises(NotFound):
            await store.settle(session, 999_999, to=CallbackState.DONE)
    fresh = await promised(sessions, "0917")  # a settled promise does not stand in the way
    assert fresh.id != taken.id
    async with sessions.begin() as session:
        gone = await store.settle(session, fresh.id, to=CallbackState.CANCELLED)
    assert gone.state is CallbackState.CANCELLED


@pytest.mark.parametrize("caller", ["9" * 4000, "a\0b", "\ud800", "'; --"])
async def test_hostile_callers_fit(sessions: Sessions, caller: str) -> None:
    assert (await promised(sessions, caller)).id == (await promised(sessions, caller)).id


async def test_nobody_cannot_be_called_back(sessions: Sessions) -> None:
    with pytest.raises(Invalid):
        await promised(sessions, "\0")


async def test_lists_are_filtered(sessions: Sessions) -> None:
    made = [await promised(sessions, f"09{n}") for n in range(4)]
    async with sessions() as session:

        async def ids(**asked: object) -> list[int]:
            found = await store.find(session, CallbackFilter.model_validate(asked))
            return [c.id for c in found]

        assert await ids() == [c.id for c in made[::-1]]
        assert await ids(caller="092") == [made[2].id]
        assert await ids(state="done") == []
        assert await ids(limit=1, before=made[2].id) == [made[1].id]
