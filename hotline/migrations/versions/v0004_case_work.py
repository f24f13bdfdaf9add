"""Case work: the life of tickets, clocks, evidence, units, risks, knowledge, scores, hooks."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None

KINDS = ("ticket", "article")
"""Of `texts`: each has an index of its own, so that neither slows the other."""

ASSISTED = "CAST(assisting AS VARCHAR) <> '[]'"
PARTIAL = (
    ("ix_tickets_unit_open", ["unit", "due_at"], "closed_at IS NULL"),
    ("ix_tickets_assisted", ["created_at"], ASSISTED),
    ("ix_tickets_assisted_open", ["due_at"], f"{ASSISTED} AND closed_at IS NULL"),
)


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("topic", sa.String(length=40), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("county", sa.String(length=16), nullable=True),
        sa.Column("town", sa.String(length=40), nullable=True),
        sa.Column("tickets", sa.JSON(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("first_at", sa.Float(precision=53), nullable=False),
        sa.Column("raised_at", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.Float(precision=53), nullable=True),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.create_index("ix_alarms_state", ["state", "raised_at"], unique=False)
        batch_op.create_index("ix_alarms_topic", ["topic", "county", "raised_at"], unique=False)
    op.create_table(
        "article_feedback",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=True),
        sa.Column("query", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=True),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("settled_by", sa.String(length=64), nullable=True),
        sa.Column("settled_at", sa.Float(precision=53), nullable=True),
        sa.Column("answer", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_feedback")),
    )
    with op.batch_alter_table("article_feedback", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_article_feedback_article_id"), ["article_id"], unique=False
        )
        batch_op.create_index("ix_article_feedback_unit", ["unit", "settled_at"], unique=False)
    op.create_table(
        "articles",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("spoken", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=48), nullable=True),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("valid_from", sa.Float(precision=53), nullable=True),
        sa.Column("valid_until", sa.Float(precision=53), nullable=True),
        sa.Column("review_at", sa.Float(precision=53), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.Column("updated_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
    )
    with op.batch_alter_table("articles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_articles_review_at"), ["review_at"], unique=False)
        batch_op.create_index("ix_articles_unit", ["unit", "state"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_at"), ["at"], unique=False)
    op.create_table(
        "hooks",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hooks")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("spread", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_new",
            ["id"],
            unique=False,
            sqlite_where=sa.text("spread = 0"),
            postgresql_where=sa.text("NOT spread"),
        )
    op.create_table(
        "texts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_texts")),
        sa.UniqueConstraint("kind", "ref", name="uq_texts_kind"),
    )
    op.create_index("ix_texts_at", "texts", ["kind", "at", "ref"], unique=False)
    op.create_table(
        "ticket_calls",
        sa.Column("ticket_id", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "call_id", name=op.f("pk_ticket_calls")),
    )
    with op.batch_alter_table("ticket_calls", schema=None) as batch_op:
        batch_op.create_index("ix_ticket_calls_call", ["call_id"], unique=False)
    op.create_table(
        "ticket_clocks",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=True),
        sa.Column("begun_at", sa.Float(precision=53), nullable=False),
        sa.Column("amount", sa.Float(precision=53), nullable=False),
        sa.Column("measure", sa.String(length=16), nullable=False),
        sa.Column("hours", sa.String(length=40), nullable=False),
        sa.Column("extra", sa.Float(precision=53), nullable=False),
        sa.Column("fixed_due", sa.Float(precision=53), nullable=True),
        sa.Column("pauses", sa.JSON(), nullable=False),
        sa.Column("ended_at", sa.Float(precision=53), nullable=True),
        sa.Column("met", sa.Boolean(), nullable=True),
        sa.Column("yellow_at", sa.Float(precision=53), nullable=True),
        sa.Column("due_at", sa.Float(precision=53), nullable=True),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_clocks")),
    )
    with op.batch_alter_table("ticket_clocks", schema=None) as batch_op:
        batch_op.create_index("ix_ticket_clocks_name", ["name", "due_at"], unique=False)
        batch_op.create_index(
            "ix_ticket_clocks_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_ticket_clocks_ticket_id"), ["ticket_id"], unique=False)
    op.create_table(
        "ticket_files",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("media", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=True),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_files")),
    )
    with op.batch_alter_table("ticket_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ticket_files_ticket_id"), ["ticket_id"], unique=False)
    op.create_table(
        "ticket_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=True),
        sa.Column("move", sa.String(length=24), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_history")),
        sa.UniqueConstraint("ticket_id", "seq", name="uq_ticket_history_ticket_id"),
    )
    with op.batch_alter_table("ticket_history", schema=None) as batch_op:
        batch_op.create_index("ix_ticket_history_move", ["move", "at"], unique=False)
    op.create_table(
        "unit_probes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("phone", sa.String(length=32), nullable=False),
        sa.Column("planned_at", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=True),
        sa.Column("called_at", sa.Float(precision=53), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("rang", sa.Float(precision=53), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_probes")),
    )
    with op.batch_alter_table("unit_probes", schema=None) as batch_op:
        batch_op.create_index("ix_unit_probes_state", ["state", "planned_at"], unique=False)
        batch_op.create_index("ix_unit_probes_unit", ["unit", "planned_at"], unique=False)
    op.create_table(
        "unit_scores",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("formula", sa.String(length=16), nullable=False),
        sa.Column("formula_sha256", sa.String(length=64), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=True),
        sa.Column("made_at", sa.Float(precision=53), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("month", "unit", name=op.f("pk_unit_scores")),
    )
    op.create_table(
        "unmask_requests",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.String(length=32), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.Float(precision=53), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("granted_by", sa.String(length=64), nullable=True),
        sa.Column("granted_at", sa.Float(precision=53), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unmask_requests")),
    )
    with op.batch_alter_table("unmask_requests", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_unmask_requests_ticket_id"), ["ticket_id"], unique=False
        )
    op.create_table(
        "article_files",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("media", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["articles.id"],
            name=op.f("fk_article_files_article_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_files")),
    )
    with op.batch_alter_table("article_files", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_article_files_article_id"), ["article_id"], unique=False
        )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("hook_id", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(precision=53), nullable=False),
        sa.Column("delivered_at", sa.Float(precision=53), nullable=True),
        sa.Column("given_up", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["hook_id"], ["hooks.id"], name=op.f("fk_deliveries_hook_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name=op.f("fk_deliveries_outbox_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("outbox_id", "hook_id", name="uq_deliveries_outbox_id"),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_deliveries_due",
            ["next_at"],
            unique=False,
            sqlite_where=sa.text("delivered_at IS NULL AND NOT given_up"),
            postgresql_where=sa.text("delivered_at IS NULL AND NOT given_up"),
        )
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("urgency", sa.String(length=16), nullable=False, server_default="normal")
        )
        batch_op.add_column(sa.Column("category", sa.String(length=48), nullable=True))
        batch_op.add_column(sa.Column("county", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("town", sa.String(length=40), nullable=True))
        batch_op.add_column(
            sa.Column("confidential", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("assisting", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(
            sa.Column("occurred", sa.String(length=100), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("waiting", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("asked_until", sa.Float(precision=53), nullable=True))
        batch_op.add_column(
            sa.Column("with_coordinator", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("returns", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(
            sa.Column("extensions", sa.Integer(), nullable=False, server_default="0")
        )
        batch_op.add_column(sa.Column("reworks", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(
            sa.Column("supervised", sa.Integer(), nullable=False, server_default="0")
        )
        batch_op.add_column(sa.Column("urged", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("scope", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("merged_into", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("resolution", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("reply", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(
            sa.Column("policy", sa.String(length=200), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("told_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("told_call", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("solved", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("satisfied", sa.Integer(), nullable=True))
        batch_op.add_column(
            sa.Column("owner", sa.String(length=64), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("due_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("yellow_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("accepted_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("dispatched_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("signed_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("done_at", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("closed_at", sa.Float(precision=53), nullable=True))
        batch_op.create_index(batch_op.f("ix_tickets_merged_into"), ["merged_into"], unique=False)
        batch_op.create_index(
            "ix_tickets_open",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index("ix_tickets_owner", ["owner", "due_at"], unique=False)
        batch_op.create_index("ix_tickets_updated", ["updated_at", "id"], unique=False)
        batch_op.create_index("ix_tickets_unit_made", ["unit", "created_at"], unique=False)
        for name, columns, where in PARTIAL:
            batch_op.create_index(
                name,
                columns,
                unique=False,
                sqlite_where=sa.text(where),
                postgresql_where=sa.text(where),
            )
        batch_op.create_index(
            "ix_tickets_place", ["county", "category", "created_at"], unique=False
        )
        batch_op.create_index("ix_tickets_unit", ["unit", "state", "due_at"], unique=False)
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unit", sa.String(length=64), nullable=True))
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unit", sa.String(length=64), nullable=True))
        batch_op.add_column(
            sa.Column("head", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    # the defaults were for the rows of before; new ones bring their own values
    with op.batch_alter_table("tickets") as tickets:
        for name in (
            "urgency",
            "confidential",
            "assisting",
            "occurred",
            "with_coordinator",
            "returns",
            "extensions",
            "reworks",
            "supervised",
            "urged",
            "reply",
            "policy",
            "owner",
        ):
            tickets.alter_column(name, server_default=None)
    with op.batch_alter_table("users") as users:
        users.alter_column("head", server_default=None)
    # a draft of before is a draft still; what was closed is archived
    op.execute(
        "UPDATE tickets SET closed_at = updated_at, state = 'archived' WHERE state = 'closed'"
    )
    op.execute("UPDATE tickets SET owner = 'agent' WHERE state = 'draft'")
    _full_text()


def _full_text() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # else it takes nearly every ticket for an assisted one, and the partial index for useless
        op.execute(
            "CREATE STATISTICS tickets_assisting ON (CAST(assisting AS VARCHAR)) FROM tickets"
        )
        # stored, not an index over an expression: the planner then knows how common a word is, and
        # goes from the newest back for a common one instead of sorting every text that has it
        op.execute(
            "ALTER TABLE texts ADD vector tsvector"
            " GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED"
        )
        for kind in KINDS:
            op.execute(
                f"CREATE INDEX ix_texts_{kind} ON texts USING gin (vector)"
                f" WITH (fastupdate = off) WHERE kind = '{kind}'"
            )
        return
    for kind in KINDS:
        name = f"texts_{kind}"
        op.execute(
            f"CREATE VIRTUAL TABLE {name} USING fts5("
            "words, content='texts', content_rowid='id', tokenize='unicode61')"
        )
        add = f"INSERT INTO {name}(rowid, words) VALUES (new.id, new.words);"  # noqa: S608
        take = f"INSERT INTO {name}({name}, rowid, words) VALUES ('delete', old.id, old.words);"  # noqa: S608
        for event, when, what in (
            ("INSERT", "new", add),
            ("DELETE", "old", take),
            ("UPDATE", "new", take + " " + add),
        ):
            op.execute(
                f"CREATE TRIGGER {name}_{event.lower()} AFTER {event} ON texts"
                f" WHEN {when}.kind = '{kind}' BEGIN {what} END"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for kind in KINDS:
            op.execute(f"DROP TABLE texts_{kind}")
    else:
        op.execute("DROP STATISTICS tickets_assisting")
    op.execute("UPDATE tickets SET state = 'closed' WHERE closed_at IS NOT NULL")
    op.execute("UPDATE tickets SET state = 'draft' WHERE closed_at IS NULL")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("head")
        batch_op.drop_column("unit")
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.drop_column("unit")
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.drop_index("ix_tickets_unit")
        for name, _, _ in PARTIAL:
            batch_op.drop_index(name)
        batch_op.drop_index("ix_tickets_unit_made")
        batch_op.drop_index("ix_tickets_updated")
        batch_op.drop_index("ix_tickets_place")
        batch_op.drop_index("ix_tickets_owner")
        batch_op.drop_index(
            "ix_tickets_open",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_tickets_merged_into"))
        batch_op.drop_column("closed_at")
        batch_op.drop_column("done_at")
        batch_op.drop_column("signed_at")
        batch_op.drop_column("dispatched_at")
        batch_op.drop_column("accepted_at")
        batch_op.drop_column("yellow_at")
        batch_op.drop_column("due_at")
        batch_op.drop_column("owner")
        batch_op.drop_column("satisfied")
        batch_op.drop_column("solved")
        batch_op.drop_column("told_call")
        batch_op.drop_column("told_at")
        batch_op.drop_column("policy")
        batch_op.drop_column("reply")
        batch_op.drop_column("resolution")
        batch_op.drop_column("merged_into")
        batch_op.drop_column("scope")
        batch_op.drop_column("urged")
        batch_op.drop_column("supervised")
        batch_op.drop_column("reworks")
        batch_op.drop_column("extensions")
        batch_op.drop_column("returns")
        batch_op.drop_column("with_coordinator")
        batch_op.drop_column("asked_until")
        batch_op.drop_column("waiting")
        batch_op.drop_column("occurred")
        batch_op.drop_column("assisting")
        batch_op.drop_column("confidential")
        batch_op.drop_column("town")
        batch_op.drop_column("county")
        batch_op.drop_column("category")
        batch_op.drop_column("urgency")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_deliveries_due",
            sqlite_where=sa.text("delivered_at IS NULL AND NOT given_up"),
            postgresql_where=sa.text("delivered_at IS NULL AND NOT given_up"),
        )
    op.drop_table("deliveries")
    with op.batch_alter_table("article_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_article_files_article_id"))
    op.drop_table("article_files")
    with op.batch_alter_table("unmask_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_unmask_requests_ticket_id"))
    op.drop_table("unmask_requests")
    op.drop_table("unit_scores")
    with op.batch_alter_table("unit_probes", schema=None) as batch_op:
        batch_op.drop_index("ix_unit_probes_unit")
        batch_op.drop_index("ix_unit_probes_state")
    op.drop_table("unit_probes")
    with op.batch_alter_table("ticket_history", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_history_move")
    op.drop_table("ticket_history")
    with op.batch_alter_table("ticket_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ticket_files_ticket_id"))
    op.drop_table("ticket_files")
    with op.batch_alter_table("ticket_clocks", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_clocks_name")
        batch_op.drop_index(batch_op.f("ix_ticket_clocks_ticket_id"))
        batch_op.drop_index(
            "ix_ticket_clocks_due",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
    op.drop_table("ticket_clocks")
    with op.batch_alter_table("ticket_calls", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_calls_call")
    op.drop_table("ticket_calls")
    op.drop_table("texts")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbox_new",
            sqlite_where=sa.text("spread = 0"),
            postgresql_where=sa.text("NOT spread"),
        )
    op.drop_table("outbox")
    op.drop_table("hooks")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_at"))
    op.drop_table("audit")
    with op.batch_alter_table("articles", schema=None) as batch_op:
        batch_op.drop_index("ix_articles_unit")
        batch_op.drop_index(batch_op.f("ix_articles_review_at"))
    op.drop_table("articles")
    with op.batch_alter_table("article_feedback", schema=None) as batch_op:
        batch_op.drop_index("ix_article_feedback_unit")
        batch_op.drop_index(batch_op.f("ix_article_feedback_article_id"))
    op.drop_table("article_feedback")
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.drop_index("ix_alarms_topic")
        batch_op.drop_index("ix_alarms_state")
    op.drop_table("alarms")
