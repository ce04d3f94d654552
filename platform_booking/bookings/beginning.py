"""How a booking begins, by the resource's policy. Pure.

`approval_hours`
    A slot that a person picks is a request first; it lapses unless it is answered within so
    many hours, and by its start at the latest.
`confirm_hours`, `confirm_until_hours`
    From so many hours before the start on, its owner is asked to confirm it once more; it
    lapses unless he does so until `confirm_until_hours` (2) before the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _

from platform_booking.bookings.states import BookingState
from platform_booking.errors import Violation

CONFIRM_UNTIL_HOURS = 2


@dataclass(frozen=True, slots=True)
class Beginning:
    """The state in which a booking begins, and by when somebody must answer."""

    state: BookingState
    respond_by: datetime | None = None
    confirm_by: datetime | None = None


def beginning(
    policy: Mapping[str, Any], *, starts_at: datetime, now: datetime, by_staff: bool
) -> Beginning:
    """Return how a slot begins. What the platform's staff book needs nobody's approval."""
    hours = policy.get("approval_hours")
    if hours is None or by_staff:
        confirm_by = confirmation_due(policy, starts_at=starts_at, now=now)
        return Beginning(BookingState.CONFIRMED, confirm_by=confirm_by)
    answer_by = min(now + timedelta(hours=hours), starts_at)
    return Beginning(BookingState.REQUESTED, respond_by=answer_by)


def approved_for_another(
    policy: Mapping[str, Any],
    state: BookingState,
    *,
    was: tuple[datetime, datetime],
    becomes: tuple[datetime, datetime],
    by_staff: bool,
) -> Violation | None:
    """Return why a booking may not leave its approved time; None if it may.

    Within that time it may shrink. A request moves freely: nobody has answered it yet.
    """
    if "approval_hours" not in policy or by_staff or state is BookingState.REQUESTED:
        return None
    if was[0] <= becomes[0] and becomes[1] <= was[1]:
        return None
    return Violation(
        "approved_for_another",
        _(
            "it was approved for its time; ask the platform’s staff to move it, or cancel"
            " it and request the other time"
        ),
        "starts_at",
    )


def confirmation_due(
    policy: Mapping[str, Any], *, starts_at: datetime, now: datetime
) -> datetime | None:
    """Return by when a booking made now must be confirmed once more; None if it need not.

    Who books when the time of asking has begun already has just said that he comes.
    """
    hours = policy.get("confirm_hours")
    if hours is None or starts_at - timedelta(hours=hours) <= now:
        return None
    until = policy.get("confirm_until_hours", CONFIRM_UNTIL_HOURS)
    return starts_at - timedelta(hours=min(until, hours))
