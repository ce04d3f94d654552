"""Bookings on the wire."""

from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from platform_booking.bookings.asking import AskedMove, AskedPart, AskedSlot
from platform_booking.bookings.models import Source
from platform_booking.bookings.states import BookingState
from platform_booking.bookings.together import MOST_PARTS
from platform_booking.catalog.models import OutageKind
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Choice, Instant, StrictSchema, Text

_INT4 = 2**31 - 1


class Amount(fields.Integer):
    """A whole number that the database can hold; whether it is sensible, rules say."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> int:
        number = int(super()._deserialize(value, attr, data, **options) or 0)
        return max(-_INT4, min(number, _INT4))


def _reason() -> Text:
    return Text(
        load_default="",
        validate=validate.Length(max=500),
        metadata={"description": "Why the platform's staff set soft rules aside."},
    )


def _capability() -> Text:
    return Text(
        load_default="",
        validate=validate.Length(max=80),
        metadata={"description": "Any resource with it will do; the best one is chosen."},
    )


def _resource_or_capability(data: dict[str, Any]) -> None:
    if (data.get("resource_id") is None) == (not data.get("capability")):
        raise ValidationError(
            str(_l("Name either a resource or a capability that it must have.")),
            "resource_id",
        )


def asked_slot(data: dict[str, Any]) -> AskedSlot:
    """Return a slot as it is asked for between the layers."""
    return AskedSlot(
        **data | {"flags": tuple(data["flags"]), "parts": tuple(data["parts"])}
    )


class PartSchema(StrictSchema):
    """A further resource for the same time."""

    resource_id = fields.UUID(load_default=None)
    capability = _capability()
    quantity = Amount(load_default=1)
    recipe_id = fields.UUID(load_default=None)

    @validates_schema
    def one_of_two(self, data: dict[str, Any], **_: object) -> None:
        """Refuse a part that names both a resource and a capability, or neither."""
        _resource_or_capability(data)

    @post_load
    def part(self, data: dict[str, Any], **_: object) -> AskedPart:
        """Freeze what is asked."""
        return AskedPart(**data)


class SlotSchema(StrictSchema):
    """Body of `POST /api/v1/bookings`: the slot that a person has picked."""

    resource_id = fields.UUID(
        load_default=None, metadata={"description": "This, or a capability."}
    )
    capability = _capability()
    parts = fields.List(
        fields.Nested(PartSchema),
        load_default=list,
        data_key="with",
        validate=validate.Length(max=MOST_PARTS),
        metadata={"description": "Booked for the same time, all or none."},
    )
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    quantity = Amount(load_default=1)
    organisation_id = fields.UUID(
        load_default=None,
        metadata={"description": "For whom an operator books; one's own by default."},
    )
    project_id = fields.UUID(load_default=None)
    recipe_id = fields.UUID(
        load_default=None, metadata={"description": "Required on a batch resource."}
    )
    occurrence_id = fields.UUID(
        load_default=None, metadata={"description": "Required on an event resource."}
    )
    wafer_mm = Amount(
        load_default=None,
        metadata={"description": "Required on a resource that takes wafers."},
    )
    class_rank = Amount(
        load_default=None,
        metadata={"description": "Contamination class of the wafers; required with them."},
    )
    flags = fields.List(Text(), load_default=list)
    buddy_id = fields.UUID(
        load_default=None,
        metadata={"description": "Who is there, too, at hours when nobody works alone."},
    )
    override_reason = _reason()

    @validates_schema
    def one_of_two(self, data: dict[str, Any], **_: object) -> None:
        """Refuse a slot that names both a resource and a capability, or neither."""
        _resource_or_capability(data)

    @post_load
    def slot(self, data: dict[str, Any], **_: object) -> AskedSlot:
        """Freeze what is asked."""
        return asked_slot(data)


class MoveSchema(StrictSchema):
    """Body of `PATCH /api/v1/bookings/{id}`: what becomes different."""

    starts_at = Instant()
    ends_at = Instant()
    quantity = Amount()
    note = Text(
        load_default="",
        validate=validate.Length(max=500),
        metadata={"description": "Why; kept in the booking's history."},
    )
    override_reason = _reason()

    @validates_schema
    def something(self, data: dict[str, Any], **_: object) -> None:
        """Refuse a change of nothing."""
        if not data.keys() - {"override_reason", "note"}:
            raise ValidationError(
                str(_l("Name what changes: starts_at, ends_at or quantity."))
            )

    @post_load
    def move(self, data: dict[str, Any], **_: object) -> AskedMove:
        """Freeze what is asked."""
        return AskedMove(**data)


class WindowArgs(PageArgs):
    """A list's filter by time."""

    from_at = Instant(load_default=None, data_key="from")
    to_at = Instant(load_default=None, data_key="to")

    @validates_schema
    def in_order(self, data: dict[str, Any], **_: object) -> None:
        """Refuse a window that ends before it begins."""
        begins: datetime | None = data.get("from_at")
        ends: datetime | None = data.get("to_at")
        if begins is not None and ends is not None and ends <= begins:
            raise ValidationError(
                str(_l("The end of the window must lie after its start.")), "to"
            )


class BookingArgs(WindowArgs):
    """Filters of the list of bookings; `state` may be given several times."""

    resource = fields.UUID(load_default=None)
    platform = fields.UUID(load_default=None)
    state = fields.List(Choice(BookingState), load_default=list)
    member = fields.UUID(load_default=None)
    project = fields.UUID(load_default=None)
    series = fields.UUID(load_default=None)
    group = fields.UUID(load_default=None)


class NamedSchema(Schema):
    """Something of the catalogue, or an organisation."""

    id = fields.UUID(attribute="public_id", required=True)
    code = fields.String()
    name_zh = fields.String(required=True)
    name_en = fields.String(required=True)


class FirmSchema(NamedSchema):
    """An organisation; it has no code."""

    class Meta:
        """Less than the rest."""

        exclude = ("code",)


class CodedSchema(Schema):
    """A recipe or a dated run."""

    id = fields.UUID(attribute="public_id", required=True)
    code = fields.String(required=True)


class ProjectSchema(CodedSchema):
    """What a booking is for; nobody outside the organisation reads it."""

    name = fields.String(required=True)


class PersonSchema(Schema):
    """Who booked."""

    id = fields.UUID(attribute="public_id", required=True)
    name = fields.String(required=True)


class TogetherSchema(Schema):
    """What was booked together with a booking, for the same time."""

    id = fields.UUID(attribute="booking.public_id", required=True)
    resource = fields.Nested(NamedSchema, required=True)
    platform = fields.Nested(NamedSchema, required=True)
    quantity = fields.Integer(attribute="booking.quantity", required=True)
    state = fields.Enum(
        BookingState, by_value=True, attribute="booking.state", required=True
    )
    chosen_because = fields.String(allow_none=True, required=True)


class SharedRunSchema(Schema):
    """The run that a booking is a load of. Whose the other loads are, it does not tell."""

    loaded = fields.Integer(
        required=True, metadata={"description": "The loads of all together."}
    )
    least = fields.Integer(
        required=True,
        metadata={"description": "What the recipe needs; with less the run lapses."},
    )


class BookingSchema(Schema):
    """A booking. `version` is what If-Match of a change names."""

    id = fields.UUID(attribute="booking.public_id", required=True)
    version = fields.Integer(attribute="booking.version", required=True)
    resource = fields.Nested(NamedSchema, required=True)
    platform = fields.Nested(NamedSchema, required=True)
    organisation = fields.Nested(FirmSchema, required=True)
    project = fields.Nested(ProjectSchema, allow_none=True, required=True)
    member = fields.Nested(PersonSchema, allow_none=True, required=True)
    recipe = fields.Nested(CodedSchema, allow_none=True, required=True)
    occurrence = fields.Nested(CodedSchema, allow_none=True, required=True)
    starts_at = Instant(attribute="booking.starts_at", required=True)
    ends_at = Instant(attribute="booking.ends_at", required=True)
    quantity = fields.Integer(attribute="booking.quantity", required=True)
    state = fields.Enum(
        BookingState, by_value=True, attribute="booking.state", required=True
    )
    source = fields.Enum(Source, by_value=True, attribute="booking.source", required=True)
    group_id = fields.UUID(
        attribute="booking.group_id",
        allow_none=True,
        required=True,
        metadata={"description": "Shared by what was booked together."},
    )
    series_id = fields.UUID(
        attribute="series.public_id", allow_none=True, load_default=None
    )
    parts = fields.List(fields.Nested(TogetherSchema), data_key="with", required=True)
    chosen_because = fields.String(
        allow_none=True,
        required=True,
        metadata={"description": "Why this resource was chosen; in the answer to booking."},
    )
    run = fields.Nested(SharedRunSchema, allow_none=True, required=True)
    cost_share = fields.Float(
        attribute="run.cost_share",
        dump_default=None,
        allow_none=True,
        required=True,
        metadata={"description": "Of a shared run: its part of the run's loads, 0 to 1."},
    )
    buddy = fields.Nested(
        PersonSchema,
        allow_none=True,
        required=True,
        metadata={"description": "Who is there, too."},
    )
    wafer_mm = fields.Integer(attribute="booking.wafer_mm", allow_none=True, required=True)
    class_rank = fields.Integer(
        attribute="booking.class_rank", allow_none=True, required=True
    )
    flags = fields.List(fields.String(), attribute="booking.flags", required=True)
    override_reason = fields.String(
        attribute="booking.override_reason",
        allow_none=True,
        required=True,
        metadata={"description": "Why staff set soft rules aside."},
    )
    respond_by = Instant(
        attribute="booking.respond_by",
        allow_none=True,
        required=True,
        metadata={"description": "An offer or a request lapses unanswered then."},
    )
    confirm_by = Instant(
        attribute="booking.confirm_by",
        allow_none=True,
        required=True,
        metadata={"description": "It lapses unless confirmed once more by then."},
    )
    created_at = Instant(attribute="booking.created_at", required=True)
    updated_at = Instant(attribute="booking.updated_at", required=True)


class BusyArgs(StrictSchema):
    """Which stretch to look at: a week from now by default, two months at most."""

    from_at = Instant(load_default=None, data_key="from")
    to_at = Instant(load_default=None, data_key="to")


class TakenSchema(Schema):
    """A stretch in which so much of a resource is taken. By whom is nobody's business."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    quantity = fields.Integer(required=True)


class DownSchema(Schema):
    """A stretch in which a resource is down."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    kind = fields.Enum(OutageKind, by_value=True, required=True)


class BusySchema(Schema):
    """When a resource is taken and when it is down, within a window."""

    resource_id = fields.UUID(required=True)
    capacity = fields.Integer(required=True)
    from_at = Instant(data_key="from", required=True)
    to_at = Instant(data_key="to", required=True)
    busy = fields.List(fields.Nested(TakenSchema), required=True)
    down = fields.List(fields.Nested(DownSchema), required=True)
