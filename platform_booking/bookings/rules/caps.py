"""How much of a resource one member may hold."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.bookings.picked import Picked, Stretch
from platform_booking.bookings.rules.registry import Binds, Sense, rule
from platform_booking.bookings.rules.stretches import (
    capped,
    clock,
    local_days,
    minutes,
    overlap,
    spoken,
)
from platform_booking.errors import Violation

_OWN = "the member's stays on the resource"


@rule(
    "per_day",
    needs=_OWN,
    soft=True,
    policy=("per_day", "lifted"),
    sense=Sense.NEAR,
    binds=Binds.MEMBER,
    lifted=True,
)
def per_day(picked: Picked, now: datetime) -> Iterator[Violation]:
    """So many stays touch a local day: over midnight on both days, a missed one, too."""
    most, zone = picked.on.per_day, picked.zone
    if most is None:
        return
    stays = [
        set(local_days(stay, zone))
        for stay in capped((*picked.by.held, *picked.by.past), picked)
    ]
    for day in local_days(picked.slot.stretch, zone):
        same = sum(day in days for days in stays)
        if same >= most:
            yield Violation(
                "per_day",
                _(
                    "at most %(number)s stays may touch one day, and on %(day)s you have"
                    " %(held)s; choose another day",
                    number=most,
                    day=day.isoformat(),
                    held=same,
                ),
                "starts_at",
                most,
                same + 1,
            )
            return


@rule(
    "future_bookings",
    needs=_OWN,
    soft=True,
    policy=("future_bookings", "lifted"),
    sense=Sense.NEAR,
    binds=Binds.MEMBER,
    lifted=True,
)
def future_bookings(picked: Picked, now: datetime) -> Iterator[Violation]:
    """So many stays of one member lie ahead."""
    most, ahead = picked.on.future_count, len(capped(picked.by.held, picked))
    if most is not None and ahead >= most:
        yield Violation(
            "future_bookings",
            _(
                "you may hold %(number)s bookings ahead on it and have %(held)s; wait until"
                " one is over, or cancel one",
                number=most,
                held=ahead,
            ),
            "starts_at",
            most,
            ahead + 1,
        )


@rule(
    "future_minutes",
    needs=_OWN,
    soft=True,
    policy=("future_minutes", "lifted"),
    sense=Sense.NEAR,
    binds=Binds.MEMBER,
    lifted=True,
)
def future_minutes(picked: Picked, now: datetime) -> Iterator[Violation]:
    """So many minutes of one member lie ahead."""
    if picked.on.future_min is None:
        return
    held = minutes(
        sum((e - b for b, e in capped(picked.by.held, picked)), start=timedelta(0))
    )
    ahead = held + minutes(picked.slot.ends_at - picked.slot.starts_at)
    if ahead > picked.on.future_min:
        yield Violation(
            "future_minutes",
            _(
                "you may hold %(minutes)s min ahead on it and have %(held)s; cancel another"
                " booking, or hand in an order",
                minutes=picked.on.future_min,
                held=held,
            ),
            "ends_at",
            picked.on.future_min,
            ahead,
        )


@rule(
    "gap",
    needs=_OWN,
    soft=True,
    policy=("gap_minutes", "lifted"),
    sense=Sense.NEAR,
    binds=Binds.MEMBER,
    lifted=True,
)
def gap(picked: Picked, now: datetime) -> Iterator[Violation]:
    """So much time lies between two stays of one member."""
    if picked.on.gap_min is None:
        return
    slot, apart = picked.slot, timedelta(minutes=picked.on.gap_min)
    for begins, ends in capped(picked.by.held, picked):
        if slot.starts_at - ends < apart and begins - slot.ends_at < apart:
            yield Violation(
                "gap",
                _(
                    "%(minutes)s min must lie between two of your stays, and you have"
                    " %(other)s; choose another time",
                    minutes=picked.on.gap_min,
                    other=spoken((begins, ends), picked.zone),
                ),
                "starts_at",
                picked.on.gap_min,
            )
            return


@rule(
    "rolling",
    needs=_OWN,
    soft=True,
    policy=("rolling", "lifted"),
    sense=Sense.NEAR,
    binds=Binds.MEMBER,
    lifted=True,
)
def rolling(picked: Picked, now: datetime) -> Iterator[Violation]:
    """In no span of so many days has one member more than so many minutes."""
    stays = capped((*picked.by.held, *picked.by.past), picked)
    for most, days in picked.on.rolling:
        fullest = fullest_span(picked.slot.stretch, stays, timedelta(days=days))
        if fullest > most:
            yield Violation(
                "rolling",
                _(
                    "at most %(minutes)s min are for one member in any %(days)s days; with"
                    " this stay it would be %(actual)s. Choose an earlier end or another"
                    " time",
                    minutes=most,
                    days=days,
                    actual=fullest,
                ),
                "ends_at",
                most,
                fullest,
            )


def fullest_span(stay: Stretch, others: list[Stretch], length: timedelta) -> int:
    """Return the most minutes in any span of that length that meets the stay.

    A fullest span begins where a stay begins or ends where one ends.
    """
    every = [stay, *others]
    starts = {s for s, _e in every} | {e - length for _s, e in every}
    return max(
        (
            minutes(sum((overlap((s, s + length), x) for x in every), start=timedelta(0)))
            for s in starts
            if s < stay[1] and stay[0] < s + length
        ),
        default=0,
    )


@rule(
    "banned",
    needs="the member's missed bookings on the platform",
    soft=True,
    policy=("no_show_limit", "no_show_days", "ban_days"),
    binds=Binds.MEMBER,
)
def banned(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Who lets so many bookings go unused within some days is barred for some days."""
    on = picked.on
    if on.no_show_limit is None:
        return
    until = barred_until(
        picked.by.no_shows,
        limit=on.no_show_limit,
        within=timedelta(days=on.no_show_days),
        length=timedelta(days=on.ban_days),
    )
    if until is not None and now < until:
        yield Violation(
            "banned",
            _(
                "you left %(number)s bookings unused within %(days)s days, so you cannot"
                " book here until %(until)s; talk to the platform's staff",
                number=on.no_show_limit,
                days=on.no_show_days,
                until=clock(until, picked.zone),
            ),
            "resource_id",
            on.no_show_limit,
            len(picked.by.no_shows),
        )


def barred_until(
    missed: tuple[datetime, ...], *, limit: int, within: timedelta, length: timedelta
) -> datetime | None:
    """Return when the latest bar ends; None if there was none."""
    times = sorted(missed)
    bars = [
        times[n] + length
        for n in range(limit - 1, len(times))
        if times[n] - times[n - limit + 1] <= within
    ]
    return max(bars, default=None)


@rule(
    "one_seat",
    needs=_OWN,
    policy=("grants",),
    sense=Sense.ORDERED,
    binds=Binds.MEMBER,
)
def one_seat(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Of a class that grants a qualification, each member takes one seat: his own."""
    slot, on = picked.slot, picked.on
    if not on.is_class:
        return
    own = any(overlap(stay, slot.stretch) for stay in picked.by.held)
    if own or slot.quantity > 1:
        yield Violation(
            "one_seat",
            _(
                "you have a seat in this class already; a colleague who wants one books it"
                " himself"
            )
            if own
            else _(
                "a class qualifies the person who sits in it: ask for one seat; colleagues"
                " book their own"
            ),
            "occurrence_id" if own else "quantity",
            1,
            slot.quantity + own,
        )
