"""Switches of the whole service: rows that are only added, and how each stands just now."""

import logging

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.switches import MEANS, Switch, SwitchOut, TurnOut
from schemas.tables import SwitchRow
from schemas.times import iso

log = logging.getLogger(__name__)

TURNS = 20
"""Turns that are shown of each switch."""


class Switches:
    """How the switches stand, as far as we last looked; a look costs one query.

    Every process that serves calls looks by itself every few seconds, so that a switch turned on
    one machine counts on all.
    """

    def __init__(self) -> None:
        self._on: frozenset[str] = frozenset()

    def on(self, switch: Switch) -> bool:
        """Tell whether *switch* is on."""
        return switch.value in self._on

    async def look(self, session: AsyncSession) -> None:
        """Learn how they stand."""
        now = await standing(session)
        for name in sorted(now ^ self._on):
            log.warning("switch %s is now %s", name, "on" if name in now else "off")
        self._on = now


async def standing(session: AsyncSession) -> frozenset[str]:
    """Return the names of the switches that are on."""
    newest = select(func.max(SwitchRow.id)).group_by(SwitchRow.name)
    rows = await session.scalars(
        select(SwitchRow.name).where(SwitchRow.id.in_(newest), SwitchRow.on)
    )
    return frozenset(rows)


async def turn(
    session: AsyncSession, switch: Switch, *, on: bool, who: str, why: str, at: float
) -> bool:
    """Turn *switch*, and tell whether that changed anything; only a change is logged.

    Args:
        at: Unix seconds.
    """
    if (switch.value in await standing(session)) is on:
        return False
    session.add(SwitchRow(name=switch.value, on=on, at=at, who=who[:64], why=why[:200]))
    await session.flush()
    return True


async def shown(session: AsyncSession, switch: Switch) -> SwitchOut:
    """Return *switch* with its last turns."""
    rows = (
        await session.scalars(
            select(SwitchRow)
            .where(SwitchRow.name == switch.value)
            .order_by(SwitchRow.id.desc())
            .limit(TURNS)
        )
    ).all()
    turns = [TurnOut(on=r.on, at=iso(r.at), who=r.who, why=r.why) for r in rows]
    on = bool(turns) and turns[0].on
    return SwitchOut(name=switch, means=MEANS[switch], on=on, turns=turns)
