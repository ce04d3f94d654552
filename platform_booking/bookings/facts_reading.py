"""Pieces of the statement that reads what the rules must know: stays, quotas, buddies."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE

from platform_booking.bookings.facts_policy import look_back_days
from platform_booking.bookings.models import Booking, Quota
from platform_booking.bookings.picked import Buddy, QuotaUse, Slot, Stretch
from platform_booking.bookings.states import SPENT, BookingState
from platform_booking.catalog.models import Outage, Platform, Resource
from platform_booking.web.i18n import named

Scalar = sa.ColumnElement[Any]

NOTHING: Scalar = sa.null()
_INSTANT = sa.DateTime(timezone=True)


def stretches(table: Any, *which: sa.SQLColumnExpression[bool]) -> Scalar:
    """Return the spans of a table's rows, as an array."""
    span = sa.func.tstzrange(table.starts_at, table.ends_at)
    return (
        sa.select(sa.func.array_agg(span, type_=ARRAY(TSTZRANGE)))
        .where(*which)
        .scalar_subquery()
    )


def plain(ranges: Iterable[Any] | None) -> tuple[Stretch, ...]:
    """Return spans as the rules know them."""
    return tuple((r.lower, r.upper) for r in ranges or ())


def outages(
    resource: Resource, slot: Slot, *, taken_back: sa.ColumnElement[bool]
) -> Scalar:
    """Return when a resource is down during a slot."""
    return stretches(
        Outage,
        Outage.resource_id == resource.id,
        Outage.ends_at > slot.starts_at,
        Outage.starts_at < slot.ends_at,
        taken_back,
    )


def stays_to_come(
    resource: Resource, runner: int, *, besides: int | None, now: datetime
) -> Scalar:
    """Return what a member holds of a resource from now on."""
    return stretches(
        Booking,
        Booking.resource_id == resource.id,
        Booking.member_id == runner,
        Booking.active,
        Booking.ends_at > now,
        Booking.id.is_distinct_from(besides),
    )


def stays_past(
    resource: Resource, runner: int, slot: Slot, *, besides: int | None, now: datetime
) -> Scalar:
    """Return what a member had of a resource and still counts: used, missed, given up late.

    As far back as the resource's caps look.
    """
    since = min(slot.starts_at, now) - timedelta(days=look_back_days(resource.policy))
    return stretches(
        Booking,
        Booking.resource_id == resource.id,
        Booking.member_id == runner,
        Booking.ends_at > since,
        sa.or_(
            Booking.state.in_(SPENT),
            sa.and_(Booking.active, Booking.ends_at <= now),
        ),
        Booking.id.is_distinct_from(besides),
    )


def no_shows(resource: Resource, runner: int, *, now: datetime) -> Scalar:
    """Return when a member let bookings of a platform go unused, as long as it matters."""
    policy = resource.policy
    days = policy.get("no_show_days", 90) + policy.get("ban_days", 30)
    return (
        sa.select(sa.func.array_agg(Booking.starts_at))
        .where(
            Booking.member_id == runner,
            Booking.platform_id == resource.platform_id,
            Booking.state == BookingState.NO_SHOW,
            Booking.starts_at > now - timedelta(days=days),
        )
        .scalar_subquery()
    )


def promised(resource: Resource, runner: int, slot: Slot) -> Scalar:
    """Return when a member is somebody's buddy on another platform during a slot."""
    return stretches(
        Booking,
        Booking.buddy_id == runner,
        Booking.platform_id != resource.platform_id,
        Booking.active,
        Booking.ends_at > slot.starts_at,
        Booking.starts_at < slot.ends_at,
    )


_HELD = (
    "SELECT jsonb_object_agg(needed.code, held.spans)"
    " FROM unnest(CAST(:needed AS text[])) AS needed (code), LATERAL"
    " (SELECT jsonb_agg(jsonb_build_array(lower(span), upper(span))) AS spans"
    " FROM unnest((SELECT range_agg(span) FROM (SELECT tstzrange(b.starts_at, b.ends_at)"
    " FROM booking b JOIN resource_capability c ON c.resource_id = b.resource_id"
    " JOIN capability k ON k.id = c.capability_id WHERE k.code = needed.code"
    " AND b.member_id = :holder AND b.active AND b.ends_at > :held_from"
    " AND b.starts_at < :held_to"
    " UNION ALL SELECT tstzrange(:held_from, :held_to) FROM resource r"
    " JOIN resource_capability c ON c.resource_id = r.id"
    " JOIN capability k ON k.id = c.capability_id WHERE k.code = needed.code"
    " AND r.public_id = ANY (CAST(:beside AS uuid[]))) AS stays (span))) AS span) AS held"
)


def held(
    resource: Resource, runner: int, slot: Slot, *, beside: tuple[UUID, ...]
) -> Scalar:
    """Return when each of the capabilities that a resource requires is held.

    By the member's bookings that meet a slot, or by what is booked beside it just now.
    """
    return _scalar(
        _HELD,
        JSONB,
        needed=(list(resource.policy["requires"]), ARRAY(sa.Text)),
        held_from=(slot.starts_at, _INSTANT),
        held_to=(slot.ends_at, _INSTANT),
        holder=(runner, sa.Integer),
        beside=([str(one) for one in beside], ARRAY(sa.Text)),
    )


def read_held(told: Mapping[str, Any] | None) -> dict[str, tuple[Stretch, ...]]:
    """Return what is held as the rules know it."""
    return {code: _read(spans) for code, spans in (told or {}).items()}


def _scalar(text: str, kind: Any, **named_by: tuple[Any, Any]) -> Scalar:
    """Return one value of a statement of its own; it may stand in another several times."""
    return (
        sa.text(text)
        .bindparams(
            *(
                sa.bindparam(name, value, type_, unique=True)
                for name, (value, type_) in named_by.items()
            )
        )
        .columns(sa.column("value", kind))
        .scalar_subquery()
    )


def _read(spans: Iterable[Sequence[str]] | None) -> tuple[Stretch, ...]:
    """Return spans that the database has told as JSON."""
    return tuple((_instant(since), _instant(until)) for since, until in spans or ())


def _instant(told: str) -> datetime:
    return datetime.fromisoformat(told).astimezone(UTC)


def buddy(
    resource: Resource,
    runner: int,
    slot: Slot,
    *,
    named_by: UUID | None,
    row_id: int | None,
    besides: int | None,
) -> Scalar:
    """Return how a second person stands; null where nobody may name him."""
    return _scalar(
        "SELECT to_jsonb(s) FROM buddy_standing(:runner, :buddy, :buddy_row, :on_resource,"
        " :from_at, :to_at, :but) AS s",
        JSONB,
        runner=(runner, sa.Integer),
        buddy=(named_by, sa.Uuid),
        buddy_row=(row_id, sa.Integer),
        on_resource=(resource.id, sa.Integer),
        from_at=(slot.starts_at, _INSTANT),
        to_at=(slot.ends_at, _INSTANT),
        but=(besides, sa.BigInteger),
    )


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


_USES = (
    "SELECT jsonb_agg(jsonb_build_object('period', q.period, 'limit', q.minutes,"
    " 'of_project', q.project_id IS NOT NULL, 'platform', q.platform_id IS NOT NULL,"
    " 'resource', q.resource_id IS NOT NULL, 'span', jsonb_build_array("
    "p.first AT TIME ZONE :zone,"
    " (p.first + CAST('1 ' || q.period AS interval)) AT TIME ZONE :zone),"
    " 'held', held_minutes(organisation.id, q.project_id, q.platform_id, q.resource_id,"
    " p.first AT TIME ZONE :zone, (p.first + CAST('1 ' || q.period AS interval))"
    " AT TIME ZONE :zone, :but))"
    " ORDER BY q.id, p.first)"
    " FROM quota q CROSS JOIN LATERAL generate_series("
    " date_trunc(q.period, CAST(:from_at AS timestamptz) AT TIME ZONE :zone),"
    " (CAST(:to_at AS timestamptz) - interval '1 microsecond') AT TIME ZONE :zone,"
    " CAST('1 ' || q.period AS interval)) AS p (first)"
    " WHERE q.active"
    " AND (q.organisation_id IS NULL OR q.organisation_id = organisation.id)"
    " AND (q.project_id IS NULL OR q.project_id = project.id)"
    " AND (q.platform_id IS NULL OR q.platform_id = :on_platform)"
    " AND (q.resource_id IS NULL OR q.resource_id = :on_resource)"
)


def quota_uses(
    resource: Resource, slot: Slot, *, zone_name: str, besides: int | None
) -> Scalar:
    """Return what is held of each quota in each period that a slot touches.

    Within a statement that joins `organisation` and `project`.
    """
    return _scalar(
        _USES,
        JSONB,
        zone=(zone_name, sa.Text),
        from_at=(slot.starts_at, _INSTANT),
        to_at=(slot.ends_at, _INSTANT),
        but=(besides, sa.BigInteger),
        on_platform=(resource.platform_id, sa.Integer),
        on_resource=(resource.id, sa.Integer),
    )


def class_holds(resource: Resource, slot: Slot, *, besides: int | None) -> Scalar:
    """Return what firms of the asker's priority class hold of the dated runs of a stretch.

    Within a statement that joins `organisation`.
    """
    return _scalar(
        "SELECT jsonb_object_agg(o.id, s.quantity)"
        " FROM occurrence o CROSS JOIN LATERAL class_sold(o.id, :but) AS s"
        " WHERE o.resource_id = :of_resource AND o.ends_at > :runs_from"
        " AND o.starts_at < :runs_to AND s.class = organisation.priority_class",
        JSONB,
        but=(besides, sa.BigInteger),
        of_resource=(resource.id, sa.Integer),
        runs_from=(slot.starts_at, _INSTANT),
        runs_to=(slot.ends_at, _INSTANT),
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
