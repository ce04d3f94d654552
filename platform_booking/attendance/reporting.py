"""Reserved versus used, per member and resource. Row-level security decides whose."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, Organisation
from platform_booking.bookings.models import Booking, Usage
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Platform, Resource
from platform_booking.errors import RulesBroken, Violation
from platform_booking.web.i18n import named

LONGEST = timedelta(days=366)
USUAL = timedelta(days=30)
MOST_ROWS = 5_000

_HELD = (
    BookingState.CONFIRMED,
    BookingState.IN_USE,
    BookingState.COMPLETED,
    BookingState.ABORTED,
    BookingState.NO_SHOW,
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """What one member has reserved and used of one resource over a span.

    Hours are those of bookings that begin within it; what was released early is no longer
    reserved. `observed` bookings were checked in: of the others nobody knows the use.
    """

    organisation: Organisation
    member: Member | None  # None: booked by the platform's staff
    platform: Platform
    resource: Resource
    bookings: int
    observed: int
    reserved_hours: float
    used_hours: float
    no_shows: int
    late_cancels: int


@dataclass(frozen=True, slots=True)
class Span:
    """A span of local dates, both inclusive, and its instants `[from_at, to_at)`."""

    first: date
    last: date
    from_at: datetime
    to_at: datetime


def span(first: date | None, last: date | None, *, now: datetime, zone: ZoneInfo) -> Span:
    """Return the span asked for; the thirty days until today by default.

    Raises
    ------
    RulesBroken
        If it ends before it begins, or is longer than a year.
    """
    today = now.astimezone(zone).date()
    last = last or (today if first is None else max(first, today))
    first = first or _before(last, USUAL - timedelta(days=1))
    if not timedelta(0) <= last - first < LONGEST or not 1900 < first.year <= 9000:
        told = _("choose a span that begins before it ends and is a year long at most")
        raise RulesBroken([Violation("span", told, "to")])
    begins, ends = (
        datetime(day.year, day.month, day.day, tzinfo=zone)
        for day in (first, last + timedelta(days=1))
    )
    return Span(first, last, begins, ends)


def _before(day: date, length: timedelta) -> date:
    return day - length if day - date.min > length else date.min


def usage_lines(
    session: Session, within: Span, *, now: datetime, limit: int, offset: int = 0
) -> tuple[list[UsageLine], int]:
    """Return a page of the report, and how many lines it has."""
    totals = _totals(within, now=now).subquery("totals")
    count = session.scalar(sa.select(sa.func.count()).select_from(totals)) or 0
    rows = session.execute(
        sa.select(Organisation, Member, Platform, Resource, totals)
        .select_from(totals)
        .join(Organisation, Organisation.id == totals.c.organisation_id)
        .join(Resource, Resource.id == totals.c.resource_id)
        .join(Platform, Platform.id == Resource.platform_id)
        .outerjoin(Member, Member.id == totals.c.member_id)
        .order_by(Organisation.name_zh, Member.name.nulls_last(), Member.id, Resource.code)
        .limit(limit)
        .offset(offset)
    )
    return [_line(row) for row in rows], count


def as_csv(lines: Iterable[UsageLine]) -> str:
    """Return the report as CSV. No cell is taken for a formula by a spreadsheet."""
    sheet = io.StringIO()
    sheet.write("\ufeff")  # a spreadsheet reads UTF-8 by it
    writer = csv.writer(sheet)
    writer.writerow(headings())
    for line in lines:
        writer.writerow([guarded(cell) for cell in cells(line)])
    return sheet.getvalue()


def headings() -> list[str]:
    """Return what the columns are called."""
    return [
        _("Organisation"), _("Member"), _("Platform"), _("Code"), _("Resource"),
        _("Bookings"), _("Checked in"), _("Reserved, h"), _("Used, h"), _("No-shows"),
        _("Cancelled late"),
    ]  # fmt: skip


def cells(line: UsageLine) -> Sequence[Any]:
    """Return a line's columns."""
    return (
        named(line.organisation),
        line.member.name if line.member else "",
        named(line.platform),
        line.resource.code,
        named(line.resource),
        line.bookings,
        line.observed,
        line.reserved_hours,
        line.used_hours,
        line.no_shows,
        line.late_cancels,
    )


def guarded(cell: Any) -> Any:
    """Return a cell that no spreadsheet computes: text that looks so is quoted."""
    if isinstance(cell, str) and cell.lstrip(" \u3000").startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _totals(within: Span, *, now: datetime) -> sa.Select[*tuple[Any, ...]]:
    held = Booking.state.in_(_HELD)
    used = sa.func.coalesce(Usage.ended_at, now) - Usage.began_at

    def hours(length: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(sa.func.extract("epoch", sa.func.sum(length)), 0) / 3600

    def count(which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count().filter(which)

    return (
        sa.select(
            Booking.organisation_id,
            Booking.member_id,
            Booking.resource_id,
            count(held).label("bookings"),
            count(Usage.id.is_not(None)).label("observed"),
            hours(
                sa.case((held, Booking.ends_at - Booking.starts_at), else_=sa.null())
            ).label("reserved"),
            hours(used).label("used"),
            count(Booking.state == BookingState.NO_SHOW).label("no_shows"),
            count(Booking.state == BookingState.LATE_CANCELLED).label("late_cancels"),
        )
        .outerjoin(Usage, Usage.booking_id == Booking.id)
        .where(Booking.starts_at >= within.from_at, Booking.starts_at < within.to_at)
        .where(Booking.ends_at > within.from_at)
        .where(Booking.state.in_((*_HELD, BookingState.LATE_CANCELLED)))
        .group_by(Booking.organisation_id, Booking.member_id, Booking.resource_id)
    )


def _line(row: Any) -> UsageLine:
    return UsageLine(
        organisation=row.Organisation,
        member=row.Member,
        platform=row.Platform,
        resource=row.Resource,
        bookings=row.bookings,
        observed=row.observed,
        reserved_hours=round(float(row.reserved), 2),
        used_hours=round(float(row.used), 2),
        no_shows=row.no_shows,
        late_cancels=row.late_cancels,
    )
