"""What a booking's page offers to whoever looks at it."""

from dataclasses import dataclass
from datetime import datetime

from platform_booking.attendance import answering, rules
from platform_booking.bookings import services
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState
from platform_booking.web.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The deeds that are open to the asker now."""

    answerable: bool = False
    to_confirm: bool = False
    confirm_from: datetime | None = None  # he will be asked from then on


def offered(line: BookingLine, *, actor: Actor, now: datetime) -> Offered:
    """Return what the asker may do with a booking now."""
    booking = line.booking
    state, mine = booking.state, services.may_change(line, actor)
    opens = rules.confirmation_opens(line.resource.policy, booking.starts_at)
    asks = state is BookingState.CONFIRMED and booking.confirm_by is not None and mine
    return Offered(
        answerable=state is BookingState.REQUESTED and services.is_staff_of(line, actor),
        to_confirm=mine and answering.awaits_confirmation(line, now=now),
        confirm_from=opens if asks and now < opens else None,
    )
