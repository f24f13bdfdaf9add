"""`hotline dialplan lint|schema|render` as an admin types them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hotline import cli, documents
from tests.dialplans.folders import BAOJI, copy

pytestmark = pytest.mark.unit


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return copy(tmp_path / "city")


@pytest.fixture
def broken(city: Path) -> Path:
    main = city / "flows" / "main.yaml"
    main.write_text(main.read_text("utf-8").replace("silence: before", "silence: befor"), "utf-8")
    return city


class Typed:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Type = Callable[..., Typed]


@pytest.fixture
def type_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")

    def _type(*words: str) -> Typed:
        monkeypatch.setattr(sys, "argv", ["hotline", "dialplan", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return Typed(int(left.value.code or 0), said.out, said.err)

    return _type


def test_a_sound_folder_is_told_in_one_sentence(type_in: Type, city: Path) -> None:
    said = type_in("lint", str(city))
    assert said.code == 0
    last = said.out.splitlines()[-1]
    assert last.startswith("52 numbers, ")
    assert last.endswith("prompts: nothing keeps them from callers")


def test_without_a_folder_it_is_the_working_folder(type_in: Type) -> None:
    assert type_in("lint").out.splitlines()[-1].startswith("52 numbers, ")


def test_faults_are_told_a_line_each_with_their_place(type_in: Type, broken: Path) -> None:
    said = type_in("lint", str(broken))
    assert said.code == 2
    lines = (broken / "flows" / "main.yaml").read_text("utf-8").splitlines()
    line = lines.index("    silence: befor") + 1
    reason = "steps.greet.silence: there is no step 'befor' in this flow"
    assert f"{broken}/flows/main.yaml:{line}:5: {reason}" in said.out.splitlines()
    assert said.out.splitlines()[-1] == "1 fault"


def test_warnings_are_told_and_forbid_nothing(type_in: Type, city: Path) -> None:
    (city / "custom" / "own.conf").write_text("[lost]\nexten => 1,1,NoOp()\n", "utf-8")
    said = type_in("lint", str(city))
    assert said.code == 0
    warning = "lost: nothing leads into it: include it in [hotline-custom] (warning)"
    assert f"{city}/custom/own.conf:1:1: {warning}" in said.out.splitlines()


def test_machines_get_both_kinds_apart(type_in: Type, broken: Path) -> None:
    (broken / "custom" / "own.conf").write_text("[lost]\nexten => 1,1,NoOp()\n", "utf-8")
    said = type_in("lint", "--json", str(broken))
    assert said.code == 2
    found = json.loads(said.out)
    (fault,) = found["faults"]
    assert fault["file"] == f"{broken}/flows/main.yaml"
    assert fault["key"] == "steps.greet.silence"
    assert fault["reason"] == "there is no step 'befor' in this flow"
    assert (fault["line"] > 1, fault["column"]) == (True, 5)
    assert "nothing leads into it: include it in [hotline-custom]" in [
        warning["reason"] for warning in found["warnings"]
    ]
    sound = type_in("lint", "--json", str(BAOJI))
    assert json.loads(sound.out)["faults"] == []


@pytest.mark.parametrize("command", ["lint", "render"])
def test_a_folder_that_is_not_there_is_named(command: str, type_in: Type) -> None:
    said = type_in(command, "nowhere")
    assert said.code == 2
    assert "nowhere: folder: is not there" in said.err


def test_the_schema_is_json(type_in: Type) -> None:
    assert json.loads(type_in("schema").out)["properties"]["start"]


def test_what_asterisk_would_read_is_printed_without_a_secret(type_in: Type, city: Path) -> None:
    (city / "custom" / "own.conf").write_text("[hotline-custom]\nexten => 9,1,NoOp()\n", "utf-8")
    said = type_in("render", str(city))
    assert said.code == 0
    for name in ("extensions.conf", "queues.conf", "custom/own.conf"):
        assert f"; ==== {name}\n" in said.out
    assert "#include custom/own.conf" in said.out
    assert documents.NO_SECRET not in said.out


def test_what_asterisk_would_read_is_written_into_a_folder(
    type_in: Type, city: Path, tmp_path: Path
) -> None:
    (city / "custom" / "own.conf").write_text("[hotline-custom]\nexten => 9,1,NoOp()\n", "utf-8")
    into = tmp_path / "deep" / "etc"
    assert type_in("render", str(city), "--into", str(into)).code == 0
    assert "[from-trunk]" in (into / "extensions.conf").read_text("utf-8")
    assert (into / "custom" / "own.conf").read_text("utf-8").startswith("[hotline-custom]")


def test_what_lint_refuses_is_not_rendered(type_in: Type, broken: Path, tmp_path: Path) -> None:
    said = type_in("render", str(broken), "--into", str(tmp_path / "etc"))
    assert said.code == 2
    assert "there is no step 'befor'" in said.err
    assert not (tmp_path / "etc").exists()
