"""Words to app_queue: in order for each agent, bounded, and survived by their failures."""

import asyncio

import pytest

from agents.errands import BOUND, Errands

pytestmark = pytest.mark.unit


async def test_one_agents_errands_keep_their_order_and_anothers_do_not_wait() -> None:
    errands, order, gate = Errands(), list[str](), asyncio.Event()
    last = asyncio.Event()

    async def slow() -> None:
        await gate.wait()
        order.append("slow")

    async def quick() -> None:
        order.append("quick")

    errands.add("one", slow, lambda _: None)
    errands.add("one", quick, lambda _: last.set())
    other = asyncio.Event()
    errands.add("two", quick, lambda _: other.set())
    async with asyncio.timeout(5):
        await other.wait()
        gate.set()
        await last.wait()
    assert order == ["quick", "slow", "quick"]
    await errands.close()


async def test_a_failed_errand_is_told_and_the_next_one_runs() -> None:
    errands, heard, done = Errands(), list[Exception | None](), asyncio.Event()

    async def broken() -> None:
        raise ValueError("no")

    async def fine() -> None:
        pass

    errands.add("one", broken, heard.append)
    errands.add("one", fine, lambda error: (heard.append(error), done.set()))
    async with asyncio.timeout(5):
        await done.wait()
    assert isinstance(heard[0], ValueError)
    assert heard[1:] == [None]


async def test_more_errands_than_may_wait_are_refused_and_closing_ends_the_rest() -> None:
    errands, heard, started = Errands(), list[Exception | None](), asyncio.Event()

    async def never() -> None:
        started.set()
        await asyncio.Event().wait()

    errands.add("one", never, heard.append)
    async with asyncio.timeout(5):
        await started.wait()
    for _ in range(BOUND + 2):
        errands.add("one", never, heard.append)
    assert [type(error) for error in heard] == [asyncio.QueueFull] * 2
    await errands.close()
    assert len(heard) == 2
