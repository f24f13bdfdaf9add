"""The front on real sockets with real worker processes, whose engine is a parrot."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ivr.speech import crew as crews
from ivr.speech import server
from ivr.speech.crew import Crew, Terms
from ivr.speech.server import Front
from schemas.errors import Unavailable
from tests.ivr.speech.parrot import WORDS
from tests.ivr.speech.voices import silence, voice

pytestmark = pytest.mark.unit

FRAME = 320
TALK = silence(0.5) + voice(1.0) + silence(0.6)
PATIENCE = 30.0
"""Seconds before a test calls it hung."""


class Caller:
    """Asterisk's side of one SPEECH CREATE."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.results: list[dict[str, Any]] = []
        self._step = 0

    async def ask(self, **request: Any) -> dict[str, Any]:
        await self.socket.send_json({"id": "7f-1", **request})
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            return dict(await self.socket.receive_json())

    async def set_up(self) -> "Caller":
        answer = await self.ask(request="setup", version="0.1.0", codecs=[{"name": "slin"}])
        assert answer == {"response": "setup", "id": "7f-1", "codecs": [{"name": "slin"}]}
        return self

    async def listen(self, give_up: int | None = None, barge: int = 0) -> None:
        self._step += 1
        value = f"call=n1-1.2;step={self._step};barge={barge}"
        value += "" if give_up is None else f";give_up={give_up}"
        answer = await self.ask(request="set", params={"listen": value})
        assert answer == {"response": "set", "id": "7f-1"}

    async def speak(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME):
            await self.socket.send_bytes(pcm[at : at + FRAME])

    async def result(self, pcm: bytes = b"") -> tuple[str, str]:
        """Send *pcm*, then silence as a telephone does, until there is a result."""
        await self.speak(pcm)
        waiting = asyncio.create_task(self.answer())
        try:
            async with asyncio.timeout(PATIENCE):
                while not waiting.done():
                    await self.socket.send_bytes(bytes(FRAME))
                    await asyncio.wait([waiting], timeout=0.02)
        finally:
            waiting.cancel()
        found = waiting.result()
        assert found["request"] == "set"
        (result,) = found["params"]["results"]
        assert result["best"] == 0
        await self.socket.send_json({"response": "set", "id": found["id"]})
        return result["grammar"], result["text"]

    async def closed(self) -> int:
        """Wait until the other side closes; return its code."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while not self.socket.closed:
                    await self.socket.receive()
        return self.socket.close_code or 0


class House:
    """A front that runs."""

    def __init__(self, front: Front, crew: Crew, port: int) -> None:
        self.front, self.crew = front, crew
        self.url = f"http://127.0.0.1:{port}"
        self.http = aiohttp.ClientSession()

    async def caller(self) -> Caller:
        socket = await self.http.ws_connect(self.url, protocols=("speech_to_text",))
        return Caller(socket)

    async def ready(self, workers: int = 1) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.crew.ready) < workers:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def health(self) -> tuple[int, dict[str, Any]]:
        async with self.http.get(self.url + "/health") as answer:
            return answer.status, await answer.json()


@contextlib.asynccontextmanager
async def house(
    mode: str | Sequence[str],
    *,
    workers: int = 1,
    streams: int = 0,
    within: float = 20.0,
    hung_after: float = 5.0,
    ready: bool = True,
) -> AsyncIterator[House]:
    modes = iter([mode] if isinstance(mode, str) else mode)
    last = mode if isinstance(mode, str) else mode[-1]

    def command() -> Sequence[str]:
        script = next(modes, last)
        if script == "no model":
            raise Unavailable("no model is here")
        return [sys.executable, "-m", "tests.ivr.speech.parrot", script]

    crew = Crew(Terms(command=command, workers=workers, streams=streams, hung_after=hung_after))
    front = Front(crew, answer_within=within)
    runner = web.AppRunner(front.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    crew.start()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    place = House(front, crew, runner.addresses[0][1])
    try:
        if ready:
            await place.ready(workers)
        yield place
    finally:
        await place.http.close()
        await crew.stop()
        await runner.cleanup()


# ---- a caller is understood


async def test_words_come_while_sound_arrives() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        assert await caller.result(TALK) == ("final", WORDS)
        status, health = await place.health()
    assert status == 200
    assert health["ok"] is True
    assert (health["model"], health["engine"], health["language"]) == ("parrot", "parrot", "zh")
    assert (health["workers"], health["streams"], health["capacity"]) == (1, 1, 2)
    assert (health["answered"], health["late"], health["refused"]) == (1, 0, 0)
    assert "full" not in health


async def test_a_prompt_is_cut_and_the_sentence_collected_on() -> None:
    async with house("whole") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen(barge=1)
        half = len(silence(0.5) + voice(0.5))
        assert await caller.result(TALK[:half]) == ("began", "")
        await caller.listen()
        assert await caller.result(TALK[half:]) == ("final", WORDS)


async def test_silence_then_words_then_another_sentence() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen(give_up=600)
        assert await caller.result() == ("silence", "")
        await caller.listen(give_up=0)
        assert await caller.result() == ("silence", "")
        for _ in range(2):
            await caller.listen(give_up=5000)
            assert await caller.result(TALK) == ("final", WORDS)


async def test_one_result_and_none_without_sound() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen(give_up=0)
        answer = await caller.ask(request="get", params=["results"])
        assert answer["params"]["results"][0]["grammar"] == "failed"
        assert await caller.result() == ("silence", "")
        await caller.speak(silence(1))
        answer = await caller.ask(request="get", params=["results"])  # not a second result
        assert answer["response"] == "get"
        assert answer["params"]["results"][0]["grammar"] == "silence"
        assert "error_msg" in await caller.ask(request="get", params=["volume"])


async def test_keys_and_settings_of_others_are_nothing_to_us() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        for values in ({"dtmf": "5"}, {"results_type": "normal"}, {"grammar": "menu"}):
            answer = await caller.ask(request="set", params=values)
            assert answer == {"response": "set", "id": "7f-1"}
        assert await caller.result(TALK) == ("final", WORDS)  # nobody set `listen`
        assert await caller.result(TALK) == ("final", WORDS)


async def test_words_that_would_break_the_line_are_cleaned() -> None:
    async with house("garbage") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        kind, text = await caller.result(TALK)
    assert kind == "final"
    assert text.startswith("停 水 xxx")
    assert len(text) == 200


async def test_logs_say_nothing_of_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        await caller.result(TALK)
    assert "call n1-1.2: final" in caplog.text
    assert "停水" not in caplog.text


# ---- too late, dead, hung, full


async def test_words_that_come_too_late_are_late() -> None:
    async with house("slow", within=0.3) as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        assert await caller.result(TALK) == ("late", "")
        await caller.listen(give_up=300)
        assert await caller.result() == ("silence", "")
        assert (await place.health())[1]["late"] == 1


@pytest.mark.parametrize(("mode", "again"), [("die", "stream"), ("raise", "raise")])
async def test_a_worker_that_fails_fails_its_callers(mode: str, again: str) -> None:
    async with house([mode, again]) as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        assert await caller.result(TALK) == ("failed", "")
        await caller.listen()
        assert await caller.result() == ("failed", "")
        await caller.socket.close()
        await place.ready()
        if again == "stream":  # another worker is there: the next one is served
            caller = await (await place.caller()).set_up()
            await caller.listen()
            assert await caller.result(TALK) == ("final", WORDS)


async def test_a_killed_worker_does_not_touch_the_other_ones_callers() -> None:
    async with house("stream", workers=2, streams=1) as place:
        one = await (await place.caller()).set_up()
        two = await (await place.caller()).set_up()
        for caller in (one, two):
            await caller.listen()
            await caller.speak(TALK[: len(TALK) // 2])
        victim = next(iter(place.crew.ready))
        os.kill(victim.process.pid, signal.SIGKILL)
        results = sorted([await one.result(TALK), await two.result(TALK)])
        assert results == [("failed", ""), ("final", WORDS)]
        await place.ready(2)


async def test_a_stopped_worker_is_killed() -> None:
    async with house(["stop", "stream"], within=60, hung_after=1.0) as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        assert await caller.result(TALK) == ("failed", "")
        await place.ready()


async def test_a_stopped_worker_does_not_fill_our_memory() -> None:
    async with house(["stream", "stream"], streams=4, hung_after=600) as place:
        callers = [await (await place.caller()).set_up() for _ in range(3)]
        (victim,) = place.crew.ready
        os.kill(victim.process.pid, signal.SIGSTOP)
        for caller in callers:
            await caller.listen()
            await caller.speak(silence(29))
        for caller in callers:
            assert await caller.result() == ("failed", "")


async def test_a_worker_that_talks_nonsense_is_replaced() -> None:
    async with house(["babble", "stream"]) as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        assert await caller.result(TALK) == ("final", WORDS)


async def test_an_engine_that_hangs_makes_words_late_and_nothing_else() -> None:
    async with house("hang", within=0.2) as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        assert await caller.result(TALK) == ("late", "")
        assert (await place.health())[0] == 200


async def test_who_does_not_fit_is_refused_at_once() -> None:
    async with house("stream", streams=1) as place:
        first = await (await place.caller()).set_up()
        for _ in range(3):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await place.caller()
            assert refused.value.status == 503
        status, health = await place.health()
        assert (status, health["ok"], health["full"]) == (200, True, True)
        assert health["refused"] == 3
        await first.socket.close()
        async with asyncio.timeout(PATIENCE):
            while place.crew.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await (await place.caller()).set_up()


async def test_without_a_model_nobody_is_taken_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crews, "BACK_OFF", (0.05,))
    async with house(["no model", "no model", "broken", "stream"], ready=False) as place:
        async with asyncio.timeout(PATIENCE):
            while "no model is here" not in str((await place.health())[1].get("reason")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        status, health = await place.health()
        if not health["ok"]:  # it is there soon
            assert status == 503
            assert health["capacity"] == 0
        await place.ready()
        assert (await place.health())[0] == 200


async def test_a_worker_without_its_model_in_memory_takes_nobody() -> None:
    async with house("never ready", ready=False) as place:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await place.caller()
        assert refused.value.status == 503
        status, health = await place.health()
        assert status == 503
        assert health["reason"] == "no model is loaded yet"


async def test_draining_serves_who_is_there() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        await caller.speak(TALK[: len(TALK) // 2])
        draining = asyncio.create_task(place.front.drain(PATIENCE))
        await asyncio.sleep(0)
        status, health = await place.health()
        assert (status, health["ok"], health["draining"]) == (503, False, True)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await place.caller()
        assert await caller.result(TALK[len(TALK) // 2 :]) == ("final", WORDS)
        await caller.socket.close()
        async with asyncio.timeout(PATIENCE):
            await draining


async def test_draining_ends() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        draining = asyncio.create_task(place.front.drain(0.05))
        assert await caller.closed() == 1001
        await draining


# ---- peers that mean no good


@pytest.mark.parametrize(
    "messages",
    [
        ["nonsense"],
        ["[" * 5000],
        [json.dumps({"request": "set", "id": "1", "params": {"listen": "give_up=1"}})],
        [json.dumps({"request": "setup", "id": "1", "codecs": [{"name": "opus"}]})],
        [b"\0" * 320],
        ["SETUP", json.dumps({"request": "set", "id": "1", "params": {"listen": "x"}})],
        ["SETUP", "x" * (server.LARGEST + 1)],
        ["SETUP", b"\0" * (server.LARGEST + 1)],
        ["SETUP", *[b"\0" * server.LARGEST] * 20],
        ["SETUP", *['{"request":"set","id":"1","params":{"a":"b"}}'] * 2001],
        ["SETUP", "\0"],
    ],
    ids=range(11),
)
async def test_who_talks_garbage_is_closed_and_others_are_served(
    messages: list[str | bytes],
) -> None:
    async with house("stream", streams=2) as place:
        good = await (await place.caller()).set_up()
        await good.listen()
        bad = await place.caller()
        with contextlib.suppress(ConnectionError):
            for message in messages:
                if message == "SETUP":
                    await bad.set_up()
                elif isinstance(message, bytes):
                    await bad.socket.send_bytes(message)
                else:
                    await bad.socket.send_str(message)
        assert await bad.closed() in {1008, 1009, 1006}
        assert await good.result(TALK) == ("final", WORDS)


async def test_who_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SETUP_WITHIN", 0.05)
    monkeypatch.setattr(server, "IDLE", 0.1)
    async with house("stream") as place:
        silent = await place.caller()
        assert await silent.closed() == 1008


async def test_who_goes_away_in_mid_sentence_frees_the_place() -> None:
    async with house("stream") as place:
        caller = await (await place.caller()).set_up()
        await caller.listen()
        await caller.speak(TALK[:10000])
        transport = caller.socket.get_extra_info("socket")
        assert transport is not None
        await caller.socket.close()
        async with asyncio.timeout(PATIENCE):
            while place.crew.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: speech_to_text\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: speech_to_text\r\nOrigin: http://evil.example\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    ],
)
async def test_who_speaks_no_aeap_gets_an_error(request_head: bytes, tmp_path: Path) -> None:
    async with house("stream") as place:
        port = int(place.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_head)
        async with asyncio.timeout(PATIENCE):
            status = await reader.readline()
        writer.close()
        assert status.split()[1][:1] == b"4"
        assert place.crew.streams == 0
        assert (await place.health())[0] == 200
