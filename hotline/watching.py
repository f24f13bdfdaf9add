"""The watch over a published change: counts calls, asks the judge, has the change taken back.

Failures of the flow are counted as they happen; abandonment and service level come from the
ledger. What a restart must not forget is in `watch.json`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls import ledger
from dialplans import store
from dialplans.watch import Limits, Sample, judge
from schemas.calls import CallId
from schemas.events import (
    NOT_ANSWERED,
    FellBack,
    FlowFailed,
    FlowStarted,
    Happened,
    HungUp,
    Vanished,
)
from schemas.numbers import PROBE_CALLER
from schemas.tables import CallRow, TimelineRow

log = logging.getLogger(__name__)

HOUR = 3600.0
EVERY = 5.0
"""Seconds between two looks into the ledger."""
LOOK_WITHIN = 5.0
"""Seconds the database may take."""
OF_QUEUES = frozenset({"queue-TIMEOUT", "queue-FULL", "queue-JOINEMPTY", "queue-LEAVEEMPTY"})
"""Reasons of the dialplan to help itself after a flow that ended well: no agent."""
DIED_EARLY = "SUCCESS"
"""Reason when a script ended without a word; others before its first are a controller away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A change under watch."""

    version: int
    back_to: int
    began: float
    """Unix seconds."""
    until: float
    """Unix seconds."""
    before: Sample
    """The hour before the change."""


class Watch:
    """Watches one version at a time.

    Args:
        file: where it is kept over a restart.
        read: makes database sessions.
        sla_answer: seconds within which an answer is in time.
        bad: takes the version back, told why.
        passed: told when the time is over and nothing was found.
        clock: Unix seconds.
    """

    def __init__(
        self,
        file: Path,
        *,
        read: async_sessionmaker[AsyncSession],
        sla_answer: float,
        limits: Limits,
        bad: Callable[[Watched, str], Awaitable[None]],
        passed: Callable[[Watched], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._file = file
        self._read = read
        self._sla_answer = sla_answer
        self._limits = limits
        self._bad = bad
        self._passed = passed
        self._clock = clock
        self.now: Watched | None = None
        self._news = asyncio.Event()
        self._since = 0.0
        self._calls = 0
        self._failed: set[CallId] = set()
        self._running: dict[CallId, int] = {}
        """The version on which the flow of each running call began."""

    async def begin(self, version: int, *, back_to: int, minutes: float) -> None:
        """Watch *version* from now on; another watch ends."""
        began = self._clock()
        before = await self._counted(began - HOUR, began, with_failures=True)
        self._set(
            Watched(
                version=version, back_to=back_to, began=began, until=began + 60 * minutes,
                before=before or Sample(),
            )
        )  # fmt: skip

    def resume(self, version: int) -> bool:
        """Go on with a watch over *version* that a restart interrupted; tell whether there was."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_bytes())
            watched = Watched(**{**found, "before": Sample(**found["before"])})
        except FileNotFoundError:
            return False
        except (ValueError, TypeError, KeyError):
            log.warning("the watch that was interrupted cannot be read")
            return False
        if watched.version != version:
            return False
        self._set(watched)
        return True

    def end(self) -> None:
        """Watch nothing any more."""
        self.now = None
        self._file.unlink(missing_ok=True)

    def _set(self, watched: Watched) -> None:
        self.now = watched
        self._since = self._clock()
        self._calls, self._failed = 0, set()
        store.replace(self._file, json.dumps(asdict(watched)).encode())
        self._news.set()

    def happened(self, happened: Happened) -> None:
        """Count; called by the inbox for every event."""
        event, call = happened.event, happened.call
        match event:
            case FlowStarted(version=version):
                self._running[call.id] = version
                self._calls += self.now is not None and version == self.now.version
            case FlowFailed(reason=reason) if self.now and NOT_ANSWERED not in reason:
                if self._running.get(call.id) == self.now.version:
                    self._fail(call.id)
            case FellBack(reason=reason) if self.now and reason not in OF_QUEUES:
                version = self._running.get(call.id, -1)
                if version == self.now.version:
                    self._fail(call.id)
                elif version < 0 and reason == DIED_EARLY and call.started_at >= self._since:
                    self._calls += 1
                    self._fail(call.id)
            case HungUp() | Vanished():
                self._running.pop(call.id, None)

    def _fail(self, call: CallId) -> None:
        self._failed.add(call)
        self._news.set()

    async def run(self) -> None:
        """Look whenever something failed, and every few seconds; ends only by cancellation."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._news.wait()
            self._news.clear()  # before the look: what fails during it is looked at next
            try:
                await self._look()
            except Exception:
                log.exception("the watch could not look")

    async def _look(self) -> None:
        watched = self.now
        if watched is None:
            return
        failures = Sample(calls=self._calls, failed=len(self._failed))
        verdict = judge(watched.before, failures, self._limits)  # before any wait for the database
        if not verdict.bad:
            counted = await self._counted(watched.began, self._clock(), with_failures=False)
            if counted is not None and self.now is watched:
                verdict = judge(watched.before, counted, self._limits)
        if self.now is not watched:
            return  # something else was published meanwhile
        if verdict.bad:
            self.end()
            await self._bad(watched, verdict.why)
        elif self._clock() >= watched.until:
            self.end()
            await self._passed(watched)

    async def _counted(self, since: float, until: float, *, with_failures: bool) -> Sample | None:
        """Return the calls that began in the span; None while the database is away."""
        try:
            async with asyncio.timeout(LOOK_WITHIN), self._read() as session:
                level = await ledger.service_level(
                    session, since=since, until=until, now=until, limit=self._sla_answer
                )
                failed = await _failures(session, since, until) if with_failures else 0
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the watch cannot read the ledger (%s)", type(error).__name__)
            return None
        total = level.total
        return Sample(
            calls=total.calls,
            failed=failed,
            offered=total.offered,
            abandoned=total.abandoned,
            in_time=total.in_time,
        )


async def _failures(session: AsyncSession, since: float, until: float) -> int:
    """Count the calls that began in the span and whose flow failed."""
    found = await session.scalar(
        select(func.count(func.distinct(TimelineRow.call_id)))
        .join(CallRow, CallRow.id == TimelineRow.call_id)
        .where(
            CallRow.started_at >= since,
            CallRow.started_at < until,
            or_(CallRow.caller.is_(None), CallRow.caller.not_like(f"{PROBE_CALLER}%")),
            TimelineRow.kind.in_((FellBack.__name__, FlowFailed.__name__)),
        )
    )
    return int(found or 0)
