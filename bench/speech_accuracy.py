"""How well callers are understood: a folder of labelled recordings against one engine.

    python -m bench.speech_accuracy FOLDER [--engine whisper] [--dialplan FOLDER] [--json]

FOLDER holds 16-bit WAV files and `labels.tsv`: file, label, transcript (tabs). A label is a hotline
number, 110 119 120 122, a word of phrases.tsv (agent, yes, …), or `unknown` for words that mean
nothing to the flow. Numbers that share a line of the annex count as the same. --engine is an engine
(`whisper`, `vosk`: the first of its models that is here) or the name of a model.

Each file goes the way of a call: the end of speech is found as on the line, its first sentence is
recognised and understood with every intent possible. Figures, as shares of the files:

    right            acted upon at once, and rightly; an emergency: recognised, its flow asks always
    asked_again      the caller is asked once whether this was meant
    wrong_route      acted upon at once, and wrongly
    to_person        not understood at all: a person takes the call
    emergency_recall share of the emergencies' files; null when there are none
    false_emergencies  number of files that are none and were taken for one
    cer              characters wrong, missing or too many, for each that was said

Ends with 2 when something is missing or wrong in the folder, every fault at once.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # run as a file: the checkout is not on the path
    sys.path[0] = str(ROOT)

from rapidfuzz.distance import Levenshtein  # noqa: E402

from dialplans.cells import quote, read_table  # noqa: E402
from dialplans.city import load  # noqa: E402
from hotline import config as settings  # noqa: E402
from hotline import models, places  # noqa: E402
from ivr.speech import engines, sound  # noqa: E402
from ivr.speech import models as known  # noqa: E402
from ivr.speech.endpoint import Rules  # noqa: E402
from ivr.speech.engines import Engine  # noqa: E402
from ivr.speech.intents import REPLIES, WISHES, Vocabulary  # noqa: E402
from ivr.speech.passages import first_words  # noqa: E402
from ivr.speech.syllables import plain  # noqa: E402
from schemas.city import City  # noqa: E402
from schemas.errors import Fault, Faulty, HotlineError, Unavailable  # noqa: E402
from schemas.numbers import EMERGENCY_NUMBERS  # noqa: E402
from schemas.speech import EMERGENCY, Meaning, line_intent  # noqa: E402

UNKNOWN = ("unknown", "silence")
_SILENT = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file and what ought to come of it."""

    file: str
    label: str
    intent: str
    transcript: str


@dataclass(frozen=True, slots=True)
class Result:
    """One file and what came of it."""

    recording: Recording
    heard: str
    meaning: Meaning

    @property
    def urgent(self) -> bool:
        return self.recording.intent.startswith(EMERGENCY)

    @property
    def alarm(self) -> bool:
        return self.meaning.intent.startswith(EMERGENCY)

    @property
    def meant(self) -> bool:
        return self.meaning.intent == self.recording.intent

    @property
    def acted(self) -> bool:
        """Whether the words lead somewhere at once; nothing understood leads to a person."""
        return bool(self.meaning.intent) and (self.meaning.sure or self.alarm)

    @property
    def right(self) -> bool:
        return self.meant and (self.acted or not self.meaning.intent)


def recordings(folder: Path, city: City) -> list[Recording]:
    """Return what *folder* holds.

    Raises:
        Faulty: with every fault of labels and files.
    """
    table = folder / "labels.tsv"
    lines, faults = read_table(table, required=("file", "label", "transcript"), tabs=True)
    words = intents(city)
    found = []
    for line in lines:
        name, label = line.cells.get("file", ""), line.cells.get("label", "")
        if not name or not label:
            if not line.bad:
                faults.append(Fault(str(table), line.line, "row", "lacks its file or its label"))
            continue
        intent = _intent(label, city)
        if intent and intent not in words:
            reason = f"{quote(label)} is neither a hotline's number nor a word of phrases.tsv"
            faults.append(Fault(str(table), line.line, "label", reason))
        try:
            sound.read(folder / name)
        except (HotlineError, OSError) as error:
            reason = error.message if isinstance(error, HotlineError) else str(error.strerror)
            faults.append(Fault(str(table), line.line, "file", f"{quote(name)}: {reason}"))
        found.append(Recording(name, label, intent, line.cells.get("transcript", "")))
    if not found and not faults:
        faults.append(Fault(str(table), None, "file", "names no recordings"))
    if faults:
        raise Faulty(faults)
    return found


def intents(city: City) -> frozenset[str]:
    """Return everything that callers may say."""
    lines = {line_intent(number.line_no) for number in city.register.numbers.values()}
    urgent = {EMERGENCY + number for number in EMERGENCY_NUMBERS}
    return frozenset(lines | urgent | REPLIES | WISHES | city.phrases.keys())


def _intent(label: str, city: City) -> str:
    if label in UNKNOWN:
        return ""
    if label in EMERGENCY_NUMBERS:
        return EMERGENCY + label
    number = city.register.find(label) if label.isdigit() else None
    return line_intent(number.line_no) if number else label


def engine(name: str, config: settings.Config) -> Engine:
    """Return the engine that *name* means, loaded.

    Raises:
        NotFound, Unavailable: there is none.
    """
    folders = [*models.folders(config), ROOT / ".local" / "models"]
    of_engine = [model for model in known.read() if model.engine == name]
    for model in of_engine:
        if folder := known.present(model, folders):
            return engines.load(model, folder)
    if of_engine:
        names = ", ".join(model.name for model in of_engine)
        raise Unavailable(
            f"none of the models of {name} ({names}) is in {' or '.join(map(str, folders))}: "
            "`hotline models fetch` tries to get them"
        )
    return engines.load(*known.find(name, folders))


def measure(
    found: Sequence[Recording],
    recognise: Callable[[str], str],
    understand: Callable[[str], Meaning],
) -> dict[str, object]:
    """Return the figures.

    Args:
        recognise: file to words.
        understand: words to their meaning.
    """
    results = []
    for recording in found:
        words = recognise(recording.file)
        results.append(Result(recording, words, understand(words)))
    edits = sum(
        Levenshtein.distance(_bare(r.recording.transcript), _bare(r.heard)) for r in results
    )
    said = sum(len(_bare(r.recording.transcript)) for r in results)
    urgent = [r for r in results if r.urgent]
    return {
        "files": len(results),
        "cer": round(edits / said, 4) if said else 0.0,
        "right": _share(results, lambda r: r.right),
        "asked_again": _share(results, lambda r: bool(r.meaning.intent) and not r.acted),
        "wrong_route": _share(results, lambda r: r.acted and not r.meant),
        "to_person": _share(results, lambda r: not r.meaning.intent and not r.meant),
        "emergency_recall": _share(urgent, lambda r: r.meant) if urgent else None,
        "false_emergencies": sum(r.alarm and not r.urgent for r in results),
        "confusions": [
            {
                "file": r.recording.file,
                "label": r.recording.label,
                "transcript": r.recording.transcript,
                "heard": r.heard,
                "intent": r.meaning.intent,
                "sure": r.meaning.sure,
                "confidence": r.meaning.confidence,
                "runner_up": r.meaning.runner_up,
            }
            for r in results
            if not r.right
        ],
    }


def _bare(text: str) -> str:
    return _SILENT.sub("", plain(text))


def _share(results: Sequence[Result], of: Callable[[Result], bool]) -> float:
    return round(sum(map(of, results)) / len(results), 4)


def run(asked: argparse.Namespace) -> dict[str, object]:
    """Do what the command line says.

    Raises:
        HotlineError: something is missing or wrong.
    """
    config = settings.load(ROOT / "hotline.toml", os.environ)
    city = load(asked.dialplan or places.dialplan(config.site))
    faults: list[Fault] = []
    found: list[Recording] = []
    try:
        found = recordings(asked.folder, city)
    except Faulty as error:
        faults += error.faults
    try:
        recogniser = engine(asked.engine, config)
    except HotlineError as error:
        faults.append(Fault("--engine", None, asked.engine, error.message))
    if faults:
        raise Faulty(faults)
    rules = Rules.of(config.speech)
    vocabulary, among = Vocabulary.of(city), intents(city)
    began = time.monotonic()
    figures = measure(
        found,
        lambda file: first_words(sound.read(asked.folder / file), recogniser, rules).text,
        lambda text: vocabulary.understand(text, among),
    )
    return {"engine": recogniser.name, "seconds": round(time.monotonic() - began, 1)} | figures


def table(figures: dict[str, object]) -> str:
    """Return the figures for people, the confusions last."""
    confusions = figures.pop("confusions")
    assert isinstance(confusions, list)
    lines = [f"{name:18} {value}" for name, value in figures.items()]
    for c in confusions:
        became = f"{c['intent'] or '(unknown)'} {c['confidence']:.2f}"
        asked = "" if c["sure"] or not c["intent"] else " asked"
        lines.append(
            f"{c['file']}  {c['label']} → {became}{asked}  {c['transcript']} → {c['heard']}"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with labels.tsv and the WAV files")
    parser.add_argument("--engine", default="whisper", help="engine, or name of a model")
    parser.add_argument("--dialplan", type=Path, help="folder of the city; the configured one")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        figures = run(asked)
    except HotlineError as error:
        print(error.message, file=sys.stderr)
        return 2
    print(json.dumps(figures, ensure_ascii=False, indent=2) if asked.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
