"""Case work beside calls: what fails is told until it works again, whichever part it is."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.case_work import CaseWork
from tests.hotline import cases

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]


@pytest.fixture
def work(engine: AsyncEngine, tmp_path: Path) -> CaseWork:
    times = iter(range(100))
    return cases.case_work(engine, tmp_path, clock=lambda: float(next(times)))


async def test_it_is_well_when_all_of_it_is(work: CaseWork) -> None:
    assert work.state.ok
    work._told("alarms", None)
    work._told("alarms", KeyError("x"))
    begun = work.state.since
    work._told("hooks", OSError("away"))
    work._told("clocks", None)  # another part that works says nothing of these
    work._told("alarms", KeyError("x"))
    assert (work.state.ok, work.state.since) == (False, begun)
    assert work.state.last_error == "alarms: KeyError"
    work._told("alarms", None)
    assert (work.state.ok, work.state.last_error) == (False, "hooks: OSError")
    work._told("hooks", None)
    assert (work.state.ok, work.state.last_error) == (True, "hooks: OSError")
    assert work.state.since > begun
