"""Where a night's time was scarce is kept beside its problem.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "plan_problem",
        sa.Column("prices", postgresql.JSONB(), server_default="[]", nullable=False),
    )
    op.alter_column("plan_problem", "prices", server_default=None)


def downgrade() -> None:
    op.drop_column("plan_problem", "prices")
