"""The AMI link against a scripted manager on a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cti.asterisk.ami import ActionRefused, AsteriskUnreachable, Link

pytestmark = pytest.mark.unit

Answer = Callable[[dict[str, str], asyncio.StreamWriter], Awaitable[None]]


class ScriptedManager:
    """Speaks as much AMI as a test wants; keeps every action it was sent."""

    def __init__(self) -> None:
        self.actions: list[dict[str, str]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.booted = True
        self.mute = False
        self.answers: dict[str, Answer] = {}
        self.port = 0
        self.logins = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                block = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line)
                self.actions.append(action)
                if action["Action"] == "Login":
                    self.logins.release()
                if not self.mute:
                    await self.answer(action, writer)

    async def answer(self, action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        name = action["Action"]
        if name in self.answers:
            await self.answers[name](action, writer)
            return
        await self.say(writer, Response="Success", ActionID=action["ActionID"])
        if name == "Login" and self.booted:
            await self.say(writer, Event="FullyBooted", Status="Fully Booted")

    async def say(self, writer: asyncio.StreamWriter, **headers: str) -> None:
        block = "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        writer.write(block.encode())
        await writer.drain()

    def cut(self) -> None:
        for writer in self.writers:
            writer.close()
        self.writers.clear()


@pytest.fixture
async def manager() -> AsyncIterator[ScriptedManager]:
    scripted = ScriptedManager()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    async with server:
        yield scripted
        scripted.cut()


class Heard:
    """What the link told the house."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.boots: asyncio.Queue[None] = asyncio.Queue()
        self.downs: asyncio.Queue[None] = asyncio.Queue()

    async def booted(self) -> None:
        self.boots.put_nowait(None)

    async def event(self, name: str) -> dict[str, str]:
        while True:
            event = await self.events.get()
            if event["Event"] == name:
                return event


@contextlib.asynccontextmanager
async def linked(manager: ScriptedManager, **settings: float) -> AsyncIterator[tuple[Link, Heard]]:
    heard = Heard()
    link = Link(
        host="127.0.0.1",
        port=manager.port,
        user="hotline",
        secret="s",
        inbox=heard.events.put_nowait,
        booted=heard.booted,
        down=lambda: heard.downs.put_nowait(None),
        **settings,
    )
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(20):
            yield link, heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_login_alone_is_not_up_the_dialplan_may_not_be_loaded(
    manager: ScriptedManager,
) -> None:
    manager.booted = False
    async with linked(manager) as (link, heard):
        await manager.logins.acquire()
        assert not link.up
        with pytest.raises(AsteriskUnreachable):
            await link.act("Ping")
        await manager.say(manager.writers[0], Event="FullyBooted")
        await heard.boots.get()
        await link.act("Ping")
        assert link.up


async def test_a_lost_link_comes_back_and_nothing_is_sent_twice(manager: ScriptedManager) -> None:
    async def silence(action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        manager.cut()

    manager.answers["Originate"] = silence
    async with linked(manager, action_timeout=1.0) as (link, heard):
        await heard.boots.get()
        with pytest.raises(AsteriskUnreachable):
            await link.act("Originate", Channel="Local/1@x", Async="true")
        await heard.downs.get()
        await heard.boots.get()
        await link.act("Ping")
        sent = [a["Action"] for a in manager.actions]
        assert sent.count("Originate") == 1
        assert sent.count("Login") == 2


async def test_a_half_open_link_is_noticed_by_its_unanswered_pings(
    manager: ScriptedManager,
) -> None:
    async with linked(manager, ping_every=0.05) as (link, heard):
        await heard.boots.get()
        manager.mute = True
        await heard.downs.get()
        assert not link.state.ok
        manager.mute = False
        await heard.boots.get()


async def test_wrong_secret_is_said_and_tried_again(manager: ScriptedManager) -> None:
    async def refuse(action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await manager.say(
            writer,
            Response="Error",
            ActionID=action["ActionID"],
            Message="Authentication failed",
        )

    manager.answers["Login"] = refuse
    async with linked(manager) as (link, heard):
        await manager.logins.acquire()
        await manager.logins.acquire()
        assert link.state.last_error == "login refused: wrong user or secret"
        del manager.answers["Login"]
        await heard.boots.get()


async def test_a_letter_cut_between_two_segments_arrives_whole(manager: ScriptedManager) -> None:
    async with linked(manager) as (_, heard):
        await heard.boots.get()
        whole = "Event: Test\r\nName: 张三आशा\r\n\r\n".encode()
        for i in range(len(whole)):
            manager.writers[0].write(whole[i : i + 1])
            await manager.writers[0].drain()
            await asyncio.sleep(0)
        assert (await heard.event("Test"))["Name"] == "张三आशा"


async def test_broken_utf8_and_repeated_headers_do_not_break_the_link(
    manager: ScriptedManager,
) -> None:
    async with linked(manager) as (link, heard):
        await heard.boots.get()
        manager.writers[0].write(
            b"Event: Test\r\nName: \xff\xfe\x80\r\nLinkedid: forged\r\nLinkedid: real\r\n\r\n"
        )
        event = await heard.event("Test")
        assert event["Linkedid"] == "real"
        assert link.up


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b"])
async def test_a_line_break_in_a_value_is_refused_before_it_is_sent(
    manager: ScriptedManager, value: str
) -> None:
    async with linked(manager) as (link, heard):
        await heard.boots.get()
        with pytest.raises(ValueError, match="line break in AMI header Queue"):
            await link.act("QueueAdd", Queue=value)
        await link.act("Ping")
        assert not any(a["Action"] in ("Originate", "QueueAdd") for a in manager.actions)


async def test_an_error_of_asterisk_is_told_with_its_words(manager: ScriptedManager) -> None:
    async def refuse(action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await manager.say(
            writer, Response="Error", ActionID=action["ActionID"], Message="No such queue"
        )

    manager.answers["QueueAdd"] = manager.answers["QueueStatus"] = refuse
    async with linked(manager) as (link, heard):
        await heard.boots.get()
        with pytest.raises(ActionRefused, match="No such queue"):
            await link.act("QueueAdd", Queue="x")
        with pytest.raises(ActionRefused, match="No such queue"):
            await link.ask("QueueStatus", Queue="x")


async def test_a_list_action_returns_every_item(manager: ScriptedManager) -> None:
    async def members(action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        tag = action["ActionID"]
        await manager.say(writer, Response="Success", ActionID=tag, EventList="start")
        for name in ("8001", "8002"):
            await manager.say(writer, Event="QueueMember", ActionID=tag, Name=name)
        await manager.say(writer, Event="QueueStatusComplete", ActionID=tag, EventList="Complete")

    manager.answers["QueueStatus"] = members
    async with linked(manager) as (link, heard):
        await heard.boots.get()
        items = await link.ask("QueueStatus")
        assert [i["Name"] for i in items if i["Event"] == "QueueMember"] == ["8001", "8002"]
