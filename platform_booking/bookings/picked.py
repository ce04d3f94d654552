"""What the rules of picking a slot must know, as frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo

from platform_booking.catalog.hours import Hours
from platform_booking.catalog.models import ResourceKind, StayRule

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassWindow:
    """Hours outside which a tool does not take wafers of these classes or flags."""

    classes: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    hours: Hours


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
    grid_min: int = 5
    least_min: int | None = None  # of one stay, self-run only
    most_min: int | None = None
    horizon_days: int | None = None
    notice_hours: int | None = None
    cutoff_hours: int | None = None  # before a shared run, by when its loads are told
    per_day: int | None = None  # stays of one member that touch one local day
    future_min: int | None = None  # that one member may hold ahead
    future_count: int | None = None
    gap_min: int | None = None  # between two stays of one member
    rolling: tuple[tuple[int, int], ...] = ()  # (minutes, days): of one member in any days
    lifted: Hours | None = None  # stays within are free of the caps on length and number
    class_windows: tuple[ClassWindow, ...] = ()
    offhours: Hours | None = None  # in which nobody works alone
    requires: tuple[str, ...] = ()  # capabilities to be held beside it
    licence_use: frozenset[str] | None = None  # purposes that it may serve; None: all
    nda_needed: bool = False
    no_show_limit: int | None = None  # so many within the days below: barred
    no_show_days: int = 90
    ban_days: int = 30
    is_class: bool = False  # being there grants a qualification to the person
    least_quantity: int = 1
    quantity_step: int = 1
    opening: tuple[Stretch, ...] = ()  # sorted, covering the stay at least
    outages: tuple[Stretch, ...] = ()  # overlapping the stay
    taken_back: tuple[Stretch, ...] = ()  # by its owner, who is somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What is asked for."""

    starts_at: datetime
    ends_at: datetime
    quantity: int = 1
    wafer_mm: int | None = None
    class_rank: int | None = None
    flags: tuple[str, ...] = ()

    @property
    def stretch(self) -> Stretch:
        """When it is."""
        return self.starts_at, self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The recipe or the occurrence that was named, and whether it is this resource's."""

    recipe_named: bool = False
    recipe_fits: bool = False
    recipe_wafer_mm: int | None = None
    recipe_min: int | None = None  # how long it takes, in whole slots
    occurrence_named: bool = False
    occurrence_fits: bool = False  # of this resource, at just these times
    closes_at: datetime | None = None
    called_off: bool = False
    class_quota: int | None = None  # the most that firms of the asker's class may hold
    class_held: int = 0  # what they hold without this


@dataclass(frozen=True, slots=True, kw_only=True)
class Buddy:
    """The second person that was named."""

    known: bool = True  # an active colleague, or an operator of the platform
    runner: bool = False  # is the one who runs it
    qualified: bool = True
    qualified_until: date | None = None
    elsewhere: tuple[Stretch, ...] = ()  # runner or buddy on another platform


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What a pooled quota allows over one period, and what is held of it without this."""

    period: str  # day, week, month, year
    span: Stretch  # the period itself, by local midnights
    limit_min: int
    held_min: int
    of_project: bool = False
    scope: str = ""  # the resource or platform that it is on; "" for all of the park


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What the rules must know of who asks."""

    organisation_known: bool = True  # the one that the booking is for, and approved
    contract_on_file: bool = True
    nda_on_file: bool = True
    runs_it: bool = True  # False: the platform's staff run it for an organisation
    staff: bool = False  # who asks operates the platform, or the park
    qualification_needed: str = ""  # its name; "" for none
    qualified: bool = False
    qualified_until: date | None = None  # the last day of a held one; None: for good
    level: str = ""  # name of the level held, where it has hours of its own
    level_hours: Hours | None = None
    project_named: bool = False
    project_known: bool = False
    purpose: str = "commercial"  # of the project; commercial without one
    held: tuple[Stretch, ...] = ()  # the member's other stays on the resource, to come
    past: tuple[Stretch, ...] = ()  # those that are over, used or not, not long ago
    no_shows: tuple[datetime, ...] = ()  # starts of the stays that he let go unused
    buddy: Buddy | None = None  # None: nobody is named
    buddy_elsewhere: tuple[Stretch, ...] = ()  # on other platforms he is somebody's buddy
    has: Mapping[str, tuple[Stretch, ...]] = field(default_factory=dict)
    """When he holds each of the capabilities required; stretches that touch are one."""

    quotas: tuple[QuotaUse, ...] = ()
    priority_class: str = ""  # of the organisation
    class_holds: Mapping[int, int] = field(default_factory=dict)
    """What firms of that class hold of dated runs without this, by row id of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A slot, on a resource, by somebody."""

    slot: Slot
    on: Bookable
    run: Run = field(default_factory=Run)
    by: Asker = field(default_factory=Asker)
    zone: tzinfo = UTC  # in which a day is a day
    class_code: str = ""  # of the wafers
