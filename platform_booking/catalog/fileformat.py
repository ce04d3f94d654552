"""The shape of a catalogue file. `docs/catalogue-format.md` tells it in words.

Shape only: whether one part of the file fits another is `catalog.faults`' affair.
"""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from platform_booking.catalog.models import ResourceKind, StayRule

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CODE = validate.Regexp(
    r"^[A-Za-z0-9][A-Za-z0-9./_+-]{0,79}$",
    error="letters, digits and ./_+- only, 80 at most",
)


def _code() -> fields.String:
    return fields.String(required=True, validate=_CODE)


def _whole(least: int, **options: Any) -> fields.Integer:
    options.setdefault("required", "load_default" not in options)
    return fields.Integer(strict=True, validate=validate.Range(min=least), **options)


class ClockPair(fields.Field[list[str]]):
    """Two times of day, `["09:00", "17:30"]`; the second may be "24:00"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> list[str]:
        if not (isinstance(value, list) and len(value) == 2):
            raise ValidationError('two times of day are expected, as ["09:00", "17:30"]')
        start, end = (minute_of_day(v) for v in value)
        if start is None or end is None:
            raise ValidationError(f"{value!r}: times of day run from 00:00 to 24:00")
        if end <= start:
            raise ValidationError(f"{value!r}: the end is not after the start")
        return value


def minute_of_day(text: object) -> int | None:
    """Return minutes since midnight of "HH:MM", 1440 for "24:00", None if it is neither."""
    if not isinstance(text, str):
        return None
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and len(minute) == 2):
        return None
    value = int(hour) * 60 + int(minute)
    return value if int(minute) < 60 and value <= 1440 else None


class NameSchema(Schema):
    """A name in both languages."""

    zh = fields.String(required=True, validate=validate.Length(min=1, max=200))
    en = fields.String(required=True, validate=validate.Length(min=1, max=200))


class NamedSchema(Schema):
    """Something that has a code and a name, and nothing else."""

    code = _code()
    name = fields.Nested(NameSchema, required=True)


class TravelSchema(Schema):
    """Minutes from one site to another."""

    from_ = fields.String(required=True, data_key="from")
    to = fields.String(required=True)
    minutes = _whole(0)


class ExceptionSchema(Schema):
    """A date on which a calendar differs from its week."""

    date = fields.Date(required=True)
    hours = fields.List(ClockPair(), required=True)
    note = fields.String(load_default="")


def _week() -> fields.Dict:
    return fields.Dict(
        keys=fields.String(validate=validate.OneOf(DAYS)),
        values=fields.List(ClockPair()),
        load_default=dict,
    )


class CalendarSchema(NamedSchema):
    """Weekly hours."""

    weekly = _week()
    offhours = _week()
    attended = _week()
    keeps_holidays = fields.Boolean(load_default=True)
    exceptions = fields.List(fields.Nested(ExceptionSchema), load_default=list)


class ClassSchema(NamedSchema):
    """A contamination class."""

    rank = _whole(0)


class MaterialsSchema(Schema):
    """Contamination classes and material flags."""

    classes = fields.List(
        fields.Nested(ClassSchema), required=True, validate=validate.Length(min=1)
    )
    flags = fields.List(fields.Nested(NamedSchema), load_default=list)


class PlatformSchema(NamedSchema):
    """A platform."""

    site = fields.String(required=True)
    freeze_hours = _whole(0, load_default=24)
    horizon_days = _whole(1, load_default=14)
    approval_hours = _whole(1, load_default=10)


class ChangeoverSchema(Schema):
    """Minutes between two set-up families."""

    before = fields.String(required=True)
    after = fields.String(required=True)
    minutes = _whole(0)


class RecipeSchema(Schema):
    """Conditions under which loads may share a run."""

    code = _code()
    capability = fields.String(required=True)
    wafer_mm = _whole(1, required=True, allow_none=True)
    class_ = fields.String(required=True, data_key="class")
    duration_min = _whole(1)
    capacity = _whole(1)
    min_load = _whole(1, load_default=1)
    family = fields.String(load_default=None, allow_none=True)


class ResourceSchema(NamedSchema):
    """A resource."""

    platform = fields.String(required=True)
    kind = fields.Enum(ResourceKind, by_value=True, required=True)
    capacity = _whole(1)
    unit = fields.String(load_default="")
    calendar = fields.String(required=True)
    stay = fields.Enum(StayRule, by_value=True, load_default=StayRule.INSIDE)
    wafer_mm = fields.List(_whole(1, required=False), load_default=list)
    class_ = fields.String(required=True, data_key="class")
    flags_allowed = fields.List(fields.String(), load_default=None, allow_none=True)
    imposes_class = fields.Boolean(load_default=False)
    self_run = fields.Boolean(load_default=False)
    qualification = fields.String(load_default=None, allow_none=True)
    typical_minutes = _whole(1)
    setup_minutes = _whole(0, load_default=0)
    policy = fields.Dict(load_default=dict)
    rate = fields.Dict(load_default=dict)
    notes = fields.Dict(load_default=dict)
    capabilities = fields.List(
        fields.String(), required=True, validate=validate.Length(min=1)
    )
    changeovers = fields.List(fields.Nested(ChangeoverSchema), load_default=list)
    recipes = fields.List(fields.Nested(RecipeSchema), load_default=list)


class OccurrenceSchema(Schema):
    """A dated run of an event resource; days count from the day of loading."""

    code = _code()
    resource = fields.String(required=True)
    day = fields.Integer(required=True, strict=True)
    time = fields.String(required=True)
    minutes = _whole(1)
    capacity = _whole(1)
    closes_day = fields.Integer(strict=True, load_default=None, allow_none=True)
    phases = fields.Dict(load_default=dict)


class CoUseSchema(Schema):
    """A capability held beside the main one."""

    capability = fields.String(required=True)
    quantity = _whole(1)


class RouteStepSchema(Schema):
    """One operation of a route."""

    seq = _whole(1)
    capability = fields.String(required=True)
    name = fields.Nested(NameSchema, required=True)
    duration_min = _whole(1)
    quantity = _whole(1, load_default=None, allow_none=True)
    lag_min_min = _whole(0, load_default=0)
    lag_max_min = _whole(0, load_default=None, allow_none=True)
    parallel_group = fields.String(load_default=None, allow_none=True)
    class_after = fields.String(required=True)
    sets_flag = fields.String(load_default=None, allow_none=True)
    co_uses = fields.List(fields.Nested(CoUseSchema), load_default=list)
    candidates = fields.List(fields.String(), load_default=list)
    family = fields.String(load_default=None, allow_none=True)


class RouteSchema(NamedSchema):
    """A route template."""

    platforms = fields.List(fields.String(), required=True)
    wafer_mm = _whole(1, required=True, allow_none=True)
    lot_size = _whole(1)
    class_ = fields.String(required=True, data_key="class")
    flags = fields.List(fields.String(), load_default=list)
    steps = fields.List(
        fields.Nested(RouteStepSchema), required=True, validate=validate.Length(min=1)
    )


class PriorityClassSchema(NamedSchema):
    """A priority class and what a placed order of it weighs."""

    weight = _whole(1)


class OrganisationSchema(NamedSchema):
    """An example organisation, for demonstrations."""

    size = fields.String(required=True)
    priority = fields.String(required=True)


class CatalogueSchema(Schema):
    """A whole file."""

    format = fields.Integer(required=True, validate=validate.Equal(1))
    title = fields.String(required=True)
    version = fields.String(required=True)
    demo = fields.Boolean(load_default=False)
    sites = fields.List(fields.Nested(NamedSchema), required=True)
    travel = fields.List(fields.Nested(TravelSchema), load_default=list)
    calendars = fields.List(fields.Nested(CalendarSchema), required=True)
    materials = fields.Nested(MaterialsSchema, required=True)
    capabilities = fields.List(fields.Nested(NamedSchema), required=True)
    qualifications = fields.List(fields.Nested(NamedSchema), load_default=list)
    priority_classes = fields.List(fields.Nested(PriorityClassSchema), required=True)
    platforms = fields.List(fields.Nested(PlatformSchema), required=True)
    resources = fields.List(fields.Nested(ResourceSchema), required=True)
    occurrences = fields.List(fields.Nested(OccurrenceSchema), load_default=list)
    routes = fields.List(fields.Nested(RouteSchema), load_default=list)
    organisations = fields.List(fields.Nested(OrganisationSchema), load_default=list)
    demand = fields.Dict(load_default=dict)
    glossary = fields.List(fields.Dict(), load_default=list)
