"""Case work as the application has it, for tests of the whole web: the city's own casebook."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from agents.auth import Auth
from cti.asterisk.ami import Link
from dialplans.city import load
from hotline import db, places
from hotline.case_work import CaseWork
from hotline.config import Config
from schemas.city import City
from schemas.config import Cases, Site
from schemas.numbers import Register


@cache
def baoji() -> City:
    """Return the city, read once: it never changes."""
    return load(places.dialplan(Site()))


async def _nobody() -> None:
    return None


def case_work(
    engine: AsyncEngine,
    state: Path,
    *,
    clock: Callable[[], float],
    register: Register | None = None,
) -> CaseWork:
    """Return case work on *engine*; its Asterisk is never connected.

    Args:
        state: folder of what is written.
        register: instead of the city's.
    """
    city = baoji() if register is None else replace(baoji(), register=register)
    return CaseWork(
        Config(site=Site(state=state), cases=Cases(loopback_hooks=True)),
        engine,
        city=lambda: city,
        ami=Link(
            host="127.0.0.1",
            port=1,
            user="nobody",
            secret="",
            inbox=lambda _: None,
            booted=_nobody,
            down=lambda: None,
        ),
        auth=Auth(db.writers(engine), clock=clock),
        recordings=lambda: state / "recordings",
        clock=clock,
    )
