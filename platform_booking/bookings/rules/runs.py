"""Shared runs, dated runs, and how much is asked for."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.bookings.picked import Picked
from platform_booking.bookings.rules.registry import Binds, Sense, rule
from platform_booking.bookings.rules.stretches import minutes
from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.errors import Violation


@rule("recipe_required", needs="the recipe")
def recipe_required(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A shared run follows one of the resource's recipes."""
    if picked.on.kind is ResourceKind.BATCH and not picked.run.recipe_fits:
        yield Violation(
            "recipe_required",
            _("choose one of the recipes of %(name)s", name=picked.on.name),
            "recipe_id",
        )


@rule("recipe_length", needs="the recipe, the slot", soft=True, sense=Sense.ORDERED)
def recipe_length(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A shared run lasts as long as its recipe takes, and no limit on length binds it."""
    slot, most = picked.slot, picked.run.recipe_min
    if picked.on.kind is not ResourceKind.BATCH or most is None:
        return
    asked = minutes(_worked(picked))
    if asked != most:
        ends_at = slot.starts_at + timedelta(minutes=most)
        yield Violation(
            "recipe_length",
            _(
                "the recipe takes %(minutes)s min, not %(asked)s; let it end at %(ends)s",
                minutes=most,
                asked=asked,
                ends=f"{ends_at.astimezone(picked.zone):%Y-%m-%d %H:%M}",
            ),
            "ends_at",
            most,
            asked,
        )


def _worked(picked: Picked) -> timedelta:
    """Return how long a stay is, without the closed hours in which the work rests."""
    slot, on = picked.slot, picked.on
    if on.stay is not StayRule.WORKING:
        return slot.ends_at - slot.starts_at
    pieces = (
        min(closes, slot.ends_at) - max(opens, slot.starts_at)
        for opens, closes in on.opening
    )
    return sum((piece for piece in pieces if piece > timedelta(0)), timedelta(0))


@rule(
    "cut_off",
    needs="the slot",
    soft=True,
    policy=("cutoff_hours",),
    sense=Sense.NEAR,
    binds=Binds.MEMBER,
)
def cut_off(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The loads of a shared run are announced so many hours before it begins."""
    hours = picked.on.cutoff_hours
    if picked.on.kind is not ResourceKind.BATCH or hours is None:
        return
    last = picked.slot.starts_at - timedelta(hours=hours)
    if now > last:
        yield Violation(
            "cut_off",
            _(
                "loads of %(name)s are announced %(hours)s h before the run, and that was"
                " %(last)s; choose a later run",
                name=picked.on.name,
                hours=hours,
                last=f"{last.astimezone(picked.zone):%Y-%m-%d %H:%M}",
            ),
            "starts_at",
            hours,
        )


@rule("recipe_wafer_size", needs="the recipe, the wafers as declared")
def recipe_wafer_size(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The recipe is for wafers of that size."""
    slot, run = picked.slot, picked.run
    if (
        picked.on.kind is ResourceKind.BATCH
        and run.recipe_fits
        and slot.wafer_mm is not None
        and run.recipe_wafer_mm is not None
        and slot.wafer_mm != run.recipe_wafer_mm
    ):
        yield Violation(
            "recipe_wafer_size",
            _(
                "the recipe is for wafers of %(size)s mm; choose the one for yours",
                size=run.recipe_wafer_mm,
            ),
            "recipe_id",
            run.recipe_wafer_mm,
            slot.wafer_mm,
        )


@rule("no_recipe", needs="the recipe")
def no_recipe(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Only shared runs have a recipe."""
    if picked.on.kind is not ResourceKind.BATCH and picked.run.recipe_named:
        yield Violation(
            "no_recipe",
            _("%(name)s runs no shared recipes; leave the recipe out", name=picked.on.name),
            "recipe_id",
        )


@rule("no_occurrence", needs="the dated run")
def no_occurrence(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Only events have dated runs."""
    if picked.on.kind is not ResourceKind.EVENT and picked.run.occurrence_named:
        yield Violation(
            "no_occurrence",
            _("%(name)s has no dated runs; leave the run out", name=picked.on.name),
            "occurrence_id",
        )


@rule("occurrence_required", needs="the dated run")
def occurrence_required(picked: Picked, now: datetime) -> Iterator[Violation]:
    """An event is booked as one of its dated runs, at the times of that run."""
    if picked.on.kind is ResourceKind.EVENT and not picked.run.occurrence_fits:
        yield Violation(
            "occurrence_required",
            _(
                "choose one of the dated runs of %(name)s, with its own times",
                name=picked.on.name,
            ),
            "occurrence_id",
        )


@rule("registration_closed", needs="the dated run")
def registration_closed(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Registration for the dated run is open."""
    run = picked.run
    if (
        picked.on.kind is ResourceKind.EVENT
        and run.occurrence_fits
        and run.closes_at is not None
        and run.closes_at <= now
    ):
        yield Violation(
            "registration_closed",
            _("registration for this run is closed; choose a later one"),
            "occurrence_id",
            run.closes_at.isoformat(),
        )


@rule("run_called_off", needs="the dated run")
def run_called_off(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The dated run has not been called off."""
    if picked.on.kind is ResourceKind.EVENT and picked.run.called_off:
        yield Violation(
            "run_called_off",
            _("this run has been called off; choose another one"),
            "occurrence_id",
        )


@rule("class_quota", needs="the dated run, what firms of the same class hold of it")
def class_quota(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Firms of one priority class hold together at most the run's quota for it."""
    run, asked = picked.run, picked.slot.quantity
    if picked.on.kind is not ResourceKind.EVENT or run.class_quota is None:
        return
    if run.class_held + asked > run.class_quota:
        yield Violation(
            "class_quota",
            _(
                "organisations of class %(of_class)s may hold %(quota)s of this run, and"
                " %(left)s of that are left; ask for less, or choose another run",
                of_class=picked.by.priority_class,
                quota=run.class_quota,
                left=max(0, run.class_quota - run.class_held),
            ),
            "quantity",
            run.class_quota,
            run.class_held + asked,
        )


@rule("quantity", needs="the slot", policy=("min_area_001mm2", "area_step_001mm2"))
def quantity(picked: Picked, now: datetime) -> Iterator[Violation]:
    """What is asked for is between the least and the capacity, in the resource's steps."""
    slot, on = picked.slot, picked.on
    if slot.quantity < on.least_quantity:
        yield Violation(
            "quantity",
            _("at least %(least)s must be asked for", least=on.least_quantity),
            "quantity",
            on.least_quantity,
            slot.quantity,
        )
    elif slot.quantity % on.quantity_step:
        yield Violation(
            "quantity",
            _("it is given out in steps of %(step)s", step=on.quantity_step),
            "quantity",
            on.quantity_step,
            slot.quantity,
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
            on.capacity,
            slot.quantity,
        )
