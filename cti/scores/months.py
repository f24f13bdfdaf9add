"""Months as many people ask for them at once: counted one at a time, and kept for a minute.

A month that is open is counted from tens of thousands of moves. Whoever waits for it holds no
connection, and a month is counted outside of any transaction that writes.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.scores import store
from cti.scores.counting import count
from cti.scores.formula import Counts
from schemas.casebook import Casebook
from schemas.identity import Who
from schemas.scores import MonthOut, RecomputedOut

KEPT = 60.0
"""Seconds for which a count is good enough for who looks; closing counts afresh."""


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    counts: Mapping[str, Counts]


class Months:
    """Scores by month.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        book: the casebook as it is now.
    """

    def __init__(
        self,
        read: async_sessionmaker[AsyncSession],
        write: async_sessionmaker[AsyncSession],
        *,
        book: Callable[[], Casebook],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._write = write
        self._book = book
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._turn = asyncio.Lock()

    async def month(self, month: str) -> MonthOut:
        """Return what *month* says: as it was closed, or as it was within the last minute."""
        async with self._read() as session:
            closed = await store.closed(session, month)
        if closed is not None:
            return closed
        kept = await self._counted(month)
        return store.scored(month, kept.counts, self._book(), at=kept.at)

    async def close(self, who: Who, month: str) -> MonthOut:
        """Freeze *month*, as it is just now.

        Raises:
            Conflict: it is not over, is closed already, or has nothing to close.
        """
        async with self._read() as session:
            await store.closable(session, month, now=self._clock())
        kept = await self._counted(month, afresh=True)
        async with self._write.begin() as session:
            made = await store.close(
                session, who, month, self._book(), now=kept.at, counts=kept.counts
            )
        self._kept.pop(month, None)
        return made

    async def recompute(self, month: str) -> RecomputedOut:
        """Return in what the closed *month* would be another today; writes nothing.

        Raises:
            Conflict: it is not closed.
        """
        async with self._read() as session:
            then = await store.frozen(session, month)
        kept = await self._counted(month)
        return store.compared(then, kept.counts, self._book(), at=kept.at)

    async def _counted(self, month: str, *, afresh: bool = False) -> _Kept:
        async with self._turn:
            now = self._clock()
            fresh = {name: one for name, one in self._kept.items() if 0 <= now - one.at < KEPT}
            self._kept = fresh
            if month in fresh and not afresh:
                return fresh[month]
            async with self._read() as session:
                made = _Kept(now, await count(session, month, now=now))
            self._kept[month] = made
            return made
