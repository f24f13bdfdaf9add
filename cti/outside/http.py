"""REST: the outside view for other city systems, after Open311 GeoReport v2. JSON alone.

| field of GeoReport v2   | what it is here                                                    |
|-------------------------|--------------------------------------------------------------------|
| `service_request_id`    | ticket number, `BJ20261123-000001`                                 |
| `status`                | `closed` once archived, refused, merged or withdrawn; else `open`  |
| `status_notes`          | its state in Chinese; who is called back is told as 已办结           |
| `service_code`, `_name` | category of the catalogue, or `kind.<kind>` for what has none      |
| `description`           | title and text without numbers and names of citizens; null for a   |
|                         | confidential ticket and for a report (举报)                          |
| `agency_responsible`    | name of the lead unit, once it is dispatched; never a person       |
| `requested_datetime`    | when it was opened; `updated_datetime`: last change                |
| `expected_datetime`     | when the unit's time for closing ends; null while it pauses        |
| `address`               | place in words; null where `description` is                        |
| `service_notice`, `address_id`, `zipcode`, `lat`, `long`, `media_url` | null              |

Never shown: caller, contact name, notes, history, reply, calls, recordings, who works on it.
Drafts of calls are shown once they are accepted; what came in writing is shown at once.

Other than in the standard: a token in `Authorization: Bearer …` instead of `api_key`; errors have
the shape of all our errors; without `service_request_id` at most 90 days are given at a time, and
`page`, `page_size` walk through them. A token of a unit sees that unit's tickets. A new request is
JSON or a form; `lat`/`long` become its place where no address is given, `email`, `account_id`,
`device_id`, `media_url`, `address_id`, `jurisdiction_id`, `api_key` are taken and not used.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, Protocol

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.outside import store, view
from cti.tickets import sight
from schemas.casebook import Casebook
from schemas.cases import Kind
from schemas.errors import Forbidden, HotlineError, Invalid, NotFound
from schemas.http import (
    OPERATION,
    Asked,
    Asks,
    Handler,
    Nothing,
    Operation,
    bind,
    identified,
    require,
)
from schemas.http_errors import invalid
from schemas.identity import Right, Who
from schemas.outside import (
    CreatedOut,
    DefinitionOut,
    RequestIn,
    RequestOut,
    ServiceCode,
    ServiceOut,
)
from schemas.tickets import TicketId, TicketIn, TicketOut
from schemas.times import Since, Until

_PATH = "/open311/v2"
_CREATED: TypeAdapter[Any] = TypeAdapter(list[CreatedOut])
LONGEST = 90 * 86400.0
"""Seconds of one question; the standard's own."""
_Codes = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=r"^[A-Za-z0-9_., -]*$",
        description="One or several, parted by commas",
    ),
]


class NotAcceptable(HotlineError):
    """We do not speak this format."""

    code, status = "not_acceptable", 406


class Cases(Protocol):
    """Case work, as far as outsiders reach."""

    async def create(self, who: Who, asked: TicketIn, /) -> TicketOut:
        """Open a ticket."""
        ...


class Outside(Asks):
    """What every question may say."""

    jurisdiction_id: str | None = Field(
        default=None, max_length=200, description="Taken and not used: there is one"
    )


class OneService(Outside):
    """Which service."""

    code: ServiceCode


class OneRequest(Outside):
    """Which ticket."""

    id: TicketId


class RequestFilter(Outside):
    """Which tickets."""

    service_request_id: _Codes | None = None
    service_code: _Codes | None = None
    status: Annotated[str, Field(pattern=r"^(open|closed)(,(open|closed))?$")] | None = None
    start_date: Since | None = Field(default=None, description="Opened then or later")
    end_date: Until | None = Field(default=None, description="Opened before; now")
    page: int = Field(default=1, ge=1, le=1000)
    page_size: int = Field(default=50, ge=1, le=200)


SERVICES = Operation(
    name="open311Services",
    method="GET",
    path=_PATH + "/services.json",
    summary="Open311: what may be asked for",
    right=Right.READ_TICKETS,
    query=Outside,
    body=Nothing,
    response=list[ServiceOut],
)
SERVICE = Operation(
    name="open311Service",
    method="GET",
    path=_PATH + "/services/{code}.json",
    summary="Open311: definition of one service",
    right=Right.READ_TICKETS,
    query=OneService,
    body=Nothing,
    response=DefinitionOut,
    errors=(NotFound,),
)
REQUESTS = Operation(
    name="open311Requests",
    method="GET",
    path=_PATH + "/requests.json",
    summary="Open311: tickets as outsiders see them, newest first",
    right=Right.READ_TICKETS,
    query=RequestFilter,
    body=Nothing,
    response=list[RequestOut],
)
REQUEST = Operation(
    name="open311Request",
    method="GET",
    path=_PATH + "/requests/{id}.json",
    summary="Open311: one ticket, in a list of one",
    right=Right.READ_TICKETS,
    query=OneRequest,
    body=Nothing,
    response=list[RequestOut],
    errors=(NotFound,),
)
CREATE = Operation(
    name="open311Create",
    method="POST",
    path=_PATH + "/requests.json",
    summary="Open311: open a ticket; JSON or a form",
    right=Right.WRITE_TICKETS,
    query=Outside,
    body=RequestIn,
    response=list[CreatedOut],
    status=201,
    errors=(Forbidden,),
)


def routes(
    read: async_sessionmaker[AsyncSession],
    cases: Cases,
    *,
    book: Callable[[], Casebook],
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        read: makes sessions that only read.
        cases: opens tickets.
        book: the casebook as it is now.
    """

    async def services(_: Asked[Outside, Nothing]) -> Sequence[ServiceOut]:
        return list(view.services(book()))

    async def service(asked: Asked[OneService, Nothing]) -> DefinitionOut:
        return DefinitionOut(service_code=_known(book(), asked.query.code).service_code)

    async def requests(asked: Asked[RequestFilter, Nothing]) -> Sequence[RequestOut]:
        of, known = asked.query, book()
        since, until = _span(of, clock())
        async with read() as session:
            return await store.find(
                session,
                known,
                seen=sight.units_of(asked.who, known.units),
                ids=_several(of.service_request_id),
                codes=_several(of.service_code),
                status=_status(of.status),
                since=since,
                until=until,
                offset=(of.page - 1) * of.page_size,
                limit=of.page_size,
            )

    async def request(asked: Asked[OneRequest, Nothing]) -> Sequence[RequestOut]:
        known = book()
        seen = sight.units_of(asked.who, known.units)
        async with read() as session:
            found = await store.find(session, known, seen=seen, ids=[asked.query.id], limit=1)
        if not found:
            raise NotFound("没有这张工单")
        return found

    async def create(asked: Asked[Outside, RequestIn]) -> Sequence[CreatedOut]:
        _known(book(), asked.body.service_code, key="service_code")
        made = await cases.create(asked.who, _ticket(asked.body))
        notice = "已登记，等待受理；请凭单号查询进度"
        return [CreatedOut(service_request_id=made.id, service_notice=notice)]

    return [
        bind(SERVICES, services),
        bind(SERVICE, service),
        bind(REQUESTS, requests),
        bind(REQUEST, request),
        _form_too(bind(CREATE, create), create),
        *(
            web.get(f"{_PATH}/{path}.xml", _no_xml)
            for path in ("services", "services/{code}", "requests", "requests/{id}")
        ),
    ]


async def _no_xml(request: web.Request) -> web.StreamResponse:
    require(identified(request), Right.READ_TICKETS)
    raise NotAcceptable("本接口只提供 JSON，请把地址里的 .xml 换成 .json")


def _form_too(route: web.RouteDef, create: Handler[Outside, RequestIn]) -> web.RouteDef:
    """Return *route*, whose JSON body may come as a form as well: GeoReport clients send forms."""
    as_json: Callable[[web.Request], Awaitable[web.StreamResponse]] = route.handler

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/x-www-form-urlencoded":
            return await as_json(request)
        require(identified(request), Right.WRITE_TICKETS)
        made = await create(Asked(request, Outside(), await _form(request)))
        return web.Response(
            status=CREATE.status, body=_CREATED.dump_json(made), content_type="application/json"
        )

    setattr(handle, OPERATION, CREATE)
    return web.post(route.path, handle, name=CREATE.name)


async def _form(request: web.Request) -> RequestIn:
    try:
        given = await request.post()
    except (ValueError, LookupError):  # no text in the charset that it names, or none such
        raise Invalid("the form is not UTF-8") from None
    # an empty field of a form says nothing; no service has attributes
    said = {k: v for k, v in given.items() if v and not k.startswith("attribute")}
    try:
        return RequestIn.model_validate(said)
    except ValidationError as error:
        raise invalid(error, "body") from None


def _known(book: Casebook, code: str, *, key: str = "") -> ServiceOut:
    found = next((one for one in view.services(book) if one.service_code == code), None)
    if found is not None:
        return found
    if key:
        fault = {"in": "body", "key": key, "reason": "没有这项服务"}
        raise Invalid("没有这项服务", faults=[fault])
    raise NotFound("没有这项服务")


def _several(given: str | None) -> list[str] | None:
    return None if given is None else [one.strip() for one in given.split(",") if one.strip()]


def _status(given: str | None) -> Literal["open", "closed"] | None:
    wanted = set((given or "").split(","))
    if wanted == {"open"}:
        return "open"
    return "closed" if wanted == {"closed"} else None


def _span(of: RequestFilter, now: float) -> tuple[float | None, float | None]:
    """Return begin and end of the question; all time when it names tickets."""
    if of.service_request_id is not None and of.start_date is None and of.end_date is None:
        return None, None
    until = now if of.end_date is None else of.end_date
    since = until - LONGEST if of.start_date is None else of.start_date
    if of.end_date is None and of.start_date is not None:
        until = min(now, since + LONGEST)
    if until - since > LONGEST:
        raise Invalid("一次最多查询 90 天，请缩短 start_date 到 end_date 的时间")
    return since, until


def _ticket(asked: RequestIn) -> TicketIn:
    group, _, name = asked.service_code.partition(".")
    general = group == view.KIND
    place = asked.address_string
    if not place and asked.lat is not None and asked.long is not None:
        place = f"{asked.lat:.6f},{asked.long:.6f}"
    line = asked.description.strip().splitlines()[:1] or [""]
    return TicketIn(
        title=line[0][:60],
        kind=Kind(name) if general else Kind.HELP,
        category=None if general else asked.service_code,
        caller=asked.phone,
        contact_name=f"{asked.last_name}{asked.first_name}" or None,
        body=asked.description,
        place=place,
    )
