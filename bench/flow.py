"""What the flow machine costs: per step and per call, against the greeting that stood in code.

Two walks: `alike`, a document that says one prompt and queues, which is all the peer did; and
`city`, a silent caller of 12345 through the city's own flows (greeting, surge, the agent who knows
the caller, who is on duty, night). The share is of the CPU that a real controller spends on such a
call, ledger, ticket and screen-pop included, measured in the same run.

    python -m bench.flow [--rate 8] [--seconds 30] [--json]
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bench import hard_coded, sipp
from bench.stack import stack
from dialplans.city import load
from hotline import places
from ivr import flow
from schemas.city import City
from schemas.config import Site
from schemas.flows import Flow
from schemas.moves import Done, Heard, Look, Situation
from schemas.numbers import MAIN_NUMBER
from schemas.times import SHANGHAI

CALLS, ROUNDS = 2000, 15
ANSWERS = {"surge": "off", "last_agent": "none", "duty": "free"}
AGENTS = 120
STAY = 9.0
"""Seconds a citizen stays: the greeting, the ring, and some talk."""
AIM = 0.05
ALIKE = {
    "flow": "main",
    "title": "as it was",
    "start": "notice",
    "steps": {
        "notice": {"do": "say", "prompts": ["{notice}"], "next": "agents"},
        "agents": {"do": "queue"},
    },
}


def walk(city: City) -> tuple[int, int]:
    """Take a silent caller of 12345 to the end; return the steps, and the times it was asked."""
    situation = Situation(
        number=city.register.find(MAIN_NUMBER), caller="13900000001", at=datetime.now(SHANGHAI)
    )
    place, move = flow.begin(city, situation)
    asked = 1
    while not isinstance(move, Done):
        heard = Heard(word=ANSWERS[move.what]) if isinstance(move, Look) else Heard()
        place, move = flow.hear(place, heard)
        asked += 1
    return place.taken, asked


def machine(city: City) -> dict[str, float]:
    """Return microseconds per call and step of the machine and of its peer, taken in turns."""
    number = city.register.numbers[MAIN_NUMBER]
    alike = replace(city, flows={"main": Flow.model_validate(ALIKE)})

    def peer() -> None:
        place, _ = hard_coded.begin(number)
        hard_coded.hear(place, hard_coded.Heard())

    runs: dict[str, Callable[[], object]] = {
        "peer": peer, "alike": lambda: walk(alike), "city": lambda: walk(city),
    }  # fmt: skip
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.process_time()
            for _ in range(CALLS):
                run()
            took[name].append((time.process_time() - began) / CALLS * 1e6)
    found = {f"{name}_us": statistics.median(times) for name, times in took.items()}
    steps, _ = walk(city)
    return {
        **found,
        "city_steps": steps,
        "us_a_step": found["city_us"] / steps,
        "alike_to_peer": found["alike_us"] / found["peer_us"],
        "city_to_peer": found["city_us"] / found["peer_us"],
    }


async def controller(rate: float, seconds: float, folder: Path) -> dict[str, float]:
    """Return the CPU milliseconds that a real controller spends on a silent call to 12345."""
    count = round(rate * seconds)
    async with stack(
        folder,
        agents=AGENTS,
        CALLS__WRAP_UP="0",
        ASTERISK__RECORD="false",
        LOGGING__LEVEL="WARNING",
    ) as service:
        await service.phones(ring=0.05)
        await service.all_ready()
        idle = sipp.cpu_seconds(service.pid)
        await asyncio.sleep(seconds / 3)
        before = sipp.cpu_seconds(service.pid)
        idle = (before - idle) / (seconds / 3)
        began = time.monotonic()
        rows = [(f"134{n:08d}", MAIN_NUMBER, "") for n in range(count)]
        calling = await service.citizens(rows, rate=rate, hold=STAY, audio=False)
        tally = await calling.wait()
        await asyncio.sleep(2)  # the ledger's last rows belong to the cost
        spent = sipp.cpu_seconds(service.pid) - before
        whole = spent / count * 1000
        working = (spent - idle * (time.monotonic() - began)) / count * 1000
        calls = await service.every("/api/v1/calls?limit=500")
    answered = sum(call["outcome"] == "answered" for call in calls)
    print(f"{answered} of {count} calls answered, {tally.failed} failed", file=sys.stderr)
    return {"calls": count, "answered": answered, "controller_ms": whole, "working_ms": working}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=8)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = machine(load(places.dialplan(Site())))
    with tempfile.TemporaryDirectory() as folder:
        found |= asyncio.run(controller(asked.rate, asked.seconds, Path(folder)))
    found["share"] = found["city_us"] / 1000 / found["working_ms"]
    found["aim"] = AIM
    if asked.json:
        print(json.dumps(found, indent=2))
    else:
        print(json.dumps({name: round(value, 4) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
