"""The rendered dialplan on a real Asterisk, driven by citizens and phones of the city in a box."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from hotline.carrier import Carrier

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

    async def see(self, kind: str, *, after: int = 0, **headers: str) -> Mapping[str, str]:
        async with asyncio.timeout(15):
            while True:
                for event in self.events[after:]:
                    if event["Event"] == kind and headers.items() <= event.items():
                        return event
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def controller(port: int, route: Route, seen: list[AgiRequest]) -> AsyncIterator[None]:
    """A throwaway AGI server that sets *route* and leaves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request: AgiRequest = {}
        while line := (await reader.readline()).decode(errors="replace").strip():
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


async def test_a_citizen_is_queued_and_an_agent_answers(exchange, carrier: Carrier, desk) -> None:
    told, link = desk
    await ready(link, "8001", "citizens")
    seen: list[AgiRequest] = []
    route = {"HOTLINE_ROUTE": "queue", "HOTLINE_QUEUE": "citizens", "HOTLINE_PRIO": "0"}
    async with controller(exchange.settings.agi.port, route, seen):
        rang = carrier.expect("PhoneRings", Phone="8001")
        call = await carrier.call("12345", caller="13912345678")
        await told.see("AgentConnect", MemberName="8001")
        await rang
    assert seen[0]["agi_arg_2"] == "12345"
    ringing = await told.see("UserEvent", UserEvent="HotlineRinging")
    first = await told.see("Newchannel")
    assert ringing["Linkedid"] == first["Linkedid"]
    await told.see("UserEvent", UserEvent="HotlineRecording")
    await carrier.hang_up(call)
    await told.see("AgentComplete")
