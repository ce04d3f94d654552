"""The catalogue on the wire. Names come in both languages; instants in UTC."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from platform_booking.catalog.models import OutageKind, ResourceKind, StayRule
from platform_booking.catalog.phases import Phase
from platform_booking.catalog.rules import NewOutage
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Choice, Instant, StrictSchema, Text


class Code(fields.String):
    """The code of a row, in place of the row."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> str:
        return str(value.code)


class CodeAndNameSchema(Schema):
    """Something with a code and a name."""

    code = fields.String(required=True)
    name_zh = fields.String(required=True)
    name_en = fields.String(required=True)


class PlatformSchema(CodeAndNameSchema):
    """A platform."""

    id = fields.UUID(attribute="public_id", required=True)
    site = fields.Nested(CodeAndNameSchema, required=True)
    freeze_hours = fields.Integer(metadata={"description": "bookings this near stay"})
    horizon_days = fields.Integer(metadata={"description": "how far a night plans"})
    approval_hours = fields.Integer(
        metadata={"description": "after which a draft that nobody decides lapses"}
    )


class CapabilitySchema(CodeAndNameSchema):
    """What resources can do."""

    resources = fields.Integer(
        required=True, metadata={"description": "how many in service can do it"}
    )


class ResourceSchema(CodeAndNameSchema):
    """A resource's facts."""

    id = fields.UUID(attribute="public_id", required=True)
    platform = fields.String(attribute="platform.code", required=True)
    kind = fields.Enum(ResourceKind, by_value=True, required=True)
    capacity = fields.Integer(
        required=True, metadata={"description": "units at once; area in 0.01 mm²"}
    )
    unit = fields.String(required=True)
    stay = fields.Enum(StayRule, by_value=True, attribute="stay_rule", required=True)
    wafer_mm = fields.List(fields.Integer(), required=True)
    class_rank = fields.Integer(required=True)
    flags_allowed = fields.List(fields.String(), allow_none=True, required=True)
    self_run = fields.Boolean(required=True)
    typical_minutes = fields.Integer(required=True)
    setup_minutes = fields.Integer(required=True)
    capabilities = fields.List(Code(), required=True)
    active = fields.Boolean(required=True, metadata={"description": "in service"})
    demo = fields.Boolean(required=True, metadata={"description": "invented: 示范数据"})


class CalendarSchema(CodeAndNameSchema):
    """Weekly opening hours, in the park's time zone."""

    weekly = fields.Dict(required=True)
    offhours = fields.Dict(required=True)
    attended = fields.Dict(required=True)
    keeps_holidays = fields.Boolean(required=True)
    exceptions = fields.List(fields.Dict(), required=True)


class ResourceDetailSchema(ResourceSchema):
    """A resource with its hours, limits, prices, and how busy it is."""

    calendar = fields.Dict(required=True)
    policy = fields.Dict(required=True)
    rate = fields.Dict(required=True)
    notes = fields.Dict(required=True)
    busy_share = fields.Float(
        allow_none=True,
        required=True,
        metadata={"description": "busy share of the open time of the coming fortnight"},
    )
    next_free_at = Instant(allow_none=True, required=True)


class ResourceArgs(PageArgs):
    """Filters of resources."""

    platform = fields.String(load_default=None)
    capability = fields.String(load_default=None)
    kind = Choice(ResourceKind, load_default=None)
    q = Text(load_default="", validate=validate.Length(max=100))


class RecipeArgs(PageArgs):
    """Filters of recipes."""

    resource = fields.String(load_default=None)
    capability = fields.String(load_default=None)


class RecipeSchema(Schema):
    """The conditions under which loads may share a run."""

    id = fields.UUID(attribute="recipe.public_id", required=True)
    code = fields.String(attribute="recipe.code", required=True)
    resource_id = fields.UUID(required=True)
    resource = fields.String(attribute="resource_code", required=True)
    capability = fields.String(required=True)
    materials_class = fields.String(required=True)
    wafer_mm = fields.Integer(attribute="recipe.wafer_mm", allow_none=True, required=True)
    duration_min = fields.Integer(attribute="recipe.duration_min", required=True)
    capacity = fields.Integer(attribute="recipe.capacity", required=True)
    min_load = fields.Integer(attribute="recipe.min_load", required=True)
    family = fields.String(attribute="recipe.family", allow_none=True, required=True)


class OccurrenceArgs(PageArgs):
    """Filters of dated runs."""

    resource = fields.String(load_default=None)


class OccurrenceSchema(Schema):
    """A dated run that has not ended."""

    id = fields.UUID(attribute="public_id", required=True)
    code = fields.String(required=True)
    resource_id = fields.UUID(required=True)
    resource = fields.String(attribute="resource_code", required=True)
    unit = fields.String(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    closes_at = Instant(allow_none=True, required=True)
    capacity = fields.Integer(required=True)
    taken = fields.Integer(required=True)
    phases = fields.Dict(required=True)
    phase = fields.Enum(
        Phase, by_value=True, required=True, metadata={"description": "where it stands now"}
    )
    min_fill = fields.Integer(
        required=True,
        metadata={
            "description": "with less when registration closes, it does not take place"
        },
    )
    quotas = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "the most that firms of a priority class hold together"},
    )
    called_off_at = Instant(allow_none=True, required=True)


class RouteStepSchema(Schema):
    """One operation of a route."""

    seq = fields.Integer(required=True)
    capability = fields.String(attribute="capability.code", required=True)
    name_zh = fields.String(required=True)
    name_en = fields.String(required=True)
    duration_min = fields.Integer(required=True)
    quantity = fields.Integer(allow_none=True, required=True)
    lag_min_min = fields.Integer(required=True)
    lag_max_min = fields.Integer(allow_none=True, required=True)
    parallel_group = fields.String(allow_none=True, required=True)
    class_after = fields.Integer(required=True)
    sets_flag = fields.String(allow_none=True, required=True)
    family = fields.String(allow_none=True, required=True)
    candidates = fields.List(fields.String(), attribute="candidate_codes", required=True)
    co_uses = fields.Method("_co_uses", required=True)

    def _co_uses(self, step: Any) -> list[dict[str, object]]:
        return [{"capability": code, "quantity": amount} for code, amount in step.co_uses]


class RouteSchema(CodeAndNameSchema):
    """A route with its steps."""

    id = fields.UUID(attribute="public_id", required=True)
    platforms = fields.List(fields.String(), attribute="platform_codes", required=True)
    wafer_mm = fields.Integer(allow_none=True, required=True)
    lot_size = fields.Integer(required=True)
    class_rank = fields.Integer(required=True)
    flags = fields.List(fields.String(), required=True)
    steps = fields.List(fields.Nested(RouteStepSchema), required=True)


class OutageArgs(PageArgs):
    """Filters of outages."""

    platform = fields.String(load_default=None)
    resource = fields.String(load_default=None)


class OutageSchema(Schema):
    """Time in which a resource is down."""

    id = fields.UUID(required=True)
    resource_id = fields.UUID(required=True)
    resource = fields.String(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    kind = fields.Enum(OutageKind, by_value=True, required=True)
    reason = fields.String(required=True)


class DeclaredSchema(OutageSchema):
    """An outage that has been declared."""

    hits = fields.Integer(
        required=True,
        metadata={"description": "Bookings in that time before it was declared."},
    )
    displaced = fields.Integer(
        required=True,
        metadata={
            "description": "Bookings that lost their place by it, what was booked together"
            " with them included. Their owners are told, and wait with first right."
        },
    )


class NewOutageSchema(StrictSchema):
    """Body of `POST /api/v1/resources/{id}/outages`."""

    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    kind = Choice(OutageKind, required=True)
    reason = Text(required=True, validate=validate.Length(max=500))

    @post_load
    def build(self, data: dict[str, Any], **_: object) -> NewOutage:
        """Return what the service takes."""
        return NewOutage(**data)
