"""Agents on desk phones: what rings, what the screen shows, what is written, what is heard."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline.carrier import Behaviour, Carrier, CitizensCall
from tests.real import raw_sip, whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("agents"),
]

LAND = "2012"
"""The agent skilled for the unit of 12336; each test uses agents of its own."""
KEY = "ww5"
"""A key that asks for nothing cuts the prompt a second after the answer; earlier it is lost."""
_callers = itertools.count(13_800_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("agents")
    async with whole.service(
        folder, agents=11, skilled=["guotu"], CALLS__RING="5", CALLS__WRAP_UP="1"
    ) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_city(service: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(service) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def city(service: Stack, running_city: Carrier) -> AsyncIterator[Carrier]:
    """Yield the city; afterwards everybody has hung up and signed off."""
    yield running_city
    for call in list(running_city._calls.values()):
        await running_city.hang_up(call)
    for agent, _ in service.agents:
        await service.wish(agent, "offline")

    async def left() -> str:
        return await service.asterisk.console("queue show citizens")

    await service.until(service.channels, lambda there: not there)
    await service.until(left, lambda said: "PJSIP/" not in said)


@pytest.fixture
def caller() -> str:
    """Return a citizen's number that nobody has called from."""
    return str(next(_callers))


async def ready(service: Stack, *agents: str) -> None:
    """Sign agents on and wait until app_queue would ring them."""
    for agent in agents:
        await service.wish(agent, "ready")

    async def shown() -> dict[str, str]:
        said = await service.asterisk.console("queue show citizens")
        return {line.split()[0]: line for line in said.splitlines() if "PJSIP/" in line}

    await service.until(
        shown, lambda members: all("paused" not in members.get(a, "paused") for a in agents)
    )


async def over(service: Stack, city: Carrier, call: CitizensCall, caller: str) -> whole.Row:
    """Let the citizen hang up and return the closed call."""
    await city.hang_up(call)
    async with asyncio.timeout(10):
        await call.ended.wait()
    return await whole.closed(service, caller)


async def test_the_screen_shows_the_call_while_the_phone_begins_to_ring(
    service: Stack, city: Carrier, caller: str
) -> None:
    await city.behave(phone_2001=Behaviour(ring=0.5))
    async with whole.desk(service, "2001") as desk:
        assert desk.snapshot["me"]["state"] == "offline"
        await ready(service, "2001")
        rings = city.expect("PhoneRings", Phone="2001")
        call = await city.call(
            "12345", caller=caller, keys=KEY, diversion=["<sip:12336@carrier.example>"]
        )
        pop = await desk.see("pop", caller=caller, history=...)
        async with asyncio.timeout(10):
            rang = await rings
        assert (
            float(rang["Timestamp"]) > desk.when("pop", caller=caller) - 1
        )  # see bench/pop_latency
        assert (pop["number"], pop["hotline"], pop["owner_unit"], pop["attribution"]) == (
            "12336", "国土资源违法举报热线", "市国土局", "redirecting",
        )  # fmt: skip
        assert pop["queue"] == "unit-guotu"
        assert pop["waited"] > 0.5  # the key came a second after the answer
        assert (pop["history"], pop["open_tickets"]) == ([], [])

        drafted = await desk.see("ticket", call=pop["call"])
        await desk.see("call", state="talking", agent="2001")
        ticket = await service.get(f"/api/v1/tickets/{drafted['id']}")
        assert {k: ticket[k] for k in ("call_id", "state", "caller", "number", "agent")} == {
            "call_id": pop["call"], "state": "draft", "caller": caller, "number": "12336",
            "agent": "2001",
        }  # fmt: skip
        first = await over(service, city, call, caller)
        assert (first["outcome"], first["agent"], first["ticket_id"]) == (
            "answered", "2001", drafted["id"],
        )  # fmt: skip
        await desk.see("pop_closed", call=pop["call"], why="done")

        # the same citizen again, at once: the first call and its ticket are on the screen
        past = len(desk.told)
        call = await city.call("12345", caller=caller, keys=KEY)
        again = await desk.see("pop", past=past, caller=caller, history=...)
        assert [e["id"] for e in again["history"]] == [first["id"]]
        assert again["history"][0]["outcome"] == "answered"
        assert [t["id"] for t in again["open_tickets"]] == [drafted["id"]]
        assert again["call"] != first["id"]
        await desk.see("ticket", call=again["call"])
        second = await over(service, city, call, caller)
        assert second["ticket_id"] not in (None, first["ticket_id"])


async def test_after_a_talk_comes_wrap_up_and_then_the_agent_is_ready_again(
    service: Stack, city: Carrier, caller: str
) -> None:
    async with whole.desk(service, "2002") as desk:
        await ready(service, "2002")
        call = await city.call("12345", caller=caller, keys=KEY)
        await desk.see("state", state="talking")
        await over(service, city, call, caller)
        await desk.see("state", state="wrap_up", wrap_up_ends=...)
        past = len(desk.told)
        await desk.see("state", past=past, state="ready")
        states = [c["body"]["state"] for c in desk.told if c["type"] == "state"]
        assert [s for s, _ in itertools.groupby(states)] == [
            "ready", "ringing", "talking", "wrap_up", "ready",
        ]  # fmt: skip
        numbers = [change["v"] for change in desk.told]
        first = desk.snapshot["v"] + 1
        assert numbers == list(range(first, first + len(numbers)))


async def test_a_paused_agent_is_not_rung_and_a_ready_one_is(
    service: Stack, city: Carrier, caller: str
) -> None:
    await ready(service, "2003", "2004")
    async with service.http.post(
        f"{service.web}/api/v1/agents/2003/state", json={"do": "pause", "reason": "开会"}
    ) as answer:
        assert (await answer.json())["state"] == "paused"

    async def shown() -> str:
        return await service.asterisk.console("queue show citizens")

    await service.until(shown, lambda said: said.count("paused") == 1)
    quiet = city.expect("PhoneRings", Phone="2003")
    for turn in range(2):  # whoever is asked first, both rings go to the other one
        call = await city.call("12345", caller=caller, keys=KEY)
        found = await whole.row(service, caller, has(agent=..., outcome=None))
        assert found["agent"] == "2004", turn
        await over(service, city, call, caller)
        await whole.state(service, "2004", "ready")
    assert not quiet.done()
    quiet.cancel()
    found = await service.get("/api/v1/agents/2003")
    assert (found["state"], found["reason"]) == ("paused", "开会")


async def test_two_missed_rings_pause_an_agent_and_the_citizen_reaches_another(
    service: Stack, city: Carrier, caller: str
) -> None:
    await city.behave(phone_2005=Behaviour(manner="ringout"))
    async with whole.desk(service, "2005") as desk:
        await ready(service, "2005")
        call = await city.call("12345", caller=caller, keys=KEY)
        await desk.see("pop_closed", why="missed", within=30)
        await desk.see("state", state="paused", reason="missed", within=30)
        await ready(service, "2006")
        found = await whole.row(service, caller, has(agent="2006", answered_at=...))
        kinds = [entry["kind"] for entry in found["timeline"]]
        assert kinds.count("AgentMissed") == 2
        await over(service, city, call, caller)
        await city.behave(phone_2005=Behaviour())
        await ready(service, "2005")  # said so, and served again


async def test_an_agent_who_signs_off_leaves_the_queues(
    service: Stack, city: Carrier, caller: str
) -> None:
    await ready(service, "2007")
    await service.wish("2007", "offline")

    async def queues() -> str:
        return await service.asterisk.console("queue show")

    await service.until(
        queues, lambda said: "PJSIP/2007 " not in said and "(PJSIP/2007)" not in said
    )
    quiet = city.expect("PhoneRings", Phone="2007")
    call = await city.call("12345", caller=caller, keys=KEY)
    await whole.row(service, caller, has(state="queued"))
    ended = await over(service, city, call, caller)
    assert ended["outcome"] == "abandoned_in_queue"
    assert not quiet.done()
    quiet.cancel()
    promised = [p for p in await service.get("/api/v1/callbacks") if p["caller"] == caller]
    assert [(p["call_id"], p["reason"]) for p in promised] == [(ended["id"], "abandoned")]


async def test_the_agent_who_knows_the_unit_is_rung_first_and_others_after(
    service: Stack, city: Carrier, caller: str
) -> None:
    await ready(service, "2008", LAND)
    for turn in range(2):  # twice: round-robin alone would send one of them to 2008
        citizen = f"{caller}{turn}"  # somebody new: who calls again is given the same agent
        call = await city.call("12336", caller=citizen, keys=KEY)
        found = await whole.row(service, citizen, has(agent=..., outcome=None))
        assert (found["agent"], found["queue"]) == (LAND, "unit-guotu"), turn
        if turn:
            # the skilled one talks: the next citizen of this unit gets the other agent
            other = await city.call("12336", caller=caller + "9", keys=KEY)
            await whole.row(service, caller + "9", has(agent="2008", queue="unit-guotu"))
            await over(service, city, other, caller + "9")
        await over(service, city, call, citizen)
        await whole.state(service, LAND, "ready")
        await _rested(service, LAND)


async def _rested(service: Stack, agent: str) -> None:
    """Wait until app_queue's own short wrap-up of *agent* is over."""

    async def shown() -> list[str]:
        said = await service.asterisk.console("queue show unit-guotu")
        return re.findall(rf"PJSIP/{agent}\).*last was (\d+) secs ago", said)

    await service.until(shown, lambda ago: ago and int(ago[0]) > 3)


async def test_a_dual_run_number_is_answered_by_its_owner_first(
    service: Stack, city: Carrier, caller: str
) -> None:
    await ready(service, "2009")
    await city.behave(line_812369=Behaviour())
    seat = city.expect("LineRings", Line="812369")
    quiet = city.expect("PhoneRings", Phone="2009")
    call = await city.call("12369", caller=caller, keys=KEY)
    async with asyncio.timeout(15):
        assert (await seat)["Caller"] == caller  # the owner sees who calls
    found = await whole.row(service, caller, has(agent=..., outcome=None))
    assert (found["agent"], found["queue"]) == ("seat-12369", "seat-12369")
    assert not quiet.done()
    ended = await over(service, city, call, caller)
    assert (ended["outcome"], ended["integration"]) == ("answered", "dual_run")
    assert ended["ticket_id"]
    quiet.cancel()


@pytest.mark.parametrize("manner", ["busy", "ringout"])
async def test_when_the_owner_does_not_answer_an_agent_of_ours_does(
    service: Stack, city: Carrier, caller: str, manner: str
) -> None:
    await ready(service, "2009")
    await city.behave(line_812369=Behaviour(manner=manner))  # type: ignore[arg-type]
    call = await city.call("12369", caller=caller, keys=KEY)
    found = await whole.row(service, caller, has(agent="2009", answered_at=...), within=30)
    assert found["queue"] == "citizens"
    times = {entry["kind"]: entry for entry in found["timeline"]}
    assert "QueueJoined" in times
    queues = [e["detail"]["queue"] for e in found["timeline"] if e["kind"] == "QueueJoined"]
    assert queues == ["seat-12369", "citizens"]
    ended = await over(service, city, call, caller)
    assert (ended["outcome"], ended["agent"]) == ("answered", "2009")


async def test_who_wants_a_number_that_is_not_ours_is_connected_to_it(
    service: Stack, city: Carrier, caller: str
) -> None:
    await city.behave(line_95598=Behaviour(voice="tone"))
    rings = city.expect("LineRings", Line="95598")
    # A citizen who listens to the wire: two legs of one carrier are bridged packet by packet,
    # and the city's own recorder is deaf to most streams that begin anew in mid-call.
    async with raw_sip.line(service.sip) as line:
        call = line.invite("95598", caller=caller)
        await call.hears()
        call.press("1")
        async with asyncio.timeout(15):
            assert (await rings)["Caller"] == caller
        await whole.row(service, caller, has(state="outside"))

        async def tone() -> float:
            return whole.seconds_of_tone(whole.of_ulaw(call.heard[-16000:]), 1000)

        await service.until(tone, lambda seconds: seconds > 1, within=10)
        call.hang_up()
        await call.gone()
    ended = await whole.closed(service, caller)
    assert (ended["outcome"], ended["route"]) == ("transferred", "transfer:95598")
    assert ended["answered_at"]


async def test_who_says_nothing_is_connected_too(
    service: Stack, city: Carrier, caller: str
) -> None:
    await city.behave(line_12366=Behaviour())
    call = await city.call("12366", caller=caller)
    found = await whole.row(service, caller, has(state="outside"), within=40)
    played = [e["detail"] for e in found["timeline"] if e["kind"] == "PromptPlayed"]
    assert [(p["prompt"], p["key"]) for p in played] == [("onward-12366", None)]
    assert found["sla_seconds"] < 15  # a person answers there, and the standard's 15 s count
    assert (await over(service, city, call, caller))["outcome"] == "transferred"


@pytest.mark.parametrize("wish", ["1", "0"])
async def test_a_busy_owner_or_the_wish_for_a_person_lead_to_an_agent(
    service: Stack, city: Carrier, caller: str, wish: str
) -> None:
    await ready(service, "2010")
    await city.behave(line_12338=Behaviour(manner="busy"))
    call = await city.call("12338", caller=caller, keys="ww" + wish)
    found = await whole.row(service, caller, has(agent="2010", answered_at=...))
    assert found["queue"] == "citizens"
    ended = await over(service, city, call, caller)
    assert (ended["outcome"], ended["agent"]) == ("answered", "2010")
    assert ended["route"] == ("transfer:12338" if wish == "1" else "queue:citizens")


async def test_a_number_nobody_knows_is_told_so_and_then_answered(
    service: Stack, city: Carrier, caller: str
) -> None:
    await ready(service, "2010")
    call = await city.call("12399", caller=caller, keys=KEY)
    async with whole.desk(service, "2010") as desk:
        found = await whole.row(service, caller, has(agent="2010", answered_at=...))
        seen = desk.snapshot["pop"] or await desk.see("pop")
    assert (seen["number"], seen["hotline"], seen["attribution"]) == ("12399", None, "unknown")
    prompts = [e["detail"]["prompt"] for e in found["timeline"] if e["kind"] == "PromptPlayed"]
    assert prompts == ["unknown-number"]
    ended = await over(service, city, call, caller)
    assert (ended["outcome"], ended["number"], ended["did"]) == ("answered", None, "12399")


async def test_the_citizen_hears_the_notice_and_the_agent_and_the_talk_is_recorded(
    service: Stack, city: Carrier, caller: str
) -> None:
    await ready(service, "2011")
    await city.behave(phone_2011=Behaviour(voice="tone", ring=0.3))
    answers = city.expect("PhoneAnswered", Phone="2011")
    # the notice of 12336 is 4.9 s long: the citizen speaks when an agent has answered
    call = await city.call("12336", caller=caller, before=8, voice="voices/pollution")
    async with asyncio.timeout(30):
        picked_up = await answers
        await call.spoke.wait()
    ended = await over(service, city, call, caller)
    notice = next(e["detail"] for e in ended["timeline"] if e["kind"] == "PromptPlayed")
    assert notice["prompt"] == "notice-12336"
    assert notice["seconds"] == pytest.approx(4.88, abs=0.5)
    heard = await whole.samples(call.heard)
    assert whole.seconds_of_voice(heard) > 2  # the notice, and music until the answer
    assert whole.seconds_of_tone(heard, 1000) > 2
    agent_heard = await whole.samples(city.heard / picked_up["File"])
    assert whole.seconds_of_voice(agent_heard) > 1
    recording = await whole.samples(service.asterisk.recordings / ended["recording"])
    assert whole.seconds_of_tone(recording, 1000) > 0.5  # the agent's side
    assert whole.seconds_of_voice(recording) > 1  # the citizen's


async def test_hot_keys_of_the_desk_phone_sign_on_pause_and_sign_off(
    service: Stack, city: Carrier
) -> None:
    for keys, wanted in (("*41", "ready"), ("*42", "paused"), ("*41", "ready"), ("*40", "offline")):
        call = await city.call(keys, phone="2011")
        await whole.state(service, "2011", wanted)
        async with asyncio.timeout(10):
            await call.ended.wait()
        assert call.answered.is_set()
