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
    DISPATCH = "dispatch"
    """派单: send tickets to units, judge what units send back."""
    COORDINATE = "coordinate"
    """协调: lead and assisting units, and what two returns could not settle."""
    SUPERVISE_CASES = "supervise_cases"
    """督办: grant extensions, supervise, send back what is not solved."""
    HANDLE_CASES = "handle_cases"
    """承办: sign, contact, return, reply; only what is one's own unit's."""
    CHECK_CASES = "check_cases"
    """回访: call back, close or rework."""
    ASK_UNMASK = "ask_unmask"
    """Ask to see who a confidential caller is (保密)."""
    GRANT_UNMASK = "grant_unmask"
    """Grant what somebody else asked."""
    JUDGE_ALARMS = "judge_alarms"
    """Confirm or dismiss a risk alarm."""
    READ_UNITS = "read_units"
    PROBE_UNITS = "probe_units"
    """Ring a unit's duty phone now (拨测)."""
    READ_KNOWLEDGE = "read_knowledge"
    WRITE_KNOWLEDGE = "write_knowledge"
    READ_SCORES = "read_scores"
    CLOSE_SCORES = "close_scores"
    """Close a month's scores: they do not change again."""
    EXPORT = "export"
    """Take lists out as Excel, one's own unit's only for a unit."""
    TAKE_EVIDENCE = "take_evidence"
    """Take the evidence pack of a ticket."""
    READ_AUDIT = "read_audit"
    HOOKS = "hooks"
    """Web hooks: who is told of tickets."""
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
        _R.READ_UNITS,
        _R.READ_KNOWLEDGE,
    }
)
_CASE_WORK = frozenset({_R.WRITE_TICKETS, _R.WRITE_CALLBACKS})
_LISTS = frozenset({_R.EXPORT, _R.READ_SCORES})

RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.READER: _READS | {_R.READ_METRICS, _R.READ_SCORES},
    Role.AGENT: (_READS - {_R.READ_REPORTS})
    | _CASE_WORK
    | {_R.OPEN_DESK, _R.CONTROL_CALLS, _R.CHECK_CASES, _R.ASK_UNMASK},
    Role.SUPERVISOR: _READS
    | _CASE_WORK
    | _LISTS
    | {
        _R.READ_TRANSCRIPTS,
        _R.OPEN_DESK,
        _R.STEER_AGENTS,
        _R.SWITCH,
        _R.CONTROL_CALLS,
        _R.STEER_CALLS,
        _R.DISPATCH,
        _R.CHECK_CASES,
        _R.ASK_UNMASK,
        _R.GRANT_UNMASK,
        _R.JUDGE_ALARMS,
        _R.PROBE_UNITS,
        _R.WRITE_KNOWLEDGE,
    },
    Role.DISPATCHER: _READS | _CASE_WORK | _LISTS | {_R.DISPATCH, _R.COORDINATE, _R.ASK_UNMASK},
    Role.MONITOR: _READS
    | _CASE_WORK
    | _LISTS
    | {
        _R.COORDINATE,
        _R.SUPERVISE_CASES,
        _R.CHECK_CASES,
        _R.ASK_UNMASK,
        _R.GRANT_UNMASK,
        _R.JUDGE_ALARMS,
        _R.PROBE_UNITS,
        _R.TAKE_EVIDENCE,
    },
    Role.QUALITY: _READS | _LISTS | {_R.READ_TRANSCRIPTS, _R.CHECK_CASES},
    Role.ADMIN: frozenset(Right) - {_R.HANDLE_CASES},
    # Rows, not rights, keep a unit to its own tickets: `Who.unit` says which they are.
    Role.UNIT: frozenset(
        {
            _R.READ_HOTLINES,
            _R.READ_TICKETS,
            _R.HANDLE_CASES,
            _R.READ_UNITS,
            _R.READ_KNOWLEDGE,
            _R.EXPORT,
            _R.READ_SCORES,
        }
    ),
    Role.INSPECTOR: _READS | _LISTS | {_R.TAKE_EVIDENCE, _R.READ_AUDIT},
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
    unit: str | None = None
    """Role `unit` only: code of the unit (承办单位) whose tickets they see; None: none at all."""
    head: bool = False
    """Role `unit` only: its responsible person (负责人), who also sees the units below."""
    name: str = ""
    """As people know them; "" for a machine."""


def may(who: Who, right: Right) -> bool:
    """Return whether *who* has *right*."""
    return right in RIGHTS[who.role]
