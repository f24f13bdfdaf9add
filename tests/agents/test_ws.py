"""The desk socket: snapshot, numbered changes, answers; and what must not break it."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import ws
from agents.hub import REPLACED, Outbox
from schemas.calls import AgentId
from schemas.identity import Role

if TYPE_CHECKING:
    from tests.agents.conftest import House

pytestmark = [pytest.mark.unit]
one_database = pytest.mark.parametrize("database_kind", ["sqlite"])

ONE, TWO = AgentId("8001"), AgentId("8002")
Socket = aiohttp.ClientWebSocketResponse


async def said(socket: Socket) -> dict[str, Any]:
    async with asyncio.timeout(5):
        return await socket.receive_json()


async def closed(socket: Socket) -> int | None:
    async with asyncio.timeout(5):
        while (await socket.receive()).type not in (
            aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.ERROR,
        ):  # fmt: skip
            pass
    return socket.close_code


async def until(house: House, condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the server's side has no event for a client
            await asyncio.sleep(0)


@one_database
async def test_a_desk_gets_a_snapshot_then_changes_that_count_from_it(house: House) -> None:
    headers = await house.token(Role.AGENT, ONE)
    house.room.desks.ready(ONE)
    async with house.client.ws_connect(ws.PATH, headers=headers) as desk:
        snapshot = await said(desk)
        assert (snapshot["type"], snapshot["v"]) == ("snapshot", 1)
        assert (snapshot["me"]["state"], snapshot["me"]["desk"]) == ("ready", True)
        house.room.ring(ONE)
        house.room.ring(TWO, "other")
        house.room.answer(ONE)
        changes = [await said(desk) for _ in range(4)]
        assert [change["v"] for change in changes] == [2, 3, 4, 5]
        assert [change["type"] for change in changes] == ["state", "pop", "state", "call"]
        assert changes[1]["body"]["caller"] == "13991700001"


@one_database
async def test_a_desk_that_opens_in_the_middle_of_a_call_sees_it(house: House) -> None:
    house.room.ring(ONE)
    house.room.answer(ONE)
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as desk:
        snapshot = await said(desk)
    assert snapshot["call"]["id"] == snapshot["pop"]["call"] == "n1-1.1"


@one_database
async def test_commands_are_done_and_answered_with_their_id(house: House) -> None:
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as desk:
        await said(desk)
        for command, state in (
            ({"do": "ready"}, "ready"),
            ({"do": "pause", "reason": "午餐"}, "paused"),
            ({"do": "offline"}, "offline"),
        ):
            await desk.send_json({"id": "x1"} | command)
            change, answer = await said(desk), await said(desk)
            assert (change["type"], change["body"]["state"]) == ("state", state)
            assert answer == {"type": "answer", "id": "x1", "ok": True, "error": None}
        await desk.send_json({"id": "x2", "do": "ping"})
        assert (await said(desk))["id"] == "x2"


@one_database
async def test_garbage_is_answered_and_the_desk_lives_on(house: House) -> None:
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as desk:
        await said(desk)
        for garbage, id in (
            ("", ""), ("{", ""), ("null", ""), ("[" * 9000, ""), ('{"id":"a"}', "a"),
            ('{"id":"b","do":"explode"}', "b"), ('{"id":"c","do":"pause"}', "c"),
            ('{"id":"d","do":"pause","reason":"' + "x" * 41 + '"}', "d"),
            ('{"id":"e","do":"ready","more":1}', "e"), ('{"id":5,"do":"ready"}', ""),
            ('{"id":"' + "i" * 65 + '","do":"ping"}', ""), ("\ufeff{}", ""), ("😀" * 1000, ""),
        ):  # fmt: skip
            await desk.send_str(garbage)
            answer = await said(desk)
            assert (answer["ok"], answer["id"], answer["error"]["error"]) == (False, id, "invalid")
        await desk.send_bytes(b"\x00\xff")
        assert (await said(desk))["ok"] is False
        await desk.send_json({"id": "z", "do": "ping"})
        assert (await said(desk))["ok"] is True
        assert house.room.queue.told == []


@given(st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "do", "reason"]), inner),
).map(json.dumps))  # fmt: skip
def test_whatever_a_desk_says_is_answered_once(text: str) -> None:
    outbox = Outbox(4)
    ws.obey(text, Deaf(), ONE, outbox)  # type: ignore[arg-type]
    assert outbox._lines.qsize() == 1


class Deaf:
    """Desks that take every wish."""

    def ready(self, agent: AgentId) -> None: ...
    def pause(self, agent: AgentId, reason: str) -> None: ...
    def offline(self, agent: AgentId) -> None: ...


@one_database
async def test_a_message_that_is_too_large_closes_the_socket_alone(house: House) -> None:
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as desk:
        await said(desk)
        await desk.send_str("x" * (ws.LARGEST + 1))
        assert await closed(desk) == 1009
    await until(house, lambda: not house.room.hub.online(ONE))


@one_database
async def test_the_newer_desk_wins_and_the_older_is_told(house: House) -> None:
    headers = await house.token(Role.AGENT, ONE)
    async with house.client.ws_connect(ws.PATH, headers=headers) as older:
        await said(older)
        async with house.client.ws_connect(ws.PATH, headers=headers) as newer:
            await said(newer)
            assert await closed(older) == REPLACED
            house.room.desks.ready(ONE)
            assert (await said(newer))["body"]["state"] == "ready"


@one_database
async def test_a_desk_that_goes_away_signs_nobody_off(house: House) -> None:
    house.room.desks.ready(ONE)
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as desk:
        await said(desk)
    await until(house, lambda: not house.room.hub.online(ONE))
    state = house.room.desks.state(ONE)
    assert (state.state, state.desk) == ("ready", False)


@one_database
async def test_a_reader_that_is_stuck_is_cut_and_slows_nobody(house: House) -> None:
    """A raw client with a tiny window that never reads again."""
    token = (await house.token(Role.AGENT, ONE))["Authorization"]
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    host, port = str(house.client.host), int(house.client.port or 0)
    try:
        await loop.sock_connect(raw, (host, port))
        head = (
            f"GET {ws.PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(raw, head.encode())
        await until(house, lambda: house.room.hub.online(ONE))
        async with house.client.ws_connect(
            ws.PATH, headers=await house.token(Role.AGENT, TWO)
        ) as other:
            await said(other)
            async with asyncio.timeout(30):
                v = 0
                while house.room.hub.online(ONE):
                    house.room.hub.publish(ONE, "call", {"text": "x" * 100_000})
                    house.room.hub.publish(TWO, "call", {})
                    v += 1
                    assert (await said(other))["v"] == v
            house.room.desks.ready(TWO)
            assert (await said(other))["body"]["state"] == "ready"
    finally:
        raw.close()


@one_database
@pytest.mark.parametrize(
    ("role", "extension", "status"),
    [(Role.READER, "8001", 403), (Role.UNIT, "8001", 403), (Role.QUALITY, "8001", 403),
     (Role.AGENT, None, 409), (Role.AGENT, "9999", 409), (Role.SUPERVISOR, None, 409)],
)  # fmt: skip
async def test_only_who_has_an_extension_and_the_right_opens_a_desk(
    house: House, role: Role, extension: str | None, status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await house.client.ws_connect(ws.PATH, headers=await house.token(role, extension))
    assert refused.value.status == status


@one_database
async def test_a_page_of_another_site_cannot_open_a_desk_with_our_cookie(house: House) -> None:
    password = await house.person("wang", Role.AGENT, "8001")
    async with house.client.post(
        "/api/v1/session", json={"login": "wang", "password": password}
    ) as answer:
        assert answer.status == 200
    ours = f"http://{house.client.host}:{house.client.port}"
    for origin in (None, "https://evil.example", "null", ours + ".evil.example"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await house.client.ws_connect(ws.PATH, origin=origin)
        assert refused.value.status == 403
    async with house.client.ws_connect(ws.PATH, origin=ours) as desk:
        assert (await said(desk))["type"] == "snapshot"


@one_database
async def test_a_plain_request_to_the_socket_is_refused_as_json(house: House) -> None:
    headers = await house.token(Role.AGENT, ONE)
    async with house.client.get(ws.PATH, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "bad_request")
    assert not house.room.hub.online(ONE)


@one_database
async def test_going_away_closes_every_desk(house: House) -> None:
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as desk:
        await said(desk)
        house.room.hub.close()
        assert await closed(desk) == 1001
    async with house.client.ws_connect(ws.PATH, headers=await house.token(Role.AGENT, ONE)) as late:
        assert await closed(late) == 1001
