"""Why orders come late, and what forcing one in would displace.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ORGANISATION = "(SELECT nullif(current_setting('app.organisation', true), '')::int)"
PLATFORMS = "(SELECT coalesce(nullif(current_setting('app.platforms', true), ''), '{}')::int[])::int[]"
PARK = "(SELECT current_setting('app.park', true) = 'yes')"
OWN = f"organisation_id = {ORGANISATION}"
OF_PLATFORMS = f"platform_ids && {PLATFORMS}"
# table: who may read, as in 0003. The scheduler alone writes.
READERS = {"late_order": (OWN, OF_PLATFORMS, PARK), "forcing": (OF_PLATFORMS, PARK)}


def upgrade() -> None:
    op.create_table(
        "late_order",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("platform_ids", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("late_min", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ways_out", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_late_order_order_id_orders")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_late_order_plan_id_plan")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_late_order")),
        sa.UniqueConstraint(
            "plan_id", "order_id", name=op.f("uq_late_order_plan_id_order_id")
        ),
    )
    op.create_index(
        op.f("ix_late_order_order_id"), "late_order", ["order_id"], unique=False
    )
    op.create_index(op.f("ix_late_order_plan_id"), "late_order", ["plan_id"], unique=False)
    op.create_table(
        "forcing",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("platform_ids", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("displaced", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("moved", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_forcing_order_id_orders")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_forcing_plan_id_plan")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forcing")),
        sa.UniqueConstraint(
            "plan_id", "order_id", name=op.f("uq_forcing_plan_id_order_id")
        ),
    )
    op.create_index(op.f("ix_forcing_order_id"), "forcing", ["order_id"], unique=False)
    for table, readers in READERS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT ON {table} TO pb_web")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO pb_job")
        op.execute(f"GRANT USAGE ON SEQUENCE {table}_id_seq TO pb_job")
        for number, condition in enumerate(readers):
            op.execute(
                f"CREATE POLICY read_{number} ON {table} FOR SELECT TO pb_web"
                f" USING ({condition})"
            )


def downgrade() -> None:
    for table in READERS:
        op.drop_table(table)
