"""One contract for every engine: real models, real sound.

A model that is not here skips its tests by name; in CI those that PyPI has must be here.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from ivr.speech import models, sound
from ivr.speech.engines import Engine, load
from ivr.speech.engines.characters import simplified
from ivr.speech.models import Model
from schemas.errors import Unavailable
from schemas.speech import Recognised

pytestmark = [pytest.mark.unit, pytest.mark.xdist_group("models")]

ROOT = Path(__file__).parents[3]
SPOKEN = ROOT / "tests/audio/speech"
WORDS = {
    "water": "我家停水两天了",
    "neighbours": "楼上半夜装修太吵了",
    "road": "门口的路坏了很久没有人修",
    "bus": "这趟公交车几点钟发车",
}
MODELS = models.read()
NOT_ON_PYPI = {"vosk-model-small-cn-0.22"}
FOLDERS = [
    *([Path(os.environ["HOTLINE_MODELS"])] if "HOTLINE_MODELS" in os.environ else ()),
    ROOT / ".local/models",
]


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    model: Model = request.param
    folder = models.present(model, FOLDERS)
    if folder is None or not model.installed:
        missing = "its library is not installed" if folder else f"not in {FOLDERS}"
        reason = f"{model.name}: {missing}; `hotline models fetch {model.name}`"
        if os.environ.get("CI") and model.name not in NOT_ON_PYPI:
            pytest.fail(reason)
        pytest.skip(reason)
    return load(model, folder)


@pytest.fixture(autouse=True)
def same_dither() -> None:
    """Kaldi adds the faintest noise, by C's `rand`: the same for every test."""
    ctypes.CDLL(None).srand(1)


def voice(name: str) -> bytes:
    """Return a sentence as the front gives it: with the silence that ended it."""
    return sound.read(SPOKEN / f"{name}.wav") + bytes(8000)


def heard(engine: Engine, pieces: Iterable[bytes]) -> Recognised:
    stream = engine.open()
    for piece in pieces:
        stream.feed(piece)
    return stream.finish()


def cut(pcm: bytes, size: int) -> list[bytes]:
    return [pcm[i : i + size] for i in range(0, len(pcm), size)]


def fits(result: Recognised, engine: Engine) -> None:
    """What holds for every result."""
    assert result.engine == engine.name
    assert 0 <= result.score <= 100
    assert result.text.isprintable()
    assert result.text == result.text.strip()
    assert simplified(result.text) == result.text
    assert bool(result.text) or result.score == 0


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_sentence_has_words(engine: Engine, name: str) -> None:
    result = heard(engine, [voice(name)])
    fits(result, engine)
    assert result.text
    assert result.score > 20


@pytest.mark.parametrize("size", [1, 137, 320, 1601, 20_000])
def test_how_the_sound_is_cut_does_not_matter(engine: Engine, size: int) -> None:
    whole = heard(engine, [voice("water")])
    ctypes.CDLL(None).srand(1)
    assert heard(engine, cut(voice("water"), size)) == whole


def test_mandarin_is_understood_by_models_of_mandarin(engine: Engine) -> None:
    model = next(model for model in MODELS if model.name == engine.name)
    if model.language not in models.MANDARIN:
        pytest.skip(f"{model.name} knows another language")
    wrong = total = 0
    for name, words in WORDS.items():
        text = "".join(filter(str.isalnum, heard(engine, [voice(name)]).text))
        assert " " not in text
        wrong += Levenshtein.distance(text, words)
        total += len(words)
    assert wrong / total < 0.4


def test_words_come_while_they_are_spoken_where_the_engine_streams(engine: Engine) -> None:
    stream = engine.open()
    told = [stream.feed(piece) for piece in cut(voice("road"), 320)]
    result = stream.finish()
    if engine.streaming:
        assert told[0] == ""
        assert len(set(told)) > 2
        assert result.text
        assert all(text.isprintable() for text in told)
    else:
        assert set(told) == {""}


def _noises() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    time = np.arange(24_000) / 8000
    return {
        "silence": np.zeros(24_000),
        "line": rng.normal(0, 8, 24_000),
        "hiss": rng.normal(0, 400, 24_000),
        "storm": rng.normal(0, 4000, 24_000),
        "tone": 4000 * np.sin(2 * np.pi * 450 * time),
        "hum": 3000 * np.sin(2 * np.pi * 50 * time) + rng.normal(0, 60, 24_000),
    }


@pytest.mark.parametrize("name", sorted(_noises()))
def test_silence_and_noise_have_no_words(engine: Engine, name: str) -> None:
    stream = engine.open()
    pcm = _noises()[name].astype("<i2").tobytes()
    assert {stream.feed(piece) for piece in cut(pcm, 320)} == {""}
    assert stream.finish() == Recognised(text="", engine=engine.name)


@pytest.mark.parametrize("pieces", [[], [b""], [b"\x01"], [bytes(3)], [bytes(160)]])
def test_nothing_has_no_words(engine: Engine, pieces: list[bytes]) -> None:
    assert heard(engine, pieces) == Recognised(text="", engine=engine.name)


def test_a_stream_after_another_hears_nothing_of_it(engine: Engine) -> None:
    alone = heard(engine, [voice("water")])
    heard(engine, [voice("bus")])
    ctypes.CDLL(None).srand(1)
    assert heard(engine, [voice("water")]) == alone
    assert heard(engine, [bytes(16_000)]).text == ""


def test_streams_side_by_side_do_not_mix(engine: Engine) -> None:
    alone = {name: heard(engine, [voice(name)]).text for name in ("water", "bus")}
    streams = {name: engine.open() for name in alone}
    pieces = {name: cut(voice(name), 1000) for name in alone}
    for number in range(max(map(len, pieces.values()))):
        for name, stream in streams.items():
            if number < len(pieces[name]):
                stream.feed(pieces[name][number])
    for name, stream in streams.items():
        text, other = stream.finish().text, alone["bus" if name == "water" else "water"]
        # dither differs, so words on the edge may: but they are this caller's
        assert Levenshtein.distance(text, alone[name]) < Levenshtein.distance(text, other) / 2


def test_one_who_hangs_up_leaves_nothing_behind(engine: Engine) -> None:
    alone = heard(engine, [voice("water")])
    for _ in range(3):
        engine.open().feed(voice("bus"))  # and never finishes
    ctypes.CDLL(None).srand(1)
    assert heard(engine, [voice("water")]) == alone


def test_a_long_talk_is_heard_to_its_end(engine: Engine) -> None:
    names = ["road", "bus", "water", "neighbours"] * 4
    talk = b"".join(voice(name) for name in names)  # about 40 s: more than one window of Whisper
    result = heard(engine, cut(talk, 3200))
    fits(result, engine)
    one = heard(engine, [voice("road")])
    assert len(result.text) > 8 * len(one.text)


def _spoilt(content: bytes) -> Callable[[Model, Path], Path]:
    def make(model: Model, home: Path) -> Path:
        for file in model.files:
            path = home / model.name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return home / model.name

    return make


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("content", [b"", b"\x00" * 4096], ids=["empty", "zeros"])
def test_a_spoilt_model_is_told_in_a_sentence(model: Model, content: bytes, tmp_path: Path) -> None:
    folder = _spoilt(content)(model, tmp_path)
    with pytest.raises(Unavailable, match=rf"^{model.name}: "):
        load(model, folder)


def test_a_library_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("faster_whisper", "ivr.speech.engines.whisper"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match=r"whisper-base: .* is not installed"):
        load(MODELS[1], tmp_path)
