"""The bench of understanding: what it counts, and what it says of a bad folder."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from bench import speech_accuracy
from bench.speech_accuracy import Recording, intents, measure, recordings
from dialplans.city import load
from schemas.errors import Faulty
from schemas.speech import Meaning

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
CITY = load(ROOT / "dialplans" / "baoji")
KEYS = {
    "cer", "right", "asked_again", "wrong_route", "emergency_recall", "false_emergencies",
    "confusions",
}  # fmt: skip


def recording(file: str, intent: str, transcript: str = "停水了") -> Recording:
    return Recording(file, intent, intent, transcript)


def figures(rows: list[tuple[Recording, str, Meaning]]) -> dict[str, object]:
    heard = {r.file: words for r, words, _ in rows}
    meanings = iter(meaning for _, _, meaning in rows)
    return measure([r for r, _, _ in rows], heard.__getitem__, lambda text: next(meanings))


def meaning(intent: str, *, sure: bool = True) -> Meaning:
    return Meaning(intent=intent, confidence=0.9 if sure else 0.2, sure=sure)


def test_every_file_counts_once() -> None:
    found = figures(
        [
            (recording("1", "line-40"), "停水了", meaning("line-40")),
            (recording("2", "line-40"), "停睡了", meaning("line-40", sure=False)),
            (recording("3", "line-40"), "停电了", meaning("line-41")),
            (recording("4", "line-40"), "", Meaning()),
        ]
    )
    assert found.keys() >= KEYS
    assert [found[k] for k in ("right", "asked_again", "wrong_route", "to_person")] == [0.25] * 4
    assert found["cer"] == round((1 + 1 + 3) / 12, 4)
    assert found["emergency_recall"] is None
    assert [c["file"] for c in found["confusions"]] == ["2", "3", "4"]  # type: ignore[attr-defined]


def test_an_unsure_emergency_is_recognised_and_a_false_one_is_counted() -> None:
    found = figures(
        [
            (recording("1", "emergency-119"), "着火了", meaning("emergency-119", sure=False)),
            (recording("2", "emergency-110"), "抢劫", meaning("emergency-119")),
            (recording("3", "line-40"), "停水", meaning("emergency-119", sure=False)),
        ]
    )
    assert found["emergency_recall"] == 0.5
    assert found["false_emergencies"] == 1
    assert found["right"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["wrong_route"] == pytest.approx(2 / 3, abs=1e-4)


def test_traditional_writing_and_punctuation_are_no_errors() -> None:
    found = figures([(recording("1", "line-40"), "停水瞭。", meaning("line-40"))])
    assert found["cer"] == pytest.approx(1 / 3, abs=1e-4)
    found = figures([(recording("1", "line-41", "没电"), "沒電。", meaning("line-41"))])
    assert found["cer"] == 0


def sounding(folder: Path, labels: str) -> Path:
    (folder / "labels.tsv").write_text(labels, "utf-8")
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    return folder


def test_labels_are_numbers_words_and_emergencies(tmp_path: Path) -> None:
    labels = ["12345", "3658058", "2801112", "110", "yes", "unknown", "line-3"]
    rows = "".join(f"a.wav\t{label}\t词\n" for label in labels)
    found = recordings(sounding(tmp_path, f"file\tlabel\ttranscript\n{rows}"), CITY)
    assert [r.intent for r in found] == [
        "line-1", "line-39", "line-39", "emergency-110", "yes", "", "line-3",
    ]  # fmt: skip
    assert {r.intent for r in found} <= intents(CITY) | {""}


def test_every_fault_of_a_folder_is_told_at_once(tmp_path: Path) -> None:
    folder = sounding(
        tmp_path, "file\tlabel\ttranscript\na.wav\t999\t词\nb.wav\tyes\t词\n\tyes\t词\n"
    )
    (folder / "b.wav").write_bytes(b"no sound")
    with pytest.raises(Faulty) as told:
        recordings(folder, CITY)
    assert [(f.line, f.key) for f in told.value.faults] == [(2, "label"), (3, "file"), (4, "row")]


def test_an_empty_table_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Faulty, match="names no recordings"):
        recordings(sounding(tmp_path, "file\tlabel\ttranscript\n"), CITY)


@pytest.mark.parametrize("how", [["-m", "bench.speech_accuracy"], ["bench/speech_accuracy.py"]])
def test_it_runs_as_a_module_and_as_a_file(how: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *how, str(tmp_path), "--engine", "nobody", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "labels.tsv" in done.stderr
    assert "nobody" in done.stderr
    assert done.stdout == ""


def test_figures_are_told_in_words_too() -> None:
    found = figures([(recording("1", "line-40"), "停电", meaning("line-41", sure=False))])
    told = speech_accuracy.table(json.loads(json.dumps(found)))
    assert "1  line-40 → line-41 0.20 asked  停水了 → 停电" in told
