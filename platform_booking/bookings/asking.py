"""What is asked of bookings, as frozen values between the layers."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from platform_booking.bookings.models import Source
from platform_booking.bookings.states import BookingState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBooking:
    """A booking to be made, by the ids of the database. `[starts_at, ends_at)`."""

    resource_id: int
    organisation_id: int
    starts_at: datetime
    ends_at: datetime
    quantity: int = 1
    source: Source = Source.PLAN
    member_id: int | None = None
    project_id: int | None = None
    recipe_id: int | None = None  # required on a batch resource
    occurrence_id: int | None = None  # required on an event resource
    family: str | None = None
    group_id: UUID | None = None  # booked together, all or none
    buddy_id: int | None = None  # who is there beside the one who runs it
    override_reason: str | None = None  # why staff set soft rules aside
    wafer_mm: int | None = None  # what goes in, as declared
    class_rank: int | None = None
    flags: tuple[str, ...] = ()
    state: BookingState = BookingState.CONFIRMED
    respond_by: datetime | None = None  # a request lapses unanswered
    confirm_by: datetime | None = None  # lapses unless confirmed once more


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """A booking in force that goes to another time or resource.

    `version` is the one that the mover has read: if the booking has changed since, nothing
    moves.
    """

    booking_id: int
    version: int
    resource_id: int
    starts_at: datetime
    ends_at: datetime
    quantity: int = 1
    recipe_id: int | None = None
    occurrence_id: int | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPart:
    """A further resource for the same time: one by its id, or any with a capability."""

    resource_id: UUID | None = None
    capability: str = ""
    quantity: int = 1
    recipe_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSlot:
    """What a person asks for by picking a slot, by the ids known outside.

    `organisation_id` is for operators, who book on behalf of one; None for one's own.
    Without `resource_id` any resource with the `capability` will do. `parts` are booked
    for the same time, all or none.
    """

    resource_id: UUID | None = None
    capability: str = ""
    starts_at: datetime
    ends_at: datetime
    quantity: int = 1
    organisation_id: UUID | None = None
    project_id: UUID | None = None
    recipe_id: UUID | None = None
    occurrence_id: UUID | None = None
    wafer_mm: int | None = None
    class_rank: int | None = None  # of the wafers; None where wafers play no part
    flags: tuple[str, ...] = field(default=())
    parts: tuple[AskedPart, ...] = ()
    buddy_id: UUID | None = None  # a member who is there at hours when nobody works alone
    override_reason: str = ""  # why the platform's staff set soft rules aside
    source: Source = Source.PERSON  # by which way it came in; no caller of the API says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """Another time for one occurrence of a series. `number` counts from 1."""

    number: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSeries:
    """A slot that recurs; the slot's own times are those of the first occurrence."""

    slot: AskedSlot
    rule: str  # an RRULE of RFC 5545
    zone: str = ""  # by whose clock it recurs; "" for the park's
    dry_run: bool = False
    skips: bool = False  # what cannot be had is left out, instead of refusing all
    left_out: tuple[int, ...] = ()
    replacements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMove:
    """Another time or quantity for a booking; None: as before."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    quantity: int | None = None
    note: str = ""  # why; kept in the history
    override_reason: str = ""  # why the platform's staff set soft rules aside
