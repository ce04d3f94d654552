"""What an entry says of a booking, in the reader's language."""

from collections.abc import Iterator
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from flask_babel import gettext as _

from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.queries import BookingLine, Taken
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource
from platform_booking.feeds.ics import Entry, Status
from platform_booking.web.i18n import named

_TENTATIVE = frozenset({BookingState.OFFERED, BookingState.REQUESTED})
GONE = frozenset(
    {
        BookingState.DECLINED,
        BookingState.LAPSED,
        BookingState.CANCELLED,
        BookingState.LATE_CANCELLED,
        BookingState.NO_SHOW,
        BookingState.DISPLACED,
    }
)
"""States in which nothing is left of a booking but the news that it is gone."""


def status_of(state: BookingState) -> Status:
    """Return how sure a booking is."""
    if state in _TENTATIVE:
        return Status.TENTATIVE
    return Status.CANCELLED if state in GONE else Status.CONFIRMED


def uid_of(booking: Booking) -> str:
    """Return what a booking is called in every calendar and mail, for good."""
    return f"{booking.public_id}@platform-booking"


def entry_of(line: BookingLine, *, base_url: str, own_firm: int | None) -> Entry:
    """Return a booking in detail, for somebody who may see it."""
    booking = line.booking
    return Entry(
        uid=uid_of(booking),
        summary=_summary(line),
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        changed_at=booking.updated_at,
        sequence=booking.version,
        status=status_of(booking.state),
        location=f"{named(line.platform)} · {line.resource.code}",
        description="\n".join(_facts(line, own_firm=own_firm)),
        url=f"{base_url.rstrip('/')}/bookings/{booking.public_id}",
    )


def busy_entry(resource: Resource, taken: Taken) -> Entry:
    """Return time that others hold: that it is taken, and nothing else."""
    begins, ends = taken.starts_at, taken.ends_at
    return Entry(
        uid=f"{_busy_id(resource.public_id, begins, ends)}@platform-booking",
        summary=_("busy"),
        starts_at=begins,
        ends_at=ends,
        changed_at=begins,  # when it was booked is the others' affair
    )


def _busy_id(resource_id: UUID, begins: datetime, ends: datetime) -> UUID:
    stretch = f"{begins.isoformat()}/{ends.isoformat()}"
    return uuid5(NAMESPACE_URL, f"urn:platform-booking:busy:{resource_id}:{stretch}")


def _summary(line: BookingLine) -> str:
    name, state = named(line.resource), line.booking.state
    if state in _TENTATIVE:
        return str(_("%(resource)s (not yet confirmed)", resource=name))
    if state in GONE:
        return str(_("%(resource)s (cancelled)", resource=name))
    return name


def _facts(line: BookingLine, *, own_firm: int | None) -> Iterator[str]:
    booking = line.booking
    if line.organisation.id != own_firm:
        yield _("Organisation: %(name)s", name=named(line.organisation))
    if line.project is not None:
        what = f"{line.project.code} {line.project.name}"
        yield _("Project: %(name)s", name=what)
    if line.recipe is not None:
        yield _("Recipe: %(code)s", code=line.recipe.code)
    if line.occurrence is not None:
        yield _("Dated run: %(code)s", code=line.occurrence.code)
    if booking.quantity > 1:
        yield _("Quantity: %(n)s", n=booking.quantity)
    if booking.source is Source.PLAN:
        yield _("Booked by the plan")
    elif line.member is not None:
        yield _("Booked by: %(name)s", name=line.member.name)
