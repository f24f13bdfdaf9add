"""Citizens who write SIP byte by byte: any header, any hostile text, keys as RFC 4733 events.

One UDP socket on the carrier's address serves all of them, another one their media. It knows just
enough SIP to call, acknowledge, hear, press and hang up; calls to it are busy.
"""

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

HOST = "127.0.0.2"
RESEND = (0.5, 1.0, 2.0, 4.0)
"""Seconds until a request nobody answered is sent again (RFC 3261 17.1.1.2)."""


@dataclass(eq=False)
class RawCall:
    """One call; its milestones can be awaited."""

    line: "Line"
    user: bytes
    id: str = field(default_factory=lambda: uuid4().hex)
    from_header: bytes = b""
    code: asyncio.Future[int] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Final answer to the INVITE."""
    voice: asyncio.Event = field(default_factory=asyncio.Event)
    """The exchange has begun to say something."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    heard: bytearray = field(default_factory=bytearray)
    """What the exchange has said so far, μ-law."""
    to_header: bytes = b""
    media: tuple[str, int] | None = None
    sequence: int = 0
    _pending: set[str] = field(default_factory=set)

    async def final(self, within: float = 10.0) -> int:
        """Return the final answer's code."""
        async with asyncio.timeout(within):
            return await asyncio.shield(self.code)

    async def hears(self, within: float = 10.0) -> None:
        """Wait until the exchange says something."""
        async with asyncio.timeout(within):
            await self.voice.wait()

    async def gone(self, within: float = 10.0) -> None:
        """Wait until the call is over."""
        async with asyncio.timeout(within):
            await self.ended.wait()

    def press(self, key: str) -> None:
        """Press one key for 100 ms."""
        event = "0123456789*#".index(key)
        stamp = 8000
        for step in (160, 400, 800, 800, 800):
            last = step == 800
            payload = struct.pack("!BBH", event, (0x80 if last else 0) | 10, step)
            self._rtp(101, stamp, payload, marker=step == 160)

    def silence(self) -> None:
        """Send 20 ms of silence: Answer() waits for the first audio."""
        self._rtp(0, 160, b"\xff" * 160)

    def hang_up(self) -> None:
        """Say goodbye."""
        self.line.request(self, b"BYE", 2)

    def _rtp(self, kind: int, stamp: int, payload: bytes, *, marker: bool = False) -> None:
        if self.media is None:
            return
        self.sequence += 1
        head = struct.pack(
            "!BBHII", 0x80, (0x80 if marker else 0) | kind, self.sequence, stamp, 0x12345
        )
        self.line.speak(head + payload, self.media)


class Line(asyncio.DatagramProtocol):
    """The socket of all these citizens."""

    def __init__(self, exchange: str) -> None:
        host, _, port = exchange.partition(":")
        self.exchange = (host, int(port))
        self.calls: dict[str, RawCall] = {}
        self.hearers: dict[int, RawCall] = {}
        """Calls by the exchange's media port."""
        self.refused: list[bytes] = []
        """Calls that came to us and were told that we are busy."""
        self.media_port = 0
        self.media: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    def speak(self, packet: bytes, where: tuple[str, int]) -> None:
        assert self.media is not None
        self.media.sendto(packet, where)

    def send(self, packet: bytes) -> None:
        """Send any bytes at all to the exchange."""
        self.transport.sendto(packet, self.exchange)

    def invite(
        self,
        user: str | bytes = b"12345",
        *,
        caller: str = "13900000000",
        from_header: bytes | None = None,
        headers: Sequence[str | bytes] = (),
    ) -> RawCall:
        """Call *user*, exactly as given; returns at once."""
        user = user.encode() if isinstance(user, str) else user
        call = RawCall(self, user)
        call.from_header = from_header or f"<sip:{caller}@{HOST}>".encode()
        self.calls[call.id] = call
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {self.media_port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        ).encode()
        more = [h.encode() if isinstance(h, str) else h for h in headers]
        self.request(call, b"INVITE", 1, [*more, b"Content-Type: application/sdp"], sdp)
        return call

    def all_hang_up(self) -> list[RawCall]:
        """Let everybody who was answered say goodbye; returns them."""
        talking = [c for c in self.calls.values() if c.code.done() and not c.ended.is_set()]
        for call in talking:
            call.hang_up()
        return talking

    def request(
        self,
        call: RawCall,
        method: bytes,
        number: int,
        headers: Sequence[bytes] = (),
        body: bytes = b"",
    ) -> None:
        target = b"%s:%d" % (self.exchange[0].encode(), self.exchange[1])
        lines = [
            b"%s sip:%s@%s SIP/2.0" % (method, call.user, target),
            b"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%d%s;rport"
            % (HOST.encode(), self.port, call.id.encode(), number, method),
            b"Max-Forwards: 70",
            b"From: %s;tag=%s" % (call.from_header, call.id[:8].encode()),
            b"To: " + (call.to_header or b"<sip:12345@%s>" % target),
            b"Call-ID: " + call.id.encode(),
            b"CSeq: %d %s" % (number, method),
            b"Contact: <sip:raw@%s:%d>" % (HOST.encode(), self.port),
            *headers,
            b"Content-Length: %d" % len(body),
        ]
        packet = b"\r\n".join(lines) + b"\r\n\r\n" + body
        self.send(packet)
        if method != b"ACK":
            call._pending.add(f"{number} {method.decode()}")
            self._again(call, f"{number} {method.decode()}", packet, 0)

    def _again(self, call: RawCall, what: str, packet: bytes, turn: int) -> None:
        def resend() -> None:
            if what in call._pending and not self.transport.is_closing():
                self.send(packet)
                self._again(call, what, packet, turn + 1)

        if turn < len(RESEND):
            asyncio.get_running_loop().call_later(RESEND[turn], resend)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        found = re.search(rb"\r\nCall-ID: *([^\r]*)", data, re.IGNORECASE)
        call = self.calls.get(found[1].decode(errors="replace")) if found else None
        if not data.startswith(b"SIP/2.0"):
            self._asked(data, call)
        elif call is not None:
            self._answered(data, call)

    def _asked(self, data: bytes, call: RawCall | None) -> None:
        if data.startswith(b"ACK"):
            return
        if data.startswith(b"BYE") and call is not None:
            call.ended.set()
        busy = data.startswith(b"INVITE") and call is None
        if busy:
            self.refused.append(data)
        kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
        lines = [line for line in data.split(b"\r\n") if line.lower().startswith(kept)]
        status = b"SIP/2.0 486 Busy Here" if busy else b"SIP/2.0 200 OK"
        self.send(b"\r\n".join([status, *lines, b"Content-Length: 0", b"", b""]))

    def _answered(self, data: bytes, call: RawCall) -> None:
        code = int(data[8:11])
        sequence = re.search(rb"\r\nCSeq: *(\d+ \w+)", data)
        what = sequence[1].decode() if sequence else ""
        call._pending.discard(what)
        if code < 200 or not what:
            return
        if what.endswith("INVITE"):
            to = re.search(rb"\r\nTo: *([^\r]*)", data)
            call.to_header = to[1] if to else b""
            self.request(call, b"ACK", 1)
            if media := re.search(rb"\r\nc=IN IP4 (\S+)\r\n.*?m=audio (\d+)", data, re.DOTALL):
                call.media = (media[1].decode(), int(media[2]))
                self.hearers[call.media[1]] = call
                call.silence()
            if code >= 300:
                call.ended.set()
            if not call.code.done():
                call.code.set_result(code)
        elif what.endswith("BYE"):
            call.ended.set()


class _Ears(asyncio.DatagramProtocol):
    def __init__(self, line: Line) -> None:
        self.line = line

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if call := self.line.hearers.get(addr[1]):
            call.voice.set()
            if len(data) > 12 and data[1] & 0x7F == 0:
                call.heard += data[12:]


@asynccontextmanager
async def line(exchange: str, *, port: int = 0) -> AsyncIterator[Line]:
    """Yield a line of citizens; whoever still talks in the end hangs up."""
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(
        lambda: Line(exchange), local_addr=(HOST, port)
    )
    made.media, _ = await loop.create_datagram_endpoint(lambda: _Ears(made), local_addr=(HOST, 0))
    made.media_port = int(made.media.get_extra_info("sockname")[1])
    try:
        yield made
    finally:
        talking = made.all_hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.gather(*(call.ended.wait() for call in talking))
        transport.close()
        made.media.close()
