"""Opened capacity on the wire."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from platform_booking.bookings.schemas import NamedSchema
from platform_booking.owning.services import Asked
from platform_booking.web.schemas import Instant, StrictSchema, Text


class TakeBackSchema(StrictSchema):
    """Body of `POST /api/v1/resources/{id}/take-back`."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    reason = Text(load_default="", validate=validate.Length(max=500))

    @post_load
    def asked(self, data: dict[str, Any], **_: object) -> Asked:
        """Freeze what is asked."""
        return Asked(**data)


class TakenBackSchema(Schema):
    """Time that its owner has taken back. `hits` bookings stood in it when he did."""

    id = fields.UUID(attribute="outage.public_id", required=True)
    resource = fields.Nested(NamedSchema, required=True)
    starts_at = Instant(attribute="outage.starts_at", required=True)
    ends_at = Instant(attribute="outage.ends_at", required=True)
    reason = fields.String(attribute="outage.reason", required=True)
    hits = fields.Integer()


class TakenLineSchema(TakenBackSchema):
    """The same in a list, where nobody counts what stands in it."""

    class Meta:
        """Less than the rest."""

        exclude = ("hits",)
