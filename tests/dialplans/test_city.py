"""The admin's folder as one whole."""

from pathlib import Path

import pytest

from dialplans.city import load, read
from schemas.errors import Faulty
from tests.dialplans.folders import BAOJI, copy

pytestmark = pytest.mark.unit


def test_the_citys_folder_is_a_city() -> None:
    city = load(BAOJI)
    assert len(city.register.numbers) == 52
    assert set(city.skills) == {"skill-dialect", "skill-night"}
    assert set(city.calendar.schedules) == {"office", "night"}
    assert 1 < city.prompts["greeting"].seconds <= 7
    assert city.version == 0


def test_a_prompt_without_a_sound_lasts_no_time(tmp_path: Path) -> None:
    folder = copy(tmp_path / "city")
    (folder / "audio").unlink()
    (folder / "audio").mkdir()
    (folder / "audio" / "dialect.wav").write_bytes(b"RIFF")
    city = load(folder)
    assert (city.prompts["greeting"].seconds, city.prompts["dialect"].seconds) == (0, 0)


def test_a_folder_needs_neither_skills_nor_phrases(tmp_path: Path) -> None:
    folder = copy(tmp_path / "city")
    (folder / "skills.toml").unlink()
    (folder / "phrases.tsv").unlink()
    city = load(folder)
    assert (city.skills, city.phrases) == ({}, {})


def test_every_fault_of_form_is_told_at_once_and_what_is_sound_is_still_read(
    tmp_path: Path,
) -> None:
    folder = copy(tmp_path / "city")
    (folder / "calendar.toml").write_text("[schedules.office]\nevery = 3\n", "utf-8")
    (folder / "skills.toml").write_text("skills = 3\n", "utf-8")
    (folder / "flows" / "main.yaml").write_text("", "utf-8")
    with pytest.raises(Faulty) as raised:
        load(folder)
    assert {Path(f.file).name for f in raised.value.faults} == {
        "calendar.toml", "skills.toml", "main.yaml",
    }  # fmt: skip
    reading = read(folder)
    assert reading.broken == {"calendar.toml", "skills.toml", "flows"}
    assert len(reading.city.register.numbers) == 52


def test_an_empty_folder_has_faults_and_no_more(tmp_path: Path) -> None:
    reading = read(tmp_path / "nowhere")
    assert reading.broken == {"prompts.tsv", "hotlines.csv", "calendar.toml"}
    assert reading.city.flows == {}
