"""The tables of case work beside `tickets`: history, clocks, files, alarms, knowledge, outbox."""

from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from schemas.tables import Base


class HistoryRow(Base):
    """One change of a ticket. Append-only: each row's hash covers the row before it."""

    __tablename__ = "ticket_history"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(String(32))
    seq: Mapped[int]
    """1, 2, 3 … within the ticket."""
    at: Mapped[float]
    who: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str | None] = mapped_column(String(64))
    move: Mapped[str] = mapped_column(String(24))
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(Text, default="")
    """What people read: the reason or the text of the move."""
    call_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]]
    """Everything else of the move."""
    previous: Mapped[str] = mapped_column(String(64))
    """Hash of the row before; 64 zeros for the first."""
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        UniqueConstraint("ticket_id", "seq", name="uq_ticket_history_ticket_id"),
        Index("ix_ticket_history_move", "move", "at"),
    )


class ClockRow(Base):
    """One clock of a ticket; what it is due at follows from the rest and the calendar."""

    __tablename__ = "ticket_clocks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(String(32), index=True)
    name: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str | None] = mapped_column(String(64))
    """Whose clock it is; None: the hotline's own."""
    begun_at: Mapped[float]
    amount: Mapped[float]
    measure: Mapped[str] = mapped_column(String(16))
    """`workdays`, `workhours`, `hours`, `days`."""
    hours: Mapped[str] = mapped_column(String(40))
    """Schedule of calendar.toml that working time is counted in."""
    extra: Mapped[float] = mapped_column(default=0.0)
    """Added by extensions, in `measure`."""
    fixed_due: Mapped[float | None]
    """A due time granted as a date; wins over the amount."""
    pauses: Mapped[list[dict[str, Any]]]
    """One after another: `at`, `until` (null while it lasts), `why`."""
    ended_at: Mapped[float | None]
    met: Mapped[bool | None]
    """Whether it ended in time; None while it runs, or when it was dropped."""
    yellow_at: Mapped[float | None]
    due_at: Mapped[float | None]
    """None while it pauses."""
    rung: Mapped[int] = mapped_column(default=0)
    """Steps of the escalation ladder already taken."""
    basis: Mapped[str] = mapped_column(String(80), default="")
    """Rule of limits.toml it comes from."""

    __table_args__ = (
        Index("ix_ticket_clocks_name", "name", "due_at"),
        Index(
            "ix_ticket_clocks_due",
            "due_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class TicketCallRow(Base):
    """A call that belongs to a ticket."""

    __tablename__ = "ticket_calls"

    ticket_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    why: Mapped[str] = mapped_column(String(16))
    """`opened`, `about`, `contact`, `told`, `check`, `unmask`."""
    at: Mapped[float]

    __table_args__ = (Index("ix_ticket_calls_call", "call_id"),)


class TicketFileRow(Base):
    """Evidence (佐证材料) of a ticket; the bytes lie in `<state>/evidence/<sha256>`."""

    __tablename__ = "ticket_files"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(String(32), index=True)
    name: Mapped[str] = mapped_column(String(120))
    """As people see it; never a path."""
    media: Mapped[str] = mapped_column(String(80))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    who: Mapped[str] = mapped_column(String(64))
    unit: Mapped[str | None] = mapped_column(String(64))
    at: Mapped[float]


class UnmaskRow(Base):
    """Somebody asked who a confidential caller is; somebody else grants it, for a short time."""

    __tablename__ = "unmask_requests"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(String(32), index=True)
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[float]
    why: Mapped[str] = mapped_column(String(200))
    granted_by: Mapped[str | None] = mapped_column(String(64))
    granted_at: Mapped[float | None]
    refused: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[float | None]


class AuditRow(Base):
    """Who looked at or took out what is guarded: unmasked callers, exports, evidence packs."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(index=True)
    who: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(32))
    ref: Mapped[str] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]]


class AlarmRow(Base):
    """A risk that the words of a ticket, or several tickets alike, may mean."""

    __tablename__ = "alarms"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`word` or `cluster`."""
    topic: Mapped[str] = mapped_column(String(40))
    """Of risks.toml."""
    level: Mapped[str] = mapped_column(String(16))
    county: Mapped[str | None] = mapped_column(String(16))
    town: Mapped[str | None] = mapped_column(String(40))
    tickets: Mapped[list[str]]
    words: Mapped[list[str]]
    first_at: Mapped[float]
    """When the ticket that raised it was saved; `raised_at` minus this is how fast we were."""
    raised_at: Mapped[float]
    state: Mapped[str] = mapped_column(String(16))
    """`open`, `confirmed`, `dismissed`."""
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[float | None]
    why: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (
        Index("ix_alarms_state", "state", "raised_at"),
        Index("ix_alarms_topic", "topic", "county", "raised_at"),
    )


class ProbeRow(Base):
    """One test call to a unit's duty phone (拨测)."""

    __tablename__ = "unit_probes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(64))
    phone: Mapped[str] = mapped_column(String(32))
    planned_at: Mapped[float]
    state: Mapped[str] = mapped_column(String(16))
    """`planned`, `calling`, `ended`."""
    asked_by: Mapped[str | None] = mapped_column(String(64))
    """None: the plan of the day."""
    called_at: Mapped[float | None]
    result: Mapped[str | None] = mapped_column(String(16))
    """`answered`, `busy`, `no_answer`, `rejected`, `invalid`, `failed` (ours)."""
    rang: Mapped[float | None]
    """Seconds until the answer or the end."""
    cause: Mapped[int | None]

    __table_args__ = (
        Index("ix_unit_probes_unit", "unit", "planned_at"),
        Index("ix_unit_probes_state", "state", "planned_at"),
    )


class ArticleRow(Base):
    """An article of the knowledge base (知识库)."""

    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    """Plain text."""
    spoken: Mapped[str] = mapped_column(Text, default="")
    """What may be read to a caller; "": not for reading out."""
    unit: Mapped[str] = mapped_column(String(64))
    """Owner: keeps it right."""
    category: Mapped[str | None] = mapped_column(String(48))
    keywords: Mapped[list[str]]
    valid_from: Mapped[float | None]
    valid_until: Mapped[float | None]
    review_at: Mapped[float | None] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(16))
    """`draft`, `published`, `withdrawn`."""
    used: Mapped[int] = mapped_column(default=0)
    """Times an agent answered with it."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[float]
    updated_at: Mapped[float]
    updated_by: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index("ix_articles_unit", "unit", "state"),)


class ArticleFileRow(Base):
    """An attachment of an article; the bytes lie in `<state>/evidence/<sha256>` too."""

    __tablename__ = "article_files"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    article_id: Mapped[int] = mapped_column(
        ForeignKey("articles.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(120))
    media: Mapped[str] = mapped_column(String(80))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[float]


class ArticleFeedbackRow(Base):
    """An agent found nothing, or found what is wrong; its owner sees it until it is settled."""

    __tablename__ = "article_feedback"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    article_id: Mapped[int | None] = mapped_column(Integer, index=True)
    """None for `not_found`."""
    kind: Mapped[str] = mapped_column(String(16))
    """`not_found`, `wrong`."""
    unit: Mapped[str | None] = mapped_column(String(64))
    """Who is to settle it."""
    query: Mapped[str] = mapped_column(String(200), default="")
    text: Mapped[str] = mapped_column(String(1000), default="")
    call_id: Mapped[str | None] = mapped_column(String(64))
    who: Mapped[str] = mapped_column(String(64))
    at: Mapped[float]
    settled_by: Mapped[str | None] = mapped_column(String(64))
    settled_at: Mapped[float | None]
    answer: Mapped[str] = mapped_column(String(1000), default="")

    __table_args__ = (Index("ix_article_feedback_unit", "unit", "settled_at"),)


class ScoreRow(Base):
    """One unit's figures of one month, by one version of the formula."""

    __tablename__ = "unit_scores"

    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    """yyyy-mm in Asia/Shanghai."""
    unit: Mapped[str] = mapped_column(String(64), primary_key=True)
    formula: Mapped[str] = mapped_column(String(16))
    formula_sha256: Mapped[str] = mapped_column(String(64))
    figures: Mapped[dict[str, Any]]
    score: Mapped[float | None]
    """None: nothing to score."""
    made_at: Mapped[float]
    made_by: Mapped[str] = mapped_column(String(64))
    closed: Mapped[bool] = mapped_column(default=False)


class OutboxRow(Base):
    """News of a ticket for other systems, written with the change it tells of."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    topic: Mapped[str] = mapped_column(String(40))
    """`ticket.<move>`, `alarm.raised` …"""
    ref: Mapped[str] = mapped_column(String(64))
    """Ticket or alarm."""
    seq: Mapped[int]
    """Of the ticket's history: with `ref` what makes a duplicate recognisable."""
    body: Mapped[dict[str, Any]]
    at: Mapped[float]
    spread: Mapped[bool] = mapped_column(default=False)
    """Whether its deliveries are written."""

    __table_args__ = (
        Index(
            "ix_outbox_new",
            "id",
            sqlite_where=text("spread = 0"),
            postgresql_where=text("NOT spread"),
        ),
    )


class HookRow(Base):
    """Who is told, where, and of what."""

    __tablename__ = "hooks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    url: Mapped[str] = mapped_column(String(500))
    topics: Mapped[list[str]]
    """Beginnings of topics; empty: all."""
    secret: Mapped[str] = mapped_column(String(128))
    label: Mapped[str] = mapped_column(String(80), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[float]
    created_by: Mapped[str] = mapped_column(String(64))


class DeliveryRow(Base):
    """One piece of news on its way to one hook."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id", ondelete="CASCADE"))
    hook_id: Mapped[int] = mapped_column(ForeignKey("hooks.id", ondelete="CASCADE"))
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float]
    delivered_at: Mapped[float | None]
    given_up: Mapped[bool] = mapped_column(default=False)
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        UniqueConstraint("outbox_id", "hook_id", name="uq_deliveries_outbox_id"),
        Index(
            "ix_deliveries_due",
            "next_at",
            sqlite_where=text("delivered_at IS NULL AND NOT given_up"),
            postgresql_where=text("delivered_at IS NULL AND NOT given_up"),
        ),
    )


class TextRow(Base):
    """Words of tickets and articles for full-text search: see `cti.fulltext`."""

    __tablename__ = "texts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`ticket` or `article`."""
    ref: Mapped[str] = mapped_column(String(32))
    at: Mapped[float]
    words: Mapped[str] = mapped_column(Text)
    """Parted by spaces; FTS5 tables, and PostgreSQL's `vector` of it, are made by the migration."""

    __table_args__ = (
        UniqueConstraint("kind", "ref", name="uq_texts_kind"),
        Index("ix_texts_at", "kind", "at", "ref"),
    )
