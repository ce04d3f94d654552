"""When what may be done with a booking, by the resource's policy. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import gettext as _

from platform_booking.bookings.states import BookingState
from platform_booking.errors import Violation

SLOT = timedelta(minutes=5)
"""Ends lie on whole slots. Source: DECISIONS 1."""

CHECKIN_EARLY_MINUTES = 15
LONGEST_EXTENSION = timedelta(hours=24)
FORGOTTEN = timedelta(minutes=30)
"""Who has not checked out so long after the end has forgotten to."""

# What is said of a slot and not of the person who runs it: a hand-over changes no slot.
OF_THE_SLOT = frozenset(
    {
        "past", "short_notice", "cut_off", "beyond_horizon", "too_short", "too_long",
        "too_far", "recipe_length", "over_a_year", "grid", "closed", "outage", "empty",
        "wafers_undeclared", "wafer_size", "recipe_wafer_size", "materials_class",
        "material_flags",
        "class_window", "inactive", "unknown_project", "quantity", "registration_closed",
        "no_recipe", "recipe_required", "no_occurrence", "occurrence_required",
        "area_needed", "taken_back",
    }
)  # fmt: skip
# What is judged of the piece by which a stay grows; the rest is judged of the whole stay.
OF_THE_PIECE = frozenset(
    {
        "closed", "outage", "grid", "class_window", "taken_back", "level_hours",
        "buddy_needed", "buddy_elsewhere", "area_needed",
    }
)  # fmt: skip
# What a stay that has begun cannot meet any more, and need not.
BEFORE_THE_START = frozenset(
    {
        "past", "short_notice", "cut_off", "wafers_undeclared", "too_short",
        "beyond_horizon",
    }
)  # fmt: skip


def checkin_opens(policy: Mapping[str, Any], starts_at: datetime) -> datetime:
    """Return from when on one may check in."""
    early = policy.get("checkin_early_minutes", CHECKIN_EARLY_MINUTES)
    return starts_at - timedelta(minutes=early)


def missed_after(policy: Mapping[str, Any], starts_at: datetime) -> datetime | None:
    """Return after when a stay that nobody has begun is a no-show; None if it never is."""
    minutes = policy.get("no_show_minutes")
    return None if minutes is None else starts_at + timedelta(minutes=minutes)


def confirmation_opens(policy: Mapping[str, Any], starts_at: datetime) -> datetime:
    """Return from when on one may confirm a booking once more."""
    return starts_at - timedelta(hours=policy.get("confirm_hours", 0))


def next_slot(moment: datetime) -> datetime:
    """Return a moment rounded up to the next whole slot."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    slots = -((epoch - moment) // SLOT)
    return epoch + slots * SLOT


def freed_from(*, starts_at: datetime, ends_at: datetime, now: datetime) -> datetime:
    """Return from when on the rest of a stay is free, when it ends now."""
    return min(ends_at, max(next_slot(now), starts_at + SLOT))


def why_not_begun(
    state: BookingState,
    *,
    opens: datetime,
    ends_at: datetime,
    opens_local: str,
    now: datetime,
) -> Iterator[Violation]:
    """Yield what keeps a booking from being checked in."""
    if state is BookingState.REQUESTED:
        yield Violation(
            "unanswered",
            _("the platform has not approved it yet; ask its staff to answer the request"),
        )
    elif state is BookingState.OFFERED:
        yield Violation(
            "unanswered",
            _("it is an offer of the waiting list; accept it there first"),
        )
    elif state is not BookingState.CONFIRMED:
        yield Violation(
            "not_to_begin",
            _(
                "it is in use, over or cancelled already; book another slot if you need"
                " more time"
            ),
        )
    elif now < opens:
        yield Violation(
            "too_early", _("check-in opens at %(time)s; come back then", time=opens_local)
        )
    elif now >= ends_at:
        yield Violation("over", _("its time is over; book another slot"))


def extension_violations(minutes: int) -> Iterator[Violation]:
    """Yield what is wrong with the minutes by which a stay is to grow."""
    if minutes <= 0 or minutes % 5:
        yield Violation(
            "grid", _("give a whole number of 5-minute steps, such as 30"), "minutes"
        )
    elif timedelta(minutes=minutes) > LONGEST_EXTENSION:
        yield Violation(
            "too_long",
            _("no stay grows by more than a day at once; book another slot instead"),
            "minutes",
        )
