"""Asterisk by itself, as systemd and containers run it: render, run, console."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bench.stack import free_port
from hotline import exchange
from hotline.asterisk.install import Installation
from hotline.config import load

pytestmark = pytest.mark.real

Typed = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def type_in(asterisk: Installation, tmp_path: Path) -> AsyncIterator[Typed]:
    """Yield what types `hotline …` for an installation of its own."""
    file = tmp_path / "hotline.toml"
    file.write_text(
        f'[site]\nstate = "{tmp_path}/state"\n'
        f'[asterisk]\nprogram = "{asterisk.root or asterisk.binary}"\n'
        f"sip_port = {free_port()}\nhttp_port = {free_port()}\n"
        f"[ami]\nport = {free_port()}\n[agi]\nport = {free_port()}\n"
        f"[speech]\nport = {free_port()}\n[web]\nport = {free_port()}\n"
    )

    async def _type(*words: str) -> tuple[int, str]:
        process = await _start(file, *words)
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    yield _type
    exchange.instance(load(file, {})).remove()


async def _start(file: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hotline.cli", "--config", str(file), *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def test_it_runs_on_what_was_rendered_and_takes_new_phones_while_it_runs(
    type_in: Typed, tmp_path: Path
) -> None:
    file = tmp_path / "hotline.toml"
    async with asyncio.timeout(90):
        code, said = await type_in("asterisk", "run")
        assert (code, "asterisk render" in said) == (1, True)
        code, said = await type_in("asterisk", "render")
        assert (code, "configuration is in " in said) == (0, True)
        code, said = await type_in("asterisk", "render", "--reload")
        assert (code, "no running Asterisk" in said) == (1, True)
        process = await _start(file, "asterisk", "run")
        try:
            while (await type_in("asterisk", "console", "core waitfullybooted"))[0]:
                assert process.returncode is None, await _words(process)
            await type_in("user", "add", "li", "--name", "李四", "--extension", "8102")
            assert (await type_in("asterisk", "render", "--reload"))[0] == 0
            code, said = await type_in("asterisk", "console", "pjsip show endpoint 8102")
            assert (code, "from-agent" in said) == (0, True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()  # it *is* Asterisk: no process of ours stands between
            await process.wait()
    assert (await type_in("asterisk", "console", "core show version"))[0] == 1


async def _words(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.read()).decode()
