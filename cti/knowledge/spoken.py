"""What may be read to a caller, as sound: made once by the site's voice, kept by its text."""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

from schemas.errors import Unavailable

PATIENCE = 60.0
"""Seconds a voice may take for one text."""


class Voice(Protocol):
    """What speaks; filled by the application, if the site has a voice at all."""

    name: str
    """Another voice, or another version of it, makes other sound of the same text."""

    def speak(self, text: str, into: Path) -> None:
        """Write *text* as a WAV file; runs in a thread.

        Raises:
            Unavailable: it cannot, and says why.
        """
        ...


class Spoken:
    """Texts as WAV files in a folder of their own."""

    def __init__(self, folder: Path, voice: Voice | None) -> None:
        """Keep the files in *folder*, which is made when it is needed."""
        self._folder = folder
        self._voice = voice
        self._one = asyncio.Lock()

    async def wav(self, text: str) -> Path:
        """Return the file in which *text* is spoken.

        Raises:
            Unavailable: there is no voice here, or it does not speak.
        """
        if self._voice is None:
            raise Unavailable("没有安装语音引擎，请坐席直接朗读")
        wanted = self._folder / f"{_name(self._voice.name, text)}.wav"
        async with self._one:  # a voice takes a whole processor: one text at a time
            if not wanted.exists():
                try:
                    async with asyncio.timeout(PATIENCE):
                        await asyncio.to_thread(self._make, self._voice, text, wanted)
                except TimeoutError:
                    raise Unavailable("语音引擎没有按时完成") from None
        return wanted

    def _make(self, voice: Voice, text: str, wanted: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        os.close(number)
        part = Path(name)
        try:
            voice.speak(text, part)
            part.replace(wanted)  # whole or not at all
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()


def _name(voice: str, text: str) -> str:
    return hashlib.sha256(f"{voice}\0{text}".encode()).hexdigest()
