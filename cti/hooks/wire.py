"""What goes over the wire to a hook, and how its receiver knows it is ours. Pure.

A receiver checks `X-Hotline-Signature` over `<timestamp>.<body>`, refuses a timestamp too far from
its own clock, and drops what it has seen: `X-Hotline-Delivery`, the `id` of the body, stays the
same however often a piece of news is sent.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.times import iso

SKEW = 300
"""Seconds that a receiver's clock may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One row of the outbox."""

    id: int
    topic: str
    ref: str
    seq: int
    body: Mapping[str, Any]
    at: float
    """Unix seconds."""


def payload(news: News) -> bytes:
    """Return *news* as the JSON that is sent, the same bytes each time."""
    said = {
        "id": news.id,
        "topic": news.topic,
        "ref": news.ref,
        "seq": news.seq,
        "at": iso(news.at),
        "body": news.body,
    }
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode()


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of `X-Hotline-Signature`; *timestamp* in Unix seconds."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={signed.hexdigest()}"


def genuine(secret: str, timestamp: str, body: bytes, signature: str, *, now: float) -> bool:
    """Tell whether a receiver should believe it; the reference for those who write one."""
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    expected = sign(secret, int(timestamp), body).encode()
    same = hmac.compare_digest(expected, signature.encode())
    return same and abs(now - int(timestamp)) <= SKEW


def headers(secret: str, news: News, body: bytes, *, timestamp: int) -> dict[str, str]:
    """Return the headers of one try; *timestamp* in Unix seconds."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "hotline-12345",
        "X-Hotline-Delivery": str(news.id),
        "X-Hotline-Topic": news.topic,
        "X-Hotline-Timestamp": str(timestamp),
        "X-Hotline-Signature": sign(secret, timestamp, body),
    }


def wants(topics: Sequence[str], topic: str) -> bool:
    """Tell whether a hook with *topics* hears of *topic*: `ticket` hears of `ticket.dispatch`."""
    return not topics or any(topic == t or topic.startswith(f"{t}.") for t in topics)
