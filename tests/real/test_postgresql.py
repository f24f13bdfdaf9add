"""The same call on the grown-up database."""

from pathlib import Path

import pytest

from bench.stack import stack
from tests.real.whole import needed

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("postgresql")]


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_call_is_answered_and_told_by_postgresql(
    empty_database_url: str, tmp_path: Path
) -> None:
    needed(with_sipp=True)
    async with stack(tmp_path, agents=1, DATABASE__URL=empty_database_url) as service:
        await service.phones(ring=0.1)
        await service.all_ready()
        calling = await service.citizens([("13900000001", "12336", "")], rate=1, hold=9)
        await calling.wait()
        (call,) = await service.until(
            lambda: service.get("/api/v1/calls?limit=5"),
            lambda calls: len(calls) == 1 and calls[0]["outcome"] is not None,
        )
        assert (call["outcome"], call["number"], call["agent"]) == ("answered", "12336", "2001")
        assert call["ticket_id"]
        ticket = await service.get(f"/api/v1/tickets/{call['ticket_id']}")
        assert ticket["call_id"] == call["id"]
