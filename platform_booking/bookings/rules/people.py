"""Who must be there: the second person, and the area or utility to be in."""

from collections.abc import Iterator
from datetime import datetime

from flask_babel import gettext as _

from platform_booking.bookings.picked import Picked
from platform_booking.bookings.rules.registry import Binds, Sense, rule
from platform_booking.bookings.rules.stretches import last_day, overlap, spoken, touches
from platform_booking.errors import Violation


@rule(
    "buddy_needed",
    needs="the calendar's off-hours, the buddy",
    policy=("buddy",),
    sense=Sense.NEAR,
    binds=Binds.RUNNER,
)
def buddy_needed(picked: Picked, now: datetime) -> Iterator[Violation]:
    """At off-hours nobody works alone: a second person is booked."""
    on = picked.on
    if on.offhours is None or picked.by.buddy is not None:
        return
    if touches(picked.slot.stretch, on.offhours, picked.zone):
        yield Violation(
            "buddy_needed",
            _(
                "part of that time is at hours when nobody works alone at %(name)s; name a"
                " qualified colleague who will be there, or keep to the day",
                name=on.name,
            ),
            "buddy_id",
        )


@rule("buddy_unknown", needs="the buddy")
def buddy_unknown(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A buddy is an active colleague, or an operator of the platform."""
    if picked.by.buddy is not None and not picked.by.buddy.known:
        yield Violation(
            "buddy_unknown",
            _(
                "there is no such colleague of yours; name one, or an operator of the"
                " platform"
            ),
            "buddy_id",
        )


@rule("buddy_is_runner", needs="the buddy")
def buddy_is_runner(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A buddy is somebody else than the one who runs the resource."""
    if picked.by.buddy is not None and picked.by.buddy.runner:
        yield Violation(
            "buddy_is_runner",
            _("nobody is his own second person; name somebody else"),
            "buddy_id",
        )


@rule("buddy_not_qualified", needs="the buddy's qualification", sense=Sense.ORDERED)
def buddy_not_qualified(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A buddy holds the resource's qualification until the stay ends."""
    buddy = picked.by.buddy
    if buddy is None or not buddy.known:
        return
    until = buddy.qualified_until
    if buddy.qualified and (
        until is None or until >= last_day(picked.slot.ends_at, picked.zone)
    ):
        return
    yield Violation(
        "buddy_not_qualified",
        _(
            "your second person does not hold the qualification for %(name)s until the"
            " stay ends; name somebody who does",
            name=picked.on.name,
        ),
        "buddy_id",
    )


@rule("buddy_elsewhere", needs="the buddy's bookings", sense=Sense.NEAR)
def buddy_elsewhere(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A buddy is not at work on another platform at the same time."""
    buddy, slot = picked.by.buddy, picked.slot
    if buddy is not None and any(overlap(stay, slot.stretch) for stay in buddy.elsewhere):
        yield Violation(
            "buddy_elsewhere",
            _(
                "your second person is needed on another platform during that time; name"
                " somebody else, or choose another time"
            ),
            "buddy_id",
        )


@rule(
    "promised_as_buddy",
    needs="stays at which the member is the buddy",
    soft=True,
    sense=Sense.NEAR,
    binds=Binds.RUNNER,
)
def promised_as_buddy(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Who is somebody's buddy on another platform runs nothing here meanwhile."""
    if picked.on.offhours is None:
        return
    for stay in picked.by.buddy_elsewhere:
        if overlap(stay, picked.slot.stretch):
            yield Violation(
                "promised_as_buddy",
                _(
                    "you are a colleague's second person on another platform in %(when)s;"
                    " choose another time",
                    when=spoken(stay, picked.zone),
                ),
                "starts_at",
            )
            return


@rule(
    "area_needed",
    needs="the member's other bookings",
    soft=True,
    policy=("requires",),
    sense=Sense.NEAR,
    binds=Binds.RUNNER,
)
def area_needed(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The area or utility that a resource needs is held for the whole time."""
    begins, ends = picked.slot.stretch
    has = {
        code
        for code, stretches in picked.by.has.items()
        if any(since <= begins and ends <= until for since, until in stretches)
    }
    missing = sorted(set(picked.on.requires) - has)
    if missing:
        yield Violation(
            "area_needed",
            _(
                "%(name)s is used together with %(what)s; book that for the whole time in"
                " the same go, or beforehand",
                name=picked.on.name,
                what=", ".join(missing),
            ),
            "resource_id",
            list(picked.on.requires),
            sorted(has),
        )
