"""Resident memory of the controller over thousands of real calls: the curve, and its peer.

The peer is the same process before the first call, so the ratio tells what calls leave behind.

    python -m bench.memory [--calls 20000] [--rate 30] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from bench import sipp
from bench.stack import stack

AGENTS = 330
EVERY = 10.0
"""Seconds between two points of the curve."""


async def measure(calls: int, rate: float, folder: Path) -> dict[str, object]:
    """Return the curve in MB against calls made."""
    curve: list[tuple[int, float]] = []
    async with stack(
        folder,
        agents=AGENTS,
        CALLS__WRAP_UP="0",
        ASTERISK__RECORD="false",
        LOGGING__LEVEL="WARNING",
    ) as service:
        await service.phones(ring=0.02)
        await service.all_ready()
        before = sipp.resident(service.pid)
        rows = [(f"135{n:08d}", "12345", "") for n in range(calls)]
        calling = await service.citizens(rows, rate=rate, hold=0.6, key_after=0.1, audio=False)
        done = asyncio.create_task(calling.wait())
        while not done.done():
            await asyncio.wait([done], timeout=EVERY)
            point = calling.tally().made, sipp.resident(service.pid)
            curve.append(point)
            print(f"{point[0]:6d} calls  {point[1]:6.1f} MB", file=sys.stderr)
        await asyncio.sleep(2)
        after = sipp.resident(service.pid)
        found = await service.get("/api/v1/reports/service-level")
    half = [mb for made, mb in curve if made >= calls / 2]
    return {
        "calls": calls,
        "answered": found["total"]["answered"],
        "before_mb": round(before, 1),
        "after_mb": round(after, 1),
        "most_mb": round(max(mb for _, mb in curve), 1),
        "ratio": round(after / before, 2),
        "second_half_growth_mb": round(half[-1] - half[0], 1) if half else None,
        "curve": [(made, round(mb, 1)) for made, mb in curve],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20000)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(asked.calls, asked.rate, Path(folder)))
    if not asked.json:
        found.pop("curve")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
