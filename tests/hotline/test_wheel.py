"""The wheel, installed into an empty environment, is the whole `hotline` with all its data."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# one worker builds and installs it once
pytestmark = [pytest.mark.unit, pytest.mark.xdist_group("wheel")]

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *command* without the settings and the packages of whoever runs the tests."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("HOTLINE_", "PYTHON", "COV"))}
    return subprocess.run(
        command, cwd=cwd, env={**known, **environment}, capture_output=True, text=True, check=False
    )


def _must(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the sources as they are."""
    folder = tmp_path_factory.mktemp("wheel")
    _must(_run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder))
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def hotline(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return `hotline` in an environment that holds the wheel and what it asks for, nothing else.

    The packages come from where pip is told to look.
    """
    folder = tmp_path_factory.mktemp("empty") / "venv"
    _must(_run(sys.executable, "-m", "venv", folder, cwd=folder.parent))
    install = (folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check")
    _must(_run(*install, wheel, cwd=folder.parent))
    return folder / "bin" / "hotline"


@pytest.fixture
def run(hotline: Path, tmp_path: Path) -> Run:
    """Return what runs the installed `hotline` in an empty folder outside of the checkout."""
    return lambda *words, **more: _run(hotline, *words, cwd=tmp_path, **more)


def test_it_shows_its_commands(run: Run) -> None:
    said = _must(run("--help"))
    for command in ("up", "down", "serve", "status", "demo", "probe", "doctor", "numbers"):
        assert f" {command} " in said


def test_nothing_of_it_comes_from_the_checkout(hotline: Path, tmp_path: Path) -> None:
    rooms = ["hotline", "schemas", "ivr", "cti", "agents", "dialplans"]
    code = f"import {', '.join(rooms)}; print(*(m.__file__ for m in ({', '.join(rooms)})))"
    files = _must(_run(hotline.parent / "python", "-c", code, cwd=tmp_path)).split()
    assert len(files) == len(rooms)
    assert all(Path(file).is_relative_to(hotline.parents[1]) for file in files)


def test_it_brings_the_register_and_every_prompt(run: Run) -> None:
    assert json.loads(_must(run("numbers", "check", "--json")))["numbers"] == 52
    prompts = json.loads(_must(run("prompts", "check", "--json")))
    assert len(prompts) == len(list((ROOT / "dialplans/baoji/audio").glob("*.wav")))


def test_it_makes_its_database(run: Run, tmp_path: Path) -> None:
    _must(run("db", "upgrade"))
    assert (tmp_path / ".local" / "hotline.db").stat().st_size > 0


def test_it_writes_its_own_example_of_the_settings(run: Run) -> None:
    assert _must(run("config", "example")) == (ROOT / "hotline.toml.example").read_text("utf-8")


def test_it_configures_an_exchange_with_all_templates_and_sounds(run: Run, tmp_path: Path) -> None:
    # Rendering asks the exchange for nothing but its version: any program that tells one will do.
    program = tmp_path / "asterisk"
    program.write_text("#!/bin/sh\necho Asterisk 22.10.1\n")
    program.chmod(0o755)
    _must(run("user", "add", "li", "--name", "李四", "--extension", "8102"))
    _must(run("asterisk", "render", HOTLINE_ASTERISK=str(program)))
    (home,) = (tmp_path / ".local" / "instances").iterdir()
    written = {path.name for path in (home / "etc").glob("*.conf")}
    sources = [*ROOT.glob("asterisk-config/*.conf.j2"), *ROOT.glob("dialplans/*.conf.j2")]
    assert written == {path.name.removesuffix(".j2") for path in sources}
    assert "[8102](agent)" in (home / "etc" / "pjsip_agents.conf").read_text()
    sounds = {path.name for path in (home / "share/sounds/zh/hotline").iterdir()}
    shipped = {path.name for path in ROOT.glob("dialplans/baoji/audio/*.wav*")}
    published = {name for name in sounds if re.search(r"-[0-9a-f]{10}\.", name)}
    assert sounds - published == shipped
    assert {re.sub(r"-[0-9a-f]{10}\.", ".", name) for name in published} == shipped


def test_the_city_in_a_box_is_in_it_too(hotline: Path, tmp_path: Path) -> None:
    code = "from hotline import places; print(places.asterisk_config() / 'carrier')"
    folder = Path(_must(_run(hotline.parent / "python", "-c", code, cwd=tmp_path)).strip())
    source = ROOT / "asterisk-config" / "carrier"
    assert {path.relative_to(folder) for path in folder.rglob("*")} == {
        path.relative_to(source) for path in source.rglob("*")
    }
