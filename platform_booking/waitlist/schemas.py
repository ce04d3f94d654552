"""The waiting list on the wire."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from platform_booking.bookings.schemas import (
    Amount,
    CodedSchema,
    FirmSchema,
    NamedSchema,
    PersonSchema,
)
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.waitlist.asking import NewWaiting
from platform_booking.waitlist.queries import OPEN
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Instant, StrictSchema, Text


class NewWaitingSchema(StrictSchema):
    """Body of `POST /api/v1/waiting`: a slot, or a stay somewhere within a window."""

    resource_id = fields.UUID(required=True)
    from_at = Instant(required=True, data_key="from")
    to_at = Instant(
        required=True,
        data_key="to",
        metadata={"description": "By when the stay is over; for a slot its end."},
    )
    minutes = Amount(
        load_default=None,
        metadata={"description": "How long; the usual length of the recipe or the tool."},
    )
    quantity = Amount(load_default=1)
    project_id = fields.UUID(load_default=None)
    recipe_id = fields.UUID(
        load_default=None, metadata={"description": "Required on a batch resource."}
    )
    wafer_mm = Amount(load_default=None)
    class_rank = Amount(load_default=None)
    flags = fields.List(Text(), load_default=list, validate=validate.Length(max=50))

    @post_load
    def entry(self, data: dict[str, Any], **_: object) -> NewWaiting:
        """Freeze what is asked."""
        return NewWaiting(**data | {"flags": tuple(data["flags"])})


class WaitingArgs(PageArgs):
    """Filters of the list; open entries by default. `state` may be given several times."""

    resource = fields.UUID(load_default=None)
    state = fields.List(
        fields.Enum(WaitingState, by_value=True), load_default=lambda: list(OPEN)
    )


class OfferSchema(Schema):
    """What is offered, or was accepted: a booking."""

    booking_id = fields.UUID(attribute="public_id", required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    state = fields.Enum(BookingState, by_value=True, required=True)
    respond_by = Instant(allow_none=True, required=True)


class WaitingPartSchema(Schema):
    """What is waited for together with an entry, for the same times."""

    id = fields.UUID(attribute="entry.public_id", required=True)
    resource = fields.Nested(NamedSchema, required=True)
    quantity = fields.Integer(attribute="entry.quantity", required=True)
    offer = fields.Nested(OfferSchema, allow_none=True, required=True)


class WaitingSchema(Schema):
    """An entry of the waiting list."""

    id = fields.UUID(attribute="entry.public_id", required=True)
    resource = fields.Nested(NamedSchema, required=True)
    platform = fields.Nested(NamedSchema, required=True)
    organisation = fields.Nested(FirmSchema, required=True)
    member = fields.Nested(PersonSchema, allow_none=True, required=True)
    recipe = fields.Nested(CodedSchema, allow_none=True, required=True)
    from_at = Instant(attribute="entry.from_at", data_key="from", required=True)
    to_at = Instant(attribute="entry.to_at", data_key="to", required=True)
    minutes = fields.Integer(attribute="entry.minutes", required=True)
    quantity = fields.Integer(attribute="entry.quantity", required=True)
    first_right = fields.Boolean(
        attribute="entry.first_right",
        required=True,
        metadata={"description": "An outage displaced it: it is asked before others."},
    )
    state = fields.Enum(WaitingState, by_value=True, attribute="entry.state", required=True)
    passed = fields.Integer(
        attribute="entry.passed",
        required=True,
        metadata={"description": "Offers that were let go; after three it is withdrawn."},
    )
    offer = fields.Nested(OfferSchema, allow_none=True, required=True)
    parts = fields.List(
        fields.Nested(WaitingPartSchema),
        data_key="with",
        required=True,
        metadata={
            "description": "Was booked together with it: offered, accepted and let go"
            " together, by whichever id."
        },
    )
    created_at = Instant(attribute="entry.created_at", required=True)
