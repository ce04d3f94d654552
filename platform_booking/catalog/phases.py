"""Where a dated run stands at an instant. Pure.

Its milestones are dates in the park's zone; each begins with its day. Those that a run has
not are passed over: a class closes for registration, takes place, and is out.
"""

from datetime import UTC, date, datetime, time, tzinfo
from enum import StrEnum
from typing import Any, Protocol

MILESTONES = ("upload_opens", "upload_closes", "frozen", "wafer_start", "out")
"""Dates of a run, in the order in which they come."""


class Phase(StrEnum):
    """Where a dated run stands."""

    OPEN = "open"
    CLOSED = "registration_closed"
    UPLOAD = "upload"
    MERGING = "merging"
    FROZEN = "frozen"
    OUT = "out"
    CALLED_OFF = "called_off"


class Dated(Protocol):
    """What is known of a run."""

    starts_at: Any
    ends_at: Any
    closes_at: Any
    phases: Any
    called_off_at: Any


def phase_of(run: Dated, *, now: datetime, zone: tzinfo) -> Phase:
    """Return the phase in which a run is."""
    if run.called_off_at is not None:
        return Phase.CALLED_OFF
    begun = {
        name: at <= now
        for name in MILESTONES
        if (at := _day_begins(run.phases.get(name), zone)) is not None
    }
    if begun.get("out", run.ends_at <= now and not begun):
        return Phase.OUT
    if begun.get("wafer_start") or begun.get("frozen"):
        return Phase.FROZEN
    if begun.get("upload_closes"):
        return Phase.MERGING
    if (run.closes_at or run.starts_at) > now:
        return Phase.OPEN
    return Phase.UPLOAD if begun.get("upload_opens") else Phase.CLOSED


def _day_begins(day: object, zone: tzinfo) -> datetime | None:
    if not isinstance(day, str):
        return None
    return datetime.combine(date.fromisoformat(day), time(), zone).astimezone(UTC)
