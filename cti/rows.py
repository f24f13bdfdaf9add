"""What the stores share: an insert that knows conflicts on both databases, and text that fits."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.tables import Base


def insert_into(session: AsyncSession, table: type[Base]) -> Any:
    """Return the dialect's own INSERT, which has `on_conflict_do_…`; both spell it the same."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def fit(text: str | None, length: int) -> str | None:
    """Return *text* from a call so that any column of *length* takes it: no NUL, cut, no ""."""
    if not text:
        return None
    clean = text.encode("utf-8", "replace").decode().replace("\0", "")
    return clean[:length] or None
