"""Quotas on the wire."""

from typing import Any

from marshmallow import Schema, fields, post_load

from platform_booking.bookings.models import Period
from platform_booking.bookings.schemas import (
    Amount,
    FirmSchema,
    NamedSchema,
    ProjectSchema,
)
from platform_booking.quotas.services import NewQuota
from platform_booking.web.schemas import Instant, StrictSchema


class NewQuotaSchema(StrictSchema):
    """Body of `POST /api/v1/quotas`. What is not named widens it."""

    period = fields.Enum(Period, by_value=True, required=True)
    minutes = Amount(required=True)
    organisation_id = fields.UUID(
        load_default=None, metadata={"description": "Each organisation by default."}
    )
    project_id = fields.UUID(
        load_default=None, metadata={"description": "One of the organisation's."}
    )
    platform_id = fields.UUID(
        load_default=None, metadata={"description": "The whole park by default."}
    )
    resource_id = fields.UUID(
        load_default=None, metadata={"description": "All of the platform by default."}
    )

    @post_load
    def new(self, data: dict[str, Any], **_: object) -> NewQuota:
        """Freeze what is asked."""
        return NewQuota(**data)


class SetQuotaSchema(Schema):
    """A quota that has been set."""

    id = fields.UUID(attribute="public_id", required=True)
    period = fields.Enum(Period, by_value=True, required=True)
    minutes = fields.Integer(required=True)


class QuotaSchema(Schema):
    """A quota in force, and how much of it is held in the present period."""

    id = fields.UUID(attribute="quota.public_id", required=True)
    period = fields.Enum(Period, by_value=True, attribute="quota.period", required=True)
    minutes = fields.Integer(attribute="quota.minutes", required=True)
    organisation = fields.Nested(FirmSchema, allow_none=True, required=True)
    project = fields.Nested(ProjectSchema, allow_none=True, required=True)
    platform = fields.Nested(NamedSchema, allow_none=True, required=True)
    resource = fields.Nested(NamedSchema, allow_none=True, required=True)
    since = Instant(required=True)
    held = fields.Integer(attribute="held_min", allow_none=True, required=True)
    left = fields.Integer(attribute="left_min", allow_none=True, required=True)
