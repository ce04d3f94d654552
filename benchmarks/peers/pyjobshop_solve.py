"""Let PyJobShop solve a makespan problem. Runs alone, in the environment of the peers.

The problem comes on standard input as `benchmarks.public` writes it; what was found goes to
standard output, both as JSON.
"""

import json
import sys
import time
from typing import Any

from pyjobshop import Model


def main() -> None:
    """Read, solve, tell."""
    data = json.load(sys.stdin)
    model = built(data["problem"])
    began = time.monotonic()
    result = model.solve(
        solver="ortools",
        time_limit=data["seconds"],
        num_workers=data["workers"],
        display=False,
        random_seed=data["seed"],
    )
    found = {
        "makespan": int(result.objective) if result.best.tasks else None,
        "bound": result.lower_bound,
        "optimal": result.status.value == "Optimal",
        "seconds": time.monotonic() - began,
    }
    json.dump(found, sys.stdout)


def built(problem: dict[str, Any]) -> Model:
    """Return the problem as PyJobShop states it."""
    model = Model()
    unary = {
        r
        for r, capacity in enumerate(problem["capacities"])
        if capacity == 1 and problem["shop"]
    }
    resources = [
        model.add_machine() if r in unary else model.add_renewable(capacity)
        for r, capacity in enumerate(problem["capacities"])
    ]
    tasks = [model.add_task() for _operation in problem["operations"]]
    for task, modes in zip(tasks, problem["operations"], strict=True):
        for duration, demands in modes:
            model.add_mode(
                task,
                [resources[r] for r, _quantity in demands],
                duration,
                [0 if r in unary else quantity for r, quantity in demands],
            )
    for before, after, least in problem["lags"]:
        model.add_end_before_start(tasks[before], tasks[after], least)
    for resource, table in problem["setups"]:
        for before, row in enumerate(table):
            for after, time_between in enumerate(row):
                if time_between:
                    model.add_setup_time(
                        resources[resource], tasks[before], tasks[after], time_between
                    )
    return model


if __name__ == "__main__":
    main()
