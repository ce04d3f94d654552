"""What becomes of bookings, on the wire."""

from typing import Any

from marshmallow import Schema, fields, validate

from platform_booking.bookings.schemas import BookingSchema
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
