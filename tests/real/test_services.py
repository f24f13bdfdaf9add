"""What the city's own flows offer beside a queue: messages, promises, 110, a ticket's progress.

Every case is a real call by a real citizen who presses keys; the ledger, the rows behind it and
what was heard tell whether it worked.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline.carrier import Behaviour, Carrier
from tests.real import whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("services"),
]

_callers = itertools.count(13_700_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with whole.service(
        tmp_path_factory.mktemp("services"), agents=2, CALLS__RING="5", CALLS__WRAP_UP="0.1"
    ) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(service: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(service) as made:
        yield made


@pytest.fixture
def caller() -> str:
    return str(next(_callers))


async def on_duty(service: Stack, *agents: str) -> None:
    """Let exactly these agents be ready."""
    for agent, _ in service.agents:
        await service.wish(agent, "ready" if agent in agents else "offline")
    for agent in agents:
        await whole.state(service, agent, "ready")

    async def members() -> str:
        return await service.asterisk.console("queue show citizens")

    await service.until(members, lambda said: said.count("PJSIP/") == len(agents))


def steps(call: whole.Row) -> list[str]:
    """Return the steps whose prompts were heard, in order, each once in a row."""
    played = [e["detail"]["step"] for e in call["timeline"] if e["kind"] == "PromptPlayed"]
    return [step for step, _ in itertools.groupby(played)]


async def test_who_finds_no_agent_on_duty_leaves_a_message_and_is_promised_a_call(
    service: Stack, city: Carrier, caller: str
) -> None:
    await on_duty(service)
    # 1 cuts the offer; the voice is the message
    dialled = await city.call("12345", caller=caller, keys="ww5wwwww1", hold=6)
    await whole.row(service, caller, has(route="message"))
    messages = service.asterisk.recordings
    async with asyncio.timeout(20):
        await dialled.spoke.wait()
        while not (found := list(messages.rglob("*-message.wav"))):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    call = await whole.closed(service, caller, within=30)
    assert call["outcome"] == "callback_promised"
    assert steps(call) == ["main/greet", "before_queue/away", "leave_message/message"]
    assert call["recording"] is not None
    assert call["recording"].endswith("-message.wav")
    assert (messages / call["recording"]) in found
    (promise,) = await service.get(f"/api/v1/callbacks?caller={caller}")
    assert (promise["reason"], promise["call_id"]) == ("promised", call["id"])


async def test_in_a_surge_the_caller_is_offered_a_call_first(
    service: Stack, city: Carrier, caller: str
) -> None:
    await on_duty(service, service.agents[0][0])
    await service.put("/api/v1/switches/surge", {"on": True, "why": "暴雨"})
    await city.call("12345", caller=caller, keys="ww5wwww1")
    call = await whole.closed(service, caller, within=40)
    await service.put("/api/v1/switches/surge", {"on": False, "why": "雨停了"})
    assert steps(call)[:2] == ["main/greet", "before_queue/storm"]
    prompts = [e["detail"]["prompt"] for e in call["timeline"] if e["kind"] == "PromptPlayed"]
    assert "callback-confirm" in prompts
    assert prompts.count("n-yao") == caller.count("1"), (
        "the caller's own number is read out, 1 as 幺"
    )
    (promise,) = await service.get(f"/api/v1/callbacks?caller={caller}")
    assert promise["reason"] == "promised"
    (switch,) = await service.get("/api/v1/switches")
    assert [turn["why"] for turn in switch["turns"]] == ["雨停了", "暴雨"]


async def test_who_calls_again_within_a_day_gets_the_same_agent(
    service: Stack, city: Carrier, caller: str
) -> None:
    first, second = (agent for agent, _ in service.agents)
    await on_duty(service, second)
    dialled = await city.call("12345", caller=caller, keys="ww5")
    call = await whole.row(service, caller, has(state="talking"))
    assert call["agent"] == second
    await city.hang_up(dialled)
    await whole.closed(service, caller)
    await on_duty(service, first, second)
    again = await city.call("12345", caller=caller, keys="ww5")
    call = await whole.row(service, caller, has(state="talking"))
    await city.hang_up(again)
    assert (call["agent"], call["route"]) == (second, f"queue:agent-{second}>citizens")
    assert "before_queue/same_agent" in steps(call)


async def test_110_by_the_shortcut_is_never_queued_and_is_an_emergency_when_it_answers(
    service: Stack, city: Carrier, caller: str
) -> None:
    await on_duty(service, service.agents[0][0])
    await city.behave(line_110=Behaviour(ring=0.5, talk=1))
    rings = city.expect("LineRings", Line="110")
    dialled = await city.call("12345", caller=caller, keys="ww9wwww1wwww1")
    async with asyncio.timeout(30):
        assert (await rings)["Line"] == "110"
    call = await whole.closed(service, caller, within=30)
    await city.hang_up(dialled)
    assert (call["route"], call["outcome"]) == ("transfer:110", "emergency")
    kinds = [e["kind"] for e in call["timeline"]]
    assert "QueueJoined" not in kinds
    assert steps(call) == ["main/greet", "services/menu", "emergency/which", "emergency/police"]


async def test_an_emergency_number_that_does_not_answer_gives_the_caller_to_an_agent(
    service: Stack, city: Carrier, caller: str
) -> None:
    agent = service.agents[0][0]
    await on_duty(service, agent)
    await city.behave(line_119=Behaviour(manner="busy"))
    dialled = await city.call("12345", caller=caller, keys="ww9wwww1wwww2")
    call = await whole.row(service, caller, has(state="talking", agent=agent), within=30)
    await city.hang_up(dialled)
    assert call["route"] == "transfer:119"
    assert (await whole.closed(service, caller))["outcome"] == "answered"


async def test_a_citizen_hears_how_far_their_own_ticket_is(
    service: Stack, city: Carrier, caller: str
) -> None:
    agent = service.agents[0][0]
    await on_duty(service, agent)
    dialled = await city.call("12345", caller=caller, keys="ww5")
    call = await whole.row(service, caller, has(state="talking", ticket_id=...))
    await city.hang_up(dialled)
    await whole.closed(service, caller)
    digits = "".join(c for c in call["ticket_id"] if c.isdigit())
    asked = await city.call("12345", caller=caller, keys=f"ww2wwww{digits}#")
    told = await whole.row(
        service, caller, lambda c: c["id"] != call["id"] and c["outcome"] is not None, within=40
    )
    await city.hang_up(asked)
    assert told["outcome"] == "self_service"
    prompts = [e["detail"]["prompt"] for e in told["timeline"] if e["kind"] == "PromptPlayed"]
    assert "ticket-open" in prompts
    # somebody else's telephone learns nothing
    stranger = f"{caller}7"
    curious = await city.call("12345", caller=stranger, keys=f"ww2wwww{digits}#")
    other = await whole.row(service, stranger, has(state="talking"), within=30)
    await city.hang_up(curious)
    prompts = [e["detail"]["prompt"] for e in other["timeline"] if e["kind"] == "PromptPlayed"]
    assert "ticket-unknown" in prompts
    assert "ticket-open" not in prompts


async def test_what_the_hotline_does_not_take_is_told_with_where_to_turn(
    service: Stack, city: Carrier
) -> None:
    await on_duty(service, service.agents[0][0])

    async def ask(which: int) -> whole.Row:
        number = str(next(_callers))
        await city.call("12345", caller=number, keys=f"ww9wwww5wwww{which}")
        return await whole.closed(service, number, within=40)

    calls = await asyncio.gather(*(ask(which) for which in (1, 2, 3, 5, 6, 7)))
    assert {call["outcome"] for call in calls} == {"out_of_scope"}
    assert [steps(call)[-1] for call in calls] == [
        f"scope/scope_{which}" for which in (1, 2, 3, 5, 6, 7)
    ]
