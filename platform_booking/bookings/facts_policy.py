"""What the rules must know of a resource: from its row and its policy."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from platform_booking.bookings.picked import Bookable, ClassWindow, Slot, Stretch
from platform_booking.bookings.rules import beyond_sense
from platform_booking.catalog.hours import (
    Hours,
    attended_hours,
    opening_hours,
    spans,
    week_of,
)
from platform_booking.catalog.models import (
    Occurrence,
    Recipe,
    Resource,
    ResourceKind,
    StayRule,
)
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import named

CAPPED = (
    "per_day", "future_bookings", "future_minutes", "gap_minutes", "rolling", "grants",
)  # fmt: skip
"""Keys of a policy that limit what one member holds: two of his requests must not meet."""


def bookable(
    resource: Resource,
    slot: Slot,
    *,
    recipe: Recipe | None,
    occurrence: Occurrence | None,
    outages: Sequence[Stretch],
    taken_back: Sequence[Stretch],
    now: datetime,
    zone: ZoneInfo,
) -> Bookable:
    """Return what the rules must know of a resource for one slot."""
    policy = resource.policy
    uses = policy.get("licence_use")
    return Bookable(
        name=named(resource),
        kind=resource.kind,
        stay=resource.stay_rule,
        capacity=capacity_of(resource, recipe, occurrence),
        active=resource.active,
        self_run=resource.self_run,
        wafer_mm=tuple(resource.wafer_mm),
        class_rank=resource.class_rank,
        flags_allowed=(
            None if resource.flags_allowed is None else frozenset(resource.flags_allowed)
        ),
        grid_min=policy.get("grid_minutes", 5),
        least_min=policy.get("min_minutes"),
        most_min=policy.get("max_minutes"),
        horizon_days=policy.get("horizon_days"),
        notice_hours=notice_hours(policy),
        cutoff_hours=policy.get("cutoff_hours"),
        per_day=policy.get("per_day"),
        future_min=policy.get("future_minutes"),
        future_count=policy.get("future_bookings"),
        gap_min=policy.get("gap_minutes"),
        rolling=tuple((cap["minutes"], cap["days"]) for cap in policy.get("rolling", ())),
        lifted=_weekly(policy.get("lifted")),
        class_windows=tuple(_window(w) for w in policy.get("class_windows", ())),
        offhours=_weekly(resource.calendar.offhours) if policy.get("buddy", True) else None,
        requires=tuple(policy.get("requires", ())),
        licence_use=None if uses is None else frozenset(uses),
        nda_needed=policy.get("nda_needed", False),
        no_show_limit=policy.get("no_show_limit"),
        no_show_days=policy.get("no_show_days", 90),
        ban_days=policy.get("ban_days", 30),
        is_class="grants" in policy,
        least_quantity=policy.get("min_area_001mm2", 1),
        quantity_step=policy.get("area_step_001mm2", 1),
        opening=_opening(resource, slot, now=now, zone=zone),
        outages=tuple(outages),
        taken_back=tuple(taken_back),
    )


def capacity_of(
    resource: Resource, recipe: Recipe | None, occurrence: Occurrence | None
) -> int:
    """Return how much a resource takes at once, in a run of that recipe or on that date."""
    if resource.kind is ResourceKind.BATCH and recipe is not None:
        return recipe.capacity
    if resource.kind is ResourceKind.EVENT and occurrence is not None:
        return occurrence.capacity
    return resource.capacity


def is_staff(actor: Actor, resource: Resource) -> bool:
    """Tell whether somebody operates the platform of a resource, or the park."""
    return actor.is_park or resource.platform_id in actor.platform_ids


def notice_hours(policy: Mapping[str, Any]) -> int | None:
    """Return how many hours ahead a booking is made at the latest; None for any."""
    hours: int = max(24 * policy.get("notice_days", 0), policy.get("notice_hours", 0))
    return hours or None


def look_back_days(policy: Mapping[str, Any]) -> int:
    """Return how many days before a stay the member's other stays may matter."""
    days: int = max([1, *(cap["days"] for cap in policy.get("rolling", ()))])
    return days


def _opening(
    resource: Resource, slot: Slot, *, now: datetime, zone: ZoneInfo
) -> tuple[Stretch, ...]:
    if beyond_sense(slot, now=now):
        return ()
    ends = resource.stay_rule is StayRule.ENDS
    hours = attended_hours(resource.calendar) if ends else opening_hours(resource.calendar)
    return tuple(spans(hours, from_at=slot.starts_at, to_at=slot.ends_at, zone=zone))


def _window(told: Mapping[str, Any]) -> ClassWindow:
    return ClassWindow(
        classes=frozenset(told.get("classes", ())),
        flags=frozenset(told.get("flags", ())),
        hours=Hours(week=week_of(told["hours"]), keeps_holidays=False),
    )


def _weekly(week: Mapping[str, Any] | None) -> Hours | None:
    return Hours(week=week_of(week), keeps_holidays=False) if week else None
