"""Which orders of a plan must be published together. Pure.

Orders that load one batch run stand or fall together, and so do orders of which one takes
the place that another leaves.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from solver.components import connected


@dataclass(frozen=True, slots=True)
class Use:
    """One resource in one stretch of time, by one order."""

    order: int
    resource: int
    starts_at: datetime
    ends_at: datetime
    recipe: int | None = None


def components(placed: Iterable[Use], left: Iterable[Use]) -> Mapping[int, int]:
    """Return the number of its component for each order, counted from 0.

    Parameters
    ----------
    placed
        Where the plan puts orders.
    left
        Places that moved orders leave.
    """
    links: list[tuple[int, ...]] = []
    runs: dict[tuple[int, int, datetime], int] = {}
    by_resource: dict[int, list[Use]] = defaultdict(list)
    for use in placed:
        links.append((use.order,))
        by_resource[use.resource].append(use)
        if use.recipe is not None:
            run = (use.resource, use.recipe, use.starts_at)
            links.append((runs.setdefault(run, use.order), use.order))
    for gap in left:
        links += [
            (gap.order, use.order)
            for use in by_resource[gap.resource]
            if use.starts_at < gap.ends_at and gap.starts_at < use.ends_at
        ]
    return connected(sorted(links))
