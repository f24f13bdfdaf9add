"""Time at the edges: Unix seconds inside, ISO 8601 in Asia/Shanghai outside."""

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""A fixed offset: China keeps no summer time, and machines without tzdata must work too."""

_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")


def iso(at: float) -> str:
    """Return Unix seconds *at* as people's time, `2026-11-23T09:00:00.000+08:00`."""
    return datetime.fromtimestamp(at, SHANGHAI).isoformat(timespec="milliseconds")


def iso_or_none(at: float | None) -> str | None:
    """Return *at* as `iso` does, and None as None."""
    return None if at is None else iso(at)


def day_of(at: float) -> date:
    """Return the calendar day in Shanghai at Unix seconds *at*."""
    return datetime.fromtimestamp(at, SHANGHAI).date()


def midnight(day: date) -> float:
    """Return the Unix seconds at which *day* begins in Shanghai."""
    return datetime.combine(day, time(), SHANGHAI).timestamp()


def read(text: str, *, end: bool = False) -> float:
    """Return the Unix seconds of an ISO 8601 time or date; without a zone it is Shanghai's.

    Args:
        end: a date means the end of that day instead of its beginning.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return midnight(date.fromisoformat(text)) + (86400 if end else 0)
        # `+08:00` typed into an address without escaping arrives as ` 08:00`
        at = datetime.fromisoformat(_LOST_PLUS.sub("+", text).upper())
        return (at if at.tzinfo else at.replace(tzinfo=SHANGHAI)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("is not a time or date in ISO 8601") from None


def _since(given: object) -> object:
    return read(given) if isinstance(given, str) else given


def _until(given: object) -> object:
    return read(given, end=True) if isinstance(given, str) else given


_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "anyOf": [{"format": "date-time"}, {"format": "date"}],
        "examples": ["2026-11-23T09:00:00+08:00", "2026-11-23"],
    }
)
Since = Annotated[float, BeforeValidator(_since), _SCHEMA]
"""Beginning of a span in a query; a date means its first moment."""
Until = Annotated[float, BeforeValidator(_until), _SCHEMA]
"""End of a span in a query, not included; a date means the end of that day."""
