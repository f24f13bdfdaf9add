"""After an outage: what Asterisk has now and what it wrote meanwhile, put through the one inbox.

Runs after every FullyBooted, so after a restart of the controller, a cut AMI link and a restart of
Asterisk alike. Nothing here decides an outcome: it only tells the call machine what happened.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cti.asterisk import cel
from cti.asterisk.cel_file import CelFile
from cti.asterisk.control import Ami, Channel, channels
from cti.asterisk.rooms import found as room_of
from cti.calls.journal import Journal
from cti.calls.registry import Registry
from cti.inbox import Inbox
from schemas.calls import AgentId, Call, CallId, Outcome, State
from schemas.commands import Command, OpenTicket, PromiseCallback
from schemas.events import CallArrived, Event, ThirdJoined, TransferAnswered, Vanished
from schemas.numbers import EMERGENCY_NUMBERS, Attribution, Register
from schemas.tables import LIVE_PROMISE, CallbackRow, CallRow, MarkRow, TicketRow, TimelineRow

log = logging.getLogger(__name__)

MARK = "cel-offset"
MARK_EVERY = 5.0
"""Seconds between two looks at how much of the log is behind us."""
SLACK = 5.0
"""Seconds by which Asterisk's log may lag behind its events."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a resync found."""

    living: int
    adopted: int
    """Open calls of the ledger that an earlier process knew."""
    unseen: int
    """Calls that came (and perhaps went) while nobody watched."""
    closed: int
    """Open calls that Asterisk no longer knows."""
    owed: int
    """Tickets and promises that a crash had left undone."""


class Reconciler:
    """Makes ledger and Asterisk agree again."""

    def __init__(
        self,
        *,
        ami: Ami,
        registry: Registry,
        inbox: Inbox,
        journal: Journal,
        engine: AsyncEngine,
        file: CelFile,
        register: Register,
        node: str,
        obey: Callable[[Command, Call], Awaitable[None]],
    ) -> None:
        self._obey = obey
        self._ami = ami
        self._registry = registry
        self._inbox = inbox
        self._journal = journal
        self._engine = engine
        self._file = file
        self.register = register
        """Numbers as they are now; a published change is put here."""
        self._node = node
        self._samples: deque[tuple[float, int]] = deque(maxlen=1000)

    async def resync(self) -> Findings:
        """Read Asterisk, the ledger and the log; put what is missing into the inbox."""
        await self._inbox.drained()
        there = await channels(self._ami)
        live = {c.call: c for c in there if c.own and _citizen(c)}
        async with AsyncSession(self._engine) as session:
            adopted = await self._adopt(session)
            offset = await _mark(session, self._key)
            logged = cel.by_call(cel.records(await self._file.since(offset)))
            done = await _ended(session, logged)
        unseen = self._replay(logged, done)
        for name, channel in live.items():
            if name not in logged and self._registry.get(name) is None:
                self._inbox.put(_from_channel(channel))
        await self._inbox.drained()
        for call in list(self._registry.all()):  # call control leaves nothing in the ledger's row
            if (room := room_of(call.id, there, at=time.time())) is not None:
                self._inbox.put(room)
        closed = self._close(live, logged)
        await self._inbox.drained()
        owed = await self._settle_debts()
        findings = Findings(len(live), adopted, unseen, closed, owed)
        log.info("resync: %s", findings)
        return findings

    async def _settle_debts(self) -> int:
        """Do what a crash left undone: tickets of answered calls, promises to lost callers."""
        await self._journal.flushed()
        async with AsyncSession(self._engine) as session:
            owed = await debts(session, node=self._node, now=time.time())
        for row, command in owed:
            call = call_of(row, self.register, since=row.ended_at or row.started_at)
            await self._obey(command, call)
        return len(owed)

    @property
    def _key(self) -> str:
        return f"{MARK}-{self._node}"

    async def _adopt(self, session: AsyncSession) -> int:
        rows = list(
            await session.scalars(
                select(CallRow).where(CallRow.node == self._node, CallRow.outcome.is_(None))
            )
        )
        last = {
            row.call_id: row.at
            for row in await session.execute(
                select(TimelineRow.call_id, func.max(TimelineRow.at).label("at"))
                .where(TimelineRow.call_id.in_([row.id for row in rows]))
                .group_by(TimelineRow.call_id)
            )
        }
        fresh = [row for row in rows if self._registry.get(row.id) is None]
        for row in fresh:
            since = last.get(row.id, row.started_at)
            self._registry.adopt(call_of(row, self.register, since=since))
        return len(fresh)

    def _replay(self, logged: Mapping[CallId, list[cel.Record]], done: set[str]) -> int:
        unseen = 0
        for call_id, found in logged.items():
            call = self._registry.get(call_id)
            if call_id in done or (call is not None and call.state is State.ENDED):
                continue
            unseen += call is None
            for event in cel.events(found):
                if call is None or event.at > call.since:
                    self._inbox.put(event)
        return unseen

    def _close(
        self, live: Mapping[str, Channel], logged: Mapping[CallId, Sequence[cel.Record]]
    ) -> int:
        closed = 0
        for call in list(self._registry.all()):
            if call.id in live:
                continue
            found = logged.get(call.id, ())
            at = max([call.since, *(record.at for record in found)])
            self._inbox.put(Vanished(call=call.id, at=at, lost=True))
            closed += 1
        return closed

    async def keep_mark(self) -> None:
        """Remember how much of the log nobody needs any more; ends only by cancellation."""
        last = -1
        while True:
            await asyncio.sleep(MARK_EVERY)
            self._samples.append((time.time(), self._file.size()))
            if self._journal.behind:
                continue
            oldest = min((c.started_at for c in self._registry.all()), default=time.time())
            safe = [size for at, size in self._samples if at < oldest - SLACK]
            if safe and safe[-1] != last:
                last = safe[-1]
                try:
                    async with AsyncSession(self._engine) as session, session.begin():
                        await session.merge(MarkRow(name=self._key, value={"offset": last}))
                except Exception:
                    log.warning("could not keep the mark of the channel log; trying again later")
                    last = -1


def _citizen(channel: Channel) -> bool:
    """Tell whether the channel came in over the trunk (not an agent's own outgoing call)."""
    return channel.name.startswith("PJSIP/trunk-")


def _from_channel(channel: Channel) -> Event:
    now = time.time()
    return CallArrived(
        call=CallId(channel.call),
        at=now - channel.seconds,
        channel=channel.name,
        did="",
        caller=channel.caller,
    )


async def debts(
    session: AsyncSession, *, node: str, now: float
) -> Sequence[tuple[CallRow, Command]]:
    """Return what ended calls of the last day were owed and never got.

    Args:
        now: Unix seconds.
    """
    recent = (CallRow.node == node, CallRow.ended_at > now - 86400)
    answered = await session.scalars(
        select(CallRow).where(
            *recent,
            CallRow.answered_at.is_not(None),
            CallRow.agent.is_not(None),
            ~select(TicketRow.id).where(TicketRow.call_id == CallRow.id).exists(),
        )
    )
    owed: list[tuple[CallRow, Command]] = [
        (row, OpenTicket(call=CallId(row.id), agent=AgentId(row.agent or ""), at=row.answered_at))
        for row in answered
        if row.answered_at is not None
    ]
    lost = await session.scalars(
        select(CallRow).where(
            *recent,
            CallRow.outcome.in_([Outcome.ABANDONED_IN_QUEUE.value, Outcome.FAILED.value]),
            CallRow.caller.is_not(None),
            ~select(CallbackRow.id)
            .where(CallbackRow.caller == CallRow.caller, CallbackRow.created_at >= CallRow.ended_at)
            .exists(),
            ~select(CallbackRow.id)
            .where(CallbackRow.caller == CallRow.caller, text(LIVE_PROMISE))
            .exists(),
        )
    )
    owed += [
        (
            row,
            PromiseCallback(
                call=CallId(row.id), caller=row.caller or "", reason="lost", at=row.ended_at or now
            ),
        )
        for row in lost
    ]
    return owed


async def _emergencies(session: AsyncSession, calls: Sequence[str]) -> set[str]:
    """Return those of *calls* in which an emergency number has answered."""
    answered = await session.execute(
        select(TimelineRow.call_id, TimelineRow.detail).where(
            TimelineRow.call_id.in_(calls),
            TimelineRow.kind.in_([ThirdJoined.__name__, TransferAnswered.__name__]),
        )
    )
    return {row.call_id for row in answered if row.detail.get("target") in EMERGENCY_NUMBERS}


async def _mark(session: AsyncSession, key: str) -> int:
    row = await session.get(MarkRow, key)
    return int(row.value["offset"]) if row else 0


async def _ended(session: AsyncSession, calls: Iterable[str]) -> set[str]:
    """Return those of *calls* that the ledger has closed."""
    wanted = list(calls)
    ended: set[str] = set()
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        ended.update(
            await session.scalars(
                select(CallRow.id).where(CallRow.id.in_(part), CallRow.outcome.is_not(None))
            )
        )
    return ended


def call_of(row: CallRow, register: Register, *, since: float) -> Call:
    """Return the ledger's *row* as a living value again.

    Args:
        since: Unix seconds of the last thing the ledger knows about it.
    """
    return Call(
        id=CallId(row.id),
        state=State(row.state),
        started_at=row.started_at,
        since=since,
        did=row.did,
        caller=row.caller,
        number=register.find(row.number) if row.number else None,
        attribution=Attribution(row.attribution) if row.attribution else None,
        dialled=row.dialled,
        chain=tuple(row.chain),
        queue=row.queue,
        agent=AgentId(row.agent) if row.agent else None,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        fell_back="restart" if row.queue == "fallback" else None,
        ticket_id=row.ticket_id,
        transcript=row.transcript,
        intent=row.intent,
        confidence=row.confidence,
        recording=row.recording,
        cause=row.cause,
    )
