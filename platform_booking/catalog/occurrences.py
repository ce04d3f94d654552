"""When a dated run of the catalogue takes place. Pure.

A file gives dates, or days from the day of its first load: so that a demonstration has
runs ahead whenever it begins.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from platform_booking.catalog.filefields import minute_of_day
from platform_booking.catalog.fileformat import PHASES

Entry = Mapping[str, Any]


def day_of(entry: Entry, *, today: date) -> date:
    """Return the date on which a run begins, when the file is loaded `today`."""
    given: date | None = entry["date"]
    return given or today + timedelta(days=entry["day"])


def dated(
    entry: Entry, *, first: datetime | None, now: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    """Return start, end, close of registration and milestones of a run.

    `first` is when a run that is known already begins: days are then reckoned so that its
    date stays. Registration closes as its day begins.
    """
    today = now.astimezone(zone).date()
    if first is not None and entry["day"] is not None:
        today = first.astimezone(zone).date() - timedelta(days=entry["day"])
    minute = minute_of_day(entry["time"]) or 0
    begins = datetime.combine(
        day_of(entry, today=today), time(minute // 60, minute % 60), zone
    ).astimezone(UTC)
    closes = _on(entry, "closes", today)
    phases: dict[str, Any] = {
        name: on.isoformat()
        for name in PHASES
        if (on := _on(entry["phases"], name, today)) is not None
    }
    if entry["phases"]["least_fill"] is not None:
        phases["least_fill"] = entry["phases"]["least_fill"]
    return {
        "starts_at": begins,
        "ends_at": begins + timedelta(minutes=entry["minutes"]),
        "closes_at": None if closes is None else datetime.combine(closes, time(), zone),
        "phases": phases,
        "min_fill": _least(entry),
        "quotas": dict(entry["quotas"]),
    }


def _least(entry: Entry) -> int:
    """Return with how much a run takes place: in units, or as a share of its capacity."""
    if entry["min_fill"] is not None:
        return int(entry["min_fill"])
    capacity: int = entry["capacity"]
    share: float = entry["phases"]["least_fill"] or 0
    return ceil(capacity * share)


def _on(place: Entry, name: str, today: date) -> date | None:
    if place[f"{name}_date"] is not None:
        given: date = place[f"{name}_date"]
        return given
    days = place[f"{name}_day"]
    return None if days is None else today + timedelta(days=days)
