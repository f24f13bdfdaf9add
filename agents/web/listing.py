"""Which tickets a list shows: the address of the page as a filter, and back. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError

from schemas.casebook import Casebook
from schemas.cases import Light, TicketState, Urgency
from schemas.identity import Role, Who
from schemas.tickets import Counts, Phone, TicketFilter, TicketId

PAGE = 50
"""Tickets on one page of a list."""
_UNSEEN = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
_TICKET: TypeAdapter[str] = TypeAdapter(TicketId)
_PHONE: TypeAdapter[str] = TypeAdapter(Phone)
_CODE = re.compile(r"[a-z][a-z0-9_]{0,31}")

SHOWS: Mapping[str, str] = {
    "open": "在办",
    "red": "超期",
    "yellow": "临期",
    "green": "正常",
    "done": "已办结",
    "closed": "已结束",
    "all": "全部",
}
"""What the tabs show."""
DONE = (TicketState.DONE, TicketState.CHECKING)
"""Done by the unit, and not yet closed: the citizen is still to be asked."""
RUNNING = tuple(s for s in TicketState if not s.closed and s not in DONE)
STATES: Mapping[str, Sequence[TicketState]] = {"open": RUNNING, "done": DONE}
"""What a tab shows, where it goes by the state."""
_NOT_FOR_UNITS = frozenset(
    {TicketState.DRAFT, TicketState.ACCEPTED, TicketState.REFUSED, TicketState.CHECKING}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What somebody wants to look at; each field is one of the page's address."""

    show: str = "open"
    state: str = ""
    urgency: str = ""
    unit: str = ""
    q: str = ""
    cursor: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether more than a tab was chosen."""
        return bool(self.state or self.urgency or self.unit or self.q)

    @property
    def state_label(self) -> str:
        """The chosen state in words; "" for none."""
        return TicketState(self.state).label if self.state else ""

    @property
    def urgency_label(self) -> str:
        """The chosen urgency in words; "" for none."""
        return Urgency(self.urgency).label if self.urgency else ""

    @property
    def ticket(self) -> str | None:
        """The ticket number that was typed, if it is one."""
        return _fits(_TICKET, self.q.upper())

    def address(self, path: str = "/cases", **other: str) -> str:
        """Return the address of this list with *other* fields; without a cursor unless given."""
        there = replace(self, **({"cursor": ""} | other))
        plain = Look()
        said = {
            field.name: value
            for field in fields(Look)
            if (value := getattr(there, field.name)) != getattr(plain, field.name)
        }
        return f"{path}?{urlencode(said)}" if said else path

    def filter(self, *, limit: int | None = None) -> TicketFilter:
        """Return what case work is asked for."""
        light = Light(self.show) if self.show in ("red", "yellow", "green") else None
        states = [TicketState(self.state)] if self.state else list(STATES.get(self.show, ()))
        if states:
            is_open: bool | None = not states[0].closed
        else:
            is_open = {"closed": False, "all": None}.get(self.show, True)
        # what is done has no due time that a unit may see, and would not be in that order
        timed = is_open and not (states and set(states) <= set(DONE))
        phone = _fits(_PHONE, self.q)
        return TicketFilter(
            state=states,
            urgency=Urgency(self.urgency) if self.urgency else None,
            unit=self.unit or None,
            light=light,
            open=is_open,
            caller=phone,
            text=None if phone else self.q or None,
            order="due" if timed else "newest",
            limit=limit or PAGE,
            cursor=self.cursor or None,
        )


def look(query: Mapping[str, str]) -> Look:
    """Return what an address asks for; what it cannot mean is left out."""
    show = query.get("show", "open")
    state, urgency, unit = query.get("state", ""), query.get("urgency", ""), query.get("unit", "")
    cursor = query.get("cursor", "")
    return Look(
        show=show if show in SHOWS else "open",
        state=state if state in set(TicketState) else "",
        urgency=urgency if urgency in set(Urgency) else "",
        unit=unit if _CODE.fullmatch(unit) else "",
        q=_UNSEEN.sub("", query.get("q", "")).strip()[:100],
        cursor=cursor if len(cursor) <= 200 and not _UNSEEN.search(cursor) else "",
    )


def counted(counts: Counts) -> Mapping[str, int]:
    """Return the numbers on the tabs, of those that have one."""
    return {
        **{show: sum(counts.state.get(s, 0) for s in states) for show, states in STATES.items()},
        **{light.value: counts.light.get(light, 0) for light in Light if light is not Light.OFF},
    }


def states_of(who: Who) -> Sequence[TicketState]:
    """Return the states that *who* may tell apart."""
    hidden = _NOT_FOR_UNITS if who.role is Role.UNIT else frozenset()
    return [state for state in TicketState if state not in hidden]


def units_of(who: Who, book: Casebook) -> Sequence[tuple[str, str]]:
    """Return code and name of the units whose tickets *who* may tell apart; none for a clerk."""
    units = book.units.units
    if who.role is not Role.UNIT:
        return [(code, unit.name) for code, unit in units.items()]
    if not who.head or who.unit is None:
        return []
    found = [who.unit]
    for code in found:  # grows while it is walked: units below units
        found += [c for c, unit in units.items() if unit.parent == code and c not in found]
    return [(code, book.unit_name(code)) for code in found] if len(found) > 1 else []


def _fits(adapter: TypeAdapter[str], text: str) -> str | None:
    try:
        return adapter.validate_python(text)
    except ValidationError:
        return None
