"""What can be asked for. Public to every member; the catalogue holds no tenant's data."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from platform_booking.db import Model, PublicId, enum_column


class ResourceKind(StrEnum):
    """How a resource is occupied; the solver's `Kind`."""

    UNARY = "unary"
    POOLED = "pooled"
    BATCH = "batch"
    EVENT = "event"


class StayRule(StrEnum):
    """How a stay meets closed hours; the solver's `StayRule`."""

    INSIDE = "inside"
    ENDS = "ends"
    WORKING = "working"


class OutageKind(StrEnum):
    """SEMI E10 words for time in which a resource is down."""

    SCHEDULED = "scheduled_down"
    UNSCHEDULED = "unscheduled_down"


class CatalogueLoad(Model):
    """One load of a catalogue file."""

    __tablename__ = "catalogue_load"

    id: Mapped[int] = mapped_column(primary_key=True)
    loaded_at: Mapped[datetime]
    title: Mapped[str]
    version: Mapped[str]
    demo: Mapped[bool]
    content_hash: Mapped[str]
    extras: Mapped[
        dict[str, Any]
    ]  # priority classes, policies, glossary: shown, not joined


class Site(Model):
    """A place that lots travel between."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Travel(Model):
    """How long a lot takes from one site to another, in minutes."""

    __tablename__ = "travel"

    from_site_id: Mapped[int] = mapped_column(sa.ForeignKey("site.id"), primary_key=True)
    to_site_id: Mapped[int] = mapped_column(sa.ForeignKey("site.id"), primary_key=True)
    minutes: Mapped[int] = mapped_column(sa.CheckConstraint("minutes >= 0", name="minutes"))


class Calendar(Model):
    """Weekly opening hours."""

    __tablename__ = "calendar"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    weekly: Mapped[dict[str, Any]]  # {"mon": [["09:00", "17:30"]], …}; "24:00" ends a day
    offhours: Mapped[dict[str, Any]]  # hours in which the buddy rule holds, same form
    attended: Mapped[dict[str, Any]]  # load and unload hours; {} for always while open
    keeps_holidays: Mapped[bool] = mapped_column(
        default=True
    )  # closed on statutory holidays

    exceptions: Mapped[list["CalendarException"]] = relationship(
        cascade="all, delete-orphan"
    )


class CalendarException(Model):
    """One date on which a calendar differs from its week."""

    __tablename__ = "calendar_exception"
    __table_args__ = (sa.UniqueConstraint("calendar_id", "on_date"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    calendar_id: Mapped[int] = mapped_column(sa.ForeignKey("calendar.id"))
    on_date: Mapped[date]
    hours: Mapped[list[Any]]  # [["09:00", "12:00"]]; [] for closed
    note: Mapped[str] = mapped_column(default="")


class Platform(PublicId, Model):
    """A shared platform with its own operators."""

    __tablename__ = "platform"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    site_id: Mapped[int] = mapped_column(sa.ForeignKey("site.id"))
    freeze_hours: Mapped[int] = mapped_column(default=24)  # bookings this near never move
    horizon_days: Mapped[int] = mapped_column(default=14)
    approval_hours: Mapped[int] = mapped_column(default=10)  # silent for so long: lapsed
    position: Mapped[int] = mapped_column(default=0)

    site: Mapped[Site] = relationship()


class Capability(Model):
    """What a resource can do, as `ETCH.DRIE`."""

    __tablename__ = "capability"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class MaterialsClass(Model):
    """A contamination class; wafers enter tools of equal or higher rank."""

    __tablename__ = "materials_class"

    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class MaterialFlag(Model):
    """A material that some tools must never see."""

    __tablename__ = "material_flag"

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Qualification(Model):
    """What a person must have learnt before running a group of resources."""

    __tablename__ = "qualification"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    # {"day": {"zh": …, "en": …, "hours": {"mon": [["08:00", "18:00"]], …}}}
    levels: Mapped[dict[str, Any]] = mapped_column(
        default=dict, server_default=sa.text("'{}'")
    )


class MemberQualification(Model):
    """A qualification that a member holds."""

    __tablename__ = "member_qualification"

    member_id: Mapped[int] = mapped_column(sa.ForeignKey("member.id"), primary_key=True)
    qualification_id: Mapped[int] = mapped_column(
        sa.ForeignKey("qualification.id"), primary_key=True
    )
    organisation_id: Mapped[int | None]  # the member's, for row-level security
    expires_on: Mapped[date | None]
    level: Mapped[str | None]  # one of the qualification's; None: at all hours


class Resource(PublicId, Model):
    """Something that can be occupied."""

    __tablename__ = "resource"
    __table_args__ = (
        sa.CheckConstraint("kind <> 'unary' OR capacity = 1", name="unary_is_one"),
        sa.CheckConstraint("capacity >= 1", name="capacity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    platform_id: Mapped[int] = mapped_column(sa.ForeignKey("platform.id"), index=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[ResourceKind] = mapped_column(enum_column(ResourceKind))
    capacity: Mapped[int]  # units at once; shuttle area in 0.01 mm²
    unit: Mapped[str] = mapped_column(default="")  # "wafer", "licence", "0.01 mm2"
    calendar_id: Mapped[int] = mapped_column(sa.ForeignKey("calendar.id"))
    stay_rule: Mapped[StayRule] = mapped_column(enum_column(StayRule))
    wafer_mm: Mapped[list[int]]  # sizes taken; [] where wafers play no part
    class_rank: Mapped[int] = mapped_column(sa.ForeignKey("materials_class.rank"))
    flags_allowed: Mapped[list[str] | None]  # None: any
    imposes_class: Mapped[bool] = mapped_column(default=False)
    self_run: Mapped[bool] = mapped_column(default=False)  # by its user
    qualification_id: Mapped[int | None] = mapped_column(sa.ForeignKey("qualification.id"))
    typical_minutes: Mapped[int]
    setup_minutes: Mapped[int] = mapped_column(default=0)
    policy: Mapped[dict[str, Any]]  # min_minutes, max_minutes, horizon_days, notice_days …
    rate: Mapped[dict[str, Any]]
    notes: Mapped[dict[str, Any]]  # {"zh": …, "en": …} and facts that no rule reads
    owner_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("organisation.id")
    )  # the company that opens it to others
    guard_seq: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    active: Mapped[bool] = mapped_column(default=True)
    demo: Mapped[bool] = mapped_column(default=False)

    platform: Mapped[Platform] = relationship()
    calendar: Mapped[Calendar] = relationship()
    capabilities: Mapped[list[Capability]] = relationship(secondary="resource_capability")
    recipes: Mapped[list["Recipe"]] = relationship(  # in service
        primaryjoin="and_(Recipe.resource_id == Resource.id, Recipe.active)", viewonly=True
    )


class ResourceCapability(Model):
    """Which resource can do what."""

    __tablename__ = "resource_capability"

    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"), primary_key=True)
    capability_id: Mapped[int] = mapped_column(
        sa.ForeignKey("capability.id"), primary_key=True, index=True
    )


class ChangeoverTime(Model):
    """Minutes between work of two set-up families on one resource."""

    __tablename__ = "changeover"

    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"), primary_key=True)
    before: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[str] = mapped_column(primary_key=True)
    minutes: Mapped[int] = mapped_column(sa.CheckConstraint("minutes >= 0", name="minutes"))


class Recipe(PublicId, Model):
    """A platform's public recipe: the conditions under which loads may share a run."""

    __tablename__ = "recipe"
    __table_args__ = (
        sa.UniqueConstraint("resource_id", "code"),
        sa.CheckConstraint("capacity >= 1 AND min_load >= 1", name="loads"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    capability_id: Mapped[int] = mapped_column(sa.ForeignKey("capability.id"), index=True)
    code: Mapped[str]
    wafer_mm: Mapped[int | None]  # None where wafers play no part
    class_rank: Mapped[int]
    duration_min: Mapped[int]
    capacity: Mapped[int]  # units of load in one run
    min_load: Mapped[int] = mapped_column(default=1)
    family: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)  # False: no new run is begun with it

    resource: Mapped[Resource] = relationship()


class Occurrence(PublicId, Model):
    """One dated run of an event resource: a shuttle, a class."""

    __tablename__ = "occurrence"
    __table_args__ = (
        sa.CheckConstraint("ends_at > starts_at", name="order"),
        sa.CheckConstraint("capacity >= 1", name="capacity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"), index=True)
    code: Mapped[str] = mapped_column(unique=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    capacity: Mapped[int]
    closes_at: Mapped[datetime | None]  # registration closes
    phases: Mapped[dict[str, Any]]
    min_fill: Mapped[int] = mapped_column(default=0, server_default="0")  # below: no run
    quotas: Mapped[dict[str, Any]] = mapped_column(
        default=dict, server_default=sa.text("'{}'")
    )  # the most that each priority class may take; {} for no such limit
    called_off_at: Mapped[datetime | None]
    by_staff: Mapped[bool] = mapped_column(
        default=False, server_default=sa.text("false")
    )  # dated by hand: no catalogue file closes it
    version: Mapped[int] = mapped_column(default=1, server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form


class Outage(PublicId, Model):
    """Time in which a resource is down."""

    __tablename__ = "outage"
    __table_args__ = (
        sa.CheckConstraint("ends_at > starts_at", name="order"),
        sa.Index(None, "resource_id", "ends_at", "starts_at"),
        sa.Index("outage_once", "resource_id", "starts_at", "ends_at", "kind", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    kind: Mapped[OutageKind] = mapped_column(enum_column(OutageKind))
    reason: Mapped[str] = mapped_column(default="")
    declared_by: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    taken_back_by: Mapped[int | None] = mapped_column(
        sa.ForeignKey("organisation.id")
    )  # its owner, who alone may book then; None: it is down


class RouteTemplate(PublicId, Model):
    """A public template of steps that a lot may run through."""

    __tablename__ = "route_template"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    platform_codes: Mapped[list[str]]
    wafer_mm: Mapped[int | None]
    lot_size: Mapped[int]
    class_rank: Mapped[int]  # of the lot when it enters
    flags: Mapped[list[str]]
    active: Mapped[bool] = mapped_column(default=True)  # False: nobody orders it any more

    steps: Mapped[list["RouteStep"]] = relationship(
        order_by="RouteStep.seq, RouteStep.id", cascade="all, delete-orphan"
    )


class RouteStep(Model):
    """One operation of a route template. Steps of one parallel group start side by side."""

    __tablename__ = "route_step"

    id: Mapped[int] = mapped_column(primary_key=True)
    route_id: Mapped[int] = mapped_column(sa.ForeignKey("route_template.id"), index=True)
    seq: Mapped[int]
    capability_id: Mapped[int] = mapped_column(sa.ForeignKey("capability.id"))
    name_zh: Mapped[str]
    name_en: Mapped[str]
    duration_min: Mapped[int]
    quantity: Mapped[int | None]  # None: the lot size on a batch resource, else 1
    lag_min_min: Mapped[int] = mapped_column(default=0)  # to the step after it
    lag_max_min: Mapped[int | None]  # queue-time limit to the step after it
    parallel_group: Mapped[str | None]
    class_after: Mapped[int]  # rank of the lot when it leaves
    sets_flag: Mapped[str | None]
    co_uses: Mapped[list[Any]]  # [["HPC.CPU", 96]]: capabilities held beside the main one
    candidate_codes: Mapped[list[str]]  # resources named by the route; [] for any able one
    family: Mapped[str | None]

    capability: Mapped[Capability] = relationship()
