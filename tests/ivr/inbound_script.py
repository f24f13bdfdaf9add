"""The inbound script, with ports that remember."""

from typing import Any

from ivr.inbound import Inbound
from schemas.calls import CallId
from schemas.city import City
from schemas.events import Event
from schemas.numbers import Number

Clock = Any
ID = CallId("n1-1795398938.1")


class Script:
    """The script with ports that remember."""

    def __init__(self, city: City, clock: Clock, *, returning: bool = False) -> None:
        self.events: list[Event] = []
        self.asked: list[tuple[str, str]] = []
        self._answer = returning
        self.run = Inbound(
            city=lambda: city,
            report=self.events.append,
            lookups=self.lookup,
            staffed=lambda skill: True,
            returning=self.returning,
            clock=clock,
        )

    def returning(self, number: Number, caller: str, /) -> bool:
        self.asked.append((number.number, caller))
        return self._answer

    async def lookup(self, what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
        raise LookupError(what)
