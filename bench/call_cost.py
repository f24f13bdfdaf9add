"""What a call costs: the whole service against a static dialplan that does the same media.

Both sides: the greeting (cut by key 0), a queue, a desk phone that answers, some talk, hang-up.
Ours adds the controller: AGI, ledger, ticket, presence, screen-pop. Reported: the rate held
without a failed call, and CPU milliseconds per call of Asterisk and of the controller.

    python -m bench.call_cost [--rates 4,8,12,16] [--seconds 20] [--json]
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import sipp
from bench.stack import Stack, stack

STATIC = """\
[bench-static]
exten => 9911,1,Answer()
 same => n,Background(hotline/greeting)
 same => n,Goto(queue,1)
exten => 0,1,Goto(queue,1)
exten => queue,1,Queue(bench-static,c)
 same => n,Hangup()
"""
AGENTS = 330
KEY_AFTER = 0.5
TALK = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """One rate, one side."""

    side: str
    rate: float
    calls: int
    failed: int
    asterisk_ms: float
    """CPU milliseconds of Asterisk per call."""
    controller_ms: float


async def _round(service: Stack, side: str, rate: float, seconds: float) -> Round:
    count = round(rate * seconds)
    number = "12345" if side == "ours" else "9911"
    rows = [(f"137{n:08d}", number, "") for n in range(count)]
    asterisk = service.asterisk.pid
    assert asterisk is not None
    ours = side == "ours"
    before = sipp.cpu_seconds(asterisk), sipp.cpu_seconds(service.pid) if ours else 0.0
    calling = await service.citizens(rows, rate=rate, hold=TALK + 1.0, key_after=KEY_AFTER)
    tally = await calling.wait()
    await asyncio.sleep(2)  # the ledger's last rows belong to the cost
    after = sipp.cpu_seconds(asterisk), sipp.cpu_seconds(service.pid) if ours else 0.0
    spent = after[0] - before[0], after[1] - before[1]
    failed = count - tally.ok
    if ours:
        failed += await _unanswered(service, rows)
    else:
        failed += count - await _completed(service)
    found = Round(
        side=side,
        rate=rate,
        calls=count,
        failed=failed,
        asterisk_ms=spent[0] * 1000 / count,
        controller_ms=spent[1] * 1000 / count,
    )
    _say(found)
    return found


async def _completed(service: Stack) -> int:
    """Return how many talks the peer's queue counts, and let it count anew."""
    said = await service.asterisk.console("queue show bench-static")
    await service.asterisk.console("queue reset stats bench-static")
    found = re.search(r"C:(\d+)", said)
    return int(found[1]) if found else 0


async def _unanswered(service: Stack, rows: list[tuple[str, str, str]]) -> int:
    """Return how many of this round's calls the ledger does not know as answered, with a ticket."""
    calls = await service.every("/api/v1/calls?limit=500")
    newest = calls[: len(rows)]
    return sum(c["outcome"] != "answered" or not c["ticket_id"] for c in newest)


async def measure(rates: list[float], seconds: float, folder: Path) -> list[Round]:
    """Return both sides at every rate, one after the other in one run."""
    rounds = []
    async with stack(
        folder,
        agents=AGENTS,
        run=False,
        CALLS__WRAP_UP="0",
        CALLS__POP_LEAD="0.02",
        ASTERISK__RECORD="false",
        LOGGING__LEVEL="WARNING",
    ) as service:
        await service.configure()
        _static_queue(service)
        await service.asterisk.start()
        await service.phones(ring=0.05)
        for rate in rates:  # the peer does without us, so no controller runs beside it
            rounds.append(await _round(service, "static", rate, seconds))
        await service.start_controller()
        await service.ready()
        await service.all_ready()
        for rate in rates:
            rounds.append(await _round(service, "ours", rate, seconds))
            await asyncio.sleep(4)  # app_queue's guard after each talk
    return rounds


def _static_queue(service: Stack) -> None:
    """Give the peer a queue of its own with the same phones, and a way in from the trunk."""
    etc = service.asterisk.home / "etc"
    members = "".join(f"member => PJSIP/{ext}\n" for ext, _ in service.agents)
    with (etc / "queues.conf").open("a") as queues:
        queues.write(
            "\n[bench-static]\nstrategy = rrmemory\nringinuse = no\ntimeout = 15\nretry = 1\n"
            "joinempty = yes\nautofill = yes\nwrapuptime = 0\n" + members
        )
    dialplan = etc / "extensions.conf"
    ours = dialplan.read_text()
    way_in = "[from-trunk]\nexten => 9911,1,Goto(bench-static,${EXTEN},1)\n"
    dialplan.write_text(ours.replace("[from-trunk]\n", way_in, 1) + STATIC)


def _say(found: Round) -> None:
    print(
        f"{found.side:>7} {found.rate:5.1f} calls/s  failed {found.failed:3d}/{found.calls}"
        f"  CPU: Asterisk {found.asterisk_ms:6.1f} ms, controller {found.controller_ms:5.1f} ms",
        file=sys.stderr,
    )


def summary(rounds: list[Round]) -> dict[str, object]:
    """Return the ratios the issue asks for."""

    def held(side: str) -> float:
        clean = [r.rate for r in rounds if r.side == side and r.failed == 0]
        return max(clean, default=0.0)

    ours = [r for r in rounds if r.side == "ours" and r.failed == 0]
    best = max(ours, key=lambda r: r.rate, default=None)
    peer = next((r for r in rounds if best and r.side == "static" and r.rate == best.rate), None)
    return {
        "held_ours": held("ours"),
        "held_static": held("static"),
        "held_ratio": held("ours") / held("static") if held("static") else None,
        "controller_ms": best.controller_ms if best else None,
        "asterisk_ms": best.asterisk_ms if best else None,
        "controller_to_asterisk": best.controller_ms / best.asterisk_ms if best else None,
        "asterisk_ms_static": peer.asterisk_ms if peer else None,
        "rounds": [asdict(r) for r in rounds],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="5,10,15,20,25,30,40")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = [float(rate) for rate in asked.rates.split(",")]
        found = summary(asyncio.run(measure(rates, asked.seconds, Path(folder))))
    if not asked.json:
        found.pop("rounds")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
