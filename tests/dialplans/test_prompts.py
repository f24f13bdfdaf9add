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

from dialplans import prompts, register, sound, voices
from schemas.errors import Faulty

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"
LIST = "id\ttext\twhere\ngreeting\t您好，正在为您转接。\t拨打 12345\nsame-agent\t再见。\t挂机之前\n"


def hum(seconds: float = 1.0, *, level: float = 0.2, rate: int = sound.RATE) -> sound.Samples:
    return array(
        "h",
        (
            round(level * 32767 * math.sin(i * 2 * math.pi * 440 / rate))
            for i in range(round(seconds * rate))
        ),
    )


def tone(hertz: int, seconds: float, *, rate: int) -> sound.Samples:
    turn = hertz * 2 * math.pi / rate
    return array("h", (round(6553 * math.sin(i * turn)) for i in range(round(seconds * rate))))


def share(samples: sound.Samples, hertz: int, rate: int) -> float:
    """Return the part of the power of *samples* that lies at *hertz*."""
    turn = 2 * math.pi * hertz / rate
    real = sum(s * math.cos(turn * i) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(turn * i) for i, s in enumerate(samples))
    return 2 * (real**2 + imaginary**2) / len(samples) / sum(s * s for s in samples)


class Hummer:
    """A voice that hums, longer for longer texts, with half a second of silence around."""

    rate = 24000

    name = "hummer"

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def speak(self, texts: Mapping[str, str], into: Path) -> None:
        silence = sound.silence(0.5, self.rate)
        for name, text in texts.items():
            self.spoken.append(name)
            spoken = hum(len(text) / 8, rate=self.rate)
            sound.write(into / f"{name}.wav", silence + spoken + silence, self.rate)


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
    for ending, rate in prompts.ENDINGS.items():
        files = [f for f in (BAOJI / "audio").glob(f"*{ending}") if f.stem != "n-pause"]
        found = [sound.measure(sound.read(f, rate), rate).loudness for f in files]
        assert max(found) - min(found) < 1.0


def test_built_prompts_pass_and_a_second_build_makes_nothing(listed: Path) -> None:
    voice = Hummer()
    assert prompts.build(listed, voice) == ("greeting", "same-agent")
    assert prompts.check(listed) == ()
    assert prompts.build(listed, voice) == ()
    assert voice.spoken == ["greeting", "same-agent"]
    assert prompts.build(listed, voice, anew=["same-agent"]) == ("same-agent",)


def test_a_changed_text_is_found_and_only_its_sound_is_made_anew(built: Path) -> None:
    built.write_text(LIST.replace("再见。", "谢谢，再见。"), encoding="utf-8")
    assert reasons(built) == [("same-agent", "was made from another text: build the prompts")]
    assert prompts.build(built, Hummer()) == ("same-agent",)
    assert prompts.check(built) == ()


def test_a_swapped_sound_is_found(built: Path) -> None:
    audio = built.parent / "audio"
    for ending in (".wav", ".wav16"):
        shutil.copy(audio / f"greeting{ending}", audio / f"same-agent{ending}")
        assert [key for key, reason in reasons(built) if "not the sound" in reason] == [
            "same-agent"
        ]
        prompts.build(built, Hummer())
        assert prompts.check(built) == ()


def test_missing_and_unused_sounds_are_named(built: Path) -> None:
    audio = built.parent / "audio"
    (audio / "same-agent.wav").rename(audio / "old.wav")
    assert reasons(built) == [
        ("same-agent", "there is no sound for it: build the prompts"),
        ("old.wav", "belongs to no prompt"),
    ]


def test_prompts_that_nothing_plays_and_ones_that_are_not_listed_are_named(built: Path) -> None:
    def told(*used: str) -> list[tuple[str, int | None, str]]:
        return [(f.key, f.line, f.reason) for f in prompts.check(built, used=used)]

    assert told("greeting", "same-agent") == []
    assert told("greeting") == [("same-agent", 3, "is played by nothing")]
    assert told("greeting", "same-agent", "hello") == [
        ("hello", None, "is played but not listed here")
    ]


def test_every_prompt_has_a_wide_band_sound(built: Path) -> None:
    wide = built.parent / "audio" / "same-agent.wav16"
    assert len(sound.read(wide, sound.WIDE)) / sound.WIDE == pytest.approx(0.575, abs=0.05)
    wide.unlink()
    assert reasons(built) == [
        ("same-agent", "there is no wide-band sound for it: build the prompts")
    ]
    assert prompts.build(built, Hummer()) == ("same-agent",)
    shutil.copy(wide.with_suffix(".wav"), wide)
    assert any("must be 16000 Hz, mono, 16 bit, is 8000 Hz" in r for _, r in reasons(built))


def test_the_narrow_sound_holds_no_echo_of_what_only_wide_band_can_hold(listed: Path) -> None:
    class Whistler(Hummer):
        def speak(self, texts: Mapping[str, str], into: Path) -> None:
            for name in texts:  # a voice of 440 Hz with a whistle that would fold down to 2.5 kHz
                tones = zip(hum(2, rate=24000), tone(5500, 2, rate=24000), strict=True)
                both = array("h", (a + b for a, b in tones))
                sound.write(into / f"{name}.wav", both, 24000)

    prompts.build(listed, Whistler())
    audio = listed.parent / "audio"
    wide = share(sound.read(audio / "greeting.wav16", 16000), 5500, 16000)
    folded = share(sound.read(audio / "greeting.wav"), 2500, 8000)
    assert wide == pytest.approx(0.5, abs=0.05)
    assert folded < 1e-5


@given(st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000]), st.integers(100, 3000))
@settings(max_examples=20)
def test_a_tone_is_the_same_tone_at_every_rate(rate: int, hertz: int) -> None:
    for wanted in (8000, 16000):
        made = sound.resample(tone(hertz, 0.2, rate=rate), rate, wanted)
        assert len(made) == pytest.approx(0.2 * wanted, abs=2)
        wished = tone(hertz, 0.2, rate=wanted)
        middle = range(wanted // 20, wanted // 10)
        assert [made[i] for i in middle] == pytest.approx([wished[i] for i in middle], abs=60)


def test_a_pause_needs_no_voice(listed: Path) -> None:
    listed.write_text(f"{LIST}pause\t，\t\n", encoding="utf-8")
    voice = Hummer()
    prompts.build(listed, voice)
    assert "pause" not in voice.spoken
    assert prompts.check(listed) == ()
    assert set(sound.read(listed.parent / "audio" / "pause.wav")) == {0}


def test_pieces_of_numbers_stand_close_and_are_short(listed: Path) -> None:
    listed.write_text(f"{LIST}n-8\t八\t\n", encoding="utf-8")
    prompts.build(listed, Hummer())
    piece = sound.read(listed.parent / "audio" / "n-8.wav")
    assert sound.measure(piece).seconds < 0.25  # 0.32 with the silence around a sentence
    sound.write(listed.parent / "audio" / "n-8.wav", hum(2))
    assert any("lasts 2.0 s, 1.5 are allowed" in reason for _, reason in reasons(listed))


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (array("h", bytes(16000)), "is silent"),
        (hum(1) + array("h", [32767] * 8), "clipped (8 samples)"),
        (hum(8), "lasts 8.0 s, 7 are allowed"),
        (hum(1, level=0.01), "the others have -20"),
        (array("h", bytes(8000)) + hum(1), "0.50 and 0.00 s of silence"),
        (hum(0.1), "has 0.10 s of speech, too little for 2 syllables"),
    ],
)
def test_sounds_that_callers_would_suffer_from_are_found(
    built: Path, samples: sound.Samples, says: str
) -> None:
    sound.write(built.parent / "audio" / "same-agent.wav", samples)
    assert any(says in reason for _, reason in reasons(built)), reasons(built)


def test_sounds_that_no_telephone_plays_are_found(built: Path) -> None:
    file = built.parent / "audio" / "same-agent.wav"
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
    sound.write(recorded / "same-agent.wav", hum(2, level=0.05))
    voice = Hummer()
    prompts.build(listed, voice)
    assert voice.spoken == ["greeting"]
    assert prompts.check(listed) == ()
    listed.write_text(LIST.replace("再见。", "谢谢，再见。"), encoding="utf-8")
    with pytest.raises(Faulty, match="record it anew"):
        prompts.build(listed, voice)
    sound.write(recorded / "same-agent.wav", hum(1.5))
    assert prompts.build(listed, voice) == ("same-agent",)
    assert prompts.check(listed) == ()


@pytest.mark.parametrize(("channels", "width"), [(1, 2), (2, 2), (1, 3), (2, 4)])
def test_a_recording_of_a_studio_is_converted(listed: Path, channels: int, width: int) -> None:
    recorded = listed.parent / "recorded"
    recorded.mkdir()
    frames = b"".join(
        (bytes(width - 2) + sample.to_bytes(2, "little", signed=True)) * channels
        for sample in hum(1, rate=48000)
    )
    with wave.open(str(recorded / "same-agent.wav"), "wb") as wav:
        wav.setparams((channels, width, 48000, 0, "NONE", ""))
        wav.writeframes(frames)
    prompts.build(listed, Hummer())
    assert prompts.check(listed) == ()
    spoken = sound.read(listed.parent / "audio" / "same-agent.wav16", sound.WIDE)
    assert share(spoken, 440, sound.WIDE) > 0.98


def test_a_recording_that_is_none_is_refused_and_nothing_is_changed(listed: Path) -> None:
    recorded = listed.parent / "recorded"
    recorded.mkdir()
    (recorded / "same-agent.wav").write_bytes(b"RIFF but no more")
    with pytest.raises(Faulty, match="is no WAV file"):
        prompts.build(listed, Hummer())
    assert list((listed.parent / "audio").iterdir()) == []


@pytest.mark.skipif(shutil.which("sox") is None, reason="no sox to convert recordings with")
def test_a_recording_in_a_form_unknown_to_us_is_left_to_sox(listed: Path) -> None:
    recorded = listed.parent / "recorded"
    recorded.mkdir()
    with wave.open(str(recorded / "same-agent.wav"), "wb") as wav:  # 8 bit
        wav.setparams((1, 1, 11025, 0, "NONE", ""))
        wav.writeframes(bytes((s >> 8) + 128 for s in hum(1, rate=11025)))
    prompts.build(listed, Hummer())
    assert prompts.check(listed) == ()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng to speak with")
def test_espeak_speaks_mandarin(listed: Path) -> None:
    voice = voices.ENGINES["espeak-ng"](listed.parent)
    assert prompts.build(listed, voice) == ("greeting", "same-agent")
    assert prompts.check(listed) == ()


def test_without_espeak_one_is_told_what_to_install(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(voices.VoiceAway, match="install the package"):
        prompts.build(listed, voices.ENGINES["espeak-ng"](listed.parent))


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
    (built.parent / "audio" / "same-agent.wav").write_bytes(raw)
    assert reasons(built)


WAV = (BAOJI / "audio" / "same-agent.wav").read_bytes()
