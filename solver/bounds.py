"""Upper bounds: no plan is worth more, so that every plan can state its gap.

The bound is Lagrangian. For any prices of resource time that are not negative, a plan's
value is at most the worth of all free time at these prices, plus for each job what it gains
at best if it pays for its own stays. Jobs no longer meet, so each is priced alone, at its
exact starts. Good prices are the duals of a linear program in which work may be split over
alternatives and buckets of time; as any prices will do, the bound is true even when the
program is stopped early.

Sources: Fisher, Management Science 27 (1981) 1-18; for time-indexed relaxations of
scheduling, Dyer and Wolsey, Discrete Applied Mathematics 26 (1990) 255-270.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from solver.allocation import ShadowPrice
from solver.calendars import first, runs
from solver.capacity import Capacity, Floats, Key, Scope
from solver.company import with_company
from solver.components import parts
from solver.fairness import hundredths, lines
from solver.linear_program import (
    Candidate,
    Group,
    LinearProgram,
    Prices,
    groups_of,
    twins_of,
)
from solver.problem import Interval, Job, Kind, Problem
from solver.reach import Reach, Route, empty_park, reach_of, tails

_COLUMNS = (150_000, 50_000)  # of the program, and of a second one if it is given up
_MOST_BUCKETS = 224
_LEAST_BUCKETS = 4
_EFFORT = 30.0  # deterministic seconds of a program
DAY = 288  # slots of five minutes
_DIGITS = 4  # of a price
_KEPT = 1024  # running totals; more of them take more memory than time


@dataclass(frozen=True, slots=True)
class Proof:
    """An upper bound, and the prices of resource time that prove it."""

    bound: int
    prices: tuple[ShadowPrice, ...]  # by resource and stretch; those that are not 0


def upper_bound(
    problem: Problem,
    *,
    dropped: Collection[str] = (),
    served: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """Return a value that no plan of the problem exceeds, as of `proof`."""
    return proof(problem, dropped=dropped, served=served).bound


def proof(
    problem: Problem,
    *,
    dropped: Collection[str] = (),
    served: Mapping[str, int] = MappingProxyType({}),
    stretch: int = DAY,
) -> Proof:
    """Return a value that no plan of the problem exceeds, and where time is scarce.

    Valid by construction: rounding and early stops of the linear program can make it
    weaker, never wrong.

    Parameters
    ----------
    dropped : Collection[str]
        Mandatory jobs that could not be kept. All others are taken as placed: the bound
        is one on the plans that keep them.
    served : Mapping[str, int]
        What some good plan serves each organisation, in value. Where shares count, the
        bound is valid for any such guess and the tighter the better it is.
    stretch : int
        Slots of the stretches that prices are told for.
    """
    jobs = tuple(
        replace(j, mandatory=False) if j.id in dropped else j for j in problem.jobs
    )
    linear, rest = _without_shares(replace(problem, jobs=jobs), served)
    bound = rest
    found: list[ShadowPrice] = []
    for part in parts(linear):
        relaxation = _Relaxation(part)
        value, prices = relaxation.solve()
        bound += value
        found += _by_stretch(relaxation, prices, stretch)
    return Proof(bound, tuple(sorted(found, key=lambda p: (p.resource, p.interval))))


def _by_stretch(
    relaxation: "_Relaxation", prices: Prices, stretch: int
) -> Iterator[ShadowPrice]:
    """Yield the mean price of a resource's slots, by stretches of the horizon."""
    horizon = relaxation.problem.horizon
    widths = np.diff(relaxation.edges)
    by_resource: dict[str, Floats] = {}
    for (resource, scope), by_bucket in prices.items():
        if scope is not Scope.OCCURRENCE and by_bucket.any():
            by_slot = np.repeat(by_bucket, widths)[:horizon]
            by_resource[resource] = by_slot + by_resource.get(resource, 0.0)
    for resource, by_slot in by_resource.items():
        for lo in range(0, horizon, stretch):
            hi = min(lo + stretch, horizon)
            price = round(float(by_slot[lo:hi].mean()), _DIGITS)
            if price > 0:
                yield ShadowPrice(resource, (lo, hi), price)


def _without_shares(problem: Problem, served: Mapping[str, int]) -> tuple[Problem, int]:
    """Return a problem without shares, and what to add to its bound to bound this one.

    What the shares add to an organisation is concave in what it is served, so it lies
    below each of its tangents: values grow by the tangent's slope, the rest is a constant.
    """
    if not problem.alpha:
        return problem, 0
    slope: dict[str, int] = {}
    rest = 0  # hundredths
    for share in problem.shares:
        at = share.served + served.get(share.organisation, 0)
        a, b = min(lines(share, problem.alpha), key=lambda line: line[0] + line[1] * at)
        slope[share.organisation] = b
        rest += a + b * share.served - hundredths(share, problem.alpha, share.served)
    jobs = tuple(
        replace(j, value=-(-j.value * (100 + slope.get(j.organisation, 0)) // 100))
        for j in problem.jobs
    )
    return replace(problem, jobs=jobs, shares=(), alpha=0), -(-rest // 100)


class _Relaxation:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.capacity = Capacity(problem)
        park = empty_park(problem)
        # What stands before slot 0 lies outside the calendars.
        under_way = [j for j in problem.jobs if any(p.start < 0 for p in j.previous)]
        self.given = sum(j.value for j in under_way)  # jobs that cannot be priced
        self.kept = {j.one_of for j in problem.jobs if j.mandatory and j.one_of}
        known = {j.id for j in under_way}
        priced = {j.id: j for j in problem.jobs if j.id not in known}
        found = {name: reach_of(park, job) for name, job in priced.items()}
        routes = with_company(
            problem,
            {name: route for name, route in found.items() if route is not None},
            everywhere=under_way,
        )
        self.candidates = [
            _candidate(priced[name], route, problem) for name, route in routes.items()
        ]
        self.twins = twins_of(problem)
        # Neighbours in one place: what is known of its tools is known from the one before.
        self.candidates.sort(key=lambda c: c.route[0][0].alternative.resource)
        self.longest = self._longest_stays()
        self._columns = self._columns_of_a_bucket()
        self._cut(1)

    def solve(self) -> tuple[int, Prices]:
        """Return the bound and the prices that prove it."""
        best, prices = self.value_at({}), Prices()
        for columns in _COLUMNS:
            self._cut(columns)
            program = LinearProgram(
                self.capacity,
                self.room,
                self.intervals,
                twins=self.twins,
                effort=_EFFORT,
            )
            for candidate in self.candidates:
                program.add(candidate, self._groups(candidate))
            found = program.prices()
            if found is not None:
                bound = self.value_at(found)
                return (bound, found) if bound < best else (best, prices)
        return best, prices

    def _groups(self, candidate: Candidate) -> list[tuple[Group, ...]]:
        return [groups_of(step, self.capacity, self.twins) for step in candidate.route]

    def _cut(self, columns: int) -> None:
        """Cut time into buckets so that the program has about so many columns."""
        self.intervals = self._buckets(columns)
        self.edges = np.array([0] + [hi for _, hi in self.intervals])
        self.room = {key: self._rooms(key) for key in self.capacity.units}
        for name, left in self.capacity.left.items():
            self.room[name, Scope.OCCURRENCE] = np.array([max(0.0, left)])

    def value_at(self, prices: Prices) -> int:
        """Return the Lagrangian bound at some prices, rounded down to whole value."""
        pricing = _Pricing(self, prices)
        total = float(self.given)
        total += sum(float(price @ self.room[key]) for key, price in prices.items())
        of_group: dict[str, list[float]] = defaultdict(list)  # only one of them is placed
        for candidate in self.candidates:
            job = candidate.job
            gain = job.value - pricing.cost(candidate)
            gain = gain if job.mandatory else max(0.0, gain)
            if job.one_of is None:
                total += gain
            elif job.one_of not in self.kept or job.mandatory:
                of_group[job.one_of].append(gain)
        total += sum(max(gains) for gains in of_group.values())
        return math.floor(total + 1e-7 * max(1.0, abs(total)))

    def _buckets(self, columns: int) -> tuple[Interval, ...]:
        """Cut the horizon into buckets of one width; what lies behind it is one more."""
        horizon, end = self.problem.horizon, self.problem.calendar_end
        count = int(columns / max(1.0, self._columns))
        count = min(_MOST_BUCKETS, max(_LEAST_BUCKETS, count))
        width = max(1, -(-horizon // count))
        edges = [*range(0, horizon, width), horizon]
        if end > horizon:
            edges.append(end)
        return tuple(pairwise(edges))

    def _columns_of_a_bucket(self) -> float:
        """Return how many columns a bucket of the horizon has, on average."""
        stretches = (
            g.starts.bit_length() - 1 + g.length - first(g.starts)
            for candidate in self.candidates
            for step in self._groups(candidate)
            for g in step
        )
        return sum(min(1.0, stretch / self.problem.horizon) for stretch in stretches)

    def _rooms(self, key: Key) -> Floats:
        """Return the room of one resource in each bucket.

        Past the horizon no stay begins, so at most one for each unit runs on into it, and
        no longer than the longest stay.
        """
        total = np.concatenate(([0.0], np.cumsum(self.capacity.free(key))))
        room: Floats = total[self.edges[1:]] - total[self.edges[:-1]]
        if self.problem.calendar_end > self.problem.horizon:
            most = self.capacity.units[key] * max(0, self.longest[key] - 1)
            room[-1] = min(room[-1], most)
        return room

    def _longest_stays(self) -> Mapping[Key, int]:
        """Return the length of the longest stay that draws on each row."""
        known: dict[Key, int] = defaultdict(int)
        for candidate in self.candidates:
            for step in candidate.route:
                for reach in step:
                    for draw in self.capacity.draws(reach.alternative):
                        known[draw.key] = max(known[draw.key], reach.length)
        return known


def _candidate(job: Job, route: Route, problem: Problem) -> Candidate:
    behind = tails(job, route, problem.travel)
    ends = [min(r.earliest_end for r in step) for step in route]
    total = [end + tail for end, tail in zip(ends, behind, strict=True)]
    sinks = [n for n, tail in enumerate(behind) if tail == min(behind)]
    last = max(sinks, key=lambda n: total[n])
    return Candidate(job, route, last, behind[last], max(total))


class _Pricing:
    """What stays cost at given prices; sums over slots are kept as running totals."""

    def __init__(self, relaxation: "_Relaxation", prices: Prices) -> None:
        self._relaxation = relaxation
        self._prices = prices
        self._known: dict[Key, Floats] = {}

    def _totals(self, key: Key) -> Floats | None:
        """Return the price of the slots before each slot that a stay could reach."""
        by_bucket = self._prices.get(key)
        if by_bucket is None or key[1] is Scope.OCCURRENCE:
            return None
        known = self._known.get(key)
        if known is None:
            if len(self._known) == _KEPT:
                self._known.clear()
            known = self._known[key] = self._summed(key, by_bucket)
        return known

    def _summed(self, key: Key, by_bucket: Floats) -> Floats:
        problem = self._relaxation.problem
        end = min(problem.calendar_end, problem.horizon + self._relaxation.longest[key])
        by_slot = np.repeat(by_bucket, np.diff(self._relaxation.edges))[:end]
        if key[1] is Scope.OPEN:
            opening = np.zeros(end)
            for lo, hi in self._relaxation.capacity.resources[key[0]].open:
                opening[max(0, lo) : max(0, hi)] = 1.0
            by_slot = by_slot * opening
        return np.concatenate(([0.0], np.cumsum(by_slot)))

    def cost(self, c: Candidate) -> float:
        """Return what a job pays at least, lateness included."""
        return sum(
            min(self._cheapest(c, r, charged=n == c.last) for r in step)
            for n, step in enumerate(c.route)
        )

    def _cheapest(self, c: Candidate, r: Reach, *, charged: bool) -> float:
        """Return the least cost of a stay within its reach."""
        charged = charged and c.job.due is not None and c.job.late_cost > 0
        stretches = runs(r.starts)
        opens, closes = stretches[0][0], stretches[-1][1]
        by_start = self._by_start(r, opens, closes)
        best = math.inf
        for lo, hi in stretches:
            costs = by_start[lo - opens : hi - opens]
            if charged:
                assert c.job.due is not None
                ends = np.arange(lo, hi) + (r.length + c.tail)
                late = np.maximum(np.maximum(ends, c.earliest_end) - c.job.due, 0)
                costs = costs + c.job.late_cost * late
            best = min(best, float(costs.min()))
        return best

    def _by_start(self, r: Reach, lo: int, hi: int) -> Floats:
        """Return the price of a stay by its start, for the starts ``[lo, hi)``.

        Nothing is kept: a park has more pairs of resource and length than fit into memory.
        """
        total = np.zeros(hi - lo)
        if self._relaxation.capacity.resources[r.alternative.resource].kind is Kind.EVENT:
            total += self._events(r, lo, hi)
        for draw in self._relaxation.capacity.draws(r.alternative):
            sums = self._totals(draw.key)
            if sums is not None:
                spent = sums[lo + r.length : hi + r.length] - sums[lo:hi]
                total += draw.weight * spent
        return total

    def _events(self, r: Reach, opens: int, closes: int) -> Floats:
        """Return the price of a seat by start, the cheapest where occurrences meet."""
        costs = np.zeros(closes - opens)
        for lo, hi in runs(r.starts):
            for start in range(lo, hi):
                stay = (r.alternative.resource, start, start + r.length)
                seats = [
                    self._prices.get((name, Scope.OCCURRENCE), np.zeros(1))
                    for name in self._relaxation.capacity.occurrences[stay]
                ]
                costs[start - opens] = r.alternative.quantity * min(
                    float(s[0]) for s in seats
                )
        return costs
