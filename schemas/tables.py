"""The tables: one schema for SQLite and PostgreSQL. Times are Unix seconds (UTC) as floats."""

from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, MetaData, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All our tables."""

    metadata = MetaData(
        naming_convention={  # migrations can only change what has the same name on both
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        float: Float(53),
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
    }


class CallRow(Base):
    """The ledger: one row a call, exactly one outcome once it has ended."""

    __tablename__ = "calls"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    node: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    number: Mapped[str | None] = mapped_column(String(32))
    line_no: Mapped[int | None]
    hotline: Mapped[str | None] = mapped_column(String(80))
    integration: Mapped[str | None] = mapped_column(String(16))
    attribution: Mapped[str | None] = mapped_column(String(16))
    did: Mapped[str | None] = mapped_column(String(64))
    dialled: Mapped[str | None] = mapped_column(String(64))
    chain: Mapped[list[str]]
    caller: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[float]
    answered_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    sla_seconds: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(String(24))
    route: Mapped[str | None] = mapped_column(String(80))
    queue: Mapped[str | None] = mapped_column(String(64))
    agent: Mapped[str | None] = mapped_column(String(32))
    ticket_id: Mapped[str | None] = mapped_column(String(32))
    transcript: Mapped[str | None] = mapped_column(Text)
    intent: Mapped[str | None] = mapped_column(String(40))
    confidence: Mapped[float | None]
    recording: Mapped[str | None] = mapped_column(String(200))
    cause: Mapped[int | None]

    __table_args__ = (
        Index("ix_calls_started_at", "started_at"),
        Index("ix_calls_caller", "caller", "started_at"),
        Index("ix_calls_number", "number", "started_at"),
        Index("ix_calls_agent", "agent", "started_at"),
        Index(
            "ix_calls_open",
            "node",
            sqlite_where=text("outcome IS NULL"),
            postgresql_where=text("outcome IS NULL"),
        ),
    )


class TimelineRow(Base):
    """What happened in a call, in order. No foreign key: rows may be committed before the call."""

    __tablename__ = "call_timeline"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]]

    __table_args__ = (
        # what prompts cost is counted over all calls of a day
        Index("ix_call_timeline_kind", "kind", "at"),
    )


class SwitchRow(Base):
    """One turn of a switch of the whole service; the newest row of a name says how it stands."""

    __tablename__ = "switches"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(16), index=True)
    on: Mapped[bool]
    at: Mapped[float]
    who: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(String(200))


class TranscriptRow(Base):
    """What was said in a recording, as an engine heard it; for search and for quality work."""

    __tablename__ = "transcripts"

    call_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    recording: Mapped[str] = mapped_column(String(200))
    engine: Mapped[str] = mapped_column(String(64))
    seconds: Mapped[float]
    """Length of the recording."""
    text: Mapped[str] = mapped_column(Text)
    parts: Mapped[list[dict[str, Any]]]
    """One after another: `at` and `until` in seconds of the recording, `text`, `score` 0-100."""
    made_at: Mapped[float]
    error: Mapped[str | None] = mapped_column(String(200))
    """Why there is none: the recording is gone or broken; it is not tried again."""

    __table_args__ = (Index("ix_transcripts_made_at", "made_at"),)


ASSISTED = "CAST(assisting AS VARCHAR) <> '[]'"
"""Says that a ticket has assisting units; few have any."""


class TicketRow(Base):
    """工单 as it is now; how it came to be so stands in `ticket_history`.

    Only `cti.tickets.casework` changes `state`, `version` and what follows from them.
    """

    __tablename__ = "tickets"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    call_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The call that opened it; others stand in `ticket_calls`."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    kind: Mapped[str | None] = mapped_column(String(16))
    urgency: Mapped[str] = mapped_column(String(16), default="normal")
    category: Mapped[str | None] = mapped_column(String(48))
    """Code of the two-level catalogue: `zhujian.water`."""
    county: Mapped[str | None] = mapped_column(String(16))
    town: Mapped[str | None] = mapped_column(String(40))
    caller: Mapped[str | None] = mapped_column(String(64))
    contact_name: Mapped[str | None] = mapped_column(String(80))
    confidential: Mapped[bool] = mapped_column(default=False)
    number: Mapped[str | None] = mapped_column(String(32))
    hotline: Mapped[str | None] = mapped_column(String(80))
    attribution: Mapped[str | None] = mapped_column(String(16))
    unit: Mapped[str | None] = mapped_column(String(64))
    """Lead unit (主办); in a draft only whose number was dialled."""
    assisting: Mapped[list[str]] = mapped_column(default=list)
    """协办."""
    agent: Mapped[str | None] = mapped_column(String(32))
    transcript: Mapped[str | None] = mapped_column(Text)
    confidence: Mapped[float | None]
    title: Mapped[str] = mapped_column(String(200), default="")
    body: Mapped[str] = mapped_column(Text, default="")
    place: Mapped[str] = mapped_column(String(200), default="")
    occurred: Mapped[str] = mapped_column(String(100), default="")
    """When it happened, in the citizen's words."""
    waiting: Mapped[str | None] = mapped_column(String(16))
    """What handling waits for: `extension`, `citizen`."""
    asked_until: Mapped[float | None]
    """The due time that a pending extension asks for."""
    with_coordinator: Mapped[bool] = mapped_column(default=False)
    returns: Mapped[int] = mapped_column(default=0)
    extensions: Mapped[int] = mapped_column(default=0)
    reworks: Mapped[int] = mapped_column(default=0)
    supervised: Mapped[int] = mapped_column(default=0)
    """Level of supervision (督办); 0: none."""
    urged: Mapped[int] = mapped_column(default=0)
    """How often citizens asked again (催办)."""
    scope: Mapped[int | None]
    """Class 1-7 of what is not 12345's matter; only of a refused one."""
    merged_into: Mapped[str | None] = mapped_column(String(32), index=True)
    resolution: Mapped[str | None] = mapped_column(String(16))
    reply: Mapped[str] = mapped_column(Text, default="")
    """What the unit (or the agent, on the line) answered."""
    policy: Mapped[str] = mapped_column(String(200), default="")
    """Basis of an `explained` reply."""
    told_at: Mapped[float | None]
    """When the citizen was told the result."""
    told_call: Mapped[str | None] = mapped_column(String(64))
    solved: Mapped[bool | None]
    satisfied: Mapped[int | None]
    """1-5, from the callback; None: not asked or not reached."""
    owner: Mapped[str] = mapped_column(String(64), default="")
    """Who must move now, as `schemas.cases.owner_of` says; "" once closed."""
    due_at: Mapped[float | None]
    """When the most pressing running clock runs out."""
    yellow_at: Mapped[float | None]
    """From then on its light is yellow."""
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[float]
    updated_at: Mapped[float]
    accepted_at: Mapped[float | None]
    dispatched_at: Mapped[float | None]
    signed_at: Mapped[float | None]
    done_at: Mapped[float | None]
    closed_at: Mapped[float | None]

    __table_args__ = (
        Index("ix_tickets_caller", "caller", "created_at"),
        Index("ix_tickets_created", "created_at"),
        Index("ix_tickets_unit", "unit", "state", "due_at"),
        Index("ix_tickets_owner", "owner", "due_at"),
        Index("ix_tickets_place", "county", "category", "created_at"),
        Index("ix_tickets_updated", "updated_at", "id"),
        Index("ix_tickets_unit_made", "unit", "created_at"),
        Index(
            "ix_tickets_unit_open",
            "unit",
            "due_at",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_tickets_assisted",
            "created_at",
            sqlite_where=text(ASSISTED),
            postgresql_where=text(ASSISTED),
        ),
        Index(
            "ix_tickets_assisted_open",
            "due_at",
            sqlite_where=text(f"{ASSISTED} AND closed_at IS NULL"),
            postgresql_where=text(f"{ASSISTED} AND closed_at IS NULL"),
        ),
        Index(
            "ix_tickets_open",
            "due_at",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )


class TicketDayRow(Base):
    """How many ticket ids a day has given out: the row lock makes ids unique on every node."""

    __tablename__ = "ticket_days"

    day: Mapped[str] = mapped_column(String(8), primary_key=True)
    """yyyymmdd in Asia/Shanghai."""
    last: Mapped[int]


LIVE_PROMISE = "state IN ('waiting', 'dialling')"


class CallbackRow(Base):
    """A promise to call a citizen back; at most one live promise per citizen's number."""

    __tablename__ = "callbacks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    call_id: Mapped[str | None] = mapped_column(String(64))
    caller: Mapped[str] = mapped_column(String(64))
    number: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16))
    due: Mapped[float]
    """Not before this time; place in the queue is kept by `arrived_at`."""
    arrived_at: Mapped[float]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[float]

    __table_args__ = (
        Index(
            "uq_callbacks_live",
            "caller",
            unique=True,
            sqlite_where=text(LIVE_PROMISE),
            postgresql_where=text(LIVE_PROMISE),
        ),
        Index("ix_callbacks_due", "state", "due"),
    )


class UserRow(Base):
    """A person who signs in: agent, supervisor, admin. `login` is also the SIP user of an agent."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    login: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(16))
    extension: Mapped[str | None] = mapped_column(String(16), unique=True)
    phone: Mapped[str] = mapped_column(String(8), default="desk")
    """`desk` or `browser`: which endpoint rings."""
    skills: Mapped[list[str]]
    """Owner-unit codes this agent is best at."""
    password_hash: Mapped[str] = mapped_column(String(200))
    sip_ha1: Mapped[str | None] = mapped_column(String(32))
    unit: Mapped[str | None] = mapped_column(String(64))
    """Role `unit`: code of the unit whose tickets they handle."""
    head: Mapped[bool] = mapped_column(default=False)
    """Role `unit`: its responsible person (负责人)."""
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[float]


class SessionRow(Base):
    """A browser's sign-in; only the hash of its cookie is kept."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]


class TokenRow(Base):
    """A machine's key; only its hash is kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(80), default="")
    agent: Mapped[str | None] = mapped_column(String(16))
    """For role `agent`: the extension whose desk this token may open."""
    unit: Mapped[str | None] = mapped_column(String(64))
    """For role `unit`: the unit whose system this is."""
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]


class MarkRow(Base):
    """A place in a stream that must be found again after a restart (CEL file offset, …)."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]]
