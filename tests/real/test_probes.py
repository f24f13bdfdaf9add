"""拨测 with real telephones: what their lines say is what is written, and nobody else notices."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import make_url

from bench.stack import Stack
from hotline.carrier import Behaviour, Carrier
from tests.real import whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("probes"),
]

KEY = "ww5"
PHONES = {
    "answers": ("80010001", Behaviour(ring=1.0), "answered"),
    "hangs_up": ("80010002", Behaviour(ring=0.2, talk=0.3), "answered"),
    "busy": ("80010003", Behaviour(manner="busy"), "busy"),
    "rings_out": ("80010004", Behaviour(manner="ringout"), "no_answer"),
    "rejects": ("80010005", Behaviour(manner="reject"), "rejected"),
    "unknown": ("80010006", Behaviour(manner="nobody"), "invalid"),
    "planned": ("80010007", Behaviour(), "answered"),
    "cut_off": ("80010008", Behaviour(manner="ringout"), "failed"),
    "after_it": ("80010009", Behaviour(), "answered"),
    "typed": ("80010010", Behaviour(manner="busy"), "busy"),
    "unheard": ("80010011", Behaviour(), "failed"),
}
"""Units, their phones, how these behave, what is to come of a probe."""
RING_FOR = 5
_callers = itertools.count(13_600_000_000)


def units_toml() -> str:
    """Return the units of this test, their phones rung by nobody's plan."""
    head = f"[probes]\nper_week = 0\nring_for = {RING_FOR}\nat_once = 8\n"
    return head + "".join(
        f'[units.{code}]\nname = "单位{n}"\nphone = "{phone}"\nlogin = "u-{n}"\nclerk = "张三"\n'
        f'head = "李四"\nhead_login = "u-{n}-head"\n'
        for n, (code, (phone, _, _)) in enumerate(PHONES.items())
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("probes")
    baoji = whole.baoji_in_office_hours(folder / "baoji")
    for name in ("limits", "places", "catalogue", "risks", "scores"):  # they name other units
        (baoji / f"{name}.toml").unlink(missing_ok=True)
    (baoji / "units.toml").write_text(units_toml(), "utf-8")
    async with whole.service(
        folder, agents=2, SITE__DIALPLAN_DIR=str(baoji), CALLS__WRAP_UP="1"
    ) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(service: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(service) as made:
        for phone, behaviour, _ in PHONES.values():
            await made.behave(**{f"line_{phone}": behaviour})
        yield made


async def ask(service: Stack, unit: str) -> whole.Row:
    """Have a unit rung now."""
    async with service.http.post(f"{service.web}/api/v1/units/{unit}/probes") as answer:
        return {"status": answer.status, **await answer.json()}


async def ended(service: Stack, unit: str, within: float = 40) -> whole.Row:
    """Return the newest probe of a unit once it has ended."""

    async def look() -> whole.Row:
        found = await service.get(f"/api/v1/units/{unit}/probes?limit=1")
        return dict(found[0]) if found else {}

    return dict(await service.until(look, has(state="ended"), within=within))


def write(service: Stack, statement: str, *values: object) -> None:
    """Change the database behind the service's back."""
    file = make_url(service.config.database_url).database
    with contextlib.closing(sqlite3.connect(str(file), timeout=10)) as database, database:
        database.execute(statement, values)


def citizens_channels(service: Stack) -> set[str]:
    """Return the calls that Asterisk itself took for citizens' (what a restart would read)."""
    return {
        record["linkedid"]
        for record in whole.cel(service)
        if record["type"] == "CHAN_START"
        and record["context"] == "from-trunk"
        and record["uniqueid"] == record["linkedid"]
    }


async def test_each_telephone_is_told_as_it_is_while_a_citizen_talks_on(
    service: Stack, city: Carrier
) -> None:
    caller = str(next(_callers))
    await service.wish("2001", "ready")
    await service.until(service.members, lambda there: "2001" in there)
    async with whole.desk(service, "2001") as desk:
        call = await city.call("12345", caller=caller, keys=KEY)
        await whole.row(service, caller, has(agent="2001", answered_at=...))
        await desk.see("state", state="talking")
        told = len(desk.told)
        before = citizens_channels(service)

        wanted = {u: r for u, (_, _, r) in list(PHONES.items())[:6]}
        rings = [city.expect("LineRings", Line=PHONES[unit][0]) for unit in wanted]
        heard = city.expect("PhoneAnswered", Phone=PHONES["answers"][0])
        asked = [await ask(service, unit) for unit in wanted]
        assert {a["status"] for a in asked} == {202}
        found = [await ended(service, unit) for unit in wanted]
        assert {row["unit"]: row["result"] for row in found} == wanted
        rang = {row["unit"]: row["rang"] for row in found}
        assert 1.0 <= rang["answers"] < 4, rang
        assert RING_FOR - 0.5 <= rang["rings_out"] < RING_FOR + 4, rang
        causes = {row["unit"]: row["cause"] for row in found}
        assert (causes["busy"], causes["rejects"], causes["unknown"]) == (17, 21, 1)
        async with asyncio.timeout(10):  # each once, and under the hotline's own number
            assert {(await ring)["Caller"] for ring in rings} == {"12345"}
            file = city.heard / (await heard)["File"]
        assert whole.seconds_of_voice(await whole.samples(file)) > 2  # what it is was said

        # the talk went on, and nothing else was taken for a call
        row = await whole.row(service, caller, has(outcome=None, agent="2001"))
        kinds = [entry["kind"] for entry in row["timeline"]]
        assert (kinds.count("AgentRinging"), kinds.count("AgentAnswered")) == (1, 1)
        assert not {"AgentMissed", "AgentFinished", "HungUp"} & set(kinds)
        assert [c for c in desk.told[told:] if c["type"] in ("state", "pop", "pop_closed")] == []
        assert not call.ended.is_set()
        await city.hang_up(call)
        assert (await whole.closed(service, caller))["outcome"] == "answered"
    await whole.written(service, caller, outcome="answered")
    assert [row["caller"] for row in await service.every("/api/v1/calls?limit=500")] == [caller]
    assert citizens_channels(service) == before
    await service.until(service.channels, lambda there: not there)

    shown = {unit["code"]: unit for unit in await service.get("/api/v1/units")}
    assert {u: shown[u]["last_probe"]["result"] for u in wanted} == wanted
    assert {u: shown[u]["reach"]["answered"] for u in wanted} == {
        u: int(r == "answered") for u, r in wanted.items()
    }
    again = await ask(service, "busy")
    assert (again["status"], again["error"]) == (429, "too_many")


async def test_what_is_planned_is_rung_when_its_time_has_come(
    service: Stack, city: Carrier
) -> None:
    write(
        service,
        "INSERT INTO unit_probes (unit, phone, planned_at, state) VALUES (?, ?, ?, 'planned')",
        "planned", "80019999", time.time(),
    )  # fmt: skip
    found = await ended(service, "planned")
    # whom the roster names when it is rung, not when it was planned
    assert (found["result"], found["phone"]) == ("answered", PHONES["planned"][0])


async def test_the_command_rings_and_tells_what_came_of_it(service: Stack, city: Carrier) -> None:
    async def type_in(*words: str) -> tuple[int, str]:
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hotline.cli", *words,
            env={**os.environ, **service.environment}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await made.communicate()
        return made.returncode or 0, out.decode()

    code, out = await type_in("units", "probe", "typed", "--json")
    assert (code, json.loads(out)["result"]) == (1, "busy")
    code, out = await type_in("units", "probe", "typed", "--json")
    assert (code, json.loads(out)["error"]) == (1, "too_many")
    code, out = await type_in("units", "show", "typed", "--json")
    assert (code, json.loads(out)["last_probe"]["result"]) == (0, "busy")


async def test_a_controller_killed_while_it_rings_never_rings_again(
    service: Stack, city: Carrier
) -> None:
    phone = PHONES["cut_off"][0]
    first = city.expect("LineRings", Line=phone)
    assert (await ask(service, "cut_off"))["status"] == 202
    async with asyncio.timeout(10):
        await first
    second = city.expect("LineRings", Line=phone)
    await service.stop_controller(signal.SIGKILL)
    write(
        service,
        "UPDATE unit_probes SET called_at = called_at - 3600 WHERE unit = 'cut_off'",
    )
    await service.start_controller()
    await service.ready()
    found = await ended(service, "cut_off")
    assert (found["result"], found["rang"]) == ("failed", None)
    assert (await ask(service, "after_it"))["status"] == 202
    assert (await ended(service, "after_it"))["result"] == "answered"
    assert not second.done()
    second.cancel()
    reach = (await service.get("/api/v1/units/cut_off"))["reach"]
    assert (reach["all"], reach["share"]) == (0, None)


async def test_a_dead_trunk_is_not_the_units_fault(service: Stack, city: Carrier) -> None:
    await city.instance.kill()  # the last test here: nobody needs it any more
    assert (await ask(service, "unheard"))["status"] == 202
    found = await ended(service, "unheard")
    assert found["result"] == "failed", found
