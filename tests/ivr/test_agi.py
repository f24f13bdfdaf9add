"""The FastAGI server on real sockets: callers, and peers that mean no good."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ivr.agi import (
    AgiServer,
    AsteriskSilent,
    CallerGone,
    CommandFailed,
    Session,
)

pytestmark = pytest.mark.unit

Block = Callable[..., bytes]
Soon = Callable[[Callable[[], bool]], Awaitable[None]]


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side closes, also when it resets."""
    got = b""
    try:
        async with asyncio.timeout(10):
            while data := await reader.read(65536):
                got += data
    except ConnectionError:
        pass
    return got


async def one_good_call(server: AgiServer, asterisk_side: Any, block: Block) -> bool:
    """Be an ordinary caller; True when the script served us."""
    side = asterisk_side(server.port)
    await side.call(block())
    return [words[0] for words in side.commands] == ["NOOP"]


async def noop(session: Session) -> None:
    await session.command("NOOP")


async def test_a_caller_is_asked_and_answers(
    serving: Any, asterisk_side: Any, block: Block
) -> None:
    got: list[object] = []

    async def script(session: Session) -> None:
        await session.keep_alive(30)
        got.append(await session.play("a"))
        got.append(await session.play("b", keys="1"))
        got.append(await session.wait(2.0))
        got.append(await session.wait(1.5))
        await session.set_variables({"TIMEOUT(absolute)": 0, "HOTLINE_ROUTE": "queue"})

    async with serving(script) as server:
        side = asterisk_side(
            server.port,
            {
                "STREAM FILE b 1": "200 result=49 endpos=4000\n",
                "WAIT FOR DIGIT 2000": "200 result=35\n",
                "WAIT FOR DIGIT": "200 result=0\n",
            },
        )
        await side.call(block("12345"))
    assert got == [None, "1", "#", None]
    assert ["WAIT", "FOR", "DIGIT", "1500"] in side.commands
    assert side.variables == {"TIMEOUT(absolute)": "0", "HOTLINE_ROUTE": "queue"}


async def test_a_session_knows_its_script_and_arguments(
    serving: Any, asterisk_side: Any, block: Block
) -> None:
    seen: list[object] = []

    async def script(session: Session) -> None:
        seen.extend([session.script, session.arguments])

    async with serving(script) as server:
        await asterisk_side(server.port).call(block("12336", "", "12320"))
    assert seen == ["inbound", ("n1-1795398938.1", "12336", "", "12320")]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"STREAM": "200 result=-1 endpos=0\n"}, CommandFailed),
        ({"STREAM": "510 Invalid or unknown command\n"}, CommandFailed),
        ({"STREAM": "520-Usage\nx\n520 End of proper usage.\n"}, CommandFailed),
        ({"STREAM": "200 result=-1 endpos=0\n", "CHANNEL": None}, CallerGone),
        ({"STREAM": "200 result=-1\n", "CHANNEL": "511 Command Not Permitted\n"}, CallerGone),
        ({"STREAM": "HANGUP\n200 result=-1 endpos=0\n"}, CallerGone),
        ({"STREAM": "200 result=-1 endpos=0\nHANGUP\n"}, CallerGone),
        ({"STREAM": b"HANGUP\n"}, CallerGone),
        ({"STREAM": None}, CallerGone),
        ({"STREAM": "200 res"}, AsteriskSilent),
        ({"STREAM": b""}, AsteriskSilent),
    ],
)
async def test_a_failed_command_a_hangup_and_silence_are_three_things(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    answers: dict[str, str | bytes | None],
    error: type[Exception],
) -> None:
    raised: list[type[BaseException]] = []

    async def script(session: Session) -> None:
        for _ in range(2):
            try:
                await session.command("STREAM FILE", "x", "", within=0.2)
            except (CommandFailed, CallerGone) as failed:
                raised.append(type(failed))
            except AsteriskSilent as silent:
                raised.extend([type(silent)] * 2)
                raise

    async with serving(script) as server:
        await asterisk_side(server.port, answers).call(block())
    assert raised == [error, error]


@pytest.mark.parametrize(
    "values",
    [
        {"HOTLINE_TARGET": "${SHELL(id)}"},
        {"HOTLINE_TARGET": "1,EVIL=2"},
        {"HOTLINE_TARGET": 'a"b'},
        {"HOTLINE_TARGET": "a\nb"},
        {"HOTLINE_TARGET": "热线"},
        {"GLOBAL(X)": "1"},
        {"lower": "1"},
    ],
)
async def test_a_variable_the_dialplan_might_act_upon_is_refused(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    values: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(session: Session) -> None:
        await session.set_variables(values)

    async with serving(script) as server:
        side = asterisk_side(server.port)
        await side.call(block())
    assert side.commands == []
    assert "not a safe value" in caplog.text


async def test_connect_and_close_harms_nobody(
    serving: Any, asterisk_side: Any, block: Block, ticking: Callable[[], int], soon: Soon
) -> None:
    async with serving(noop) as server:
        for n in range(200):
            _, writer = await connect(server.port)
            if n % 2:  # a reset instead of a close
                sock = writer.get_extra_info("socket")
                sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
                )
            writer.close()
        before = ticking()
        await soon(lambda: server.sessions == 0 and ticking() > before + 5)
        assert await one_good_call(server, asterisk_side, block)


async def test_silence_is_left_after_the_time_for_the_environment(
    serving: Any, asterisk_side: Any, block: Block
) -> None:
    async with serving(noop, environment_within=0.1) as server:
        reader, writer = await connect(server.port)
        assert await closed(reader) == b""
        writer.close()
        assert await one_good_call(server, asterisk_side, block)


async def test_a_slow_loris_gets_no_more_time_than_silence(
    serving: Any, asterisk_side: Any, block: Block
) -> None:
    async with serving(noop, environment_within=0.2) as server:
        reader, writer = await connect(server.port)

        async def drip() -> None:
            for byte in block() * 100:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)

        task = asyncio.create_task(drip())
        assert await closed(reader) == b""
        task.cancel()
        writer.transport.abort()
        assert await one_good_call(server, asterisk_side, block)


async def test_byte_by_byte_but_in_time_is_an_ordinary_call(serving: Any, block: Block) -> None:
    async with serving(noop) as server:
        reader, writer = await connect(server.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in block():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await reader.readline() == b"NOOP\n"
        writer.write(b"200 result=0\n")
        assert await closed(reader) == b""
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(range(256)) * 64,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\n\n\n\n",
        b"agi_network: yes\nagi_network: yes\n\n",
        b"x" * 10_000_000,
        b"agi_x: y\n" * 1_000_000,
        b"".join(b"agi_k%d: 1\n" % n for n in range(500_000)),
    ],
    ids=["http", "bytes", "tls", "newlines", "twice", "10MB", "10MB lines", "10MB values"],
)
async def test_garbage_is_closed_and_the_loop_keeps_ticking(
    serving: Any,
    asterisk_side: Any,
    block: Block,
    ticking: Callable[[], int],
    soon: Soon,
    data: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(noop, environment_within=0.5) as server:
        reader, writer = await connect(server.port)
        before = ticking()
        writer.write(data)
        assert await closed(reader) == b""
        await soon(lambda: ticking() > before)
        writer.transport.abort()
        assert await one_good_call(server, asterisk_side, block)
    assert len(caplog.text) < 2000  # what a stranger sends is not what we log
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("flood", [b"x" * 10_000_000, b"100 Trying\n" * 900_000, b"HANGUP\n" * 10])
async def test_a_flood_instead_of_a_reply_ends_the_session_only(
    serving: Any, asterisk_side: Any, block: Block, flood: bytes
) -> None:
    async def script(session: Session) -> None:
        await session.command("NOOP", within=0.5)

    async with serving(script) as server:
        await asterisk_side(server.port, {"NOOP": flood}).call(block())
        assert await one_good_call(server, asterisk_side, block)


async def test_an_end_of_file_in_the_middle_of_the_environment_is_no_error(
    serving: Any, block: Block, caplog: pytest.LogCaptureFixture, soon: Soon
) -> None:
    async with serving(noop) as server:
        reader, writer = await connect(server.port)
        writer.write(block()[:40])
        writer.write_eof()
        assert await closed(reader) == b""
        writer.close()
        await soon(lambda: server.sessions == 0)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_three_hundred_callers_at_once_are_all_served(
    serving: Any, asterisk_side: Any, block: Block, ticking: Callable[[], int]
) -> None:
    together, here = asyncio.Event(), 0

    async def script(session: Session) -> None:
        nonlocal here
        here += 1
        if here == 300:
            together.set()
        await together.wait()
        await session.play("greeting")
        await session.wait(1.0)
        await session.set_variables({"HOTLINE_ROUTE": "queue"})

    async with serving(script) as server, asyncio.timeout(30):
        sides = [asterisk_side(server.port) for _ in range(300)]
        before = ticking()
        await asyncio.gather(*(side.call(block("12345")) for side in sides))
        assert ticking() > before
    assert all(side.variables == {"HOTLINE_ROUTE": "queue"} for side in sides)


async def test_more_callers_than_allowed_are_left_to_the_dialplan(
    serving: Any, asterisk_side: Any, block: Block, soon: Soon
) -> None:
    leave = asyncio.Event()

    async def script(session: Session) -> None:
        await leave.wait()
        await session.command("NOOP")

    async with serving(script, most=2) as server, asyncio.timeout(10):
        first = [asyncio.create_task(asterisk_side(server.port).call(block())) for _ in range(2)]
        await soon(lambda: server.sessions == 2)
        for _ in range(3):
            reader, writer = await connect(server.port)
            assert await closed(reader) == b""
            writer.close()
        assert (server.refused, server.sessions) == (3, 2)
        leave.set()
        await asyncio.gather(*first)
        await soon(lambda: server.sessions == 0)
        assert await one_good_call(server, asterisk_side, block)


async def test_a_script_that_breaks_closes_its_own_call_only(
    serving: Any, asterisk_side: Any, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    async def script(session: Session) -> None:
        if broken:
            raise ZeroDivisionError
        await session.command("NOOP")

    async with serving(script) as server:
        side = asterisk_side(server.port)
        await side.call(block())
        assert side.commands == []
        broken = False
        assert await one_good_call(server, asterisk_side, block)
    assert "ZeroDivisionError" in caplog.text


async def test_a_script_nobody_wrote_is_closed(
    serving: Any, asterisk_side: Any, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(noop) as server:
        side = asterisk_side(server.port)
        await side.call(block(script="${EVIL}"))
    assert side.commands == []
    assert "EVIL" not in caplog.text


async def test_a_stopping_server_lets_callers_finish(
    serving: Any, asterisk_side: Any, block: Block
) -> None:
    began, leave = asyncio.Event(), asyncio.Event()

    async def script(session: Session) -> None:
        began.set()
        await leave.wait()
        await session.command("NOOP")

    async with serving(script) as server, asyncio.timeout(10):
        side = asterisk_side(server.port)
        call = asyncio.create_task(side.call(block()))
        await began.wait()
        asyncio.get_running_loop().call_later(0.05, leave.set)
    await call
    assert side.commands == [["NOOP"]]


async def test_a_stopping_server_does_not_wait_for_ever(
    serving: Any, asterisk_side: Any, block: Block
) -> None:
    began = asyncio.Event()

    async def script(session: Session) -> None:
        began.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        async with serving(script, drain_within=0.05) as server:
            call = asyncio.create_task(asterisk_side(server.port).call(block()))
            await began.wait()
        await call
