"""The front that Asterisk speaks AEAP to: asyncio, never computes.

One WebSocket is one caller's `SPEECH CREATE`. Who does not fit is refused at the upgrade, with
503, so that `SPEECH CREATE` answers 0 at once and the flow goes on with keys. What a peer may cost
is bounded: messages, sound, silence, all of it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import WSCloseCode, WSMsgType, web

from ivr.speech import wire
from ivr.speech.crew import Crew, Seat
from ivr.speech.pipe import Kind, Packet
from ivr.speech.talk import Talk
from ivr.speech.wire import Garbage, Get, Set, Setup

log = logging.getLogger(__name__)

RATE = 16_000
"""Bytes of sound in a second."""
AHEAD = 30 * RATE
"""Bytes by which sound may be faster than time."""
LARGEST = 32 * 1024
"""Bytes of one message: two seconds of sound; Asterisk's have 20 ms."""
MOST_MESSAGES = 2000
"""Texts on one connection; a listen step has a dozen."""
SETUP_WITHIN = 2.0
"""Seconds for the first message."""
IDLE = 120.0
"""Seconds without any message."""
LOOK_EVERY = 0.5
"""Seconds between two looks for idle ones."""
SEND_WITHIN = 1.0
"""Seconds for a peer to take a message."""


@dataclass(slots=True)
class Tally:
    """What was done since the start."""

    answered: int = 0
    """Sentences whose words were sent."""
    late: int = 0
    """Sentences whose words did not come in time."""
    failed: int = 0
    """Sentences whose worker died."""
    refused: int = 0
    """Connections, for want of room."""


class Front:
    """The web application, and who is connected."""

    def __init__(self, crew: Crew, *, answer_within: float) -> None:
        """Begin.

        Args:
            answer_within: seconds after the end of a sentence for its words to be there.
        """
        self._crew = crew
        self._within = answer_within
        self._since = time.time()
        self._sockets: dict[web.WebSocketResponse, _Caller] = {}
        self._changed = asyncio.Event()
        self._draining = False
        self.tally = Tally()

    def app(self) -> web.Application:
        """Return the application: `/health`, and callers at any other path."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/{path:.*}", self._caller)
        app.cleanup_ctx.append(self._watched)
        return app

    async def drain(self, within: float) -> None:
        """Take no new callers, serve those who are here for up to *within* seconds, and part."""
        self._draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._sockets:
                    self._changed.clear()
                    await self._changed.wait()
        await asyncio.gather(*map(_part, list(self._sockets)))

    async def _watched(self, _app: web.Application) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._watch())
        yield
        watch.cancel()

    async def _watch(self) -> None:
        """Close who says nothing: one task for all, as a timer for each message costs."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = time.monotonic()
            for socket, caller in list(self._sockets.items()):
                if caller.idle(now):
                    await caller.close(socket, "nothing was said for too long")

    # ---- health

    def health(self) -> Mapping[str, object]:
        """Return how it goes; `ok`: a new caller would be understood, or only finds no room."""
        crew, tally = self._crew, self.tally
        about = crew.about
        full = crew.streams >= crew.capacity
        ok = bool(crew.ready) and not self._draining
        found: dict[str, object] = {
            "ok": ok,
            "model": about.get("model", ""),
            "engine": about.get("engine", ""),
            "language": about.get("language", ""),
            "workers": len(crew.ready),
            "streams": crew.streams,
            "capacity": crew.capacity,
            "draining": self._draining,
            "answered": tally.answered,
            "late": tally.late,
            "failed": tally.failed,
            "refused": tally.refused,
            "since": int(self._since),
            "worker_mb": [round(worker.resident / 1e6) for worker in crew.ready],
        }
        if ok and full:
            found["full"] = True
        if not ok:
            found["reason"] = "is being stopped" if self._draining else crew.reason
        return found

    async def _health(self, _request: web.Request) -> web.Response:
        found = self.health()
        return web.json_response(found, status=200 if found["ok"] else 503)

    # ---- callers

    async def _caller(self, request: web.Request) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if wire.PROTOCOL not in (name.strip() for name in offered.split(",")):
            raise web.HTTPBadRequest(text=f"a WebSocket of {wire.PROTOCOL} is wanted\n")
        if "Origin" in request.headers:  # a page in somebody's browser, on our machine
            raise web.HTTPForbidden(text="pages do not speak\n")
        caller = _Caller(self._within, self.tally)
        seat = None if self._draining else self._crew.seat(caller)
        if seat is None:
            self.tally.refused += 1
            raise web.HTTPServiceUnavailable(text="no room\n", headers={"Connection": "close"})
        socket = web.WebSocketResponse(
            protocols=(wire.PROTOCOL,), max_msg_size=LARGEST, compress=False, timeout=SEND_WITHIN
        )
        self._sockets[socket] = caller
        try:
            await socket.prepare(request)
            await caller.serve(socket, seat)
        finally:
            seat.leave()
            self._sockets.pop(socket, None)
            self._changed.set()
        return socket


class _Caller:
    """One connection: told by its worker at once, and by Asterisk message by message."""

    def __init__(self, answer_within: float, tally: Tally) -> None:
        self._talk = Talk(answer_within)
        self._tally = tally
        self._call = ""
        self._set_up = False
        self._messages = 0
        self._sound = 0
        self._since = self._last = time.monotonic()

    # ---- what the worker says

    def told(self, packet: Packet) -> None:
        """Note a mark; Asterisk is told when its next sound comes."""
        facts = packet.facts()
        match packet.kind:
            case Kind.BEGUN:
                self._talk.begun(facts["sentence"])
            case Kind.ENDED:
                self._talk.ended(facts["sentence"], time.monotonic())
            case Kind.SILENT:
                self._talk.silent(facts["listen"])
            case Kind.WORDS:
                self._talk.words(facts["sentence"], facts["text"], facts["score"])
            case _:
                self._talk.failed()

    def lost(self) -> None:
        """The worker died."""
        self._talk.failed()

    # ---- what Asterisk says

    async def serve(self, socket: web.WebSocketResponse, seat: Seat) -> None:
        """Serve until one side has had enough; who is idle is closed from outside."""
        try:
            async for message in socket:  # ends when they close, or breach WebSocket itself
                self._last = time.monotonic()
                if message.type is WSMsgType.BINARY:
                    await self._hear(socket, seat, message.data)
                elif message.type is WSMsgType.TEXT:
                    await self._read(socket, seat, message.data)
        except Garbage as error:
            await self.close(socket, str(error))
        except TimeoutError:
            await self.close(socket, "messages were not taken")
        except ConnectionError:
            pass

    def idle(self, now: float) -> bool:
        """Tell whether nothing was said for too long."""
        return now - self._last > (IDLE if self._set_up else SETUP_WITHIN)

    async def close(self, socket: web.WebSocketResponse, why: str) -> None:
        log.warning("call %s: speech connection closed: %s", self._call or "?", why)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(SEND_WITHIN):
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=why.encode()[:120])

    async def _hear(self, socket: web.WebSocketResponse, seat: Seat, pcm: bytes) -> None:
        if not self._set_up:
            raise Garbage("sound before the setup")
        self._sound += len(pcm)
        now = self._last
        if self._sound > (now - self._since) * RATE + AHEAD:
            raise Garbage("more sound than time")
        if self._talk.unasked:
            self._listen(seat, None)
        if self._talk.takes_sound:
            seat.hear(pcm)
        if (result := self._talk.due(now)) is None:
            return
        self._tally.answered += result.kind is wire.Kind.FINAL
        self._tally.late += result.kind is wire.Kind.LATE
        self._tally.failed += result.kind is wire.Kind.FAILED
        log.info("call %s: %s", self._call or "?", result.kind)
        await self._send(socket, wire.results(str(uuid4()), result))

    async def _read(self, socket: web.WebSocketResponse, seat: Seat, text: str) -> None:
        self._messages += 1
        if self._messages > MOST_MESSAGES:
            raise Garbage("too many messages")
        message = wire.parse(text)
        if isinstance(message, Setup):
            if wire.CODEC not in message.codecs:
                await self._send(socket, wire.refuse(message, f"only {wire.CODEC} is understood"))
                raise Garbage("no codec that we know")
            self._set_up = True
            await self._send(socket, wire.accept(message))
        elif not self._set_up:
            raise Garbage("something else before the setup")
        elif isinstance(message, Set):
            asked = message.values.get("listen")  # grammars, keys pressed: nothing to us
            if asked is not None:
                try:
                    listening = wire.listening(asked)
                except Garbage as error:
                    await self._send(socket, wire.refuse(message, str(error)))
                    raise
                self._call = listening.call
                self._listen(seat, listening)
            await self._send(socket, wire.done(message))
        elif isinstance(message, Get):
            await self._send(socket, wire.give(message, self._talk.last))
        elif message.error:
            log.warning("call %s: Asterisk did not take a result", self._call or "?")

    def _listen(self, seat: Seat, asked: wire.Listening | None) -> None:
        turn = self._talk.listen(asked)
        seat.listen(turn.sentence, turn.listen, turn.listening)

    async def _send(self, socket: web.WebSocketResponse, text: str) -> None:
        async with asyncio.timeout(SEND_WITHIN):
            await socket.send_str(text)


async def _part(socket: web.WebSocketResponse) -> None:
    """Close a connection whose other side may be gone or not listen."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SEND_WITHIN):
            await socket.close(code=WSCloseCode.GOING_AWAY)
