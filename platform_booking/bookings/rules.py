"""House rules for picking a slot. Pure: plain values in, every broken rule out.

Capacity is no rule of this file: the database alone can promise it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from flask_babel import gettext as _

from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.errors import Violation

Stretch = tuple[datetime, datetime]

LONGEST = timedelta(days=366)
"""No booking is longer: a typing error in a year must not hold a tool for a decade."""


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

    contract_on_file: bool = True
    nda_on_file: bool = True
    qualification_needed: str = ""  # its name; "" for none
    qualified_until: date | None = None  # None: does not hold it
    qualified: bool = False
    project_named: bool = False
    project_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A slot, on a resource, by somebody."""

    slot: Slot
    on: Bookable
    run: Run = field(default_factory=Run)
    by: Asker = field(default_factory=Asker)


def violations(picked: Picked, *, now: datetime) -> Iterator[Violation]:
    """Yield every broken rule, so that all can be mended in one go."""
    slot, on = picked.slot, picked.on
    yield from asker_rules(picked.by)
    if not on.active:
        yield Violation(
            "inactive",
            _("%(name)s is not in service; pick another resource", name=on.name),
            "resource_id",
        )
    if slot.ends_at <= slot.starts_at:
        yield Violation(
            "empty", _("the end must lie after the start; move one of them"), "ends_at"
        )
        return
    yield from _time_rules(slot, on, now=now)
    yield from _wafer_rules(slot, on)
    yield from _run_rules(picked, now=now)


def asker_rules(by: Asker) -> Iterator[Violation]:
    """Yield what keeps this organisation or member from booking at all."""
    if not (by.contract_on_file or by.nda_on_file):
        yield Violation(
            "no_contract",
            _(
                "your organisation has neither a contract nor a non-disclosure agreement on"
                " file; ask the park to add one"
            ),
        )
    if by.qualification_needed and not by.qualified:
        yield Violation(
            "not_qualified",
            _(
                "running this yourself needs the qualification “%(name)s”; take the"
                " training, or hand in an order for the staff to run",
                name=by.qualification_needed,
            ),
            "resource_id",
        )
    if by.project_named and not by.project_known:
        yield Violation(
            "unknown_project",
            _("there is no such project of yours; choose one from the list"),
            "project_id",
        )


def _time_rules(slot: Slot, on: Bookable, *, now: datetime) -> Iterator[Violation]:
    length = slot.ends_at - slot.starts_at
    if slot.starts_at < now:
        yield Violation(
            "past", _("the start lies in the past; choose a later one"), "starts_at"
        )
    if length > LONGEST:
        yield Violation("too_long", _("no stay is longer than a year"), "ends_at")
        return
    if on.self_run:
        yield from _policy_rules(slot, on, now=now)
    if on.kind is not ResourceKind.EVENT and not fits_hours(slot, on):
        yield Violation("closed", _closed(on), "starts_at")
    if any(down[0] < slot.ends_at and slot.starts_at < down[1] for down in on.outages):
        yield Violation(
            "outage",
            _("%(name)s is down for part of that time; choose another", name=on.name),
            "starts_at",
        )


def _policy_rules(slot: Slot, on: Bookable, *, now: datetime) -> Iterator[Violation]:
    minutes = (slot.ends_at - slot.starts_at) // timedelta(minutes=1)
    if on.least_min is not None and minutes < on.least_min:
        yield Violation(
            "too_short",
            _("at least %(minutes)s min must be booked at a time", minutes=on.least_min),
            "ends_at",
        )
    if on.most_min is not None and minutes > on.most_min:
        yield Violation(
            "too_long",
            _(
                "at most %(minutes)s min may be booked at a time; hand in an order for"
                " more",
                minutes=on.most_min,
            ),
            "ends_at",
        )
    if on.horizon_days is not None and slot.starts_at > now + timedelta(
        days=on.horizon_days
    ):
        yield Violation(
            "beyond_horizon",
            _(
                "it can be booked %(days)s days ahead at most; choose an earlier start, or"
                " hand in an order",
                days=on.horizon_days,
            ),
            "starts_at",
        )
    if on.notice_hours is not None and slot.starts_at < now + timedelta(
        hours=on.notice_hours
    ):
        yield Violation(
            "short_notice",
            _("it must be booked %(hours)s h ahead; start later", hours=on.notice_hours),
            "starts_at",
        )


def fits_hours(slot: Slot, on: Bookable) -> bool:
    """Tell whether a stay keeps to the opening hours as its capability demands."""
    if on.stay is StayRule.INSIDE:
        return _within(slot.starts_at, slot.ends_at, on.opening)
    instant = timedelta(microseconds=1)
    return _within(slot.starts_at, slot.starts_at + instant, on.opening) and _within(
        slot.ends_at - instant, slot.ends_at, on.opening
    )


def _within(start: datetime, end: datetime, opening: Sequence[Stretch]) -> bool:
    return any(opens <= start and end <= closes for opens, closes in opening)


def _closed(on: Bookable) -> str:
    if on.stay is StayRule.INSIDE:
        return str(
            _(
                "%(name)s is closed for part of that time; keep the whole stay within its"
                " opening hours",
                name=on.name,
            )
        )
    return str(
        _(
            "%(name)s is closed at the start or at the end; begin and end within its"
            " attended hours",
            name=on.name,
        )
    )


def _wafer_rules(slot: Slot, on: Bookable) -> Iterator[Violation]:
    if slot.wafer_mm is not None and on.wafer_mm and slot.wafer_mm not in on.wafer_mm:
        yield Violation(
            "wafer_size",
            _(
                "%(name)s takes wafers of %(sizes)s mm, not of %(asked)s mm",
                name=on.name,
                sizes=", ".join(map(str, on.wafer_mm)),
                asked=slot.wafer_mm,
            ),
            "wafer_mm",
        )
    if slot.class_rank is not None and slot.class_rank > on.class_rank:
        yield Violation(
            "materials_class",
            _(
                "the wafers' contamination class is too low for %(name)s; choose a tool"
                " that takes their class",
                name=on.name,
            ),
            "class_rank",
        )
    if on.flags_allowed is not None:
        barred = sorted(set(slot.flags) - on.flags_allowed)
        if barred:
            yield Violation(
                "material_flags",
                _(
                    "%(name)s must never see %(flags)s; choose another tool",
                    name=on.name,
                    flags=", ".join(barred),
                ),
                "flags",
            )


def _run_rules(picked: Picked, *, now: datetime) -> Iterator[Violation]:
    slot, on, run = picked.slot, picked.on, picked.run
    if on.kind is ResourceKind.BATCH:
        if not run.recipe_fits:
            yield Violation(
                "recipe_required",
                _("choose one of the recipes of %(name)s", name=on.name),
                "recipe_id",
            )
        elif (
            slot.wafer_mm is not None
            and run.recipe_wafer_mm is not None
            and slot.wafer_mm != run.recipe_wafer_mm
        ):
            yield Violation(
                "wafer_size",
                _(
                    "the recipe is for wafers of %(size)s mm; choose the one for yours",
                    size=run.recipe_wafer_mm,
                ),
                "recipe_id",
            )
    elif run.recipe_named:
        yield Violation(
            "no_recipe",
            _("%(name)s runs no shared recipes; leave the recipe out", name=on.name),
            "recipe_id",
        )
    yield from _occurrence_rules(picked, now=now)
    if slot.quantity < 1:
        yield Violation("quantity", _("at least 1 must be asked for"), "quantity")
    elif slot.quantity > on.capacity:
        yield Violation(
            "quantity",
            _(
                "%(name)s holds %(capacity)s at once; ask for less, or split it",
                name=on.name,
                capacity=on.capacity,
            ),
            "quantity",
        )


def _occurrence_rules(picked: Picked, *, now: datetime) -> Iterator[Violation]:
    on, run = picked.on, picked.run
    if on.kind is not ResourceKind.EVENT:
        if run.occurrence_named:
            yield Violation(
                "no_occurrence",
                _("%(name)s has no dated runs; leave the run out", name=on.name),
                "occurrence_id",
            )
    elif not run.occurrence_fits:
        yield Violation(
            "occurrence_required",
            _("choose one of the dated runs of %(name)s, with its own times", name=on.name),
            "occurrence_id",
        )
    elif run.closes_at is not None and run.closes_at <= now:
        yield Violation(
            "registration_closed",
            _("registration for this run is closed; choose a later one"),
            "occurrence_id",
        )
