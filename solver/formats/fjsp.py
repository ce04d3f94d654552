"""Flexible job shops as text: the standard format, and that with set-ups behind it.

A line `jobs machines [average]`, then a line a job: the number of its operations, and for
each the number of its alternatives and as many pairs of machine and duration. Machines are
counted from 1, in some files from 0. With set-ups a table follows for each machine: a row
for each operation before, a number for each operation after (Fattahi et al. 2007; the
format of Brandimarte 1993 and Hurink et al. 1994).
"""

from pathlib import Path

from solver.errors import BadFile
from solver.formats.numbers import Numbers, numbers_of, text_of
from solver.makespan.problem import MOST, Lag, MakespanProblem, Mode, Operation

_LONGEST = MOST >> 20  # of one operation or set-up
_MANY = 100_000  # jobs, machines, operations of a job


def read_fjsp(path: Path) -> MakespanProblem:
    """Read a flexible job shop.

    Raises
    ------
    BadFile
        With the line and what is wrong there.
    """
    return _read(path, setups=False)


def read_fjsp_sdst(path: Path) -> MakespanProblem:
    """Read a flexible job shop with sequence-dependent set-ups; see `read_fjsp`."""
    return _read(path, setups=True)


def _read(path: Path, *, setups: bool) -> MakespanProblem:
    numbers = numbers_of(text_of(path), fractions=True)
    jobs = numbers.take("the number of jobs", least=1, most=_MANY)
    machines = numbers.take("the number of machines", least=1, most=_MANY)
    numbers.rest_of_line()
    routes = [_route(numbers, job, machines) for job in range(jobs)]
    first = _first_machine(routes, machines)
    operations: list[Operation] = []
    lags: list[Lag] = []
    for job, route in enumerate(routes):
        for n, pairs in enumerate(route):
            if n:
                lags.append(Lag(len(operations) - 1, len(operations)))
            modes = tuple(Mode(time, ((m - first, 1),)) for m, time in pairs)
            operations.append(Operation(f"{job + 1}.{n + 1}", modes))
    tables = {}
    if setups:
        for machine in range(machines):
            tables[machine] = tuple(
                tuple(
                    numbers.take(f"a set-up time of machine {machine + 1}", least=0,
                                 most=_LONGEST)
                    for _after in operations
                )
                for _before in operations
            )  # fmt: skip
    numbers.end()
    return MakespanProblem(
        path.stem, (1,) * machines, tuple(operations), tuple(lags), tables
    )


def _route(numbers: Numbers, job: int, machines: int) -> list[list[tuple[int, int]]]:
    of = f"of job {job + 1}"
    route = []
    for n in range(numbers.take(f"the number of operations {of}", least=1, most=_MANY)):
        at = f"of operation {n + 1} {of}"
        many = numbers.take(f"the number of alternatives {at}", least=1, most=machines)
        pairs = [
            (
                numbers.take(f"a machine {at}", least=0, most=machines),
                numbers.take(f"a duration {at}", least=0, most=_LONGEST),
            )
            for _one in range(many)
        ]
        if len({machine for machine, _time in pairs}) != many:
            raise BadFile([f"line {numbers.last}: a machine {at} is named twice"])
        route.append(pairs)
    left = numbers.rest_of_line()
    if left:
        raise BadFile([f"line {numbers.last}: {left[0]} stands after the route {of}"])
    return route


def _first_machine(routes: list[list[list[tuple[int, int]]]], machines: int) -> int:
    named = {m for route in routes for pairs in route for m, _time in pairs}
    if {0, machines} <= named:
        raise BadFile([f"machines: both 0 and {machines} are named, of {machines}"])
    return 0 if 0 in named else 1
