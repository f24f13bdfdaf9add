"""What is hidden, from whom; pure. The one place where citizens' numbers and names are masked."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from schemas.callbacks import CallbackOut
from schemas.calls import CallOut
from schemas.cases import ClockName, TicketState
from schemas.identity import Role, Who

NAME = "*某"
"""A confidential citizen's name, whole: a rare family name alone would tell who it is."""
HIDDEN_MOVES = frozenset({"check", "unmask"})
"""Of the history, what units do not see: when the citizen will be called, and who looked."""
CALLBACK = frozenset({TicketState.DONE, TicketState.CHECKING})
"""While it stands so, its clocks are the callback's."""

T = TypeVar("T")


def number(caller: str | None) -> str | None:
    """Return *caller* so that nobody can call it: `139****8000`."""
    if not caller:
        return caller
    if len(caller) >= 11:
        return f"{caller[:3]}****{caller[-4:]}"
    return f"****{caller[-2:]}" if len(caller) > 4 else "****"


def name(contact: str | None) -> str | None:
    """Return the name *contact* so that nobody knows who it is."""
    return NAME if contact else contact


def call_out(call: CallOut) -> CallOut:
    """Return *call* of a confidential caller: its number masked, its recording named as the call.

    The names of recordings hold what the telephone system knew, the caller's number perhaps. What
    the caller said cannot be masked: it is left out.
    """
    recording = call.id if call.recording else None
    hidden = {"caller": number(call.caller), "recording": recording, "transcript": None}
    return call.model_copy(update=hidden)


def callback_out(callback: CallbackOut) -> CallbackOut:
    """Return *callback*, a promise to a confidential caller, with its number masked."""
    return callback.model_copy(update={"caller": number(callback.caller)})


def state(at: TicketState, who: Who) -> TicketState:
    """Return the state that *who* sees: a unit is not told that the citizen is being called."""
    if who.role is Role.UNIT and at is TicketState.CHECKING:
        return TicketState.DONE
    return at


def callback_clock(at: TicketState, who: Who) -> bool:
    """Return whether the due time of a ticket that stands *at* is not for *who* to see."""
    return who.role is Role.UNIT and at in CALLBACK


def clock_shown(clock: ClockName, who: Who) -> bool:
    """Return whether *who* sees a clock: a unit cannot see when the citizen will be called."""
    return who.role is not Role.UNIT or clock is not ClockName.CHECK


def moves_shown(moves: Iterable[tuple[str, Mapping[str, Any], T]], who: Who) -> list[T]:
    """Return what of *moves* (name of the move, its detail, anything) *who* may see.

    What the callback's clock did tells a unit of the callback as well.
    """
    if who.role is not Role.UNIT:
        return [row for _, _, row in moves]
    return [
        row
        for move, detail, row in moves
        if move not in HIDDEN_MOVES and detail.get("clock") != ClockName.CHECK
    ]
