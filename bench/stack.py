"""The whole service on free ports: real Asterisk, real controller, agents with passwords."""

import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from agents import keys, roster
from bench import sipp
from hotline import admin, exchange
from hotline import config as settings
from hotline.asterisk.instance import Instance
from hotline.config import Config
from schemas.identity import Role

READY_WITHIN = 30.0
"""Seconds until every link must be up."""
HEARS_WITHIN = 90.0
"""Seconds until a model must be loaded."""


_given: set[int] = set()


def free_port(host: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> int:
    """Return a port that nobody holds just now, and that was not given out here before."""
    while True:
        with socket.socket(socket.AF_INET, kind) as trial:
            trial.bind((host, 0))
            port = int(trial.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


class Stack:
    """Asterisk and controller as two processes of ours; `agents` have (extension, password)."""

    def __init__(self, folder: Path, config: Config, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.config = config
        self.environment = environment
        self.asterisk: Instance = exchange.instance(config)
        self.site = exchange.city(config)
        self.agents: list[tuple[str, str]] = []
        self.token = ""
        self.desk_tokens: dict[str, str] = {}
        """By extension: what opens that agent's desk."""
        self._controller: asyncio.subprocess.Process | None = None
        self._speech: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None
        self._sipps: list[sipp.Sipp] = []

    @property
    def sip(self) -> str:
        """Where citizens call and phones register."""
        return f"{self.config.asterisk.sip_host}:{self.config.asterisk.sip_port}"

    @property
    def web(self) -> str:
        """Base URL."""
        return f"http://{self.config.web.host}:{self.config.web.port}"

    @property
    def pid(self) -> int:
        """Process id of the controller."""
        assert self._controller is not None
        return self._controller.pid

    async def people(self, count: int, *, skills: list[str] | None = None) -> None:
        """Add *count* agents with extensions from 2001 on, or after those there are."""
        first = 2001 + len(self.agents)
        async with admin.database(self.config) as session:
            for number in range(first, first + count):
                user = roster.new_user(
                    login=f"a{number}",
                    name=f"坐席{number}",
                    role="agent",
                    extension=str(number),
                    skills=skills or [],
                    password=secrets.token_hex(8),
                )
                self.agents.append((str(number), await roster.add(session, user, now=time.time())))
            for extension, _ in self.agents:
                self.desk_tokens[extension] = await keys.create_token(
                    session, role=Role.AGENT, now=time.time(), agent=extension
                )
            self.token = await keys.create_token(session, role=Role.ADMIN, now=time.time())

    async def configure(self) -> None:
        """Write Asterisk's configuration for the people there are."""
        async with admin.database(self.config) as session:
            exchange.configure(self.config, self.asterisk, self.site, await roster.load(session))

    async def start(self) -> None:
        """Start both and return when calls can be served."""
        await self.configure()
        await self.asterisk.start()
        await self.start_controller()
        await self.ready()

    async def start_controller(self) -> None:
        """Start the controller; see `ready`."""
        log = (self.folder / "controller.log").open("ab")
        self._controller = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hotline.cli", "serve",
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()

    async def stop_controller(self, number: int = signal.SIGTERM) -> None:
        """End the controller by a signal."""
        if self._controller is not None and self._controller.returncode is None:
            self._controller.send_signal(number)
            if number == signal.SIGSTOP:
                return
            await self._controller.wait()

    async def start_speech(self, **overrides: str) -> None:
        """Start the recognisers and return when callers are asked to speak.

        Args:
            overrides: settings by their variable's name without the prefix, of them alone.
        """
        changed = {f"HOTLINE_{name}": value for name, value in overrides.items()}
        log = (self.folder / "speech.log").open("ab")
        self._speech = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hotline.speech",
            env={**os.environ, **self.environment, **changed},
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        await self.speaks(True, within=HEARS_WITHIN)

    async def speaks(self, wanted: bool, *, within: float = 30.0) -> None:
        """Wait until callers are asked to speak, or no longer."""

        async def ask() -> bool:
            return bool((await self.get("/status"))["links"]["speech"]["ok"])

        await self.until(ask, lambda found: found is wanted, within=within)

    async def stop_speech(self) -> None:
        """End the recognisers."""
        if self._speech is not None and self._speech.returncode is None:
            self._speech.send_signal(signal.SIGTERM)
            await self._speech.wait()

    async def ready(self) -> None:
        """Return when /status says that calls can be served."""
        async with asyncio.timeout(READY_WITHIN):
            while True:
                try:
                    async with self.http.get(self.web + "/status") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                assert self._controller is not None
                assert self._controller.returncode is None, "the controller died: see its log"
                await asyncio.sleep(0.05)

    @property
    def http(self) -> aiohttp.ClientSession:
        """A session that carries the token."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=aiohttp.ClientTimeout(total=30),
                connector=aiohttp.TCPConnector(limit=0),  # each open desk holds one
            )
        return self._http

    async def get(self, path: str) -> Any:
        """Return the JSON at *path*."""
        async with self.http.get(self.web + path) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def put(self, path: str, body: object) -> Any:
        """Send *body* as JSON and return the answer."""
        async with self.http.put(self.web + path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def every(self, path: str) -> list[Any]:
        """Return all rows of a list, page after page."""
        rows: list[Any] = []
        url: str | None = self.web + path
        while url:
            async with self.http.get(url) as answer:
                answer.raise_for_status()
                rows += await answer.json()
                following = answer.links.get("next")
                url = str(following["url"]) if following else None
        return rows

    async def wish(self, agent: str, do: str) -> None:
        """Let an agent be ready, or offline."""
        async with self.http.post(
            f"{self.web}/api/v1/agents/{agent}/state", json={"do": do}
        ) as answer:
            answer.raise_for_status()

    async def pause(self, agent: str, reason: str) -> None:
        """Let an agent pause."""
        async with self.http.post(
            f"{self.web}/api/v1/agents/{agent}/state", json={"do": "pause", "reason": reason}
        ) as answer:
            answer.raise_for_status()

    async def all_ready(self) -> None:
        """Sign every agent on and wait until app_queue knows them."""
        await asyncio.gather(*(self.wish(agent, "ready") for agent, _ in self.agents))
        wanted = {agent for agent, _ in self.agents}
        await self.until(self.members, lambda there: wanted <= there)

    async def members(self) -> set[str]:
        """Return the agents that app_queue holds in the general queue."""
        said = await self.asterisk.console("queue show citizens")
        return {line.split()[0] for line in said.splitlines() if "PJSIP/" in line}

    async def until(
        self, ask: Callable[[], Any], enough: Callable[[Any], bool], *, within: float = 30.0
    ) -> Any:
        """Ask until *enough*, and return the answer."""
        async with asyncio.timeout(within):
            while True:  # what Asterisk or REST says is nothing to await
                if enough(answer := await ask()):
                    return answer
                await asyncio.sleep(0.05)

    async def phones(self, *, ring: float = 0.2) -> sipp.Sipp:
        """Register every agent's desk phone and return the sipp that answers for all of them."""
        port = free_port(sipp.PHONES, socket.SOCK_DGRAM)
        media = free_port(sipp.PHONES, socket.SOCK_DGRAM)
        tally = await sipp.register(self.sip, self.agents, port=port)
        assert tally.ok == len(self.agents), f"registered {tally}"
        answering = sipp.phones(self.sip, ring=ring, port=port, rtp=media)
        await answering.start()
        self._sipps.append(answering)
        await self.until(self._reachable, lambda count: count >= len(self.agents), within=60)
        return answering

    async def _reachable(self) -> int:
        said = await self.asterisk.console("pjsip show contacts")
        return sum(" Avail " in line for line in said.splitlines())

    async def citizens(
        self, rows: Sequence[tuple[str, str, str]], *, rate: float, hold: float, **more: Any
    ) -> sipp.Sipp:
        """Let citizens call, one for each of *rows* (caller, dialled, SIP headers)."""
        calling = sipp.citizens(
            self.sip,
            rows,
            rate=rate,
            hold=hold,
            port=free_port(sipp.CITIZENS, socket.SOCK_DGRAM),
            rtp=free_port(sipp.CITIZENS, socket.SOCK_DGRAM),
            **more,
        )
        await calling.start()
        self._sipps.append(calling)
        return calling

    async def channels(self) -> list[str]:
        """Return the names of Asterisk's live channels."""
        said = await self.asterisk.console("core show channels concise")
        return [line.split("!")[0] for line in said.splitlines() if "!" in line]

    async def stop(self) -> None:
        """End both processes and delete Asterisk's folder."""
        for running in self._sipps:
            await running.stop()
        await self.stop_controller(signal.SIGKILL)
        await self.stop_speech()
        await self.asterisk.stop(within=3.0)
        self.asterisk.remove()
        if self._http is not None:
            await self._http.close()


@asynccontextmanager
async def stack(
    folder: Path, *, agents: int, run: bool = True, **overrides: str
) -> AsyncIterator[Stack]:
    """Yield the whole service with *agents* agents.

    Args:
        run: start Asterisk and controller, too.
        overrides: settings by their variable's name without the prefix (`CALLS__WRAP_UP="0"`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "HOTLINE_CONFIG": str(folder / "hotline.toml"),
        "HOTLINE_SITE__STATE": str(folder / "state"),
        "HOTLINE_ASTERISK__SIP_PORT": str(free_port(kind=socket.SOCK_DGRAM)),
        "HOTLINE_ASTERISK__HTTP_PORT": str(free_port()),
        "HOTLINE_ASTERISK__RTP_START": "10000",
        "HOTLINE_ASTERISK__RTP_END": "14000",
        "HOTLINE_AMI__PORT": str(free_port()),
        "HOTLINE_AGI__PORT": str(free_port()),
        "HOTLINE_SPEECH__PORT": str(free_port()),
        "HOTLINE_SPEECH__ENABLED": "false",
        "HOTLINE_WEB__PORT": str(free_port()),
        **{f"HOTLINE_{name}": value for name, value in overrides.items()},
    }
    if root := os.environ.get("HOTLINE_ASTERISK"):
        environment["HOTLINE_ASTERISK"] = root
    elif (private := Path(__file__).parent.parent / ".local" / "asterisk").is_dir():
        environment["HOTLINE_ASTERISK__PROGRAM"] = str(private)
    made = Stack(folder, settings.load(folder / "hotline.toml", environment), environment)
    try:
        await made.people(agents)
        if run:
            await made.start()
        yield made
    finally:
        await made.stop()
