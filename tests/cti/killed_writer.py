"""Processes that write tickets and tell hooks until they are killed.

`python -m tests.cti.killed_writer` is asked for one with a seed on a line of stdin; it says
`pid N`, then each line is one write that was acknowledged, ticket and version, then `dead`. It
forks what has loaded everything already: a life begins at once.
"""

import asyncio
import os
import random
import sys
import time
from pathlib import Path

import jieba

from cti.hooks.sender import Sender
from hotline import db
from schemas.errors import Conflict, Forbidden, NotFound
from schemas.tickets import TicketFilter
from tests.cti.case_desk import ADMIN, PEOPLE, Clock, Desk, choose, desk

WRITERS = 4
AT_ONCE = 40
"""Open tickets each writer moves among."""
TIMEOUT, LEASE = 1.0, 1.5
"""Seconds; short, so that what a dead one left behind is soon due again."""


class RealClock(Clock):
    """The machine's time."""

    def __call__(self) -> float:
        return time.time()


async def write(at: Desk, dice: random.Random) -> None:
    """Open tickets and move them, as anybody may, for ever."""
    found = await at.casework.find(ADMIN, TicketFilter(open=True, limit=200))
    mine = [ticket.id for ticket in found.items]
    while True:
        if len(mine) < 5 or (len(mine) < AT_ONCE and dice.random() < 0.25):
            opened = await at.open(title=f"停水 {dice.random()}", confidential=dice.random() < 0.2)
            mine.append(opened.id)
            sys.stdout.write(f"{opened.id} {opened.version}\n")
            continue
        ticket = dice.choice(mine)
        try:
            seen = [(who, await at.casework.get(who, ticket)) for who in dice.sample(PEOPLE, 3)]
        except NotFound:
            continue  # a unit's clerk looked for what is not theirs
        chosen = choose(dice, seen)
        if chosen is None:
            if seen[0][1].state.closed:
                mine.remove(ticket)
            continue
        who, do, said = chosen
        try:
            after = await at.do(who, seen[0][1], do, **said)
        except (Conflict, Forbidden, NotFound):
            continue  # somebody was quicker
        sys.stdout.write(f"{after.id} {after.version}\n")


async def main(url: str, files: Path, seed: int) -> None:
    """Run writers and sender side by side."""
    engine = db.engine(url)
    at = desk(engine, files, RealClock())
    sender = Sender(
        db.readers(engine),
        db.writers(engine),
        loopback=True,
        timeout=TIMEOUT,
        lease=LEASE,
        every=0.05,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run())
        for number in range(WRITERS):
            tasks.create_task(write(at, random.Random(f"{seed}-{number}")))


def bring_up(url: str, files: Path) -> None:
    """Fork a writer for each seed on stdin, one after another."""
    jieba.setLogLevel("WARNING")
    jieba.initialize()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            sys.stdout.write(f"pid {os.getpid()}\n")
            asyncio.run(main(url, files, int(line)))
        os.waitpid(pid, 0)
        sys.stdout.write("dead\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    bring_up(sys.argv[1], Path(sys.argv[2]))
