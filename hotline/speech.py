"""`hotline speech`: keeps the speech front alive, and kills it when it hangs.

A front that accepts and never answers would hold a caller's channel for 44 s: neither the flow nor
Asterisk can free it, only the closing of its socket can. So this process does nothing but ask the
front's health several times a second, and kill it with its workers when it has not answered for
`SILENT`. The front opens its own port: while there is none, `SPEECH CREATE` fails at once.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import typer

from hotline import config as settings
from hotline import log as logs
from hotline import speech_front
from hotline.config import PREFIX, Config
from hotline.running import run_file
from schemas.errors import HotlineError, Unavailable

log = logging.getLogger(__name__)

EVERY = 0.2
"""Seconds between two questions."""
ANSWER_WITHIN = 0.2
"""Seconds for one answer."""
SILENT = 0.8
"""Seconds without any answer after which a front that did answer is killed."""
START_WITHIN = 20.0
"""Seconds for its first answer."""
BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before it is started again; the last one repeats."""
STEADY = 30.0
"""Seconds it must have lived for the back-off to begin anew."""
END_WITHIN = speech_front.DRAIN_WITHIN + 2.0
RUN_FILE = "speech.json"
"""Says where it listens: `pid` of the supervisor and of the `front`, `host`, `port`."""


def command(context: typer.Context) -> None:
    """Run the recogniser of what callers say, and start again what dies or hangs."""
    from hotline.cli import load

    file = context.find_root().params.get("config", Path(settings.FILE))
    _foreground(load(), Path(file))


def _foreground(config: Config, file: Path) -> None:
    logs.set_up(config.logging.level, json_lines=config.logging.json_lines)
    asyncio.run(run(config, file.resolve()))


async def run(config: Config, file: Path) -> None:
    """Keep a front alive until SIGTERM or SIGINT; callers who are there are served to their end.

    Args:
        file: of the settings, from the root.

    Raises:
        Unavailable: the port is taken.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    host, port = str(config.speech.host), _port(config)
    environment = {"HOTLINE_CONFIG": str(file), f"{PREFIX}SPEECH__PORT": str(port)}
    about = run_file(config, RUN_FILE)
    about.parent.mkdir(parents=True, exist_ok=True)

    def tell(front: int) -> None:
        found = {"pid": os.getpid(), "front": front, "host": host, "port": port}
        fresh = about.with_suffix(".new")
        fresh.write_text(json.dumps(found))
        fresh.replace(about)

    log.info("speech is at ws://%s:%d", host, port)
    try:
        await _keep(f"http://{host}:{port}/health", environment, ended, tell)
    finally:
        about.unlink(missing_ok=True)


def _port(config: Config) -> int:
    """Return the port of the settings, or a free one for 0: the same one for every front."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((str(config.speech.host), config.speech.port))
        except OSError as error:
            where = f"{config.speech.host}:{config.speech.port}"
            raise Unavailable(f"speech.port: {where}: {error.strerror}") from None
        return int(trial.getsockname()[1])


async def _keep(
    url: str, environment: dict[str, str], ended: asyncio.Event, tell: Callable[[int], None]
) -> None:
    """Live front after front until *ended*."""
    loop = asyncio.get_running_loop()
    failures = 0
    while not ended.is_set():
        began = loop.time()
        ending = await _live(url, environment, ended, tell)
        if ended.is_set():
            return
        if loop.time() - began > STEADY:
            failures = 0
        wait = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
        failures += 1
        log.error("the speech front %s; again in %g s", ending, wait)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await ended.wait()


async def _live(
    url: str, environment: dict[str, str], ended: asyncio.Event, tell: Callable[[int], None]
) -> str:
    """Run one front to its end and say how it ended."""
    front = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hotline.speech_front",
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,  # closes when we die, whatever of: then it ends too
        start_new_session=True,  # a group with its workers, to be killed as one
    )
    tell(front.pid)
    dead = asyncio.create_task(front.wait())
    hung = asyncio.create_task(_hung(url))
    leave = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait([dead, hung, leave], return_when=asyncio.FIRST_COMPLETED)
        if dead.done():
            return f"ended (exit {front.returncode})"
        if hung.done():
            return "did not answer and was killed"
        front.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN):
                await asyncio.wait([dead, hung], return_when=asyncio.FIRST_COMPLETED)
        return "was stopped"
    finally:
        hung.cancel()
        leave.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(front.pid, signal.SIGKILL)  # also what workers a dead front left behind
        await dead


async def _hung(url: str) -> None:
    """Return when the front has been silent for too long."""
    loop = asyncio.get_running_loop()
    patience, deadline = START_WITHIN, loop.time() + START_WITHIN
    limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
    async with aiohttp.ClientSession(timeout=limit) as http:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await _answer(http, url)
            except TimeoutError:
                if loop.time() - deadline < EVERY:
                    return
                # else it was us who slept, with the whole machine perhaps: ask once more
            else:
                patience = SILENT
            deadline = loop.time() + patience
            await asyncio.sleep(EVERY)


async def _answer(http: aiohttp.ClientSession, url: str) -> None:
    """Return when it says anything; that it is not well is an answer too."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with http.get(url, headers={"Connection": "close"}):
                return
        await asyncio.sleep(EVERY)


if __name__ == "__main__":
    _file = Path(os.environ.get("HOTLINE_CONFIG", settings.FILE))
    try:
        _foreground(settings.load(_file, os.environ), _file)
    except HotlineError as error:
        sys.exit(error.message)
