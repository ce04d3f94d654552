"""The makespan problem in CP-SAT: one start per operation, one literal per alternative."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ortools.sat.python.cp_model import CpModel, IntervalVar, IntVar, LinearExpr

from solver.makespan.bounds import heads, shortest, tails
from solver.makespan.problem import MakespanProblem, Start

Expression = LinearExpr | IntVar | int


@dataclass(frozen=True, slots=True)
class Stay:
    """An operation on a resource, if its mode is chosen."""

    operation: int
    interval: IntervalVar
    literal: IntVar
    quantity: int
    duration: int


@dataclass(slots=True)
class Variables:
    """What the model decides."""

    starts: list[IntVar]
    chosen: list[
        list[IntVar]
    ]  # by operation and mode; one operation's modes exclude another
    makespan: IntVar
    stays: dict[int, list[Stay]] = field(
        default_factory=lambda: defaultdict(list)
    )  # by resource


def build(problem: MakespanProblem, *, least: int, most: int) -> tuple[CpModel, Variables]:
    """Return a model of all schedules whose makespan is from `least` to `most`."""
    model = CpModel()
    head, tail = heads(problem), tails(problem)
    starts = [
        model.new_int_var(h, most - t, f"s{n}")
        for n, (h, t) in enumerate(zip(head, tail, strict=True))
    ]
    makespan = model.new_int_var(least, most, "makespan")
    variables = Variables(starts, [], makespan)
    lengths = [_modes(model, problem, n, variables) for n in range(len(starts))]
    _lags(model, problem, variables, lengths)
    _resources(model, problem, variables, head, tail)
    _ends(model, problem, variables, lengths, tail)
    model.minimize(makespan)
    return model, variables


def hint(model: CpModel, variables: Variables, starts: Sequence[Start]) -> None:
    """Give the search a schedule to begin with."""
    for n, one in enumerate(starts):
        model.add_hint(variables.starts[n], one.start)
        if len(variables.chosen[n]) > 1:
            for m, literal in enumerate(variables.chosen[n]):
                model.add_hint(literal, int(m == one.mode))


def _modes(
    model: CpModel, problem: MakespanProblem, n: int, variables: Variables
) -> Expression:
    """Add the alternatives of an operation; return its duration."""
    modes = problem.operations[n].modes
    one = len(modes) == 1
    literals = [
        model.new_constant(1) if one else model.new_bool_var(f"x{n}.{m}")
        for m in range(len(modes))
    ]
    variables.chosen.append(literals)
    if not one:
        model.add_exactly_one(literals)
    start = variables.starts[n]
    for literal, mode in zip(literals, modes, strict=True):
        if not mode.duration and not any(r in problem.setups for r, _q in mode.demands):
            continue
        stay = (
            model.new_fixed_size_interval_var(start, mode.duration, f"i{n}")
            if one
            else model.new_optional_fixed_size_interval_var(
                start, mode.duration, literal, f"i{n}"
            )
        )
        for resource, quantity in mode.demands:
            variables.stays[resource].append(
                Stay(n, stay, literal, quantity, mode.duration)
            )
    if one:
        return modes[0].duration
    base = min(m.duration for m in modes)
    return base + LinearExpr.weighted_sum(literals, [m.duration - base for m in modes])


def _lags(
    model: CpModel,
    problem: MakespanProblem,
    variables: Variables,
    lengths: Sequence[Expression],
) -> None:
    for lag in problem.lags:
        since: Expression = variables.starts[lag.before] + lag.least
        if not lag.of_starts:
            since = since + lengths[lag.before]
        model.add(variables.starts[lag.after] >= since)


def _ends(
    model: CpModel,
    problem: MakespanProblem,
    variables: Variables,
    lengths: Sequence[Expression],
    tail: Sequence[int],
) -> None:
    """Let the makespan be after every end; what must follow an operation counts, too."""
    least = shortest(problem)
    for n, start in enumerate(variables.starts):
        model.add(start + lengths[n] + (tail[n] - least[n]) <= variables.makespan)


def _resources(
    model: CpModel,
    problem: MakespanProblem,
    variables: Variables,
    head: Sequence[int],
    tail: Sequence[int],
) -> None:
    least = shortest(problem)
    for resource, there in sorted(variables.stays.items()):
        capacity = problem.capacities[resource]
        intervals = [stay.interval for stay in there]
        if all(2 * stay.quantity > capacity for stay in there):
            model.add_no_overlap(intervals)
        else:
            model.add_cumulative(intervals, [stay.quantity for stay in there], capacity)
        begin = min(head[stay.operation] for stay in there)
        rest = min(tail[stay.operation] - least[stay.operation] for stay in there)
        load = LinearExpr.weighted_sum(
            [stay.literal for stay in there],
            [stay.quantity * stay.duration for stay in there],
        )
        model.add(load <= capacity * (variables.makespan - begin - rest))
        if resource in problem.setups:
            _setups(model, problem.setups[resource], variables, there)


def _setups(
    model: CpModel,
    table: Sequence[Sequence[int]],
    variables: Variables,
    there: Sequence[Stay],
) -> None:
    """Let each operation follow one other on a resource, set up in between.

    A circuit through all that are there: node 0 is before the first and after the last.
    """
    empty = model.new_bool_var("")
    arcs: list[tuple[int, int, IntVar]] = [(0, 0, empty)]
    for i, before in enumerate(there, start=1):
        absent = model.new_bool_var("")
        model.add(absent + before.literal == 1)
        arcs.append((i, i, absent))
        arcs.append((0, i, model.new_bool_var("")))
        arcs.append((i, 0, model.new_bool_var("")))
        model.add_implication(empty, absent)
        end = variables.starts[before.operation] + before.duration
        for j, after in enumerate(there, start=1):
            if i == j:
                continue
            follows = model.new_bool_var("")
            arcs.append((i, j, follows))
            gap = table[before.operation][after.operation]
            model.add(variables.starts[after.operation] >= end + gap).only_enforce_if(
                follows
            )
    model.add_circuit(arcs)
