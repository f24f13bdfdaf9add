"""What is known of a running service: its process, its addresses, its links."""

import json
import os
from pathlib import Path
from typing import Any

import aiohttp

from hotline.config import Config
from schemas.errors import Unavailable


def run_file(config: Config, name: str) -> Path:
    """Return the path of a file about what runs."""
    return config.site.state / "run" / name


def running(config: Config) -> int | None:
    """Return the process id of a running `up`, or None."""
    try:
        pid = int(json.loads(run_file(config, "up.json").read_text())["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError):
        return None
    return pid


async def status(config: Config) -> dict[str, Any]:
    """Return addresses and links of the running service.

    Raises:
        Unavailable: no controller answers.
    """
    try:
        addresses = json.loads(run_file(config, "serve.json").read_text())
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.get(addresses["web"] + "/status") as answer,
        ):
            found = await answer.json()
    except (OSError, ValueError, KeyError, aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable("the controller does not answer; `hotline up` starts it") from error
    return {**found, **addresses}
