"""The controller's link to a speech front that is well, full, sick, silent or none at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp import web

from hotline import config as settings
from hotline.speech_link import SpeechLink
from ivr.speech.breaker import Met
from schemas.city import City
from schemas.numbers import Register

pytestmark = pytest.mark.unit

CITY = City(
    folder=Path("nowhere"),
    register=Register(MappingProxyType({})),
    phrases={"agent": ("转人工", "人工服务")},
)
WELL = {"ok": True, "model": "whisper-base"}


@dataclass
class Front:
    """Answers `/health` with whatever a test wants next."""

    port: int = 0
    answer: Any = field(default_factory=lambda: dict(WELL))
    asked: int = 0
    hangs: asyncio.Event | None = None
    elsewhere: str = ""

    async def health(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.hangs is not None:
            await self.hangs.wait()
        if self.elsewhere:
            raise web.HTTPFound(self.elsewhere)
        if isinstance(self.answer, bytes):
            return web.Response(body=self.answer)
        return web.json_response(self.answer, status=200 if self.answer["ok"] else 503)


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    made = Front()
    app = web.Application()
    app.router.add_get("/health", made.health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    if made.hangs is not None:
        made.hangs.set()
    await runner.cleanup()


@contextlib.asynccontextmanager
async def linked(
    port: int, city: Callable[[], City] = lambda: CITY, **env: str
) -> AsyncIterator[SpeechLink]:
    config = settings.load(Path("nowhere.toml"), {"HOTLINE_SPEECH__PORT": str(port), **env})
    link = SpeechLink(config, city=city)
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


Soon = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def soon() -> Soon:
    async def wait(so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not so():  # noqa: ASYNC110 - what is watched has no event of its own
                await asyncio.sleep(0.01)

    return wait


async def test_callers_are_asked_to_speak_while_the_front_is_well(front: Front, soon: Soon) -> None:
    async with linked(front.port) as link:
        assert not link.offered()
        assert "keys" in str(link.state.last_error)
        await soon(link.offered)
        assert link.state.ok
        assert link.listener.model() == "whisper-base"
        assert link.listener.offered()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"ok": False, "reason": "no model is here"}, "no model is here"),
        ({"ok": False}, "no recogniser lives"),
        ({"ok": "true"}, "no recogniser lives"),
        (b"hello", "no speech front"),
        (b"[1, 2]", "no speech front"),
        (b"{}", "no speech front"),
        (b"[" * 100_000, "no speech front"),
        (b'{"ok": true, "model": "' + b"x" * 100_000, "no speech front"),
    ],
)
async def test_a_front_that_is_not_well_is_offered_to_nobody_and_status_says_why(
    front: Front, soon: Soon, answer: Any, why: str
) -> None:
    async with linked(front.port) as link:
        await soon(link.offered)
        front.answer = answer
        await soon(lambda: not link.offered())
        assert not link.state.ok
        assert why in str(link.state.last_error)
        assert "callers use keys" in str(link.state.last_error)
        front.answer = dict(WELL)
        await soon(link.offered)
        assert link.state.ok


async def test_a_full_front_is_well_and_offered_to_nobody_else(front: Front, soon: Soon) -> None:
    async with linked(front.port) as link:
        await soon(link.offered)
        front.answer = {**WELL, "full": True}
        await soon(lambda: not link.offered())
        assert link.state.ok


async def test_a_front_that_does_not_answer_in_time_is_offered_to_nobody(
    front: Front, soon: Soon
) -> None:
    async with linked(front.port) as link:
        await soon(link.offered)
        front.hangs = asyncio.Event()
        await soon(lambda: not link.offered())
        assert "in time" in str(link.state.last_error)


async def test_while_nobody_listens_at_the_port_keys_are_used(soon: Soon) -> None:
    async with linked(1) as link:
        await soon(lambda: "hotline speech" in str(link.state.last_error))
        assert not link.offered()


async def test_what_calls_meet_counts_though_the_front_says_that_it_is_well(
    front: Front, soon: Soon
) -> None:
    async with linked(front.port) as link:
        await soon(link.offered)
        for _ in range(3):
            link.listener.met(Met.LATE)
        assert not link.offered()
        assert "rests" in str(link.state.last_error)


async def test_switched_off_it_asks_nobody(front: Front) -> None:
    async with linked(front.port, HOTLINE_SPEECH__ENABLED="false") as link:
        await asyncio.sleep(0)
        assert not link.offered()
        assert link.state.last_error == "off by the settings; callers use keys"
    assert front.asked == 0


async def test_words_mean_what_the_version_says_that_a_call_began_with(
    front: Front, soon: Soon
) -> None:
    other = City(folder=Path("elsewhere"), register=CITY.register, phrases={"yes": ("对的",)})
    cities = [CITY]
    async with linked(front.port, city=lambda: cities[-1]) as link:
        assert link.understand(CITY)("转人工", ["agent"]).intent == "", "nothing is learnt yet"
        await soon(lambda: link.understand(CITY)("转人工", ["agent"]).intent == "agent")
        assert link.understand(other)("转人工", ["agent"]).intent == "agent", "the words before"
        cities.append(other)
        await soon(lambda: link.understand(other)("对的", ["yes"]).intent == "yes")
        assert link.understand(other)("转人工", ["agent"]).intent == ""
        assert link.understand(CITY)("转人工", ["agent"]).intent == "agent"


async def test_a_version_whose_words_cannot_be_learnt_leaves_those_before(
    front: Front, soon: Soon, caplog: pytest.LogCaptureFixture
) -> None:
    broken = City(folder=Path("new"), register=CITY.register, phrases={"yes": (None,)}, version=7)  # type: ignore[arg-type,dict-item]
    cities = [CITY]
    async with linked(front.port, city=lambda: cities[-1]) as link:
        await soon(link.offered)
        cities.append(broken)
        await soon(lambda: "version 7 cannot be learnt" in caplog.text)
        assert link.offered()
        assert link.understand(broken)("转人工", ["agent"]).intent == "agent"


async def test_a_peer_that_sends_elsewhere_is_no_front(front: Front, soon: Soon) -> None:
    front.elsewhere = "http://./"
    async with linked(front.port) as link:
        await soon(lambda: front.asked > 3)
        assert not link.offered()
