"""Bookings that a fab can live with: series, usage, waiting, quotas, feeds, kiosks.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MEMBER = "(SELECT nullif(current_setting('app.member', true), '')::int)"
ORGANISATION = "(SELECT nullif(current_setting('app.organisation', true), '')::int)"
PLATFORMS = "(SELECT coalesce(nullif(current_setting('app.platforms', true), ''), '{}')::int[])::int[]"
PARK = "(SELECT current_setting('app.park', true) = 'yes')"
OPERATES = f"cardinality({PLATFORMS}) > 0"
OWN = f"organisation_id = {ORGANISATION}"
OF_PLATFORM = f"platform_id = ANY ({PLATFORMS})"
OF_RESOURCE = (
    "EXISTS (SELECT FROM resource r WHERE r.id = resource_id"
    f" AND r.platform_id = ANY ({PLATFORMS}))"
)
# table: (who may read, who may write), as in 0003.
TENANT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "series": ((OWN, OF_RESOURCE, PARK), (OWN, OF_RESOURCE, PARK)),
    "usage": ((OWN, OF_PLATFORM, PARK), (OWN, OF_PLATFORM, PARK)),
    "waiting": ((OWN, OF_PLATFORM, PARK), (OWN, OF_PLATFORM, PARK)),
    "quota": (
        (OWN, f"organisation_id IS NULL AND {MEMBER} IS NOT NULL", OPERATES, PARK),
        (OF_PLATFORM, PARK),
    ),
    "feed": ((f"member_id = {MEMBER}",), (f"member_id = {MEMBER}",)),
    "kiosk": ((OF_PLATFORM, PARK), (OF_PLATFORM, PARK)),
}

FUNCTIONS = """
-- Whose calendar a secret address shows. The secret is all that a calendar program has.
CREATE FUNCTION feed_standing(hash text)
  RETURNS TABLE (feed_id int, member_id int, resource_id int, whole_firm boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT f.id, f.member_id, f.resource_id, f.whole_firm FROM feed f
   WHERE f.token_hash = hash AND f.revoked_at IS NULL
$$;

CREATE FUNCTION kiosk_standing(hash text)
  RETURNS TABLE (kiosk_id int, public_id uuid, name text, platform_id int, resource_id int)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT k.id, k.public_id, k.name, k.platform_id, k.resource_id FROM kiosk k
   WHERE k.token_hash = hash AND k.revoked_at IS NULL
$$;

-- Whoever spends a pooled quota waits for whoever else spends it: what each then counts is true.
-- An UPDATE, not a lock, as in booking_guard(); in the order of ids, so that nobody deadlocks.
CREATE FUNCTION take_quotas(which int[]) RETURNS int
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  one int;
BEGIN
  FOR one IN SELECT DISTINCT unnest(which) ORDER BY 1 LOOP
    UPDATE quota SET guard_seq = guard_seq + 1 WHERE id = one;
  END LOOP;
  RETURN cardinality(which);
END $$;

-- How much of a resource somebody is really at, whoever it is; who has checked out is not. Of a
-- batch, loads of the run that begins at `run` count for nothing: they are in it together.
CREATE FUNCTION in_use_there(which int, besides bigint, run timestamptz DEFAULT NULL) RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(sum(b.quantity), 0) FROM booking b
   WHERE b.resource_id = which AND b.active AND b.status = 'in_use' AND b.id <> besides
     AND b.starts_at IS DISTINCT FROM run
     AND NOT EXISTS (SELECT FROM usage u WHERE u.booking_id = b.id AND u.ended_at IS NOT NULL)
$$;

-- Whom to tell of what happens on a platform. Row ids alone: nobody learns a name by it.
CREATE FUNCTION platform_operators(which int) RETURNS TABLE (member_id int)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT DISTINCT r.member_id FROM member_role r JOIN member m ON m.id = r.member_id
   WHERE r.role = 'operator' AND r.platform_id = which AND m.active
$$;

-- How many minutes of a span are spent of a quota: the bookings of all members, those of the
-- platforms that the asker does not operate, too. A sum, and of one's own firm or by staff.
CREATE FUNCTION held_minutes(firm int, of_project int, on_platform int, on_resource int,
    from_at timestamptz, to_at timestamptz, but bigint) RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(ceil(sum(extract(epoch FROM least(b.ends_at, to_at) - greatest(b.starts_at, from_at)) / 60
                           * CASE r.kind WHEN 'pooled' THEN b.quantity ELSE 1 END)), 0)::bigint
    FROM booking b JOIN resource r ON r.id = b.resource_id
   WHERE b.organisation_id = firm AND b.ends_at > from_at AND b.starts_at < to_at
     AND (b.active OR b.status IN ('completed', 'aborted', 'no_show', 'late_cancelled'))
     AND r.kind <> 'event' AND b.id IS DISTINCT FROM but
     AND (of_project IS NULL OR b.project_id = of_project)
     AND (on_platform IS NULL OR b.platform_id = on_platform)
     AND (on_resource IS NULL OR b.resource_id = on_resource)
     AND (firm = nullif(current_setting('app.organisation', true), '')::int
          OR coalesce(nullif(current_setting('app.platforms', true), ''), '{}') <> '{}'
          OR current_setting('app.park', true) = 'yes' OR session_user = 'pb_job')
$$;

-- Whoever books for a member whose stays are counted waits for whoever else does, and for
-- bookings that need the same second person. In the order of ids.
CREATE FUNCTION take_members(runner int, buddy uuid, buddy_row int) RETURNS int
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  one int;
  taken int := 0;
BEGIN
  FOR one IN SELECT m.id FROM member m
              WHERE m.id = runner OR m.public_id = buddy OR m.id = buddy_row ORDER BY m.id LOOP
    PERFORM pg_advisory_xact_lock(7002, one);
    taken := taken + 1;
  END LOOP;
  RETURN taken;
END $$;

-- How a second person stands: an active colleague of the runner, or an operator of the
-- platform; nobody else is told of. He is elsewhere, from and until each time, when he runs a
-- resource that keeps the two-person rule, or is somebody's second person, on another platform.
CREATE FUNCTION buddy_standing(runner int, buddy uuid, buddy_row int, on_resource int,
    from_at timestamptz, to_at timestamptz, but bigint)
  RETURNS TABLE (member_id int, runner bool, staff bool, qualified bool, expires_on date, elsewhere jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT m.id, m.id = $1, o.staff, r.qualification_id IS NULL OR q.member_id IS NOT NULL, q.expires_on,
         (SELECT jsonb_agg(jsonb_build_array(b.starts_at, b.ends_at))
                   FROM booking b JOIN resource br ON br.id = b.resource_id JOIN calendar c ON c.id = br.calendar_id
                  WHERE (b.buddy_id = m.id OR (b.member_id = m.id AND b.source <> 'plan' AND br.self_run AND c.offhours <> '{}'))
                    AND b.active AND b.ends_at > from_at AND b.starts_at < to_at
                    AND b.platform_id <> r.platform_id AND b.id IS DISTINCT FROM but)
    FROM resource r
    JOIN member m ON m.public_id = buddy OR m.id = buddy_row
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM member_role mr WHERE mr.member_id = m.id
                                          AND mr.role = 'operator' AND mr.platform_id = r.platform_id) AS staff) o
    LEFT JOIN member_qualification q ON q.member_id = m.id AND q.qualification_id = r.qualification_id
   WHERE r.id = on_resource AND m.active
     AND (o.staff OR m.organisation_id = (SELECT w.organisation_id FROM member w WHERE w.id = $1))
$$;

-- The owner of an opened resource takes time back, of his own alone; bookings and he wait for
-- one another, as with any outage. NULL: not his, or taken already.
CREATE FUNCTION take_time_back(which int, public uuid, from_at timestamptz, to_at timestamptz, why text)
  RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  owner int := nullif(current_setting('app.organisation', true), '')::int;
  made int;
BEGIN
  UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = which AND owner_id = owner;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO outage (public_id, resource_id, starts_at, ends_at, kind, reason, declared_by, taken_back_by)
  VALUES (public, which, from_at, to_at, 'scheduled_down', why,
          nullif(current_setting('app.member', true), '')::int, owner)
  ON CONFLICT DO NOTHING RETURNING id INTO made;
  RETURN made;
END $$;

-- What has not begun is given back whole, what has begun from now on. False: not his, or over.
CREATE FUNCTION give_time_back(which int, at timestamptz)
  RETURNS bool LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  owner int := nullif(current_setting('app.organisation', true), '')::int;
BEGIN
  UPDATE resource r SET guard_seq = guard_seq + 1 FROM outage o
   WHERE o.id = which AND r.id = o.resource_id AND o.taken_back_by = owner;
  DELETE FROM outage WHERE id = which AND taken_back_by = owner AND starts_at >= at;
  IF FOUND THEN
    RETURN true;
  END IF;
  UPDATE outage SET ends_at = at
   WHERE id = which AND taken_back_by = owner AND starts_at < at AND ends_at > at;
  RETURN FOUND;
END $$;

-- How much of a dated run is held by firms of each priority class. Sums alone, and of a run
-- that limits its classes: whoever asks for a share learns what is left of it.
CREATE FUNCTION class_sold(run int, but bigint)
  RETURNS TABLE (class text, quantity bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT f.priority_class, sum(b.quantity) FROM occurrence o
    JOIN booking b ON b.occurrence_id = o.id AND b.resource_id = o.resource_id
     AND b.active AND b.id IS DISTINCT FROM but
    JOIN organisation f ON f.id = b.organisation_id
   WHERE o.id = run AND o.quotas ? f.priority_class GROUP BY 1
$$;

-- How much a shared run holds in which each of these bookings is. Sums alone: who is in a run
-- learns how full it is.
CREATE FUNCTION run_loads(which bigint[])
  RETURNS TABLE (booking_id bigint, quantity bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT b.id, sum(o.quantity) FROM booking b
    JOIN booking o ON o.platform_id = b.platform_id AND o.ends_at = b.ends_at AND o.starts_at = b.starts_at
     AND o.resource_id = b.resource_id AND o.recipe_id = b.recipe_id
     AND (o.active OR o.status IN ('completed', 'aborted', 'no_show'))
   WHERE b.id = ANY (which) AND (b.active OR b.status IN ('completed', 'aborted', 'no_show'))
   GROUP BY 1
$$;

-- Whom a member may name as his second person on a resource: those who could be it.
CREATE FUNCTION possible_buddies(on_resource int)
  RETURNS TABLE (public_id uuid, name text, staff bool)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT m.public_id, m.name, o.staff
    FROM resource r CROSS JOIN member m
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM member_role mr WHERE mr.member_id = m.id
                                          AND mr.role = 'operator' AND mr.platform_id = r.platform_id) AS staff) o
    LEFT JOIN member_qualification q ON q.member_id = m.id AND q.qualification_id = r.qualification_id
   WHERE r.id = on_resource AND m.active
     AND (r.qualification_id IS NULL OR q.member_id IS NOT NULL)
     AND m.id <> nullif(current_setting('app.member', true), '')::int
     AND (o.staff OR m.organisation_id = nullif(current_setting('app.organisation', true), '')::int)
   ORDER BY o.staff, m.name
$$;

-- Staff grant a newcomer what he has learnt by the address that he gives: one who is active, and
-- nobody can be listed.
CREATE FUNCTION member_at(address text) RETURNS TABLE (member_id int, organisation_id int)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT m.id, m.organisation_id FROM member m JOIN organisation o ON o.id = m.organisation_id
   WHERE m.email = address AND m.active AND o.state = 'approved'
     AND (coalesce(nullif(current_setting('app.platforms', true), ''), '{}') <> '{}'
          OR current_setting('app.park', true) = 'yes')
$$;
"""
SIGNATURES = (
    "feed_standing(text)",
    "kiosk_standing(text)",
    "take_quotas(int[])",
    "in_use_there(int, bigint, timestamptz)",
    "platform_operators(int)",
    "held_minutes(int, int, int, int, timestamptz, timestamptz, bigint)",
    "take_members(int, uuid, int)",
    "buddy_standing(int, uuid, int, int, timestamptz, timestamptz, bigint)",
    "possible_buddies(int)",
    "take_time_back(int, uuid, timestamptz, timestamptz, text)",
    "give_time_back(int, timestamptz)",
    "class_sold(int, bigint)",
    "run_loads(bigint[])",
    "member_at(text)",
)


def _sources(allowed: str) -> None:
    op.execute("ALTER TABLE booking DROP CONSTRAINT ck_booking_source")
    op.execute(
        f"ALTER TABLE booking ADD CONSTRAINT ck_booking_source CHECK (source IN ({allowed}))"
    )


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=True),
        sa.Column("whole_firm", sa.Boolean(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_feed_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_feed_resource_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sa.UniqueConstraint("public_id", name=op.f("uq_feed_public_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_feed_token_hash")),
    )
    op.create_index(op.f("ix_feed_member_id"), "feed", ["member_id"], unique=False)
    op.create_table(
        "kiosk",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["member.id"], name=op.f("fk_kiosk_created_by_member")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_kiosk_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_kiosk_resource_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kiosk")),
        sa.UniqueConstraint("public_id", name=op.f("uq_kiosk_public_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_kiosk_token_hash")),
    )
    op.create_index(op.f("ix_kiosk_platform_id"), "kiosk", ["platform_id"], unique=False)
    op.create_table(
        "quota",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("platform_id", sa.Integer(), nullable=True),
        sa.Column("resource_id", sa.Integer(), nullable=True),
        sa.Column(
            "period",
            sa.Enum(
                "day",
                "week",
                "month",
                "year",
                name="period",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("guard_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_quota_minutes")),
        sa.CheckConstraint(
            "project_id IS NULL OR organisation_id IS NOT NULL",
            name=op.f("ck_quota_project_is_of_one"),
        ),
        sa.CheckConstraint(
            "resource_id IS NULL OR platform_id IS NOT NULL",
            name=op.f("ck_quota_resource_is_of_one"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_quota_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_quota_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_quota_project_id_project")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_quota_resource_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota")),
        sa.UniqueConstraint("public_id", name=op.f("uq_quota_public_id")),
    )
    op.create_index(
        op.f("ix_quota_organisation_id"), "quota", ["organisation_id"], unique=False
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_series_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_series_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_series_resource_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("public_id", name=op.f("uq_series_public_id")),
    )
    op.create_table(
        "usage",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("booking_id", sa.BigInteger(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= began_at", name=op.f("ck_usage_interval")
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("fk_usage_booking_id_booking")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_usage_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_usage_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_usage_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_usage_resource_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_usage_booking_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_usage_public_id")),
    )
    op.create_index(
        op.f("ix_usage_organisation_id_usage_began_at"),
        "usage",
        ["organisation_id", "began_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_usage_platform_id_usage_began_at"),
        "usage",
        ["platform_id", "began_at"],
        unique=False,
    )
    op.create_table(
        "waiting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("recipe_id", sa.Integer(), nullable=True),
        sa.Column("wafer_mm", sa.Integer(), nullable=True),
        sa.Column("class_rank", sa.Integer(), nullable=True),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "first_right", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("displaced_id", sa.BigInteger(), nullable=True),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "offered",
                "accepted",
                "lapsed",
                "withdrawn",
                name="waitingstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("booking_id", sa.BigInteger(), nullable=True),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('offered', 'accepted')) = (booking_id IS NOT NULL)",
            name=op.f("ck_waiting_offer_is_a_booking"),
        ),
        sa.CheckConstraint(
            "minutes >= 1 AND quantity >= 1", name=op.f("ck_waiting_amount")
        ),
        sa.CheckConstraint("to_at > from_at", name=op.f("ck_waiting_window")),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("fk_waiting_booking_id_booking")
        ),
        sa.ForeignKeyConstraint(
            ["displaced_id"], ["booking.id"], name=op.f("fk_waiting_displaced_id_booking")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_waiting_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_waiting_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_waiting_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_waiting_project_id_project")
        ),
        sa.ForeignKeyConstraint(
            ["recipe_id"], ["recipe.id"], name=op.f("fk_waiting_recipe_id_recipe")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_waiting_resource_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting")),
        sa.UniqueConstraint("public_id", name=op.f("uq_waiting_public_id")),
    )
    op.create_index(op.f("ix_waiting_booking_id"), "waiting", ["booking_id"], unique=False)
    op.create_index(
        op.f("ix_waiting_organisation_id"), "waiting", ["organisation_id"], unique=False
    )
    op.create_index(
        op.f("ix_waiting_platform_id"), "waiting", ["platform_id"], unique=False
    )
    op.create_index(
        "waiting_open",
        "waiting",
        ["resource_id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "waiting_group",
        "waiting",
        ["group_id"],
        unique=False,
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.add_column("booking", sa.Column("series_id", sa.Integer(), nullable=True))
    op.add_column("booking", sa.Column("buddy_id", sa.Integer(), nullable=True))
    op.add_column(
        "booking", sa.Column("respond_by", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "booking", sa.Column("confirm_by", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("booking", sa.Column("override_reason", sa.Text(), nullable=True))
    op.add_column(
        "booking",
        sa.Column(
            "flexible", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )
    op.add_column("booking", sa.Column("wafer_mm", sa.Integer(), nullable=True))
    op.add_column("booking", sa.Column("class_rank", sa.Integer(), nullable=True))
    op.add_column(
        "booking",
        sa.Column(
            "flags",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_index(
        "booking_unanswered",
        "booking",
        ["respond_by"],
        unique=False,
        postgresql_where=sa.text("status IN ('offered', 'requested')"),
    )
    op.create_index(
        "booking_unconfirmed",
        "booking",
        ["confirm_by"],
        unique=False,
        postgresql_where=sa.text("confirm_by IS NOT NULL AND status = 'confirmed'"),
    )
    op.create_index(
        "booking_unstarted",
        "booking",
        ["starts_at"],
        unique=False,
        postgresql_where=sa.text("status = 'confirmed'"),
    )
    op.create_index(
        "booking_held", "booking", ["member_id", "resource_id", "ends_at"], unique=False
    )
    op.create_index(op.f("ix_booking_buddy_id"), "booking", ["buddy_id"], unique=False)
    op.create_index(op.f("ix_booking_series_id"), "booking", ["series_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_booking_buddy_id_member"), "booking", "member", ["buddy_id"], ["id"]
    )
    op.create_foreign_key(
        op.f("fk_booking_series_id_series"), "booking", "series", ["series_id"], ["id"]
    )
    op.add_column("member_qualification", sa.Column("level", sa.Text(), nullable=True))
    op.add_column(
        "occurrence",
        sa.Column("min_fill", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column("outage", sa.Column("taken_back_by", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_outage_taken_back_by_organisation"),
        "outage",
        "organisation",
        ["taken_back_by"],
        ["id"],
    )
    op.add_column(
        "project",
        sa.Column(
            "purpose",
            sa.Enum(
                "teaching",
                "academic",
                "commercial",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            server_default="commercial",
            nullable=False,
        ),
    )
    op.add_column(
        "qualification",
        sa.Column(
            "levels",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column("resource", sa.Column("owner_id", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_resource_owner_id_organisation"),
        "resource",
        "organisation",
        ["owner_id"],
        ["id"],
    )
    op.create_index(
        op.f("ix_audit_entry_subject"), "audit_entry", ["subject"], unique=False
    )
    op.add_column(
        "notice", sa.Column("tries", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "notice", sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "notice",
        sa.Column(
            "mailed",
            postgresql.ARRAY(sa.Integer()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_index(
        "notice_unsent",
        "notice",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL"),
    )

    _sources("'person', 'plan', 'import', 'waitlist'")
    for table, (readers, writers) in TENANT.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO pb_job")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO pb_web")
        for number, condition in enumerate(readers):
            op.execute(
                f"CREATE POLICY read_{number} ON {table} FOR SELECT TO pb_web USING ({condition})"
            )
        for number, condition in enumerate(writers):
            op.execute(
                f"CREATE POLICY insert_{number} ON {table} FOR INSERT TO pb_web WITH CHECK ({condition})"
            )
            op.execute(
                f"CREATE POLICY update_{number} ON {table} FOR UPDATE TO pb_web"
                f" USING ({condition}) WITH CHECK ({condition})"
            )
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pb_job, pb_web, pb_guard")
    op.execute("GRANT SELECT ON feed, kiosk, quota, usage TO pb_guard")
    op.execute("GRANT SELECT ON feed, kiosk, quota TO pb_guard")
    op.execute("GRANT SELECT ON calendar, member_qualification TO pb_guard")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON outage TO pb_guard")
    op.execute("GRANT UPDATE ON quota TO pb_guard")
    op.execute(FUNCTIONS)
    op.execute("GRANT CREATE ON SCHEMA public TO pb_guard")
    for signature in SIGNATURES:
        op.execute(f"ALTER FUNCTION {signature} OWNER TO pb_guard")
        op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO pb_web, pb_job")
    op.execute("REVOKE CREATE ON SCHEMA public FROM pb_guard")


def downgrade() -> None:
    op.execute("UPDATE booking SET source = 'person' WHERE source = 'waitlist'")
    _sources("'person', 'plan', 'import'")
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("REVOKE ALL ON feed, kiosk, quota, usage FROM pb_guard")
    op.execute("REVOKE ALL ON feed, kiosk, quota FROM pb_guard")
    op.execute("REVOKE ALL ON calendar, member_qualification, outage FROM pb_guard")
    op.drop_index(
        "notice_unsent",
        table_name="notice",
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.drop_column("notice", "mailed")
    op.drop_column("notice", "next_try_at")
    op.drop_column("notice", "tries")
    op.drop_index(op.f("ix_audit_entry_subject"), table_name="audit_entry")
    op.drop_constraint(
        op.f("fk_resource_owner_id_organisation"), "resource", type_="foreignkey"
    )
    op.drop_column("resource", "owner_id")
    op.drop_column("qualification", "levels")
    op.drop_column("project", "purpose")
    op.drop_constraint(
        op.f("fk_outage_taken_back_by_organisation"), "outage", type_="foreignkey"
    )
    op.drop_column("outage", "taken_back_by")
    op.drop_column("occurrence", "min_fill")
    op.drop_column("member_qualification", "level")
    op.drop_constraint(op.f("fk_booking_series_id_series"), "booking", type_="foreignkey")
    op.drop_constraint(op.f("fk_booking_buddy_id_member"), "booking", type_="foreignkey")
    op.drop_index(op.f("ix_booking_series_id"), table_name="booking")
    op.drop_index(op.f("ix_booking_buddy_id"), table_name="booking")
    op.drop_index("booking_held", table_name="booking")
    op.drop_index(
        "booking_unstarted",
        table_name="booking",
        postgresql_where=sa.text("status = 'confirmed'"),
    )
    op.drop_index(
        "booking_unconfirmed",
        table_name="booking",
        postgresql_where=sa.text("confirm_by IS NOT NULL AND status = 'confirmed'"),
    )
    op.drop_index(
        "booking_unanswered",
        table_name="booking",
        postgresql_where=sa.text("status IN ('offered', 'requested')"),
    )
    op.drop_column("booking", "flags")
    op.drop_column("booking", "class_rank")
    op.drop_column("booking", "wafer_mm")
    op.drop_column("booking", "flexible")
    op.drop_column("booking", "override_reason")
    op.drop_column("booking", "confirm_by")
    op.drop_column("booking", "respond_by")
    op.drop_column("booking", "buddy_id")
    op.drop_column("booking", "series_id")
    op.drop_index(
        "waiting_group",
        table_name="waiting",
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.drop_index(
        "waiting_open", table_name="waiting", postgresql_where=sa.text("state = 'waiting'")
    )
    op.drop_index(op.f("ix_waiting_platform_id"), table_name="waiting")
    op.drop_index(op.f("ix_waiting_organisation_id"), table_name="waiting")
    op.drop_index(op.f("ix_waiting_booking_id"), table_name="waiting")
    op.drop_table("waiting")
    op.drop_index(op.f("ix_usage_platform_id_usage_began_at"), table_name="usage")
    op.drop_index(op.f("ix_usage_organisation_id_usage_began_at"), table_name="usage")
    op.drop_table("usage")
    op.drop_table("series")
    op.drop_index(op.f("ix_quota_organisation_id"), table_name="quota")
    op.drop_table("quota")
    op.drop_index(op.f("ix_kiosk_platform_id"), table_name="kiosk")
    op.drop_table("kiosk")
    op.drop_index(op.f("ix_feed_member_id"), table_name="feed")
    op.drop_table("feed")
