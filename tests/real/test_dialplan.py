"""The rendered dialplan on a real Asterisk, driven by citizens and phones of the city in a box."""

import array
import asyncio
import socket
import sqlite3
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path, PurePosixPath

import pytest

from hotline.asterisk.instance import Instance
from hotline.carrier import Behaviour, Carrier
from tests.real import whole

pytestmark = pytest.mark.real

Route = Mapping[str, str]
AgiRequest = dict[str, str]


class Desk:
    """Collects AMI events and lets a test wait for the first that fits, past or to come."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, str]] = []
        self._more = asyncio.Event()

    def __call__(self, event: Mapping[str, str]) -> None:
        self.events.append(dict(event))
        self._more.set()

    async def see(self, kind: str, *, within: float = 15, **headers: str) -> Mapping[str, str]:
        async with asyncio.timeout(within):
            while True:
                for event in self.events:
                    if event["Event"] == kind and headers.items() <= event.items():
                        return event
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def controller(port: int, route: Route, seen: list[AgiRequest]) -> AsyncIterator[None]:
    """A throwaway AGI server that sets *route* and leaves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request: AgiRequest = {}
        while line := (await reader.readline()).decode(errors="replace").rstrip("\r\n"):
            key, _, value = line.partition(": ")
            request[key] = value
        seen.append(request)
        for name, value in [("TIMEOUT(absolute)", "0"), *route.items()]:
            writer.write(f'SET VARIABLE {name} "{value}"\n'.encode())
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield


@pytest.fixture
async def desk(exchange) -> AsyncIterator[tuple[Desk, object]]:
    told = Desk()
    link = await exchange.link(told)
    yield told, link
    await link.close()


async def ready(link, extension: str, *queues: str, penalty: int = 0) -> None:
    for queue in queues:
        await link.act(
            "QueueAdd",
            Queue=queue,
            Interface=f"PJSIP/{extension}",
            MemberName=extension,
            Penalty=str(penalty),
        )


async def stored(database: Path, value: str) -> None:
    """Wait until Asterisk's database holds *value*: it commits once a second."""
    async with asyncio.timeout(10):
        while True:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
                found = opened.execute("SELECT 1 FROM astdb WHERE value LIKE ?", [f"%{value}%"])
                if found.fetchone():
                    return
            await asyncio.sleep(0.1)


def loudest(sound: Path) -> int:
    with wave.open(str(sound)) as opened:
        return max(map(abs, array.array("h", opened.readframes(opened.getnframes()))), default=0)


def to_queue(queue: str = "citizens", priority: int = 0, **more: str) -> Route:
    return {"HOTLINE_ROUTE": "queue", "HOTLINE_QUEUE": queue, "HOTLINE_PRIO": str(priority), **more}


def at(event: Mapping[str, str]) -> float:
    return float(event["Timestamp"])


async def test_a_citizen_is_queued_an_agent_answers_and_the_talk_is_recorded(
    exchange, carrier: Carrier, desk
) -> None:
    told, link = desk
    await ready(link, "8001", "citizens")
    await carrier.behave(phone_8001=Behaviour(voice="tone", ring=0.3))
    seen: list[AgiRequest] = []
    async with controller(exchange.settings.agi.port, to_queue(), seen):
        rang = carrier.expect("PhoneRings", Phone="8001")
        call = await carrier.call("12345", caller="13912345678", voice="voices/water")
        async with asyncio.timeout(10):
            rings = await rang
        connected = await told.see("AgentConnect", MemberName="8001")
        async with asyncio.timeout(10):
            await call.spoke.wait()
    await carrier.hang_up(call)
    await told.see("AgentComplete", MemberName="8001")

    arrived = await told.see("Newchannel", Context="from-trunk")
    named = await told.see("NewCallerid", Context="from-trunk")
    assert (arrived["Exten"], named["CallerIDNum"]) == ("12345", "13912345678")
    assert seen[0]["agi_arg_1"] == arrived["Linkedid"] == connected["Linkedid"]
    popped = await told.see("UserEvent", UserEvent="HotlineRinging")
    assert (popped["Agent"], popped["Queue"]) == ("8001", "citizens")
    assert popped["Linkedid"] == arrived["Linkedid"]
    assert at(popped) < at(rings)  # the pop leaves before the INVITE does
    recorded = await told.see("UserEvent", UserEvent="HotlineRecording")
    assert recorded["Linkedid"] == arrived["Linkedid"]
    talk = exchange.instance.recordings / recorded["File"]
    async with asyncio.timeout(10):
        await whole.settled(talk)
    assert loudest(talk) > 1000  # a tone from the agent, a voice from the citizen
    async with asyncio.timeout(5):
        await call.ended.wait()
    async with asyncio.timeout(10):
        await whole.settled(call.heard)
    assert loudest(call.heard) > 1000


@pytest.mark.parametrize("fault", ["dead", "silent", "mute for the citizen"])
async def test_without_a_controller_the_dialplan_queues_by_itself(
    exchange, carrier: Carrier, desk, raw_call, fault: str
) -> None:
    told, _ = desk
    with ExitStack() as stack:
        if fault != "dead":  # accepts, never speaks: what SIGSTOP makes of a controller
            port = exchange.settings.agi.port
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        if fault == "mute for the citizen":  # no RTP: Answer() itself waits for it
            raw = await raw_call()
            raw.invite(exchange.sip, headers=b"Diversion: <sip:12336@x>\r\n")
            await raw.final()
        else:
            await carrier.call("12345", diversion=["<sip:12336@x>"])
        arrived = await told.see("Newchannel", Context="from-trunk")
        joined = await told.see("QueueCallerJoin", Queue="fallback")
        fell = await told.see("UserEvent", UserEvent="HotlineFallback")
        connected = await told.see("AgentConnect", Queue="fallback")
    assert fell["Redirecting"] == "12336"
    assert fell["Reason"] == ("FAILURE" if fault == "dead" else "timeout")
    assert connected["Linkedid"] == joined["Linkedid"] == arrived["Linkedid"]
    # Asterisk's own clock, not ours: what the setting promises plus the agent's 0.2 s of ringing
    assert at(joined) - at(arrived) < 2.0


async def test_a_paused_agent_still_serves_the_fallback_queue_and_keeps_it_over_a_restart(
    exchange, carrier: Carrier
) -> None:
    told = Desk()
    link = await exchange.link(told)
    await ready(link, "8002", "citizens", "unit-land", penalty=10)
    await link.act("QueuePause", Interface="PJSIP/8002", Paused="true", Reason="lunch")
    await link.close()
    await stored(exchange.instance.home / "lib" / "astdb.sqlite3", "PJSIP/8002;10;1;8002")
    await exchange.instance.kill()
    await exchange.instance.start()
    async with asyncio.timeout(20):
        await carrier.registered(*exchange.agents)
    shown = await exchange.instance.console("queue show citizens")
    assert "8002 (PJSIP/8002)" in shown
    assert "paused" in shown
    told = Desk()
    link = await exchange.link(told)
    await carrier.behave(phone_default=Behaviour(manner="ringout"), phone_8002=Behaviour())
    await carrier.call("12345")
    assert (await told.see("AgentConnect", Queue="fallback", within=30))["MemberName"] == "8002"
    await link.close()


CHAINS = [
    ({"diversion": ["<sip:12336@x>;reason=unconditional"]}, ("12336", "12336", "")),
    # header order: last diverter on top; Asterisk itself takes that one
    ({"diversion": ["<sip:12369@x>", "<sip:12336@x>"]}, ("12369", "12369;12336", "")),
    ({"diversion": ["<sip:12369@x>;reason=no-answer, <sip:12336@x>"]}, ("", "12369;12336", "")),
    ({"diversion": ['"a <b>" <tel:+8691712336>;limit=5']}, ("+8691712336", "+8691712336", "")),
    ({"diversion": ["<sip:%2B8691712336;user=x@x>"]}, ("+8691712336", "+8691712336", "")),
    (
        {"history": ["<sip:12336@x?Reason=SIP%3B302>;index=1, <sip:12345@x>;index=1.1"]},
        ("", "", "12336;12345"),
    ),
    ({"diversion": ['<sip:${SHELL(id)}1)"]{$@x>', "<<>>;;@,@12345"]}, ("", "1", "")),
]


async def test_the_controller_is_told_who_diverted_the_call(exchange, carrier: Carrier) -> None:
    seen: list[AgiRequest] = []
    async with controller(exchange.settings.agi.port, {"HOTLINE_ROUTE": "hangup"}, seen):
        for headers, _ in CHAINS:
            call = await carrier.call("12345", **headers)  # type: ignore[arg-type]
            async with asyncio.timeout(10):
                await call.ended.wait()
    told = [tuple(r[f"agi_arg_{i}"] for i in (4, 5, 6)) for r in seen]
    assert told == [expected for _, expected in CHAINS]


HOSTILE_USERS = [
    b"%0d%0aEvent:%20Shutdown%0d%0a", b"%0d%0a%0d%0aEvent:%20Hangup%0d%0a", b"9" * 4000,
    b"%24%7BSHELL(touch%20/srv/pwned)%7D", b"%ff%fe12345", b"h", b"T", b"12345%2C1", b"$%5B1+1%5D",
]  # fmt: skip
HOSTILE_CALLERS = [
    b"<sip:139%0d%0aEvent:%20Shutdown%0d%0aX:%20y@c>",
    b'"${SHELL(touch /srv/pwned)}" <sip:139@c>',
    b'"a\\"b\'c,d;e" <sip:139@c>',
    b'"\xff\xfe\xe4\xbd" <sip:139@c>',
    b'"' + b"x" * 4000 + b'" <sip:139@c>',
    b'"%0d%0aX: y" <sip:139%0d%0aX:y@c>',
    b"<sip:${SHELL(touch%20/srv/pwned)}139@c>",
]


async def test_text_of_an_invite_reaches_nobody_before_it_is_filtered(
    exchange, desk, raw_call
) -> None:
    told, _ = desk
    seen: list[AgiRequest] = []
    async with controller(exchange.settings.agi.port, {"HOTLINE_ROUTE": "hangup"}, seen):
        for user in HOSTILE_USERS:
            call = await raw_call()
            call.invite(exchange.sip, user=user)
            assert (await call.final())[0] == 404
        for who in HOSTILE_CALLERS:
            call = await raw_call()
            call.invite(
                exchange.sip,
                from_header=who,
                headers=b"Diversion: <sip:%0d%0aagi_arg_2:%209@x>\r\n",
            )
        # what is no SIP at all is dropped without an answer; this one comes after all of them
        last = await raw_call()
        last.invite(exchange.sip, from_header=b"<sip:13811112222@c>")
        assert (await last.final())[0] == 200
        await told.see("NewCallerid", CallerIDNum="13811112222")
        await last.gone()
    allowed = {"", "139", "13811112222"}
    for event in told.events:
        assert event["Event"] in {"Newchannel", "NewCallerid", "Hangup", "FullyBooted",
                                  "ContactStatus"}  # fmt: skip
        assert not {"X", "X-Evil"} & event.keys()
        assert event.get("CallerIDNum", "") in allowed | {"unknown", "<unknown>"}
        assert event.get("CallerIDName", "<unknown>") == "<unknown>"
    assert {r["agi_callerid"] for r in seen} <= allowed | {"unknown"}
    assert {r["agi_arg_2"] for r in seen} == {"12345"}
    assert exchange.instance.alive
    assert not exchange.instance.installation.outside(PurePosixPath("/srv/pwned")).exists()


async def test_a_dual_run_number_rings_at_its_owner_first_and_then_here(
    exchange, carrier: Carrier, desk
) -> None:
    told, link = desk
    await ready(link, "8003", "citizens")
    route = to_queue(HOTLINE_SEAT_QUEUE="seat-12369", HOTLINE_SEAT_SECONDS="2")
    async with controller(exchange.settings.agi.port, route, []):
        await carrier.behave(line_3260001=Behaviour(manner="ringout"))
        seat = carrier.expect("LineRings", Line="3260001")
        call = await carrier.call("12369")
        rang = await told.see("UserEvent", UserEvent="HotlineRinging", Agent="seat-12369")
        async with asyncio.timeout(5):
            await seat
        connected = await told.see("AgentConnect", MemberName="8003")
        assert at(connected) - at(rang) >= 2
        await carrier.hang_up(call)

        await carrier.behave(line_3260001=Behaviour())
        call = await carrier.call("12369")
        await told.see("AgentConnect", MemberName="seat-12369", Queue="seat-12369")
        await carrier.hang_up(call)


async def test_a_transfer_that_nobody_answers_ends_at_a_person(
    exchange, carrier: Carrier, desk
) -> None:
    told, link = desk
    await ready(link, "8001", "citizens")
    route = {**to_queue(), "HOTLINE_ROUTE": "transfer", "HOTLINE_TARGET": "95598"}
    async with controller(exchange.settings.agi.port, route, []):
        await carrier.behave(line_95598=Behaviour(manner="busy"))
        call = await carrier.call("95598")
        ended = await told.see("UserEvent", UserEvent="HotlineTransferEnd")
        assert (ended["Target"], ended["Status"]) == ("95598", "BUSY")
        await told.see("AgentConnect", MemberName="8001")
        await carrier.hang_up(call)

        await carrier.behave(line_95598=Behaviour(voice="tone"))
        call = await carrier.call("95598")
        await told.see("UserEvent", UserEvent="HotlineTransferAnswered", Target="95598")
        await carrier.hang_up(call)


async def test_who_waits_longest_is_served_first_whatever_the_queue_unless_priority_says_so(
    exchange, carrier: Carrier, desk
) -> None:
    told, link = desk
    queues = ["citizens", "unit-land", "unit-health", "unit-gov"]
    await carrier.behave(phone_8001=Behaviour(talk=0.5, ring=0.1))
    waiting = [("unit-land", 0), ("citizens", 0), ("unit-health", 0), ("unit-gov", 10)]
    for i, (queue, priority) in enumerate(waiting):
        async with controller(exchange.settings.agi.port, to_queue(queue, priority), []):
            await carrier.call("12345", caller=f"{i}")
            await told.see("QueueCallerJoin", Queue=queue)
        await asyncio.sleep(1.1)  # app_queue's clock counts whole seconds; no event tells them
    await ready(link, "8001", *queues)
    expected = ["unit-gov", "unit-land", "citizens", "unit-health"]
    if "caller = prio" not in (exchange.instance.home / "etc" / "queues.conf").read_text():
        expected = [queue for queue, _ in waiting]  # older app_queue: priority in its queue only
    await told.see("AgentComplete", Queue=expected[-1], within=60)
    served = [e["Queue"] for e in told.events if e["Event"] == "AgentConnect"]
    assert served == expected


async def test_an_asterisk_that_a_dead_starter_left_behind_is_ended_by_the_next_start(
    exchange,
) -> None:
    first = exchange.instance
    again = Instance(first.installation, first.home)
    await again.start()
    try:
        async with asyncio.timeout(10):
            await first.wait()
        assert again.alive
    finally:
        await again.stop()


async def test_an_agents_hot_key_tells_the_controller(exchange, carrier: Carrier) -> None:
    seen: list[AgiRequest] = []
    async with controller(exchange.settings.agi.port, {}, seen):
        call = await carrier.call("*42", phone="8001")
        async with asyncio.timeout(10):
            await call.ended.wait()
    asked = [seen[0][key] for key in ("agi_network_script", "agi_arg_1", "agi_arg_2")]
    assert asked == ["presence", "8001", "pause"]
