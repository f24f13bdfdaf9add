"""The calls that live just now, and those that ended a moment ago (late news still finds them)."""

from collections import deque
from collections.abc import Iterator

from schemas.calls import Call, CallId, State
from schemas.events import (
    CallArrived,
    Event,
    FellBack,
    FlowStarted,
    QueueJoined,
    Vanished,
)

BEGINNINGS = (CallArrived, FlowStarted, FellBack, QueueJoined, Vanished)
"""Events that may be the first we hear of a call. Others of an unknown call mean nothing to us."""

LINGER = 60.0
"""Seconds an ended call stays, so that its ticket or its agent's hang-up can still be noted."""


class Registry:
    """Holds calls as values; only the inbox writes."""

    def __init__(self) -> None:
        self._calls: dict[CallId, Call] = {}
        self._ended: deque[tuple[float, CallId]] = deque()

    def find(self, event: Event) -> Call | None:
        """Return the call *event* is about, a new one if it may begin one, else None."""
        call = self._calls.get(event.call)
        if call is None and isinstance(event, BEGINNINGS):
            call = Call(id=event.call, state=State.NEW, started_at=event.at, since=event.at)
        return call

    def put(self, call: Call, *, now: float) -> None:
        """Keep *call* as it is now; forget those that ended long ago.

        Args:
            now: Unix seconds, from the event, so that replays forget as the original did.
        """
        before = self._calls.get(call.id)
        self._calls[call.id] = call
        if call.state is State.ENDED and (before is None or before.state is not State.ENDED):
            self._ended.append((now, call.id))
        while self._ended and self._ended[0][0] < now - LINGER:
            _, old = self._ended.popleft()
            ended = self._calls.get(old)
            if ended is not None and ended.control.seated:  # who still speaks to a third party
                self._ended.append((now, old))
            else:
                self._calls.pop(old, None)

    def adopt(self, call: Call) -> None:
        """Take over a call that an earlier process knew, unless we know it already."""
        self._calls.setdefault(call.id, call)

    def get(self, call: str) -> Call | None:
        """Return the call by its id, living or lingering."""
        return self._calls.get(CallId(call))

    def all(self) -> Iterator[Call]:
        """Return the living calls."""
        return (call for call in self._calls.values() if call.state is not State.ENDED)

    def __len__(self) -> int:
        return sum(1 for _ in self.all())

    def transfers_to(self, number: str, caller: str) -> bool:
        """Tell whether a living call of *caller* is being, or was, handed to *number* by us."""
        return any(
            call.caller == caller
            and call.state in (State.TRANSFERRING, State.OUTSIDE)
            and number in (call.control.target, call.route.target if call.route else None)
            for call in self.all()
        )
