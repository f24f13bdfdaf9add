"""What strangers may send: SIP, AGI, REST and desk sockets, tried on the running service.

`TEXTS` × `PLACES` is the table of what is tried in calls, `AGI_ABUSE`, `DATAGRAMS`, `REASONS` and
`PATHS` of the rest. After each assault a normal citizen is served, both processes are the same
ones as before, and the ledger holds nothing but clean text.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from bench.stack import Stack
from hotline.asterisk.render import AMI_USER
from hotline.carrier import Carrier, Link
from hotline.config import secret
from tests.real import raw_sip, whole
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("hostile"),
]

MARK = "/tmp/hotline-was-here"
"""Must not come to be, neither inside Asterisk's root nor outside."""
FORGED = "Forged"
TEXTS: Mapping[str, bytes] = {
    "double quote": b'"',
    "quotes and backslash": b"\\\"'\\",
    "SQL": b"'; DROP TABLE calls; --",
    "escaped line breaks": b"1%0d%0aEvent: Forged%0d%0aForged: yes%0d%0a%0d%0a",
    "folded line": b"1\r\n Event: Forged\r\n\tForged: yes",
    "dialplan function": b"${SHELL(touch " + MARK.encode() + b")}",
    "dialplan function, escaped": b"%24%7BSHELL(touch%20" + MARK.encode() + b")%7D",
    "dialplan expression": b"$[1+1]",
    "dialplan separators": b"12345,1,Set(X=1)&|^",
    "shell": b"`touch " + MARK.encode() + b"`;$(id)|id&",
    "markup": b"<script>alert(1)</script>",
    "path": b"../../../../etc/passwd",
    "4 kB": b"9" * 4096,
    "4 kB of letters": b"A" * 4096,
    "broken UTF-8": b"\xff\xfe\xc3\x28\xed\xa0\x80",
    "zero byte": b"1\x002",
    "zero byte, escaped": b"1%002",
    "control characters": bytes(range(1, 9)) + b"\x0b\x1b[2J\x7f",
    "right-to-left override": "\u202e12345\u2066".encode(),
    "digits of other scripts": "１２３４５٣".encode(),
    "format string": b"%s%n%x%p%%",
    "nothing": b"",
}


def _headers(template: bytes) -> Callable[[bytes], dict[str, object]]:
    return lambda text: {"headers": [template.replace(b"@TEXT@", text)]}


PLACES: Mapping[str, Callable[[bytes], dict[str, object]]] = {
    "dialled user": lambda text: {"user": text},
    "caller's number": lambda text: {"from_header": b"<sip:%s@carrier>" % text},
    "caller's name": lambda text: {"from_header": b'"%s" <sip:13600000000@carrier>' % text},
    "P-Asserted-Identity": _headers(b'P-Asserted-Identity: "@TEXT@" <sip:@TEXT@@carrier>'),
    "Diversion": _headers(b'Diversion: "@TEXT@" <sip:@TEXT@@carrier>;reason=@TEXT@'),
    "History-Info": _headers(
        b"History-Info: <sip:@TEXT@@carrier?Reason=@TEXT@>;index=1, <sip:12345@x>;index=1.1"
    ),
    "other headers": _headers(
        b"User-Agent: @TEXT@\r\nSubject: @TEXT@\r\nX-Any: @TEXT@\r\nCall-Info: @TEXT@"
    ),
}
DATAGRAMS: Mapping[str, bytes] = {
    "empty": b"",
    "zeros": bytes(1400),
    "noise": os.urandom(1400),
    "large": b"INVITE sip:12345@x SIP/2.0\r\nX: " + b"a" * 60000,
    "headless": b"INVITE sip:12345@127.0.0.1 SIP/2.0\r\n\r\n",
    "negative length": b"INVITE sip:12345@127.0.0.1 SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    "no such method": b"\x00\x01\x02 sip:12345@127.0.0.1 SIP/2.0\r\n\r\n",
    "answer to nothing": b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nCall-ID: x\r\n\r\n",
    "ten thousand headers": b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\n" + b"a: b\r\n" * 10000 + b"\r\n",
}
_SESSION = (
    b"agi_network: yes\nagi_network_script: inbound\nagi_request: agi://x/inbound\n"
    b"agi_channel: PJSIP/trunk-x\nagi_uniqueid: x\nagi_callerid: 1\nagi_extension: 12345\n"
    b"agi_arg_1: hostile-1\nagi_arg_2: 12345\n\n"
)
AGI_ABUSE: Mapping[str, bytes] = {
    "noise": os.urandom(65536),
    "a browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + os.urandom(190),
    "10 MB in one line": b"a" * 10_000_000,
    "10 MB of lines": b"agi_x: y\n" * 1_100_000,
    "half a session": _SESSION[:80],
    "no such script": _SESSION.replace(b"inbound", b"../../etc/passwd"),
    "hostile arguments": _SESSION.replace(b"hostile-1", b"${SHELL(id)}'\"%0d%0a" + b"\xff" * 4000),
    "silence after the session": _SESSION,
    "garbled answer": _SESSION + b"200 result=\xff\xff (timeout endpos=-1\n" * 3,
    "usage without end": _SESSION + b"520-Invalid\n" + b"more\n" * 100_000,
    "an answer of 5 MB": _SESSION + b"200 result=" + b"1" * 5_000_000 + b"\n",
    "many answers": _SESSION + b"200 result=0\n" * 100_000,
}
REASONS: Mapping[str, str] = {
    "AMI action": "x\r\nAction: Originate\r\nChannel: Local/s@x\r\nApplication: System",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "zero byte": "a\0b",
    "line separator": "a\u2028b",
    "too long": "长" * 41,
    "lone surrogate": "\ud800",
    "function": "${SHELL(id)}",
    "nothing": "",
}
PATHS = [
    *(
        f"/api/v1/{what}/{id}"
        for what in ("calls", "tickets", "agents")
        for id in ("..%2f..%2fetc%2fpasswd", "%00", "%0d%0aSet-Cookie:%20a=b", "'%20OR%201=1--",
                   "${SHELL(id)}", "%ff%fe", "a" * 7000, "%E2%80%AE", "*", "-1", "%2e%2e",
                   "9" * 400)
    ),
    *(
        f"/api/v1/calls?{query}"
        for query in ("limit=-1", "limit=1e9", "cursor=%00", "cursor=" + "A" * 5000, "caller=%00",
                      "caller='%20OR%20'1'='1", "since=%27", "number=%ff", "outcome=x", "x=y",
                      "limit=1&limit=2", "since=99999999999999999999")
    ),
    "/ws/desk", "//api", "/api/v1/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/../x",
]  # fmt: skip
log = logging.getLogger(__name__)
_callers = itertools.count(13_500_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("hostile")
    async with whole.service(folder, agents=2, CALLS__RING="5", CALLS__WRAP_UP="0") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(running: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(running) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(running: Stack) -> AsyncIterator[raw_sip.Line]:
    async with raw_sip.line(running.sip) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def service(running: Stack, city: Carrier, line: raw_sip.Line) -> AsyncIterator[Stack]:
    """Yield the service, and look afterwards whether all is as it was."""
    marks = [Path(MARK), running.asterisk.installation.outside(PurePosixPath(MARK))]
    pids = running.asterisk.pid, running.pid
    assert None not in pids
    yield running
    line.all_hang_up()
    await running.until(running.channels, lambda there: not there)
    await served(running, line)
    assert (running.asterisk.pid, running.pid) == pids
    assert running._controller is not None
    assert running._controller.returncode is None
    assert not [mark for mark in marks if mark.exists()]
    await ledger_is_clean(running)
    words = (running.folder / "controller.log").read_text()
    assert "broke the inbox loop" not in words
    assert "SHELL" not in words, "what strangers write is in the log"


async def served(made: Stack, line: raw_sip.Line) -> None:
    """See a normal citizen through: answered by an agent, with a ticket."""
    caller = str(next(_callers))
    await made.wish("2001", "ready")
    call = line.invite("12345", caller=caller)
    assert await call.final() == 200
    await call.hears()
    call.press("0")
    await whole.row(made, caller, has(agent="2001", ticket_id=..., state="talking"))
    call.hang_up()
    await call.gone()
    assert (await whole.closed(made, caller))["outcome"] == "answered"
    await made.wish("2001", "offline")


async def ledger_is_clean(made: Stack) -> None:
    """Every row has an outcome, and nothing in it that no telephone number is made of."""
    rows = await made.until(
        lambda: made.every("/api/v1/calls?limit=500"),
        lambda found: all(row["outcome"] for row in found),
    )
    for row in rows:
        for key in ("did", "caller", "number"):
            assert set(row[key] or "") <= set("0123456789+"), row
            assert len(row[key] or "") <= 24, row
        everything = json.dumps(await made.get(f"/api/v1/calls/{row['id']}"), ensure_ascii=False)
        assert everything.isprintable(), row
        assert not {"SHELL", FORGED, "script", "passwd", "DROP"} & set(everything.split('"')), row
        assert "SHELL" not in everything


@asynccontextmanager
async def watching_ami(made: Stack) -> AsyncIterator[list[Mapping[str, str]]]:
    """Yield the events that the controller's own AMI user is told."""
    seen: list[Mapping[str, str]] = []
    link = Link(lambda event: seen.append(dict(event)))
    await link.open(
        str(made.config.ami.host),
        made.config.ami.port,
        user=AMI_USER,
        secret=secret(made.config.site.state, "ami"),
    )
    try:
        yield seen
    finally:
        await link.close()


@pytest.mark.parametrize("place", PLACES)
async def test_hostile_text_in_a_call_stays_text(
    service: Stack, line: raw_sip.Line, place: str
) -> None:
    before = len(await service.every("/api/v1/calls?limit=500"))
    gate = asyncio.Semaphore(8)

    async def call(text: bytes) -> int | None:
        more = {"user": b"12345", **PLACES[place](text)}
        async with gate:
            made = line.invite(**more)  # type: ignore[arg-type]
            try:
                code = await made.final(within=2)
            except TimeoutError:
                return None  # not SIP at all: dropped
            if code == 200:
                made.hang_up()
                await made.gone()
            return code

    async with watching_ami(service) as events:
        codes = dict(zip(TEXTS, await asyncio.gather(*map(call, TEXTS.values())), strict=True))
    log.info("%s: %s", place, codes)
    assert all(code is None or 200 <= code < 500 for code in codes.values()), codes
    assert len(events) > 3
    for event in events:
        assert event["Event"] != FORGED
        assert FORGED not in event
        # Via, Call-ID and the like are no events; whatever of an INVITE is in one was filtered
        assert "SHELL" not in " ".join(event.values()), event
    answered = sum(code == 200 for code in codes.values())
    rows = await service.until(
        lambda: service.every("/api/v1/calls?limit=500"),
        lambda found: len(found) >= before + answered,
    )
    assert len(rows) == before + answered, codes
    assert answered >= 1, codes  # the others were no SIP, or dialled what nobody has


async def test_datagrams_that_are_no_sip_disturb_nobody(service: Stack, line: raw_sip.Line) -> None:
    for packet in DATAGRAMS.values():
        line.send(packet)
    call = line.invite("12345", caller=str(next(_callers)))
    assert await call.final() == 200


async def test_whoever_is_not_the_carrier_cannot_call(service: Stack) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.9", 0))
        stranger.settimeout(2)
        port = stranger.getsockname()[1]
        stranger.sendto(
            b"INVITE sip:12345@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:%d;branch=z9hG4bKx"
            b";rport\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:12345@x>\r\nCall-ID: stranger\r\n"
            b"CSeq: 1 INVITE\r\nContact: <sip:1@127.0.0.9:%d>\r\nMax-Forwards: 70\r\n"
            b"Content-Length: 0\r\n\r\n" % (port, port),
            line_address(service),
        )
        answer = await asyncio.to_thread(stranger.recv, 65535)
    assert answer.startswith((b"SIP/2.0 401", b"SIP/2.0 403"))
    assert await service.channels() == []


def line_address(made: Stack) -> tuple[str, int]:
    host, _, port = made.sip.partition(":")
    return host, int(port)


@pytest.mark.parametrize("abuse", AGI_ABUSE)
async def test_no_agi_client_gets_the_controller_down(
    service: Stack, line: raw_sip.Line, abuse: str
) -> None:
    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.config.agi.port)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                writer.write(AGI_ABUSE[abuse])
                await writer.drain()
                if abuse != "silence after the session":
                    writer.write_eof()
                    while await reader.read(65536):
                        pass
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await writer.wait_closed()

    assaults = [asyncio.create_task(one()) for _ in range(3)]
    await served(service, line)  # while they go on
    await asyncio.gather(*assaults)


async def test_two_hundred_agi_clients_that_hang_up_at_once_or_say_nothing_block_nobody(
    service: Stack, line: raw_sip.Line
) -> None:
    where = ("127.0.0.1", service.config.agi.port)
    silent = [await asyncio.open_connection(*where) for _ in range(100)]
    try:
        for number in range(200):
            with socket.create_connection(where) as brief:
                if number % 2:  # a reset instead of a goodbye
                    brief.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await served(service, line)
    finally:
        for _, writer in silent:
            writer.close()


@pytest.mark.parametrize("reason", REASONS)
async def test_no_text_of_a_desk_becomes_an_ami_action(service: Stack, reason: str) -> None:
    text = REASONS[reason]
    clean = reason == "function"
    await service.wish("2002", "ready")
    async with watching_ami(service) as events:
        async with service.http.post(
            f"{service.web}/api/v1/agents/2002/state", json={"do": "pause", "reason": text}
        ) as answer:
            assert (answer.status == 200) if clean else (400 <= answer.status < 500), (
                await answer.text()
            )
        async with whole.desk(service, "2002") as desk:
            await desk.send({"id": "1", "do": "pause", "reason": text})
            said = await desk.answer("1")
            assert said["ok"] is clean, said
        await service.wish("2002", "offline")
        await whole.state(service, "2002", "offline")
    assert not [e for e in events if e["Event"] in (FORGED, "OriginateResponse", "Newchannel")]


async def test_hostile_paths_and_ids_are_refused_politely(service: Stack) -> None:
    codes: dict[str, int] = {}
    for path in PATHS:
        async with service.http.get(URL(service.web + path, encoded=True)) as answer:
            codes[path[:60]] = answer.status
            assert "root:" not in await answer.text()
    wrong = {
        p: c
        for p, c in codes.items()
        if c >= 500 or (c < 400 and "?caller=" not in p and "?number=" not in p)
    }
    assert not wrong


async def test_broken_http_is_answered_or_cut_and_never_waited_for(service: Stack) -> None:
    host, port = str(service.config.web.host), service.config.web.port
    for request in (
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /api/v1/tickets HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/tickets HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /status HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\tc\r\n"
        b"Authorization: Bearer \xff\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, port)
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                    writer.write_eof()
                answer = await reader.read(4096)
            assert not answer or answer.split()[1][:1] in (b"2", b"4"), (request[:60], answer[:200])
        writer.close()
    async with aiohttp.ClientSession() as http, http.get(service.web + "/status") as answer:
        assert answer.status == 200
