"""Dated runs and who is in them. Row-level security decides which bookings are seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation
from platform_booking.bookings import queries as bookings
from platform_booking.bookings.models import Booking
from platform_booking.bookings.queries import BookingLine
from platform_booking.catalog.models import CatalogueLoad, Occurrence, Resource
from platform_booking.errors import NotFound

MOST_SEATS = 1000
_DEFAULT_CLASS = "SME"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A dated run, and how much of it is booked."""

    run: Occurrence
    resource: Resource
    sold: int
    sold_by_class: Mapping[str, int]


def run_line(session: Session, run_id: UUID) -> RunLine:
    """Return a dated run.

    Raises
    ------
    NotFound
    """
    found = session.execute(
        sa.select(Occurrence, Resource)
        .join(Resource, Resource.id == Occurrence.resource_id)
        .where(Occurrence.public_id == run_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    run, resource = found
    by_class = sold_by_class(session, run)
    return RunLine(
        run=run, resource=resource, sold=sum(by_class.values()), sold_by_class=by_class
    )


def run_lines(session: Session, resource: Resource, *, limit: int) -> list[RunLine]:
    """Return the runs of a resource, the latest first."""
    rows = session.execute(
        sa.select(Occurrence, sa.func.coalesce(sa.func.sum(Booking.quantity), 0))
        .outerjoin(Booking, sa.and_(Booking.occurrence_id == Occurrence.id, Booking.active))
        .where(Occurrence.resource_id == resource.id)
        .group_by(Occurrence.id)
        .order_by(Occurrence.starts_at.desc(), Occurrence.id)
        .limit(limit)
    )
    return [
        RunLine(run=run, resource=resource, sold=sold, sold_by_class={})
        for run, sold in rows
    ]


def sold_by_class(session: Session, run: Occurrence) -> dict[str, int]:
    """Return how much of a run firms of each priority class hold."""
    rows = session.execute(
        sa.select(Organisation.priority_class, sa.func.sum(Booking.quantity))
        .join(Booking, Booking.organisation_id == Organisation.id)
        .where(Booking.occurrence_id == run.id, Booking.active)
        .group_by(Organisation.priority_class)
        .order_by(Organisation.priority_class)
    )
    return {code: int(sold) for code, sold in rows}


def seats(session: Session, run: Occurrence) -> list[BookingLine]:
    """Return the bookings of a run, whatever became of them."""
    return bookings.lines_where(
        session,
        Booking.occurrence_id == run.id,
        order=[Booking.created_at.asc(), Booking.id.asc()],
        limit=MOST_SEATS,
    )


def classes(session: Session) -> dict[str, str]:
    """Return the priority classes of organisations: code and Chinese name."""
    extras = session.scalar(
        sa.select(CatalogueLoad.extras).order_by(CatalogueLoad.id.desc()).limit(1)
    )
    named: Sequence[Mapping[str, object]] = (extras or {}).get("priority_classes", ())
    return {str(one["code"]): str(one["code"]) for one in named} or {
        _DEFAULT_CLASS: _DEFAULT_CLASS
    }
