"""A person answers although our controller is dead, hung or slow; afterwards the ledger knows all.

Seconds are Asterisk's own: from Answer() to Queue(fallback) in its channel log.
"""

import asyncio
import itertools
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline.carrier import Behaviour, Carrier
from tests.real import raw_sip, whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("failopen"),
]
log = logging.getLogger(__name__)

FALLBACK_WITHIN = 2.0
"""Seconds from Answer that are promised."""
_callers = itertools.count(13_700_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("failopen")
    async with whole.service(folder, agents=2, CALLS__RING="5", CALLS__WRAP_UP="1") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(running: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(running) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(running: Stack) -> AsyncIterator[raw_sip.Line]:
    async with raw_sip.line(running.sip) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def service(running: Stack, city: Carrier, line: raw_sip.Line) -> AsyncIterator[Stack]:
    """Yield the service with its controller alive and nobody signed on; leave it so."""
    await city.behave(phone_2001=Behaviour(), phone_2002=Behaviour())
    yield running
    line.all_hang_up()
    await revive(running)
    for agent, _ in running.agents:
        await running.wish(agent, "offline")
    await running.until(running.channels, lambda there: not there)


async def revive(made: Stack) -> None:
    """Let the controller live, whatever was done to it."""
    assert made._controller is not None
    if made._controller.returncode is None:
        made._controller.send_signal(signal.SIGCONT)
    else:
        await made.start_controller()
    await made.ready()


async def joined_fallback(made: Stack, caller: str, within: float = 10) -> float:
    """Return the seconds from Answer to the fallback queue of this caller's call."""

    async def ask() -> list[float]:
        calls = {r["linkedid"] for r in whole.cel(made) if r["caller"] == caller}
        return [t for call, t in whole.fallback_times(made).items() if call in calls]

    return float((await made.until(ask, bool, within=within))[0])


async def harm(made: Stack, fault: str, stack: AsyncExitStack) -> None:
    if fault == "hung":
        await made.stop_controller(signal.SIGSTOP)
        return
    await made.stop_controller(signal.SIGKILL)
    if fault == "slow":

        async def crawl(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readline():  # an answer, or a line of the environment
                await asyncio.sleep(3)
                writer.write(b'VERBOSE "thinking" 1\n')
            writer.close()

        server = await asyncio.start_server(crawl, "127.0.0.1", made.config.agi.port)
        stack.callback(server.close)


@pytest.mark.parametrize("fault", ["dead", "hung", "slow"])
async def test_without_a_working_controller_a_person_answers_and_the_ledger_learns_of_it(
    service: Stack, city: Carrier, line: raw_sip.Line, fault: str
) -> None:
    patient, impatient = str(next(_callers)), str(next(_callers))
    async with AsyncExitStack() as stack:
        await harm(service, fault, stack)
        await city.behave(
            phone_2001=Behaviour(manner="ringout"), phone_2002=Behaviour(manner="ringout")
        )
        first = line.invite(
            "12345", caller=impatient, headers=["Diversion: <sip:12336@carrier.example>"]
        )
        assert await first.final() == 200
        seconds = [await joined_fallback(service, impatient)]
        first.hang_up()
        await first.gone()

        await city.behave(phone_2001=Behaviour(voice="tone"), phone_2002=Behaviour(voice="tone"))
        second = line.invite("3206789", caller=patient)
        assert await second.final() == 200
        seconds.append(await joined_fallback(service, patient))

        async def tone() -> float:
            return whole.seconds_of_tone(whole.of_ulaw(second.heard[-16000:]), 1000)

        await service.until(tone, lambda heard: heard > 1)  # nobody signed on, and yet
        second.hang_up()
        await second.gone()
    log.info("%s: fallback queue %s s after Answer", fault, [round(s, 3) for s in seconds])
    assert max(seconds) <= FALLBACK_WITHIN

    await revive(service)
    served = await whole.closed(service, patient)
    assert {k: served[k] for k in ("outcome", "number", "attribution", "queue", "did")} == {
        "outcome": "fallback", "number": "3206789", "attribution": "did", "queue": "fallback",
        "did": "3206789",
    }  # fmt: skip
    assert served["agent"] in ("2001", "2002")
    assert served["answered_at"]
    served = await whole.row(service, patient, has(ticket_id=...))
    ticket = await service.get(f"/api/v1/tickets/{served['ticket_id']}")
    assert (ticket["call_id"], ticket["caller"], ticket["number"]) == (
        served["id"], patient, "3206789",
    )  # fmt: skip
    gave_up = await whole.closed(service, impatient)
    assert {k: gave_up[k] for k in ("outcome", "number", "attribution")} == {
        "outcome": "abandoned_in_queue", "number": "12336", "attribution": "redirecting",
    }  # fmt: skip
    promises = await service.until(
        lambda: service.get("/api/v1/callbacks"),
        lambda found: any(p["caller"] == impatient for p in found),
    )
    assert [p["state"] for p in promises if p["caller"] == impatient] == ["waiting"]
    assert not [p for p in promises if p["caller"] == patient]
    for caller in (patient, impatient):
        assert len(await service.every(f"/api/v1/calls?caller={caller}")) == 1


async def test_a_controller_that_dies_in_the_middle_of_the_greeting_loses_nobody(
    service: Stack, city: Carrier, line: raw_sip.Line
) -> None:
    caller = str(next(_callers))
    answered = city.expect("PhoneAnswered")
    call = line.invite("12369", caller=caller)
    await call.hears()
    await whole.row(service, caller, has(state="flow", number="12369"))
    await service.stop_controller(signal.SIGKILL)
    log.info("killed in the greeting: %.3f s", await joined_fallback(service, caller))
    async with asyncio.timeout(15):
        await answered
    call.hang_up()
    await call.gone()
    await revive(service)
    found = await whole.row(service, caller, has(outcome=..., ticket_id=...))
    assert {k: found[k] for k in ("outcome", "number", "integration", "attribution", "queue")} == {
        "outcome": "fallback", "number": "12369", "integration": "dual_run", "attribution": "did",
        "queue": "fallback",
    }  # fmt: skip


async def test_who_talks_and_who_waits_when_the_controller_dies_are_served_without_it(
    service: Stack, city: Carrier, line: raw_sip.Line
) -> None:
    talking, waiting = str(next(_callers)), str(next(_callers))
    await city.behave(phone_2001=Behaviour(voice="tone"))
    await service.wish("2001", "ready")
    first = line.invite("12345", caller=talking)
    await first.hears()
    first.press("0")
    await whole.row(service, talking, has(state="talking", agent="2001", ticket_id=...))
    second = line.invite("12336", caller=waiting)
    await second.hears()
    second.press("0")
    await whole.row(service, waiting, has(state="queued"))
    await whole.written(service, talking, waiting, number=...)
    before = sorted(await service.channels())
    await service.stop_controller(signal.SIGKILL)

    spoken = len(first.heard)
    await service.until(_length(first), lambda heard: heard > spoken + 8000)  # a second of talk
    assert whole.seconds_of_tone(whole.of_ulaw(first.heard[-8000:]), 1000) > 0.8
    assert sorted(await service.channels()) == before
    rings = city.expect("PhoneAnswered", Phone="2001")
    first.hang_up()
    await first.gone()
    async with asyncio.timeout(20):
        await rings  # app_queue gives the free agent to who waits
    await revive(service)
    await whole.row(service, waiting, has(state="talking", agent="2001"))
    second.hang_up()
    await second.gone()
    for caller, number in ((talking, "12345"), (waiting, "12336")):
        found = await whole.row(service, caller, has(outcome=..., ticket_id=...))
        assert {k: found[k] for k in ("outcome", "number", "attribution", "agent")} == {
            "outcome": "answered", "number": number, "attribution": "did", "agent": "2001",
        }, caller  # fmt: skip
        assert found["ended_at"] > found["answered_at"] > found["started_at"]


async def test_a_new_controller_knows_who_waits_and_who_talks(
    service: Stack, city: Carrier, line: raw_sip.Line
) -> None:
    talking, waiting = str(next(_callers)), str(next(_callers))
    for agent, _ in service.agents:  # nobody else may take the one who waits
        await service.wish(agent, "offline")
    await service.until(service.members, lambda there: not there)
    await service.wish("2002", "ready")
    first = line.invite("12345", caller=talking)
    await first.hears()
    first.press("0")
    await whole.row(service, talking, has(state="talking", agent="2002"))
    second = line.invite("12320", caller=waiting)
    await second.hears()
    second.press("0")
    await whole.row(service, waiting, has(state="queued"))
    await whole.written(service, talking, waiting, number=...)
    await service.stop_controller(signal.SIGKILL)
    await revive(service)
    talk = await whole.row(service, talking, has(state="talking", agent="2002"))

    async def second_agent() -> whole.Row:
        return dict(await service.get("/api/v1/agents/2002"))

    await service.until(second_agent, has(state="talking", call=talk["id"]))
    await whole.row(service, waiting, has(state="queued", queue="citizens", number="12320"))
    async with whole.desk(service, "2002") as desk:
        assert desk.snapshot["me"]["state"] == "talking"
        assert desk.snapshot["pop"]["caller"] == talking
        first.hang_up()
        await first.gone()
        await desk.see("state", state="wrap_up")
        await whole.row(service, waiting, has(state="talking", agent="2002"))
    second.hang_up()
    await second.gone()
    for caller in (talking, waiting):
        assert (await whole.closed(service, caller))["outcome"] == "answered"


def _length(call: raw_sip.RawCall):  # type: ignore[no-untyped-def]
    async def ask() -> int:
        return len(call.heard)

    return ask
