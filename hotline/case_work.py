"""Case work put together: the service, what follows the database, and every route of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

import agents.web.pages
import cti.evidence_pack.http
import cti.hooks.http
import cti.knowledge.feedback_http
import cti.knowledge.files
import cti.knowledge.http
import cti.outside.http
import cti.scores.http
import cti.tickets.alarms_http
import cti.tickets.http
import cti.tickets.likeness_http
import cti.tickets.suggest_http
import cti.units.http
from agents.auth import Auth
from cti import audit, fulltext
from cti.asterisk.ami import Link
from cti.evidence_pack.http import Packs
from cti.hooks.sender import Sender
from cti.knowledge.spoken import Spoken
from cti.tickets.alarms import Alarms
from cti.tickets.casework import Casework
from cti.tickets.likeness import Likeness
from cti.tickets.suggest_http import Suggesting
from cti.units.prober import Prober
from hotline import db
from hotline.config import Config, secret
from hotline.status import State
from schemas.calendar import is_workday
from schemas.casebook import Casebook
from schemas.city import City
from schemas.identity import Who

log = logging.getLogger(__name__)

RENEW_EVERY = 2.0
"""Seconds between two looks whether there is another casebook."""
SWEEP_EVERY = 60.0
"""Seconds between two looks at clocks that ran out."""
AGAIN = 5.0
"""Seconds before what failed is tried again."""
STEADY = 60.0
"""Seconds after which a follower that says nothing of itself counts as working again."""

Told = Callable[[Exception | None], None]
"""Hears of a follower after each round what it failed by, or None."""


class CaseWork:
    """Everything of tickets that one controller holds; calls do not wait for any of it.

    Args:
        city: numbers, calendar and casebook as they are now.
        ami: the link that duty phones are rung over.
        recordings: the folder of recordings as it is now.
    """

    def __init__(
        self,
        config: Config,
        engine: AsyncEngine,
        *,
        city: Callable[[], City],
        ami: Link,
        auth: Auth,
        recordings: Callable[[], Path],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._engine, self._city = config, engine, city
        self._auth, self._clock = auth, clock
        read, write = db.readers(engine), db.writers(engine)
        self._read, self._write = read, write
        self._suggesting = Suggesting(self._book, lambda: city().register)
        self.casework = Casework(
            read,
            write,
            book=self._book,
            calendar=lambda: city().calendar,
            register=lambda: city().register,
            files=config.site.state / "evidence",
            clock=clock,
            complained_of=self._complained_of,
        )
        self.alarms = Alarms(read, write, book=self._book, clock=clock)
        self.likeness = Likeness(read, book=self._book, clock=clock)
        self.sender = Sender(read, write, loopback=config.cases.loopback_hooks, clock=clock)
        self.prober = Prober(
            ami,
            read,
            write,
            units=lambda: self._book().units,
            calendar=lambda: city().calendar,
            register=lambda: city().register,
            seed=secret(config.site.state, "probes"),
            clock=clock,
        )
        self._packs = Packs(
            read,
            write,
            self.casework,
            evidence=config.site.state / "evidence",
            recordings=recordings,
            clock=clock,
        )
        self._begun = clock()
        self._states: dict[str, State] = {}
        """Of the followers, by name."""

    def _book(self) -> Casebook:
        return self._city().casebook

    def _complained_of(self, title: str, body: str, category: str) -> str | None:
        suggested = self._suggesting().suggest(title, body, category=category or None)
        return suggested.complained_of

    # ---- what follows the database

    @property
    def state(self) -> State:
        """How all followers are together: as the one that has failed longest, if one has."""
        states = self._states.values()
        failing = [state for state in states if not state.ok]
        if failing:
            return min(failing, key=lambda state: state.since)
        last = max(states, key=lambda state: state.since, default=State(True, self._begun))
        return State(True, last.since, last.last_error)

    async def run(self) -> None:
        """Follow for ever; ends only by cancellation. What fails is started again, and told."""
        followers: Mapping[str, Callable[[Told], Awaitable[None]]] = {
            "words": self._words,
            "alarms": self.alarms.run,
            "likeness": self.likeness.run,
            "hooks": self.sender.run,
            "probes": self._probes,
            "clocks": self._clocks,
        }
        async with asyncio.TaskGroup() as group:
            for name, follow in followers.items():
                group.create_task(self._kept(name, follow), name=name)

    async def _kept(self, name: str, follow: Callable[[Told], Awaitable[None]]) -> None:
        while True:
            try:
                await follow(partial(self._told, name))
                return
            except Exception as error:  # a fault in one must not end the others, let alone calls
                log.exception("%s failed and is started again", name)
                self._told(name, error)
                await asyncio.sleep(AGAIN)

    def _told(self, name: str, error: Exception | None) -> None:
        before = self._states.setdefault(name, State(True, self._begun))
        ok = error is None
        why = before.last_error if error is None else f"{name}: {type(error).__name__}"
        since = before.since if ok == before.ok else self._clock()
        self._states[name] = State(ok, since, why)

    async def _words(self, told: Told) -> None:
        """Make ready what questions would wait for: at the start, and when a casebook is new."""
        await fulltext.ready()
        while True:
            await asyncio.to_thread(self._suggesting.renew)
            told(None)
            await asyncio.sleep(RENEW_EVERY)

    async def _probes(self, told: Told) -> None:
        steady = asyncio.get_running_loop().call_later(STEADY, told, None)
        try:
            await self.prober.run()
        finally:
            steady.cancel()

    async def _clocks(self, told: Told) -> None:
        while True:
            try:
                swept = await self.casework.sweep()
            except (SQLAlchemyError, OSError) as error:
                log.warning("clocks wait for the database (%s)", type(error).__name__)
                told(error)
                await asyncio.sleep(AGAIN)
                continue
            told(None)
            if swept.reckoned or swept.climbed:
                log.info("clocks: %d reckoned, %d rungs", swept.reckoned, swept.climbed)
            await asyncio.sleep(SWEEP_EVERY)

    # ---- routes

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return REST and pages of case work."""
        read, write, clock = self._read, self._write, self._clock
        return [
            *cti.tickets.suggest_http.routes(
                self._suggesting, book=self._book, ticket=self.casework.get
            ),
            *cti.tickets.likeness_http.routes(self.likeness),
            *cti.tickets.http.routes(self.casework),
            *cti.tickets.alarms_http.routes(read, write, book=self._book, clock=clock),
            *cti.units.http.routes(
                read,
                units=lambda: self._book().units,
                calendar=lambda: self._city().calendar,
                probes=self.prober,
                clock=clock,
            ),
            *cti.knowledge.http.routes(
                read, write, spoken=Spoken(self._config.site.state / "spoken", None), clock=clock
            ),
            *cti.knowledge.feedback_http.routes(read, write, clock=clock),
            *cti.knowledge.files.routes(
                read, write, folder=self._config.site.state / "evidence", clock=clock
            ),
            *cti.scores.http.routes(read, write, book=self._book, clock=clock),
            *cti.hooks.http.routes(
                read,
                write,
                loopback=self._config.cases.loopback_hooks,
                wake=self.sender.wake,
                clock=clock,
            ),
            *cti.evidence_pack.http.routes(self._packs),
            *cti.outside.http.routes(read, self.casework, book=self._book, clock=clock),
            *agents.web.pages.routes(
                self._auth,
                self.casework,
                self._book,
                audit=self,
                workday=self._workday,
                clock=clock,
            ),
        ]

    def _workday(self, day: date) -> bool:
        return is_workday(self._city().calendar, day)

    async def note_export(self, who: Who, asked: Mapping[str, object], /, *, rows: int) -> None:
        """Note in the audit who took a list out; as `agents.web.ports.Audit`."""
        async with self._write.begin() as session:
            await audit.note(
                session, who, what="export", ref="cases", detail={**asked, "rows": rows},
                at=self._clock(),
            )  # fmt: skip
