"""`/ws/desk`: one snapshot, then numbered changes; commands come back answered."""

import asyncio
import json
import logging

from aiohttp import WSMsgType, web
from pydantic import ValidationError

from agents.desk import Desks
from agents.door import same_origin
from agents.hub import GOING_AWAY, Closed, Outbox, answer
from schemas.calls import AgentId
from schemas.desktop import COMMAND, Offline, Pause, Ping, Ready
from schemas.errors import Conflict, Forbidden, HotlineError
from schemas.http import identified, require
from schemas.http_errors import invalid
from schemas.identity import Right

log = logging.getLogger(__name__)

PATH = "/ws/desk"
LARGEST = 16 * 1024
"""Bytes of one message from a desk."""


def socket_route(
    desks: Desks, *, heartbeat: float = 15.0, send_within: float = 5.0
) -> web.RouteDef:
    """Return the route of the desk socket.

    Args:
        heartbeat: seconds between our pings; half of it a desk has to answer.
        send_within: seconds one message may take before the socket counts as stuck.
    """

    async def open_desk(request: web.Request) -> web.StreamResponse:
        agent = _whose(request, desks)
        socket = web.WebSocketResponse(
            heartbeat=heartbeat, max_msg_size=LARGEST, compress=False, timeout=send_within
        )
        await socket.prepare(request)
        with desks.hub.subscribe(agent) as outbox:
            snapshot = desks.snapshot(agent).model_dump_json()
            writer = asyncio.create_task(
                _write(socket, request, outbox, snapshot, send_within), name=f"desk-{agent}"
            )
            try:
                await _read(socket, desks, agent, outbox)
            finally:
                outbox.close(GOING_AWAY, "closed")
                await writer
        return socket

    return web.get(PATH, open_desk, name="desk")


def _whose(request: web.Request, desks: Desks) -> AgentId:
    """Return the extension whose desk is to be opened.

    Raises:
        Forbidden: no right to a desk, or a page of another site asks with our cookie.
        Conflict: nobody's extension.
    """
    who = identified(request)
    require(who, Right.OPEN_DESK)
    if who.kind == "user" and same_origin(request) is not True:
        raise Forbidden("another site asked for the desk")
    if who.agent is None or who.agent not in desks:
        raise Conflict("there is no extension to open a desk for", agent=who.agent)
    return who.agent


async def _read(
    socket: web.WebSocketResponse, desks: Desks, agent: AgentId, outbox: Outbox
) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            obey(message.data, desks, agent, outbox)
        elif message.type is WSMsgType.BINARY:
            answer(outbox, "", _refusal("invalid", "commands are text"))
        else:  # ERROR: a frame too large or broken; aiohttp has closed
            log.warning("desk socket broke: %s", type(message.data).__name__)


def obey(text: str, desks: Desks, agent: AgentId, outbox: Outbox) -> None:
    """Run one command of a desk and answer it; garbage is answered too."""
    try:
        command = COMMAND.validate_json(text, strict=True)
    except ValidationError as error:
        fault = invalid(error, "command")
        answer(outbox, _id_of(text), _refusal(fault.code, fault.message, **fault.details))
        return
    try:
        match command:
            case Ready():
                desks.ready(agent)
            case Pause(reason=reason):
                desks.pause(agent, reason)
            case Offline():
                desks.offline(agent)
            case Ping():
                pass
    except HotlineError as error:
        answer(outbox, command.id, _refusal(error.code, error.message, **error.details))
    else:
        answer(outbox, command.id)


def _id_of(text: str) -> str:
    """Return the id of a command that is otherwise not one, so that its desk can match it."""
    try:
        id = json.loads(text)["id"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""
    return id if isinstance(id, str) and len(id) <= 64 else ""


def _refusal(code: str, message: str, **details: object) -> dict[str, object]:
    return {"error": code, "message": message, "details": details}


async def _write(
    socket: web.WebSocketResponse,
    request: web.Request,
    outbox: Outbox,
    snapshot: str,
    within: float,
) -> None:
    """Send the snapshot and what the outbox brings; the only writer of this socket."""
    try:
        line = snapshot
        while True:
            async with asyncio.timeout(within):
                await socket.send_str(line)
            line = await outbox.next()
    except Closed as closed:
        await socket.close(code=closed.code, message=closed.reason.encode())
    except (ConnectionError, TimeoutError):
        # Stuck or gone. A proper close would wait for the same full buffer.
        if request.transport is not None:
            request.transport.abort()
