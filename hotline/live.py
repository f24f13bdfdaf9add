"""The live view of calls that `hotline up` shows on a terminal."""

import asyncio
import time
from typing import Any

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.table import Table

from agents import keys
from hotline import admin, running
from hotline.config import Config
from schemas.errors import Unavailable
from schemas.identity import Role

EVERY = 1.0
"""Seconds between two looks."""
ROWS = 20


async def show(config: Config, console: Console) -> None:
    """Show links and calls until cancelled; asks the controller as any machine would."""
    async with admin.database(config) as session:
        token = await keys.create_token(
            session, role=Role.READER, now=time.time(), label="hotline up"
        )
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        with Live(console=console, auto_refresh=False) as view:
            while True:
                view.update(await _look(config, http), refresh=True)
                await asyncio.sleep(EVERY)


async def _look(config: Config, http: aiohttp.ClientSession) -> Table:
    try:
        found = await running.status(config)
        async with http.get(f"{found['web']}/api/v1/calls?limit={ROWS}") as answer:
            calls = await answer.json() if answer.status == 200 else []
    except (Unavailable, aiohttp.ClientError, OSError):
        return Table(title="the controller does not answer yet")
    return table(found, calls)


def table(status: dict[str, Any], calls: list[dict[str, Any]]) -> Table:
    """Return links and calls as a person on duty wants to see them."""
    links = "  ".join(f"{n} {'✓' if s['ok'] else '✗'}" for n, s in status["links"].items())
    view = Table(
        title=f"{status['web']}   SIP {status['sip']}   {links}   live {status['live_calls']}",
        title_justify="left",
    )
    for column in ("began", "dialled", "hotline", "state", "waited", "agent", "outcome"):
        view.add_column(column, no_wrap=True)
    for call in calls:
        waited = call["sla_seconds"]
        view.add_row(
            call["started_at"][11:19],
            call["number"] or call["did"] or "",
            call["hotline"] or "",
            call["state"],
            "" if waited is None else f"{waited:.1f} s",
            call["agent"] or "",
            call["outcome"] or "",
        )
    return view
