"""sipp as citizens and as desk phones: many SIP users with audio, for load, faults and figures."""

import asyncio
import csv
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SCENARIOS = Path(__file__).parent / "scenarios"
CITIZENS, PHONES = "127.0.0.2", "127.0.0.3"


@dataclass(frozen=True, slots=True)
class Tally:
    """What a sipp run counted."""

    made: int
    ok: int
    failed: int


def available() -> bool:
    """Tell whether sipp is installed."""
    return shutil.which("sipp") is not None


def voice(folder: Path) -> Path:
    """Write two seconds of a 440 Hz tone as raw μ-law and return its path."""
    path = folder / "voice.ulaw"
    if not path.exists():
        samples = (round(8000 * math.sin(2 * math.pi * 440 * i / 8000)) for i in range(16000))
        path.write_bytes(bytes(_ulaw(sample) for sample in samples))
    return path


def _ulaw(sample: int) -> int:
    """Return *sample* as one byte of G.711 μ-law."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


class Sipp:
    """One sipp process; its files live in a folder that goes with it."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._arguments = arguments
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            "sipp",
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    async def wait(self) -> Tally:
        """Return what it counted once it has ended."""
        assert self._process is not None
        await self._process.wait()
        return self.tally()

    def tally(self) -> Tally:
        """Return what it has counted so far."""
        files = sorted(self._folder.glob("stat.csv"))
        rows = (
            list(csv.DictReader(files[0].read_text().splitlines(), delimiter=";")) if files else []
        )
        if not rows:
            return Tally(0, 0, 0)
        last = rows[-1]
        return Tally(
            made=int(last["TotalCallCreated"]),
            ok=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
        )

    async def stop(self) -> None:
        """End it at once, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _scenario(name: str, folder: Path, **values: str) -> Path:
    text = (SCENARIOS / f"{name}.xml").read_text()
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    path = folder / f"{name}.xml"
    path.write_text(text)
    return path


def _lines(folder: Path, rows: Iterable[Sequence[str]]) -> Path:
    path = folder / "lines.csv"
    path.write_text("SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in rows))
    return path


def citizens(
    exchange: str,
    rows: Sequence[tuple[str, str, str]],
    *,
    rate: float,
    hold: float,
    port: int,
    key_after: float = 0.0,
    audio: bool = True,
    rtp: int,
    limit: int = 0,
) -> Sipp:
    """Return citizens who call *exchange*, one for each of *rows* (caller, dialled, headers).

    Args:
        rate: new calls a second.
        hold: seconds to stay after the answer (and the key).
        rtp: first media port; the next ones are taken as they are needed.
        key_after: seconds after the answer at which 0 is pressed; 0: no key.
        limit: most calls at once; 0: no limit.
    """
    folder = Path(tempfile.mkdtemp(prefix="citizens-"))
    media = ""
    if audio:
        media = f'<nop><action><exec rtp_stream="{voice(folder)},-1,0,PCMU/8000"/></action></nop>'
    if key_after:
        media += (SCENARIOS / "key.xml").read_text().replace("@KEY@", f"{key_after * 1000:.0f}")
    scenario = _scenario("citizen", folder, media=media, hold=str(round(hold * 1000)))
    arguments = [
        exchange, "-sf", str(scenario), "-inf", str(_lines(folder, rows)), "-i", CITIZENS,
        "-p", str(port), "-m", str(len(rows)), "-r", f"{rate:g}", "-mp", str(rtp),
        "-l", str(limit or len(rows) + 10), "-nostdin", "-trace_stat", "-stf", "stat.csv",
        "-fd", "1",
        "-recv_timeout", "60000", "-trace_err", "-error_file", "errors.log",
    ]  # fmt: skip
    return Sipp(arguments, folder)


def phones(exchange: str, *, ring: float, port: int, rtp: int = 40000, host: str = PHONES) -> Sipp:
    """Return desk phones that answer every call after *ring* seconds and echo the voice."""
    folder = Path(tempfile.mkdtemp(prefix="phones-"))
    scenario = _scenario("phone", folder, ring=str(max(1, round(ring * 1000))))
    arguments = [
        exchange, "-sf", str(scenario), "-i", host, "-p", str(port), "-mp", str(rtp),
        "-rtp_echo", "-nostdin", "-trace_stat", "-stf", "stat.csv", "-fd", "1",
    ]  # fmt: skip
    return Sipp(arguments, folder)


async def register(exchange: str, passwords: Sequence[tuple[str, str]], *, port: int) -> Tally:
    """Register (extension, password) pairs from *port*, where `phones` will answer for them.

    The exchange takes the source address as the contact, so the port must be the same.
    """
    folder = Path(tempfile.mkdtemp(prefix="register-"))
    rows = [
        (ext, f"[authentication username={ext} password={password}]", str(port))
        for ext, password in passwords
    ]
    scenario = _scenario("register", folder)
    run = Sipp(
        [
            exchange,
            "-sf",
            str(scenario),
            "-inf",
            str(_lines(folder, rows)),
            "-i",
            PHONES,
            "-p",
            str(port),
            "-m",
            str(len(rows)),
            "-r",
            "50",
            "-nostdin",
            "-trace_stat",
            "-stf",
            "stat.csv",
            "-fd",
            "1",
        ],
        folder,
    )
    await run.start()
    try:
        async with asyncio.timeout(60):
            return await run.wait()
    finally:
        await run.stop()


def cpu_seconds(pid: int) -> float:
    """Return user and system CPU seconds of *pid* so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the resident memory of *pid* in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
