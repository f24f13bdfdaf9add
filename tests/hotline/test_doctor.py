"""`hotline doctor` about speech: never a fault, always a plain sentence, and that keys work."""

from pathlib import Path

import pytest

from hotline import config as settings
from hotline import doctor, models
from hotline.doctor import Finding
from ivr.speech import models as known

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def only_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds to look at."""
    monkeypatch.setattr(doctor, "EXAMINERS", {"speech": doctor.EXAMINERS["speech"]})


def about_speech(state: Path, **env: str) -> Finding:
    config = settings.load(
        Path("nowhere.toml"),
        {"HOTLINE_SITE__STATE": str(state), **{f"HOTLINE_SPEECH__{k}": v for k, v in env.items()}},
    )
    (found,) = doctor.examine(config)
    return found


def test_speech_that_is_switched_off_is_off_by_the_settings(tmp_path: Path) -> None:
    found = about_speech(tmp_path, ENABLED="false")
    assert found.ok
    assert found.state == "off by the settings; callers use keys"


@pytest.mark.parametrize("model", ["auto", "whisper-base", "no-such-model"])
def test_without_a_model_speech_is_off_and_keys_work(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(models.LOCAL, raising=False)
    found = about_speech(tmp_path, MODEL=model)
    assert found.ok, "the service runs without any model"
    assert found.state.startswith("off: ")
    assert found.state.endswith("callers use keys")


def test_with_a_model_speech_is_on_once_the_service_runs(tmp_path: Path) -> None:
    model = next(m for m in known.read() if m.installed and m.language in known.MANDARIN)
    for file in model.files:
        path = tmp_path / "models" / model.name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = about_speech(tmp_path, MODEL=model.name)
    assert found.ok
    assert found.state == f"on once it runs ({model.name}); keys work beside it"
