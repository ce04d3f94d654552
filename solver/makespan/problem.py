"""A makespan problem: operations in modes on resources, lags, set-ups. Frozen, no clock.

It states the flexible job shop (FJSP), with sequence-dependent set-ups too, the
resource-constrained project scheduling problem (RCPSP) and that with minimum and maximum
time lags (RCPSP/max). Times are whole and start at 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST = 1 << 40
"""No duration, lag, set-up or sum of them is larger: CP-SAT's domains end near 2**62."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to do an operation: how long, and how much of each resource meanwhile."""

    duration: int
    demands: tuple[tuple[int, int], ...]  # (index of the resource, quantity above 0)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something to be done once, without a break, in one of its modes."""

    name: str
    modes: tuple[Mode, ...]


@dataclass(frozen=True, slots=True)
class Lag:
    """`after` starts at least `least` after `before` ends, or starts where `of_starts`.

    A maximum lag of m from a to b is a least lag of -m between the starts of b and a.
    """

    before: int  # index of the operation
    after: int
    least: int = 0
    of_starts: bool = False


@dataclass(frozen=True, slots=True)
class MakespanProblem:
    """Everything that one solve reads; all of it must be done.

    `setups` holds, for a resource of capacity 1, how long it is set up between two
    operations that follow one another at once, by the indices of both.
    """

    name: str
    capacities: tuple[int, ...]
    operations: tuple[Operation, ...]
    lags: tuple[Lag, ...] = ()
    setups: Mapping[int, tuple[tuple[int, ...], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """When an operation starts, and in which of its modes."""

    mode: int
    start: int


@dataclass(frozen=True, slots=True)
class Solution:
    """A schedule: the start of each operation, in their order, and how good it is."""

    starts: tuple[Start, ...]
    makespan: int
    bound: int  # no schedule is shorter
    seconds: float

    @property
    def optimal(self) -> bool:
        """Whether no shorter one exists."""
        return self.bound >= self.makespan
