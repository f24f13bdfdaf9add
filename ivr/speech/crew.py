"""The recogniser processes behind the front: started, fed, watched, replaced."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from ivr.speech import pipe
from ivr.speech.pipe import Kind, Packet
from ivr.speech.wire import Listening
from schemas.errors import HotlineError

log = logging.getLogger(__name__)

BACK_OFF = (0.2, 1.0, 3.0)
"""Seconds before a worker that died, or had no model, is started again; the last one repeats."""
STEADY = 30.0
"""Seconds a worker must have lived for the back-off to begin anew."""
LOAD_WITHIN = 120.0
"""Seconds for a model to be in memory."""
PING_EVERY = 0.25
MOST_UNREAD = 1024 * 1024
"""Bytes of sound a worker may leave unread in our memory before it counts as hung."""


class Mouth(Protocol):
    """Who gets the answers about one stream; called at once, must not wait."""

    def told(self, packet: Packet) -> None:
        """Take what the worker says."""
        ...

    def lost(self) -> None:
        """The worker is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How many workers, and what is asked of them."""

    command: Callable[[], Sequence[str]]
    """Gives the command line of a worker; raises `HotlineError` while there is no model."""
    workers: int
    streams: int = 0
    """At once for one worker; 0: what its engine bears."""
    hung_after: float = 1.0
    """Seconds without an answer after which a worker is killed."""


@dataclass(slots=True, eq=False)
class Worker:
    """One process."""

    process: asyncio.subprocess.Process
    ready: Mapping[str, Any] | None = None
    """What it says about itself, once its model is in memory."""
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    mouths: dict[int, Mouth] = field(default_factory=dict)
    pinged: float | None = None
    """When it was asked something that it has not answered yet."""
    resident: int = 0
    """Bytes."""
    unsent: bytearray = field(default_factory=bytearray)

    def say(self, packet: bytes) -> None:
        """Send a packet, together with what else is sent in this round of the loop."""
        if not self.unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self.unsent += packet

    def _send(self) -> None:
        """Send; to one that is gone or reads no more, nothing."""
        assert self.process.stdin is not None
        pipe_in = self.process.stdin
        if not pipe_in.is_closing():
            if pipe_in.transport.get_write_buffer_size() > MOST_UNREAD:
                self.kill()
            else:
                pipe_in.write(bytes(self.unsent))
        self.unsent.clear()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


@dataclass(frozen=True, slots=True)
class Seat:
    """A stream's place at a worker."""

    worker: Worker
    stream: int

    def listen(self, sentence: int, listen: int, asked: Listening) -> None:
        """Tell of a RECOGNIZE."""
        self.worker.say(
            pipe.tell(
                Kind.LISTEN,
                self.stream,
                sentence=sentence,
                listen=listen,
                give_up=asked.give_up,
                call=asked.call,
                step=asked.step,
            )
        )

    def hear(self, pcm: bytes) -> None:
        """Give sound."""
        self.worker.say(pipe.sound(self.stream, pcm))

    def leave(self) -> None:
        """Free the place."""
        if self.worker.mouths.pop(self.stream, None):
            self.worker.say(pipe.tell(Kind.CLOSE, self.stream))


class Crew:
    """All workers. Belongs to one event loop."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._numbers = count(1)
        self._workers: list[Worker] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.reason = "no model is loaded yet"
        """Why there is no worker, while there is none."""

    @property
    def ready(self) -> Sequence[Worker]:
        """Those that can be given a stream."""
        return [worker for worker in self._workers if worker.ready is not None]

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return sum(len(worker.mouths) for worker in self._workers)

    @property
    def capacity(self) -> int:
        """Streams that can be open at once."""
        return sum(map(self._room, self.ready))

    @property
    def about(self) -> Mapping[str, Any]:
        """What a worker says about its model; empty while there is none."""
        return next((worker.ready for worker in self._workers if worker.ready), {})

    def seat(self, mouth: Mouth) -> Seat | None:
        """Give *mouth* a place at the worker with most room; None: full, or nobody is there."""
        worker = max(self.ready, key=lambda one: self._room(one) - len(one.mouths), default=None)
        if worker is None or len(worker.mouths) >= self._room(worker):
            return None
        stream = next(self._numbers)
        worker.mouths[stream] = mouth
        worker.say(pipe.tell(Kind.OPEN, stream))
        return Seat(worker, stream)

    def _room(self, worker: Worker) -> int:
        assert worker.ready is not None
        return self._terms.streams or max(1, int(worker.ready["bears"]))

    # ---- their lives

    def start(self) -> None:
        """Start them, and keep them alive until `stop`."""
        for place in range(self._terms.workers):
            self._tasks.append(asyncio.create_task(self._keep(place), name=f"worker {place}"))

    async def stop(self) -> None:
        """End them all at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, place: int) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            missing = False
            try:
                ending = await self._live(place)
            except (HotlineError, OSError) as error:
                ending, missing = str(error), True
            if time.monotonic() - began > STEADY:
                failures = 0
            wait = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
            failures += 1
            if not missing or ending != self.reason:  # no model: said once, not every 3 s
                log.warning("recogniser %d: %s", place, ending)
            self.reason = ending
            await asyncio.sleep(wait)

    async def _live(self, place: int) -> str:
        """Run one worker to its end and say how it ended."""
        command = await asyncio.to_thread(self._terms.command)  # reads folders
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        worker = Worker(process)
        self._workers.append(worker)
        watch = asyncio.create_task(self._watch(place, worker))
        try:
            await self._read(place, worker)
        except (pipe.Broken, LookupError, TypeError, ValueError) as error:
            log.error("recogniser %d: talks nonsense: %r", place, error)
        finally:
            watch.cancel()
            self._workers.remove(worker)
            worker.kill()
            mouths = list(worker.mouths.values())
            worker.mouths.clear()
            for mouth in mouths:
                mouth.lost()
            assert process.stdin is not None
            process.stdin.close()
            code = await process.wait()
        return f"ended ({'signal' if code < 0 else 'exit'} {abs(code)})"

    async def _read(self, place: int, worker: Worker) -> None:
        assert worker.process.stdout is not None
        reader = pipe.Reader()
        while piece := await worker.process.stdout.read(65536):
            for packet in reader.read(piece):
                if packet.kind is Kind.PONG:
                    worker.pinged = None
                    worker.resident = int(packet.facts()["resident"])
                elif packet.kind is Kind.READY:
                    worker.ready = packet.facts()
                    worker.resident = int(worker.ready["resident"])
                    worker.loaded.set()
                    model, seconds = worker.ready["model"], worker.ready.get("seconds")
                    log.info("recogniser %d: %s is ready after %s s", place, model, seconds)
                elif mouth := worker.mouths.get(packet.stream):
                    mouth.told(packet)

    async def _watch(self, place: int, worker: Worker) -> None:
        """Kill it when it is silent for too long."""
        try:
            async with asyncio.timeout(LOAD_WITHIN):
                await worker.loaded.wait()
        except TimeoutError:
            log.error("recogniser %d: its model is not in memory after %g s", place, LOAD_WITHIN)
            worker.kill()
            return
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(PING_EVERY)
            now = time.monotonic()
            if now - asleep > 2 * PING_EVERY:
                continue  # it was us who slept: its answers are there, unread
            if worker.pinged is None:
                worker.pinged = now
                worker.say(pipe.tell(Kind.PING))
            elif now - worker.pinged > self._terms.hung_after:
                log.error("recogniser %d: does not answer; killed", place)
                worker.kill()
                return
