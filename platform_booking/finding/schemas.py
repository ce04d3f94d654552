"""Free time on the wire."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import Schema, ValidationError, fields, post_load, validate

from platform_booking.bookings.schemas import CodedSchema, NamedSchema
from platform_booking.clock import utcnow
from platform_booking.finding.alternatives import Kind
from platform_booking.finding.asking import Beside, Wish
from platform_booking.web.paging import envelope
from platform_booking.web.schemas import Instant, StrictSchema, Text

LOOK = timedelta(days=14)
_LAST = datetime.max.replace(tzinfo=UTC)
_LONGEST = 80
_INT4 = 2**31 - 1


class Number(fields.Integer):
    """A whole number of a query; one that is beyond sense is cut, and rules refuse it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> int:
        number = int(super()._deserialize(value, attr, data, **options) or 0)
        return max(-_INT4, min(number, _INT4))


class BesideField(Text):
    """`CODE` or `CODE:quantity`: a capability or a resource, and how much of it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        called, _colon, much = (
            super()._deserialize(value, attr, data, **options).partition(":")
        )
        called, much = called.strip(), much.strip() or "1"
        if not called or not (much.isascii() and much.isdigit()):
            raise ValidationError(
                str(_l("Write it as CODE or CODE:quantity, such as EDA.SIM:2."))
            )
        return Beside(called=called, quantity=min(int(much[:10]), _INT4))


def _name(**options: Any) -> Text:
    return Text(validate=validate.Length(max=_LONGEST), **options)


class WishSchema(StrictSchema):
    """What is looked for; `resource`, `with` and `flags` may be given several times."""

    capability = _name(
        load_default="", metadata={"description": "Code of a capability: any tool does."}
    )
    resources = fields.List(
        _name(),
        load_default=list,
        data_key="resource",
        validate=validate.Length(max=50),
        metadata={"description": "Code or id of a resource to look at."},
    )
    minutes = Number(
        load_default=None,
        metadata={"description": "How long; the usual length of the tool or the recipe."},
    )
    from_at = Instant(
        load_default=None, data_key="from", metadata={"description": "Now by default."}
    )
    to_at = Instant(
        load_default=None,
        data_key="to",
        metadata={"description": "By when the stay is over; a fortnight by default."},
    )
    quantity = Number(load_default=1)
    beside = fields.List(
        BesideField(),
        load_default=list,
        data_key="with",
        metadata={"description": "`CODE:quantity` that must be free for the same time."},
    )
    wafer_mm = Number(load_default=None)
    class_rank = Number(load_default=None, data_key="class")
    flags = fields.List(_name(), load_default=list, validate=validate.Length(max=50))
    recipe = _name(load_default="", metadata={"description": "Code or id."})
    organisation_id = fields.UUID(
        load_default=None, metadata={"description": "For whom an operator looks."}
    )
    limit = fields.Integer(load_default=10, validate=validate.Range(min=1, max=50))

    @post_load
    def wish(self, data: dict[str, Any], **_: object) -> Wish:
        """Freeze what is asked."""
        from_at = data.pop("from_at") or utcnow()
        to_at = data.pop("to_at") or from_at + min(LOOK, _LAST - from_at)
        for several in ("resources", "beside", "flags"):
            data[several] = tuple(data[several])
        return Wish(from_at=from_at, to_at=to_at, **data)


class CompanionSchema(Schema):
    """What a co-request was given."""

    asked = fields.String(attribute="called", required=True)
    quantity = fields.Integer(required=True)
    resource = fields.Nested(NamedSchema, required=True)


class FreePlaceSchema(Schema):
    """A place that the rules accept now. It is not held: book it."""

    resource = fields.Nested(NamedSchema, required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    quantity = fields.Integer(required=True)
    room = fields.Integer(
        required=True, metadata={"description": "Units left, those asked for included."}
    )
    why = fields.List(fields.String(), required=True)
    joins = fields.Boolean(
        required=True, metadata={"description": "A run of the same recipe stands there."}
    )
    recipe = fields.Nested(CodedSchema, allow_none=True, required=True)
    occurrence = fields.Nested(CodedSchema, allow_none=True, required=True)
    beside = fields.List(fields.Nested(CompanionSchema), data_key="with", required=True)


class UnfitReasonSchema(Schema):
    """A broken rule."""

    rule = fields.String(required=True)
    message = fields.String(required=True)
    where = fields.String(required=True)


class UnfitSchema(Schema):
    """A tool that could do it, but not for this asker or in this way."""

    resource = fields.Nested(NamedSchema, required=True)
    violations = fields.List(fields.Nested(UnfitReasonSchema), required=True)


class AvailabilitySchema(envelope(FreePlaceSchema)):  # type: ignore[misc]
    """Free time, the best first; what is left out says why."""

    left_out = fields.List(fields.Nested(UnfitSchema), required=True)


class AlternativeSchema(Schema):
    """What might do instead of a slot that was refused; the rules accept it now."""

    kind = fields.Enum(Kind, by_value=True, required=True)
    resource = fields.Nested(NamedSchema, required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    recipe = fields.Nested(CodedSchema, allow_none=True, required=True)
    occurrence = fields.Nested(CodedSchema, allow_none=True, required=True)
