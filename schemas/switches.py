"""Switches of the whole service: turned by people, logged for ever."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from schemas.http import Asks, Text


class Switch(StrEnum):
    """What may be turned on and off."""

    SURGE = "surge"


MEANS: Mapping[Switch, str] = {
    Switch.SURGE: "应急保障: callers hear that many call, and are offered a callback first",
}

Why = Annotated[Text, Field(min_length=1, max_length=200, description="Kept with the turn")]


class TurnIn(Asks):
    """How a switch is to stand."""

    on: bool
    why: Why


class TurnOut(BaseModel):
    """One turn of a switch."""

    on: bool
    at: str = Field(description="ISO 8601 with zone")
    who: str
    why: str


class SwitchOut(BaseModel):
    """A switch, how it stands, and its last turns."""

    name: Switch
    means: str
    on: bool
    turns: list[TurnOut] = Field(description="Newest first")
