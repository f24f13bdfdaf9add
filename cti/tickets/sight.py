"""Who sees which tickets.

Staff see all. A unit sees what is dispatched to it, as lead or assisting, and its responsible
person what is dispatched to the units below, too. `dispatched_at` says that `unit` is no guess: it
is cleared whenever a ticket goes back to the hotline.
"""

from sqlalchemy import ColumnElement, String, and_, cast, or_, text

from cti.units import directory
from schemas.identity import Role, Who
from schemas.tables import ASSISTED, TicketRow
from schemas.units import Units


def above_of(who: Who, units: Units) -> frozenset[str]:
    """Return the units whose responsible person's superior *who* is; none for a clerk."""
    if who.role is not Role.UNIT or who.unit is None or not who.head:
        return frozenset()
    return directory.below(units, who.unit)


def units_of(who: Who, units: Units) -> frozenset[str] | None:
    """Return the units whose tickets *who* sees; None: all tickets, dispatched or not."""
    if who.role is not Role.UNIT:
        return None
    own = frozenset() if who.unit is None else frozenset({who.unit})
    return own | above_of(who, units)


def sees(row: TicketRow, seen: frozenset[str] | None) -> bool:
    """Return whether who sees the units *seen* sees the ticket *row*."""
    if seen is None:
        return True
    return row.dispatched_at is not None and (
        row.unit in seen or not seen.isdisjoint(row.assisting)
    )


def branches(seen: frozenset[str]) -> list[ColumnElement[bool]]:
    """Return conditions that together, and never two at once, hold for what *seen* see.

    One for each unit that leads, so that each follows an index in order, and one for what they
    assist and none of them leads.
    """
    units = sorted(seen)
    if not units:
        return []
    sent = TicketRow.dispatched_at.is_not(None)
    words = cast(TicketRow.assisting, String)
    helps = or_(*(words.contains(f'"{unit}"', autoescape=True) for unit in units))
    return [
        *(and_(sent, TicketRow.unit == unit) for unit in units),
        and_(sent, text(ASSISTED), helps, TicketRow.unit.not_in(units)),
    ]
