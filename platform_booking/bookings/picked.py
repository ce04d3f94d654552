"""What the rules of picking a slot must know, as frozen values. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo

from platform_booking.catalog.models import ResourceKind, StayRule

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookable:
    """What the rules must know of a resource."""

    name: str
    kind: ResourceKind
    stay: StayRule
    capacity: int  # units at once; of the recipe or the occurrence where there is one
    active: bool = True
    self_run: bool = False
    wafer_mm: tuple[int, ...] = ()
    class_rank: int = 3
    flags_allowed: frozenset[str] | None = None  # None: any
    least_min: int | None = None  # of one stay, self-run only
    most_min: int | None = None
    horizon_days: int | None = None
    notice_hours: int | None = None
    per_day: int | None = None  # starts of one member on one local day
    future_min: int | None = None  # that one member may hold ahead
    gap_min: int | None = None  # between two stays of one member
    least_quantity: int = 1
    quantity_step: int = 1
    opening: tuple[Stretch, ...] = ()  # sorted, covering the stay at least
    outages: tuple[Stretch, ...] = ()  # overlapping the stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What is asked for."""

    starts_at: datetime
    ends_at: datetime
    quantity: int = 1
    wafer_mm: int | None = None
    class_rank: int | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The recipe or the occurrence that was named, and whether it is this resource's."""

    recipe_named: bool = False
    recipe_fits: bool = False
    recipe_wafer_mm: int | None = None
    occurrence_named: bool = False
    occurrence_fits: bool = False  # of this resource, at just these times
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What the rules must know of who asks."""

    organisation_known: bool = True  # the one that the booking is for, and approved
    contract_on_file: bool = True
    nda_on_file: bool = True
    qualification_needed: str = ""  # its name; "" for none
    qualified: bool = False
    qualified_until: date | None = None  # the last day of a held one; None: for good
    project_named: bool = False
    project_known: bool = False
    held: tuple[Stretch, ...] = ()  # the member's other stays on the resource, to come


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A slot, on a resource, by somebody."""

    slot: Slot
    on: Bookable
    run: Run = field(default_factory=Run)
    by: Asker = field(default_factory=Asker)
    zone: tzinfo = UTC  # in which a day is a day
