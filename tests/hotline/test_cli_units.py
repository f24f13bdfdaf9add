"""`hotline units …`, and people and machines of units, as a person types them."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from agents import keys, roster
from cti.units import store
from cti.units.store import Ended
from hotline import admin, cli, cli_units, config, places
from hotline.tell import tell
from schemas import config as sections
from schemas.errors import HotlineError
from schemas.identity import Role
from schemas.probes import ProbeResult

pytestmark = pytest.mark.unit

UNITS = """\
[units.zhujian]
name = "市住建局"
phone = "80010001"
login = "zhujian"
clerk = "张三"
head = "李四"
head_login = "zhujian-head"

[units.gongshui]
name = "市自来水公司"
level = "firm"
parent = "zhujian"
phone = "80010002"
login = "gongshui"
clerk = "王五"
head = "王五"
head_login = "gongshui"
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as a program reads it."""
        return json.loads(self.out)


Type = Callable[..., Said]


@pytest.fixture
def type_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Return what types `hotline …` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    units = typer.Typer()
    units.callback()(lambda: None)
    cli_units.add_to(units)

    def _type(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["hotline", *words])
        try:
            with pytest.raises(SystemExit) as left:
                units() if words[0] == "units" else cli.main()
            code = int(left.value.code or 0)
        except HotlineError as error:
            code = tell(error, as_json="--json" in words)
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(code, said.out, said.err)

    return _type


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the admin's folder hold the register and two units; return units.toml."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("hotlines.csv", "prompts.tsv"):
        shutil.copy(places.dialplan(sections.Site()) / name, folder)
    (folder / "units.toml").write_text(UNITS, "utf-8")
    (folder / "calendar.toml").write_text('[schedules.office]\nworkdays = ["08:30-18:00"]\n')
    monkeypatch.setenv("HOTLINE_SITE__DIALPLAN_DIR", str(folder))
    return folder / "units.toml"


def settings() -> config.Config:
    return config.load(Path("hotline.toml"), os.environ)


def people(type_in: Type) -> dict[str, dict[str, Any]]:
    return {person["login"]: person for person in type_in("user", "list", "--json").json}


# ---- people and machines of units


def test_the_logins_of_units_are_made_once(type_in: Type, few: Path) -> None:
    first = type_in("units", "users", "--json")
    assert first.code == 0
    made = {row["login"]: row for row in first.json}
    assert {login: (r["unit"], r["head"], r["state"]) for login, r in made.items()} == {
        "zhujian": ("zhujian", False, "created"),
        "zhujian-head": ("zhujian", True, "created"),
        "gongshui": ("gongshui", True, "created"),  # clerk and head are one person
    }
    again = type_in("units", "users", "--json")
    assert again.code == 0
    assert {(row["state"], row["password"]) for row in again.json} == {("there", None)}
    found = people(type_in)
    assert (found["zhujian"]["name"], found["zhujian"]["unit"]) == ("张三", "zhujian")
    assert (found["zhujian-head"]["role"], found["zhujian-head"]["head"]) == ("unit", True)

    async def fits() -> list[bool]:
        async with admin.database(settings()) as session:
            return [
                roster.verify((await roster.find(session, login)).password_hash, row["password"])
                for login, row in made.items()
            ]

    assert asyncio.run(fits()) == [True] * 3
    shown = type_in("units", "users")
    assert "zhujian-head" in shown.out


def test_a_login_that_is_somebody_elses_is_left_alone(type_in: Type, few: Path) -> None:
    added = type_in("user", "add", "gongshui", "--name", "陈", "--role", "admin", "--json")
    assert added.code == 0
    said = type_in("units", "users")
    assert said.code == 1
    assert "somebody else's: gongshui; give these units other logins in units.toml" in said.out
    assert people(type_in)["gongshui"]["role"] == "admin"
    assert people(type_in)["zhujian"]["role"] == "unit"


def test_without_units_there_are_no_logins_to_make(type_in: Type, few: Path) -> None:
    few.unlink()
    said = type_in("units", "users")
    assert (said.code, said.err.splitlines()[0]) == (2, "units.toml: units: names no unit")


def test_a_units_clerk_is_added_with_their_unit(type_in: Type, few: Path) -> None:
    words = ("user", "add", "zhang", "--name", "张三", "--role", "unit")
    added = type_in(*words, "--unit", "zhujian", "--head", "--json")
    assert (added.code, added.json["unit"], added.json["extension"]) == (0, "zhujian", None)
    assert people(type_in)["zhang"] == {
        "login": "zhang", "name": "张三", "role": "unit", "extension": None, "phone": "desk",
        "skills": "", "unit": "zhujian", "head": True, "active": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        (["--role", "unit"], ["unit: the role unit needs a unit"]),
        (
            ["--role", "unit", "--unit", "zhujan"],
            ["unit: no such unit: 'zhujan'; units are gongshui, zhujian"],
        ),
        (["--role", "unit", "--unit", "Zhu"], ["unit: must be 2 to 32 of a-z 0-9 _, a letter"]),
        (["--role", "admin", "--unit", "zhujian"], ["unit: the role admin belongs to no unit"]),
        (
            ["--role", "agent", "--unit", "zhujan", "--head", "--skills", "x"],
            ["extension: an agent needs", "unit: the role agent", "head: only", "skills: no such"],
        ),
        (
            ["--role", "unit", "--unit", "moon", "--extension", "8001", "--skills", "x"],
            ["extension: the role unit opens no desk", "unit: no such unit", "skills: no such"],
        ),
    ],
)
def test_every_fault_of_a_units_person_is_told_at_once(
    type_in: Type, few: Path, words: list[str], faults: list[str]
) -> None:
    said = type_in("user", "add", "zhang", "--name", "张三", *words)
    assert said.code == 2
    for fault in faults:
        assert f"command line: {fault}" in said.err
    assert len(said.err.splitlines()) == len(faults) + 1


def test_a_broken_units_file_is_told_before_anybody_is_added(type_in: Type, few: Path) -> None:
    few.write_text(UNITS.replace('"80010001"', '"110"').replace('"80010002"', '"none"'), "utf-8")
    said = type_in("units", "users")
    assert said.code == 2
    assert "units.zhujian.phone: is an emergency number" in said.err
    assert "units.gongshui.phone" in said.err
    assert people(type_in) == {}


def test_a_units_system_has_a_token_of_that_unit(type_in: Type, few: Path) -> None:
    token = type_in("token", "create", "--role", "unit", "--unit", "zhujian").out.splitlines()[-1]

    async def owner() -> Any:
        async with admin.database(settings()) as session:
            return await keys.token_owner(session, token)

    who = asyncio.run(owner())
    assert (who.role, who.unit, who.head) == (Role.UNIT, "zhujian", False)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--role", "unit"], "the role unit needs a unit"),
        (["--role", "unit", "--unit", "moon"], "unit: no such unit: 'moon'; units are gongshui"),
        (["--role", "reader", "--unit", "zhujian"], "the role reader belongs to no unit"),
    ],
)
def test_a_token_whose_unit_does_not_fit_is_refused(
    type_in: Type, few: Path, words: list[str], fault: str
) -> None:
    said = type_in("token", "create", *words)
    assert (said.code, said.out) == (2, "")
    assert fault in said.err


# ---- units and probes


def test_units_are_listed_with_what_their_phones_did(type_in: Type) -> None:
    async def ring() -> None:
        async with admin.database(settings()) as session:
            made = await store.ask(session, "zhujian", "80010011", who="user:chen", at=1.8e9)
            await store.claim(session, now=1.8e9, at_once=1)
            await store.end(session, made.id, Ended(ProbeResult.NO_ANSWER, rang=25.0))

    asyncio.run(ring())
    found = {unit["code"]: unit for unit in type_in("units", "list", "--json").json}
    assert len(found) == 49
    assert found["zhujian"]["last_probe"]["result"] == "no_answer"
    listed = type_in("units", "list").out  # folded on a narrow screen, never cut
    assert {"zhengfuban", "huanbao"} <= set(re.findall(r"\w+", listed))
    shown = type_in("units", "show", "zhujian").out
    assert "2027-01-15T16:00:00 no_answer" in shown
    (row,) = type_in("units", "probes", "--json").json
    assert (row["unit"], row["result_label"], row["asked_by"]) == (
        "zhujian", "无人接听", "user:chen",
    )  # fmt: skip
    assert type_in("units", "probes", "zhujian", "--result", "busy", "--json").json == []
    listed = type_in("units", "probes", "zhujian").out
    assert "zhujian" in re.findall(r"\w+", listed)


@pytest.mark.parametrize("command", ["show", "probe", "probes"])
def test_a_misspelt_unit_is_told_with_the_nearest(type_in: Type, command: str) -> None:
    said = type_in("units", command, "zhujan")
    assert said.code == 2
    first = said.err.splitlines()[0]
    assert first == ("command line: CODE: no such unit: 'zhujan'; did you mean zhujian (市住建局)?")
    said = type_in("units", command, "\U0001f600", "--json")
    assert said.code == 2
    assert "`hotline units list` shows them" in said.json["details"]["faults"][0]["reason"]


def test_ringing_needs_the_service(type_in: Type) -> None:
    said = type_in("units", "probe", "zhujian")
    assert said.code == 1
    assert said.err == "the controller does not answer; `hotline up` starts it\n"
