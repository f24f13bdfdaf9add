"""Who asks, and what they may do: one table of rights for REST, desk socket and pages.

`schemas.http.WHO` is where a request keeps its `Who` once it has been let in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from schemas.calls import AgentId


class Role(StrEnum):
    """What somebody is here for."""

    READER = "reader"
    """A machine that reads."""
    AGENT = "agent"
    """坐席."""
    SUPERVISOR = "supervisor"
    """班长."""
    DISPATCHER = "dispatcher"
    """派单."""
    MONITOR = "monitor"
    """督办."""
    QUALITY = "quality"
    """质检."""
    ADMIN = "admin"
    """管理员."""
    UNIT = "unit"
    """承办单位."""
    INSPECTOR = "inspector"
    """督查: reads everything, changes nothing."""


class Right(StrEnum):
    """One thing that may be allowed."""

    READ_HOTLINES = "read_hotlines"
    READ_CALLS = "read_calls"
    READ_TRANSCRIPTS = "read_transcripts"
    """Read what was said in recordings."""
    READ_TICKETS = "read_tickets"
    WRITE_TICKETS = "write_tickets"
    READ_CALLBACKS = "read_callbacks"
    WRITE_CALLBACKS = "write_callbacks"
    READ_AGENTS = "read_agents"
    STEER_AGENTS = "steer_agents"
    """Change another agent's state."""
    SWITCH = "switch"
    """Turn surge mode (应急保障) on and off."""
    OPEN_DESK = "open_desk"
    """Open the desk of one's own extension."""
    CONTROL_CALLS = "control_calls"
    """Hold, transfer, park … the call in one's own hands."""
    STEER_CALLS = "steer_calls"
    """The same with others' calls; listen, whisper, barge in."""
    READ_REPORTS = "read_reports"
    READ_METRICS = "read_metrics"
    ADMIN = "admin"
    """Users, tokens, settings."""


_R = Right
_READS = frozenset(
    {
        _R.READ_HOTLINES,
        _R.READ_CALLS,
        _R.READ_TICKETS,
        _R.READ_CALLBACKS,
        _R.READ_AGENTS,
        _R.READ_REPORTS,
    }
)
_CASE_WORK = frozenset({_R.WRITE_TICKETS, _R.WRITE_CALLBACKS})

RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.READER: _READS | {_R.READ_METRICS},
    Role.AGENT: (_READS - {_R.READ_REPORTS}) | _CASE_WORK | {_R.OPEN_DESK, _R.CONTROL_CALLS},
    Role.SUPERVISOR: _READS
    | _CASE_WORK
    | {
        _R.READ_TRANSCRIPTS,
        _R.OPEN_DESK,
        _R.STEER_AGENTS,
        _R.SWITCH,
        _R.CONTROL_CALLS,
        _R.STEER_CALLS,
    },
    Role.DISPATCHER: _READS | _CASE_WORK,
    Role.MONITOR: _READS | _CASE_WORK,
    Role.QUALITY: _READS | {_R.READ_TRANSCRIPTS},
    Role.ADMIN: frozenset(Right),
    # A unit may see its own tickets only; until tickets know their units, it sees none.
    Role.UNIT: frozenset({_R.READ_HOTLINES}),
    Role.INSPECTOR: _READS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Somebody we know: a person with a sign-in, or a machine with a token."""

    kind: Literal["user", "token"]
    id: str
    """Login of a person; the first characters of a token's hash, enough for a log."""
    role: Role
    agent: AgentId | None = None
    """Extension whose desk they may open."""


def may(who: Who, right: Right) -> bool:
    """Return whether *who* has *right*."""
    return right in RIGHTS[who.role]
