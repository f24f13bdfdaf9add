"""Prompts: `prompts.tsv` says what is spoken, `audio/` holds it, and the two must agree.

`audio/manifest.tsv` is written by `build`: which text each sound was made from, and the sound's
own hash. So a text that changed after its sound was made is found, and so is a swapped sound.
"""

import hashlib
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dialplans import sound
from dialplans.cells import quote, read_table
from schemas.errors import Fault, Faulty
from schemas.numbers import Integration, Register

LONGEST = 7.0
"""Seconds a prompt may last: every one of them is taken from the 15 s until a person answers."""
LONGEST_ONWARD = 10.0
"""Seconds for prompts that tell another number (`onward-…`): no queue is behind them."""
SLACK = 0.15
"""Seconds of silence a prompt may begin or end with."""
SPOKEN = re.compile(r"[一-鿿，。？！、；：]+")
DIGITS = str.maketrans("0123456789", "零幺二三四五六七八九")
"""How digits of a telephone number are spoken, one by one."""
MANIFEST = ("id", "seconds", "text_sha256", "audio_sha256", "source")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing the service says."""

    id: str
    text: str
    where: str
    """When callers hear it, for the admin."""
    line: int

    @property
    def longest(self) -> float:
        """Seconds it may last."""
        return LONGEST_ONWARD if self.id.startswith("onward-") else LONGEST


class Voice(Protocol):
    """Whatever turns texts into sounds."""

    name: str
    """Goes into the manifest."""

    def speak(self, texts: Mapping[str, str], into: Path) -> None:
        """Write `<id>.wav` (8 kHz, mono, 16 bit) into the folder for each id → text."""


def load(path: Path) -> Mapping[str, Prompt]:
    """Return the prompts in *path* (`prompts.tsv`) by id.

    Raises:
        Faulty: with every fault of the file.
    """
    prompts, faults = _read(path)
    if faults:
        raise Faulty(faults)
    return prompts


def check(path: Path, register: Register | None = None) -> tuple[Fault, ...]:
    """Return all that is wrong with the prompts in *path* and their sounds in `audio/` beside it.

    Args:
        register: when given, prompts of numbers that are not integrated must speak the number.
    """
    prompts, faults = _read(path)
    audio = path.parent / "audio"
    made, more = _manifest(audio)
    faults += more
    for prompt in prompts.values():
        file = audio / f"{prompt.id}.wav"
        faults += [Fault(str(file), None, prompt.id, r) for r in _sound_faults(prompt, file, made)]
    faults += [
        Fault(str(f), None, f.name, "belongs to no prompt") for f in _strangers(audio, prompts)
    ]
    if register is not None:
        faults += _unspoken(path, prompts, register)
    return tuple(faults)


def build(
    path: Path, voice: Voice, *, recorded: Path | None = None, anew: Collection[str] = ()
) -> tuple[str, ...]:
    """Make the sounds that are missing or stale, and return the ids of those that were made.

    Args:
        recorded: folder of `<id>.wav` spoken by a person, which win over *voice*;
            `recorded/` beside *path* when None.
        anew: ids to make in any case.

    Raises:
        Faulty: `prompts.tsv` or a recording has faults; nothing was changed.
    """
    prompts = load(path)
    audio = path.parent / "audio"
    audio.mkdir(exist_ok=True)
    made, _ = _manifest(audio)
    takes = _takes(recorded or path.parent / "recorded", prompts)
    old_takes = [
        Fault(str(takes[p.id]), None, p.id, "was recorded for an earlier text: record it anew")
        for p in prompts.values()
        if p.id in takes and _stale_take(p, takes[p.id], made)
    ]
    if old_takes:
        raise Faulty(old_takes)
    sources = {i: _source(takes[i]) if i in takes else voice.name for i in prompts}
    wanted = [
        p for p in prompts.values() if p.id in anew or not _fresh(p, audio, made, sources[p.id])
    ]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        faults = [f for p in wanted if p.id in takes for f in _telephone(takes[p.id], raw, p.id)]
        if faults:
            raise Faulty(faults)
        if spoken := {p.id: p.text for p in wanted if p.id not in takes}:
            voice.speak(spoken, raw)
        sounds = {p.id: sound.polish(sound.read(raw / f"{p.id}.wav")) for p in wanted}
    for prompt in wanted:
        file = audio / f"{prompt.id}.wav"
        sound.write(file, sounds[prompt.id])
        seconds = f"{len(sounds[prompt.id]) / sound.RATE:.2f}"
        row = (prompt.id, seconds, _hash(prompt.text.encode()), _hash(file.read_bytes()))
        made[prompt.id] = dict(zip(MANIFEST, (*row, sources[prompt.id]), strict=True))
    kept = [made[i] for i in prompts if i in made]
    lines = ["\t".join(MANIFEST), *("\t".join(row.values()) for row in kept)]
    part = audio / "manifest.part"
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(audio / "manifest.tsv")
    return tuple(p.id for p in wanted)


def _read(path: Path) -> tuple[dict[str, Prompt], list[Fault]]:
    lines, faults = read_table(path, required=("id", "text", "where"), tabs=True)
    prompts: dict[str, Prompt] = {}
    for line in lines:
        if {"id", "text"} - set(line.cells):
            continue  # told already
        prompt = Prompt(
            line.cells["id"], line.cells["text"], line.cells.get("where", ""), line.line
        )
        faults += [Fault(str(path), line.line, key, r) for key, r in _text_faults(prompt, prompts)]
        prompts.setdefault(prompt.id, prompt)
    if not lines and not faults:
        faults.append(Fault(str(path), None, "file", "holds no prompt"))
    return prompts, sorted(faults, key=lambda f: f.line or 0)


def _text_faults(prompt: Prompt, earlier: Mapping[str, Prompt]) -> Iterator[tuple[str, str]]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", prompt.id):
        yield "id", f"must be a-z 0-9 and hyphens, not {quote(prompt.id)}"
    elif prompt.id in earlier:
        yield "id", f"{prompt.id} stands on line {earlier[prompt.id].line} already"
    if not prompt.text:
        yield "text", "is empty"
    elif len(prompt.text) > 100:
        yield "text", f"has {len(prompt.text)} characters, 100 are allowed"
    elif not SPOKEN.fullmatch(prompt.text):
        strange = SPOKEN.sub("", prompt.text)
        yield "text", f"must be written as it is spoken (一二三 for 123), without {quote(strange)}"


def _manifest(audio: Path) -> tuple[dict[str, dict[str, str]], list[Fault]]:
    """Return the manifest's rows by id; without the file every sound is stale."""
    file = audio / "manifest.tsv"
    if not file.exists():
        return {}, []
    lines, faults = read_table(file, required=MANIFEST, tabs=True)
    whole = [line.cells for line in lines if set(line.cells) == set(MANIFEST)]
    return {cells["id"]: {k: cells[k] for k in MANIFEST} for cells in whole}, faults


def _sound_faults(
    prompt: Prompt, file: Path, made: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    try:
        samples = sound.read(file)
    except FileNotFoundError:
        yield "there is no sound for it: build the prompts"
        return
    except OSError as error:
        yield f"cannot be read: {error.strerror}"
        return
    except sound.NotTelephoneSound as error:
        yield str(error)
        return
    row = made.get(prompt.id)
    if row is None:
        yield "stands not in manifest.tsv: build the prompts"
    elif row["text_sha256"] != _hash(prompt.text.encode()):
        yield "was made from another text: build the prompts"
    elif row["audio_sha256"] != _hash(file.read_bytes()):
        yield "is not the sound that was built; own recordings belong into recorded/"
    found = sound.measure(samples)
    if found.loudness == -math.inf:
        yield "is silent"
        return
    if abs(found.loudness - sound.LOUDNESS) > 6:
        yield f"has {found.loudness:.0f} dB, the others have {sound.LOUDNESS:.0f}"
    if found.clipped:
        yield f"is clipped ({found.clipped} samples)"
    if found.seconds > prompt.longest:
        yield f"lasts {found.seconds:.1f} s, {prompt.longest:.0f} are allowed"
    if max(found.silence_before, found.silence_after) > SLACK:
        wasted = f"{found.silence_before:.2f} and {found.silence_after:.2f} s"
        yield f"begins and ends with {wasted} of silence, {SLACK} are allowed"


def _strangers(audio: Path, prompts: Collection[str]) -> list[Path]:
    known = {f"{i}.wav" for i in prompts} | {"manifest.tsv"}
    return sorted(f for f in audio.glob("*") if f.name not in known)


def _unspoken(path: Path, prompts: Mapping[str, Prompt], register: Register) -> Iterator[Fault]:
    for number in register.numbers.values():
        prompt = prompts.get(number.notice)
        if number.integration is not Integration.NOT_INTEGRATED or prompt is None:
            continue
        said = re.sub("[，、]", "", prompt.text)  # a number is spoken with pauses
        if (number.onward or "").translate(DIGITS) not in said:
            reason = f"does not speak {number.onward}, the number that callers are to be told"
            yield Fault(str(path), prompt.line, prompt.id, reason)


def _takes(recorded: Path, prompts: Collection[str]) -> dict[str, Path]:
    files = {f.stem: f for f in sorted(recorded.glob("*.wav"))}
    strangers = [f for i, f in files.items() if i not in prompts]
    if strangers:
        raise Faulty(Fault(str(f), None, f.name, "belongs to no prompt") for f in strangers)
    return files


def _stale_take(prompt: Prompt, take: Path, made: Mapping[str, Mapping[str, str]]) -> bool:
    row = made.get(prompt.id)
    return (
        row is not None
        and row["source"] == _source(take)
        and row["text_sha256"] != _hash(prompt.text.encode())
    )


def _fresh(prompt: Prompt, audio: Path, made: Mapping[str, Mapping[str, str]], source: str) -> bool:
    row, file = made.get(prompt.id), audio / f"{prompt.id}.wav"
    return (
        row is not None
        and row["source"] == source
        and row["text_sha256"] == _hash(prompt.text.encode())
        and file.is_file()
        and row["audio_sha256"] == _hash(file.read_bytes())
    )


def _telephone(take: Path, into: Path, name: str) -> list[Fault]:
    """Bring a recording of any form to telephone form, with sox where that is needed."""
    out = into / f"{name}.wav"
    try:
        sound.read(take)
    except sound.NotTelephoneSound as error:
        sox = shutil.which("sox")
        if sox is None:
            return [Fault(str(take), None, name, f"{error}; with sox installed we convert it")]
        done = subprocess.run(  # noqa: S603 - both paths are ours, no shell
            [sox, str(take), "-r", str(sound.RATE), "-c", "1", "-b", "16", str(out)],
            capture_output=True,
            check=False,
            timeout=60,
        )
        return [] if done.returncode == 0 else [Fault(str(take), None, name, str(error))]
    shutil.copyfile(take, out)
    return []


def _source(take: Path) -> str:
    return f"recorded:{_hash(take.read_bytes())[:12]}"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
