"""The shape of a catalogue file. `docs/catalogue-format.md` tells it in words.

Shape only: whether one part of the file fits another is `catalog.faults`' affair.
"""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from platform_booking.accounts.models import Purpose
from platform_booking.catalog.filefields import (
    DAYS,
    MOST,
    ClockPair,
    Flag,
    Prose,
    TimeOfDay,
    Whole,
)
from platform_booking.catalog.models import ResourceKind, StayRule

_CODE = validate.Regexp(
    r"\A[A-Za-z0-9][A-Za-z0-9./_+-]{0,79}\Z",
    error="letters, digits and ./_+- only, 80 at most, the first a letter or digit",
)


def _code(*, required: bool = True) -> fields.String:
    return fields.String(required=required, validate=_CODE)


class Shape(Schema):
    """A schema that says where its fields are told."""

    error_messages = {  # noqa: RUF012 - marshmallow's own form
        "unknown": "not a field of this format; see docs/catalogue-format.md",
        "type": "an object is expected, as {…}",
    }


class NameSchema(Shape):
    """A name in both languages."""

    zh = Prose(required=True)
    en = Prose(required=True)


class NamedSchema(Shape):
    """Something that has a code and a name, and nothing else."""

    code = _code()
    name = fields.Nested(NameSchema, required=True)


class TravelSchema(Shape):
    """Minutes from one site to another."""

    from_ = fields.String(required=True, data_key="from")
    to = fields.String(required=True)
    minutes = Whole(0)


class ExceptionSchema(Shape):
    """A date on which a calendar differs from its week."""

    date = fields.Date(required=True)
    hours = fields.List(ClockPair(), required=True)
    note = Prose(0, load_default="")


def _week(**options: Any) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(validate=validate.OneOf(DAYS)),
        values=fields.List(ClockPair()),
        **(options or {"load_default": dict}),
    )


class CalendarSchema(NamedSchema):
    """Weekly hours."""

    weekly = _week()
    offhours = _week()
    attended = _week()
    keeps_holidays = Flag(load_default=True)
    exceptions = fields.List(fields.Nested(ExceptionSchema), load_default=list)


class ClassSchema(NamedSchema):
    """A contamination class."""

    rank = Whole(0, 1000)


class MaterialsSchema(Shape):
    """Contamination classes and material flags."""

    classes = fields.List(
        fields.Nested(ClassSchema), required=True, validate=validate.Length(min=1)
    )
    flags = fields.List(fields.Nested(NamedSchema), load_default=list)


class LevelSchema(Shape):
    """Hours of the week at which a level of a qualification holds."""

    zh = Prose(required=True)
    en = Prose(required=True)
    hours = _week(required=True)


class QualificationSchema(NamedSchema):
    """A qualification."""

    levels = fields.Dict(
        keys=fields.String(validate=_CODE),
        values=fields.Nested(LevelSchema),
        load_default=dict,
    )


class PlatformSchema(NamedSchema):
    """A platform."""

    site = fields.String(required=True)
    freeze_hours = Whole(0, load_default=24)
    horizon_days = Whole(1, load_default=14)
    approval_hours = Whole(1, load_default=10)


class ChangeoverSchema(Shape):
    """Minutes between two set-up families."""

    before = Prose(most=80, required=True)
    after = Prose(most=80, required=True)
    minutes = Whole(0)


class RecipeSchema(Shape):
    """Conditions under which loads may share a run."""

    code = _code()
    capability = fields.String(required=True)
    wafer_mm = Whole(1, 1000, required=True, allow_none=True)
    class_ = fields.String(required=True, data_key="class")
    duration_min = Whole(1)
    capacity = Whole(1)
    min_load = Whole(1, load_default=1)
    family = Prose(most=80, load_default=None, allow_none=True)


class RollingSchema(Shape):
    """The most minutes that one member may have in any span of so many days."""

    minutes = Whole(1)
    days = Whole(1, 366)


class ClassWindowSchema(Shape):
    """Hours of the week outside which these classes and flags do not go in."""

    classes = fields.List(fields.String())
    flags = fields.List(fields.String())
    hours = _week(required=True)


class PolicySchema(Shape):
    """Limits of bookings that a person makes. What is absent does not bind."""

    preset = _code(required=False)
    min_minutes = Whole(1, required=False)
    max_minutes = Whole(1, required=False)
    horizon_days = Whole(1, required=False)
    notice_days = Whole(0, required=False)
    notice_hours = Whole(0, required=False)
    grid_minutes = Whole(5, 60, required=False)
    cutoff_hours = Whole(0, required=False)
    late_cancel_hours = Whole(0, required=False)
    no_show_minutes = Whole(0, required=False)
    approval_hours = Whole(1, required=False)
    confirm_hours = Whole(1, required=False)
    confirm_until_hours = Whole(0, required=False)
    checkin_early_minutes = Whole(0, required=False)
    offer_minutes = Whole(5, 10080, required=False)
    per_day = Whole(1, required=False)
    gap_minutes = Whole(0, required=False)
    future_minutes = Whole(1, required=False)
    future_bookings = Whole(1, required=False)
    rolling = fields.List(fields.Nested(RollingSchema))
    class_windows = fields.List(fields.Nested(ClassWindowSchema))
    buddy = Flag(required=False)
    requires = fields.List(fields.String())
    licence_use = fields.List(fields.Enum(Purpose, by_value=True))
    nda_needed = Flag(required=False)
    no_show_limit = Whole(1, required=False)
    no_show_days = Whole(1, 366, required=False)
    ban_days = Whole(1, 366, required=False)
    take_back_hours = Whole(0, required=False)
    grants = fields.String()
    grants_months = Whole(1, 120, required=False)
    walk_up = Flag(required=False)
    lifted = _week(required=False)
    min_area_001mm2 = Whole(1, required=False)
    area_step_001mm2 = Whole(1, required=False)


def _band() -> fields.List[Any]:
    return fields.List(
        fields.Float(validate=validate.Range(min=0, max=MOST)),
        validate=validate.Length(equal=2),
    )


class RateSchema(Shape):
    """Prices from and to, by who pays."""

    unit = fields.Nested(NameSchema, required=True)
    academic = _band()
    sme = _band()
    industrial = _band()


class TokenCostSchema(Shape):
    """How many units of a pool one use of a kind takes."""

    name = fields.Nested(NameSchema, required=True)
    tokens = Whole(1)


class NotesSchema(Shape):
    """Facts that people should know and no rule reads."""

    zh = Prose(most=1000, required=False)
    en = Prose(most=1000, required=False)
    hazard = fields.Nested(NameSchema)
    sets_flag = fields.String()
    readpoints_h = fields.List(Whole(1, required=False))
    samples_per_unit = Whole(1, required=False)
    owner_first = Flag(required=False)
    spare_hours_week = Whole(1, 168, required=False)
    spare_lots_month = Whole(1, required=False)
    token_costs = fields.List(fields.Nested(TokenCostSchema))


class ResourceSchema(NamedSchema):
    """A resource."""

    platform = fields.String(required=True)
    kind = fields.Enum(ResourceKind, by_value=True, required=True)
    capacity = Whole(1)
    unit = Prose(0, 40, load_default="")
    calendar = fields.String(required=True)
    stay = fields.Enum(StayRule, by_value=True, load_default=StayRule.INSIDE)
    wafer_mm = fields.List(Whole(1, 1000, required=False), load_default=list)
    class_ = fields.String(required=True, data_key="class")
    flags_allowed = fields.List(fields.String(), load_default=None, allow_none=True)
    imposes_class = Flag(load_default=False)
    self_run = Flag(load_default=False)
    qualification = fields.String(load_default=None, allow_none=True)
    owner = Prose(most=40, load_default=None, allow_none=True)
    typical_minutes = Whole(1)
    setup_minutes = Whole(0, load_default=0)
    policy = fields.Nested(PolicySchema, load_default=dict)
    rate = fields.Nested(RateSchema, load_default=dict)
    notes = fields.Nested(NotesSchema, load_default=dict)
    capabilities = fields.List(
        fields.String(), required=True, validate=validate.Length(min=1)
    )
    changeovers = fields.List(fields.Nested(ChangeoverSchema), load_default=list)
    recipes = fields.List(fields.Nested(RecipeSchema), load_default=list)


def _day(**options: Any) -> Whole:
    return Whole(-36500, 36500, allow_none=True, load_default=None, **options)


def _date() -> fields.Date:
    return fields.Date(allow_none=True, load_default=None)


class PhasesSchema(Shape):
    """Milestones of a shuttle run, each as a day from the day of loading or as a date."""

    upload_opens_day = _day()
    upload_opens_date = _date()
    upload_closes_day = _day()
    upload_closes_date = _date()
    frozen_day = _day()
    frozen_date = _date()
    wafer_start_day = _day()
    wafer_start_date = _date()
    out_day = _day()
    out_date = _date()
    least_fill = fields.Float(
        validate=validate.Range(min=0, max=1), allow_none=True, load_default=None
    )


PHASES = ("upload_opens", "upload_closes", "frozen", "wafer_start", "out")


class OccurrenceSchema(Shape):
    """A dated run of an event resource: on a date, or days from the day of loading."""

    code = _code()
    resource = fields.String(required=True)
    day = _day()
    date = _date()
    time = TimeOfDay(required=True)
    minutes = Whole(1)
    capacity = Whole(1)
    min_fill = Whole(0, allow_none=True, load_default=None)
    quotas = fields.Dict(
        keys=fields.String(),
        values=Whole(0, required=False),
        load_default=dict,
    )
    closes_day = _day()
    closes_date = _date()
    phases = fields.Nested(PhasesSchema, load_default=lambda: PhasesSchema().load({}))


class CoUseSchema(Shape):
    """A capability held beside the main one."""

    capability = fields.String(required=True)
    quantity = Whole(1)


class RouteStepSchema(Shape):
    """One operation of a route."""

    seq = Whole(1)
    capability = fields.String(required=True)
    name = fields.Nested(NameSchema, required=True)
    duration_min = Whole(1)
    quantity = Whole(1, load_default=None, allow_none=True)
    lag_min_min = Whole(0, load_default=0)
    lag_max_min = Whole(0, load_default=None, allow_none=True)
    parallel_group = Prose(most=80, load_default=None, allow_none=True)
    class_after = fields.String(required=True)
    sets_flag = fields.String(load_default=None, allow_none=True)
    co_uses = fields.List(fields.Nested(CoUseSchema), load_default=list)
    candidates = fields.List(fields.String(), load_default=list)
    family = Prose(most=80, load_default=None, allow_none=True)


class RouteSchema(NamedSchema):
    """A route template."""

    platforms = fields.List(fields.String(), required=True)
    wafer_mm = Whole(1, 1000, required=True, allow_none=True)
    lot_size = Whole(1)
    class_ = fields.String(required=True, data_key="class")
    flags = fields.List(fields.String(), load_default=list)
    steps = fields.List(
        fields.Nested(RouteStepSchema), required=True, validate=validate.Length(min=1)
    )


class PriorityClassSchema(NamedSchema):
    """A priority class and what a placed order of it weighs."""

    weight = Whole(1)


class OrganisationSchema(NamedSchema):
    """An example organisation, for demonstrations."""

    size = Prose(most=40, required=True)
    priority = fields.String(required=True)


class DemandSchema(Shape):
    """When people submit: weights by hour of the day and by day of the week."""

    hour_of_day = fields.Dict(
        keys=fields.String(validate=validate.OneOf([str(h) for h in range(24)])),
        values=Whole(0, required=False),
        required=True,
        validate=validate.Length(equal=24),
    )
    day_of_week = fields.Dict(
        keys=fields.String(validate=validate.OneOf(DAYS)),
        values=Whole(0, required=False),
        required=True,
        validate=validate.Length(equal=7),
    )


def _list(entry: type[Schema], **options: Any) -> fields.List[Any]:
    return fields.List(fields.Nested(entry), **(options or {"load_default": list}))


class CatalogueSchema(Shape):
    """A whole file."""

    format = Whole(1, required=True)
    title = Prose(required=True)
    version = Prose(most=40, required=True)
    demo = Flag(load_default=False)
    sites = _list(NamedSchema, required=True)
    travel = _list(TravelSchema)
    calendars = _list(CalendarSchema, required=True)
    materials = fields.Nested(MaterialsSchema, required=True)
    capabilities = _list(NamedSchema, required=True)
    qualifications = _list(QualificationSchema)
    priority_classes = _list(
        PriorityClassSchema, required=True, validate=validate.Length(min=1)
    )
    platforms = _list(PlatformSchema, required=True)
    resources = _list(ResourceSchema, required=True)
    occurrences = _list(OccurrenceSchema)
    routes = _list(RouteSchema)
    organisations = _list(OrganisationSchema)
    demand = fields.Nested(DemandSchema, load_default=dict)
    glossary = _list(NameSchema)

    @validates("format")
    def known_format(self, value: int, **_: object) -> None:
        """Refuse what a later version of this service may have written."""
        if value != 1:
            raise ValidationError(f"format {value} is unknown here; this service reads 1")
