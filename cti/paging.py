"""Lists in pages by key: (time, id) of the last item, so that new rows shift nothing."""

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from schemas.errors import Invalid

T = TypeVar("T")
O = TypeVar("O", bound=BaseModel)  # noqa: E741

Key = tuple[float, str]
"""Unix seconds and id: unique, and newest first is descending."""
Limit = Annotated[int, Field(ge=1, le=500, description="Items in one page")]
Cursor = Annotated[
    str,
    Field(max_length=200, description='Where the page begins: from the `Link` header, rel="next"'),
]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, newest first."""

    items: Sequence[T]
    next: str | None
    """Cursor of the page after this one."""


def cursor_of(key: Key) -> str:
    """Return *key* as text that may stand in an address."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def key_of(cursor: str) -> Key:
    """Return the key that `cursor_of` wrote.

    Raises:
        Invalid: it is not one of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, name = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not (isinstance(at, float | int) and math.isfinite(at) and isinstance(name, str)):
            raise ValueError
        if not (name.isascii() and name.isprintable()):
            raise ValueError
        return float(at), name
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        fault = {"in": "query", "key": "cursor", "reason": "is not one that was given out"}
        raise Invalid("1 fault in the query", faults=[fault]) from None


def older_than(
    key: Key, at: InstrumentedAttribute[float], id: InstrumentedAttribute[str]
) -> ColumnElement[bool]:
    """Return the condition for rows that come after *key* in a list, newest first."""
    return or_(at < key[0], and_(at == key[0], id < key[1]))


def as_response(request: web.Request, page: Page[O], adapter: TypeAdapter[list[O]]) -> web.Response:
    """Return *page* as a JSON list; a `Link` header (RFC 8288) names the next one."""
    answer = web.Response(body=adapter.dump_json(list(page.items)), content_type="application/json")
    if page.next:
        there = request.rel_url.update_query(cursor=page.next)
        answer.headers["Link"] = f'<{there}>; rel="next"'
    return answer
