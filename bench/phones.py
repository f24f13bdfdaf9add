"""Desk phones on one UDP socket in this process: they note when each INVITE came, and answer it.

No media: what is measured here is signalling. The SIP is as little as a registrar and a queue need.
"""

import asyncio
import contextlib
import hashlib
import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

HOST = "127.0.0.3"


class Phones(asyncio.DatagramProtocol):
    """All phones of *agents* (extension, password); each answers *answer_after* s after it rang."""

    def __init__(
        self, exchange: str, agents: Sequence[tuple[str, str]], *, answer_after: float
    ) -> None:
        host, _, port = exchange.partition(":")
        self._exchange = (host, int(port))
        self._agents = dict(agents)
        self._answer_after = answer_after
        self._transport: asyncio.DatagramTransport | None = None
        self._port = 0
        self._registered: set[str] = set()
        self._all = asyncio.Event()
        self.invites: dict[str, float] = {}
        """Caller → monotonic seconds at which the first INVITE about them arrived."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        self._transport = transport
        self._port = transport.get_extra_info("sockname")[1]
        for extension in self._agents:
            self._register(extension, "")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        assert self._transport is not None
        self._transport.close()

    async def registered(self) -> None:
        """Wait until the exchange knows every phone."""
        async with asyncio.timeout(30):
            while not self._all.is_set():  # UDP: a burst of REGISTERs may lose some
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._all.wait()
                for extension in self._agents.keys() - self._registered:
                    self._register(extension, "")

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take one SIP message."""
        seen = time.monotonic()
        text = data.decode("utf-8", "replace")
        first = text.partition("\r\n")[0]
        if first.startswith("SIP/2.0"):
            self._answered(first, text)
        elif first.startswith("INVITE"):
            caller = re.search(r"^From:[^<]*<sip:([^@>]+)@", text, re.MULTILINE)
            if caller:
                self.invites.setdefault(caller[1], seen)
            self._reply(text, "180 Ringing", addr)
            asyncio.get_running_loop().call_later(
                self._answer_after, self._reply, text, "200 OK", addr, True
            )
        elif not first.startswith("ACK"):
            self._reply(text, "200 OK", addr)

    def _answered(self, first: str, text: str) -> None:
        extension = _header(text, "To").partition("sip:")[2].partition("@")[0]
        if " 401 " in first:
            nonce = re.search(r'nonce="([^"]+)"', text)
            realm = re.search(r'realm="([^"]+)"', text)
            opaque = re.search(r'opaque="([^"]+)"', text)
            assert nonce is not None
            assert realm is not None
            self._register(extension, self._digest(extension, realm[1], nonce[1], opaque))
        elif " 200 " in first and "REGISTER" in _header(text, "CSeq"):
            self._registered.add(extension)
            if self._registered == self._agents.keys():
                self._all.set()

    def _digest(self, extension: str, realm: str, nonce: str, opaque: re.Match[str] | None) -> str:
        uri = f"sip:{self._exchange[0]}"

        def md5(value: str) -> str:
            return hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()

        one = md5(f"{extension}:{realm}:{self._agents[extension]}")
        two = md5(f"REGISTER:{uri}")
        response = md5(f"{one}:{nonce}:00000001:abc:auth:{two}")
        return (
            f'Authorization: Digest username="{extension}", realm="{realm}", nonce="{nonce}", '
            f'uri="{uri}", response="{response}", algorithm=MD5, qop=auth, nc=00000001, '
            f'cnonce="abc"' + (f', opaque="{opaque[1]}"' if opaque else "") + "\r\n"
        )

    def _register(self, extension: str, authorization: str) -> None:
        number = 2 if authorization else 1
        self._send(
            f"REGISTER sip:{self._exchange[0]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self._port};branch=z9hG4bK{extension}{number};rport\r\n"
            f"From: <sip:{extension}@{self._exchange[0]}>;tag={extension}\r\n"
            f"To: <sip:{extension}@{self._exchange[0]}>\r\n"
            f"Call-ID: reg-{extension}\r\nCSeq: {number} REGISTER\r\n"
            f"Contact: <sip:{extension}@{HOST}:{self._port}>\r\nExpires: 3600\r\n"
            f"Max-Forwards: 70\r\n{authorization}Content-Length: 0\r\n\r\n",
            self._exchange,
        )

    def _reply(
        self, request: str, status: str, addr: tuple[str, int], with_sdp: bool = False
    ) -> None:
        to = _header(request, "To")
        if "tag=" not in to:
            to += f";tag={abs(hash(_header(request, 'Call-ID'))) % 10**9}"
        vias = "".join(f"{line}\r\n" for line in request.split("\r\n") if line.startswith("Via:"))
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
            if with_sdp
            else ""
        )
        self._send(
            f"SIP/2.0 {status}\r\n{vias}From: {_header(request, 'From')}\r\nTo: {to}\r\n"
            f"Call-ID: {_header(request, 'Call-ID')}\r\nCSeq: {_header(request, 'CSeq')}\r\n"
            f"Contact: <sip:phone@{HOST}:{self._port}>\r\n"
            + ("Content-Type: application/sdp\r\n" if body else "")
            + f"Content-Length: {len(body)}\r\n\r\n{body}",
            addr,
        )

    def _send(self, text: str, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(text.encode(), addr)


def _header(text: str, name: str) -> str:
    match = re.search(rf"^{name}: *(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return match[1].rstrip("\r") if match else ""
