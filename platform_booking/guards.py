"""The guards of the schema: named here, made by migrations, asked for at every start.

The service refuses to start without them, and readiness asks again: an installation whose
trigger was dropped by hand must not take one more booking.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from platform_booking.errors import Misconfigured

TRIGGERS = {
    "booking": "booking_guard",
    "resource": "resource_guard",
    "occurrence": "occurrence_guard",
    "recipe": "recipe_guard",
}
FUNCTIONS = (
    "booking_guard", "resource_guard", "occurrence_guard", "recipe_guard",
    "peak_use", "busy", "sign_in_candidate", "member_standing", "token_standing",
    "redeem_token", "apply_for_registration", "feed_standing", "kiosk_standing",
    "take_quotas", "in_use_there", "platform_operators", "take_members", "held_minutes",
    "buddy_standing", "possible_buddies", "take_time_back", "give_time_back", "class_sold",
    "run_loads", "member_at",
)  # fmt: skip
WALLED = (
    "organisation", "member", "member_role", "member_qualification", "project", "api_token",
    "idempotency_key", "one_time_token", "notice", "booking", "orders", "step", "step_lag",
    "step_booking", "plan", "night", "placement", "left_out", "approval",
    "publication_part", "job_request", "job_run", "audit_entry", "resource", "outage",
    "occurrence", "series", "usage", "waiting", "quota", "feed", "kiosk", "late_order",
    "forcing",
)  # fmt: skip
REVISION = "0006"
"""The schema that this code is written for; `migrations/.current-head` says the same."""

_TRIAL = sa.text(
    "INSERT INTO booking (public_id, resource_id, platform_id, organisation_id, unary,"
    " starts_at, ends_at, quantity, status, source, version, created_at, updated_at)"
    " VALUES (gen_random_uuid(), :resource, 0, :organisation, false, '1970-01-01 00:00Z',"
    " '1970-01-01 00:01Z', :quantity, 'confirmed', 'import', 1, now(), now())"
)
_MEND = "run: flask --app wsgi db upgrade"


def missing(connection: sa.Connection) -> Iterator[str]:
    """Yield a sentence for every guard that is not in force, with what mends it."""
    revision = _revision(connection)
    if revision != REVISION:
        yield f"the schema is at {revision or 'nothing'}, not at {REVISION}; {_MEND}"
    armed = {
        (table, trigger)
        for table, trigger in connection.execute(
            sa.text(
                "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
                " WHERE tgenabled = 'A'"
            )
        )
    }
    for table, trigger in TRIGGERS.items():
        if (table, trigger) not in armed:
            yield f"trigger {trigger} on {table} is missing or switched off; {_MEND}"
    if not connection.scalar(
        sa.text(
            "SELECT count(*) FROM pg_constraint"
            " WHERE conname = 'booking_no_overlap' AND contype = 'x'"
        )
    ):
        yield f"constraint booking_no_overlap on booking is missing; {_MEND}"
    owned = set(
        connection.scalars(
            sa.text(
                "SELECT p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner"
                " WHERE r.rolname = 'pb_guard' AND p.prosecdef"
            )
        )
    )
    for function in FUNCTIONS:
        if function not in owned:
            yield f"function {function} is missing or does not belong to pb_guard; {_MEND}"
    walled = set(
        connection.scalars(sa.text("SELECT relname FROM pg_class WHERE relrowsecurity"))
    )
    for table in WALLED:
        if table not in walled:
            yield f"row-level security of {table} is off; {_MEND}"
    role = connection.execute(
        sa.text(
            "SELECT rolname, rolsuper OR rolbypassrls AS above FROM pg_roles"
            " WHERE rolname = current_user"
        )
    ).one()
    if role.above:
        yield (
            f"DATABASE_URL signs in as {role.rolname}, which stands above row-level"
            " security; give it pb_web's"
        )


def failing(connection: sa.Connection) -> Iterator[str]:
    """Yield a sentence when a booking cannot be written, or a second one in its place can.

    A guard may be there and broken all the same: only a write shows. One resource is filled
    up in a minute long past, and one unit more is tried. The caller drops the connection's
    transaction, so that nothing stays. An installation without a free resource has nothing
    to try it on and passes.
    """
    connection.execute(
        sa.text(
            "SELECT set_config('app.park', 'yes', true),"
            " set_config('lock_timeout', '1s', true)"
        )
    )
    chosen = connection.execute(
        sa.text(
            "SELECT r.id, r.capacity, "
            " (SELECT min(o.id) FROM organisation o) AS organisation"
            " FROM resource r WHERE r.kind IN ('unary', 'pooled')"
            " ORDER BY r.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        )
    ).one_or_none()
    if chosen is None or chosen.organisation is None:
        return
    fill = {"resource": chosen.id, "organisation": chosen.organisation}
    try:
        connection.execute(_TRIAL, fill | {"quantity": chosen.capacity})
    except sa.exc.DBAPIError as fault:
        yield f"a booking cannot be written ({_state(fault)}); {_MEND}"
        return
    try:
        with connection.begin_nested():
            connection.execute(_TRIAL, fill | {"quantity": 1})
    except sa.exc.DBAPIError as fault:
        # By name: the exclusion constraint of unary resources would refuse it, too.
        diag = getattr(fault.orig, "diag", None)
        if diag is not None and diag.constraint_name == "booking_capacity":
            return
        yield f"the guard of bookings fails ({_state(fault)}); {_MEND}"
    else:
        yield f"the guard of bookings lets a full resource be booked; {_MEND}"


def _state(fault: sa.exc.DBAPIError) -> str:
    return str(getattr(fault.orig, "sqlstate", None))


def _revision(connection: sa.Connection) -> str | None:
    if not connection.scalar(sa.text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    found: str | None = connection.scalar(
        sa.text("SELECT version_num FROM alembic_version")
    )
    return found


def insist(database_url: str) -> None:
    """Refuse to go on without every guard: asked before the first request or job.

    Raises
    ------
    Misconfigured
        If the database does not answer, or if any guard is not in force; all are named.
    """
    engine = sa.create_engine(database_url, poolclass=sa.pool.NullPool)
    try:
        with engine.connect() as connection:
            faults = list(missing(connection))
    except sa.exc.OperationalError:
        raise Misconfigured(
            "the database does not answer: check DATABASE_URL, and that PostgreSQL runs"
        ) from None
    finally:
        engine.dispose()
    if faults:
        raise Misconfigured("; ".join(faults))
