"""Plans on the wire."""

from marshmallow import Schema, fields, validate

from platform_booking.planning.states import ApprovalState, Change, PlanState
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Instant, StrictSchema, Text


class NightSchema(StrictSchema):
    """Body of `POST /api/v1/plans`: which night to run."""

    night = fields.Date(required=True)


class RequestSchema(Schema):
    """A request that the scheduler serves."""

    id = fields.UUID(required=True)


class ApprovalSchema(Schema):
    """What one platform says of a plan."""

    platform = fields.String(attribute="code", required=True)
    state = fields.Enum(ApprovalState, by_value=True, required=True)
    decided_at = Instant(allow_none=True)
    note = fields.String()


class PlanSchema(Schema):
    """A plan."""

    id = fields.UUID(attribute="public_id", required=True)
    night = fields.Date(required=True)
    state = fields.Enum(PlanState, by_value=True, required=True)
    started_at = Instant()
    finished_at = Instant(allow_none=True)
    approve_until = Instant(allow_none=True)
    published_at = Instant(allow_none=True)
    asked = fields.Integer()
    placed = fields.Integer()
    value = fields.Integer()
    bound = fields.Integer(allow_none=True)
    fcfs_value = fields.Integer()
    fcfs_placed = fields.Integer()
    seed = fields.Integer()
    waves = fields.Integer()
    seconds = fields.Float()
    progress = fields.Dict()
    error = fields.String()


class PlanDetailSchema(PlanSchema):
    """A plan with what the platforms say of it."""

    approvals = fields.List(fields.Nested(ApprovalSchema))


class DecisionSchema(StrictSchema):
    """Body of approve and reject: for which platforms; all that one operates by default."""

    platforms = fields.List(
        fields.String(), load_default=None, validate=validate.Length(min=1, max=50)
    )
    note = Text(load_default="", validate=validate.Length(max=500))


class DecidedSchema(Schema):
    """How many platforms decided by this."""

    decided = fields.Integer(required=True)


class PlacementArgs(PageArgs):
    """Filters of a plan's placements."""

    change = fields.Enum(Change, by_value=True, load_default=None)


class PlacementSchema(Schema):
    """One placement, with where it stood before."""

    order = fields.UUID(attribute="order_id")
    title = fields.String(attribute="order_title")
    organisation = fields.String()
    step = fields.String(attribute="step_name")
    resource = fields.String(attribute="resource_code")
    starts_at = Instant()
    ends_at = Instant()
    quantity = fields.Integer()
    change = fields.Enum(Change, by_value=True)
    before_resource = fields.String(allow_none=True)
    before_starts_at = Instant(allow_none=True)


class LeftOutSchema(Schema):
    """One order that the plan leaves out, why, and what would bring it in."""

    order = fields.UUID(attribute="order_id")
    title = fields.String(attribute="order_title")
    organisation = fields.String()
    cause = fields.String()
    blocked = fields.Function(lambda line: line.detail.get("blocked", []))
    ways_out = fields.List(fields.Dict())
