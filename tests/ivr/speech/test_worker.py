"""A recogniser process on its pipe."""

import contextlib
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ivr.speech import pipe
from ivr.speech.pipe import Kind, Packet, Reader
from ivr.speech.worker import safe_name
from tests.ivr.speech.parrot import WORDS
from tests.ivr.speech.voices import noise, silence, voice

pytestmark = pytest.mark.unit

TALK = silence(0.5) + voice(1.0) + silence(0.6)


class Child:
    """A worker, and what it said."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._reader = Reader()
        self._packets: list[Packet] = []

    def send(self, *packets: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(packets))
        self.process.stdin.flush()

    def open(self, stream: int, **listen: Any) -> None:
        facts = {"sentence": 1, "listen": 1, "give_up": None, "call": "n1-1.2", "step": 1}
        self.send(pipe.tell(Kind.OPEN, stream), pipe.tell(Kind.LISTEN, stream, **facts | listen))

    def next(self) -> Packet | None:
        """Return what it says next, None when it has ended."""
        assert self.process.stdout is not None
        while not self._packets:
            piece = self.process.stdout.read1()  # type: ignore[union-attr]
            if not piece:
                return None
            self._packets += self._reader.read(piece)
        return self._packets.pop(0)

    def kinds(self, count: int) -> list[Kind]:
        found = [self.next() for _ in range(count)]
        return [packet.kind for packet in found if packet]


@contextlib.contextmanager
def child(mode: str, *more: str) -> Iterator[Child]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ivr.speech.parrot", mode, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Child(process)
    finally:
        process.kill()
        for pipe_end in (process.stdin, process.stdout):
            assert pipe_end is not None
            with contextlib.suppress(BrokenPipeError):
                pipe_end.close()
        process.wait()


@pytest.mark.parametrize("mode", ["stream", "whole", "noise on stdout"])
def test_a_sentence_from_its_begin_to_its_words(mode: str) -> None:
    with child(mode) as worker:
        ready = worker.next()
        assert ready is not None
        facts = ready.facts()
        assert (ready.kind, facts["model"], facts["engine"]) == (Kind.READY, "parrot", "parrot")
        assert facts["resident"] > 1_000_000
        worker.open(3)
        worker.send(*(pipe.sound(3, TALK[n : n + 320]) for n in range(0, len(TALK), 320)))
        assert worker.kinds(2) == [Kind.BEGUN, Kind.ENDED]
        words = worker.next()
        assert words is not None
        assert (words.kind, words.stream) == (Kind.WORDS, 3)
        assert words.facts() == {"sentence": 1, "text": WORDS, "score": 88}


def test_many_streams_do_not_mix() -> None:
    with child("stream") as worker:
        worker.next()
        for stream in range(1, 6):
            worker.open(stream, sentence=stream)
        for n in range(0, len(TALK), 320):
            worker.send(*(pipe.sound(stream, TALK[n : n + 320]) for stream in range(1, 6)))
        found: dict[int, list[Kind]] = {}
        for _ in range(15):
            packet = worker.next()
            assert packet is not None
            assert packet.facts()["sentence"] == packet.stream
            found.setdefault(packet.stream, []).append(packet.kind)
        assert found == {n: [Kind.BEGUN, Kind.ENDED, Kind.WORDS] for n in range(1, 6)}


def test_silence_and_then_a_new_sentence() -> None:
    with child("stream") as worker:
        worker.next()
        worker.open(1, give_up=400)
        worker.send(pipe.sound(1, silence(1)))
        silent = worker.next()
        assert silent is not None
        assert (silent.kind, silent.facts()) == (Kind.SILENT, {"listen": 1})
        worker.send(pipe.sound(1, TALK))
        assert worker.kinds(3) == [Kind.BEGUN, Kind.ENDED, Kind.WORDS]
        worker.send(pipe.sound(1, TALK), pipe.tell(Kind.PING))
        assert worker.kinds(1) == [Kind.PONG]  # nothing more of a sentence that is over
        facts = {"sentence": 2, "listen": 2, "give_up": None, "call": "", "step": 2}
        worker.send(pipe.tell(Kind.LISTEN, 1, **facts), pipe.sound(1, TALK))
        words = [worker.next() for _ in range(3)][-1]
        assert words is not None
        assert words.facts()["sentence"] == 2


def test_noise_ends_by_itself() -> None:
    with child("mute") as worker:
        worker.next()
        worker.open(1)
        worker.send(pipe.sound(1, silence(0.5) + voice(4.5)))
        assert worker.kinds(1) == [Kind.BEGUN]
        words = worker.next()
        assert words is not None
        assert (words.kind, words.facts()["text"]) == (Kind.WORDS, "")


def test_an_engine_that_raises_fails_one_sentence() -> None:
    with child("raise") as worker:
        worker.next()
        worker.open(1)
        worker.send(pipe.sound(1, TALK), pipe.tell(Kind.CLOSE, 1), pipe.tell(Kind.PING))
        kinds = worker.kinds(3)
        assert kinds[:2] == [Kind.BEGUN, Kind.ENDED]
        worker.open(2)
        worker.send(pipe.sound(2, TALK))
        while Kind.FAILED not in kinds:
            kinds += worker.kinds(1)


def test_a_closed_stream_says_nothing() -> None:
    with child("slow") as worker:
        worker.next()
        worker.open(1)
        worker.send(pipe.sound(1, TALK), pipe.tell(Kind.CLOSE, 1), pipe.sound(1, TALK))
        worker.open(2)
        worker.send(pipe.sound(2, TALK))
        assert worker.kinds(4) == [Kind.BEGUN, Kind.ENDED, Kind.BEGUN, Kind.ENDED]
        words = worker.next()
        assert words is not None
        assert (words.kind, words.stream) == (Kind.WORDS, 2)


@pytest.mark.parametrize("mode", ["stream", "hang"])
def test_it_ends_when_its_input_closes_whatever_it_does(mode: str) -> None:
    with child(mode) as worker:
        worker.next()
        worker.open(1)
        worker.send(pipe.sound(1, TALK))
        worker.kinds(2)
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        assert worker.process.wait(20) == 0


def test_what_is_no_packet_ends_it() -> None:
    with child("stream") as worker:
        worker.next()
        worker.send(b"GET / HTTP/1.1\r\n\r\n")
        assert worker.process.wait(20) != 0


def test_sound_is_kept_where_it_is_wanted(tmp_path: Path) -> None:
    with child("stream", str(tmp_path)) as worker:
        worker.next()
        worker.open(1, call="../../etc/n1-1.2", step=4)
        worker.send(pipe.sound(1, TALK))
        worker.kinds(3)
        worker.open(1, call="", step=5)  # without an id there is no name
        worker.send(pipe.sound(1, TALK))
        worker.kinds(3)
        worker.open(1)
        worker.send(pipe.sound(1, TALK))
        worker.kinds(3)
        worker.open(2, call="")  # its words come after all that was to be written
        worker.send(pipe.sound(2, TALK))
        worker.kinds(3)
        files = sorted(tmp_path.rglob("*"))
    files = [file for file in files if file.is_file()]
    assert [file.name for file in files] == ["_.._etc_n1-1.2-4.wav", "n1-1.2-1.wav"]
    assert all(file.parent.parent.parent.parent == tmp_path for file in files)
    with wave.open(str(files[0])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
        assert voice(1.0)[:8000] in sound.readframes(sound.getnframes())


def test_a_folder_that_cannot_be_written_keeps_nobody_from_being_understood(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with child("stream", str(tmp_path / "file")) as worker:
        worker.next()
        for stream in (1, 2):
            worker.open(stream)
            worker.send(pipe.sound(stream, TALK))
            assert worker.kinds(3) == [Kind.BEGUN, Kind.ENDED, Kind.WORDS]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("n1-1763.5", "n1-1763.5-2"),
        ("", ""),
        ("...", ""),
        ("a/b\0c停", "a_b_c_-2"),
        ("x" * 99, "x" * 64 + "-2"),
    ],
)
def test_names_are_safe(call: str, name: str) -> None:
    assert safe_name(call, 2) == name


def test_noise_on_the_line_says_nothing() -> None:
    with child("stream") as worker:
        worker.next()
        worker.open(1, give_up=2000)
        worker.send(pipe.sound(1, noise(3, 200)))
        assert worker.kinds(1) == [Kind.SILENT]
