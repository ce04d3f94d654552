"""The one judge of slots: every path by which people book passes here."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from platform_booking.bookings import rules
from platform_booking.bookings.facts import Facts
from platform_booking.bookings.models import Booking
from platform_booking.bookings.picked import Picked
from platform_booking.errors import RulesBroken


def insist(found: Facts, *, reason: str, now: datetime) -> tuple[str, ...]:
    """Refuse a slot that breaks rules; return the soft ones that staff have set aside.

    Raises
    ------
    RulesBroken
        If rules are broken; all of them are listed.
    """
    return _insist(found.picked, reason=reason, staff=found.by_staff, now=now)


def insist_on_move(
    found: Facts, booking: Booking, *, reason: str, now: datetime
) -> tuple[str, ...]:
    """Refuse a booking's new place as `insist` does.

    What was declared and judged when it was booked, and stays as it is, is not asked again.
    """
    firm, member = found.organisation, found.member
    own = bool(firm and member and member.organisation_id == firm.id)
    picked = as_moved(found.picked, booking, own=own)
    return _insist(picked, reason=reason, staff=found.by_staff, now=now)


def as_moved(picked: Picked, booking: Booking, *, own: bool) -> Picked:
    """Return what the rules are asked of a booking's new place.

    `own` says that a member of the booking's organisation runs it.
    """
    on, by = picked.on, picked.by
    if booking.wafer_mm is None:
        on = replace(on, wafer_mm=())
    if on.licence_use is not None:
        on = replace(on, licence_use=None)
    return replace(picked, on=on, by=replace(by, project_named=False, runs_it=own))


def audited(set_aside: tuple[str, ...], reason: str) -> dict[str, Any]:
    """Return what the audit says of rules that were set aside; nothing if none were."""
    return {"set_aside": list(set_aside), "reason": reason} if set_aside else {}


def _insist(picked: Picked, *, reason: str, staff: bool, now: datetime) -> tuple[str, ...]:
    broken, set_aside = rules.remaining(
        list(rules.violations(picked, now=now)), reason=reason, staff=staff
    )
    if broken:
        raise RulesBroken(broken)
    return set_aside
