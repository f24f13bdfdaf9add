"""REST: units, their duty phones, and probes of them."""

import time
from collections.abc import Callable, Collection
from typing import Annotated, Literal, Protocol

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.units import directory, store
from cti.units.store import ProbeFilter, probe_out
from schemas.calendar import Calendar
from schemas.errors import Conflict, NotFound, TooMany, Unavailable
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right, Role, Who
from schemas.probes import OnDutyOut, ProbeOut, UnitOut
from schemas.units import UNIT_CODE, Units

_Code = Annotated[str, Field(max_length=32, examples=["zhujian"])]


class UnitFilter(Asks):
    """Which units."""

    level: Literal["city", "county", "firm"] | None = None
    parent: str | None = Field(default=None, pattern=UNIT_CODE, description="Directly below this")


class OneUnit(Asks):
    """Which unit."""

    code: _Code


class UnitsProbes(ProbeFilter):
    """Which probes of which unit."""

    code: _Code


LIST = Operation(
    name="listUnits",
    method="GET",
    path="/api/v1/units",
    summary="Units with their 四个一, who is on duty, and how reachable their duty phone is",
    right=Right.READ_UNITS,
    query=UnitFilter,
    body=Nothing,
    response=list[UnitOut],
)
GET = Operation(
    name="getUnit",
    method="GET",
    path="/api/v1/units/{code}",
    summary="One unit",
    right=Right.READ_UNITS,
    query=OneUnit,
    body=Nothing,
    response=UnitOut,
    errors=(NotFound,),
)
PROBES = Operation(
    name="listProbes",
    method="GET",
    path="/api/v1/units/{code}/probes",
    summary="Test calls (拨测) to a unit's duty phone, newest first; plans to come are not told",
    right=Right.READ_UNITS,
    query=UnitsProbes,
    body=Nothing,
    response=list[ProbeOut],
    errors=(NotFound,),
)
PROBE = Operation(
    name="probeUnit",
    method="POST",
    path="/api/v1/units/{code}/probes",
    summary="Ring a unit's duty phone now; at most once in five minutes",
    right=Right.PROBE_UNITS,
    query=OneUnit,
    body=Nothing,
    response=ProbeOut,
    status=202,
    errors=(NotFound, Conflict, TooMany, Unavailable),
)


class Probes(Protocol):
    """Who rings."""

    async def ask(self, code: str, *, who: str) -> ProbeOut:
        """Have a unit's duty phone rung now."""
        ...


def routes(
    read: async_sessionmaker[AsyncSession],
    *,
    units: Callable[[], Units],
    calendar: Callable[[], Calendar],
    probes: Probes,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        units: as published now.
        calendar: as published now.
    """

    async def find(asked: Asked[UnitFilter, Nothing]) -> list[UnitOut]:
        known, wanted = units(), asked.query
        codes = [
            code
            for code in directory.visible(known, asked.who)
            if wanted.level in (None, known.units[code].level)
            and wanted.parent in (None, known.units[code].parent)
        ]
        return await _shown(codes, asked.who)

    async def get(asked: Asked[OneUnit, Nothing]) -> UnitOut:
        _require(asked.query.code, asked.who)
        return (await _shown([asked.query.code], asked.who))[0]

    async def listed(asked: Asked[UnitsProbes, Nothing]) -> list[ProbeOut]:
        _require(asked.query.code, asked.who)
        async with read() as session:
            rows = await store.find(session, asked.query.code, asked.query)
        return [probe_out(row, phones=_sees_phones(asked.who)) for row in rows]

    async def probe(asked: Asked[OneUnit, Nothing]) -> ProbeOut:
        _require(asked.query.code, asked.who)
        return await probes.ask(asked.query.code, who=f"{asked.who.kind}:{asked.who.id}")

    def _require(code: str, who: Who) -> None:
        directory.unit_of(units(), code, among=directory.visible(units(), who))

    async def _shown(codes: Collection[str], who: Who) -> list[UnitOut]:
        async with read() as session:
            return await shown(
                session, units(), calendar(), codes, phones=_sees_phones(who), at=clock()
            )

    return [bind(LIST, find), bind(GET, get), bind(PROBES, listed), bind(PROBE, probe)]


async def shown(
    session: AsyncSession,
    units: Units,
    calendar: Calendar,
    codes: Collection[str],
    *,
    phones: bool,
    at: float,
) -> list[UnitOut]:
    """Return these units as JSON.

    Args:
        phones: whether to show numbers.
        at: Unix seconds now.
    """
    last = await store.last(session, codes)
    reach = await store.reach(session, codes, now=at)
    found = []
    for code in codes:
        unit = units.units[code]
        turn = directory.on_duty(units, calendar, code, at)
        found.append(
            UnitOut(
                code=code,
                name=unit.name,
                level=unit.level,
                parent=unit.parent,
                hours=unit.hours,
                phone=unit.phone if phones else None,
                login=unit.login,
                clerk=unit.clerk,
                head=unit.head,
                head_login=unit.head_login,
                head_phone=unit.head_phone if phones else None,
                departments=list(unit.departments),
                on_duty=OnDutyOut(who=turn.who, phone=turn.phone if phones else None),
                last_probe=probe_out(last[code], phones=phones) if code in last else None,
                reach=reach[code],
            )
        )
    return found


def _sees_phones(who: Who) -> bool:
    """Return whether numbers of units' people are shown: to staff, not to machines that read."""
    return who.role is not Role.READER
