"""House rules for picking a slot. Pure: plain values in, every broken rule out.

Capacity is no rule of this file: the database alone can promise it.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from flask_babel import gettext as _

from platform_booking.bookings.picked import Asker, Bookable, Picked, Slot, Stretch
from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.errors import Violation

__all__ = ["Asker", "asker_rules", "beyond_sense", "fits_hours", "outage", "violations"]

LONGEST = timedelta(days=366)
"""No booking is longer: a typing error in a year must not hold a tool for a decade."""

FARTHEST = timedelta(days=2 * 366)
"""No booking begins later than this from now, for the same reason."""

GRID_MIN = 5
"""Starts and ends lie on whole slots. Source: DECISIONS 1."""


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
    else:
        yield from _time_rules(picked, now=now)
        yield from _expiry_rules(picked)
    yield from _wafer_rules(slot, on)
    yield from _run_rules(picked, now=now)


def asker_rules(by: Asker) -> Iterator[Violation]:
    """Yield what keeps this organisation or member from booking at all."""
    if not by.organisation_known:
        yield Violation(
            "unknown_organisation",
            _("name an organisation that is registered here and approved"),
            "organisation_id",
        )
    elif not (by.contract_on_file or by.nda_on_file):
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


def _expiry_rules(picked: Picked) -> Iterator[Violation]:
    by = picked.by
    if not (by.qualification_needed and by.qualified and by.qualified_until):
        return
    if by.qualified_until < _last_day(picked):
        yield Violation(
            "qualification_expires",
            _(
                "your qualification “%(name)s” ends on %(day)s, before this stay does;"
                " renew it first",
                name=by.qualification_needed,
                day=by.qualified_until.isoformat(),
            ),
            "ends_at",
        )


def _last_day(picked: Picked) -> date:
    """Return the local date of a stay's end; the farthest one where a calendar ends."""
    try:
        return picked.slot.ends_at.astimezone(picked.zone).date()
    except OverflowError:
        return date.max


def beyond_sense(slot: Slot, *, now: datetime) -> bool:
    """Tell whether a stay is so far off or so long that its hours are of no matter."""
    return (
        slot.starts_at < now
        or slot.starts_at > now + FARTHEST
        or not timedelta(0) < slot.ends_at - slot.starts_at <= LONGEST
    )


def _time_rules(picked: Picked, *, now: datetime) -> Iterator[Violation]:
    slot, on = picked.slot, picked.on
    if slot.starts_at < now:
        yield Violation(
            "past", _("the start lies in the past; choose a later one"), "starts_at"
        )
    if slot.starts_at > now + FARTHEST:
        yield Violation(
            "too_far",
            _("nothing can be booked more than two years ahead; choose an earlier start"),
            "starts_at",
        )
    if slot.ends_at - slot.starts_at > LONGEST:
        yield Violation(
            "too_long",
            _("no stay is longer than a year; choose an earlier end"),
            "ends_at",
        )
    if on.kind is not ResourceKind.EVENT:
        yield from _grid_rules(slot)
    if on.self_run:
        yield from _policy_rules(slot, on, now=now)
    if beyond_sense(slot, now=now):
        return  # the place will be another one: what stands there is of no use
    if on.self_run:
        yield from _share_rules(picked)
    if on.kind is not ResourceKind.EVENT and not fits_hours(slot, on):
        yield Violation("closed", _closed(on), "starts_at")
    if any(down[0] < slot.ends_at and slot.starts_at < down[1] for down in on.outages):
        yield outage(on.name)


def outage(name: str) -> Violation:
    """Return what is said of a stay that meets an outage."""
    return Violation(
        "outage",
        _("%(name)s is down for part of that time; choose another", name=name),
        "starts_at",
    )


def _grid_rules(slot: Slot) -> Iterator[Violation]:
    for where, moment in (("starts_at", slot.starts_at), ("ends_at", slot.ends_at)):
        if moment.minute % GRID_MIN or moment.second or moment.microsecond:
            yield Violation(
                "grid",
                _("times go in steps of %(minutes)s minutes", minutes=GRID_MIN),
                where,
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


def _share_rules(picked: Picked) -> Iterator[Violation]:
    """Yield what keeps one member from holding more of a resource that he runs himself."""
    slot, on, held = picked.slot, picked.on, picked.by.held
    if on.per_day is not None:
        day = slot.starts_at.astimezone(picked.zone).date()
        same = sum(
            1 for begins, _ends in held if begins.astimezone(picked.zone).date() == day
        )
        if same >= on.per_day:
            yield Violation(
                "per_day",
                _(
                    "at most %(number)s stays may begin on one day; choose another day",
                    number=on.per_day,
                ),
                "starts_at",
            )
    if on.future_min is not None:
        ahead = sum((ends - begins for begins, ends in held), slot.ends_at - slot.starts_at)
        if ahead > timedelta(minutes=on.future_min):
            yield Violation(
                "future_minutes",
                _(
                    "you may hold %(minutes)s min ahead on it; cancel another booking, or"
                    " hand in an order",
                    minutes=on.future_min,
                ),
                "ends_at",
            )
    if on.gap_min is not None:
        gap = timedelta(minutes=on.gap_min)
        if any(
            slot.starts_at - ends < gap and begins - slot.ends_at < gap
            for begins, ends in held
        ):
            yield Violation(
                "gap",
                _(
                    "%(minutes)s min must lie between two of your stays; choose another"
                    " time",
                    minutes=on.gap_min,
                ),
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
    if on.wafer_mm and (slot.wafer_mm is None or slot.class_rank is None):
        yield Violation(
            "wafers_undeclared",
            _(
                "say what goes into %(name)s: the wafers' size and contamination class",
                name=on.name,
            ),
            "wafer_mm" if slot.wafer_mm is None else "class_rank",
        )
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
    yield from _quantity_rules(slot, on)


def _quantity_rules(slot: Slot, on: Bookable) -> Iterator[Violation]:
    if slot.quantity < on.least_quantity:
        yield Violation(
            "quantity",
            _("at least %(least)s must be asked for", least=on.least_quantity),
            "quantity",
        )
    elif slot.quantity % on.quantity_step:
        yield Violation(
            "quantity",
            _("it is given out in steps of %(step)s", step=on.quantity_step),
            "quantity",
        )
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
