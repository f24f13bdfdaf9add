"""Real calls against the running service: `hotline demo` and `hotline probe`."""

import asyncio
import contextlib
import json
import socket
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from agents import keys, roster
from hotline import admin, logins, running
from hotline.asterisk import install
from hotline.asterisk.render import CarrierPhone, City
from hotline.carrier import Behaviour, Carrier, CitizensCall
from hotline.config import Config, secret
from schemas.errors import Conflict, Unavailable
from schemas.identity import Role
from schemas.numbers import PROBE_CALLER

AGENT = "8900"
"""Extension of the simulated agent."""
TRUNK, PHONES = "127.0.0.2", "127.0.0.3"
CALL_WITHIN = 60.0
"""Seconds the whole demonstration call may take."""
EVERY = 0.1
TALK = 3.0
"""Seconds the citizen and the simulated agent talk."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The service's REST with a token of its own."""

    http: aiohttp.ClientSession
    web: str

    async def get(self, path: str) -> Any:
        """Return the JSON at *path*."""
        async with self.http.get(self.web + path) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def post(self, path: str, body: object) -> Any:
        """Send *body* and return the answer's JSON."""
        async with self.http.post(self.web + path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


async def show(config: Config, out: Console, *, once: bool, as_json: bool) -> None:
    """Make the demonstration call (unless *once* and it was made) and print the page.

    Raises:
        Unavailable: the service does not run, or the call was not answered.
    """
    state = config.site.state / "run" / "demo.json"
    addresses = await running.status(config)
    if once and state.exists():
        call = json.loads(state.read_text())
    else:
        try:
            call = await _demonstrate(config)
        except TimeoutError:
            raise Unavailable(
                f"the demonstration call was not over within {CALL_WITHIN:g} s; "
                f"see {config.site.state / 'log'} and `hotline doctor`"
            ) from None
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps(call, ensure_ascii=False))
    if as_json:
        out.print_json(json.dumps(call, ensure_ascii=False))
    else:
        _print(out, config, addresses, call)


async def _demonstrate(config: Config) -> dict[str, Any]:
    try:
        async with admin.database(config) as session:
            user = roster.new_user(
                login="demo-agent", name="演示坐席", role="agent", extension=AGENT
            )
            password = await roster.add(session, user, now=time.time())
    except Conflict:
        async with admin.database(config) as session:
            password = await roster.passwd(session, "demo-agent")
    phone = CarrierPhone(extension=AGENT, password=password)
    caller = f"139{time.time_ns() // 1_000_000 % 10**8:08d}"
    async with _rest(config) as rest, _city(config, "demo", (phone,)) as city:
        await city.behave(phone_8900=Behaviour(ring=1.0, voice="tone"))
        async with asyncio.timeout(CALL_WITHIN):
            await city.registered(AGENT)
            await rest.post(f"/api/v1/agents/{AGENT}/state", {"do": "ready"})
            try:
                answered = city.expect("PhoneAnswered", Phone=AGENT)
                call = await city.call("12345", caller=caller, hold=CALL_WITHIN)
                await answered
                await asyncio.sleep(TALK)
                await city.hang_up(call)
                await call.ended.wait()
                return await _in_ledger(rest, caller)
            finally:
                await rest.post(f"/api/v1/agents/{AGENT}/state", {"do": "offline"})


async def _in_ledger(rest: Rest, caller: str) -> dict[str, Any]:
    """Return the caller's newest call once it is closed and has its ticket."""
    while True:
        found = await rest.get(f"/api/v1/calls?caller={caller}&limit=1")
        if found and found[0]["outcome"] and (found[0]["ticket_id"] or not found[0]["agent"]):
            return dict(await rest.get(f"/api/v1/calls/{found[0]['id']}"))
        await asyncio.sleep(EVERY)


async def probe(config: Config, number: str) -> dict[str, Any]:
    """Call *number* as a citizen would and say what became of it.

    Raises:
        Unavailable: the service does not run.
    """
    caller = f"{PROBE_CALLER}{time.time_ns() // 1_000_000 % 10**8:08d}"
    async with _rest(config) as rest, _city(config, "probe", ()) as city:
        began = time.monotonic()
        call = await city.call(number, caller=caller, hold=20.0)
        answered = await _answered(call)
        after = round(time.monotonic() - began, 2) if answered else None
        ledger: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not ledger.get("route") and not call.ended.is_set():
                    found = await rest.get(f"/api/v1/calls?caller={caller}&limit=1")
                    ledger = found[0] if found else {}
                    await asyncio.sleep(EVERY)
        await city.hang_up(call)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await call.ended.wait()
                ledger = await _in_ledger(rest, caller)
        return {
            "number": number,
            "answered": answered,
            "answered_after": after,
            "heard_seconds": _seconds(call.heard),
            "hotline": ledger.get("hotline"),
            "integration": ledger.get("integration"),
            "attribution": ledger.get("attribution"),
            "route": ledger.get("route"),
            "call": ledger.get("id"),
        }


async def _answered(call: CitizensCall) -> bool:
    waits = [asyncio.ensure_future(e.wait()) for e in (call.answered, call.ended)]
    try:
        await asyncio.wait(waits, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return call.answered.is_set()


def _seconds(file: Path) -> float:
    """Return how long the recording of what the citizen heard is; 0 without one."""
    try:
        with wave.open(str(file)) as heard:
            return float(round(heard.getnframes() / heard.getframerate(), 2))
    except (OSError, EOFError, wave.Error):
        return 0.0


@contextlib.asynccontextmanager
async def _rest(config: Config) -> AsyncIterator[Rest]:
    addresses = await running.status(config)
    async with admin.database(config) as session:
        token = await keys.create_token(session, role=Role.ADMIN, now=time.time(), label="demo")
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as http:
            yield Rest(http, addresses["web"])
    finally:
        async with admin.database(config) as session:
            await keys.revoke_token(session, keys.digest(token), now=time.time())


@contextlib.asynccontextmanager
async def _city(
    config: Config, name: str, phones: tuple[CarrierPhone, ...]
) -> AsyncIterator[Carrier]:
    """Yield a city in a box that is our carrier for a while.

    Raises:
        Unavailable: its address is not one of our carriers', or is taken.
    """
    if not any(peer.supernet_of(_network(TRUNK)) for peer in config.trunk.peers):
        raise Unavailable(
            f"test calls come from {TRUNK}, which is not in trunk.peers: add it to make them"
        )
    addresses = await running.status(config)
    state = config.site.state.resolve()
    installation = install.find(config.asterisk.program, state)
    trunk_port = int(config.trunk.host.partition(":")[2] or 5060)
    host = config.trunk.host.partition(":")[0]
    city = City(
        hotline=addresses["sip"],
        secret=secret(config.site.state, "city"),
        trunk_host=TRUNK,
        trunk_port=trunk_port if host == TRUNK else _free(TRUNK),
        phones_host=PHONES,
        phones_port=_free(PHONES),
        ami_host=TRUNK,
        ami_port=_free(TRUNK),
        phones=phones,
    )
    async with Carrier(installation, installation.home(state, name), city) as carrier:
        yield carrier


def _network(address: str) -> Any:
    from ipaddress import IPv4Network

    return IPv4Network(address)


def _free(host: str) -> int:
    with socket.socket() as trial:
        trial.bind((host, 0))
        return int(trial.getsockname()[1])


def _link(name: str, ok: bool) -> str:
    return f"{name}: {'ok' if ok else 'keys only' if name == 'speech' else 'DOWN'}"


def _print(out: Console, config: Config, addresses: dict[str, Any], call: dict[str, Any]) -> None:
    page = Table.grid(padding=(0, 2))
    page.add_row("web", addresses["web"])
    page.add_row("SIP", addresses["sip"] + "  (phones register here; the carrier calls here)")
    page.add_row("links", "  ".join(_link(n, s["ok"]) for n, s in addresses["links"].items()))
    for login in logins.first(config):
        page.add_row(
            "login", f"{login['login']}  {login['password']}  {login['role']} {login['extension']}"
        )
    if logins.path(config).exists():
        page.add_row("", f"(first logins, kept in {logins.path(config)} until you delete it)")
    out.print(Panel(page, title="12345 hotline is up", title_align="left"))
    table = Table(title="the demonstration call", title_justify="left", show_header=False)
    waited = call["sla_seconds"]
    for name, value in (
        ("call", call["id"]),
        ("dialled", f"{call['number']} {call['hotline']}"),
        ("outcome", call["outcome"]),
        ("attribution", call["attribution"]),
        ("INVITE to answer", "" if waited is None else f"{waited:.2f} s"),
        ("agent", call["agent"] or ""),
        ("ticket", call["ticket_id"] or ""),
        ("recording", call["recording"] or ""),
    ):
        table.add_row(name, str(value))
    out.print(table)
    if call["outcome"] != "answered":
        raise Unavailable(f"the demonstration call ended {call['outcome']}")
    out.print(
        "next: `hotline probe 12369` (a test call), `hotline status`, `make down`", markup=False
    )
