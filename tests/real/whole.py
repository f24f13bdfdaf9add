"""The whole service for tests: Asterisk, controller, desks, a city; and ways to look at it."""

import array
import asyncio
import contextlib
import csv
import json
import math
import os
import secrets
import shutil
import socket
import sqlite3
import time
import wave
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import make_url

from agents import keys
from bench import sipp
from bench.stack import Stack, free_port, stack
from hotline import admin, places
from hotline.asterisk import install
from hotline.asterisk.render import CarrierPhone, City
from hotline.carrier import Carrier
from schemas import config
from schemas.errors import Unavailable
from schemas.identity import Role
from schemas.times import SHANGHAI

CARRIER, PHONES = "127.0.0.2", "127.0.0.3"
Row = dict[str, Any]


def needed(*, with_sipp: bool = False) -> install.Installation:
    """Return the Asterisk to test with; skip with a sentence about what is missing."""
    say = pytest.fail if os.environ.get("CI") else pytest.skip
    if with_sipp and not sipp.available():
        say("no sipp on PATH: install the package `sip-tester`")
    for address in (CARRIER, PHONES):
        with socket.socket(type=socket.SOCK_DGRAM) as trial:
            try:
                trial.bind((address, 0))
            except OSError:
                say(f"the loopback address {address} cannot be used on this machine")
    try:
        return install.find(None, Path(__file__).parents[2] / ".local")
    except Unavailable as missing:
        say(missing.message)
        raise


@asynccontextmanager
async def service(
    folder: Path, *, agents: int, skilled: Sequence[str] = (), **overrides: str
) -> AsyncIterator[Stack]:
    """Yield the running service; its trunk leads to a free port of the carrier's address.

    Args:
        skilled: units, for each of which there is one agent more, skilled for it.
    """
    needed()
    overrides.setdefault("TRUNK__HOST", f"{CARRIER}:{free_port(CARRIER, socket.SOCK_DGRAM)}")
    if "SITE__DIALPLAN_DIR" not in overrides:
        overrides["SITE__DIALPLAN_DIR"] = str(baoji_in_office_hours(folder / "baoji"))
    async with stack(folder, agents=agents, run=False, **overrides) as made:
        for unit in skilled:
            await made.people(1, skills=[unit])
        await made.start()
        if skilled:
            await _staffed(made, skilled)
        yield made


OFFICE_HOURS = """\
[schedules.office]
every = ["00:00-24:00"]

[schedules.night]
holidays = ["00:00-24:00"]
"""
WORKDAY = """
[[overrides]]
date = {}
kind = "workday"
why = "测试"
"""


def baoji_in_office_hours(folder: Path) -> Path:
    """Return a copy of the city's dialplan in which it is office hours, whenever tests run."""
    shutil.copytree(places.dialplan(config.Site()), folder)
    today = datetime.now(SHANGHAI).date()
    days = "".join(WORKDAY.format(today + timedelta(days=n)) for n in (-1, 0, 1))
    (folder / "calendar.toml").write_text(OFFICE_HOURS + days, "utf-8")
    return folder


async def _staffed(made: Stack, units: Sequence[str]) -> None:
    """Wait until the queues of these units are served: an agent who signs on stands in them."""
    agent = made.agents[0][0]
    await made.wish(agent, "ready")

    async def served() -> int:
        said = await made.asterisk.console("queue show")
        queues = [q for q in said.split("\n\n") if f"(PJSIP/{agent})" in q]
        return sum(q.strip().startswith("unit-") for q in queues)

    await made.until(served, lambda count: count >= len(set(units)))
    await made.wish(agent, "offline")
    await made.until(served, lambda count: count == 0)


def trunk_port(made: Stack) -> int:
    """Return the port on which the exchange expects its carrier."""
    return int(made.config.trunk.host.partition(":")[2])


@asynccontextmanager
async def city(made: Stack) -> AsyncIterator[Carrier]:
    """Yield a city around the service, the desk phone of every agent registered."""
    installation = made.asterisk.installation
    plan = City(
        hotline=made.sip,
        secret=secrets.token_urlsafe(24),
        trunk_host=CARRIER,
        trunk_port=trunk_port(made),
        phones_host=PHONES,
        phones_port=free_port(PHONES, socket.SOCK_DGRAM),
        ami_host=CARRIER,
        ami_port=free_port(CARRIER),
        phones=tuple(CarrierPhone(extension=e, password=p) for e, p in made.agents),
    )
    home = installation.home(made.folder, f"city-{secrets.token_hex(4)}")
    async with Carrier(installation, home, plan) as running:
        async with asyncio.timeout(20):
            await running.registered(*(extension for extension, _ in made.agents))
        yield running


# ---- the ledger


async def row(made: Stack, caller: str, enough: Callable[[Row], bool], within: float = 20) -> Row:
    """Return the newest call of *caller* once it is *enough*, with its timeline."""

    last: Row = {}

    async def ask() -> Row:
        nonlocal last
        found = await made.get(f"/api/v1/calls?caller={caller}&limit=1")
        last = dict(found[0]) if found else {}
        return last

    try:
        await made.until(ask, lambda r: bool(r) and enough(r), within=within)
    except TimeoutError:
        whole = await made.get(f"/api/v1/calls/{last['id']}") if last else None
        queues = await made.asterisk.console("queue show")
        members = [q for q in queues.split("\n\n") if q.startswith("citizens")]
        pytest.fail(f"within {within:g} s the ledger came no further than {whole}\n{members}")
    return dict(await made.get(f"/api/v1/calls/{last['id']}"))


def has(**wanted: object) -> Callable[[Row], bool]:
    """Return a test whether a row has these values; ... stands for any but None."""
    return lambda r: all(
        r.get(key) is not None if value is ... else r.get(key) == value
        for key, value in wanted.items()
    )


async def closed(made: Stack, caller: str, within: float = 20) -> Row:
    """Return the newest call of *caller* once it has its outcome."""
    return await row(made, caller, has(outcome=...), within)


async def written(made: Stack, *callers: str, **wanted: object) -> None:
    """Wait until the ledger on disk, not only the controller, knows this of these callers."""
    file = make_url(made.config.database_url).database

    async def ask() -> list[Row]:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
            ledger.row_factory = sqlite3.Row
            return [
                dict(found)
                for caller in callers
                for found in ledger.execute("SELECT * FROM calls WHERE caller = ?", [caller])
            ]

    await made.until(
        ask, lambda rows: len(rows) == len(callers) and all(has(**wanted)(r) for r in rows)
    )


async def state(made: Stack, agent: str, wanted: str, within: float = 20) -> Row:
    """Return the agent once REST shows the state *wanted*."""

    async def ask() -> Row:
        return dict(await made.get(f"/api/v1/agents/{agent}"))

    return dict(await made.until(ask, lambda a: a["state"] == wanted, within=within))


# ---- desks


@dataclass(eq=False)
class DeskClient:
    """What an agent's desk is told, in order."""

    snapshot: Row = field(default_factory=dict)
    told: list[Row] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    """Unix seconds of each of `told`."""
    more: asyncio.Event = field(default_factory=asyncio.Event)
    socket: aiohttp.ClientWebSocketResponse | None = None

    async def send(self, command: Row) -> None:
        """Ask something."""
        assert self.socket is not None
        await self.socket.send_json(command)

    async def answer(self, id: str, within: float = 20) -> Row:
        """Return the answer to the command of this id."""
        async with asyncio.timeout(within):
            while True:
                for said in self.told:
                    if said["type"] == "answer" and said["id"] == id:
                        return said
                self.more.clear()
                await self.more.wait()

    async def see(self, kind: str, *, past: int = 0, within: float = 20, **body: object) -> Row:
        """Return the body of the first change of this kind, past or to come, that fits.

        Args:
            past: how many changes to leave out.
        """
        async with asyncio.timeout(within):
            while True:
                for change in self.told[past:]:
                    if change["type"] == kind and has(**body)(change["body"]):
                        return dict(change["body"])
                self.more.clear()
                await self.more.wait()

    def when(self, kind: str, **body: object) -> float:
        """Return when the first change that fits arrived, Unix seconds."""
        return next(
            at
            for at, change in zip(self.arrived, self.told, strict=True)
            if change["type"] == kind and has(**body)(change["body"])
        )


@asynccontextmanager
async def desk(made: Stack, agent: str) -> AsyncIterator[DeskClient]:
    """Yield the open desk of *agent*."""
    async with admin.database(made.config) as session:
        token = await keys.create_token(session, role=Role.AGENT, agent=agent, now=time.time())
    told = DeskClient()

    async def read(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            change = json.loads(message.data)
            told.told.append(change)
            told.arrived.append(time.time())
            told.more.set()

    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
        http.ws_connect(made.web + "/ws/desk") as socket,
    ):
        told.socket = socket
        told.snapshot = await socket.receive_json()
        reading = asyncio.create_task(read(socket))
        try:
            yield told
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading


# ---- what was heard


async def samples(sound: Path, within: float = 10) -> Sequence[int]:
    """Return the samples of *sound* (8 kHz) once Asterisk has closed it."""
    async with asyncio.timeout(within):
        await settled(sound)
    with wave.open(str(sound)) as opened:
        assert opened.getframerate() == 8000
        return array.array("h", opened.readframes(opened.getnframes()))


async def settled(sound: Path) -> None:
    """Return once Asterisk has closed *sound*: only then does its header tell its real length."""
    while not _whole(sound):  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(0.05)


def _whole(sound: Path) -> bool:
    if not sound.exists() or sound.stat().st_size <= 44:
        return False
    try:
        with wave.open(str(sound)) as opened:
            return opened.getnframes() * 2 == sound.stat().st_size - 44
    except (wave.Error, EOFError):  # its header is just being written again
        return False


def of_ulaw(sound: bytes) -> list[int]:
    """Return the samples of G.711 μ-law."""
    return [_ULAW[byte] for byte in sound]


def _linear(byte: int) -> int:
    byte = ~byte & 0xFF
    size = ((byte & 0x0F) << 3) + 132 << (byte >> 4 & 7)
    return 132 - size if byte & 0x80 else size - 132


_ULAW = [_linear(byte) for byte in range(256)]


def seconds_of_tone(sound: Sequence[int], hertz: float) -> float:
    """Return how many seconds of *sound* are a steady tone of *hertz* (Goertzel, 20 ms)."""
    return 0.02 * sum(_share(frame, hertz) > 0.5 for frame in _frames(sound))


def seconds_of_voice(sound: Sequence[int], *, but: float = 1000) -> float:
    """Return how many seconds of *sound* hold more than a tone of *but* hertz, or quiet."""
    return 0.02 * sum(_power(frame) * (1 - _share(frame, but)) > 150**2 for frame in _frames(sound))


def _frames(sound: Sequence[int]) -> list[Sequence[int]]:
    return [sound[i : i + 160] for i in range(0, len(sound) - 159, 160)]


def _power(frame: Sequence[int]) -> float:
    return sum(s * s for s in frame) / len(frame)


def _share(frame: Sequence[int], hertz: float) -> float:
    """Return the part of the frame's power that lies at *hertz*; 0 when it is quiet."""
    power = _power(frame)
    if power < 100**2:
        return 0.0
    turn = 2 * math.pi * hertz / 8000
    real = sum(s * math.cos(turn * i) for i, s in enumerate(frame))
    imaginary = sum(s * math.sin(turn * i) for i, s in enumerate(frame))
    return 2 * (real**2 + imaginary**2) / len(frame) ** 2 / power


# ---- Asterisk's own account


def cel(made: Stack) -> list[Mapping[str, str]]:
    """Return the records of Asterisk's channel log so far."""
    names = ("type", "time", "linkedid", "uniqueid", "channel", "caller", "exten", "context",
             "app", "data", "peer", "extra", "rdnis")  # fmt: skip
    if not made.asterisk.cel.exists():
        return []
    with made.asterisk.cel.open(newline="", errors="replace") as lines:
        return [dict(zip(names, line, strict=False)) for line in csv.reader(lines)]


def fallback_times(made: Stack) -> dict[str, float]:
    """Return by call id the seconds from Answer to the fallback queue, by Asterisk's own clock."""
    answered: dict[str, float] = {}
    times: dict[str, float] = {}
    for record in cel(made):
        call = record["linkedid"]
        if record["uniqueid"] != call:
            continue
        if record["type"] == "ANSWER":
            answered.setdefault(call, float(record["time"]))
        fallback = record["app"] == "Queue" and record["data"].startswith("fallback")
        if record["type"] == "APP_START" and fallback and call in answered:
            times.setdefault(call, float(record["time"]) - answered[call])
    return times
