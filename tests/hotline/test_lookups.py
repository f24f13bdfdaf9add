"""What a caller hears of their ticket."""

from typing import cast

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents.desk import Desks
from cti.switches import Switches
from hotline.lookups import Lookups
from schemas.tables import TicketRow

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
CALLER = "13912348000"


async def add(sessions: Sessions, number: int, state: str, **more: object) -> str:
    id = f"BJ20261123-{number:06d}"
    async with sessions.begin() as session:
        row = TicketRow(id=id, state=state, caller=CALLER, created_at=1.0, updated_at=1.0, **more)
        session.add(row)
    return id


async def test_a_caller_hears_where_their_own_ticket_stands(sessions: Sessions) -> None:
    lookups = Lookups(
        desks=cast(Desks, None), switches=cast(Switches, None), read=sessions, clock=lambda: 1.0
    )
    going = await add(sessions, 1, "handling")
    done = await add(sessions, 2, "done")
    merged = await add(sessions, 3, "merged", merged_into=going)
    await add(sessions, 4, "merged", merged_into=merged)
    await add(sessions, 5, "merged", merged_into="BJ20261123-000005")
    for typed, caller, said in (
        ("20261123000001", CALLER, ("open", {"ticket": going})),
        ("20261123000002", CALLER, ("done", {"ticket": done})),
        ("20261123000003", CALLER, ("open", {"ticket": going})),
        ("20261123000004", CALLER, ("open", {"ticket": going})),
        ("20261123000005", CALLER, ("done", {"ticket": "BJ20261123-000005"})),
        ("20261123000009", CALLER, ("unknown", {})),
        ("20261123000001", "13900000000", ("unknown", {})),
        ("20261123000001", "", ("unknown", {})),
    ):
        assert await lookups("ticket", typed, caller) == said, typed
