"""Pieces of the statement that reads what the rules must know: stays, quotas, buddies.

Each is built once, and holds for every row of `ASKED`: a resource, and which facts of it
matter. What is asked for is bound when the statement is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE

from platform_booking.accounts.models import Organisation
from platform_booking.bookings.models import Booking, Quota
from platform_booking.bookings.picked import Buddy, QuotaUse, Stretch
from platform_booking.bookings.states import SPENT, BookingState
from platform_booking.catalog.models import Outage, Platform, Resource
from platform_booking.web.i18n import named

Scalar = sa.ColumnElement[Any]

_INSTANT = sa.DateTime(timezone=True)
_COLUMNS: dict[str, Any] = {
    "resource_id": sa.Integer,
    "platform_id": sa.Integer,
    "qualification_id": sa.Integer,
    "to_come": sa.Boolean,  # what the runner holds of it counts
    "past_since": _INSTANT,  # what he had since then counts; null: nothing
    "buddies": sa.Boolean,  # so does for whom he is the second person elsewhere
    "no_shows_since": _INSTANT,
    "needed": sa.Text,  # capabilities that must be held meanwhile, between commas
    "pooled": sa.Boolean,  # quotas are spent
    "dated": sa.Boolean,  # its runs have quotas for classes
}


def rows_of(name: str, columns: Mapping[str, Any]) -> sa.TableValuedAlias:
    """Return a table of that name whose rows are bound: see `bound_rows`."""
    bound = (
        sa.bindparam(f"{name}_{column}", type_=ARRAY(kind))
        for column, kind in columns.items()
    )
    return (
        sa.func.unnest(*bound)
        .table_valued(*(sa.column(*column) for column in columns.items()))
        .render_derived(name=name)
    )


def bound_rows(
    name: str, columns: Iterable[str], rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Return what to bind for the rows of such a table."""
    return {f"{name}_{column}": [row[column] for row in rows] for column in columns}


ASKED = rows_of("asked", _COLUMNS)
"""The resources that are asked about."""

_asked = ASKED.c
RUNNER = sa.bindparam("runner", type_=sa.Integer)
BUDDY = sa.bindparam("buddy", type_=sa.Uuid)
BUDDY_ROW = sa.bindparam("buddy_row", type_=sa.Integer)
_FROM = sa.bindparam("from_at", type_=_INSTANT)
_TO = sa.bindparam("to_at", type_=_INSTANT)
_NOW = sa.bindparam("now", type_=_INSTANT)
_BESIDES = sa.bindparam("besides", type_=sa.BigInteger)
_ZONE = sa.bindparam("zone", type_=sa.Text)
_BESIDE = sa.bindparam("beside", type_=ARRAY(sa.Text))


def asked_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return what to bind for `ASKED`: a row each."""
    return bound_rows("asked", _COLUMNS, rows)


def keyed(table: Any, name: str) -> sa.ColumnElement[bool]:
    """Return what finds a row by `key_values` of that name."""
    return sa.or_(
        table.id == sa.bindparam(f"{name}_row", type_=sa.Integer),
        table.public_id == sa.bindparam(f"{name}_public", type_=sa.Uuid),
    )


def _if(condition: Scalar, value: Scalar) -> Scalar:
    """Return a value that is read only where the condition holds."""
    return sa.case((condition, value))


def _stretches(table: Any, *which: sa.SQLColumnExpression[bool]) -> Scalar:
    """Return the spans of a table's rows, as an array."""
    span = sa.func.tstzrange(table.starts_at, table.ends_at)
    return (
        sa.select(sa.func.array_agg(span, type_=ARRAY(TSTZRANGE)))
        .where(*which)
        .correlate(ASKED, Organisation)
        .scalar_subquery()
    )


def plain(ranges: Iterable[Any] | None) -> tuple[Stretch, ...]:
    """Return spans as the rules know them."""
    return tuple((r.lower, r.upper) for r in ranges or ())


def _text(text: str, kind: Any, *bound: sa.BindParameter[Any]) -> Scalar:
    """Return one value of a statement of its own."""
    return (
        sa.text(text).bindparams(*bound).columns(sa.column("value", kind)).scalar_subquery()
    )


def _outages(taken_back: sa.ColumnElement[bool]) -> Scalar:
    return _stretches(
        Outage,
        Outage.resource_id == _asked.resource_id,
        Outage.ends_at > _FROM,
        Outage.starts_at < _TO,
        taken_back,
    )


OUTAGES = _outages(Outage.taken_back_by.is_(None))
"""When a resource is down during a slot."""

TAKEN_BACK = _outages(
    sa.and_(
        Outage.taken_back_by.is_not(None),
        sa.func.coalesce(Outage.taken_back_by != Organisation.id, sa.true()),
    )
)
"""When its owner uses it himself, unless it is he who asks."""

TO_COME = _if(
    _asked.to_come,
    _stretches(
        Booking,
        Booking.resource_id == _asked.resource_id,
        Booking.member_id == RUNNER,
        Booking.active,
        Booking.ends_at > _NOW,
        Booking.id.is_distinct_from(_BESIDES),
    ),
)
"""What a member holds of a resource from now on."""

PAST = _if(
    _asked.past_since.is_not(None),
    _stretches(
        Booking,
        Booking.resource_id == _asked.resource_id,
        Booking.member_id == RUNNER,
        Booking.ends_at > _asked.past_since,
        sa.or_(
            *(Booking.state == state for state in sorted(SPENT)),
            sa.and_(Booking.active, Booking.ends_at <= _NOW),
        ),
        Booking.id.is_distinct_from(_BESIDES),
    ),
)
"""What a member had of a resource and still counts: used, missed, given up late."""

NO_SHOWS = _if(
    _asked.no_shows_since.is_not(None),
    sa.select(sa.func.array_agg(Booking.starts_at))
    .where(
        Booking.member_id == RUNNER,
        Booking.platform_id == _asked.platform_id,
        Booking.state == BookingState.NO_SHOW,
        Booking.starts_at > _asked.no_shows_since,
    )
    .correlate(ASKED)
    .scalar_subquery(),
)
"""When a member let bookings of a platform go unused, as long as it matters."""

PROMISED = _if(
    _asked.buddies,
    _stretches(
        Booking,
        Booking.buddy_id == RUNNER,
        Booking.platform_id != _asked.platform_id,
        Booking.active,
        Booking.ends_at > _FROM,
        Booking.starts_at < _TO,
    ),
)
"""When a member is somebody's buddy on another platform during a slot."""

HAS = _if(
    _asked.needed.is_not(None),
    _text(
        "SELECT jsonb_object_agg(needed.code, held.spans)"
        " FROM unnest(string_to_array(asked.needed, ',')) AS needed (code), LATERAL"
        " (SELECT jsonb_agg(jsonb_build_array(lower(span), upper(span))) AS spans"
        " FROM unnest((SELECT range_agg(span) FROM"
        " (SELECT tstzrange(b.starts_at, b.ends_at)"
        " FROM booking b JOIN resource_capability c ON c.resource_id = b.resource_id"
        " JOIN capability k ON k.id = c.capability_id WHERE k.code = needed.code"
        " AND b.member_id = :runner AND b.active AND b.ends_at > :from_at"
        " AND b.starts_at < :to_at"
        " UNION ALL SELECT tstzrange(:from_at, :to_at) FROM resource r"
        " JOIN resource_capability c ON c.resource_id = r.id"
        " JOIN capability k ON k.id = c.capability_id WHERE k.code = needed.code"
        " AND r.public_id = ANY (CAST(:beside AS uuid[]))) AS stays (span))) AS span)"
        " AS held",
        JSONB,
        RUNNER,
        _FROM,
        _TO,
        _BESIDE,
    ),
)
"""When each of the capabilities that a resource requires is held.

By the member's bookings that meet a slot, or by what is booked beside it just now.
"""

STANDING = _if(
    sa.or_(BUDDY.is_not(None), BUDDY_ROW.is_not(None)),
    _text(
        "SELECT to_jsonb(s) FROM buddy_standing(:runner, :buddy, :buddy_row,"
        " asked.resource_id, :from_at, :to_at, :besides) AS s",
        JSONB,
        RUNNER,
        BUDDY,
        BUDDY_ROW,
        _FROM,
        _TO,
        _BESIDES,
    ),
)
"""How a second person stands; null where nobody may name him."""

USES = _if(
    _asked.pooled,
    _text(
        "SELECT jsonb_agg(jsonb_build_object('period', q.period, 'limit', q.minutes,"
        " 'of_project', q.project_id IS NOT NULL, 'platform', q.platform_id IS NOT NULL,"
        " 'resource', q.resource_id IS NOT NULL, 'span', jsonb_build_array("
        "p.first AT TIME ZONE :zone,"
        " (p.first + CAST('1 ' || q.period AS interval)) AT TIME ZONE :zone),"
        " 'held', held_minutes(organisation.id, q.project_id, q.platform_id, q.resource_id,"
        " p.first AT TIME ZONE :zone, (p.first + CAST('1 ' || q.period AS interval))"
        " AT TIME ZONE :zone, :besides))"
        " ORDER BY q.id, p.first)"
        " FROM quota q CROSS JOIN LATERAL generate_series("
        " date_trunc(q.period, CAST(:from_at AS timestamptz) AT TIME ZONE :zone),"
        " (CAST(:to_at AS timestamptz) - interval '1 microsecond') AT TIME ZONE :zone,"
        " CAST('1 ' || q.period AS interval)) AS p (first)"
        " WHERE q.active"
        " AND (q.organisation_id IS NULL OR q.organisation_id = organisation.id)"
        " AND (q.project_id IS NULL OR q.project_id = project.id)"
        " AND (q.platform_id IS NULL OR q.platform_id = asked.platform_id)"
        " AND (q.resource_id IS NULL OR q.resource_id = asked.resource_id)",
        JSONB,
        _ZONE,
        _FROM,
        _TO,
        _BESIDES,
    ),
)
"""What is held of each quota in each period that a slot touches.

Within a statement that joins `organisation` and `project`.
"""

CLASS_HOLDS = _if(
    _asked.dated,
    _text(
        "SELECT jsonb_object_agg(o.id, s.quantity)"
        " FROM occurrence o CROSS JOIN LATERAL class_sold(o.id, :besides) AS s"
        " WHERE o.resource_id = asked.resource_id AND o.ends_at > :from_at"
        " AND o.starts_at < :to_at AND s.class = organisation.priority_class",
        JSONB,
        _BESIDES,
        _FROM,
        _TO,
    ),
)
"""What firms of the asker's priority class hold of the dated runs of a stretch.

Within a statement that joins `organisation`.
"""


def bound_quotas(
    resource: Any, organisation_id: Scalar, project_id: Scalar
) -> sa.ColumnElement[bool]:
    """Return which quotas a booking spends."""
    return sa.and_(
        Quota.active,
        sa.or_(Quota.organisation_id.is_(None), Quota.organisation_id == organisation_id),
        sa.or_(Quota.project_id.is_(None), Quota.project_id == project_id),
        sa.or_(Quota.platform_id.is_(None), Quota.platform_id == resource.platform_id),
        sa.or_(Quota.resource_id.is_(None), Quota.resource_id == resource.id),
    )


def _read(spans: Iterable[Sequence[str]] | None) -> tuple[Stretch, ...]:
    """Return spans that the database has told as JSON."""
    return tuple((_instant(since), _instant(until)) for since, until in spans or ())


def _instant(told: str) -> datetime:
    return datetime.fromisoformat(told).astimezone(UTC)


def read_held(told: Mapping[str, Any] | None) -> dict[str, tuple[Stretch, ...]]:
    """Return what is held as the rules know it."""
    return {code: _read(spans) for code, spans in (told or {}).items()}


def read_buddy(told: Mapping[str, Any] | None) -> Buddy:
    """Return what the rules know of a second person."""
    if told is None:
        return Buddy(known=False)
    until = told["expires_on"]
    return Buddy(
        runner=told["runner"],
        qualified=told["qualified"],
        qualified_until=date.fromisoformat(until) if until else None,
        elsewhere=_read(told["elsewhere"]),
    )


def read_quotas(
    told: Iterable[Mapping[str, Any]] | None, *, resource: Resource, platform: Platform
) -> tuple[QuotaUse, ...]:
    """Return what the rules know of quotas."""
    return tuple(
        QuotaUse(
            period=one["period"],
            span=_read([one["span"]])[0],
            limit_min=one["limit"],
            held_min=int(one["held"]),
            of_project=one["of_project"],
            scope=(
                named(resource)
                if one["resource"]
                else named(platform)
                if one["platform"]
                else ""
            ),
        )
        for one in told or ()
    )
