"""Whether the admins' working folder holds something that is not published."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from dialplans import store
from dialplans.versions import Versions
from schemas.errors import HotlineError

EVERY = 10.0
"""Seconds between two looks."""


class WorkingFolder:
    """Compares the folder with the current version whenever one of them has changed.

    Args:
        version: the version that runs.
    """

    def __init__(self, folder: Path, versions: Versions, version: Callable[[], int]) -> None:
        self._folder = folder
        self._versions = versions
        self._version = version
        self._compared: object = None
        self.differs: bool | None = None
        """None: not known."""

    async def run(self) -> None:
        """Look for ever; ends only by cancellation."""
        while True:
            try:
                looks = self._version(), await asyncio.to_thread(_looks, self._folder)
                if looks != self._compared:
                    self.differs = await asyncio.to_thread(self._versions.differs, self._folder)
                    self._compared = looks
            except (HotlineError, OSError):
                self._compared = self.differs = None
            await asyncio.sleep(EVERY)


def _looks(folder: Path) -> Sequence[tuple[str, int, int]]:
    """Return what changes with every edit of *folder*, without reading the files."""
    return [
        (name, (found := path.stat()).st_size, found.st_mtime_ns)
        for name, path in store.contents(folder)
    ]
