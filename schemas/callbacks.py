"""Promises to call a citizen back (漏接电话回拨), in JSON."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from schemas.http import Asks
from schemas.tickets import Phone


class CallbackState(StrEnum):
    """Where a promise is; `waiting` and `dialling` are live, and a citizen has one live at most."""

    WAITING = "waiting"
    DIALLING = "dialling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE = (CallbackState.WAITING, CallbackState.DIALLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One promise as a value."""

    id: int
    call_id: str | None
    caller: str
    number: str | None
    reason: str
    state: CallbackState
    due: float
    """Unix seconds before which nobody dials."""
    arrived_at: float
    """Unix seconds at which the citizen came: the place in the queue."""
    tries: int
    created_at: float


class CallbackOut(BaseModel):
    """A promise; times ISO 8601 with zone."""

    id: int
    call_id: str | None
    caller: str
    number: str | None
    reason: str
    state: CallbackState
    due: str
    arrived_at: str = Field(description="The citizen's place in the queue")
    tries: int
    created_at: str


class CallbackIn(Asks):
    """A promise that a person or a machine makes."""

    caller: Phone
    reason: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")] = "requested"
    call_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] | None = None
    number: Phone | None = Field(default=None, description="The number the citizen had dialled")
