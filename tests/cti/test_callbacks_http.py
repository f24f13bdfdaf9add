from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.callbacks import http
from hotline import db
from schemas.case_tables import TicketCallRow
from tests.cti.case_desk import AGENT, Desk, desk
from tests.cti.hook_receiver import Client, answering, as_role

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
WHERE = "/api/v1/callbacks"
CALLER = "13987654321"
MASKED = "139****4321"


@pytest.fixture
def at_desk(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[Client]:
    async with answering(http.routes(db.readers(engine), db.writers(engine))) as made:
        yield made


async def promise(client: Client, caller: str, call: str | None = None) -> None:
    answer = await client.post(WHERE, json={"caller": caller, "call_id": call})
    assert (answer.status, (await answer.json())["caller"]) == (201, caller)


async def callers(client: Client, role: str = "reader") -> list[str]:
    answer = await client.get(WHERE, headers=as_role(role))
    assert answer.status == 200
    return [one["caller"] for one in await answer.json()]


async def test_a_promise_to_a_confidential_caller_shows_no_number(
    at_desk: Desk, client: Client, sessions: Sessions
) -> None:
    assert await callers(client) == []
    ticket = await at_desk.open(confidential=True, caller="13900000000")
    async with sessions.begin() as session:
        session.add(TicketCallRow(ticket_id=ticket.id, call_id="n1-1", why="about", at=1.0))
    await at_desk.open(caller="13911112222")
    await promise(client, CALLER, "n1-1")  # called from another telephone
    await promise(client, "13911112222", "n1-2")
    await promise(client, "13911113333")
    assert await callers(client) == ["13911113333", "13911112222", MASKED]
    assert await callers(client, "agent") == ["13911113333", "13911112222", MASKED]


async def test_a_promise_without_a_call_tells_no_confidential_number_while_its_ticket_is_open(
    at_desk: Desk, client: Client
) -> None:
    ticket = await at_desk.open(confidential=True, caller=CALLER)
    await promise(client, CALLER)
    assert await callers(client) == [MASKED]
    await at_desk.do(AGENT, ticket, "withdraw", reason="自行解决")
    assert await callers(client) == [CALLER]
