"""A real Asterisk for the tests: the exchange as production renders it, and a city around it."""

import asyncio
import itertools
import os
import re
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from hotline.asterisk import install
from hotline.asterisk.instance import Instance
from hotline.asterisk.render import AgentPhone, CarrierPhone, City, Secrets, ha1, render
from hotline.carrier import Carrier, Link
from schemas import config
from schemas.errors import Unavailable
from schemas.numbers import Integration, Number, Register

CITIZEN_SIDE, PHONE_SIDE, EXCHANGE_SIDE = "127.0.0.2", "127.0.0.3", "127.0.0.1"
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ranges = itertools.count(10_000 + _worker * 5_000 + os.getpid() % 7 * 100, 200)


def free_port(host: str) -> int:
    """Return a port of *host* that is free for UDP and TCP just now, below the ephemeral ones."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((host, 0))
                udp.bind((host, tcp.getsockname()[1]))
            except OSError:
                continue
            return int(tcp.getsockname()[1])


def rtp_range(ports: int = 200) -> tuple[int, int]:
    """Return a range of RTP ports that no other instance of this process uses."""
    start = next(_ranges)
    for _ in range(ports // 200 - 1):
        next(_ranges)
    return start, start + ports


def number(digits: str, *, unit: str, **more: object) -> Number:
    """Return a number of the register, integrated unless *more* says otherwise."""
    usual: dict[str, object] = {
        "line_no": 1, "hotline": f"热线{digits}", "owner_unit": f"单位{unit}",
        "integration": Integration.INTEGRATED, "notice": "greeting", "flow": "integrated",
    }  # fmt: skip
    return Number(number=digits, unit=unit, **{**usual, **more})  # type: ignore[arg-type]


REGISTER = Register(
    {
        n.number: n
        for n in (
            number("12345", unit="gov", flow="main"),
            number("12336", unit="land"),
            number("12320", unit="health"),
            number("12369", unit="env", integration=Integration.DUAL_RUN, flow="dual_run",
                   seat="3260001", seat_seconds=3),
            number("95598", unit="power", integration=Integration.NOT_INTEGRATED,
                   flow="not_integrated", onward="95598"),
        )
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The tables of `hotline.toml` a test exchange is made from; all ports free ones."""

    site: config.Site = field(default_factory=config.Site)
    asterisk: config.Asterisk
    trunk: config.Trunk
    ami: config.Ami
    agi: config.Agi
    speech: config.Speech
    calls: config.Calls = field(default_factory=config.Calls)


def setting(*, ports: int = 200, calls: config.Calls | None = None) -> Setting:
    """Return settings on free ports of the loopback addresses."""
    start, end = rtp_range(ports)
    here = EXCHANGE_SIDE
    return Setting(
        asterisk=config.Asterisk(
            sip_port=free_port(here), rtp_start=start, rtp_end=end, http_port=free_port(here)
        ),
        trunk=config.Trunk(host=f"{CITIZEN_SIDE}:{free_port(CITIZEN_SIDE)}"),
        ami=config.Ami(port=free_port(here)),
        agi=config.Agi(port=free_port(here)),
        speech=config.Speech(port=free_port(here)),
        calls=calls or config.Calls(ring=5),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A running test exchange."""

    instance: Instance
    settings: Setting
    secret: str
    agents: Sequence[str]

    def password(self, extension: str) -> str:
        """Return the SIP password of an agent's phone."""
        return f"pass-{extension}"

    @property
    def sip(self) -> str:
        """Host and port of its SIP."""
        return f"{EXCHANGE_SIDE}:{self.settings.asterisk.sip_port}"

    async def link(self, told: Callable[[object], None]) -> Link:
        """Return an open AMI link as the controller has it."""
        made = Link(told)
        await made.open(EXCHANGE_SIDE, self.settings.ami.port, user="hotline", secret=self.secret)
        return made


class RawCall(asyncio.DatagramProtocol):
    """A citizen who writes the INVITE byte by byte, for text that no honest telephone would send.

    One UDP socket on the carrier's address; understands just enough to hold and end a
    call.
    """

    def __init__(self) -> None:
        self.replies: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.host, self.port = transport.get_extra_info("sockname")
        self.id = uuid4().hex

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"SIP/2.0"):
            self.replies.put_nowait(data)
        elif data.startswith(b"BYE"):
            self.transport.sendto(self._answer_to(data), addr)
            self.replies.put_nowait(data)

    def invite(
        self,
        exchange: str,
        *,
        user: bytes = b"12345",
        from_header: bytes = b"<sip:13900000000@carrier>",
        headers: bytes = b"",
    ) -> None:
        """Send an INVITE whose request URI has the user part *user*, exactly as given."""
        self.exchange = exchange.encode()
        self.user, self.from_header = user, from_header
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=audio 39998 RTP/AVP 8 0\r\n"
        ).encode()
        self._send(b"INVITE", 1, headers + b"Content-Type: application/sdp\r\n", sdp)

    def hang_up(self, to_header: bytes) -> None:
        """Send BYE."""
        self._send(b"BYE", 2, to=to_header)

    async def final(self, within: float = 5.0) -> tuple[int, bytes]:
        """Return the final answer to the last request and its To header; a 200 is acknowledged."""
        async with asyncio.timeout(within):
            while True:
                reply = await self.replies.get()
                if reply.startswith(b"SIP/2.0") and (code := int(reply[8:11])) >= 200:
                    to = re.search(rb"\r\nTo: ([^\r]*)", reply)
                    assert to is not None
                    if b" INVITE\r\n" in reply:
                        self._send(b"ACK", 1, to=to[1])
                    return code, to[1]

    async def gone(self) -> None:
        """Wait until the exchange hangs up."""
        async with asyncio.timeout(10):
            while not (await self.replies.get()).startswith(b"BYE"):
                pass

    def _send(
        self, method: bytes, number: int, headers: bytes = b"", body: bytes = b"", to: bytes = b""
    ) -> None:
        to = to or b"<sip:12345@" + self.exchange + b">"
        lines = [
            b"%s sip:%s@%s SIP/2.0" % (method, self.user, self.exchange),
            b"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%s;rport"
            % (self.host.encode(), self.port, self.id.encode(), method),
            b"Max-Forwards: 70",
            b"From: %s;tag=%s" % (self.from_header, self.id[:8].encode()),
            b"To: " + to,
            b"Call-ID: " + self.id.encode(),
            b"CSeq: %d %s" % (number, method),
            b"Contact: <sip:raw@%s:%d>" % (self.host.encode(), self.port),
            headers + b"Content-Length: %d" % len(body),
        ]
        host, _, port = self.exchange.decode().partition(":")
        self.transport.sendto(b"\r\n".join(lines) + b"\r\n\r\n" + body, (host, int(port)))

    def _answer_to(self, request: bytes) -> bytes:
        wanted = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")
        lines = [line for line in request.split(b"\r\n") if line.startswith(wanted)]
        return b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""])


@pytest.fixture(scope="session")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> install.Installation:
    """Return the Asterisk to test with; skip without one, but fail in CI."""
    try:
        return install.find(None, Path(".local"))
    except Unavailable as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


@asynccontextmanager
async def running_exchange(
    asterisk: install.Installation,
    state: Path,
    *,
    agents: Sequence[str] = ("8001", "8002", "8003"),
    settings: Setting | None = None,
    register: Register = REGISTER,
    prompts: Path | None = None,
) -> AsyncIterator[Exchange]:
    """Run an exchange and delete it afterwards."""
    settings = settings or setting()
    instance = Instance(asterisk, asterisk.home(state, f"x{uuid4().hex[:8]}"))
    secret = secrets.token_urlsafe(24)
    try:
        files = render(
            settings,
            register,
            agents=[AgentPhone(extension=a, ha1=ha1(a, f"pass-{a}")) for a in agents],
            secrets=Secrets(ami=secret),
            directories=instance.directories,
            version=asterisk.version,
            available=asterisk.modules(),
        )
        instance.write(files, prompts={"hotline": prompts} if prompts else {})
        await instance.start()
        yield Exchange(instance=instance, settings=settings, secret=secret, agents=agents)
    finally:
        await instance.stop()
        if keep := os.environ.get("HOTLINE_KEEP"):  # a folder, to look at afterwards
            shutil.copytree(instance.home, Path(keep) / instance.home.name, symlinks=True)
        instance.remove()


@asynccontextmanager
async def running_city(
    asterisk: install.Installation, state: Path, exchange: Exchange
) -> AsyncIterator[Carrier]:
    """Run the city around *exchange*: all its agents have a desk phone there."""
    start, end = rtp_range(400)
    city = City(
        hotline=exchange.sip,
        secret=secrets.token_urlsafe(24),
        trunk_host=CITIZEN_SIDE,
        trunk_port=int(exchange.settings.trunk.host.partition(":")[2]),
        phones_host=PHONE_SIDE,
        phones_port=free_port(PHONE_SIDE),
        ami_host=CITIZEN_SIDE,
        ami_port=free_port(CITIZEN_SIDE),
        rtp_start=start,
        rtp_end=end,
        phones=tuple(
            CarrierPhone(extension=a, password=exchange.password(a)) for a in exchange.agents
        ),
    )
    async with Carrier(asterisk, asterisk.home(state, f"c{uuid4().hex[:8]}"), city) as carrier:
        async with asyncio.timeout(20):
            await carrier.registered(*exchange.agents)
        yield carrier


@pytest.fixture
async def exchange(asterisk: install.Installation, tmp_path: Path) -> AsyncIterator[Exchange]:
    """Yield a fresh exchange with three agents and the small register of this file."""
    async with running_exchange(asterisk, tmp_path) as made:
        yield made


@pytest.fixture
async def carrier(
    asterisk: install.Installation, tmp_path: Path, exchange: Exchange
) -> AsyncIterator[Carrier]:
    """Yield the city around `exchange`, its desk phones registered."""
    async with running_city(asterisk, tmp_path, exchange) as made:
        yield made


@pytest.fixture
async def raw_call() -> AsyncIterator[Callable[[], Awaitable[RawCall]]]:
    """Yield what makes raw callers on the carrier's address."""
    loop = asyncio.get_running_loop()
    made: list[RawCall] = []

    async def make() -> RawCall:
        _, protocol = await loop.create_datagram_endpoint(RawCall, local_addr=(CITIZEN_SIDE, 0))
        made.append(protocol)
        return protocol

    yield make
    for call in made:
        call.transport.close()
