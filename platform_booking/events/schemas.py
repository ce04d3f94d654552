"""Dated runs on the wire."""

from datetime import date
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from platform_booking.bookings.schemas import NamedSchema
from platform_booking.catalog.phases import MILESTONES, Phase
from platform_booking.events.asking import AskedChange, AskedRun
from platform_booking.exchange.schemas import RowFaultSchema
from platform_booking.web.schemas import Day, Instant, StrictSchema, Text


def _whole(**options: Any) -> fields.Integer:
    limits = validate.Range(-(2**31), 2**31 - 1)  # what the rules can speak of
    return fields.Integer(strict=True, validate=limits, **options)


MilestonesSchema = type(
    "MilestonesSchema",
    (StrictSchema,),
    {"__doc__": "Dates of a run; each begins with its day, in the park's zone."}
    | {name: Day() for name in MILESTONES},
)


def _quotas(**options: Any) -> fields.Dict:
    return fields.Dict(
        keys=Text(validate=validate.Length(1, 40)),
        values=_whole(),
        validate=validate.Length(max=50),
        **options,
    )


def _dates(told: dict[str, date]) -> dict[str, str]:
    return {name: day.isoformat() for name, day in told.items()}


class NewRunSchema(StrictSchema):
    """Body of `POST /api/v1/resources/{id}/occurrences`."""

    code = Text(
        required=True, validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")
    )
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    capacity = _whole(required=True)
    closes_at = Instant(load_default=None, allow_none=True)
    min_fill = _whole(load_default=0)
    quotas = _quotas(load_default=dict)
    phases = fields.Nested(MilestonesSchema, load_default=dict)

    @post_load
    def asked(self, data: dict[str, Any], **_: object) -> AskedRun:
        """Freeze what is asked."""
        return AskedRun(**data | {"phases": _dates(data["phases"])})


class ChangeRunSchema(StrictSchema):
    """Body of `PATCH /api/v1/occurrences/{id}`: what changes; quotas whole."""

    starts_at = Instant()
    ends_at = Instant()
    capacity = _whole()
    closes_at = Instant(allow_none=True)
    min_fill = _whole()
    quotas = _quotas()
    phases = fields.Nested(MilestonesSchema)

    @post_load
    def asked(self, data: dict[str, Any], **_: object) -> AskedChange:
        """Freeze what is asked."""
        never = "closes_at" in data and data["closes_at"] is None
        if "phases" in data:
            data["phases"] = _dates(data["phases"])
        return AskedChange(**data, never_closes=never)


class ImportedSchema(Schema):
    """What came of a file; `runs` is empty after a dry run."""

    rows = fields.Integer(required=True)
    faults = fields.List(fields.Nested(RowFaultSchema), required=True)
    runs = fields.List(fields.UUID(), required=True)


class CallOffSchema(StrictSchema):
    """Body of `POST /api/v1/occurrences/{id}/call-off`. The firms read the reason."""

    reason = Text(required=True, validate=validate.Length(max=500))


class ClassSeatsSchema(StrictSchema):
    """Body of `POST /api/v1/occurrences/{id}/attendance`: by booking, who was there."""

    attended = fields.Dict(
        keys=fields.UUID(),
        values=fields.Boolean(truthy={True}, falsy={False}),
        required=True,
        validate=validate.Length(max=1000),
    )


class MarkedSchema(Schema):
    """How many were there, were not, and hold a qualification by it."""

    attended = fields.Integer(required=True)
    absent = fields.Integer(required=True)
    granted = fields.Integer(required=True)


class RunSchema(Schema):
    """A dated run, for those who run it."""

    id = fields.UUID(attribute="line.run.public_id", required=True)
    code = fields.String(attribute="line.run.code", required=True)
    resource = fields.Nested(NamedSchema, attribute="line.resource", required=True)
    starts_at = Instant(attribute="line.run.starts_at", required=True)
    ends_at = Instant(attribute="line.run.ends_at", required=True)
    closes_at = Instant(attribute="line.run.closes_at", allow_none=True, required=True)
    capacity = fields.Integer(attribute="line.run.capacity", required=True)
    min_fill = fields.Integer(attribute="line.run.min_fill", required=True)
    quotas = fields.Dict(attribute="line.run.quotas", required=True)
    phases = fields.Dict(attribute="line.run.phases", required=True)
    phase = fields.Enum(Phase, by_value=True, required=True)
    called_off_at = Instant(
        attribute="line.run.called_off_at", allow_none=True, required=True
    )
    taken = fields.Integer(attribute="line.sold", required=True)
    taken_by_class = fields.Dict(attribute="line.sold_by_class", required=True)
    version = fields.Integer(attribute="line.run.version", required=True)
