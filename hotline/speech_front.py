"""The speech front as a process: `python -m hotline.speech_front`, started by `hotline speech`.

It ends on SIGTERM, or when its standard input closes (its supervisor is gone), after having served
the callers who are there.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from hotline import config as settings
from hotline import log
from hotline.config import Config
from hotline.models import folders
from ivr.speech import models
from ivr.speech.crew import Crew, Terms
from ivr.speech.server import Front
from ivr.speech.worker import Orders
from schemas.errors import HotlineError

DRAIN_WITHIN = 8.0
"""Seconds that callers may still talk once it is to end."""

HUNG_AFTER = 1.5
"""Seconds without an answer after which a recogniser is killed; it computes beside answering."""


def worker_command(config: Config) -> Sequence[str]:
    """Return the command line of a recogniser process.

    Raises:
        HotlineError: there is no model to load.
    """
    speech = config.speech
    if not speech.enabled:
        raise NotWanted("[speech] enabled is false")
    model, folder = models.find(speech.model, folders(config))
    keep = speech.keep_audio and config.asterisk.record
    orders = Orders(
        model=model,
        folder=folder,
        hangover=round(speech.hangover * 1000),
        longest=round(speech.longest * 1000),
        keep=(config.site.state / "speech").resolve() if keep else None,
    )
    return [sys.executable, "-m", "ivr.speech.worker", orders.model_dump_json()]


class NotWanted(HotlineError):
    """The settings say that callers do not speak."""

    code, status = "not_wanted", 503


def crew(config: Config) -> Crew:
    """Return the recognisers that the settings ask for, not started yet."""
    speech = config.speech
    return Crew(
        Terms(
            command=lambda: worker_command(config),
            workers=speech.workers or len(os.sched_getaffinity(0)),
            streams=speech.streams,
            hung_after=HUNG_AFTER,
        )
    )


async def serve(config: Config, ended: asyncio.Event) -> None:
    """Serve until *ended* is set, then until the callers who are there have been served."""
    recognisers = crew(config)
    front = Front(recognisers, answer_within=config.speech.answer_within)
    runner = web.AppRunner(front.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    recognisers.start()
    try:
        await web.TCPSite(runner, str(config.speech.host), config.speech.port).start()
        await ended.wait()
        await front.drain(DRAIN_WITHIN)
    finally:
        await recognisers.stop()
        await runner.cleanup()


async def _main(config: Config) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin.fileno(), ended.set)  # nothing is ever written to us: it closed
    await serve(config, ended)
    with contextlib.suppress(ValueError):
        loop.remove_reader(sys.stdin.fileno())


def main() -> None:
    """Serve with the settings of `HOTLINE_CONFIG` and the environment."""
    config = settings.load(Path(os.environ.get("HOTLINE_CONFIG", settings.FILE)), os.environ)
    log.set_up(config.logging.level, json_lines=config.logging.json_lines)
    try:
        asyncio.run(_main(config))
    except OSError as error:
        sys.exit(f"the speech front cannot listen: {error}")


if __name__ == "__main__":
    main()
