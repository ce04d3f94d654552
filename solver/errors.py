"""What can go wrong in the solver.

SolverError
├── BadProblem   the problem contradicts itself
├── BadFile      a file cannot be read as a problem or a plan
└── SolveFailed  no plan could be made, not even the empty one
"""


class SolverError(Exception):
    """Root of everything that the solver raises on purpose."""


class BadProblem(SolverError):
    """The problem contradicts itself; every fault is listed with its path."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class BadFile(SolverError):
    """A file cannot be read as a problem or a plan; every fault is listed with its path."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class SolveFailed(SolverError):
    """The mandatory jobs cannot all be placed, or the search died without a plan."""
