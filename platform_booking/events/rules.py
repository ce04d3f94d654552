"""House rules for dated runs. Pure: plain values in, every broken rule out."""

from collections.abc import Iterator, Set
from datetime import datetime, timedelta, tzinfo

from flask_babel import gettext as _

from platform_booking.catalog.phases import MILESTONES
from platform_booking.errors import Violation
from platform_booking.events.asking import AskedRun

LONGEST = timedelta(days=366)
"""Longer than any campaign: a typing error in a year."""

MOST = 1_000_000_000
"""No run holds more units: a typing error rather than a wafer."""


def violations(
    run: AskedRun, *, classes: Set[str], now: datetime, zone: tzinfo, begins_anew: bool
) -> Iterator[Violation]:
    """Yield every broken rule. `begins_anew`: its start was just chosen."""
    yield from _times(run, now=now, begins_anew=begins_anew)
    yield from _amounts(run, classes)
    yield from _order(run, zone)


def bound_by_bookings(
    before: AskedRun, after: AskedRun, *, sold: int
) -> Iterator[Violation]:
    """Yield what the bookings of a run stand against."""
    if not sold:
        return
    for name in ("starts_at", "ends_at"):
        if getattr(before, name) != getattr(after, name):
            yield Violation(
                "booked_run",
                _(
                    "this run is booked, so its dates stay; call it off and date another"
                    " one"
                ),
                name,
                getattr(before, name).isoformat(),
            )
    if after.capacity < sold:
        yield below_sold(sold, after.capacity)


def below_sold(sold: int, capacity: int) -> Violation:
    """Return the refusal of a capacity that bookings exceed."""
    return Violation(
        "below_sold",
        _(
            "%(sold)s of this run are booked; the capacity cannot fall below that, unless"
            " bookings are cancelled first",
            sold=sold,
        ),
        "capacity",
        sold,
        capacity,
    )


def _times(run: AskedRun, *, now: datetime, begins_anew: bool) -> Iterator[Violation]:
    if run.ends_at <= run.starts_at:
        yield Violation(
            "empty", _("the end must lie after the start; move one of them"), "ends_at"
        )
    elif run.ends_at - run.starts_at > LONGEST:
        yield Violation(
            "over_a_year",
            _("a run takes a year at most; choose an earlier end"),
            "ends_at",
            LONGEST.days,
        )
    if begins_anew and run.starts_at <= now:
        yield Violation(
            "past", _("the start lies in the past; choose a later one"), "starts_at"
        )
    if run.closes_at is not None and run.closes_at > run.starts_at:
        yield Violation(
            "closes_late",
            _("registration closes before the run begins; choose an earlier time"),
            "closes_at",
            run.starts_at.isoformat(),
        )


def _amounts(run: AskedRun, classes: Set[str]) -> Iterator[Violation]:
    if not 1 <= run.capacity <= MOST:
        yield Violation(
            "capacity",
            _("write a capacity from 1 to %(most)s", most=MOST),
            "capacity",
            MOST,
            run.capacity,
        )
    if not 0 <= run.min_fill <= max(0, run.capacity):
        yield Violation(
            "min_fill",
            _("the least fill lies between 0 and the capacity"),
            "min_fill",
            run.capacity,
            run.min_fill,
        )
    for code, most in run.quotas.items():
        if code not in classes:
            yield Violation(
                "unknown_class",
                _(
                    "%(code)s is no priority class; known are %(known)s",
                    code=code,
                    known=", ".join(sorted(classes)),
                ),
                f"quotas.{code}",
            )
        elif not 0 <= most <= max(0, run.capacity):
            yield Violation(
                "class_quota",
                _(
                    "a class may hold from 0 to the capacity; mend that of %(code)s",
                    code=code,
                ),
                f"quotas.{code}",
                run.capacity,
                most,
            )


def _order(run: AskedRun, zone: tzinfo) -> Iterator[Violation]:
    """Milestones come in their order: closing, upload, frozen, wafer start, out."""
    latest = (
        "" if run.closes_at is None else run.closes_at.astimezone(zone).date().isoformat()
    )
    for name in MILESTONES:
        day = run.phases.get(name)
        if day is None:
            continue
        if day < latest:
            yield Violation(
                "phase_order",
                _(
                    "milestones follow one another: registration closes, upload opens and"
                    " closes, frozen, wafer start, out; choose %(day)s or later",
                    day=latest,
                ),
                f"phases.{name}",
                latest,
                day,
            )
        latest = max(latest, day)
