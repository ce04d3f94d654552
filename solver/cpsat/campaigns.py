"""Campaigns: how many of one family come in a row before a resource changes over.

What stands on the resource takes part, as it may lie between the free stays. The order is a
circuit through all that have a family; each counts the stays of its campaign so far.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ortools.sat.python.cp_model import CpModel, IntVar, LinearExprT, LiteralT

from solver.calendars import first
from solver.cpsat.constraints import Occupant
from solver.lanes import UnaryLane

_DEPOT = 0  # before the first and behind the last


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A stay with a family: free, or standing (`occupant` None)."""

    number: int  # from 1
    family: str
    start: LinearExprT
    end: LinearExprT
    soonest: int  # slot of the first end
    latest: int  # slot of the last start
    occupant: Occupant | None
    given: bool  # a booking
    count: IntVar  # stays of its campaign up to it, at most; no more than the least
    pure: IntVar  # whether all of them are bookings, which may be too few


def campaigns_last(model: CpModel, occupants: Sequence[Occupant], lane: UnaryLane) -> None:
    """A campaign that another family ends is long enough, or of bookings alone."""
    nodes = _nodes(model, occupants, lane)
    if not any(node.occupant for node in nodes):
        return
    incumbent = _in_incumbent(nodes)
    order = [_DEPOT, *(node.number for node in incumbent), _DEPOT]
    hinted = set(pairwise(order))
    _hint_counts(model, incumbent, least=lane.min_campaign)
    arcs: list[tuple[int, int, LiteralT]] = []

    def arc(one: int, then: int) -> IntVar:
        literal = model.new_bool_var("")
        model.add_hint(literal, (one, then) in hinted)
        arcs.append((one, then, literal))
        return literal

    arc(_DEPOT, _DEPOT)  # nobody is there
    for node in nodes:
        model.add(node.count <= 1).only_enforce_if(arc(_DEPOT, node.number))
        arc(node.number, _DEPOT)
        if node.occupant is not None:
            arcs.append((node.number, node.number, node.occupant.present.negated()))
    for one, then in _neighbours(nodes):
        follows = arc(one.number, then.number)
        model.add(then.start >= one.end).only_enforce_if(follows)
        if one.family == then.family:
            model.add(then.count <= one.count + 1).only_enforce_if(follows)
            model.add(then.pure <= one.pure).only_enforce_if(follows)
        else:
            model.add(then.count <= 1).only_enforce_if(follows)
            least = lane.min_campaign
            enough = one.count + least * one.pure >= least
            model.add(enough).only_enforce_if(follows)
    model.add_circuit(arcs)


def _nodes(model: CpModel, occupants: Sequence[Occupant], lane: UnaryLane) -> list[_Node]:
    def count() -> IntVar:
        return model.new_int_var(1, lane.min_campaign, "")

    free = [o for o in occupants if o.family]
    nodes = [
        _Node(
            n,
            o.family,
            o.step.start,
            o.step.start + o.length,
            soonest=first(o.starts) + o.length,
            latest=o.starts.bit_length() - 1,
            occupant=o,
            given=False,
            count=count(),
            pure=model.new_constant(0),
        )
        for n, o in enumerate(free, start=1)
    ]
    standing = (stay for stay in lane.stays if stay[2])
    for n, stay in enumerate(standing, start=1 + len(free)):
        start, end, family = stay
        given = stay in lane.given
        pure = model.new_bool_var("") if given else model.new_constant(0)
        nodes.append(_Node(n, family, start, end, end, start, None, given, count(), pure))
    return nodes


def _in_incumbent(nodes: Sequence[_Node]) -> list[_Node]:
    """Return the stays of the incumbent in order of time."""

    def start(node: _Node) -> int:
        return node.latest if node.occupant is None else node.occupant.step.hint

    there = (n for n in nodes if n.occupant is None or n.occupant.hinted)
    return sorted(there, key=start)


def _hint_counts(model: CpModel, incumbent: Sequence[_Node], *, least: int) -> None:
    """Hint how long each campaign is up to each of its stays: a search begins there."""
    before: _Node | None = None
    count, pure = 0, True
    for node in incumbent:
        if before is None or before.family != node.family:
            count, pure = 0, True
        count, pure = min(count + 1, least), pure and node.given
        model.add_hint(node.count, count)
        if node.given:
            model.add_hint(node.pure, pure)
        before = node


def _neighbours(nodes: Sequence[_Node]) -> Iterator[tuple[_Node, _Node]]:
    """Yield the pairs of which the second may come next after the first."""
    standing = [n for n in nodes if n.occupant is None]
    yield from pairwise(standing)
    for one in nodes:
        for then in nodes:
            if one is then or (one.occupant is None and then.occupant is None):
                continue
            same = (
                one.occupant is not None
                and then.occupant is not None
                and one.occupant.step is then.occupant.step
            )
            if not same and one.soonest <= then.latest:
                yield one, then
