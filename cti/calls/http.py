"""REST: the register of hotlines, calls, and the service level."""

import time
from collections.abc import Callable
from itertools import groupby
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls import ledger, menu_cost
from cti.calls.ledger import CallFilter, Live
from cti.paging import Page, as_response
from cti.tickets import masks
from cti.tickets.unmask import confidential_calls
from schemas.calls import CallOut
from schemas.errors import Invalid, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, bind
from schemas.identity import Right
from schemas.numbers import Integration, Number, Register
from schemas.reports import MenuCost, ServiceLevel
from schemas.times import Since, Until, day_of, midnight

LONGEST_REPORT = 400
"""Days one report may span."""
_CALLS = TypeAdapter(list[CallOut])


class NumberOut(BaseModel):
    """One dialable number of a line."""

    number: str
    flow: str
    notice: str
    seat: str | None = Field(description="Dual-run: number of the owner's seat")
    onward: str | None = Field(description="Not integrated: the number callers are told")
    review: str | None = Field(description="Day on which the class must be looked at again")


class HotlineOut(BaseModel):
    """One line of the annex."""

    line_no: int
    hotline: str
    owner_unit: str
    unit: str
    integration: Integration
    numbers: list[NumberOut]


class OneCall(Asks):
    """Which call."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", examples=["n1-1795398938.12"])]


class Span(Asks):
    """From when to when; today so far when left out."""

    since: Since | None = Field(default=None, alias="from")
    until: Until | None = Field(default=None, alias="to", description="Not included")


HOTLINES = Operation(
    name="listHotlines",
    method="GET",
    path="/api/v1/hotlines",
    summary="Every line of the register with its numbers",
    right=Right.READ_HOTLINES,
    query=Nothing,
    body=Nothing,
    response=list[HotlineOut],
)
CALLS = Operation(
    name="listCalls",
    method="GET",
    path="/api/v1/calls",
    summary="Calls, newest first, without timelines; the `Link` header names the next page",
    right=Right.READ_CALLS,
    query=CallFilter,
    body=Nothing,
    response=list[CallOut],
)
CALL = Operation(
    name="getCall",
    method="GET",
    path="/api/v1/calls/{id}",
    summary="One call with its timeline",
    right=Right.READ_CALLS,
    query=OneCall,
    body=Nothing,
    response=CallOut,
    errors=(NotFound,),
)
SERVICE_LEVEL = Operation(
    name="getServiceLevel",
    method="GET",
    path="/api/v1/reports/service-level",
    summary="How many calls were answered in time, by number and by hour; at most 400 days",
    right=Right.READ_REPORTS,
    query=Span,
    body=Nothing,
    response=ServiceLevel,
)


MENU_COST = Operation(
    name="getMenuCost",
    method="GET",
    path="/api/v1/reports/menu-cost",
    summary="Seconds each prompt adds to a call and where callers give up; at most 62 days",
    right=Right.READ_REPORTS,
    query=Span,
    body=Nothing,
    response=MenuCost,
)


def routes(
    read: async_sessionmaker[AsyncSession],
    *,
    live: Live,
    register: Callable[[], Register],
    node: str,
    sla_answer: float,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        register: the register as it is now; publishing may replace it.
        sla_answer: seconds from the INVITE within which an answer is in time.
    """

    async def hotlines(_: Asked[Nothing, Nothing]) -> list[HotlineOut]:
        return hotlines_of(register())

    async def calls(asked: Asked[CallFilter, Nothing]) -> web.Response:
        async with read() as session:
            page = await ledger.find(session, asked.query, live=live, node=node)
            hidden = await confidential_calls(session, [found.id for found in page.items])
        shown = [masks.call_out(found) if found.id in hidden else found for found in page.items]
        return as_response(asked.request, Page(shown, page.next), _CALLS)

    async def call(asked: Asked[OneCall, Nothing]) -> CallOut:
        async with read() as session:
            found = await ledger.get(session, asked.query.id, live=live, node=node)
            hidden = await confidential_calls(session, [asked.query.id])
        if found is None:
            raise NotFound("there is no such call")
        return masks.call_out(found) if found.id in hidden else found

    async def service_level(asked: Asked[Span, Nothing]) -> ServiceLevel:
        now = clock()
        since, until = span(asked.query, now=now)
        async with read() as session:
            return await ledger.service_level(
                session, since=since, until=until, now=now, limit=sla_answer
            )

    async def cost(asked: Asked[Span, Nothing]) -> MenuCost:
        since, until = span(asked.query, now=clock(), days=62)
        async with read() as session:
            return await menu_cost.count(session, since=since, until=until)

    return [
        bind(HOTLINES, hotlines),
        bind(CALLS, calls),
        bind(CALL, call),
        bind(SERVICE_LEVEL, service_level),
        bind(MENU_COST, cost),
    ]


def span(asked: Span, *, now: float, days: int = LONGEST_REPORT) -> tuple[float, float]:
    """Return the Unix seconds *asked* for; what is missing is filled with today or the day asked.

    Args:
        days: it may span.

    Raises:
        Invalid: it ends before it begins, or is too long.
    """
    until = asked.until
    since = asked.since
    if since is None:
        since = midnight(day_of(now if until is None else until - 1))
    if until is None:
        until = now if asked.since is not None else max(now, since + 1)  # midnight itself
    reason = None
    if until <= since:
        reason = "is not later than `from`"
    elif until - since > days * 86400.0:
        reason = f"is more than {days} days after `from`"
    if reason:
        fault = {"in": "query", "key": "to", "reason": reason}
        raise Invalid("1 fault in the query", faults=[fault])
    return since, until


def hotlines_of(register: Register) -> list[HotlineOut]:
    """Return the lines of *register* in the annex's order."""

    def line(n: Number) -> int:
        return n.line_no

    lines = groupby(sorted(register.numbers.values(), key=line), line)
    return [_hotline(list(numbers)) for _, numbers in lines]


def _hotline(numbers: list[Number]) -> HotlineOut:
    first = numbers[0]
    return HotlineOut(
        line_no=first.line_no,
        hotline=first.hotline,
        owner_unit=first.owner_unit,
        unit=first.unit,
        integration=first.integration,
        numbers=[
            NumberOut(
                number=n.number,
                flow=n.flow,
                notice=n.notice,
                seat=n.seat,
                onward=n.onward,
                review=n.review.isoformat() if n.review else None,
            )
            for n in numbers
        ],
    )
