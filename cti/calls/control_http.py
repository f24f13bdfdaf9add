"""REST: what an agent does with the caller, and what a supervisor does with both."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from cti.calls import control
from cti.calls.control import Do, Mode
from cti.calls.http import OneCall
from cti.calls.steering import Steering
from schemas.calls import Call, Third
from schemas.errors import Conflict, Forbidden, NotFound, Unavailable
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right, Who, may


class Wanted(Asks):
    """What is to be done with the call."""

    do: Annotated[Do, Field(strict=False)]
    target: Annotated[str, Field(pattern=r"^\+?[0-9]{2,23}$")] | None = Field(
        default=None,
        description="For transfer, consult and three_way: an agent's extension, "
        "a dual-run number (its owner's seat), or any outside number",
    )


class Watch(Asks):
    """How a supervisor takes part."""

    mode: Literal["listen", "whisper", "barge"]
    extension: Annotated[str, Field(pattern=r"^[0-9]{2,8}$")] = Field(
        description="The supervisor's telephone, which rings"
    )


class ControlOut(BaseModel):
    """How a call stands."""

    call: str
    mode: Mode
    agent: str | None
    third: str | None = Field(description="Whom the third party is")
    third_state: Third | None
    recording: Literal["on", "paused"]
    ticket_id: str | None
    can: list[Do] = Field(description="What fits just now")


CONTROL = Operation(
    name="controlCall",
    method="POST",
    path="/api/v1/calls/{id}/control",
    summary="Hold, retrieve, park, pick up, transfer, consult, three-way, recording, hang up: "
    "one's own call, or another's with the right to steer calls",
    right=Right.CONTROL_CALLS,
    query=OneCall,
    body=Wanted,
    response=ControlOut,
    errors=(NotFound, Conflict, Unavailable),
)
STANDS = Operation(
    name="getCallControl",
    method="GET",
    path="/api/v1/calls/{id}/control",
    summary="How a running call stands, and what may be asked of it",
    right=Right.READ_CALLS,
    query=OneCall,
    body=Nothing,
    response=ControlOut,
    errors=(NotFound,),
)
MONITOR = Operation(
    name="monitorCall",
    method="POST",
    path="/api/v1/calls/{id}/monitor",
    summary="Listen to a call, whisper to its agent, or barge in; the extension's phone rings",
    right=Right.STEER_CALLS,
    query=OneCall,
    body=Watch,
    response=ControlOut,
    errors=(NotFound, Conflict, Unavailable),
)
OPERATIONS = (CONTROL, STANDS, MONITOR)


def routes(steering: Steering) -> list[web.RouteDef]:
    """Return the routes of `OPERATIONS`."""

    async def control_call(asked: Asked[OneCall, Wanted]) -> ControlOut:
        who = asked.who
        call = await steering.control(
            asked.query.id,
            asked.body.do,
            who=name_of(who),
            agent=who.agent,
            target=asked.body.target,
            steers=may(who, Right.STEER_CALLS),
        )
        return shown(call)

    async def stands(asked: Asked[OneCall, Nothing]) -> ControlOut:
        return shown(steering.find(asked.query.id))

    async def monitor(asked: Asked[OneCall, Watch]) -> ControlOut:
        phone = asked.body.extension
        if asked.who.agent is not None and asked.who.agent != phone:
            raise Forbidden("that telephone is somebody else's")
        call = await steering.watch(
            asked.query.id, asked.body.mode, who=name_of(asked.who), phone=phone
        )
        return shown(call)

    return [bind(CONTROL, control_call), bind(STANDS, stands), bind(MONITOR, monitor)]


def name_of(who: Who) -> str:
    """Return *who* as the timeline names them."""
    return who.agent or who.id


def shown(call: Call) -> ControlOut:
    """Return how *call* stands."""
    now = control.mode(call)
    return ControlOut(
        call=call.id,
        mode=now,
        agent=call.agent,
        third=call.control.target,
        third_state=call.control.third,
        recording="paused" if call.control.muted else "on",
        ticket_id=call.ticket_id,
        can=[do for do, modes in control.FITS.items() if now in modes],
    )
