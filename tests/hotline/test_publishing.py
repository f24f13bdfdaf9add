"""The controller's side of publishing, with an Asterisk that does as it is told, or not."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.asterisk.ami import ActionRefused, AsteriskUnreachable
from dialplans.history import Event
from dialplans.watch import Sample
from hotline import config, exchange, places, publishing, readback, releases, working_folder
from hotline.publishing import Publishing
from hotline.watching import Watched
from schemas import config as sections
from schemas.city import City

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]

OURS = "[hotline-version]\nexten => version,1,NoOp({})\n[hotline-in]\nexten => s,1,Answer()\n"


@dataclass
class Asterisk:
    """Runs what was written for it at each reload; a test makes it fail."""

    etc: Path
    up: bool = True
    since: float = 1.0
    runs: int = 1
    silent: bool = False
    """Answers no reload."""
    refuses: set[int] = field(default_factory=set)
    """Versions whose reload it refuses."""
    half: set[int] = field(default_factory=set)
    """Versions that it takes in half."""
    reloads: list[str] = field(default_factory=list)
    ran: set[int] = field(default_factory=set)

    def written(self) -> str:
        return (self.etc / "extensions.conf").read_text()

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        assert action == "Reload"
        if self.silent:
            raise AsteriskUnreachable("no answer to Reload")
        wanted = int(self.written().partition("NoOp(")[2].partition(")")[0])
        if wanted in self.refuses:
            raise ActionRefused("Reload: no")
        self.reloads.append(headers["Module"])
        self.ran.add(wanted)
        self.runs = wanted
        return {"Response": "Success"}

    async def ask(self, action: str, **headers: str) -> list[Mapping[str, str]]:
        assert action == "ShowDialPlan"
        if self.runs == 0:
            raise ActionRefused("ShowDialPlan: Did not find context")
        steps = readback.written(OURS.format(self.runs))
        return [
            {"Event": "ListDialplan", "Context": context, "Extension": extension,
             "Priority": str(n), "Application": name,
             "AppData": str(self.runs) if context == readback.VERSION else ""}
            for context, of in steps.items()
            if not (self.runs in self.half and context == "hotline-in")
            for extension, names in of.items()
            for n, name in enumerate(names, 1)
        ]  # fmt: skip


@dataclass
class House:
    """Versions, an Asterisk, and what calls would use."""

    config: config.Config
    asterisk: Asterisk
    sessions: async_sessionmaker[AsyncSession]
    used: list[int] = field(default_factory=list)

    @property
    def versions(self) -> Any:
        return releases.versions(self.config)

    def publish(self, n: int, **more: Any) -> int:
        folder = places.dialplan(self.config.site)
        (folder / "custom").mkdir(exist_ok=True)
        (folder / "custom" / "own.conf").write_text(f"; {n}\n")
        return int(self.versions.publish(folder, who="ada", why="x", **more).version)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Publishing]:
        made = Publishing(
            self.config,
            releases.current(self.config),
            link=self.asterisk,
            link_since=lambda: self.asterisk.since,
            use=lambda city: self.used.append(city.version),
            read=self.sessions,
        )
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not enough():  # noqa: ASYNC110 - files tell nobody when they change
                await asyncio.sleep(0.02)

    async def applied(self, version: int) -> None:
        def enough() -> bool:
            found = self.versions.applied()
            return found is not None and found.version == version

        await self.until(enough)

    def events(self, *kinds: Event) -> list[tuple[Event, int]]:
        return [(e.event, e.version) for e in self.versions.history() if e.event in kinds]


@pytest.fixture
def house(
    tmp_path: Path, sessions: async_sessionmaker[AsyncSession], monkeypatch: pytest.MonkeyPatch
) -> House:
    folder = tmp_path / "baoji"
    shutil.copytree(places.dialplan(sections.Site()), folder, copy_function=os.link)
    environment = {
        "HOTLINE_SITE__STATE": str(tmp_path / "state"),
        "HOTLINE_SITE__DIALPLAN_DIR": str(folder),
    }
    made = config.load(tmp_path / "hotline.toml", environment)
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "extensions_agents.conf").write_text("")

    def publish(_: config.Config, site: City) -> exchange.Written:
        text = OURS.format(site.version)
        (etc / "extensions.conf").write_text(text)
        return exchange.Written(text, {}, etc)

    monkeypatch.setattr(exchange, "publish", publish)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power fails here
    monkeypatch.setattr(publishing, "POLL", 0.02)
    monkeypatch.setattr(publishing, "AGAIN", 0.02)
    return House(made, Asterisk(etc), sessions)


async def test_a_new_version_is_reloaded_read_back_used_and_watched(house: House) -> None:
    async with house.running() as made:
        await house.applied(1)
        assert house.asterisk.reloads == list(publishing.RELOADS)  # new: read back whole
        assert house.publish(2, watch=5) == 2
        await house.applied(2)
        assert house.asterisk.reloads == 2 * list(publishing.RELOADS)
        assert house.used == [2]
        watched = made.watch.now
        assert watched is not None
        assert (watched.version, watched.back_to) == (2, 1)
        said = made.status()
        assert (said.version, said.alarm) == (2, None)
        assert said.watch_until is not None


async def test_while_asterisk_is_away_a_version_waits(house: House) -> None:
    async with house.running() as made:
        await house.applied(1)
        house.asterisk.up = False
        house.publish(2)
        await asyncio.sleep(0.1)  # several looks
        assert made.status().version == 1
        house.asterisk.up, house.asterisk.since = True, 2.0
        await house.applied(2)
    assert house.events(Event.REFUSED) == []


async def test_an_asterisk_that_came_back_with_another_version_is_given_ours(house: House) -> None:
    async with house.running():
        await house.applied(1)
        house.publish(2)
        await house.applied(2)
        for runs in (1, 0):  # an older configuration; one that knows of no versions
            house.asterisk.runs, house.asterisk.since = runs, house.asterisk.since + 1
            await house.until(lambda: house.asterisk.runs == 2)
        assert house.used == [2]


@pytest.mark.parametrize("trouble", ["refuses", "half"])
async def test_what_asterisk_does_not_run_is_taken_back(house: House, trouble: str) -> None:
    async with house.running() as made:
        await house.applied(1)
        getattr(house.asterisk, trouble).add(2)
        house.publish(2, watch=5)
        await house.until(lambda: not made.state.ok)
        await house.until(lambda: house.asterisk.runs == 1)
        assert house.versions.current() == 1
        assert house.used == []
        assert made.watch.now is None
        assert made.status().version == 1
        assert "version 2 was refused" in (made.status().alarm or "")
        # the next one that works ends the alarm
        house.publish(3)
        await house.applied(3)
        assert made.state.ok
    assert house.events(Event.REFUSED, Event.ROLLED_BACK) == [
        (Event.REFUSED, 2), (Event.ROLLED_BACK, 1),
    ]  # fmt: skip


async def test_a_reload_that_is_never_answered_is_given_up(house: House) -> None:
    async with house.running() as made:
        await house.applied(1)
        house.asterisk.silent = True
        house.publish(2)
        await house.until(lambda: not made.state.ok)
        assert "does not answer while it reads" in (made.status().alarm or "")
        assert house.versions.current() == 1


async def test_a_version_that_cannot_be_loaded_is_taken_back_before_asterisk_sees_it(
    house: House,
) -> None:
    async with house.running() as made:
        await house.applied(1)
        house.asterisk.up = False
        house.publish(2)
        edited = house.versions.folder(2) / "hotlines.csv"
        edited.chmod(0o644)
        edited.write_text("edited")
        house.asterisk.up = True
        await house.until(lambda: not made.state.ok)
        assert house.versions.current() == 1
        assert house.asterisk.ran == {1}


@pytest.mark.parametrize("parent_too", [False, True])
async def test_a_version_published_while_the_service_was_down_is_refused_like_any_other(
    house: House, parent_too: bool
) -> None:
    async with house.running():
        await house.applied(1)
    house.publish(2)
    house.asterisk.half |= {1, 2} if parent_too else {2}
    async with house.running() as made:
        await house.until(lambda: not made.state.ok)
        if parent_too:  # no running to and fro between two that cannot run
            await house.until(lambda: made._hopeless is not None)
            assert "version 1 cannot be brought" in (made.status().alarm or "")
        else:
            await house.until(lambda: house.used == [1])
    assert house.versions.current() == 1
    assert house.events(Event.REFUSED) == [(Event.REFUSED, 2)]


async def test_an_asterisk_that_never_takes_the_first_version_calls_a_person(house: House) -> None:
    house.asterisk.half.add(1)
    async with house.running() as made:
        await house.until(lambda: not made.state.ok)
        count = len(house.asterisk.reloads)
        house.asterisk.half.clear()
        await asyncio.sleep(0.1)  # several looks
        assert len(house.asterisk.reloads) == count
        house.asterisk.since += 1  # somebody saw to it
        await house.applied(1)


async def test_an_alarm_and_a_watch_outlive_the_controller(house: House) -> None:
    async with house.running() as made:
        await house.applied(1)
        house.publish(2, watch=5)
        await house.applied(2)
        before = made.watch.now
        house.asterisk.refuses.add(3)
        house.publish(3)
        await house.until(lambda: not made.state.ok)
        await house.applied(2)
    async with house.running() as made:
        await house.until(lambda: made.watch.now is not None)
        assert made.watch.now is not None
        assert before is not None
        assert made.watch.now.version == before.version == 2
        assert not made.state.ok


async def test_harm_is_taken_back_step_by_step_to_a_version_that_is_proven(house: House) -> None:
    """3 was published while 2 was still watched: when 3 goes, 2 has to prove itself anew."""
    async with house.running() as made:
        await house.applied(1)
        for n in (2, 3):
            house.publish(n, watch=5)
            await house.applied(n)
        for bad, good in ((3, 2), (2, 1)):
            assert made.watch.now is not None
            await made._harmful(made.watch.now, "it fails")
            await house.applied(good)
            assert house.used[-1] == good
            assert f"version {bad} was taken back" in (made.status().alarm or "")
        assert made.watch.now is None  # 1 is all there is
    assert house.events(Event.ALARM, Event.ROLLED_BACK) == [
        (Event.ROLLED_BACK, 2), (Event.ALARM, 3), (Event.ROLLED_BACK, 1), (Event.ALARM, 2),
    ]  # fmt: skip
    assert house.versions.history()[-2].who in ("watch", "system")


async def test_a_watch_that_is_too_late_takes_nothing_back(house: House) -> None:
    async with house.running() as made:
        await house.applied(1)
        for n in (2, 3):
            house.publish(n)
            await house.applied(n)
        late = Watched(version=2, back_to=1, began=0, until=1, before=Sample())
        await made._harmful(late, "it fails")
        assert made.state.ok
        assert house.versions.current() == 3
        await made._harmless(late)
    assert house.events(Event.WATCH_PASSED) == [(Event.WATCH_PASSED, 2)]


async def test_an_asterisk_that_somebody_else_configures_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "publish", lambda *_: None)
    house.asterisk.runs = 0
    async with house.running():
        await house.applied(1)
        house.publish(2)
        await house.applied(2)
        assert house.used == [2]
    found = house.versions.applied()
    assert found is not None
    assert not found.asterisk
    assert house.asterisk.reloads == []


async def test_edits_of_the_working_folder_are_seen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_folder, "EVERY", 0.02)
    async with house.running() as made:
        await house.until(lambda: made.status().differs is False)
        (places.dialplan(house.config.site) / "new.txt").write_text("x")
        await house.until(lambda: made.status().differs is True)
        shutil.rmtree(places.dialplan(house.config.site))
        await house.until(lambda: made.status().differs is None)


async def test_publish_knows_whether_somebody_will_apply(house: House) -> None:
    assert not releases.applies(house.versions)
    async with house.running():
        await house.until(lambda: releases.applies(house.versions))
    assert not releases.applies(house.versions)
