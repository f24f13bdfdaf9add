"""What `hotline dialplan simulate` says is what happens: the same call, made for real.

One service runs; the hours of its calendar are made to be now by publishing, so the clock stays as
it is. Each caller does what the simulated one did, step after step, and the ledger must show the
same prompts in the same steps, as long as they were said to be, and the same route.
"""

import asyncio
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bench.stack import Stack
from dialplans import simulate
from dialplans.simulate import Case, Conditions, Stage, Walk
from hotline import admin, places, releases, trying
from hotline.config import Config
from schemas.calls import RouteKind
from schemas.city import City
from schemas.tables import CallRow
from schemas.times import SHANGHAI
from tests.real import raw_sip, whole

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("simulated"),
]

HOURS: Mapping[str, tuple[bool, bool]] = {
    "office": (True, False),
    "evening": (False, False),
    "night": (False, True),
}
"""When it is: the schedules `office` and `night` just now."""
FREE, AWAY, SURGE = Conditions(), Conditions(duty="away"), Conditions(surge=True)
KNOWS, TICKET = "the agent knows the caller", "the caller's own ticket"
_callers = itertools.count(13_700_000_000)


@dataclass(frozen=True)
class Try:
    """One call: when, to which number, what the caller does."""

    hours: str
    number: str
    keys: str = ""
    special: str = ""


IN_OFFICE_HOURS = [
    *(Try("office", "12345", keys) for keys in (
        "", "<0", "<7", "<3", "<#", "<9<1<1", "<9<1<2", "<9<1<3", "<9<1<4", "<9<1<0", "<9<3",
        "<9<4", "<9<5<1", "<9<5<4<1<1", "<9<5<6<0", "<9<8<8", "<2<202611010001#", "<2<0", "<2<12#",
    )),
    Try("office", "12345", special=KNOWS),
    Try("office", "12345", "<2<TICKET#", special=TICKET),
    *(Try("office", "12336", keys) for keys in ("", "<0", "<5")),
    *(Try("office", "3206789", keys) for keys in ("", "<0")),
    *(Try("office", "12328", keys) for keys in ("", "<0", "<1", "<2")),
    *(Try("office", "12369", keys) for keys in ("", "<0", "<2")),
    *(Try("office", "95598", keys) for keys in ("", "<1", "<0", "<5")),
    Try("office", "12388", "<1"),
    *(Try("office", "12399", keys) for keys in ("", "<0")),
]  # fmt: skip
OUT_OF_HOURS = [
    *(Try("evening", number, keys) for number in ("12369", "12348") for keys in ("", "<0", "<2")),
    Try("evening", "12345"),
    *(Try("night", number) for number in ("12345", "12369", "12315", "12336", "12328")),
    *(Try("night", number, "<0") for number in ("12345", "12369")),
]
NOBODY_THERE = [
    *(Try("evening", "12345", keys) for keys in ("", "-<1", "-<0", "<9<4")),
    *(Try("evening", number, "-<1") for number in ("12336", "12369", "12399")),
    *(Try("evening", "12328", keys) for keys in ("<2<1", "<2")),
]
IN_A_STORM = [
    *(Try("evening", "12345", keys) for keys in ("-<1", "-<1<0", "-<0", "")),
    *(Try("evening", number, "-<1<0") for number in ("12336", "12369", "12399")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dialplan folder of its own, the shipped one to begin with."""
    made = tmp_path_factory.mktemp("simulated") / "city"
    shutil.copytree(places.dialplan(Config().site), made)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(folder: Path) -> AsyncIterator[Stack]:
    _write_hours(folder, "office")
    more = {"SITE__DIALPLAN_DIR": str(folder)}
    async with whole.service(folder.parent / "service", agents=1, **more) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(service: Stack) -> AsyncIterator[raw_sip.Line]:
    """The carrier; it is busy for seats and for every number outside."""
    async with raw_sip.line(service.sip, port=whole.trunk_port(service)) as made:
        yield made


def _write_hours(folder: Path, hours: str) -> None:
    later = datetime.now(SHANGHAI) + timedelta(hours=11)
    shut = f"{later:%H:00}-{later:%H:01}"  # a schedule that never opens would be a fault
    text = "".join(
        f'[schedules.{name}]\nevery = ["{"00:00-24:00" if is_open else shut}"]\n'
        for name, is_open in zip(("office", "night"), HOURS[hours], strict=True)
    )
    (folder / "calendar.toml").write_text(text, "utf-8")


async def _make_it(service: Stack, folder: Path, hours: str) -> City:
    """Let it be *hours* for every call from now on."""
    _write_hours(folder, hours)
    found, since = releases.versions(service.config), time.time()
    made, fresh = releases.publish(service.config, who="test", why=f"it is {hours}", watch=0)
    if fresh:
        refused = await asyncio.to_thread(
            releases.wait_applied, found, made.version, since=since, within=20
        )
        assert refused is None, refused
    return trying.city(service.config, None)


async def _caller_of(service: Stack, wanted: Try, now: Conditions) -> tuple[Case, str]:
    """Return the call to simulate; its caller is as the try wants them."""
    caller, keys = str(next(_callers)), wanted.keys
    if wanted.special == KNOWS:
        async with admin.database(service.config) as session:
            at = time.time() - 600
            session.add(
                CallRow(
                    id=f"earlier-{caller}", node="n", state="ended", chain=[], caller=caller,
                    started_at=at, answered_at=at + 5, ended_at=at + 60, outcome="answered",
                    agent="2001",
                )
            )  # fmt: skip
        now = Conditions(duty=now.duty, surge=now.surge, last_agent="2001")
    if wanted.special == TICKET:
        body = {"title": "路灯不亮", "caller": caller}
        async with service.http.post(service.web + "/api/v1/tickets", json=body) as answer:
            answer.raise_for_status()
            ticket = (await answer.json())["id"]
        keys = keys.replace("TICKET", "".join(filter(str.isdigit, ticket)))
        now = Conditions(duty=now.duty, surge=now.surge, ticket=ticket)
    case = Case(
        number=wanted.number,
        at=datetime.now(SHANGHAI),
        caller=caller,
        keys=simulate.presses(keys),
        conditions=now,
    )
    return case, caller


def _press(call: raw_sip.RawCall, key: str, nth: int) -> None:
    """Press a key for 100 ms; *nth* tells it from the same key before."""
    event = "0123456789*#".index(key)
    for step in (160, 400, 800, 800, 800):
        head = bytes([event, (0x80 if step == 800 else 0) | 10]) + step.to_bytes(2, "big")
        call._rtp(101, 8000 + nth * 4000, head, marker=step == 160)


async def _do_as(service: Stack, call: raw_sip.RawCall, caller: str, walk: Walk) -> None:
    """Do what the simulated caller did, each thing when its prompt is being played."""
    rows: list[tuple[str, str]] = []
    nth = 0
    for stage in (s for s in walk.stages if not s.asked):
        if stage.answer:
            await _has_come(service, caller, rows)
            await call.hears()
            for key in stage.answer:
                nth += 1
                _press(call, key, nth)
                await asyncio.sleep(0.25)  # a finger's way to the next key
        rows += _rows(stage)


def _rows(stage: Stage) -> list[tuple[str, str]]:
    """Return the rows that a stage leaves in the ledger: (kind, step)."""
    waits = stage.waited > 0 or len(stage.answer) > 1  # an entry of digits is one wait
    return [("PromptPlayed", stage.step)] * len(stage.prompts) + [("Waited", stage.step)] * waits


def _noticed(timeline: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [
        (entry["kind"], entry["detail"]["step"])
        for entry in timeline
        if entry["kind"] in ("PromptPlayed", "Waited")
    ]


async def _has_come(service: Stack, caller: str, rows: list[tuple[str, str]]) -> None:
    """Wait until the ledger shows that the caller noticed so much: the next prompt has begun."""
    if rows:
        await _timeline(service, caller, lambda told: len(_noticed(told)) >= len(rows))


async def _timeline(
    service: Stack, caller: str, enough: Callable[[list[dict[str, Any]]], bool]
) -> dict[str, Any]:
    """Return the call of *caller* once its timeline on disk is *enough*."""
    found, *_ = await service.get(f"/api/v1/calls?caller={caller}&limit=2")  # the newest

    async def ask() -> dict[str, Any]:
        return dict(await service.get(f"/api/v1/calls/{found['id']}"))

    return dict(await service.until(ask, lambda row: enough(row["timeline"]), within=45))


def _has_its_route(timeline: list[dict[str, Any]]) -> bool:
    return any(entry["kind"] == "RouteChosen" for entry in timeline)


def _expected(walk: Walk) -> dict[str, object]:
    return {
        "played": [(s.step, prompt) for s in walk.stages for prompt in s.prompts],
        "route": str(walk.route),
    }


def _happened(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "played": [
            (entry["detail"]["step"], entry["detail"]["prompt"])
            for entry in row["timeline"]
            if entry["kind"] == "PromptPlayed"
        ],
        "route": row["route"],
    }


def _lengths(walk: Walk, row: Mapping[str, Any], city: City) -> list[str]:
    """Return the prompts that were not as long as simulated; those that a key cut do not count."""
    return [
        f"{d['prompt']}: {d['seconds']} s, not {city.prompts[d['prompt']].seconds}"
        for entry in row["timeline"]
        if entry["kind"] == "PromptPlayed" and not (d := entry["detail"])["key"]
        if abs(d["seconds"] - city.prompts[d["prompt"]].seconds) > 0.1
    ]


async def _compare(
    service: Stack, line: raw_sip.Line, city: City, wanted: Try, now: Conditions,
    begun: asyncio.Event,
) -> tuple[str, list[object]]:  # fmt: skip
    """Make one call as simulated; return its name and what was different."""
    case, caller = await _caller_of(service, wanted, now)
    walk = trying.walk(city, case)
    assert not walk.spare, f"{wanted} presses keys that nothing asks for"
    call = line.invite(wanted.number, caller=caller)
    assert await call.final() == 200
    await whole.row(service, caller, whole.has(state="flow"))
    begun.set()
    await _do_as(service, call, caller, walk)
    row = await _timeline(service, caller, _has_its_route)
    if walk.route.kind is RouteKind.HANGUP:
        await call.gone()
    call.hang_up()
    row["outcome"] = (await whole.closed(service, caller))["outcome"]
    ended = walk.route.kind is not RouteKind.HANGUP or row["outcome"] == walk.route.outcome
    wrong: list[object] = [*_lengths(walk, row, city)]
    if _happened(row) != _expected(walk) or not ended:
        wrong += [_happened(row), _expected(walk), row["outcome"]]
    return f"{wanted} by {caller}", wrong


Calls = list[asyncio.Task[tuple[str, list[object]]]]


async def _call(
    service: Stack, line: raw_sip.Line, folder: Path, tries: Sequence[Try], now: Conditions
) -> Calls:
    """Begin all these calls, at the hours they want; they go on by themselves."""
    made: Calls = []
    for hours, some in itertools.groupby(tries, key=lambda one: one.hours):
        city = await _make_it(service, folder, hours)
        events = []
        for one in some:
            events.append(begun := asyncio.Event())
            made.append(asyncio.create_task(_compare(service, line, city, one, now, begun)))
        async with asyncio.timeout(20):  # a call keeps the hours it began with
            await asyncio.gather(*(event.wait() for event in events))
    return made


async def test_the_real_call_takes_the_very_way_that_was_simulated(
    service: Stack, line: raw_sip.Line, folder: Path
) -> None:
    await service.wish("2001", "ready")
    await whole.state(service, "2001", "ready")
    done: list[tuple[str, list[object]]] = []
    done += await asyncio.gather(
        *await _call(service, line, folder, IN_OFFICE_HOURS + OUT_OF_HOURS, FREE)
    )
    await service.wish("2001", "offline")
    await whole.state(service, "2001", "offline")
    done += await asyncio.gather(*await _call(service, line, folder, NOBODY_THERE, AWAY))
    await service.wish("2001", "ready")
    await whole.state(service, "2001", "ready")
    body = {"on": True, "why": "暴雨红色预警"}
    async with service.http.put(service.web + "/api/v1/switches/surge", json=body) as answer:
        answer.raise_for_status()
    done += await asyncio.gather(*await _call(service, line, folder, IN_A_STORM, SURGE))
    assert len(done) >= 60
    wrong = [(name, told) for name, told in done if told]
    assert not wrong, f"{len(wrong)} of {len(done)} calls went otherwise: {wrong[:6]}"
