"""Prompts: the list, the sounds, and that the two agree."""

import math
import shutil
import wave
from array import array
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplans import prompts, register, sound
from schemas.errors import Faulty

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"
LIST = "id\ttext\twhere\ngreeting\t您好，正在为您转接。\t拨打 12345\ngoodbye\t再见。\t挂机之前\n"


def hum(seconds: float = 1.0, *, level: float = 0.2, rate: int = sound.RATE) -> sound.Samples:
    return array(
        "h",
        (
            round(level * 32767 * math.sin(i * 2 * math.pi * 440 / rate))
            for i in range(round(seconds * rate))
        ),
    )


class Hummer:
    """A voice that hums, longer for longer texts, with half a second of silence around."""

    name = "hummer"

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def speak(self, texts: Mapping[str, str], into: Path) -> None:
        silence = array("h", bytes(sound.RATE))
        for name, text in texts.items():
            self.spoken.append(name)
            sound.write(into / f"{name}.wav", silence + hum(len(text) / 10) + silence)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.tsv"
    path.write_text(LIST, encoding="utf-8")
    return path


@pytest.fixture
def built(listed: Path) -> Path:
    prompts.build(listed, Hummer())
    return listed


def reasons(path: Path) -> list[tuple[str, str]]:
    return [(f.key, f.reason) for f in prompts.check(path)]


def test_the_citys_prompts_and_sounds_have_no_fault() -> None:
    path = BAOJI / "prompts.tsv"
    numbers = register.load(BAOJI / "hotlines.csv", prompts.load(path))
    assert prompts.check(path, numbers) == ()


def test_the_citys_first_words_last_seven_seconds_at_most() -> None:
    for number in register.load(BAOJI / "hotlines.csv").numbers.values():
        samples = sound.read(BAOJI / "audio" / f"{number.notice}.wav")
        assert sound.measure(samples).seconds <= 7.0, number.notice


def test_every_sound_of_the_city_is_equally_loud() -> None:
    found = [sound.measure(sound.read(f)) for f in (BAOJI / "audio").glob("*.wav")]
    assert max(m.loudness for m in found) - min(m.loudness for m in found) < 1.0


def test_built_prompts_pass_and_a_second_build_makes_nothing(listed: Path) -> None:
    voice = Hummer()
    assert prompts.build(listed, voice) == ("greeting", "goodbye")
    assert prompts.check(listed) == ()
    assert prompts.build(listed, voice) == ()
    assert voice.spoken == ["greeting", "goodbye"]
    assert prompts.build(listed, voice, anew=["goodbye"]) == ("goodbye",)


def test_a_changed_text_is_found_and_only_its_sound_is_made_anew(built: Path) -> None:
    built.write_text(LIST.replace("再见。", "谢谢，再见。"), encoding="utf-8")
    assert reasons(built) == [("goodbye", "was made from another text: build the prompts")]
    assert prompts.build(built, Hummer()) == ("goodbye",)
    assert prompts.check(built) == ()


def test_a_swapped_sound_is_found(built: Path) -> None:
    audio = built.parent / "audio"
    shutil.copy(audio / "greeting.wav", audio / "goodbye.wav")
    assert [key for key, reason in reasons(built) if "not the sound" in reason] == ["goodbye"]


def test_missing_and_unused_sounds_are_named(built: Path) -> None:
    audio = built.parent / "audio"
    (audio / "goodbye.wav").rename(audio / "old.wav")
    assert reasons(built) == [
        ("goodbye", "there is no sound for it: build the prompts"),
        ("old.wav", "belongs to no prompt"),
    ]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (array("h", bytes(16000)), "is silent"),
        (hum(1) + array("h", [32767] * 8), "clipped (8 samples)"),
        (hum(8), "lasts 8.0 s, 7 are allowed"),
        (hum(1, level=0.01), "the others have -20"),
        (array("h", bytes(8000)) + hum(1), "0.50 and 0.00 s of silence"),
    ],
)
def test_sounds_that_callers_would_suffer_from_are_found(
    built: Path, samples: sound.Samples, says: str
) -> None:
    sound.write(built.parent / "audio" / "goodbye.wav", samples)
    assert any(says in reason for _, reason in reasons(built)), reasons(built)


def test_sounds_that_no_telephone_plays_are_found(built: Path) -> None:
    file = built.parent / "audio" / "goodbye.wav"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert any("cut short" in reason for _, reason in reasons(built))
    file.write_bytes(b"RIFF")
    assert any("no WAV file" in reason for _, reason in reasons(built))
    with wave.open(str(file), "wb") as wav:
        wav.setparams((2, 2, 16000, 0, "NONE", ""))
        wav.writeframes(bytes(64))
    assert any("is 16000 Hz, 2 channel(s), 16 bit" in reason for _, reason in reasons(built))


def test_a_recording_wins_over_the_voice_and_must_be_as_new_as_the_text(listed: Path) -> None:
    recorded = listed.parent / "recorded"
    recorded.mkdir()
    sound.write(recorded / "goodbye.wav", hum(2, level=0.05))
    voice = Hummer()
    prompts.build(listed, voice)
    assert voice.spoken == ["greeting"]
    assert prompts.check(listed) == ()
    listed.write_text(LIST.replace("再见。", "谢谢，再见。"), encoding="utf-8")
    with pytest.raises(Faulty, match="record it anew"):
        prompts.build(listed, voice)
    sound.write(recorded / "goodbye.wav", hum(1.5))
    assert prompts.build(listed, voice) == ("goodbye",)
    assert prompts.check(listed) == ()


@pytest.mark.skipif(shutil.which("sox") is None, reason="no sox to convert recordings with")
def test_a_recording_of_another_rate_is_converted(listed: Path) -> None:
    recorded = listed.parent / "recorded"
    recorded.mkdir()
    with wave.open(str(recorded / "goodbye.wav"), "wb") as wav:
        wav.setparams((1, 2, 48000, 0, "NONE", ""))
        wav.writeframes(hum(1, rate=48000).tobytes())
    prompts.build(listed, Hummer())
    assert prompts.check(listed) == ()


def test_a_recording_of_no_prompt_is_refused(listed: Path) -> None:
    recorded = listed.parent / "recorded"
    recorded.mkdir()
    sound.write(recorded / "godbye.wav", hum())
    with pytest.raises(Faulty, match="belongs to no prompt"):
        prompts.build(listed, Hummer())


def test_a_broken_list_tells_every_fault_at_once(listed: Path) -> None:
    rows = [
        "greeting\t您好。\t",
        "greeting\t您好。\t",
        "Good Bye\t再见。\t",
        "empty\t\t",
        "digits\t请拨12345。\t",
        "long\t" + "长" * 101 + "\t",
        'quoted\t"再见。"\t',
        "formula\t=再见\t",
        "more\t再见。\t\tmore",
        "escape\t再\x1b见。\t",
    ]
    listed.write_text("\n".join(["id\ttext\twhere", *rows]), encoding="utf-8")
    with pytest.raises(Faulty) as caught:
        prompts.load(listed)
    assert [(f.line, f.key) for f in caught.value.faults] == [
        (3, "id"),
        (4, "id"),
        (5, "text"),
        (6, "text"),
        (7, "text"),
        (8, "text"),
        (9, "text"),
        (10, "row"),
        (11, "text"),
    ]


def test_a_notice_that_does_not_speak_the_onward_number_is_found(listed: Path) -> None:
    heading = (BAOJI / "hotlines.csv").read_text(encoding="utf-8").splitlines()[0]
    numbers = listed.parent / "hotlines.csv"
    numbers.write_text(
        f"{heading}\n1,市长公开电话,12345,市政府办公室,zhengfuban,整合,greeting,main,,,,,\n"
        "44,纪检监察举报热线,12388,市监察委,jiancha,暂不整合,tell,not_integrated,,,12388,,\n",
        encoding="utf-8",
    )
    for text, faults in [("请拨幺二三，八八。", 0), ("请拨幺二三，六六。", 1)]:
        listed.write_text(f"{LIST}tell\t{text}\t\n", encoding="utf-8")
        prompts.build(listed, Hummer())
        assert len(prompts.check(listed, register.load(numbers))) == faults


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: (LIST + t).encode()))
def test_whatever_the_bytes_the_list_loads_or_is_faulty(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "prompts.tsv"
    path.write_bytes(raw)
    try:
        assert prompts.load(path)
    except Faulty:
        assert prompts.check(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: WAV[:44] + b))
def test_whatever_the_bytes_a_sound_is_measured_or_refused(built: Path, raw: bytes) -> None:
    (built.parent / "audio" / "goodbye.wav").write_bytes(raw)
    assert reasons(built)


WAV = (BAOJI / "audio" / "goodbye.wav").read_bytes()
