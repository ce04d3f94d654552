"""Bookings that recur, on the wire."""

from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import Schema, fields, post_load, validate

from platform_booking.bookings.asking import AskedSeries, Replacement
from platform_booking.bookings.recurring import LONGEST_RULE, MOST
from platform_booking.bookings.schemas import Amount, BookingSchema, SlotSchema, asked_slot
from platform_booking.bookings.series import Outcome
from platform_booking.web.schemas import Instant, StrictSchema, Text


class ReplacementSchema(StrictSchema):
    """Another time for one occurrence."""

    number = Amount(required=True, metadata={"description": "Counted from 1."})
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)

    @post_load
    def replacement(self, data: dict[str, Any], **_: object) -> Replacement:
        """Freeze what is asked."""
        return Replacement(**data)


class AskedSeriesSchema(SlotSchema):
    """Body of `POST /api/v1/bookings/series`: a slot, and by which rule it recurs."""

    rrule = Text(
        required=True,
        validate=validate.Length(min=1, max=LONGEST_RULE),
        metadata={
            "description": "RFC 5545: FREQ DAILY, WEEKLY, MONTHLY or YEARLY, with COUNT or"
            f" UNTIL; {MOST} occurrences at most. The slot is the first of them."
        },
    )
    zone = Text(
        load_default="",
        validate=validate.Length(max=80),
        metadata={"description": "IANA zone of the rule's clock; the park's by default."},
    )
    dry_run = fields.Boolean(
        load_default=False,
        metadata={"description": "Only tell what would become of each occurrence."},
    )
    on_conflict = fields.String(
        load_default="refuse",
        validate=validate.OneOf(("refuse", "skip"), error=_l("Choose refuse or skip.")),
        metadata={"description": "What becomes of the series if a part cannot be had."},
    )
    left_out = fields.List(
        Amount(),
        load_default=list,
        validate=validate.Length(max=MOST),
        metadata={"description": "Numbers of occurrences that are not wanted."},
    )
    replacements = fields.List(
        fields.Nested(ReplacementSchema),
        load_default=list,
        validate=validate.Length(max=MOST),
    )

    @post_load
    def slot(self, data: dict[str, Any], **_: object) -> Any:
        """Freeze what is asked."""
        return AskedSeries(
            rule=data.pop("rrule"),
            zone=data.pop("zone"),
            dry_run=data.pop("dry_run"),
            skips=data.pop("on_conflict") == "skip",
            left_out=tuple(data.pop("left_out")),
            replacements=tuple(data.pop("replacements")),
            slot=asked_slot(data),
        )


class OccurrenceViolationSchema(Schema):
    """A broken rule."""

    rule = fields.String(required=True)
    message = fields.String(required=True)
    where = fields.String(required=True)
    limit = fields.Raw(allow_none=True)
    actual = fields.Raw(allow_none=True)


class SuggestionSchema(Schema):
    """A place of that day that would be accepted; null where there is none."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)


class TriedSchema(Schema):
    """One occurrence and what became of it, or would in a dry run."""

    number = fields.Integer(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    outcome = fields.Enum(Outcome, by_value=True, required=True)
    resource_code = fields.String(allow_none=True, required=True)
    chosen_because = fields.String(allow_none=True, required=True)
    violations = fields.List(fields.Nested(OccurrenceViolationSchema), required=True)
    suggestion = fields.Function(
        lambda tried: (
            SuggestionSchema().dump(
                dict(zip(("starts_at", "ends_at"), tried.suggestion, strict=True))
            )
            if tried.suggestion
            else None
        ),
        required=True,
        metadata={"type": ["object", "null"]},
    )
    booking = fields.Nested(BookingSchema, attribute="line", allow_none=True, required=True)


class SeriesSchema(Schema):
    """A series and its occurrences; `id` is null in a dry run."""

    id = fields.UUID(attribute="public_id", allow_none=True, required=True)
    rrule = fields.String(attribute="rule", required=True)
    zone = fields.String(required=True)
    occurrences = fields.List(fields.Nested(TriedSchema), required=True)


class CancelSeriesSchema(StrictSchema):
    """Body of a series' cancellation."""

    from_booking = fields.UUID(
        load_default=None,
        metadata={"description": "This one and those after it; all to come without it."},
    )


class SeriesCancelledSchema(Schema):
    """How many bookings were cancelled, and how many of them count as late."""

    cancelled = fields.Integer(required=True)
    late = fields.Integer(required=True)
