"""What becomes of bookings, on the wire."""

from typing import Any

from marshmallow import Schema, fields, validate

from platform_booking.bookings.schemas import (
    Amount,
    BookingSchema,
    FirmSchema,
    NamedSchema,
    PersonSchema,
)
from platform_booking.bookings.states import BookingState
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Instant, StrictSchema, Text

MOST_AT_ONCE = 200


class BookingRequestSchema(BookingSchema):
    """A booking that waits for the platform's answer."""

    respond_by = Instant(attribute="booking.respond_by", allow_none=True, required=True)


class DeclineSchema(StrictSchema):
    """Body of a refusal. The firm reads the reason."""

    reason = Text(required=True, validate=validate.Length(max=500))


class ManySchema(StrictSchema):
    """Which requests to approve at once."""

    ids = fields.List(
        fields.UUID(), required=True, validate=validate.Length(min=1, max=MOST_AT_ONCE)
    )


class ReleaseSchema(StrictSchema):
    """Body of an early release: until when the stay goes on."""

    until = Instant(required=True)


class ExtendSchema(StrictSchema):
    """Body of an extension."""

    minutes = Amount(required=True)


class HandOverSchema(StrictSchema):
    """Body of a hand-over: the colleague who runs it from now on."""

    member_id = fields.UUID(required=True)


class FaultSchema(StrictSchema):
    """Body of a fault report. With an end, an operator declares the resource down by it."""

    reason = Text(required=True, validate=validate.Length(max=500))
    ends_at = Instant(load_default=None)


class FaultToldSchema(Schema):
    """What came of a fault report."""

    declared_down = fields.Boolean(required=True)


class UsageOfSchema(Schema):
    """What really happened under a booking."""

    began_at = Instant(required=True)
    ended_at = Instant(allow_none=True, required=True)


class AttendanceSchema(Schema):
    """What becomes of a booking: what is open to the asker now, and by when.

    `code` is what its owner types at a kiosk; null to everybody else.
    """

    state = fields.Enum(BookingState, by_value=True, required=True)
    respond_by = Instant(allow_none=True, required=True)
    confirm_by = Instant(allow_none=True, required=True)
    to_confirm = fields.Boolean(required=True)
    check_in_from = Instant(allow_none=True, required=True)
    missed_after = Instant(allow_none=True, required=True)
    code = fields.String(allow_none=True, required=True)
    usage = fields.Nested(UsageOfSchema, allow_none=True, required=True)


class NewKioskSchema(StrictSchema):
    """Body of a new kiosk: a platform's, or one tool's."""

    name = Text(required=True)
    platform_id = fields.UUID(required=True)
    resource_id = fields.UUID(load_default=None)


class KioskSchema(Schema):
    """A kiosk. Of its secret only the beginning is shown again."""

    id = fields.UUID(attribute="kiosk.public_id", required=True)
    name = fields.String(attribute="kiosk.name", required=True)
    prefix = fields.String(attribute="kiosk.prefix", required=True)
    platform = fields.Nested(NamedSchema, required=True)
    resource = fields.Nested(NamedSchema, allow_none=True, required=True)
    created_at = Instant(attribute="kiosk.created_at", required=True)
    revoked_at = Instant(attribute="kiosk.revoked_at", allow_none=True, required=True)


class MadeKioskSchema(Schema):
    """A new kiosk, with the secret address that makes a device one; shown this once."""

    id = fields.UUID(required=True)
    address = fields.String(required=True)


class UsageArgs(PageArgs):
    """Which span of local dates to report on, both inclusive; thirty days by default."""

    first = fields.Date(load_default=None, data_key="from")
    last = fields.Date(load_default=None, data_key="to")


class UsageLineSchema(Schema):
    """What one member has reserved and used of one resource."""

    organisation = fields.Nested(FirmSchema, required=True)
    member = fields.Nested(PersonSchema, allow_none=True, required=True)
    platform = fields.Nested(NamedSchema, required=True)
    resource = fields.Nested(NamedSchema, required=True)
    bookings = fields.Integer(required=True)
    observed = fields.Integer(
        required=True, metadata={"description": "Bookings that were checked in."}
    )
    reserved_hours = fields.Float(required=True)
    used_hours = fields.Float(required=True)
    no_shows = fields.Integer(required=True)
    late_cancels = fields.Integer(required=True)


class FailedSchema(Schema):
    """A request that could not be approved, and why."""

    id = fields.UUID(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)


class AnsweredSchema(Schema):
    """What came of approving several requests: each by itself."""

    approved = fields.List(fields.UUID(), required=True)
    failed = fields.List(fields.Nested(FailedSchema), required=True)


def answered(done: Any) -> dict[str, Any]:
    """Return what came of a bulk approval, for the wire."""
    return {
        "approved": list(done.done),
        "failed": [
            {"id": which, "code": fault.code, "message": str(fault)}
            for which, fault in done.failed
        ],
    }
