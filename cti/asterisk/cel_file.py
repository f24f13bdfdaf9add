"""The file that Asterisk appends its channel events to, read from where we stopped."""

import asyncio
from pathlib import Path

MOST = 256 * 1024 * 1024
"""Bytes read at once at the most; of a longer file only the newest are read."""


class CelFile:
    """Reads whole lines only; a file that shrank was rotated and is read from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self) -> int:
        """Return the file's size in bytes, 0 when there is none yet."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    async def since(self, offset: int) -> list[str]:
        """Return the lines after *offset* (bytes)."""
        return await asyncio.to_thread(self._read, offset)

    def _read(self, offset: int) -> list[str]:
        size = self.size()
        start = 0 if size < offset else max(offset, size - MOST)
        if not size:
            return []
        with self._path.open("rb") as file:
            file.seek(start)
            data = file.read(size - start)
        whole, _, _ = data.rpartition(b"\n")
        return whole.decode("utf-8", "replace").splitlines()
