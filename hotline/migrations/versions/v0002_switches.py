"""Switches of the whole service, and an index by which the cost of prompts is counted."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "switches",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("on", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switches")),
    )
    op.create_index(op.f("ix_switches_name"), "switches", ["name"], unique=False)
    op.create_index("ix_call_timeline_kind", "call_timeline", ["kind", "at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_call_timeline_kind", table_name="call_timeline")
    op.drop_index(op.f("ix_switches_name"), table_name="switches")
    op.drop_table("switches")
