"""The ledger's writer: what happened, committed in groups, in order, whatever the database says.

Calls go on while the database is locked or away: rows wait in memory (coalesced per call, timeline
bounded) and are written when it answers. A crash meanwhile loses nothing for good: Asterisk's own
records (CEL) fill the gap at the next start, see `reconcile`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.calls import sla
from cti.calls.machine import route_of
from schemas.calls import Call
from schemas.events import Event, FlowStarted, PromptPlayed, RoomFound, RouteChosen, Waited
from schemas.tables import CallRow, TimelineRow

log = logging.getLogger(__name__)

GATHER = 0.05
"""Seconds to gather rows before a commit: what a crash may cost, and what a commit is shared by."""
TIMELINE_BOUND = 200_000
"""Timeline rows kept while the database is away; beyond it the oldest go, the calls never do."""
RETRY = 0.25
"""Seconds between tries when the database refuses."""

_CALL_COLUMNS = tuple(column.name for column in CallRow.__table__.columns)


class Journal:
    """Takes facts at once, commits them soon; `flushed()` waits until they are safe."""

    def __init__(self, engine: AsyncEngine, *, node: str) -> None:
        self._engine = engine
        self._node = node
        self._dirty: dict[str, Call] = {}
        self._timeline: deque[dict[str, Any]] = deque(maxlen=TIMELINE_BOUND)
        self._work = asyncio.Event()
        self._wanted = 0
        self._done = 0
        self._commits = asyncio.Condition()
        self.last_error: str | None = None
        self.error_since: float | None = None

    def record(self, call: Call, event: Event | None) -> None:
        """Note *event*, if it is to be told, and the call as it is now. Never blocks or fails."""
        self._dirty[call.id] = call
        if event is not None:
            self._timeline.append(
                {
                    "call_id": call.id,
                    "at": event.at,
                    "kind": type(event).__name__,
                    "detail": detail(event),
                }
            )
        self._wanted += 1
        self._work.set()

    @property
    def behind(self) -> int:
        """Facts noted and not yet committed."""
        return self._wanted - self._done

    async def flushed(self) -> None:
        """Return when all that was recorded before this moment is committed."""
        wanted = self._wanted
        async with self._commits:
            await self._commits.wait_for(lambda: self._done >= wanted)

    async def run(self) -> None:
        """Write for ever; ends only by cancellation (then writes what is left)."""
        try:
            while True:
                await self._work.wait()
                await asyncio.sleep(GATHER)
                await self._write()
        finally:
            if self._dirty:
                await self._try_once()

    async def _write(self) -> None:
        while True:  # a locked database tells nobody when it is free: ask again
            if await self._try_once():
                return
            await asyncio.sleep(RETRY)

    async def _try_once(self) -> bool:
        self._work.clear()
        wanted, dirty = self._wanted, self._dirty
        timeline, self._timeline = self._timeline, deque(maxlen=TIMELINE_BOUND)
        self._dirty = {}
        try:
            async with self._engine.begin() as connection:
                await write(connection, dirty.values(), timeline, node=self._node)
        except (SQLAlchemyError, OSError) as error:
            if self.error_since is None:
                self.error_since = time.time()
                log.error("ledger not writable, keeping rows in memory: %s", type(error).__name__)
            self.last_error = f"{type(error).__name__}"
            timeline.extend(self._timeline)
            self._timeline = timeline
            self._dirty = {**dirty, **self._dirty}
            self._work.set()
            return False
        if self.error_since is not None:
            log.warning("ledger writable again after %.1f s", time.time() - self.error_since)
            self.error_since = None
        async with self._commits:
            self._done = wanted
            self._commits.notify_all()
        return True


async def write(connection: AsyncConnection, calls: Any, timeline: Any, *, node: str) -> None:
    """Upsert *calls* and append *timeline* in the transaction of *connection*."""
    rows = [row_of(call, node=node) for call in calls]
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        statement: Any = dialect.insert(CallRow)
        fresh = {name: statement.excluded[name] for name in _CALL_COLUMNS if name != "id"}
        # a call adopted after a restart no longer knows how it was routed; the ledger does
        fresh["route"] = func.coalesce(fresh["route"], CallRow.route)
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=fresh), rows
        )
    if timeline:
        await connection.execute(insert(TimelineRow), list(timeline))


def row_of(call: Call, *, node: str) -> dict[str, Any]:
    """Return *call* as a row of the ledger."""
    number = call.number
    return {
        "id": call.id,
        "node": node,
        "state": call.state.value,
        "number": number.number if number else None,
        "line_no": number.line_no if number else None,
        "hotline": number.hotline if number else None,
        "integration": number.integration.value if number else None,
        "attribution": call.attribution.value if call.attribution else None,
        "did": call.did,
        "dialled": call.dialled,
        "chain": list(call.chain),
        "caller": call.caller or None,
        "started_at": call.started_at,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "sla_seconds": sla.seconds_to_answer(call),
        "outcome": call.outcome.value if call.outcome else None,
        "route": route_of(call),
        "queue": call.queue,
        "agent": call.agent,
        "ticket_id": call.ticket_id,
        "transcript": call.transcript,
        "intent": call.intent,
        "confidence": call.confidence,
        "recording": call.recording,
        "cause": call.cause,
    }


def _step(event: PromptPlayed | Waited) -> Mapping[str, Any]:
    """Return where in the flow it was; that a caller hung up there is said only when they did."""
    return {"step": event.step, "left": True} if event.left else {"step": event.step}


def detail(event: Event) -> Mapping[str, Any]:
    """Return the facts of *event* for the timeline; nothing twice, nothing bulky."""
    match event:
        case FlowStarted():
            told: dict[str, Any] = {
                "did": event.did, "dialled": event.dialled, "attribution": event.attribution
            }  # fmt: skip
            return {**told, "version": event.version} if event.version else told
        case PromptPlayed():
            played = {"prompt": event.prompt, "seconds": event.seconds, "key": event.key}
            return {**played, **_step(event)}
        case Waited():
            return {"seconds": event.seconds, "key": event.key, **_step(event)}
        case RouteChosen():
            return {"route": str(event.route)}
        case RoomFound():
            return {"place": event.control.caller, "third": event.control.target}
    skip = {"call", "at", "number", "chain", "channel", "caller"}
    return {
        name: value
        for name in event.__dataclass_fields__
        if name not in skip and (value := getattr(event, name)) not in (None, "")
    }
