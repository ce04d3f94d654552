"""Calendars on the wire."""

from typing import Any

from marshmallow import Schema, fields

from platform_booking.bookings.models import Feed
from platform_booking.bookings.schemas import NamedSchema
from platform_booking.catalog.models import Platform, Resource
from platform_booking.web.schemas import Instant, StrictSchema


class NewCalendarSchema(StrictSchema):
    """Body of `POST /api/v1/calendars`."""

    resource_id = fields.UUID(
        load_default=None,
        metadata={"description": "One resource, others' bookings as busy; else all own."},
    )
    whole_firm = fields.Boolean(
        load_default=False, metadata={"description": "Colleagues' bookings, too."}
    )


class CalendarSchema(Schema):
    """A calendar in force."""

    id = fields.UUID(required=True)
    resource = fields.Nested(NamedSchema, allow_none=True, required=True)
    whole_firm = fields.Boolean(required=True)
    prefix = fields.String(
        required=True, metadata={"description": "What its secret begins with."}
    )
    created_at = Instant(required=True)


class MadeCalendarSchema(CalendarSchema):
    """A new calendar; whoever knows its address reads it."""

    address = fields.URL(required=True)


def told(
    feed: Feed, resource: Resource | None, _platform: Platform | None = None
) -> dict[str, Any]:
    """Return a calendar as the schemas above read it."""
    return {
        "id": feed.public_id,
        "resource": resource,
        "whole_firm": feed.whole_firm,
        "prefix": feed.prefix,
        "created_at": feed.created_at,
    }
