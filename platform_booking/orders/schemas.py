"""Orders on the wire.

Types are checked here, and whatever could not become a value at all; what an order may ask
for is the rules' affair, so that every fault of an order comes back in one answer.
"""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from platform_booking.bookings.states import BookingState
from platform_booking.orders.asking import NewOrder, NewStep
from platform_booking.orders.states import OrderState, StepState
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Choice, Instant, Named, StrictSchema, Text

_MANY = 1000
"""Longer lists are refused unread; the rules allow far less."""


def _whole(**options: Any) -> fields.Integer:
    return fields.Integer(strict=True, **options)


class WindowSchema(StrictSchema):
    """A time in which a step must lie whole."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)


class NewStepSchema(StrictSchema):
    """One operation asked for."""

    capability = Text(required=True)
    name = Text(load_default="")
    duration_min = _whole(load_default=None, allow_none=True)
    quantity = _whole(load_default=None, allow_none=True)
    wafer_mm = _whole(load_default=None, allow_none=True)
    materials_class = Text(load_default=None, allow_none=True)
    resources = fields.List(Text(), load_default=list, validate=validate.Length(max=_MANY))
    windows = fields.List(
        fields.Nested(WindowSchema), load_default=list, validate=validate.Length(max=_MANY)
    )
    lag_min_min = _whole(load_default=0)
    lag_max_min = _whole(load_default=None, allow_none=True)

    @post_load
    def built(self, data: dict[str, Any], **_: object) -> NewStep:
        """Freeze what was read."""
        data["resources"] = tuple(data["resources"])
        data["windows"] = tuple((w["starts_at"], w["ends_at"]) for w in data["windows"])
        return NewStep(**data)


class NewOrderSchema(StrictSchema):
    """Body of `POST /api/v1/orders`: a route, or steps of one's own."""

    title = Text(required=True)
    earliest_at = Instant(required=True)
    due_at = Instant(load_default=None, allow_none=True)
    deadline_at = Instant(required=True)
    project_id = fields.UUID(load_default=None, allow_none=True)
    route = Text(load_default=None, allow_none=True)
    steps = fields.List(
        fields.Nested(NewStepSchema),
        load_default=list,
        validate=validate.Length(max=_MANY),
    )
    lot_size = _whole(load_default=None, allow_none=True)
    wafer_mm = _whole(load_default=None, allow_none=True)
    materials_class = Text(load_default=None, allow_none=True)
    flags = fields.List(Text(), load_default=list, validate=validate.Length(max=_MANY))
    note = Text(load_default="")

    @post_load
    def built(self, data: dict[str, Any], **_: object) -> NewOrder:
        """Freeze what was read."""
        data["steps"], data["flags"] = tuple(data["steps"]), tuple(data["flags"])
        return NewOrder(**data)


class EstimateSchema(Schema):
    """Where an order would stand if it were placed at once."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)


class StaySchema(Schema):
    """A booking that serves a step."""

    id = fields.UUID(attribute="public_id", required=True)
    resource = fields.String(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    quantity = fields.Integer(required=True)
    state = fields.Enum(BookingState, by_value=True, required=True)


class StepSchema(Schema):
    """One step of an order."""

    position = fields.Integer(required=True)
    name = Named(required=True)
    capability = fields.String(required=True)
    state = fields.Enum(StepState, by_value=True, required=True)
    duration_min = fields.Integer(required=True)
    quantity = fields.Integer(required=True)
    wafer_mm = fields.Integer(allow_none=True, required=True)
    flags = fields.List(fields.String(), required=True)
    windows = fields.Function(
        lambda step: [
            {"starts_at": a.isoformat(), "ends_at": b.isoformat()} for a, b in step.windows
        ]
    )
    resources = fields.Function(lambda step: [tool.code for tool in step.resources])
    held_beside = fields.Function(
        lambda step: [{"resource": t.code, "quantity": n} for t, n in step.co_uses]
    )
    bookings = fields.List(fields.Nested(StaySchema), required=True)


class LagSchema(Schema):
    """Minutes between the end of one step and the start of another, by position."""

    before = fields.Integer(required=True)
    after = fields.Integer(required=True)
    least_min = fields.Integer(required=True)
    most_min = fields.Integer(allow_none=True, required=True)


class OrderSchema(Schema):
    """One order; an operator gets the steps on his platforms, and no more."""

    id = fields.UUID(attribute="public_id", required=True)
    title = fields.String(required=True)
    note = fields.String(required=True)
    state = fields.Enum(OrderState, by_value=True, required=True)
    organisation = Named("organisation", required=True)
    project_id = fields.UUID(allow_none=True, required=True)
    route = fields.String(allow_none=True, required=True)
    priority_class = fields.String(required=True)
    submitted_at = Instant(required=True)
    earliest_at = Instant(required=True)
    due_at = Instant(allow_none=True, required=True)
    deadline_at = Instant(required=True)
    lot_size = fields.Integer(required=True)
    wafer_mm = fields.Integer(allow_none=True, required=True)
    materials_class = fields.String(required=True)
    flags = fields.List(fields.String(), required=True)
    version = fields.Integer(required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)
    lags = fields.List(fields.Nested(LagSchema), required=True)
    asked = fields.Dict(required=True)


class HandedSchema(OrderSchema):
    """An order just handed in, with the earliest date that today's bookings allow."""

    earliest = fields.Nested(EstimateSchema, allow_none=True, required=True)


class OrderLineSchema(Schema):
    """One order in a list."""

    id = fields.UUID(attribute="public_id", required=True)
    title = fields.String(required=True)
    organisation = Named("organisation", required=True)
    state = fields.Enum(OrderState, by_value=True, required=True)
    submitted_at = Instant(required=True)
    deadline_at = Instant(required=True)
    steps = fields.Integer(required=True)
    settled = fields.Integer(required=True)
    next_step = Named("next_step", allow_none=True, required=True)
    next_at = Instant(allow_none=True, required=True)


class OrderArgs(PageArgs):
    """Filters of the list of orders."""

    state = Choice(OrderState, load_default=None)
    platform = Text(load_default=None)


class ViolationSchema(Schema):
    """One broken rule; `where` is the path of a field."""

    rule = fields.String(required=True)
    message = fields.String(required=True)
    where = fields.String(required=True)


class CheckedSchema(Schema):
    """What handing in would bring."""

    violations = fields.List(fields.Nested(ViolationSchema), required=True)
    earliest = fields.Nested(EstimateSchema, allow_none=True, required=True)
