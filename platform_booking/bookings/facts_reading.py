"""Pieces of the statement that reads what the rules must know: stays, quotas, buddies."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE

from platform_booking.bookings.facts_policy import look_back_days
from platform_booking.bookings.models import Booking, Quota
from platform_booking.bookings.picked import Buddy, QuotaUse, Slot, Stretch
from platform_booking.bookings.states import SPENT, BookingState
from platform_booking.catalog.models import Outage, Platform, Resource, ResourceKind
from platform_booking.web.i18n import named

Scalar = sa.ColumnElement[Any]

NOTHING: Scalar = sa.null()


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


_HELD = sa.text(
    "SELECT array_agg(needed.code) FROM unnest(CAST(:needed AS text[])) AS needed (code)"
    " WHERE tstzrange(:held_from, :held_to) <@ (SELECT range_agg(tstzrange(b.starts_at,"
    " b.ends_at)) FROM booking b JOIN resource_capability c ON c.resource_id ="
    " b.resource_id JOIN capability k ON k.id = c.capability_id WHERE k.code = needed.code"
    " AND b.member_id = :holder AND b.active AND b.ends_at > :held_from AND b.starts_at <"
    " :held_to) OR EXISTS (SELECT FROM resource r JOIN resource_capability c ON"
    " c.resource_id = r.id JOIN capability k ON k.id = c.capability_id WHERE k.code ="
    " needed.code AND r.public_id = ANY (CAST(:beside AS uuid[])))"
)


def held_throughout(
    resource: Resource, runner: int, slot: Slot, *, beside: tuple[UUID, ...]
) -> Scalar:
    """Return which of the capabilities that a resource requires are held all the while.

    By the member's bookings, or by what is booked beside it in the same go.
    """
    return (
        _HELD.bindparams(
            needed=list(resource.policy["requires"]),
            held_from=slot.starts_at,
            held_to=slot.ends_at,
            holder=runner,
            beside=[str(one) for one in beside],
        )
        .columns(sa.column("held", ARRAY(sa.Text)))
        .scalar_subquery()
    )


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
    return (
        sa.text(
            "SELECT to_jsonb(s) FROM buddy_standing(:runner, :buddy, :buddy_row,"
            " :on_resource, :from_at, :to_at, :but) AS s"
        )
        .bindparams(
            sa.bindparam("runner", runner),
            sa.bindparam("buddy", named_by, sa.Uuid),
            sa.bindparam("buddy_row", row_id, sa.Integer),
            sa.bindparam("on_resource", resource.id),
            sa.bindparam("from_at", slot.starts_at),
            sa.bindparam("to_at", slot.ends_at),
            sa.bindparam("but", besides, sa.BigInteger),
        )
        .columns(sa.column("standing", JSONB))
        .scalar_subquery()
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
        elsewhere=told["elsewhere"],
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
    " 'resource', q.resource_id IS NOT NULL, 'first', CAST(p.first AS date),"
    " 'held', held_minutes(organisation.id, q.project_id, q.platform_id, q.resource_id,"
    " p.first AT TIME ZONE :zone, (p.first + CAST('1 ' || q.period AS interval))"
    " AT TIME ZONE :zone, :but),"
    " 'own', :many * extract(epoch FROM least(:to_at, (p.first + CAST('1 ' || q.period AS"
    " interval)) AT TIME ZONE :zone) - greatest(:from_at, p.first AT TIME ZONE :zone))"
    " / 60)"
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

    Within a statement that joins `organisation` and `project`. A pool counts each unit.
    """
    many = slot.quantity if resource.kind is ResourceKind.POOLED else 1
    return (
        sa.text(_USES)
        .bindparams(
            sa.bindparam("zone", zone_name, sa.Text),
            sa.bindparam("from_at", slot.starts_at, sa.DateTime(timezone=True)),
            sa.bindparam("to_at", slot.ends_at, sa.DateTime(timezone=True)),
            sa.bindparam("many", many, sa.Integer),
            sa.bindparam("but", besides, sa.BigInteger),
            sa.bindparam("on_platform", resource.platform_id, sa.Integer),
            sa.bindparam("on_resource", resource.id, sa.Integer),
        )
        .columns(sa.column("uses", JSONB))
        .scalar_subquery()
    )


def class_sold(*, besides: int | None) -> Scalar:
    """Return what firms of the asker's priority class hold of a dated run.

    Within a statement that joins `organisation` and `occurrence`.
    """
    return (
        sa.text(
            "SELECT s.quantity FROM class_sold(occurrence.id, :but) AS s"
            " WHERE s.class = organisation.priority_class"
        )
        .bindparams(sa.bindparam("but", besides, sa.BigInteger))
        .columns(sa.column("quantity", sa.BigInteger))
        .scalar_subquery()
    )


def read_quotas(
    told: Iterable[Mapping[str, Any]] | None, *, resource: Resource, platform: Platform
) -> tuple[QuotaUse, ...]:
    """Return what the rules know of quotas."""
    return tuple(
        QuotaUse(
            period=one["period"],
            first_day=date.fromisoformat(one["first"]),
            limit_min=one["limit"],
            held_min=int(one["held"]),
            own_min=int(one["own"]),
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
