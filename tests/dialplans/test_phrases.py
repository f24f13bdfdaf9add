"""What citizens say."""

from pathlib import Path

import pytest

from dialplans.phrases import read
from tests.dialplans.folders import BAOJI

pytestmark = pytest.mark.unit

HEADING = "intent\tphrase\tnote\n"


def test_the_citys_phrases_are_read_by_intent() -> None:
    found, faults = read(BAOJI / "phrases.tsv")
    assert faults == []
    assert "人工" in found["agent"]


def test_a_city_need_not_have_phrases(tmp_path: Path) -> None:
    assert read(tmp_path / "phrases.tsv") == ({}, [])


@pytest.mark.parametrize(
    ("row", "line", "key", "reason"),
    [
        ("Agent\t人工", 2, "intent", "must be a-z 0-9 _ -, a letter first, not 'Agent'"),
        ("agent\t", 2, "phrase", "must be 1 to 20 characters, not ''"),
        (
            f"agent\t{'人' * 21}", 2, "phrase",
            f"must be 1 to 20 characters, not '{'人' * 21}'",
        ),
        ("a\t人工\nb\t人工", 3, "phrase", "'人工' means a on line 2 already"),
        ("agent\t人\x07工", 2, "phrase", "holds a control or invisible character: '人\\x07工'"),
    ],
)  # fmt: skip
def test_each_row_is_checked(row: str, line: int, key: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "phrases.tsv"
    file.write_text(f"{HEADING}{row}\n", "utf-8")
    _, (fault,) = read(file)
    assert (fault.line, fault.key, fault.reason) == (line, key, reason)
