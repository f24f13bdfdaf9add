"""`hotline up`, `status`, `probe`, `demo`, `down` as an operator types them; what dies comes back.

One installation for the module, in the order of a day: up, looked at, called, broken twice, down.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bench import sipp
from bench.stack import free_port
from hotline import config as settings
from hotline import exchange
from tests.real import raw_sip, whole

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("lifecycle"),
]


@dataclass
class Installation:
    """A hotline in a folder of its own, worked by its commands."""

    folder: Path
    environment: dict[str, str]
    token: str = ""
    pids: set[int] = field(default_factory=set)
    """Every process of it that was seen."""

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run `hotline …` and return its exit status and what it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hotline.cli",
            *arguments,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(150):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode() + err.decode()

    async def json(self, *arguments: str) -> Any:
        """Run a command with --json and return what it reports."""
        code, said = await self.command(*arguments, "--json")
        assert code == 0, said
        return json.loads(said)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        """What the supervisor has said."""
        return (self.state / "log" / "up.log").read_text()

    @property
    def config(self) -> settings.Config:
        return settings.load(self.folder / "hotline.toml", self.environment)

    def pid(self, part: str) -> int:
        """Return the process id of `up`, `controller` or `asterisk`."""
        run = self.state / "run"
        match part:
            case "up":
                found = int(json.loads((run / "up.json").read_text())["pid"])
            case "controller":
                found = int((run / "controller.pid").read_text())
            case _:
                home = exchange.instance(self.config).home
                found = int((home / "run" / "asterisk.pid").read_text())
        self.pids.add(found)
        return found

    async def well(self) -> dict[str, Any]:
        """Return the status once every link is up."""
        async with asyncio.timeout(60):
            while True:
                code, said = await self.command("status", "--json")
                if code == 0:
                    return dict(json.loads(said))

    async def get(self, path: str) -> Any:
        """Return the JSON at *path*."""
        return await self._ask("GET", path, None)

    async def wish(self, agent: str, do: str) -> None:
        await self._ask("POST", f"/api/v1/agents/{agent}/state", {"do": do})

    async def _ask(self, method: str, path: str, body: object) -> Any:
        web = json.loads((self.state / "run" / "serve.json").read_text())["web"]
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, web + path, json=body) as answer,
        ):
            answer.raise_for_status()
            return await answer.json()

    async def calls(self, *callers: str) -> list[dict[str, Any]]:
        """Return all calls of these callers."""
        return [
            call
            for caller in callers
            for call in await self.get(f"/api/v1/calls?caller={caller}&limit=500")
        ]

    async def until(self, ask: Any, enough: Any, *, within: float = 30) -> Any:
        async with asyncio.timeout(within):
            while True:
                try:
                    found = await ask()
                except (aiohttp.ClientError, OSError):  # it is just being started again
                    found = None
                if found is not None and enough(found):
                    return found
                await asyncio.sleep(0.1)


def alive(pid: int) -> bool:
    """Tell whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def of(folder: str) -> list[int]:
    """Return the processes whose command line or environment names *folder*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if folder.encode() in words and alive(int(process.name)):
            found.append(int(process.name))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    program = whole.needed(with_sipp=True)
    folder = tmp_path_factory.mktemp("up")
    (folder / "hotline.toml").write_text(
        '[site]\nstate = "state"\n[calls]\nring = 5\nwrap_up = 0\n'
        f'[asterisk]\nprogram = "{program.root or program.binary}"\n'
        "sip_port = 0\nhttp_port = 0\nrtp_start = 14000\nrtp_end = 14400\n"
        "[ami]\nport = 0\n[agi]\nport = 0\n[speech]\nport = 0\n[web]\nport = 0\n"
        f'[trunk]\nhost = "127.0.0.2:{free_port(whole.CARRIER)}"\n'
    )
    environment = {
        "HOTLINE_SITE__STATE": str(folder / "state"),
        "HOTLINE_SPEECH__MODELS": str(Path(__file__).parents[2] / ".local/models"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    made = Installation(folder, environment)
    try:
        code, said = await made.command("up", "--background")
        assert code == 0, said
        code, said = await made.command("token", "create", "--role", "admin")
        made.token = said.split()[-1]
        yield made
    finally:
        await made.command("down")
        for pid in of(str(folder)):
            os.kill(pid, signal.SIGKILL)  # ours: it names our folder
        exchange.instance(made.config).remove()


async def test_up_comes_up_and_says_where(hotline: Installation) -> None:
    found = await hotline.json("status")
    assert found["ok"] is True
    assert found["web"].startswith("http://127.0.0.1:")
    assert found["sip"].startswith("127.0.0.1:")
    assert all(link["ok"] for link in found["links"].values()), found["links"]
    assert {"ami", "agi", "database"} <= set(found["links"])
    for part in ("up", "controller", "asterisk"):
        assert alive(hotline.pid(part))
    assert (hotline.state / "secrets.toml").stat().st_mode & 0o777 == 0o600


async def test_a_second_up_says_that_it_runs_and_changes_nothing(hotline: Installation) -> None:
    before = [hotline.pid(part) for part in ("up", "controller", "asterisk")]
    code, said = await hotline.command("up", "--background")
    assert code == 0
    assert "runs already" in said
    code, said = await hotline.command("up")
    assert code == 1
    assert "runs already" in said
    assert [hotline.pid(part) for part in ("up", "controller", "asterisk")] == before
    await hotline.well()


async def test_a_probe_calls_a_number_and_says_what_became_of_it(hotline: Installation) -> None:
    found = await hotline.json("probe", "12328")
    assert found["answered"] is True
    assert 0 < found["answered_after"] < 20
    assert found["heard_seconds"] > 1
    assert {k: found[k] for k in ("number", "hotline", "integration", "attribution", "route")} == {
        "number": "12328", "hotline": "交通服务热线", "integration": "dual_run",
        "attribution": "did", "route": "queue:seat-12328>citizens",
    }  # fmt: skip


async def test_the_demonstration_call_is_answered_and_has_its_ticket(
    hotline: Installation,
) -> None:
    found = await hotline.json("demo")
    assert (found["outcome"], found["number"], found["attribution"], found["agent"]) == (
        "answered", "12345", "did", "8900",
    )  # fmt: skip
    assert found["ticket_id"]
    assert found["sla_seconds"] < 15
    recording = exchange.instance(hotline.config).recordings / found["recording"]
    assert len(await whole.samples(recording)) > 8000
    again = await hotline.json("demo", "--once")
    assert again["id"] == found["id"]


async def test_a_killed_controller_is_started_again_and_that_is_said(
    hotline: Installation,
) -> None:
    before = hotline.pid("controller")
    asterisk = hotline.pid("asterisk")
    os.kill(before, signal.SIGKILL)

    async def new() -> int:
        return hotline.pid("controller")

    await hotline.until(new, lambda pid: pid != before)
    await hotline.well()
    assert "controller ended (exit -9); again in" in hotline.log
    assert hotline.pid("asterisk") == asterisk


async def test_a_killed_asterisk_is_started_again_its_calls_closed_and_its_agents_kept(
    hotline: Installation,
) -> None:
    logins = tomllib.loads((hotline.state / "first-logins.toml").read_text())["login"]
    agents = [(x["extension"], x["password"]) for x in logins if x["login"].startswith("zuoxi")]
    sip = (await hotline.well())["sip"]
    port = free_port(sipp.PHONES)
    assert (await sipp.register(sip, agents, port=port)).ok == 2
    phones = sipp.phones(sip, ring=0.2, port=port, rtp=free_port(sipp.PHONES))
    await phones.start()
    talking, waiting, listening = (f"1340000{secrets.randbelow(9000) + 1000}{i}" for i in range(3))
    before = hotline.pid("asterisk")
    controller = hotline.pid("controller")
    try:
        await hotline.wish("8001", "ready")
        async with raw_sip.line(sip) as line:
            for caller, state in ((talking, "talking"), (waiting, "queued"), (listening, "flow")):
                call = line.invite("12345", caller=caller)
                await call.hears()
                if state != "flow":
                    call.press("0")

                async def found(caller: str = caller) -> Any:
                    return await hotline.calls(caller)

                await hotline.until(found, lambda c, s=state: c and c[0]["state"] == s)
            os.kill(before, signal.SIGKILL)

            async def new() -> int:
                return hotline.pid("asterisk")

            await hotline.until(new, lambda pid: pid != before)
            await hotline.well()

            async def all_calls() -> Any:
                return await hotline.calls(talking, waiting, listening)

            closed = await hotline.until(all_calls, lambda c: all(x["outcome"] for x in c))
            assert [(c["caller"], c["outcome"]) for c in closed] == [
                (talking, "answered"), (waiting, "failed"), (listening, "failed"),
            ]  # fmt: skip
            promised = {p["caller"] for p in await hotline.get("/api/v1/callbacks")}
            assert {talking, waiting, listening} <= promised
            assert "asterisk ended (exit" in hotline.log
            assert hotline.pid("controller") == controller

        # the agent is a member still, and the next citizen reaches them
        async def agent() -> Any:
            return await hotline.get("/api/v1/agents/8001")

        await hotline.until(agent, lambda a: a["state"] == "ready")
        async with raw_sip.line(sip) as line:
            caller = f"{talking}9"
            call = line.invite("12345", caller=caller)
            await call.hears()
            call.press("0")

            async def answered() -> Any:
                return await hotline.calls(caller)

            await hotline.until(answered, lambda c: c and c[0]["agent"] == "8001")
            call.hang_up()
            await call.gone()
            await hotline.until(answered, lambda c: c[0]["outcome"] == "answered")
    finally:
        await phones.stop()


async def test_down_leaves_nothing_behind(hotline: Installation) -> None:
    for part in ("up", "controller", "asterisk"):
        hotline.pid(part)
    code, said = await hotline.command("down")
    assert code == 0, said
    assert "stopped" in said
    assert not [pid for pid in hotline.pids if alive(pid)]
    assert not of(str(hotline.folder))
    code, said = await hotline.command("down")
    assert code == 0
    assert "nothing is running" in said
    code, said = await hotline.command("status")
    assert code == 1
