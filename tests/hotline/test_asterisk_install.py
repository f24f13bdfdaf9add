"""Which Asterisk is taken, and what is said when there is none."""

from pathlib import Path, PurePosixPath

import pytest

from hotline.asterisk import install
from hotline.asterisk.install import Installation
from schemas.errors import Unavailable

pytestmark = pytest.mark.unit


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOTLINE_ASTERISK", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(install, "_in_sbin", lambda: None)


def test_the_environment_wins_over_settings_and_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "bin/asterisk", "Asterisk 20.6.0~dfsg+~cs6.13-2")
    mine = program(tmp_path / "mine", "Asterisk 22.10.1+dfsg+~cs6.17-1")
    monkeypatch.setenv("HOTLINE_ASTERISK", str(mine))
    found = install.find("/nowhere", tmp_path)
    assert (found.binary, found.version) == (PurePosixPath(mine), (22, 10, 1))
    monkeypatch.delenv("HOTLINE_ASTERISK")
    assert install.find(None, tmp_path).version == (20, 6, 0)


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ("Asterisk 18.10.0", "at least 20"),
        ("hello", "no version"),
        ("Asterisk GIT-x", "no version"),
    ],
)
def test_what_is_too_old_or_no_asterisk_is_named(says: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=complaint):
        install.find(str(program(tmp_path / "a", says)), tmp_path)


def test_without_any_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="install the package `asterisk`"):
        install.find(None, tmp_path)
    with pytest.raises(Unavailable, match="not there"):
        install.find(str(tmp_path / "gone"), tmp_path)
    with pytest.raises(Unavailable, match="no Asterisk root"):
        install.find(str(tmp_path), tmp_path)


def test_an_instance_of_a_private_root_lives_inside_it() -> None:
    rooted = Installation(
        binary=PurePosixPath("/usr/sbin/asterisk"), root=Path("/r"), version=(22,)
    )
    home = rooted.home(Path("state"), "main")
    assert home == Path("/r/srv/hotline/main")
    assert rooted.inside(home) == PurePosixPath("/srv/hotline/main")
    assert rooted.outside(PurePosixPath("/srv/hotline/main")) == home
    with pytest.raises(ValueError, match="subpath"):
        rooted.inside(Path("/elsewhere"))


def test_an_instance_of_a_system_asterisk_lives_in_the_state_folder(tmp_path: Path) -> None:
    system = Installation(binary=PurePosixPath("/usr/sbin/asterisk"), root=None, version=(22,))
    assert system.home(tmp_path, "main") == tmp_path / "instances" / "main"
