"""What goes in: wafers of a size, with a history of classes and materials."""

from collections.abc import Iterator
from datetime import datetime

from flask_babel import gettext as _

from platform_booking.bookings.picked import Picked
from platform_booking.bookings.rules.registry import Sense, rule
from platform_booking.bookings.rules.stretches import week_text, within
from platform_booking.errors import Violation


@rule("wafers_undeclared", needs="the wafers as declared")
def wafers_undeclared(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Of wafers, size and contamination class are told."""
    slot, on = picked.slot, picked.on
    if on.wafer_mm and (slot.wafer_mm is None or slot.class_rank is None):
        yield Violation(
            "wafers_undeclared",
            _(
                "say what goes into %(name)s: the wafers' size and contamination class",
                name=on.name,
            ),
            "wafer_mm" if slot.wafer_mm is None else "class_rank",
        )


@rule("wafer_size", needs="the wafers as declared")
def wafer_size(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The resource takes wafers of that size."""
    slot, on = picked.slot, picked.on
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
            list(on.wafer_mm),
            slot.wafer_mm,
        )


@rule("materials_class", needs="the wafers as declared")
def materials_class(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Wafers enter resources of their own contamination class, or of a lower one."""
    slot, on = picked.slot, picked.on
    if slot.class_rank is not None and slot.class_rank > on.class_rank:
        yield Violation(
            "materials_class",
            _(
                "the wafers' contamination class is too low for %(name)s; choose a tool"
                " that takes their class",
                name=on.name,
            ),
            "class_rank",
            on.class_rank,
            slot.class_rank,
        )


@rule("material_flags", needs="the wafers as declared")
def material_flags(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A resource never sees the materials that it must not see."""
    allowed = picked.on.flags_allowed
    if allowed is None:
        return
    barred = sorted(set(picked.slot.flags) - allowed)
    if barred:
        yield Violation(
            "material_flags",
            _(
                "%(name)s must never see %(flags)s; choose another tool",
                name=picked.on.name,
                flags=", ".join(barred),
            ),
            "flags",
            sorted(allowed),
            barred,
        )


@rule(
    "class_window",
    needs="the wafers as declared",
    soft=True,
    policy=("class_windows",),
    sense=Sense.NEAR,
)
def class_window(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Wafers of some classes or materials go in at their own hours of the week alone."""
    slot, on = picked.slot, picked.on
    for window in on.class_windows:
        met = sorted({picked.class_code} & window.classes | {*slot.flags} & window.flags)
        if met and not within(slot.stretch, window.hours, picked.zone):
            yield Violation(
                "class_window",
                _(
                    "%(name)s takes %(what)s only at set hours of the week: %(hours)s; keep"
                    " the whole stay within them",
                    name=on.name,
                    what=", ".join(met),
                    hours=week_text(window.hours),
                ),
                "starts_at",
                week_text(window.hours),
            )
