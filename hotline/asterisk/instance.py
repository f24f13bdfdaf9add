"""One running Asterisk with a home folder of its own."""

import asyncio
import contextlib
import logging
import math
import os
import re
import shutil
import signal
import struct
import tempfile
import time
import wave
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from hotline.asterisk.adopted import Adopted, left_behind
from hotline.asterisk.install import Installation, system_sounds
from hotline.asterisk.render import Directories
from schemas.errors import Unavailable

log = logging.getLogger(__name__)

SOUND_FILES = frozenset({".wav", ".wav16", ".ulaw", ".alaw", ".sln", ".sln16", ".g722"})
KEEP_SOUNDS = 24 * 3600.0
"""Seconds that a sound stays which no version applied since then has used."""
_OF_CONTENT = re.compile(r"-[0-9a-f]{10}\.\w+$")
_SOCKET_LIMIT = 107
"""Most bytes of a Unix socket's path; console commands go through one."""


class Instance:
    """Owns an Asterisk process and the folder it lives in; paths are as *we* see them.

    The folder outlives the process: Asterisk's database (queue members) and the recordings
    are found again by the next start.
    """

    def __init__(self, installation: Installation, home: Path) -> None:
        self.installation = installation
        self.home = home
        self.directories = Directories(installation.inside(home))
        self._process: asyncio.subprocess.Process | Adopted | None = None

    @property
    def recordings(self) -> Path:
        """Where MixMonitor's relative file names start."""
        return self.home / "spool" / "monitor"

    @property
    def cel(self) -> Path:
        """CEL's file; Asterisk makes it with the first call."""
        return self.home / "log" / "cel-custom" / "Master.csv"

    @property
    def messages(self) -> Path:
        """What Asterisk complains about."""
        return self.home / "log" / "messages.log"

    @property
    def sounds(self) -> Path:
        """Sounds of the default language."""
        return self.home / "share" / "sounds" / "zh"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the process that we started still runs."""
        return self._process is not None and self._process.returncode is None

    def write(self, files: Mapping[str, str], *, prompts: Mapping[str, Path] | None = None) -> None:
        """Write configuration *files* (name below `etc` → text) and bring the sounds along.

        A running Asterisk reads them at its next reload.

        Args:
            prompts: folder below the sounds (`hotline`) → folder whose sound files go there.
        """
        for name in ("etc/custom", "lib", "share/sounds/zh", "share/moh", "share/agi-bin",
                     "spool/monitor", "spool/tmp", "spool/heard", "spool/outgoing", "run",
                     "log/cel-custom"):  # fmt: skip
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)  # the AMI secret and recorded voices are inside
        for name, text in files.items():
            _replace(self.home / "etc" / name, text)
        self._link_system_files()
        for name, source in (prompts or {}).items():
            _copy_sounds(source, self.sounds / name)

    def add_sounds(self, files: Mapping[str, Path]) -> None:
        """Bring sounds along whose names stand for their content: name below the sounds → file.

        A name that is there already is not written again; what no version has used for a while
        goes.
        """
        for name, source in files.items():
            there = self.sounds / name
            if not there.exists():
                there.parent.mkdir(parents=True, exist_ok=True)
                _copy_whole(source, there)
            os.utime(there)  # in use
        known = {_OF_CONTENT.sub("", name) for name in files}
        for old in (self.sounds / "hotline").glob("*-*"):
            name = f"hotline/{old.name}"
            ours = _OF_CONTENT.sub("", name) in known - {name}
            if ours and name not in files and _age(old) > KEEP_SOUNDS:
                old.unlink(missing_ok=True)

    async def start(self, *, within: float = 20.0) -> None:
        """Start Asterisk and return once it is fully booted.

        Args:
            within: seconds to allow.

        Raises:
            Unavailable: it died or did not boot in time; the message has its last words.
        """
        assert not self.alive, "already running"
        inside = self.directories.run / "asterisk.ctl"
        if len(str(inside).encode()) > _SOCKET_LIMIT:
            raise Unavailable(f"the path {inside} is too long for a socket: shorten [site] state")
        await self._end_orphan()
        self._socket().unlink(missing_ok=True)
        with (self.home / "log" / "console.txt").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                *self._command("-f"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at our terminal is ours to handle
                cwd="/",
            )
        try:
            async with asyncio.timeout(within):
                while not self._socket().exists():  # its making is no event that we could await
                    self._must_live()
                    await asyncio.sleep(0.02)
                while "fully booted" not in await self.console("core waitfullybooted"):
                    self._must_live()
        except TimeoutError:
            words = self._last_words()
            await self.stop(within=1.0)
            raise Unavailable(f"Asterisk did not boot within {within:g} s: {words}") from None

    async def console(self, command: str) -> str:
        """Run one console command and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *self._command("-x", command, "-r"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
        )
        said, _ = await process.communicate()
        return said.decode(errors="replace")

    async def wait(self) -> int:
        """Return the exit status once the process has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, *, within: float = 5.0) -> None:
        """End the process, politely first; calls are cut.

        Args:
            within: seconds before it is killed.
        """
        if self.alive and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(within):
                    await self._process.wait()
            except TimeoutError:
                log.warning("Asterisk does not end; killing it")
                await self.kill()

    async def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self.alive and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    def remove(self) -> None:
        """Delete the home folder with all that is in it."""
        assert not self.alive, "still running"
        shutil.rmtree(self.home, ignore_errors=True)

    async def _end_orphan(self) -> None:
        """End an Asterisk of this very home whose starter died: two would share one database."""
        if self.adopt():
            log.warning("ending an Asterisk that an earlier run left behind")
            await self.stop()
            self._process = None

    def adopt(self) -> bool:
        """Take over an Asterisk of this very home whose starter died; tell whether there is one."""
        words = [str(self.directories.etc / "asterisk.conf")]
        self._process = left_behind(self.home / "run" / "asterisk.pid", words=words)
        return self._process is not None

    def _command(self, *arguments: str) -> list[str]:
        conf = self.directories.etc / "asterisk.conf"
        return self.installation.command("-C", str(conf), *arguments)

    def _socket(self) -> Path:
        return self.home / "run" / "asterisk.ctl"

    def _must_live(self) -> None:
        if not self.alive:
            raise Unavailable(f"Asterisk died while it started: {self._last_words()}")

    def _last_words(self) -> str:
        words = []
        for path in (self.home / "log" / "console.txt", self.messages):
            with contextlib.suppress(OSError):
                words += path.read_text(errors="replace").splitlines()[-5:]
        return " | ".join(words) or "it said nothing"

    def _link_system_files(self) -> None:
        """Show Asterisk its own documentation (it refuses to start without) and music."""
        system = system_sounds(self.installation)
        share = self.home / "share"
        if system is not None:
            inside = self.installation.inside(system)
            for name in ("documentation", "static-http", "keys"):
                _link(share / name, inside / name)
        music = share / "moh"
        if any(music.iterdir()):
            return
        tunes = sorted((system / "moh").glob("*.wav")) if system else []
        for tune in tunes:
            _link(music / tune.name, self.installation.inside(tune))
        if not tunes:
            _hold_tone(music / "hold.wav")


def _replace(path: Path, text: str) -> None:
    """Write *text* so that a reader sees the old file or the new one, never half of one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as new:
        new.write(text)
    os.replace(new.name, path)  # noqa: PTH105 - both are names already


def _link(link: Path, target: PurePosixPath) -> None:
    if not link.is_symlink():
        link.symlink_to(target)


def _copy_sounds(source: Path, target: Path) -> None:
    """Make *target* hold the sound files of *source*, copying only what changed."""
    for path in sorted(source.rglob("*")):
        if path.suffix not in SOUND_FILES:
            continue
        copy = target / path.relative_to(source)
        there = copy.stat() if copy.exists() else None
        want = path.stat()
        if there and (there.st_size, there.st_mtime_ns) == (want.st_size, want.st_mtime_ns):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy_whole(path, copy)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy so that somebody who plays *target* just now hears the old sound to its end."""
    part = target.with_name(f".{target.name}.part")
    shutil.copy2(source, part)
    part.replace(target)


def _age(file: Path) -> float:
    """Return the seconds since *file* was used by a version; a file that is gone is new."""
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0


def _hold_tone(path: Path) -> None:
    """Write 8 s of quiet, slowly changing chords: music where no package brought any."""
    rate, seconds, chords = (
        8000,
        2,
        ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)),
    )
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        for chord in chords:
            for i in range(rate * seconds):
                swell = math.sin(math.pi * i / (rate * seconds))
                tone = sum(math.sin(2 * math.pi * hz * i / rate) for hz in chord)
                out.writeframesraw(struct.pack("<h", round(1200 * swell * tone)))
