"""Who may wait for what, and how long an offer stands. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

from flask_babel import gettext as _

from platform_booking.errors import Violation

MOST_OPEN = 10
"""Open entries of one member; what an outage has displaced does not count."""

OFFER_MINUTES = 60
LEAST_TO_ANSWER = timedelta(minutes=5)
"""Nothing is offered that leaves less time to answer."""

DISPLACED_ANSWER = timedelta(hours=24)
"""How long at least an offer stands to whom an outage has displaced; see `awake_after`."""

AWAKE = (8, 20)
LEAST_AWAKE = timedelta(hours=4)
"""What the displaced are left to answer at least, of the hours in which people are up."""

LEAST_TO_COUNT = timedelta(minutes=30)
"""An offer that nobody answers, and that stood for less, counts for nobody as let go."""

MOST_PASSED = 3
"""After so many offers that were let go an entry is withdrawn."""

SHARE_DAYS = 28
FIRST_RIGHT_DAYS = 14
LONGEST_WINDOW = timedelta(days=366)
GRID_MIN = 5

# What another day may bring: nobody is kept from waiting by it.
_CHANGES = frozenset(
    {
        "outage", "taken_back", "gap", "per_day", "rolling", "quota", "future_bookings",
        "future_minutes", "promised_as_buddy", "area_needed", "short_notice", "cut_off",
        "past", "occurrence_required", "no_occurrence", "registration_closed",
        "class_quota",
    }
)  # fmt: skip
# What another place within the window may please.
_OF_THE_PLACE = frozenset(
    {"closed", "coarse_grid", "class_window", "level_hours", "buddy_needed"}
)

_FIELDS = {"starts_at": "from", "ends_at": "to"}


def entry_violations(
    *,
    from_at: datetime,
    to_at: datetime,
    minutes: int,
    open_entries: int,
    horizon_at: datetime | None,
    first_start: datetime,
) -> Iterator[Violation]:
    """Yield what is wrong with an entry as such, so that all can be mended in one go."""
    length = timedelta(minutes=max(minutes, 1))
    if minutes < 1 or minutes % GRID_MIN:
        yield Violation(
            "grid", _("give a whole number of 5-minute steps, such as 60"), "minutes"
        )
    if to_at - from_at < length:
        yield Violation(
            "window",
            _(
                "the window is shorter than the stay, %(minutes)s min; end it later, or ask"
                " for less time",
                minutes=minutes,
            ),
            "to",
        )
    elif to_at - from_at > LONGEST_WINDOW:
        yield Violation("window", _("nobody waits longer than a year; end it sooner"), "to")
    elif to_at < first_start + length:
        yield Violation(
            "too_late",
            _("the window is over before an offer could be answered; end it later"),
            "to",
        )
    if horizon_at is not None and to_at > horizon_at:
        yield Violation(
            "beyond_horizon",
            _("the window ends beyond what may be booked by now; end it sooner"),
            "to",
        )
    if open_entries >= MOST_OPEN:
        yield Violation(
            "waits_enough",
            _(
                "you wait in %(most)s places already; withdraw one of them first",
                most=MOST_OPEN,
            ),
        )


def waits_already(name: str, from_time: str, to_time: str) -> Violation:
    """Return what is said to whoever would wait twice for the same thing."""
    return Violation(
        "waits_already",
        _(
            "you wait for %(name)s already, from %(from_time)s to %(to_time)s; withdraw"
            " that wish first, or choose a window beside it",
            name=name,
            from_time=from_time,
            to_time=to_time,
        ),
        "from",
    )


def free_now(name: str, from_time: str, to_time: str) -> Violation:
    """Return what is said to whoever would wait for what is free."""
    return Violation(
        "free_now",
        _(
            "%(name)s is free from %(from_time)s to %(to_time)s; book that instead of"
            " waiting",
            name=name,
            from_time=from_time,
            to_time=to_time,
        ),
        "from",
    )


def lasting(broken: Iterable[Violation], *, one_place: bool) -> list[Violation]:
    """Return of what a stay breaks that which no other day or place will mend.

    Told with the fields of a window: `from` and `to`.
    """
    mended = _CHANGES if one_place else _CHANGES | _OF_THE_PLACE
    return [
        replace(violation, where=_FIELDS.get(violation.where, violation.where))
        for violation in broken
        if violation.rule not in mended
    ]


def notice(policy: Mapping[str, Any]) -> timedelta:
    """Return how long before its start a stay must be booked."""
    return max(
        timedelta(days=policy.get("notice_days", 0)),
        timedelta(hours=policy.get("notice_hours", 0)),
    )


def horizon(policy: Mapping[str, Any], *, now: datetime) -> datetime | None:
    """Return by when a stay may start that is booked now; None for no such bound."""
    days = policy.get("horizon_days")
    return None if days is None else now + timedelta(days=days)


def respond_by(
    policy: Mapping[str, Any],
    *,
    starts_at: datetime,
    first_right: bool = False,
    now: datetime,
) -> datetime:
    """Return until when an offer that is made now stands."""
    stands = timedelta(minutes=policy.get("offer_minutes", OFFER_MINUTES))
    if first_right:
        stands = max(stands, DISPLACED_ANSWER)
    return min(now + stands, starts_at - notice(policy))


def first_start(
    policy: Mapping[str, Any],
    *,
    first_right: bool = False,
    now: datetime,
    zone: tzinfo = UTC,
) -> datetime:
    """Return the first start that leaves time to answer an offer."""
    by = awake_after(now, LEAST_AWAKE, zone) if first_right else now + LEAST_TO_ANSWER
    return by + notice(policy)


def awake_after(since: datetime, length: timedelta, zone: tzinfo) -> datetime:
    """Return when so much time has passed by day, in hours in which people are up."""
    day = since.astimezone(zone).date()
    while True:
        begins, ends = (datetime.combine(day, time(h), zone) for h in AWAKE)
        begins = max(begins, since)
        if ends - begins >= length:
            return (begins + length).astimezone(UTC)
        length -= max(ends - begins, timedelta())
        day += timedelta(days=1)


def counts_as_passed(offered_at: datetime, respond_by: datetime) -> bool:
    """Tell whether silence to an offer counts as having let it go."""
    return respond_by - offered_at >= LEAST_TO_COUNT


def apart_from(
    window: tuple[datetime, datetime],
    let_go: Iterable[tuple[datetime, datetime]],
    *,
    minutes: int,
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of a window, long enough, that meet no place that was let go."""
    begins, ends = window
    length = timedelta(minutes=minutes)
    for from_at, to_at in sorted(let_go):
        if to_at <= begins or from_at >= ends:
            continue
        if from_at - begins >= length:
            yield begins, from_at
        begins = max(begins, to_at)
    if ends - begins >= length:
        yield begins, ends
