"""When a slot lies: its place in the calendar, its length, opening hours, outages."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.bookings.picked import Bookable, Picked, Slot, Stretch
from platform_booking.bookings.rules.registry import Binds, Sense, rule
from platform_booking.bookings.rules.stretches import clock, minutes, spoken
from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.errors import Violation

LONGEST = timedelta(days=366)
"""No booking is longer: a typing error in a year must not hold a tool for a decade."""

FARTHEST = timedelta(days=2 * 366)
"""No booking begins later than this from now, for the same reason."""

GRID_MIN = 5
"""Starts and ends lie on whole slots. Source: DECISIONS 1."""


def beyond_sense(slot: Slot, *, now: datetime) -> bool:
    """Tell whether a stay is so far off or so long that its hours are of no matter."""
    return (
        slot.starts_at < now
        or slot.starts_at > now + FARTHEST
        or not timedelta(0) < slot.ends_at - slot.starts_at <= LONGEST
    )


@rule("inactive", needs="the resource")
def inactive(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The resource is in service."""
    if not picked.on.active:
        yield Violation(
            "inactive",
            _("%(name)s is not in service; pick another resource", name=picked.on.name),
            "resource_id",
        )


@rule("empty", needs="the slot")
def empty(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A stay ends after it begins."""
    if picked.slot.ends_at <= picked.slot.starts_at:
        yield Violation(
            "empty", _("the end must lie after the start; move one of them"), "ends_at"
        )


@rule("past", needs="the slot", sense=Sense.ORDERED)
def past(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A stay begins in the future."""
    if picked.slot.starts_at < now:
        yield Violation(
            "past", _("the start lies in the past; choose a later one"), "starts_at"
        )


@rule("too_far", needs="the slot", sense=Sense.ORDERED)
def too_far(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Nothing begins more than two years ahead."""
    if picked.slot.starts_at > now + FARTHEST:
        yield Violation(
            "too_far",
            _("nothing can be booked more than two years ahead; choose an earlier start"),
            "starts_at",
            FARTHEST.days,
        )


@rule("over_a_year", needs="the slot", sense=Sense.ORDERED)
def over_a_year(picked: Picked, now: datetime) -> Iterator[Violation]:
    """No stay is longer than a year."""
    if picked.slot.ends_at - picked.slot.starts_at > LONGEST:
        yield Violation(
            "over_a_year",
            _("no stay is longer than a year; choose an earlier end"),
            "ends_at",
            LONGEST.days,
        )


@rule("grid", needs="the slot", sense=Sense.ORDERED)
def grid(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Times go in steps of five minutes, but for dated runs."""
    if picked.on.kind is not ResourceKind.EVENT:
        yield from _off_grid("grid", picked.slot, GRID_MIN)


@rule(
    "coarse_grid",
    needs="the slot",
    soft=True,
    policy=("grid_minutes",),
    sense=Sense.ORDERED,
    binds=Binds.LIMITED,
)
def coarse_grid(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Times go in the steps that the resource keeps, counted from the hour."""
    if picked.on.kind is not ResourceKind.EVENT and picked.on.grid_min > GRID_MIN:
        yield from _off_grid("coarse_grid", picked.slot, picked.on.grid_min)


def _off_grid(code: str, slot: Slot, step: int) -> Iterator[Violation]:
    for where, moment in (("starts_at", slot.starts_at), ("ends_at", slot.ends_at)):
        if moment.minute % step or moment.second or moment.microsecond:
            yield Violation(
                code,
                _("times go in steps of %(minutes)s minutes", minutes=step),
                where,
                step,
            )


@rule(
    "too_short",
    needs="the slot",
    soft=True,
    policy=("min_minutes", "lifted"),
    sense=Sense.ORDERED,
    lifted=True,
    binds=Binds.LIMITED,
)
def too_short(picked: Picked, now: datetime) -> Iterator[Violation]:
    """So many minutes are booked at a time at least."""
    least, length = picked.on.least_min, _length(picked)
    if least is not None and length < least and not picked.run.recipe_min:
        yield Violation(
            "too_short",
            _(
                "at least %(minutes)s min must be booked at a time, not %(asked)s; choose"
                " a later end",
                minutes=least,
                asked=length,
            ),
            "ends_at",
            least,
            length,
        )


@rule(
    "too_long",
    needs="the slot",
    soft=True,
    policy=("max_minutes", "lifted"),
    sense=Sense.ORDERED,
    lifted=True,
    binds=Binds.LIMITED,
)
def too_long(picked: Picked, now: datetime) -> Iterator[Violation]:
    """So many minutes are booked at a time at most."""
    most, length = picked.on.most_min, _length(picked)
    if most is not None and length > most and not picked.run.recipe_min:
        yield Violation(
            "too_long",
            _(
                "at most %(minutes)s min may be booked at a time, not %(asked)s; choose an"
                " earlier end, or hand in an order",
                minutes=most,
                asked=length,
            ),
            "ends_at",
            most,
            length,
        )


def _length(picked: Picked) -> int:
    return minutes(picked.slot.ends_at - picked.slot.starts_at)


@rule(
    "beyond_horizon",
    needs="the slot",
    soft=True,
    policy=("horizon_days",),
    sense=Sense.ORDERED,
    binds=Binds.LIMITED,
)
def beyond_horizon(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A stay begins within so many days from now."""
    days = picked.on.horizon_days
    if days is not None and picked.slot.starts_at > now + timedelta(days=days):
        latest = clock(now + timedelta(days=days), picked.zone)
        yield Violation(
            "beyond_horizon",
            _(
                "it can be booked %(days)s days ahead at most, now until %(latest)s; choose"
                " an earlier start, or hand in an order",
                days=days,
                latest=latest,
            ),
            "starts_at",
            days,
        )


@rule(
    "short_notice",
    needs="the slot",
    soft=True,
    policy=("notice_days", "notice_hours"),
    sense=Sense.ORDERED,
    binds=Binds.LIMITED,
)
def short_notice(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A stay is booked so long before it begins."""
    hours = picked.on.notice_hours
    if hours is not None and picked.slot.starts_at < now + timedelta(hours=hours):
        yield Violation(
            "short_notice",
            _(
                "it must be booked %(hours)s h ahead; start at %(earliest)s or later",
                hours=hours,
                earliest=clock(now + timedelta(hours=hours), picked.zone),
            ),
            "starts_at",
            hours,
        )


@rule("closed", needs="the calendar", soft=True, sense=Sense.NEAR)
def closed(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A stay keeps to the opening hours, as its capability demands."""
    if picked.on.kind is not ResourceKind.EVENT and not fits_hours(picked.slot, picked.on):
        yield Violation("closed", _closed(picked.on), "starts_at")


@rule("outage", needs="outages", sense=Sense.NEAR)
def out_of_order(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Nothing is booked while the resource is down."""
    if any(_meets(down, picked.slot) for down in picked.on.outages):
        yield outage(picked.on.name)


@rule("taken_back", needs="outages", policy=("take_back_hours",), sense=Sense.NEAR)
def taken_back(picked: Picked, now: datetime) -> Iterator[Violation]:
    """What its owner has taken back, the owner alone books."""
    for stretch in picked.on.taken_back:
        if _meets(stretch, picked.slot):
            yield Violation(
                "taken_back",
                _(
                    "the owner of %(name)s needs it himself in %(when)s; choose another"
                    " time",
                    name=picked.on.name,
                    when=spoken(stretch, picked.zone),
                ),
                "starts_at",
            )


def _meets(stretch: Stretch, slot: Slot) -> bool:
    return stretch[0] < slot.ends_at and slot.starts_at < stretch[1]


def outage(name: str) -> Violation:
    """Return what is said of a stay that meets an outage."""
    return Violation(
        "outage",
        _("%(name)s is down for part of that time; choose another", name=name),
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
