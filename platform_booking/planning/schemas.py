"""Plans on the wire."""

from marshmallow import Schema, fields, validate

from platform_booking.planning.forced import STATES
from platform_booking.planning.models import JobRequest
from platform_booking.planning.reasons import ReasonLine
from platform_booking.planning.states import ApprovalState, Change, PlanState
from platform_booking.planning.wording import forcing, sentences
from platform_booking.web.i18n import named
from platform_booking.web.paging import PageArgs
from platform_booking.web.schemas import Choice, Day, Instant, Named, StrictSchema, Text


class NightSchema(StrictSchema):
    """Body of `POST /api/v1/plans`: which night to run."""

    night = Day(required=True)


class RequestSchema(Schema):
    """A request that the scheduler serves."""

    id = fields.UUID(required=True)


def request_state(row: JobRequest) -> str:
    """Return where a request stands, in a word."""
    if row.finished_at is not None:
        return "failed" if row.failed else "done"
    return "waiting" if row.taken_at is None else "running"


class RequestStateSchema(Schema):
    """What has become of a request: waiting, running, done or failed."""

    id = fields.UUID(attribute="public_id", required=True)
    job = fields.String(required=True)
    state = fields.Function(request_state, required=True)
    requested_at = Instant(required=True)
    finished_at = Instant(allow_none=True)
    outcome = fields.String()


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
    asked = fields.Integer(metadata={"description": "orders that the night looked at"})
    placed = fields.Integer(metadata={"description": "of these, placed by the draft"})
    value = fields.Integer(metadata={"description": "of the draft, as are bound and gap"})
    bound = fields.Integer(allow_none=True)
    fcfs_value = fields.Integer()
    fcfs_placed = fields.Integer()
    seed = fields.Integer()
    waves = fields.Integer()
    seconds = fields.Float()
    progress = fields.Dict()
    error = fields.String()


class CountsSchema(Schema):
    """How many orders a plan changes, of those that one may see."""

    new = fields.Integer(required=True)
    moved = fields.Integer(required=True)
    kept = fields.Integer(required=True)
    left_out = fields.Integer(required=True)


class FatesSchema(Schema):
    """What has become of a plan's orders, of those that one may see; each counts once."""

    booked = fields.Integer(
        required=True, metadata={"description": "new, moved, or unchanged in their place"}
    )
    waiting = fields.Integer(
        required=True, metadata={"description": "placed, and not published yet"}
    )
    overtaken = fields.Integer(required=True, metadata={"description": "by the day"})
    rejected = fields.Integer(
        required=True, metadata={"description": "by a platform that they need"}
    )
    lapsed = fields.Integer(
        required=True,
        metadata={"description": "a platform was silent until the deadline"},
    )
    left_out = fields.Integer(
        required=True, metadata={"description": "by the draft itself"}
    )


class PlanDetailSchema(PlanSchema):
    """A plan with what the platforms say of it."""

    approvals = fields.List(fields.Nested(ApprovalSchema))
    counts = fields.Nested(CountsSchema)
    late = fields.Integer(
        metadata={"description": "of those placed, after the date wished for"}
    )
    fates = fields.Nested(
        FatesSchema,
        allow_none=True,
        metadata={"description": "null until the draft is decided"},
    )


class DecisionSchema(StrictSchema):
    """Body of approve and reject: for which platforms; all that one operates by default.

    The park, which operates none, must name them.
    """

    platforms = fields.List(
        fields.String(), load_default=None, validate=validate.Length(min=1, max=50)
    )
    note = Text(load_default="", validate=validate.Length(max=500))


class DecidedSchema(Schema):
    """How many platforms decided by this."""

    decided = fields.Integer(required=True)


class PlacementArgs(PageArgs):
    """Filters of a plan's placements."""

    change = Choice(Change, load_default=None)


class PlacementSchema(Schema):
    """One placement, with where it stood before."""

    order = fields.UUID(attribute="order_id")
    title = fields.String(attribute="order_title")
    organisation = Named("organisation")
    step = Named("step")
    resource = fields.String(attribute="resource_code")
    starts_at = Instant()
    ends_at = Instant()
    quantity = fields.Integer()
    change = fields.Enum(Change, by_value=True)
    before_resource = fields.String(allow_none=True)
    before_starts_at = Instant(allow_none=True)


class BlockedSchema(Schema):
    """A stretch of time of a resource that is in the way, and by what; never whose."""

    resource = fields.String(required=True)
    from_ = fields.String(attribute="from", data_key="from", required=True)
    to = fields.String(required=True)
    occupant = fields.String(required=True)


class WayOutSchema(Schema):
    """What would bring an order in, and where it would go then."""

    relaxation = fields.String(required=True)
    step = fields.String(allow_none=True)
    minutes = fields.Integer()
    quantity = fields.Integer(allow_none=True)
    resource = fields.String(allow_none=True)
    starts_at = fields.String()
    ends_at = fields.String()


class ReasonSchema(Schema):
    """Why an order is left out or late, and what would help; never whose is in the way."""

    cause = fields.String(required=True)
    why = fields.Function(lambda line: line.detail.get("why"), allow_none=True)
    late_min = fields.Integer(
        required=True,
        metadata={"description": "minutes after the date wished for; 0: left out"},
    )
    blocked = fields.Method("get_blocked", metadata={"type": "array"})
    ways_out = fields.Method("get_ways_out", metadata={"type": "array"})
    sentences = fields.Function(
        sentences,
        required=True,
        metadata={
            "type": "array",
            "items": {"type": "string"},
            "description": "all of it in words, in the language of Accept-Language",
        },
    )

    def get_blocked(self, line: ReasonLine) -> list[dict[str, object]]:
        """Return what is in the way."""
        found: list[dict[str, object]] = BlockedSchema(many=True).dump(
            line.detail.get("blocked", [])
        )
        return found

    def get_ways_out(self, line: ReasonLine) -> list[dict[str, object]]:
        """Return the ways out, each step by its name."""
        called = {step_id: named(name) for step_id, name in line.step_names.items()}
        told = [{**way, "step": called.get(way["step"])} for way in line.ways_out]
        found: list[dict[str, object]] = WayOutSchema(many=True).dump(told)
        return found


class LeftOutSchema(ReasonSchema):
    """One order that the plan leaves out, why, and what would bring it in."""

    order = fields.UUID(attribute="order_id")
    title = fields.String(attribute="order_title")
    organisation = Named("organisation")


class LateSchema(LeftOutSchema):
    """One order that the plan places after the date wished for, and why not before."""


class OrderReasonsSchema(Schema):
    """What the newest plan says of an order that it leaves out or places late."""

    left_out = fields.Nested(ReasonSchema, allow_none=True, required=True)
    late = fields.Nested(ReasonSchema, allow_none=True, required=True)


class DisplacedSchema(Schema):
    """An order that would give way."""

    order = fields.UUID(attribute="order_id", required=True)
    title = fields.String(attribute="order_title", required=True)
    organisation = Named("organisation", required=True)
    later_min = fields.Integer(
        allow_none=True,
        required=True,
        metadata={"description": "minutes later, below 0 earlier; null: left out"},
    )


class ForcingAnswerSchema(Schema):
    """What forcing an order in would displace: orders of one's platforms by name."""

    answered_at = Instant(required=True)
    starts_at = Instant(
        allow_none=True,
        required=True,
        metadata={"description": "of the order itself; null: no way was found"},
    )
    ends_at = Instant(allow_none=True, required=True)
    left_out = fields.List(fields.Nested(DisplacedSchema), required=True)
    left_out_of_others = fields.Integer(required=True)
    moved = fields.List(fields.Nested(DisplacedSchema), required=True)
    moved_of_others = fields.Integer(required=True)
    cost = fields.Integer(
        required=True, metadata={"description": "value that the plan would lose"}
    )
    sentences = fields.Function(
        forcing,
        required=True,
        metadata={
            "type": "array",
            "items": {"type": "string"},
            "description": "all of it in words, in the language of Accept-Language",
        },
    )


class ForcingSchema(Schema):
    """Where the question stands, and its answer."""

    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES),
        metadata={"description": "done: the answer is there; failed: ask again"},
    )
    answer = fields.Nested(ForcingAnswerSchema, allow_none=True, required=True)
