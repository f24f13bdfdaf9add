"""Who reads and writes which article. Pure.

Everybody with the right finds what is published and valid; a unit keeps its own articles, the
staff of the hotline with `WRITE_KNOWLEDGE` all of them.
"""

from schemas.errors import Forbidden
from schemas.identity import Right, Role, Who, may
from schemas.knowledge import ArticleState


def is_valid(
    state: str, valid_from: float | None, valid_until: float | None, *, now: float
) -> bool:
    """Return whether agents may use an article at *now* (Unix seconds)."""
    return (
        state == ArticleState.PUBLISHED
        and (valid_from is None or valid_from <= now)
        and (valid_until is None or now < valid_until)
    )


def sees_all(who: Who) -> bool:
    """Return whether *who* also reads drafts, withdrawn and outdated articles of every unit."""
    return may(who, Right.WRITE_KNOWLEDGE) or may(who, Right.READ_AUDIT)


def own_unit(who: Who) -> str | None:
    """Return the unit whose articles *who* keeps, besides what the role may."""
    return who.unit if who.role is Role.UNIT else None


def may_write(who: Who, unit: str) -> bool:
    """Return whether *who* may write articles of *unit*."""
    return may(who, Right.WRITE_KNOWLEDGE) or own_unit(who) == unit


def require_writer(who: Who, unit: str) -> None:
    """Let *who* pass who may write articles of *unit*.

    Raises:
        Forbidden: they may not.
    """
    if not may_write(who, unit):
        raise Forbidden("只能编写本单位的知识条目", unit=unit)


def may_settle(who: Who, unit: str | None) -> bool:
    """Return whether *who* may settle feedback that *unit* owns; None: the dispatchers'."""
    if may(who, Right.WRITE_KNOWLEDGE):
        return True
    return may(who, Right.DISPATCH) if unit is None else own_unit(who) == unit
