"""The parts of a problem that have nothing to do with one another.

Two jobs belong together when they could hold the same resource, or when only one of them is
wanted. Each part can be solved, and bounded, as a problem of its own; only the shares of
organisations reach across.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from solver.problem import Job, Problem

Node = TypeVar("Node", bound=Hashable)


def connected(links: Iterable[Iterable[Node]]) -> dict[Node, int]:
    """Return the number of its component for each node, counted from 0 as they come.

    Each link names nodes that belong together; one alone is a component of its own.
    """
    parent: dict[Node, Node] = {}

    def root(node: Node) -> Node:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for link in links:
        nodes = iter(link)
        first = root(next(nodes))
        for node in nodes:
            parent[root(node)] = first
    numbers: dict[Node, int] = {}
    return {node: numbers.setdefault(root(node), len(numbers)) for node in parent}


def components(problem: Problem) -> list[list[Job]]:
    """Return the jobs of each component, in the order of their first jobs."""
    number = connected(_links(problem.jobs))
    found: dict[int, list[Job]] = defaultdict(list)
    for job in problem.jobs:
        found[number["job", job.id]].append(job)
    return list(found.values())


def parts(problem: Problem) -> Iterator[Problem]:
    """Yield the problem of each component: its jobs, and what they could hold.

    Raises
    ------
    ValueError
        Where shares count, which reach across components.
    """
    if problem.alpha:
        raise ValueError("shares reach across components")
    for jobs in components(problem):
        names = frozenset[str]().union(*(job.resources() for job in jobs))
        yield replace(
            problem,
            jobs=tuple(jobs),
            resources=tuple(r for r in problem.resources if r.id in names),
            recipes=tuple(r for r in problem.recipes if r.resource in names),
            occurrences=tuple(o for o in problem.occurrences if o.resource in names),
            stays=tuple(s for s in problem.stays if s.resource in names),
        )


def _links(jobs: Iterable[Job]) -> Iterator[list[tuple[str, str]]]:
    for job in jobs:
        link = [("job", job.id), *(("resource", r) for r in sorted(job.resources()))]
        if job.one_of is not None:
            link.append(("group", job.one_of))
        yield link
