"""What callers said to the flow, on calls and ticket drafts, and transcripts of recordings."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("intent", sa.String(length=40), nullable=True))
        calls.add_column(sa.Column("confidence", sa.Float(precision=53), nullable=True))
    with op.batch_alter_table("tickets") as tickets:
        tickets.add_column(sa.Column("transcript", sa.Text(), nullable=True))
        tickets.add_column(sa.Column("confidence", sa.Float(precision=53), nullable=True))
    op.create_table(
        "transcripts",
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("recording", sa.String(length=200), nullable=False),
        sa.Column("engine", sa.String(length=64), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.Float(precision=53), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_transcripts")),
    )
    op.create_index("ix_transcripts_made_at", "transcripts", ["made_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_transcripts_made_at", table_name="transcripts")
    op.drop_table("transcripts")
    with op.batch_alter_table("tickets") as tickets:
        tickets.drop_column("confidence")
        tickets.drop_column("transcript")
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("confidence")
        calls.drop_column("intent")
