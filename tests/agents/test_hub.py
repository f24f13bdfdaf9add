"""Numbers without gaps, bounded outboxes, and one desk an agent."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.hub import REPLACED, TOO_SLOW, Closed, Hub, Outbox
from schemas.calls import AgentId

pytestmark = pytest.mark.unit

ME, OTHER = AgentId("8001"), AgentId("8002")


async def lines(outbox: Outbox, count: int) -> list[int]:
    async with asyncio.timeout(5):
        return [json.loads(await outbox.next())["v"] for _ in range(count)]


async def test_each_desk_counts_for_itself_and_also_while_nobody_listens() -> None:
    hub = Hub()
    hub.publish(ME, "state", {})
    hub.publish(OTHER, "state", {})
    with hub.subscribe(ME) as mine, hub.subscribe(OTHER) as others:
        assert (hub.v(ME), hub.v(OTHER)) == (1, 1)
        for _ in range(3):
            hub.publish(ME, "state", {})
        hub.publish(OTHER, "state", {})
        assert await lines(mine, 3) == [2, 3, 4]
        assert await lines(others, 1) == [2]


async def test_numbers_have_no_gap_whoever_publishes_at_the_same_time() -> None:
    hub = Hub(size=1000)

    async def publisher() -> None:
        for _ in range(50):
            hub.publish(ME, "call", {})
            await asyncio.sleep(0)

    with hub.subscribe(ME) as outbox:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(publisher())
            seen = tasks.create_task(lines(outbox, 500))
        assert seen.result() == list(range(1, 501))


async def test_the_newer_desk_wins_and_the_older_one_is_told() -> None:
    hub = Hub()
    with hub.subscribe(ME) as older:
        with hub.subscribe(ME) as newer:
            with pytest.raises(Closed) as told:
                await lines(older, 1)
            assert told.value.code == REPLACED
            hub.publish(ME, "state", {})
            assert await lines(newer, 1) == [1]
        assert not hub.online(ME)


async def test_an_older_desk_that_leaves_late_does_not_close_the_newer_one() -> None:
    hub = Hub()
    older = hub.subscribe(ME)
    older.__enter__()
    with hub.subscribe(ME) as newer:
        older.__exit__(None, None, None)
        assert hub.online(ME)
        hub.publish(ME, "state", {})
        assert await lines(newer, 1) == [1]


@given(st.integers(1, 20), st.integers(0, 60))
def test_a_full_outbox_closes_and_never_grows(size: int, count: int) -> None:
    outbox = Outbox(size)
    for number in range(count):
        outbox.put(json.dumps({"v": number}))
        assert outbox._lines.qsize() <= size

    async def read() -> None:
        if count > size:
            with pytest.raises(Closed) as told:
                await outbox.next()
            assert told.value.code == TOO_SLOW
        else:
            assert await lines(outbox, count) == list(range(count))

    asyncio.run(read())


async def test_a_closed_outbox_takes_nothing_more() -> None:
    outbox = Outbox(2)
    outbox.close(1001, "bye")
    outbox.close(1002, "again")
    outbox.put("late")
    with pytest.raises(Closed) as told:
        await outbox.next()
    assert (told.value.code, str(told.value)) == (1001, "bye")
