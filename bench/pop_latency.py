"""From the INVITE at the agent's phone to the screen-pop at the agent's WebSocket client.

A plain UDP socket plays every desk phone, so that both moments are taken by one clock in one
process. Negative means the pop was there first.

    python -m bench.pop_latency [--calls 500] [--rate 20] [--json]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench import sipp
from bench.phones import Phones
from bench.stack import Stack, stack

AGENTS = 150


async def _watch(service: Stack, agent: str, pops: dict[str, float], open_desks: Any) -> None:
    """Note when the pop of each call reaches *agent*'s desk."""
    async with service.http.ws_connect(
        f"{service.web.replace('http', 'ws')}/ws/desk",
        headers={"Authorization": f"Bearer {service.desk_tokens[agent]}"},
    ) as desk:
        open_desks.release()
        async for message in desk:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            seen = time.monotonic()
            change = json.loads(message.data)
            if change["type"] == "pop":
                pops.setdefault(change["body"]["caller"], seen)


async def measure(calls: int, rate: float, folder: Path) -> dict[str, object]:
    """Return the distribution in milliseconds."""
    pops: dict[str, float] = {}
    async with (
        stack(folder, agents=AGENTS, CALLS__WRAP_UP="0", LOGGING__LEVEL="WARNING") as service,
        Phones(service.sip, service.agents, answer_after=0.3) as phones,
    ):
        await phones.registered()
        await service.all_ready()
        opened = asyncio.Semaphore(0)
        watchers = [
            asyncio.create_task(_watch(service, agent, pops, opened)) for agent, _ in service.agents
        ]
        for _ in watchers:
            await opened.acquire()
        rows = [(f"136{n:08d}", "12345", "") for n in range(calls)]
        calling = await service.citizens(rows, rate=rate, hold=1.5, key_after=0.2, audio=False)
        await calling.wait()
        await asyncio.sleep(1)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        invites = phones.invites
    both = sorted((pops[c] - invites[c]) * 1000 for c in invites.keys() & pops.keys())
    return {
        "calls": calls,
        "rang": len(invites),
        "popped": len(pops),
        "p50_ms": round(statistics.median(both), 2) if both else None,
        "p99_ms": round(both[int(len(both) * 0.99)], 2) if both else None,
        "min_ms": round(both[0], 2) if both else None,
        "max_ms": round(both[-1], 2) if both else None,
        "pop_first": round(sum(d <= 0 for d in both) / len(both), 3) if both else None,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(asked.calls, asked.rate, Path(folder)))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    if not sipp.available():
        raise SystemExit("sipp is not installed: apt-get install sip-tester")
    main()
