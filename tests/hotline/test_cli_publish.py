"""`hotline dialplan publish|approve|rollback|versions` without a running service."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents import keys, roster
from hotline import admin, cli, config, identities, places, releases
from schemas import config as sections
from schemas.identity import Role

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """An admin's shell in an empty folder with a working folder beside it."""

    type: Callable[..., Said]
    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def config(self) -> config.Config:
        return config.load(Path("hotline.toml"), os.environ)

    def edit(self, n: int) -> None:
        (self.folder / "custom").mkdir(exist_ok=True)
        (self.folder / "custom" / "own.conf").write_text(f"[own]\nexten => 1,1,NoOp({n})\n")

    def publish(self, n: int, *more: str) -> Said:
        self.edit(n)
        return self.type("dialplan", "publish", "--why", f"change {n}", "--json", *more)

    def two_persons(self) -> None:
        self.patch.setenv("HOTLINE_DIALPLAN__TWO_PERSONS", "true")

    def sits_there(self, password: str) -> None:
        """Type *password* at a terminal when asked."""
        self.patch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        self.patch.setattr(identities.getpass, "getpass", lambda _: password)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    folder = tmp_path / "baoji"
    shutil.copytree(places.dialplan(sections.Site()), folder)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power fails here
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HOTLINE_SITE__DIALPLAN_DIR", str(folder))

    def _type(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["hotline", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(int(left.value.code or 0), said.out, said.err)

    return Desk(_type, folder, monkeypatch)


def people(made: config.Config, **roles: str) -> dict[str, str]:
    """Add people; return their passwords."""

    async def add() -> dict[str, str]:
        async with admin.database(made) as session:
            return {
                login: await roster.add(
                    session, roster.new_user(login=login, name=login, role=role), now=time.time()
                )
                for login, role in roles.items()
            }

    return asyncio.run(add())


def token(made: config.Config, role: Role) -> str:
    async def make() -> str:
        async with admin.database(made) as session:
            return await keys.create_token(session, role=role, now=time.time())

    return asyncio.run(make())


# ---- one person


def test_publish_needs_a_reason(desk: Desk) -> None:
    assert desk.type("dialplan", "publish").code == 2
    said = desk.type("dialplan", "publish", "--why", "  ", "--json")
    assert (said.code, said.json["error"]) == (2, "invalid")
    assert not (desk.config.site.state / "dialplan").exists()


def test_without_a_service_a_version_waits_for_its_start(desk: Desk) -> None:
    said = desk.publish(1)
    assert said.code == 0
    assert said.json == {
        "version": 1, "who": identities.login(), "watch_minutes": 10.0, "state": "waiting",
    }  # fmt: skip
    desk.edit(2)
    said = desk.type("dialplan", "publish", "--why", "for people", "--no-watch", "--who", "王")
    assert (said.code, said.out.strip()) == (
        0, "version 2 is current; it takes effect when the service starts",
    )  # fmt: skip
    again = desk.type("dialplan", "publish", "--why", "again")
    assert (again.code, again.out.strip()) == (
        0, "nothing has changed since version 2; nothing was published",
    )  # fmt: skip
    assert releases.current(desk.config).version == 2


def test_what_lint_refuses_is_not_published(desk: Desk) -> None:
    desk.publish(1)
    flow = desk.folder / "flows" / "main.yaml"
    flow.write_text(flow.read_text().replace("do: listen", "do: dance"))
    (desk.folder / "custom" / "own.conf").write_text("[hotline-in]\nexten => s,1,NoOp()\n")
    said = desk.type("dialplan", "publish", "--why", "x")
    assert said.code == 2
    assert f"{flow}:" in said.err
    assert said.err.splitlines()[-1].endswith("nothing was changed")
    assert releases.versions(desk.config).numbers() == [1]


def test_rollback_and_versions(desk: Desk) -> None:
    for n in (1, 2, 3):
        desk.publish(n)
    said = desk.type("dialplan", "rollback", "--why", "worse", "--json")
    assert (said.code, said.json["version"], said.json["state"]) == (0, 2, "waiting")
    said = desk.type("dialplan", "rollback", "7", "--why", "worse", "--json")
    assert (said.code, said.json["error"]) == (1, "not_found")
    rows = desk.type("dialplan", "versions", "--json").json
    assert [(r["version"], r["state"], r["why"]) for r in rows] == [
        (3, "rolled_back", "change 3"), (2, "live", "change 2"), (1, "retired", "change 1"),
    ]  # fmt: skip
    assert rows[1]["last"]["event"] == "rolled_back"
    assert rows[1]["last"]["why"] == "worse"
    table = desk.type("dialplan", "versions", "--limit", "1").out
    assert "change 3" in table
    assert "change 2" not in table


@pytest.mark.parametrize("who", ["", "  ", "a\nb", "x" * 61, "system", "watch"])
def test_a_name_that_nobody_can_have_is_refused(desk: Desk, who: str) -> None:
    said = desk.publish(1, "--who", who)
    assert (said.code, said.json["error"]) == (2, "faulty")


# ---- two persons


def test_a_version_that_needs_approval_waits_for_somebody_else(desk: Desk) -> None:
    desk.publish(1)
    said = desk.publish(2, "--approve-needed", "--who", "ada")
    assert (said.code, said.json["state"]) == (0, "staged")
    assert releases.versions(desk.config).current() == 1
    said = desk.type("dialplan", "approve", "2", "--who", "ada", "--json")
    assert (said.code, said.json["error"]) == (1, "forbidden")
    said = desk.type("dialplan", "approve", "2", "--who", "bo", "--json")
    assert (said.code, said.json["state"]) == (0, "waiting")
    assert releases.versions(desk.config).current() == 2
    rows = desk.type("dialplan", "versions", "--json").json
    assert (rows[0]["who"], rows[0]["approved_by"]) == ("ada", "bo")


def test_where_two_persons_are_asked_for_names_are_proven(desk: Desk) -> None:
    desk.publish(1)
    desk.two_persons()
    passwords = people(desk.config, ada="admin", bo="admin", cy="supervisor")
    said = desk.publish(2, "--who", "ada")
    assert (said.code, said.json["error"]) == (1, "unavailable")  # nobody at a terminal
    for login, password, error in (
        ("ada", "guessed", "unauthorised"),
        ("nobody", passwords["ada"], "unauthorised"),
        ("cy", passwords["cy"], "forbidden"),
    ):
        desk.sits_there(password)
        said = desk.publish(2, "--who", login)
        assert (said.code, said.json["error"]) == (1, error), login
    assert releases.versions(desk.config).numbers() == [1]
    desk.sits_there(passwords["ada"])
    said = desk.publish(2, "--who", "ada")
    assert (said.code, said.json["state"]) == (0, "staged")
    said = desk.type("dialplan", "approve", "2", "--who", "ada", "--json")
    assert (said.code, said.json["error"]) == (1, "forbidden")
    desk.sits_there(passwords["bo"])
    assert desk.type("dialplan", "approve", "2", "--who", "bo", "--json").code == 0
    assert releases.versions(desk.config).get(2).approved_by == "bo"


def test_a_machine_may_publish_by_its_token_but_not_approve(desk: Desk) -> None:
    desk.publish(1)
    desk.two_persons()
    desk.patch.setenv("HOTLINE_TOKEN", token(desk.config, Role.READER))
    assert desk.publish(2).json["error"] == "forbidden"
    desk.patch.setenv("HOTLINE_TOKEN", "hl_guessed")
    assert desk.publish(2).json["error"] == "unauthorised"
    desk.patch.setenv("HOTLINE_TOKEN", token(desk.config, Role.ADMIN))
    said = desk.publish(2)
    assert (said.code, said.json["state"]) == (0, "staged")
    assert said.json["who"].startswith("token:")
    said = desk.type("dialplan", "approve", "2", "--json")
    assert (said.code, said.json["error"]) == (1, "unavailable")
