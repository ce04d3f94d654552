"""House rules for declaring an outage. Pure: plain values in, every broken rule out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.catalog.models import OutageKind
from platform_booking.errors import Violation

LONGEST = timedelta(days=366)
"""Longer than any overhaul: a typing error in a year must not close a tool for a decade."""

LATEST = timedelta(days=31)
"""How long after its beginning an outage may still be declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutage:
    """An outage to be declared."""

    starts_at: datetime
    ends_at: datetime
    kind: OutageKind
    reason: str


def outage_violations(new: NewOutage, *, now: datetime) -> Iterator[Violation]:
    """Yield every broken rule, so that all can be mended in one go."""
    if new.ends_at <= new.starts_at:
        yield Violation(
            "empty", _("the end must lie after the start; move one of them"), "ends_at"
        )
    elif new.ends_at - new.starts_at > LONGEST:
        yield Violation(
            "too_long",
            _("no outage is longer than a year; take the resource out of service"),
            "ends_at",
        )
    if new.ends_at <= now:
        yield Violation(
            "over", _("the end lies in the past; nothing would come of it"), "ends_at"
        )
    if new.starts_at < now - LATEST:
        yield Violation(
            "too_late",
            _("the start lies more than a month in the past; choose a later one"),
            "starts_at",
        )
    if not new.reason.strip():
        yield Violation(
            "reason", _("say why, so that those who wait know what to expect"), "reason"
        )
