"""What the resources can give in each stretch of time: the rows that bounds are built on.

A row says that the work of all stays within one bucket of time on one resource is at most
what the bookings in force and the outages leave. Rows hold slot by slot, so that any
price by bucket is a true price.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from solver.problem import (
    Alternative,
    Interval,
    Kind,
    Problem,
    Recipe,
    Stay,
    StayRule,
)

Floats = NDArray[np.float64]
Key = tuple[str, "Scope"]  # a resource (or an occurrence) and the slots counted


class Scope(StrEnum):
    """Which slots of a resource a row counts."""

    OPEN = "open"  # the opening hours: what INSIDE and WORKING stays can work in
    CLEAR = "clear"  # all but outages: what ENDS stays and companions hold
    OCCURRENCE = "occurrence"  # one dated occurrence of an event


@dataclass(frozen=True, slots=True)
class Draw:
    """What a stay takes of some rows in each slot that it covers."""

    key: Key
    weight: float


class Capacity:
    """All rows of a problem."""

    def __init__(self, problem: Problem) -> None:
        self.slots = problem.calendar_end
        self.resources = problem.resource_by_id()
        self.recipes = problem.recipe_by_id()
        self.units: dict[Key, int] = {}  # by row: the resource's own capacity in a slot
        self.occurrences: dict[tuple[str, int, int], list[str]] = defaultdict(list)
        for o in problem.occurrences:
            self.occurrences[o.resource, o.start, o.end].append(o.id)
        self.left = {o.id: o.capacity for o in problem.occurrences}
        self._stays: dict[str, list[Stay]] = defaultdict(list)
        for stay in problem.stays:
            self._stays[stay.resource].append(stay)
            if stay.occurrence in self.left:
                self.left[stay.occurrence] -= stay.quantity
        also_held = _held_throughout(problem)
        for resource in problem.resources:
            if resource.kind is Kind.EVENT:
                continue
            units = resource.capacity if resource.kind is Kind.POOLED else 1
            self.units[resource.id, Scope.OPEN] = units
            if resource.id in also_held:
                self.units[resource.id, Scope.CLEAR] = units

    def draws(self, alternative: Alternative) -> Iterator[Draw]:
        """Yield what a stay takes slot by slot, events apart."""
        resource = self.resources[alternative.resource]
        weight = 1.0
        if resource.kind is Kind.POOLED:
            weight = alternative.quantity
        elif resource.kind is Kind.BATCH:
            # At best the run is full: the load pays its part of the run.
            assert alternative.recipe is not None
            weight = alternative.quantity / self.recipes[alternative.recipe].capacity
        if resource.kind is not Kind.EVENT:
            if alternative.stay is not StayRule.ENDS:
                yield Draw((resource.id, Scope.OPEN), weight)
            if (resource.id, Scope.CLEAR) in self.units:
                yield Draw((resource.id, Scope.CLEAR), weight)
        for use in alternative.also:
            pooled = self.resources[use.resource].kind is Kind.POOLED
            yield Draw((use.resource, Scope.CLEAR), use.quantity if pooled else 1.0)

    def free(self, key: Key) -> Floats:
        """Return the units left in each slot by the bookings in force and the outages.

        Nothing is kept: the rows of a park by slots take hundreds of megabytes.
        """
        resource, units = self.resources[key[0]], self.units[key]
        stays = self._stays[resource.id]
        used = np.zeros(self.slots)
        for stay in stays:
            lo, hi = max(0, stay.start), max(0, stay.end)
            used[lo:hi] += stay.quantity if resource.kind is Kind.POOLED else 1
        free = np.maximum(units - used, 0.0)
        if resource.kind is Kind.BATCH:
            for (lo, hi), room in _room_in_runs(stays, self.recipes):
                free[max(0, lo) : max(0, hi)] += room
        free *= 1.0 - _mask(resource.outages, self.slots)
        if key[1] is Scope.OPEN:
            free *= _mask(resource.open, self.slots)
        return free


def _mask(intervals: Sequence[Interval], slots: int) -> Floats:
    mask = np.zeros(slots)
    for lo, hi in intervals:
        mask[max(0, lo) : max(0, hi)] = 1.0
    return mask


def _held_throughout(problem: Problem) -> set[str]:
    """Return the resources that some stay could hold while they are closed."""
    found: set[str] = set()
    for job in problem.jobs:
        for step in job.steps:
            for alternative in step.alternatives:
                found.update(use.resource for use in alternative.also)
                if alternative.stay is StayRule.ENDS:
                    found.add(alternative.resource)
    return found


def _room_in_runs(
    stays: Sequence[Stay], recipes: Mapping[str, Recipe]
) -> Iterator[tuple[Interval, float]]:
    """Yield what further loads could share of each fixed run that may be joined."""
    loads: dict[tuple[int, int, str], list[Stay]] = defaultdict(list)
    for stay in stays:
        if stay.recipe is not None:
            loads[stay.start, stay.end, stay.recipe].append(stay)
    for (lo, hi, name), mine in loads.items():
        if name in recipes and all(stay.joinable for stay in mine):
            capacity = recipes[name].capacity
            load = sum(stay.quantity for stay in mine)
            yield (lo, hi), max(0.0, (capacity - load) / capacity)
