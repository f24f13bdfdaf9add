"""200 concurrent calls with audio, half talking, half waiting; then something dies.

`make load` runs them whole; `make test` runs the same with fewer calls (see `SIZE`).
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench import sipp
from bench.stack import Stack, free_port, stack
from tests.load import faults
from tests.load.faults import Load, Watch

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.xdist_group("load")]

SIZE = int(os.environ.get("FAULT_CALLS", "10"))
"""Callers who talk, and as many who wait; the full run has 100."""
SPARE = 5
"""Agents who are paused: nobody of the waiting gets them, the fallback queue does."""
HOLD = 25 + SIZE * 0.25
LATE = [f"1380000{n:04d}" for n in range(SPARE)]


@pytest.fixture
async def loaded(tmp_path: Path) -> AsyncIterator[Load]:
    if not sipp.available():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("sipp is not installed")
    relay_port = free_port()
    async with stack(
        tmp_path, agents=SIZE + SPARE, CALLS__WRAP_UP="3600", LOGGING__LEVEL="WARNING"
    ) as service:
        relay = faults.Cuttable(relay_port, service.config.ami.port)
        await relay.open()
        service.environment = {**service.environment, "HOTLINE_AMI__PORT": str(relay_port)}
        await service.stop_controller()
        await service.start_controller()
        await service.ready()
        await service.phones(ring=0.05)
        await service.all_ready()
        for agent, _ in service.agents[:SPARE]:
            await service.pause(agent, "培训")
        load = Load(service, SIZE)
        load.relay = relay
        await load.begin(hold=HOLD)
        yield load
        await relay.cut()


def said(service: Stack, what: str) -> None:
    print(f"\n[{SIZE * 2} calls] {what}")  # noqa: T201 - a figure of the closing note


async def one_outcome_each(service: Stack, calls: int) -> Counter[str]:
    """Assert on the ledger itself: every call once, each closed with one word."""
    found = faults.rows(service, "SELECT id, outcome FROM calls")
    assert len(found) == len({id for id, _ in found}) == calls
    assert [id for id, outcome in found if outcome is None] == []
    return Counter(outcome for _, outcome in found)


async def test_a_killed_controller_drops_no_call_and_loses_none(loaded: Load) -> None:
    service = loaded.stack
    before = set(await service.channels())
    await service.stop_controller(signal.SIGKILL)
    assert set(await service.channels()) == before
    # new callers, nobody home: the dialplan serves them alone
    await faults.call_and_hear(service, "12336", LATE, hold=6.0)
    after = set(await service.channels())
    assert before <= after, before - after
    await service.start_controller()
    watch = Watch()
    await service.ready()
    await loaded.states({"talking": SIZE, "queued": SIZE}, within=5)

    async def late_calls() -> list[str]:
        calls = await service.every("/api/v1/calls?number=12336&limit=100")
        return [call["outcome"] for call in calls]

    fell_back = await service.until(
        late_calls, lambda found: len(found) == SPARE and None not in found, within=5
    )
    said(service, f"controller killed: all calls known again {watch} after its start")
    assert fell_back == ["fallback"] * SPARE
    await loaded.over()
    counted = await one_outcome_each(service, 2 * SIZE + SPARE)
    said(service, f"controller killed: {dict(counted)}")
    assert counted == {"answered": SIZE, "abandoned_in_queue": SIZE, "fallback": SPARE}
    tickets = faults.rows(service, "SELECT count(DISTINCT call_id) FROM tickets")
    assert tickets == [(SIZE + SPARE,)]
    promised = faults.rows(service, "SELECT count(DISTINCT caller) FROM callbacks")
    assert promised == [(SIZE,)]


async def test_a_cut_ami_link_drops_no_call_and_loses_none(loaded: Load) -> None:
    service = loaded.stack
    before = set(await service.channels())
    await loaded.relay.cut()
    await service.until(lambda: status(service), lambda code: code == 503)
    await faults.call_and_hear(service, "12336", LATE, hold=6.0)
    assert before <= set(await service.channels())
    await loaded.relay.open()
    watch = Watch()
    await service.until(lambda: status(service), lambda code: code == 200)
    await loaded.states({"talking": SIZE, "queued": SIZE}, within=5)
    said(service, f"AMI cut: all calls known again {watch} after it could connect")
    await loaded.over()
    counted = await one_outcome_each(service, 2 * SIZE + SPARE)
    said(service, f"AMI cut: {dict(counted)}")
    # the late callers stood in the unit's queue behind nobody: paused agents are not theirs
    assert counted == {"answered": SIZE, "abandoned_in_queue": SIZE + SPARE}


async def test_a_killed_asterisk_ends_every_call_honestly(loaded: Load) -> None:
    service = loaded.stack
    await service.asterisk.kill()
    await service.until(lambda: status(service), lambda code: code == 503)
    await service.asterisk.start()
    watch = Watch()
    await service.until(loaded.open_calls, lambda left: left == [], within=30)
    said(service, f"Asterisk killed: ledger closed {watch} after it was back")
    counted = await one_outcome_each(service, 2 * SIZE)
    assert counted == {"answered": SIZE, "failed": SIZE}

    async def promised() -> int:
        ((count,),) = faults.rows(service, "SELECT count(DISTINCT caller) FROM callbacks")
        return int(count)

    # who was cut off is called back, also in mid-talk
    await service.until(promised, lambda count: count == 2 * SIZE, within=30)
    # phones and queue members are as they were: a new caller is answered
    agent = service.agents[0][0]
    await service.wish(agent, "ready")
    # phones are asked (OPTIONS) all at once after the start; one whose answer is late on a busy
    # machine stands as unavailable until it is asked again, 15 s later
    await faults.call_and_hear(service, "12345", ["13811110000"], hold=30 + SIZE * 0.3)

    async def last() -> list[str]:
        calls = await service.every("/api/v1/calls?caller=13811110000&limit=1")
        return [call["outcome"] for call in calls]

    await service.until(last, lambda found: found == ["answered"], within=40)


async def test_a_database_locked_for_ten_seconds_costs_no_call(loaded: Load) -> None:
    service = loaded.stack
    await service.wish(service.agents[0][0], "ready")  # takes one of the waiting
    async with faults.locked_database(service):
        await faults.call_and_hear(service, "12336", LATE, hold=6.0)
        await asyncio.sleep(3.0)
    watch = Watch()

    async def late_calls() -> list[str]:
        calls = await service.every("/api/v1/calls?number=12336&limit=100")
        return [call["outcome"] for call in calls]

    await service.until(
        late_calls, lambda found: len(found) == SPARE and None not in found, within=10
    )
    said(service, f"database locked: ledger complete {watch} after the lock was gone")
    await loaded.over()
    counted = await one_outcome_each(service, 2 * SIZE + SPARE)
    said(service, f"database locked: {dict(counted)}")
    assert counted["answered"] == SIZE + 1
    tickets = faults.rows(service, "SELECT count(DISTINCT call_id) FROM tickets")
    assert tickets == [(SIZE + 1,)]


async def status(service: Stack) -> int:
    async with service.http.get(service.web + "/status") as answer:
        return answer.status
