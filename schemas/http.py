"""One REST operation as a row of a table: route, right, parsing and documentation together.

A room declares `OPERATIONS`, binds each to a handler, and the OpenAPI builder walks the same rows:

    LIST = Operation(name="listCalls", method="GET", path="/api/v1/calls", summary="…",
                     right=Right.READ_CALLS, query=CallFilter, body=Nothing, response=list[CallOut])

    async def list_calls(asked: Asked[CallFilter, Nothing]) -> list[CallOut]: ...

    routes = [bind(LIST, list_calls)]
"""

import re
import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas.errors import Forbidden, HotlineError, Invalid, Unauthorised
from schemas.http_errors import invalid
from schemas.identity import Right, Who, may


class Asks(BaseModel):
    """Base of everything a client sends: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Asks):
    """The client has nothing to say here."""


Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text of a body that may reach the database: PostgreSQL stores no NUL."""

_UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and half characters, which no database and no log takes."""

WHO = web.RequestKey("who", Who)
"""Where a request keeps who sent it, once the authenticating middleware has let it in."""

OPERATION = "operation"
"""Attribute of a bound handler that holds its `Operation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q, B]):
    """What may be asked, by whom, in which form, and what comes back."""

    name: str
    """operationId, camelCase."""
    method: Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
    path: str
    summary: str
    right: Right | None
    """None: whoever we know may."""
    query: type[Q]
    """Fields that stand in the path as `{name}` come from there, all others from the query."""
    body: type[B]
    """JSON body, read strictly; `Nothing` when there is none."""
    response: Any
    """Type of the JSON answer: a model, `list[Model]` …; None for an empty one (say 204)."""
    status: int = 200
    errors: tuple[type[HotlineError], ...] = ()
    """What it may refuse beyond 401, 403 and 422, which follow from the row itself."""
    also: Mapping[int, Any] = field(default_factory=dict)
    """Other statuses that carry an answer of their own type instead of an error."""
    media: str = "application/json"
    """Form of the answer; a handler that sends anything else returns a whole response."""
    open: bool = False
    """Anybody may, without being known: say why where you set it."""

    @property
    def in_path(self) -> tuple[str, ...]:
        """Names of the parameters that stand in the path."""
        return tuple(re.findall(r"{(\w+)", self.path))


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q, B]):
    """One request, validated."""

    request: web.Request
    query: Q
    body: B

    @property
    def who(self) -> Who:
        """Who asks.

        Raises:
            Unauthorised: nobody we know (open operations only).
        """
        return identified(self.request)


def identified(request: web.Request) -> Who:
    """Return who sent *request*.

    Raises:
        Unauthorised: the authenticating middleware did not name anybody.
    """
    who = request.get(WHO)
    if not isinstance(who, Who):
        raise Unauthorised("sign in, or send a token as `Authorization: Bearer …`")
    return who


def require(who: Who, right: Right) -> None:
    """Let *who* pass only with *right*.

    Raises:
        Forbidden: they have not got it.
    """
    if not may(who, right):
        raise Forbidden(f"the role {who.role} has no right to {right}", right=right)


Handler = Callable[[Asked[Q, B]], Awaitable[object]]


def bind(operation: Operation[Q, B], handler: Handler[Q, B]) -> web.RouteDef:
    """Return the route of *operation*: checks the right, reads query and body, then *handler*.

    The handler returns a value of `operation.response`, or a whole aiohttp response.
    """
    answer = TypeAdapter(operation.response)

    async def handle(request: web.Request) -> web.StreamResponse:
        if not operation.open:
            who = identified(request)
            if operation.right is not None:
                require(who, operation.right)
        query = _read_query(operation, request)
        body = await _read_body(operation.body, request)
        result = await handler(Asked(request, query, body))
        if isinstance(result, web.StreamResponse):
            return result
        if operation.response is None:
            return web.Response(status=operation.status)
        return web.Response(
            status=operation.status,
            body=answer.dump_json(result),
            content_type="application/json",
        )

    setattr(handle, OPERATION, operation)
    return web.route(operation.method, operation.path, handle, name=operation.name)


def operation_of(request: web.Request) -> Operation[Any, Any] | None:
    """Return the operation that *request* was routed to, if it is one."""
    found = getattr(request.match_info.handler, OPERATION, None)
    return found if isinstance(found, Operation) else None


def _read_query(operation: Operation[Q, B], request: web.Request) -> Q:
    many = _lists(operation.query)
    given: dict[str, object] = {}
    for key in request.query:
        values = request.query.getall(key)
        given[key] = values if key in many or len(values) > 1 else values[0]
    if shadowed := sorted(given.keys() & set(operation.in_path)):
        raise Invalid("a parameter of the path stands in the query too", keys=shadowed)
    _refuse_unprintable({**given, **request.match_info})
    try:
        return operation.query.model_validate({**given, **request.match_info})
    except ValidationError as error:
        raise invalid(error, "query") from None


def _refuse_unprintable(values: Mapping[str, object]) -> None:
    for key, value in values.items():
        for text in (key, *(value if isinstance(value, list) else [value])):
            if _UNPRINTABLE.search(str(text)):
                raise Invalid("the query holds NUL or broken UTF-8")


@cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    """Names of the fields of *model* that take several values."""
    return frozenset(
        name for name, field in model.model_fields.items() if _takes_many(field.annotation)
    )


def _takes_many(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated):
        return any(_takes_many(part) for part in get_args(annotation))
    return origin in (list, tuple, set, frozenset)


async def _read_body(model: type[B], request: web.Request) -> B:
    if model is Nothing:
        return model()
    if request.content_type != "application/json":
        raise Invalid("send JSON: `Content-Type: application/json`")
    try:
        return model.model_validate_json(await request.read(), strict=True)
    except ValidationError as error:
        raise invalid(error, "body") from None
