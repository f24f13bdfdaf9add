"""Rings duty phones when their time has come and writes down what their lines said (拨测).

The rows come first: a call is claimed and committed before Asterisk hears of it. What a crash cuts
off ends as `failed`, and is never dialled again.
"""

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.units import store
from cti.units.directory import on_duty, unit_of
from cti.units.probes import AFTER, plan_of_day, result_of
from cti.units.store import Ended
from schemas.calendar import Calendar
from schemas.errors import Conflict, HotlineError, NotFound, Unavailable
from schemas.numbers import EMERGENCY_NUMBERS, MAIN_NUMBER, Register
from schemas.probes import ProbeOut, ProbeResult
from schemas.times import day_of
from schemas.units import Units

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds between two looks at the rows, at most: another process may have written one."""
REPAIR_EVERY = 60.0
"""Seconds between two searches for what was cut off."""
SAID_WITHIN = 2.0
"""Seconds after its end within which the dialplan has told of a call."""
EVENT = "HotlineProbe"
"""What the dialplan's context `hotline-probe` tells."""
FAILED = Ended(ProbeResult.FAILED)


class Ami(Protocol):
    """The part of the AMI link that is needed here."""

    @property
    def up(self) -> bool:
        """Whether actions can be sent."""
        ...

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        """Run one action."""
        ...


@dataclass(slots=True)
class _Call:
    """A call that is being made."""

    done: asyncio.Future[Ended]
    dialled_at: float | None = None
    answered_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    id: int
    unit: str
    phone: str | None
    """None: nobody to ring."""


class Prober:
    """Plans each day, rings what is due, keeps what came of it.

    Args:
        units: as published now; also when and how often they are rung.
        calendar: as published now.
        register: a number of ours is never rung: it would come back as a citizen's call.
        seed: of the plans; a secret, or units could tell when they will be rung.
        clock: Unix seconds.
    """

    def __init__(
        self,
        ami: Ami,
        read: async_sessionmaker[AsyncSession],
        write: async_sessionmaker[AsyncSession],
        *,
        units: Callable[[], Units],
        calendar: Callable[[], Calendar],
        register: Callable[[], Register],
        seed: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ami = ami
        self._read = read
        self._write = write
        self._units = units
        self._calendar = calendar
        self._register = register
        self._seed = seed
        self._clock = clock
        self._wake = asyncio.Event()
        self._calls: dict[str, _Call] = {}
        """What is being made, by the token that the dialplan repeats."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """The same, by row."""
        self._unwritten: dict[int, Ended] = {}
        """Ends that the database has not taken yet."""
        self._planned: date | None = None
        self._repaired = -math.inf

    async def run(self) -> None:
        """Ring what is due for as long as this is awaited; waits for a database that is away."""
        try:
            while True:
                self._wake.clear()
                try:
                    pause = await self.tick()
                except (SQLAlchemyError, OSError) as error:
                    log.warning("probes must wait: the database fails (%s)", type(error).__name__)
                    pause = LOOK_EVERY
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def tick(self) -> float:
        """Do what there is to do now; return after how many seconds there may be more."""
        now = self._clock()
        await self._write_down(now)
        async with self._read() as session:
            due = await store.next_due(session)
        if due is None:
            return LOOK_EVERY
        if due > now:
            return min(LOOK_EVERY, due - now)
        if self._ami.up:
            await self._begin(now)
        return LOOK_EVERY  # the end of a call wakes us before that

    async def ask(self, code: str, *, who: str) -> ProbeOut:
        """Have a unit's duty phone rung now; return the probe, which has not ended yet.

        Raises:
            NotFound: there is no such unit.
            Conflict: its number cannot be rung.
            TooMany: it was rung a moment ago.
            Unavailable: the exchange is away.
        """
        unit_of(self._units(), code)
        now = self._clock()
        phone = on_duty(self._units(), self._calendar(), code, now).phone
        if not self._callable(phone):
            raise Conflict("值班电话填的是热线自己的号码或紧急号码，不能拨测")
        if not self._ami.up:
            raise Unavailable("电话交换机暂时连不上，请稍后再试")
        async with self._write.begin() as session:
            made = await store.ask(session, code, phone, who=who, at=now)
        self._wake.set()
        return made

    def heard(self, message: Mapping[str, str]) -> None:
        """Take an AMI event; never blocks, never raises."""
        if message.get("Event") == "OriginateResponse":
            call = self._calls.get(message.get("ActionID", ""))
            if call is not None and message.get("Response") == "Failure":
                # also how every call ends that nobody answers, and it may overtake what was said
                # of it: the two come by different ways inside Asterisk
                asyncio.get_running_loop().call_later(SAID_WITHIN, _give_up, call)
            return
        if message.get("UserEvent") != EVENT:
            return
        call = self._calls.get(message.get("Probe", ""))
        if call is None or call.done.done():
            return
        at = _float(message.get("Timestamp", "")) or self._clock()
        match message.get("Status", ""):
            case "DIALLED":
                call.dialled_at = at
            case "ANSWERED":
                call.answered_at = at
            case status:
                call.done.set_result(_ended(call, status, message, at))

    # ---- inside

    async def _write_down(self, now: float) -> None:
        """Write what has ended, what was cut off, and the day's plan, where there is any."""
        day, units = day_of(now), self._units()
        to_plan = bool(units.units) and day != self._planned
        if not (self._unwritten or to_plan or now >= self._repaired + REPAIR_EVERY):
            return
        ends = dict(self._unwritten)
        async with self._write.begin() as session:
            for id, ended in ends.items():
                await store.end(session, id, ended)
            cut_off = await store.repair(session, now=now, but=tuple(self._tasks))
            if to_plan:
                await store.planned(
                    session,
                    day,
                    partial(plan_of_day, units, self._calendar(), day, self._seed),
                    {code: unit.phone for code, unit in units.units.items()},
                    per_week=units.probes.per_week,
                    at=now,
                )
        self._repaired = now
        self._planned = day if to_plan else self._planned
        for id in ends:
            del self._unwritten[id]
        if cut_off:
            log.warning("%d probes were cut off or missed: they count as failed", cut_off)

    async def _begin(self, now: float) -> None:
        units = self._units()
        claimed: list[_Claimed] = []
        async with self._write.begin() as session:
            for row in await store.claim(session, now=now, at_once=units.probes.at_once):
                phone = self._phone(row.unit, now)
                row.phone = phone or row.phone
                claimed.append(_Claimed(id=row.id, unit=row.unit, phone=phone))
        for probe in claimed:
            made = self._call(probe, ring=units.probes.ring_for)
            task = asyncio.create_task(made, name=f"probe-{probe.id}")
            self._tasks[probe.id] = task
            task.add_done_callback(partial(self._over, probe.id))

    def _over(self, id: int, _: asyncio.Task[None]) -> None:
        self._tasks.pop(id, None)
        self._wake.set()  # to write the end, and for the next in line

    def _phone(self, code: str, now: float) -> str | None:
        try:
            phone = on_duty(self._units(), self._calendar(), code, now).phone
        except NotFound:  # the unit was taken out of the file
            return None
        return phone if self._callable(phone) else None

    def _callable(self, phone: str) -> bool:
        return phone not in EMERGENCY_NUMBERS and self._register().find(phone) is None

    async def _call(self, probe: _Claimed, *, ring: int) -> None:
        """Make one call and keep its end for the next look."""
        if probe.phone is None:
            log.warning("probe of %s: no number of its own to ring", probe.unit)
            self._unwritten[probe.id] = FAILED
            return
        token = f"{probe.id}-{secrets.token_hex(6)}"
        call = self._calls[token] = _Call(asyncio.get_running_loop().create_future())
        try:
            await self._originate(token, probe.phone, ring)
            async with asyncio.timeout(ring + 2 * AFTER):
                ended = await asyncio.shield(call.done)
        except (HotlineError, TimeoutError) as error:
            log.warning("probe of %s: no call (%s)", probe.unit, error or "nothing was heard of it")
            ended = _cut(call)
        finally:
            del self._calls[token]
        self._unwritten[probe.id] = ended
        log.info("probe of %s: %s", probe.unit, ended.result)

    async def _originate(self, token: str, phone: str, ring: int) -> None:
        values = {"HOTLINE_PROBE": token, "HOTLINE_PROBE_RING": str(ring)}
        await self._ami.act(
            "Originate",
            ActionID=token,
            Channel=f"Local/{phone}@hotline-probe/n",
            Context="hotline-probe-wait",
            Exten="s",
            Priority="1",
            CallerID=f'"" <{MAIN_NUMBER}>',
            # two underscores: the telephone that is dialled inherits them
            Variable=",".join(f"__{name}={value}" for name, value in values.items()),
            Timeout=str(round((ring + AFTER) * 1000)),
            Async="true",
        )


def _ended(call: _Call, status: str, message: Mapping[str, str], at: float) -> Ended:
    cause = int(_float(message.get("Cause", "")) or 0)
    alive = bool(_float(message.get("Alive", "")))
    if call.answered_at is not None:
        status = "ANSWER"
    result = result_of(status, cause, alive=alive)
    until = call.answered_at if call.answered_at is not None else at
    rang = None if call.dialled_at is None else round(max(0.0, until - call.dialled_at), 2)
    return Ended(result, rang=rang, cause=cause or None)


def _give_up(call: _Call) -> None:
    if not call.done.done():
        call.done.set_result(_cut(call))


def _cut(call: _Call) -> Ended:
    """Return what is known of a call whose end we never heard."""
    return FAILED if call.answered_at is None else _ended(call, "ANSWER", {}, call.answered_at)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
