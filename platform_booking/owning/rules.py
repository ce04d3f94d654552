"""House rules for taking time back. Pure: plain values in, every broken rule out."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.errors import Violation

NOTICE_HOURS = 72
"""How far ahead an owner says so where the resource's policy does not."""

LONGEST = timedelta(days=366)
"""Longer than any campaign: who needs it for good stops opening it."""


def taking_back(
    starts_at: datetime, ends_at: datetime, *, notice_hours: int, now: datetime
) -> Iterator[Violation]:
    """Yield every broken rule. Nobody's consent is asked for, but notice is kept."""
    if ends_at <= starts_at:
        yield Violation(
            "empty", _("the end must lie after the start; move one of them"), "ends_at"
        )
    elif ends_at - starts_at > LONGEST:
        yield Violation(
            "over_a_year",
            _("time is taken back for a year at most; choose an earlier end"),
            "ends_at",
            LONGEST.days,
        )
    if starts_at < now + timedelta(hours=notice_hours):
        yield Violation(
            "short_notice",
            _(
                "time is taken back %(hours)s h ahead at the latest, for others rely on it;"
                " choose a later start",
                hours=notice_hours,
            ),
            "starts_at",
            notice_hours,
        )
