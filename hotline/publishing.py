"""The controller's side of publishing: runs what is current, and goes back by itself.

It looks at the `current` link, loads that version, writes Asterisk's files, has them reloaded over
AMI and reads back what Asterisk runs. Only then do calls begin on the new version; those in
progress end on their own. What cannot be loaded or read back, or does harm under watch, is taken
back: the version before it becomes current again, and an alarm says so until the next change that
works.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.asterisk.ami import ActionRefused, AsteriskUnreachable
from dialplans.history import LIVE, Entry, Event
from dialplans.watch import Limits
from hotline import exchange, places, readback, releases
from hotline.config import Config
from hotline.status import State
from hotline.watching import Watch, Watched
from hotline.working_folder import WorkingFolder
from schemas.city import City
from schemas.errors import HotlineError
from schemas.status import DialplanOut
from schemas.times import iso

log = logging.getLogger(__name__)

POLL = 0.2
"""Seconds between two looks at which version is current."""
AGAIN = 0.3
"""Seconds before what was read back wrong is read once more."""
TRIES = 3
"""Reloads that Asterisk may leave unanswered before the version is blamed."""
RELOADS = ("pbx_config.so", "app_queue.so", "app_playback.so")
"""Asterisk's modules that read a version's files."""
WATCHER = "watch"
"""Who takes back what harms."""


class NotAsPublished(HotlineError):
    """Asterisk does not run what was rendered for it."""

    code, status = "not_as_published", 409


class Ami(Protocol):
    """The link to Asterisk."""

    @property
    def up(self) -> bool:
        """Whether actions can be sent."""
        ...

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        """Run an action."""
        ...

    async def ask(self, action: str, **headers: str) -> list[Mapping[str, str]]:
        """Run a list action."""
        ...


class Publishing:
    """Keeps the controller and Asterisk on the current version.

    Args:
        city: the version that the controller began with.
        use: gives calls a version from now on.
        link_since: Unix seconds since when the link is as it is: a new link, a new look.
        read: makes database sessions, for the watch.
    """

    def __init__(
        self,
        config: Config,
        city: City,
        *,
        link: Ami,
        link_since: Callable[[], float],
        use: Callable[[City], None],
        read: async_sessionmaker[AsyncSession],
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = config.dialplan
        self._config = config
        self._versions = releases.versions(config)
        self._city = city
        self._link = link
        self._link_since = link_since
        self._use = use
        self._clock = clock
        self._seen: tuple[int, float] | None = None
        """Version that Asterisk was seen to run, and since when that link was up."""
        self._hopeless: tuple[int, float] | None = None
        """Version that neither runs nor can be gone back from, while this link lasts."""
        self._tries = 0
        self._wake = asyncio.Event()
        self._folder = WorkingFolder(
            places.dialplan(config.site), self._versions, lambda: self._city.version
        )
        self._state = State(ok=True, since=clock())
        self.watch = Watch(
            self._versions.home / "watch.json",
            read=read,
            sla_answer=config.calls.sla_answer,
            limits=Limits(
                failed_calls=settings.watch_failed_calls,
                failed_points=settings.watch_failed_points,
                points=settings.watch_points,
                calls=settings.watch_calls,
            ),
            bad=self._harmful,
            passed=self._harmless,
            clock=clock,
        )

    @property
    def state(self) -> State:
        """Return whether all is well; an alarm stays until a later change works."""
        return self._state

    def status(self) -> DialplanOut:
        """Return what /status says of the dialplan."""
        watched = self.watch.now
        return DialplanOut(
            version=self._city.version,
            differs=self._folder.differs,
            watch_until=iso(watched.until) if watched else None,
            alarm=None if self._state.ok else self._state.last_error,
        )

    async def run(self) -> None:
        """Follow the current version for ever; ends only by cancellation."""
        self._versions.home.mkdir(parents=True, exist_ok=True)
        self._recall_alarm()
        # held as long as we live: `publish` knows by it that somebody will apply
        with (self._versions.home / releases.CONTROLLER_LOCK).open("w") as lock:
            while not releases.got(lock):  # noqa: ASYNC110 - a lock has no event
                await asyncio.sleep(POLL)  # the controller before us is still ending
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.watch.run(), name="watch")
                tasks.create_task(self._folder.run(), name="working-folder")
                while True:
                    self._wake.clear()
                    try:
                        await self._look()
                    except Exception:
                        log.exception("publishing stumbled")
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await self._wake.wait()

    # ---- following

    async def _look(self) -> None:
        current = self._versions.current()
        if current is None or (current, self._link_since()) == self._hopeless:
            return
        if not self._link.up:
            return  # Asterisk first: calls must not be routed to queues it does not know yet
        try:
            if current != self._city.version:
                await self._change(current)
            elif self._seen != (current, self._link_since()):
                await self._assure()
        except AsteriskUnreachable as error:
            log.warning("version %d waits for Asterisk: %s", current, error.message)
            if self._link.up:
                self._tries += 1
        else:
            self._tries = 0

    async def _change(self, version: int) -> None:
        """Go over to *version*, or back."""
        try:
            city = await asyncio.to_thread(releases.load, self._versions, version)
        except (HotlineError, OSError, ValueError) as error:
            await self._refuse(version, f"cannot be loaded: {_short(error)}")
            return
        try:
            told = await self._tell_asterisk(city)
        except AsteriskUnreachable:
            if self._tries + 1 < TRIES:
                raise
            await self._refuse(version, "Asterisk does not answer while it reads this version")
        except (HotlineError, OSError, ValueError) as error:
            await self._refuse(version, f"cannot be brought to Asterisk: {_short(error)}")
        else:
            self._city = city
            self._use(city)
            await self._applied(version, asterisk=told)

    async def _assure(self) -> None:
        """See that an Asterisk just linked runs our version, and bring it there if not.

        One that went live while no controller ran is read back whole, and refused like any other.
        """
        version, since = self._city.version, self._link_since()
        new = not await asyncio.to_thread(self._was_applied, version)
        told = True
        try:
            if new or await self._version_of_asterisk() != version:
                told = await self._tell_asterisk(self._city)
        except AsteriskUnreachable:
            raise
        except (HotlineError, OSError, ValueError) as error:
            why = f"cannot be brought to Asterisk: {_short(error)}"
            parent = self._versions.get(version).parent
            if new and parent is not None and self._there(parent):
                await self._refuse(version, why, good=parent)
            else:
                self._give_up(version, why)
            return
        self._seen = version, since
        await self._applied(version, asterisk=told)

    async def _tell_asterisk(self, city: City) -> bool:
        """Let Asterisk run *city* and read it back; False: it is configured elsewhere.

        Raises:
            AsteriskUnreachable: it did not answer.
            NotAsPublished, ActionRefused: it does not run it.
            Faulty, OSError: the files cannot be made.
        """
        written = await asyncio.to_thread(exchange.publish, self._config, city)
        if written is None:
            log.warning("this Asterisk is configured elsewhere: give it version %d", city.version)
            return False
        since = self._link_since()
        for module in RELOADS:
            await self._link.act("Reload", Module=module)
        if wrong := await self._read_back(city.version, written):
            # somebody else may have had it reloaded just now, for a new agent
            await asyncio.sleep(AGAIN)
            wrong = await self._read_back(city.version, written)
        if wrong:
            raise NotAsPublished("; ".join(wrong[:3]))
        self._seen = city.version, since
        return True

    async def _read_back(self, version: int, written: exchange.Written) -> list[str]:
        """Return how the dialplan that Asterisk runs differs from what it was given."""
        events = await self._link.ask("ShowDialPlan")
        seen = readback.version(events)
        wrong = [] if seen == version else [f"Asterisk runs version {seen}, not {version}"]
        wrong += readback.differences(written.ours(), written.admins, readback.running(events))
        return wrong

    async def _version_of_asterisk(self) -> int | None:
        try:
            events = await self._link.ask("ShowDialPlan", Context=readback.VERSION)
        except ActionRefused:
            return None  # there is no such context
        return readback.version(events)

    # ---- going back

    async def _refuse(self, version: int, why: str, *, good: int | None = None) -> None:
        """Go back from *version*, which cannot run.

        Args:
            good: where to; None: to the version that runs.
        """
        good = self._city.version if good is None else good
        self._tries = 0
        if self._versions.states().get(good) == str(Event.REFUSED):
            self._give_up(version, why)  # neither can run: no running to and fro
            return
        log.error("version %d %s; going back to %d", version, why, good)
        self._seen = None  # Asterisk may have part of it: the next look brings it back
        try:
            await asyncio.to_thread(
                self._versions.roll_back, good, who=releases.SYSTEM, why=why, left=version,
                refused=True,
            )  # fmt: skip
        except HotlineError as error:
            log.error("cannot go back to version %d: %s", good, error.message)
            self._give_up(version, why)
            return
        self._alarm(f"version {version} was refused: {why}")
        self._wake.set()

    def _give_up(self, version: int, why: str) -> None:
        """Leave Asterisk as it is until somebody publishes or it is linked anew."""
        log.error("version %d %s; a person has to look", version, why)
        self._hopeless = version, self._link_since()
        self._alarm(f"version {version} {why}")

    async def _harmful(self, watched: Watched, why: str) -> None:
        why = f"{why}; went back to version {watched.back_to}"
        log.error("version %d does harm: %s", watched.version, why)
        try:
            target = await asyncio.to_thread(
                self._versions.roll_back, watched.back_to, who=WATCHER, why=why,
                left=watched.version,
            )  # fmt: skip
        except HotlineError as error:
            why = f"{why}, which failed: {error.message}"
            log.error("the rollback failed: %s", error.message)
        else:
            if target is None:
                return  # a person was faster
        self._alarm(f"version {watched.version} was taken back: {why}")
        await self._note(Event.ALARM, watched.version, why)
        self._wake.set()

    async def _harmless(self, watched: Watched) -> None:
        log.info("version %d did no harm while it was watched", watched.version)
        await self._note(Event.WATCH_PASSED, watched.version, "")

    async def _note(self, event: Event, version: int, why: str) -> None:
        await asyncio.to_thread(self._versions.note, event, version, who=WATCHER, why=why)

    def _alarm(self, why: str) -> None:
        if self._state.ok:
            self._state.since = self._clock()
        self._state.ok, self._state.last_error = False, why

    def _recall_alarm(self) -> None:
        """Raise the alarm again that was up when the controller ended."""
        for entry in reversed(self._versions.history()):
            if entry.event in (Event.ALARM, Event.REFUSED):
                self._alarm(f"version {entry.version}: {entry.why}")
            if entry.event in (Event.ALARM, Event.REFUSED) or _by_a_person(entry):
                return

    # ---- gone live

    async def _applied(self, version: int, *, asterisk: bool) -> None:
        """Watch *version* if it is new, then say that it runs."""
        past = await asyncio.to_thread(self._versions.history)
        live, since = _since_live(past)
        if _applied_in(since, version):
            if self.watch.now is None or self.watch.now.version != version:
                self.watch.resume(version)
        else:
            self.watch.end()
            await self._watch(version, live, past)
            await asyncio.to_thread(
                self._versions.note, Event.APPLIED, version, who=releases.SYSTEM, why=""
            )
            log.info("version %d of the dialplan is applied", version)
            if live is not None and _by_a_person(live):
                self._state = State(ok=True, since=self._clock())
        await asyncio.to_thread(self._versions.set_applied, version, asterisk=asterisk)

    async def _watch(self, version: int, live: Entry | None, past: Sequence[Entry]) -> None:
        """Begin to watch a version that has gone live, if it has to be proven."""
        published = self._versions.get(version)
        parent = published.parent
        # also after a rollback to one whose own watch was cut short: it may be the harmful one
        proven = (
            live is not None
            and live.event is Event.ROLLED_BACK
            and (
                _by_a_person(live)
                or any(e.event is Event.WATCH_PASSED and e.version == version for e in past)
            )
        )
        if published.watch and parent is not None and not proven and self._there(parent):
            await self.watch.begin(version, back_to=parent, minutes=published.watch)

    def _was_applied(self, version: int) -> bool:
        _, since = _since_live(self._versions.history())
        return _applied_in(since, version)

    def _there(self, version: int) -> bool:
        return version in self._versions.numbers()


def _since_live(past: Sequence[Entry]) -> tuple[Entry | None, Sequence[Entry]]:
    """Return the entry that made the current version live, and all from it on."""
    for n in range(len(past) - 1, -1, -1):
        if past[n].event in LIVE:
            return past[n], past[n:]
    return None, past


def _applied_in(entries: Sequence[Entry], version: int) -> bool:
    return any(e.event is Event.APPLIED and e.version == version for e in entries)


def _by_a_person(entry: Entry) -> bool:
    return entry.event in LIVE and entry.who not in (releases.SYSTEM, WATCHER)


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
