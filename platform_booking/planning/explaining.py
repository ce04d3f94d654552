"""The solver's reasons as pages and the API keep them: instants, codes, nobody's name."""

from collections.abc import Iterable
from typing import Any

from platform_booking.planning.snapshot import Snapshot
from solver.allocation import Reason, Relaxation, ShadowPrice, WayOut


def detail(reason: Reason, snapshot: Snapshot) -> dict[str, Any]:
    """Return where an order's way is barred, ready for JSON."""
    grid = snapshot.park.grid
    return {
        "step": _position(reason.job, reason.step, snapshot),
        "blocked": [
            {
                "resource": b.resource,
                "from": grid.at(b.interval[0]).isoformat(),
                "to": grid.at(b.interval[1]).isoformat(),
                "occupant": b.occupant,
            }
            for b in reason.blocked
        ],
    }


def prices(found: Iterable[ShadowPrice], snapshot: Snapshot) -> list[list[Any]]:
    """Return where time is scarce, ready for JSON: resource, from, to, value of a slot."""
    grid = snapshot.park.grid
    return [
        [
            p.resource,
            grid.at(p.interval[0]).isoformat(),
            grid.at(p.interval[1]).isoformat(),
            p.price,
        ]
        for p in found
    ]


def ways_out(reason: Reason, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return what would bring an order in, cheapest first, ready for JSON.

    `minutes` says by how much a date must give way, `quantity` what would fit or fill
    a run.
    """
    return [_way_out(reason.job, way, snapshot) for way in reason.ways_out]


def _way_out(job: str, way: WayOut, snapshot: Snapshot) -> dict[str, Any]:
    grid = snapshot.park.grid
    quantity = way.relaxation in (
        Relaxation.SMALLER_QUANTITY,
        Relaxation.LARGER_QUANTITY,
    )
    return {
        "relaxation": way.relaxation.value,
        "step": _position(job, way.step, snapshot),
        "minutes": 0 if quantity else way.amount * grid.minutes,
        "quantity": way.amount if quantity else None,
        "resource": way.resource,
        "starts_at": grid.at(min(p.start for p in way.placements)).isoformat(),
        "ends_at": grid.at(max(p.end for p in way.placements)).isoformat(),
    }


def _position(job: str, step: int | None, snapshot: Snapshot) -> int | None:
    """Return the id of the order's step that a step of the job stands for."""
    return None if step is None else snapshot.asked[job].parts[step].step_id
