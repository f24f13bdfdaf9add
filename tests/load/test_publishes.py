"""Publish after publish while citizens call, publishers killed at random moments.

`make load` runs 1 000 of them at 5 calls/s; `make test` the same with fewer (see `PUBLISHES`).
"""

import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench import sipp
from bench.stack import Stack, stack
from dialplans.history import LIVE, Event
from dialplans.versions import Versions
from hotline import releases
from tests.load import faults
from tests.real import whole

pytestmark = [pytest.mark.real, pytest.mark.timeout(7200), pytest.mark.xdist_group("load")]

PUBLISHES = int(os.environ.get("PUBLISHES", "30"))
RATE = 5.0
"""Calls a second."""
HOLD = 6.0
"""Seconds that a caller stays: longer than the prompt that a key cuts and the talk begins."""
AGENTS = 60
KILLED = 0.4
"""Share of the publishers that are killed."""


def said(what: str) -> None:
    print(f"\n[{PUBLISHES} publishes] {what}")  # noqa: T201 - a figure of the closing note


class Admin:
    """Edits and publishes; some publishers die of it."""

    def __init__(self, service: Stack, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.versions: Versions = releases.versions(service.config)
        self.chance = random.Random(12345)
        self.seconds: list[float] = []
        self.killed = 0
        self._numbers = (folder / "hotlines.csv").read_text()
        self._sound = (folder / "audio" / "ticket-open.wav").read_bytes()

    def edit(self, n: int) -> None:
        """Change a number's prompt, a sound and a context, so that every part is written."""
        numbers = self._numbers
        if n % 2:
            numbers = numbers.replace("整合,notice-12336,", "整合,notice-12320,")
        (self.folder / "hotlines.csv").write_text(numbers)
        sound = bytearray(self._sound)
        sound[-2:] = (n % 65536).to_bytes(2, "little")
        (self.folder / "audio" / "ticket-unknown.wav").write_bytes(sound)
        (self.folder / "custom").mkdir(exist_ok=True)
        (self.folder / "custom" / "own.conf").write_text(f"[own]\nexten => 1,1,NoOp({n})\n")

    async def publish(self, *, killed_after: float | None) -> None:
        """Type `hotline dialplan publish`; kill it after so many seconds."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hotline.cli", "dialplan", "publish",
            "--why", "load", "--who", "load", "--no-watch", "--json",
            env={**os.environ, **self.service.environment},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(killed_after or 60):
                out, _ = await process.communicate()
        except TimeoutError:
            assert killed_after is not None, "a publish took more than a minute"
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            self.killed += 1
            return
        assert process.returncode == 0, out.decode()
        self.seconds.append(time.monotonic() - began)

    def whole(self) -> None:
        """Assert that no version is half-written, the current one above all."""
        current = self.versions.current()
        assert current is not None
        assert self.versions.damage(current) == []


async def remember_phones(service: Stack) -> None:
    """Let a registration last an hour, as sipp asks for it: unlike phones it registers but once."""
    file = service.asterisk.home / "etc" / "pjsip.conf"
    text = file.read_text()
    assert "maximum_expiration = 600\n" in text
    file.write_text(text.replace("maximum_expiration = 600\n", "maximum_expiration = 3600\n"))
    await service.asterisk.console("module reload res_pjsip.so")
    agent = service.agents[0][0]

    async def told() -> str:
        return await service.asterisk.console(f"pjsip show aor {agent}")

    await service.until(told, lambda said: re.search(r"maximum_expiration +: 3600", said))


def unanswered(service: Stack) -> int:
    """Return how many calls ended without a person."""
    query = "SELECT count(*) FROM calls WHERE outcome IS NOT NULL AND outcome <> 'answered'"
    return int(faults.rows(service, query)[0][0])


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    if not sipp.available():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("sipp is not installed")
    folder = whole.baoji_in_office_hours(tmp_path / "baoji")
    async with stack(
        tmp_path / "s", agents=AGENTS, SITE__DIALPLAN_DIR=str(folder), CALLS__WRAP_UP="0",
        LOGGING__LEVEL="WARNING",
    ) as service:  # fmt: skip
        await remember_phones(service)
        await service.phones(ring=0.05)
        await service.all_ready()
        yield Admin(service, folder)


async def test_publishes_under_load_drop_no_call_and_leave_no_half_written_file(
    admin: Admin,
) -> None:
    service = admin.service
    # the first one tells how long a publish takes, so that the others die within one
    admin.edit(0)
    await admin.publish(killed_after=None)
    length = admin.seconds[0]
    # more than can be needed: they are told to stop
    callers = [f"13{n:09d}" for n in range(int(RATE * 60 * PUBLISHES))]
    calling = await service.citizens(
        [(caller, "12336", "") for caller in callers],
        rate=RATE, hold=HOLD, key_after=0.5, limit=AGENTS * 5,
    )  # fmt: skip
    began = time.monotonic()
    for n in range(1, PUBLISHES):
        admin.edit(n)
        dies = admin.chance.random() < KILLED
        await admin.publish(killed_after=admin.chance.uniform(0.1, length) if dies else None)
        admin.whole()
        assert unanswered(service) == 0, f"after {n} publishes"
        if n % 100 == 0:
            said(f"{n} done, {admin.killed} of them killed, {time.monotonic() - began:.0f} s")
    took = time.monotonic() - began
    assert admin.killed, "nobody was killed in time"
    calls_meanwhile = calling.tally().made
    # the last one is whole and runs
    admin.edit(PUBLISHES)
    await admin.publish(killed_after=None)
    last = admin.versions.current()
    assert f"NoOp({last})" in await service.asterisk.console("dialplan show hotline-version")
    assert f"NoOp({PUBLISHES})" in await service.asterisk.console("dialplan show own")
    os.kill(calling.pid, signal.SIGUSR1)  # no new calls; the others go on to their end
    async with asyncio.timeout(120):
        tally = await calling.wait()
    assert tally.failed == 0, tally
    assert tally.made < len(callers), "the calls ended before the publishes did"

    async def open_calls() -> int:
        return int(faults.rows(service, "SELECT count(*) FROM calls WHERE outcome IS NULL")[0][0])

    await service.until(open_calls, lambda left: left == 0)
    outcomes = Counter(
        dict(faults.rows(service, "SELECT outcome, count(*) FROM calls GROUP BY outcome"))
    )
    assert outcomes == {"answered": tally.made}, outcomes
    # nothing half-written is left, and the history tells each version once, in order
    for number in admin.versions.numbers():
        assert admin.versions.damage(number) == []
    left = [p.name for p in admin.versions.home.rglob(".*")]
    assert left == []
    etc = service.asterisk.home / "etc"
    assert [
        p.name for p in etc.rglob("*") if p.is_file() and p.suffix not in (".conf", ".xml")
    ] == []
    history = admin.versions.history()
    live = [e.version for e in history if e.event in LIVE]
    assert live == sorted(set(live))
    assert not [e for e in history if e.event in (Event.REFUSED, Event.ALARM, Event.ROLLED_BACK)]
    bytes_held = sum(p.stat().st_size for p in (admin.versions.home / "store").iterdir())
    working = sum(p.stat().st_size for p in admin.folder.rglob("*") if p.is_file())
    assert bytes_held < 2 * working + 60 * 100_000
    answers = sorted(row[0] for row in faults.rows(service, "SELECT sla_seconds FROM calls"))
    said(
        f"{admin.killed} publishers killed, {len(live)} versions live, {took:.0f} s; "
        f"{calls_meanwhile} calls meanwhile, {tally.made} in all, every one answered, "
        f"99 % within {answers[int(len(answers) * 0.99)]:.2f} s; a publish takes "
        f"{sorted(admin.seconds)[len(admin.seconds) // 2]:.2f} s until Asterisk has it; "
        f"the versions hold {bytes_held / 1e6:.0f} MB, the folder {working / 1e6:.0f} MB"
    )
