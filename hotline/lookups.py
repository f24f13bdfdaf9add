"""What flows may ask the service (`schemas.flows.LOOKUPS`), answered from desks and ledger."""

import re
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents.desk import Desks
from cti.switches import Switches
from schemas.calls import AgentId
from schemas.cases import CLOSED, TicketState
from schemas.switches import Switch
from schemas.tables import CallRow, TicketRow
from schemas.tickets import ticket_id

REMEMBERED = 24 * 3600.0
"""Seconds after which a caller is nobody's any more."""
MERGES = 5
"""Merged tickets followed, one into another."""
SETTLED = frozenset({TicketState.DONE, TicketState.CHECKING}) | CLOSED
"""States in which nobody works on the matter any more."""
DIALABLE = re.compile(r"\+?[0-9]{5,20}")


class Lookups:
    """Answers; raises what the database raises, and then the flow goes on without.

    Args:
        clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        desks: Desks,
        switches: Switches,
        read: async_sessionmaker[AsyncSession],
        clock: Callable[[], float],
    ) -> None:
        self._desks = desks
        self._switches = switches
        self._read = read
        self._clock = clock

    async def __call__(self, what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
        """Return the word that answers *what* and the variables it fills.

        Raises:
            LookupError: there is no such question.
        """
        match what:
            case "duty":
                return self._duty(), {}
            case "last_agent":
                return await self._last_agent(caller)
            case "ticket":
                return await self._ticket(of, caller)
            case "caller":
                return ("known" if DIALABLE.fullmatch(caller) else "unknown"), {}
            case "surge":
                return ("on" if self._switches.on(Switch.SURGE) else "off"), {}
            case _:
                raise LookupError(what)

    def _duty(self) -> str:
        states = {state.state for state in self._desks.states()}
        if "ready" in states:
            return "free"
        return "busy" if states - {"offline"} else "away"

    async def _last_agent(self, caller: str) -> tuple[str, dict[str, str]]:
        if not caller:
            return "none", {}
        since = self._clock() - REMEMBERED
        async with self._read() as session:
            agent = await session.scalar(
                select(CallRow.agent)
                .where(
                    CallRow.caller == caller,
                    CallRow.agent.is_not(None),
                    CallRow.answered_at >= since,
                )
                .order_by(CallRow.answered_at.desc())
                .limit(1)
            )
        if agent is None or agent not in self._desks:
            return "none", {}
        free = self._desks.state(AgentId(agent)).state == "ready"
        return ("free" if free else "busy"), {"agent": agent}

    async def _ticket(self, typed: str, caller: str) -> tuple[str, dict[str, str]]:
        """Find a caller's own ticket: who rings from elsewhere learns nothing.

        `open` is in hand, `done` is settled one way or the other: a person says how. Of one that
        was merged the caller hears of the ticket that its matter goes on in.
        """
        if not caller:
            return "unknown", {}
        async with self._read() as session:
            found = await session.scalar(
                select(TicketRow).where(
                    TicketRow.id == ticket_id(typed), TicketRow.caller == caller
                )
            )
            for _ in range(MERGES):
                if found is None or found.merged_into is None:
                    break
                found = await session.get(TicketRow, found.merged_into)
        if found is None:
            return "unknown", {}
        return ("done" if found.state in SETTLED else "open"), {"ticket": found.id}
