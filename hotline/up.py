"""`hotline up`: Asterisk, controller and speech on one machine, started again when they die."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from rich.console import Console

from agents import roster
from hotline import admin, exchange, live, logins, models
from hotline import config as settings
from hotline.asterisk.adopted import left_behind
from hotline.asterisk.instance import Instance
from hotline.config import PREFIX, Config
from hotline.running import run_file, running, status
from schemas.errors import Unavailable

BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a part that died is started again; the last one repeats."""
STEADY = 30.0
"""Seconds a part must have lived for the back-off to begin anew."""
UP_WITHIN = 120.0
"""Seconds until everything must be up, a first build of Asterisk included."""
SPEAKS_WITHIN = 30.0
"""Seconds for the recogniser to load its model."""
DOWN_WITHIN = 20.0
OURS = {
    "controller": ("hotline.cli", "serve"),
    "speech": ("hotline.speech",),
    "transcribe": ("hotline.cli", "transcribe", "--follow"),
}
"""Parts that are processes of ours: name → module and arguments."""


# ---- in the foreground


async def run(config: Config, file: str, console: Console) -> None:
    """Run everything until SIGTERM or SIGINT.

    Raises:
        Unavailable: it runs already, or a part cannot be started at all.
    """
    run_file(config, "").mkdir(parents=True, exist_ok=True)
    with _only_one(config):
        site = exchange.city(config)
        admin.ready_asterisk(config, console)
        for name in OURS:
            await _end_left_behind(config, name, console)
        left = exchange.instance(config)
        if left.adopt() and 0 in _asterisk_ports(config):
            await left.stop()  # nobody knows any more where it listens
        environment = _ports(config, asterisk_runs=left.alive)
        os.environ.update(environment)  # for us as for our children
        config = settings.load(Path(file), os.environ)
        async with admin.database(config) as session:
            await logins.make(config, session)
            agents = await roster.load(session)
        asterisk = left if left.alive else exchange.instance(config)
        exchange.configure(config, asterisk, site, agents)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        environment |= {"HOTLINE_CONFIG": file}
        about = run_file(config, "up.json")
        about.write_text(json.dumps({"pid": os.getpid(), "sip": sip_address(config)}))
        try:
            async with asyncio.TaskGroup() as tasks:
                kept: dict[str, Callable[[], Awaitable[str]]] = {
                    "asterisk": lambda: _asterisk(asterisk, console),
                    **{name: _life(name, config, environment) for name in _wanted(config)},
                }
                parts = [
                    tasks.create_task(_keep(name, console, life)) for name, life in kept.items()
                ]
                if config.speech.enabled:
                    _get_models(config, console)
                if console.is_terminal:
                    parts.append(tasks.create_task(live.show(config, console)))
                await stop.wait()
                for part in reversed(parts):
                    part.cancel()
        finally:
            about.unlink(missing_ok=True)


def _wanted(config: Config) -> list[str]:
    """Return which parts of ours this site runs."""
    speech = config.speech
    listens = speech.enabled and speech.transcribe and config.asterisk.record
    return [
        "controller",
        *(["speech"] if speech.enabled else ()),
        *(["transcribe"] if listens else ()),
    ]


def _life(name: str, config: Config, environment: dict[str, str]) -> Callable[[], Awaitable[str]]:
    return lambda: _ours(name, config, environment)


def sip_address(config: Config) -> str:
    """Return where phones and carriers reach us, host:port."""
    return f"{config.asterisk.sip_host}:{config.asterisk.sip_port}"


@contextlib.contextmanager
def _only_one(config: Config) -> Iterator[None]:
    with run_file(config, "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("it runs already; `hotline down` stops it") from None
        yield


def _asterisk_ports(config: Config) -> tuple[int, ...]:
    return config.asterisk.sip_port, config.asterisk.http_port, config.ami.port


def _ports(config: Config, *, asterisk_runs: bool = False) -> dict[str, str]:
    """Pick a free port for each setting that is 0; refuse ports that are taken.

    Args:
        asterisk_runs: ours holds its own ports already.

    Raises:
        Unavailable: with every port that something else holds.
    """
    chosen: dict[str, str] = {}
    taken: list[str] = []
    with contextlib.ExitStack() as held:  # all at once: a free port is not given out twice
        for name, host, port, kind in (
            ("ASTERISK__SIP_PORT", config.asterisk.sip_host, config.asterisk.sip_port, "udp"),
            ("ASTERISK__HTTP_PORT", "127.0.0.1", config.asterisk.http_port, "tcp"),
            ("AMI__PORT", config.ami.host, config.ami.port, "tcp"),
            ("AGI__PORT", config.agi.host, config.agi.port, "tcp"),
            ("SPEECH__PORT", config.speech.host, config.speech.port, "tcp"),
            ("WEB__PORT", config.web.host, config.web.port, "tcp"),
        ):
            if asterisk_runs and port in _asterisk_ports(config):
                continue
            if name == "SPEECH__PORT" and not config.speech.enabled:
                continue
            trial = held.enter_context(
                socket.socket(
                    socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
                )
            )
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == "tcp"))
            try:
                trial.bind((str(host), port))
            except OSError as error:
                if name == "SPEECH__PORT" and port:
                    continue  # calls need it least: it is tried again and again, callers use keys
                setting = name.lower().replace("__", ".")
                taken.append(f"{setting}: {host}:{port}/{kind}: {error.strerror}")
                continue
            if port == 0:
                chosen[PREFIX + name] = str(trial.getsockname()[1])
    if taken:
        raise Unavailable("ports that cannot be had:\n  " + "\n  ".join(taken))
    return chosen


async def _keep(name: str, console: Console, life: Callable[[], Awaitable[str]]) -> None:
    """Live *life* again and again; say aloud how each one ended."""
    failures = 0
    while True:
        began = time.monotonic()
        try:
            ending = await life()
        except Unavailable as error:
            ending = error.message
        if time.monotonic() - began > STEADY:
            failures = 0
        wait = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
        failures += 1
        stamp = time.strftime("%H:%M:%S")
        console.print(f"{stamp} {name} ended ({ending}); again in {wait:g} s", markup=False)
        await asyncio.sleep(wait)


async def _end_left_behind(config: Config, name: str, console: Console) -> None:
    """End a process of ours whose `up` died; Asterisk holds its calls meanwhile."""
    orphan = left_behind(run_file(config, f"{name}.pid"), words=OURS[name])
    if orphan is None:
        return
    console.print(f"ending the {name} that an earlier run left behind", markup=False)
    orphan.terminate()
    try:
        async with asyncio.timeout(DOWN_WITHIN / 2):
            await orphan.wait()
    except TimeoutError:
        orphan.send_signal(signal.SIGKILL)


def _get_models(config: Config, console: Console) -> None:
    """Get the models that are wanted while calls are served already; the front takes them then.

    A thread that nobody waits for: a download must not hold up the end of the service.
    """

    def say(line: str) -> None:
        console.print(line, markup=False)

    threading.Thread(target=models.ready, args=(config, say), daemon=True, name="models").start()


async def _asterisk(asterisk: Instance, console: Console) -> str:
    try:
        if asterisk.alive:
            console.print("Asterisk runs already; its calls go on", markup=False)
            await asterisk.console("core reload")
        else:
            await asterisk.start()
        return f"exit {await asterisk.wait()}"
    finally:
        await asterisk.stop()


async def _ours(name: str, config: Config, environment: dict[str, str]) -> str:
    logs = config.site.state / "log"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *OURS[name],
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    run_file(config, f"{name}.pid").write_text(str(process.pid))
    try:
        return f"exit {await process.wait()}"
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(DOWN_WITHIN / 2):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


# ---- in the background


def start_in_background(config: Config, file: Path, console: Console) -> None:
    """Start `up` as a process of its own and return when every link is up.

    Raises:
        Unavailable: it did not come up; the message has the end of its log.
    """
    if running(config) is not None and asyncio.run(_answers(config)):
        console.print("the hotline runs already")
        return
    admin.ready_asterisk(config, console)
    logs = config.site.state / "log"
    logs.mkdir(parents=True, exist_ok=True)
    path = logs / "up.log"
    with path.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "hotline.cli", "--config", str(file), "up"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + UP_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            words = path.read_bytes()[start:].decode(errors="replace")
            raise Unavailable(f"the hotline did not start:\n{words.strip()}")
        if running(config) == process.pid and asyncio.run(_answers(config)):
            # calls are served already: a download that hangs keeps nobody from a person
            speaks = models.ready(config, lambda line: console.print(line, markup=False))
            _await_speech(config, console, wanted=speaks)
            return
        time.sleep(0.2)
    process.terminate()
    raise Unavailable(f"not every link came up within {UP_WITHIN:g} s; see {path}")


def _await_speech(config: Config, console: Console, *, wanted: bool) -> None:
    """Wait for the link that calls do not need, and say so when it does not come."""
    why: object = "speech is switched off"
    deadline = time.monotonic() + SPEAKS_WITHIN
    while config.speech.enabled:
        with contextlib.suppress(Unavailable):  # the controller itself may just be started again
            link = asyncio.run(status(config))["links"].get("speech", {})
            if link.get("ok"):
                return
            why = link.get("last_error")
        if not wanted or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    console.print(f"callers use keys for now: {why}", markup=False)


async def _answers(config: Config) -> bool:
    try:
        return bool((await status(config))["ok"])
    except Unavailable:
        return False


def stop(config: Config) -> str:
    """Stop what `up` started, and say so."""
    pid = running(config)
    if pid is None:
        return "nothing is running"
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_WITHIN
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return "stopped"
        time.sleep(0.1)
    raise Unavailable(f"process {pid} does not end; calls may be up: `kill {pid}` once more")
