"""Prompts: `prompts.tsv` says what is spoken, `audio/` holds it, and the two must agree.

Each prompt has two sounds side by side, `<id>.wav` (8 kHz) and `<id>.wav16` (16 kHz): so one folder
is copied, one name is played, and Asterisk itself takes the one that suits the caller's codec.

`audio/manifest.tsv` is written by `build`: which text each sound was made from, and the sound's
own hash. So a text that changed after its sound was made is found, and so is a swapped sound.
"""

import hashlib
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dialplans import sound
from dialplans.cells import quote, read_table
from schemas.errors import Fault, Faulty
from schemas.numbers import Integration, Register

LONGEST = 7.0
"""Seconds a prompt may last: every one of them is taken from the 15 s until a person answers."""
LONGEST_OF: Mapping[str, float] = {
    "onward-": 10.0,  # tells another number: no queue is behind it
    "services": 10.0,  # only for who pressed a key to hear what there is
    "scope-menu": 15.0,  # names seven classes, only for who asked for them
    "n-": 1.5,  # a piece of a number: many stand in a row
}
"""Seconds for prompts of whose id this is the beginning."""
SLACK = 0.15
"""Seconds of silence a prompt may begin or end with."""
PIECE_MARGIN = 0.03
"""Seconds of silence around a piece of a number (`n-…`): it must flow into the next one."""
PAUSE = 0.25
"""Seconds of a prompt that is nothing but punctuation."""
FASTEST = 0.08
"""Seconds a syllable takes at least: a sound that is shorter has lost something."""
ENDINGS: Mapping[str, int] = {".wav": sound.RATE, ".wav16": sound.WIDE}
"""Files of a prompt by the ending of their names, with their samples a second."""
SPOKEN = re.compile(r"[一-鿿，。？！、；：]+")
PUNCTUATION = re.compile(r"[，。？！、；：]+")
DIGITS = str.maketrans("0123456789", "零幺二三四五六七八九")
"""How digits of a telephone number are spoken, one by one."""
MANIFEST = ("id", "seconds", "text_sha256", "audio_sha256", "wide_sha256", "source")


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
        return next((s for head, s in LONGEST_OF.items() if self.id.startswith(head)), LONGEST)

    @property
    def pause(self) -> bool:
        """Whether it is nothing but a pause, which no voice needs to speak."""
        return PUNCTUATION.fullmatch(self.text) is not None

    @property
    def margin(self) -> float:
        """Seconds of silence that it keeps before and after its words."""
        return PIECE_MARGIN if self.id.startswith("n-") else sound.MARGIN


class Voice(Protocol):
    """Whatever turns texts into sounds."""

    name: str
    """Goes into the manifest."""

    def speak(self, texts: Mapping[str, str], into: Path) -> None:
        """Write `<id>.wav` (PCM, 16 kHz and more) into the folder for each id → text."""


def load(path: Path) -> Mapping[str, Prompt]:
    """Return the prompts in *path* (`prompts.tsv`) by id.

    Raises:
        Faulty: with every fault of the file.
    """
    prompts, faults = _read(path)
    if faults:
        raise Faulty(faults)
    return prompts


def stale(path: Path) -> tuple[Fault, ...]:
    """Return the prompts in *path* whose sound speaks another text: callers hear the old one."""
    prompts, _ = _read(path)
    made, _ = _manifest(path.parent / "audio")
    return tuple(
        Fault(
            str(path),
            prompt.line,
            prompt.id,
            "callers hear the old text: run `hotline prompts build`",
        )
        for prompt in prompts.values()
        if prompt.id in made and made[prompt.id]["text_sha256"] != _hash(prompt.text.encode())
    )


def check(
    path: Path, register: Register | None = None, used: Collection[str] | None = None
) -> tuple[Fault, ...]:
    """Return all that is wrong with the prompts in *path* and their sounds in `audio/` beside it.

    Args:
        register: when given, prompts of numbers that are not integrated must speak the number.
        used: when given, ids that something plays: what else is listed is never heard, and what
            is not listed is missing.
    """
    prompts, faults = _read(path)
    audio = path.parent / "audio"
    made, more = _manifest(audio)
    faults += more
    for prompt in prompts.values():
        files = [audio / f"{prompt.id}{ending}" for ending in ENDINGS]
        for file in files if files[0].exists() else files[:1]:  # what is missing is told once
            reasons = _sound_faults(prompt, file, made.get(prompt.id))
            faults += [Fault(str(file), None, prompt.id, reason) for reason in reasons]
    faults += [
        Fault(str(f), None, f.name, "belongs to no prompt") for f in _strangers(audio, prompts)
    ]
    if register is not None:
        faults += _unspoken(path, prompts, register)
    if used is not None:
        idle = [p for p in prompts.values() if p.id not in used]
        faults += [Fault(str(path), p.line, p.id, "is played by nothing") for p in idle]
        missing = sorted(set(used) - prompts.keys())
        faults += [Fault(str(path), None, i, "is played but not listed here") for i in missing]
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
    sources = {
        p.id: _source(takes[p.id]) if p.id in takes else "pause" if p.pause else voice.name
        for p in prompts.values()
    }
    wanted = [
        p for p in prompts.values() if p.id in anew or not _fresh(p, audio, made, sources[p.id])
    ]
    for prompt, raw, rate in _spoken(wanted, voice, takes):
        for ending, wished in ENDINGS.items():
            samples = sound.resample(raw, rate, wished)
            if not prompt.pause:
                samples = sound.polish(samples, wished, margin=prompt.margin)
            sound.write(audio / f"{prompt.id}{ending}", samples, wished)
            seconds = f"{len(samples) / wished:.2f}"
        hashes = [_hash((audio / f"{prompt.id}{ending}").read_bytes()) for ending in ENDINGS]
        row = (prompt.id, seconds, _hash(prompt.text.encode()), *hashes, sources[prompt.id])
        made[prompt.id] = dict(zip(MANIFEST, row, strict=True))
    kept = [made[i] for i in prompts if i in made]
    lines = ["\t".join(MANIFEST), *("\t".join(row.values()) for row in kept)]
    part = audio / "manifest.part"
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(audio / "manifest.tsv")
    return tuple(p.id for p in wanted)


def _spoken(
    wanted: Sequence[Prompt], voice: Voice, takes: Mapping[str, Path]
) -> Iterator[tuple[Prompt, sound.Samples, int]]:
    """Yield each prompt with its sound, as it was recorded or spoken, and the sound's rate.

    Raises:
        Faulty: with every recording that cannot be used, before anything is yielded.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        recordings, faults = _recordings({p.id: takes[p.id] for p in wanted if p.id in takes}, raw)
        if faults:
            raise Faulty(faults)
        if texts := {p.id: p.text for p in wanted if p.id not in takes and not p.pause}:
            voice.speak(texts, raw)
        for prompt in wanted:
            if prompt.id in recordings:
                yield prompt, *recordings[prompt.id]
            elif prompt.pause:
                yield prompt, sound.silence(PAUSE, sound.WIDE), sound.WIDE
            else:
                yield prompt, *sound.read_any(raw / f"{prompt.id}.wav")


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


def _sound_faults(prompt: Prompt, file: Path, row: Mapping[str, str] | None) -> Iterator[str]:
    rate = ENDINGS[file.suffix]
    wide = rate == sound.WIDE
    try:
        samples = sound.read(file, rate)
    except FileNotFoundError:
        yield f"there is no {'wide-band ' if wide else ''}sound for it: build the prompts"
        return
    except OSError as error:
        yield f"cannot be read: {error.strerror}"
        return
    except sound.NotTelephoneSound as error:
        yield str(error)
        return
    if row is None or row["text_sha256"] != _hash(prompt.text.encode()):
        if not wide:  # once is enough
            missing = "stands not in manifest.tsv" if row is None else "was made from another text"
            yield f"{missing}: build the prompts"
    elif _hash(file.read_bytes()) != row["wide_sha256" if wide else "audio_sha256"]:
        yield "is not the sound that was built; own recordings belong into recorded/"
    found = sound.measure(samples, rate)
    if found.seconds > prompt.longest:
        yield f"lasts {found.seconds:.1f} s, {prompt.longest:g} are allowed"
    if not prompt.pause:
        yield from _speech_faults(prompt, found)


def _speech_faults(prompt: Prompt, found: sound.Measure) -> Iterator[str]:
    if found.loudness == -math.inf:
        yield "is silent"
        return
    if abs(found.loudness - sound.LOUDNESS) > 6:
        yield f"has {found.loudness:.0f} dB, the others have {sound.LOUDNESS:.0f}"
    if found.clipped:
        yield f"is clipped ({found.clipped} samples)"
    if max(found.silence_before, found.silence_after) > SLACK:
        wasted = f"{found.silence_before:.2f} and {found.silence_after:.2f} s"
        yield f"begins and ends with {wasted} of silence, {SLACK} are allowed"
    syllables = len(PUNCTUATION.sub("", prompt.text))
    spoken = found.seconds - found.silence_before - found.silence_after
    if spoken < syllables * FASTEST:
        yield f"has {spoken:.2f} s of speech, too little for {syllables} syllables"


def _strangers(audio: Path, prompts: Collection[str]) -> list[Path]:
    known = {f"{i}{ending}" for i in prompts for ending in ENDINGS} | {"manifest.tsv"}
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
    row = made.get(prompt.id)
    files = [audio / f"{prompt.id}{ending}" for ending in ENDINGS]
    return (
        row is not None
        and row["source"] == source
        and row["text_sha256"] == _hash(prompt.text.encode())
        and all(file.is_file() for file in files)
        and [_hash(f.read_bytes()) for f in files] == [row["audio_sha256"], row["wide_sha256"]]
    )


def _recordings(
    takes: Mapping[str, Path], scratch: Path
) -> tuple[dict[str, tuple[sound.Samples, int]], list[Fault]]:
    """Read recordings; forms that we do not know ourselves (a-law, 8 bit) sox may know."""
    found, faults = {}, []
    for name, take in takes.items():
        try:
            found[name] = sound.read_any(take)
        except sound.NotTelephoneSound as error:
            out = scratch / f"{name}.wav"
            if (sox := shutil.which("sox")) is None:
                faults.append(Fault(str(take), None, name, f"{error}; sox might convert it"))
            elif _converted(sox, take, out):
                found[name] = sound.read_any(out)
            else:
                faults.append(Fault(str(take), None, name, str(error)))
    return found, faults


def _converted(sox: str, take: Path, out: Path) -> bool:
    done = subprocess.run(  # noqa: S603 - both paths are ours, no shell
        [sox, str(take), "-r", str(sound.WIDE), "-c", "1", "-b", "16", str(out)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode == 0


def _source(take: Path) -> str:
    return f"recorded:{_hash(take.read_bytes())[:12]}"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
