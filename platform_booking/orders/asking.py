"""What is asked of orders, as frozen values between the layers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

Window = tuple[datetime, datetime]
"""Aware instants, half open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """One operation asked for. What is None is derived from the catalogue and the lot."""

    capability: str  # code
    name: str = ""
    duration_min: int | None = None  # None: the recipe's, else what is typical there
    quantity: int | None = None  # None: the lot size on a batch resource, else 1
    wafer_mm: int | None = None  # None: the lot's
    materials_class: str | None = None  # None: as the lot comes from the step before
    resources: tuple[str, ...] = ()  # codes; () for any that is able
    windows: tuple[Window, ...] = ()  # () for the order's own
    lag_min_min: int = 0  # from the end of the step before
    lag_max_min: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to be handed in: a whole route, or steps of one's own."""

    title: str
    earliest_at: datetime
    deadline_at: datetime
    due_at: datetime | None = None
    project_id: UUID | None = None
    route: str | None = None  # code or public id; steps are () then
    steps: tuple[NewStep, ...] = ()
    lot_size: int | None = None  # None: the route's, else 1
    wafer_mm: int | None = None  # None: the route's
    materials_class: str | None = None  # None: the route's, else the least clean
    flags: tuple[str, ...] = ()  # materials that the lot has seen, beside the route's
    note: str = ""


def as_data(new: NewOrder) -> dict[str, Any]:
    """Return what was asked for, as the API takes it: ready for JSON."""
    return {
        "title": new.title,
        "earliest_at": _instant(new.earliest_at),
        "due_at": _instant(new.due_at) if new.due_at else None,
        "deadline_at": _instant(new.deadline_at),
        "project_id": str(new.project_id) if new.project_id else None,
        "route": new.route,
        "steps": [
            {
                "capability": step.capability,
                "name": step.name,
                "duration_min": step.duration_min,
                "quantity": step.quantity,
                "wafer_mm": step.wafer_mm,
                "materials_class": step.materials_class,
                "resources": list(step.resources),
                "windows": [
                    {"starts_at": _instant(a), "ends_at": _instant(b)}
                    for a, b in step.windows
                ],
                "lag_min_min": step.lag_min_min,
                "lag_max_min": step.lag_max_min,
            }
            for step in new.steps
        ],
        "lot_size": new.lot_size,
        "wafer_mm": new.wafer_mm,
        "materials_class": new.materials_class,
        "flags": list(new.flags),
        "note": new.note,
    }


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
