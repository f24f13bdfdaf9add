"""The folder of flows."""

import shutil
from pathlib import Path

import pytest

from dialplans.flows import MOST, read
from tests.dialplans.folders import BAOJI

pytestmark = pytest.mark.unit

FLOW = "flow: {name}\ntitle: 试\nstart: a\nsteps:\n  a: {{do: queue}}\n"


def test_the_citys_flows_are_read_by_the_name_of_their_file() -> None:
    written, faults = read(BAOJI / "flows")
    assert faults == []
    assert {"main", "unknown", "dual_run"} < written.keys()
    assert all(w.flow.flow == name for name, w in written.items())


def test_a_folder_without_flows_has_none(tmp_path: Path) -> None:
    assert read(tmp_path / "flows") == ({}, [])


def test_a_broken_flow_does_not_hide_the_others(tmp_path: Path) -> None:
    shutil.copytree(BAOJI / "flows", tmp_path / "flows")
    (tmp_path / "flows" / "main.yaml").write_text("flow: main\n", "utf-8")
    written, faults = read(tmp_path / "flows")
    assert "main" not in written
    assert "unknown" in written
    assert [f.key for f in faults] == ["title", "start", "steps"]


def test_other_endings_are_named_not_read(tmp_path: Path) -> None:
    for name in ("a.yml", "b.json", "c.YAML", "README.md"):
        (tmp_path / name).write_text(FLOW.format(name="a"), "utf-8")
    written, faults = read(tmp_path)
    assert written == {}
    assert sorted(Path(f.file).name for f in faults) == ["a.yml", "b.json", "c.YAML"]


def test_a_folder_with_far_too_many_flows_is_not_read(tmp_path: Path) -> None:
    for i in range(MOST + 1):
        (tmp_path / f"f{i}.yaml").write_text(FLOW.format(name=f"f{i}"), "utf-8")
    written, faults = read(tmp_path)
    assert written == {}
    assert [f.reason for f in faults] == [f"has more than {MOST} flows"]
