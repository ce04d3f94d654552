"""What the solver found, as rows of placements: instants and ids instead of slots. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_booking.orders.snapshot import Asked
from platform_booking.planning.components import Use, components
from platform_booking.planning.snapshot import Held, Snapshot
from platform_booking.planning.states import Change
from solver.problem import Placement

NO_COMPONENT = -1  # of what stays where it is: there is nothing to publish

Chosen = Mapping[str, tuple[Placement, ...]]  # by id of the job
Row = dict[str, Any]  # a column of PlacementRow each


@dataclass(frozen=True, slots=True)
class Proposal:
    """Every placement as a row, and the places that moving orders leave."""

    rows: tuple[Row, ...]
    left: tuple[Use, ...]


def proposed(snapshot: Snapshot, chosen: Chosen) -> Proposal:
    """Return the rows of everything that a plan places."""
    rows: list[Row] = []
    left: list[Use] = []
    for job_id, placements in sorted(chosen.items(), key=lambda c: int(c[0])):
        job = snapshot.asked[job_id].job
        moved = bool(job.previous) and set(placements) != set(job.previous)
        for placement in placements:
            made, gaps = _rows_of(snapshot, job_id, placement, moved=moved)
            rows += made
            left += gaps
    return Proposal(tuple(rows), tuple(left))


def numbered(proposal: Proposal, *, without: Collection[int]) -> list[Row]:
    """Return the rows with the number of their component, `without` some orders."""
    rows = [row for row in proposal.rows if row["order_id"] not in without]
    numbers = components(
        [
            Use(
                order=row["order_id"],
                resource=row["resource_id"],
                starts_at=row["starts_at"],
                ends_at=row["ends_at"],
                recipe=row["recipe_id"],
            )
            for row in rows
            if row["change"] is not Change.KEPT
        ],
        [use for use in proposal.left if use.order not in without],
    )
    return [
        {**row, "component": numbers.get(row["order_id"], NO_COMPONENT)} for row in rows
    ]


def _rows_of(
    snapshot: Snapshot, job_id: str, placement: Placement, *, moved: bool
) -> tuple[list[Row], list[Use]]:
    """Return a row for the main resource and one for each that is held beside it.

    Beside them, the places that are left when the order moves.
    """
    asked, park = snapshot.asked[job_id], snapshot.park
    part = asked.parts[placement.step]
    alternative = asked.job.steps[placement.step].alternatives[placement.alternative]
    uses = [
        (alternative.resource, alternative.quantity, alternative.recipe),
        *((use.resource, use.quantity, None) for use in alternative.also),
    ]
    before = _before(snapshot, asked, placement.step, [park.ids[u[0]] for u in uses])
    change = Change.MOVED if moved else Change.KEPT if asked.job.previous else Change.NEW
    rows, left = [], []
    for (code, quantity, recipe), held in zip(uses, before, strict=True):
        if held is not None and moved:
            left.append(Use(asked.order_id, held.resource_id, held.starts_at, held.ends_at))
        rows.append(
            {
                "order_id": asked.order_id,
                "order_version": asked.version,
                "step_id": part.step_id,
                "part": part.number,
                "organisation_id": asked.organisation_id,
                "platform_id": snapshot.platform_of[code],
                "resource_id": park.ids[code],
                "starts_at": park.grid.at(placement.start),
                "ends_at": park.grid.at(placement.end),
                "quantity": quantity,
                "recipe_id": _number(recipe),
                "occurrence_id": int(placement.occurrence)
                if placement.occurrence
                else None,
                "family": alternative.family,
                "change": change,
                "previous_booking_id": held.booking_id if held else None,
                "previous_version": held.version if held else None,
                "booking_id": held.booking_id if held and not moved else None,
            }
        )
    return rows, left


def _before(
    snapshot: Snapshot, asked: Asked, step: int, resource_ids: Sequence[int]
) -> list[Held | None]:
    """Return the booking that goes to each resource: the one there, else any other."""
    if not asked.job.previous:
        return [None] * len(resource_ids)
    part = asked.parts[step]
    free = [h for h in snapshot.held[part.step_id] if h.part == part.number]
    found: dict[int, Held] = {}
    for resource_id in resource_ids:
        there = next((h for h in free if h.resource_id == resource_id), None)
        if there is not None:
            found[resource_id] = there
            free.remove(there)
    return [found.get(r) or (free.pop(0) if free else None) for r in resource_ids]


def _number(row_id: str | None) -> int | None:
    """Return a row id from the solver's text."""
    return int(row_id) if row_id else None
