"""Projects on the wire."""

from marshmallow import Schema, fields

from platform_booking.accounts.models import Purpose
from platform_booking.web.schemas import Choice, StrictSchema, Text


class OwnProjectSchema(Schema):
    """A project of one's organisation."""

    id = fields.UUID(attribute="public_id", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    purpose = Choice(Purpose, required=True)
    active = fields.Boolean(
        required=True, metadata={"description": "open to new orders and bookings"}
    )


class NewProjectSchema(StrictSchema):
    """Body of `POST /api/v1/projects`."""

    code = Text(required=True)
    name = Text(required=True)


class OpenSchema(StrictSchema):
    """Body of `PUT /api/v1/projects/{id}/active`."""

    active = fields.Boolean(required=True)


class PurposeSchema(StrictSchema):
    """Body of `PUT /api/v1/projects/{id}/purpose`."""

    purpose = Choice(Purpose, required=True)
