"""A process that outlived its starter and is ours again: its calls go on."""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Collection
from pathlib import Path


def left_behind(pid_file: Path, *, words: Collection[str]) -> "Adopted | None":
    """Return the living process of *pid_file*, if its command line has all *words*.

    Without them the number belongs to somebody else by now.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if {word.encode() for word in words} <= set(line):
            return Adopted(pid)
    return None


class Adopted:
    """Looks like `asyncio.subprocess.Process` as far as we use one; no exit code can be known."""

    def __init__(self, pid: int) -> None:
        """Raises: ProcessLookupError when it is gone already."""
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    @property
    def returncode(self) -> int | None:
        """None while it lives."""
        readable, _, _ = select.select([self._handle], [], [], 0)
        return 0 if readable else None

    async def wait(self) -> int:
        """Return once it has ended."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._handle)
        return 0

    def send_signal(self, number: int) -> None:
        """Send a signal; one that has ended gets none."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def __del__(self) -> None:
        os.close(self._handle)
