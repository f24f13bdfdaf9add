"""Publishing on the real thing: what is changed while citizens call, and what is taken back."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.stack import Stack
from dialplans.history import Event
from dialplans.versions import Versions
from hotline import releases
from tests.real import raw_sip, whole

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.xdist_group("publish")]

ALWAYS_FAILS = """\
flow: integrated
title: 整合号码
start: notice
steps:
  notice: {do: say, prompts: [{date: "{caller}"}], next: agents}
  agents: {do: queue}
"""
"""Speaks a telephone number as a date: every value is known, so nothing but calls can tell."""


V1 = (1, ["notice-12336", "away"])
"""What a caller of 12336 hears while no agent is there, as it was in the beginning."""


@dataclass
class House:
    """A service whose working folder may be edited."""

    service: Stack
    folder: Path
    """What the admin edits."""

    @property
    def versions(self) -> Versions:
        return releases.versions(self.service.config)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file as an admin would."""
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    async def hotline(self, *words: str) -> tuple[int, Any]:
        """Type `hotline dialplan … --json`; return the exit status and what it reports."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hotline.cli", "dialplan", *words, "--json",
            env={**os.environ, **self.service.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, json.loads(out)

    async def runs(self, version: int, within: float = 20) -> None:
        """Wait until the controller and Asterisk run *version*."""

        async def ask() -> Any:
            applied = self.versions.applied()
            said = await self.service.asterisk.console("dialplan show hotline-version")
            told = [word[5:-1] for word in said.split() if word.startswith("NoOp(")]
            return (await self.status())["version"], applied and applied.version, told

        wanted = (version, version, [str(version)])
        await self.service.until(ask, lambda found: found == wanted, within=within)

    async def status(self) -> Any:
        """Return what /status says of the dialplan, also while calls cannot be served."""
        async with self.service.http.get(self.service.web + "/status") as answer:
            return (await answer.json())["dialplan"]

    async def prompts(self, caller: str) -> tuple[int | None, list[str]]:
        """Return the version the newest call of *caller* began on, and what it heard."""
        found = await whole.row(self.service, caller, whole.has(route=...))
        told = {e["kind"]: e["detail"] for e in found["timeline"]}
        heard = [e["detail"]["prompt"] for e in found["timeline"] if e["kind"] == "PromptPlayed"]
        return told["FlowStarted"].get("version"), heard


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    folder = whole.baoji_in_office_hours(tmp_path / "baoji")
    agents = getattr(request, "param", 1)
    async with whole.service(
        tmp_path / "h", agents=agents, SITE__DIALPLAN_DIR=str(folder), CALLS__WRAP_UP="0"
    ) as service:
        made = House(service, folder)
        await made.runs(1)
        yield made


async def test_the_first_start_publishes_the_working_folder(house: House) -> None:
    assert await house.status() == {
        "version": 1, "differs": False, "watch_until": None, "alarm": None,
    }  # fmt: skip
    first = house.versions.get(1)
    assert (first.who, first.why) == ("system", "first start")
    assert [e.event for e in house.versions.history()] == [Event.PUBLISHED, Event.APPLIED]


async def test_the_next_call_takes_the_change_and_a_call_in_progress_ends_as_it_began(
    house: House,
) -> None:
    service = house.service
    async with raw_sip.line(service.sip, port=whole.trunk_port(service)) as line:
        early = line.invite("12336", caller="13900000001")
        await early.hears()
        # another notice, a step less after it, another sound, a context of the admin's own
        house.edit("hotlines.csv", "整合,notice-12336,", "整合,notice-12320,")
        house.edit("flows/integrated.yaml", "next: before", "next: agents")
        house.edit(
            "flows/integrated.yaml", "  before: {do: goto, flow: before_queue, then: agents}\n", ""
        )
        shutil.copy(
            house.folder / "audio/ticket-open.wav", house.folder / "audio/ticket-unknown.wav"
        )
        (house.folder / "custom").mkdir(exist_ok=True)
        (house.folder / "custom" / "own.conf").write_text("[own]\nexten => 1,1,NoOp(own)\n")
        code, said = await house.hotline("publish", "--why", "换了提示音", "--who", "王")
        assert (code, said["state"], said["version"]) == (0, "live", 2), said
        await house.runs(2)
        assert "NoOp(own)" in await service.asterisk.console("dialplan show own")
        calls = await service.get("/api/v1/calls?caller=13900000001&limit=1")
        assert calls[0]["state"] == "flow", "the early call must still hear its prompt"
        late = line.invite("12336", caller="13900000002")
        assert await house.prompts("13900000001") == V1
        assert await house.prompts("13900000002") == (2, ["notice-12320"])
        for call in (early, late):
            call.hang_up()
            await call.gone()
        # and back
        code, said = await house.hotline("rollback", "--why", "错了", "--who", "李")
        assert (code, said["state"], said["version"]) == (0, "live", 1), said
        await house.runs(1)
        third = line.invite("12336", caller="13900000003")
        assert await house.prompts("13900000003") == V1
        third.hang_up()
        await third.gone()
    assert "NoOp(own)" not in await service.asterisk.console("dialplan show own")
    code, told = await house.hotline("versions")
    assert [(v["version"], v["state"], v["who"], v["why"]) for v in told] == [
        (2, "rolled_back", "王", "换了提示音"),
        (1, "live", "system", "first start"),
    ]
    assert (await service.get("/api/v1/dialplan/versions"))[0] == told[0]
    assert (await house.status())["watch_until"] is None  # nobody watches what was taken back


async def test_a_folder_with_faults_is_refused_whole_and_nothing_changes(house: House) -> None:
    house.edit("hotlines.csv", "12336,", "12e36,")
    house.edit("flows/main.yaml", "do: listen", "do: dance")
    code, said = await house.hotline("publish", "--why", "x")
    assert (code, said["error"]) == (2, "faulty")
    files = {Path(f["file"]).name for f in said["details"]["faults"]}
    assert {"hotlines.csv", "main.yaml"} <= files
    assert all(f["file"].startswith(str(house.folder)) for f in said["details"]["faults"])
    assert (await house.status())["version"] == 1
    assert house.versions.numbers() == [1]


NOT_TAKEN = (
    ("[hotline-in]\nexten => t,1,Hangup()\n", "[hotline-in] is ours"),
    ("[broken\nexten => 1,1,NoOp()\n", "Asterisk took 0 of 1 steps"),
    ("#include nowhere.conf\n[own]\nexten => 1,1,NoOp()\n", "Asterisk took 0 of 1 steps"),
    ("[own]\nexten => 1,1,NoOp()\nexten => 1,1,NoOp()\n", "Asterisk took 1 of 2 steps"),
)


async def test_what_asterisk_does_not_take_is_taken_back(house: House) -> None:
    (house.folder / "custom").mkdir(exist_ok=True)
    for custom, why in NOT_TAKEN:
        (house.folder / "custom" / "own.conf").write_text(custom)
        made = house.versions.publish(house.folder, who="王", why="past every check")
        begins = f"version {made.version} was refused: "
        await house.service.until(
            house.status, lambda s, begins=begins: (s["alarm"] or "").startswith(begins)
        )
        await house.runs(1)
        assert house.versions.states()[made.version] == "refused"
        assert why in (await house.status())["alarm"]
    alarm = (await house.status())["alarm"]
    link = (await house.service.get("/status"))["links"]["dialplan"]
    assert (link["ok"], link["last_error"]) == (False, alarm[:200])
    async with raw_sip.line(house.service.sip, port=whole.trunk_port(house.service)) as line:
        call = line.invite("12336", caller="13900000004")
        assert await house.prompts("13900000004") == V1
        call.hang_up()
        await call.gone()
    # the alarm is remembered over a restart, and ends with a change that works
    await house.service.stop_controller()
    await house.service.start_controller()
    await house.service.ready()
    await house.service.until(house.status, lambda s: s["alarm"] is not None)
    (house.folder / "custom" / "own.conf").write_text("[own]\nexten => 1,1,NoOp()\n")
    code, said = await house.hotline("publish", "--why", "mended", "--no-watch")
    assert (code, said["state"]) == (0, "live"), said
    assert (await house.status())["alarm"] is None


async def test_a_damaged_version_is_not_run(house: House) -> None:
    await house.service.stop_controller()
    house.edit("hotlines.csv", "整合,notice-12336,", "整合,notice-12320,")
    code, said = await house.hotline("publish", "--why", "while the service is down")
    assert (code, said["state"]) == (0, "waiting"), said
    edited = house.versions.folder(2) / "hotlines.csv"
    edited.chmod(0o644)
    edited.write_text(edited.read_text().replace("12320", "12345"))
    await house.service.start_controller()
    await house.service.ready()
    await house.runs(3)  # from the working folder, said in the history
    assert "cannot be loaded any more" in house.versions.get(3).why


async def test_what_was_published_while_the_service_was_down_runs_at_its_start(
    house: House,
) -> None:
    await house.service.stop_controller()
    house.edit("hotlines.csv", "整合,notice-12336,", "整合,notice-12320,")
    code, said = await house.hotline("publish", "--why", "while the service is down")
    assert (code, said["state"]) == (0, "waiting"), said
    await house.service.start_controller()
    await house.service.ready()
    await house.runs(2)
    assert (await house.status())["watch_until"] is not None
    # and a restart does not forget the watch
    until = (await house.status())["watch_until"]
    await house.service.stop_controller()
    await house.service.start_controller()
    await house.service.ready()
    await house.service.until(house.status, lambda s: s["watch_until"] == until)


@pytest.mark.parametrize("house", [30], indirect=True)
async def test_a_change_that_makes_every_call_fail_is_rolled_back_by_itself(house: House) -> None:
    """5 calls/s run before, during and after; no call goes unanswered."""
    service = house.service
    await service.phones(ring=0.05)
    await service.all_ready()
    callers = [f"139{n:08d}" for n in range(100)]
    calling = await service.citizens(
        [(caller, "12336", "") for caller in callers], rate=5, hold=8.0, key_after=0.5
    )

    async def answered() -> int:
        found = await service.get("/api/v1/calls?limit=500")
        return sum(call["answered_at"] is not None for call in found)

    await service.until(answered, lambda count: count >= 15)
    (house.folder / "flows" / "integrated.yaml").write_text(ALWAYS_FAILS)
    code, said = await house.hotline("publish", "--why", "来电号码当日期念", "--watch", "10")
    assert (code, said["state"]) == (0, "live"), said
    bad = int(said["version"])
    await service.until(house.status, lambda s: s["alarm"] is not None, within=30)
    await house.runs(1)
    history = house.versions.history()
    applied = next(e.at for e in history if e.event is Event.APPLIED and e.version == bad)
    back = next(e for e in history if e.event is Event.ROLLED_BACK)
    assert (back.version, back.left, back.who) == (1, bad, "watch")
    assert "the flow failed in" in back.why
    print(f"\nharm found {back.at - applied:.2f} s after the version was live")  # noqa: T201
    tally = await calling.wait()
    assert (tally.made, tally.failed) == (len(callers), 0)

    async def closed() -> list[dict[str, Any]]:
        return await service.every("/api/v1/calls?limit=500")

    calls = await service.until(closed, lambda found: all(c["outcome"] for c in found))
    assert len(calls) == len(callers)
    assert {call["outcome"] for call in calls} == {"answered"}
    harmed = [e for e in history if e.event is Event.ALARM]
    assert [e.version for e in harmed] == [bad]
    assert house.versions.states() == {1: "live", bad: "rolled_back"}
