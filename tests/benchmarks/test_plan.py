"""The benchmark of the plan, on a small night."""

import json
from pathlib import Path

from benchmarks import plan


def test_a_small_night_is_measured_from_demand_to_bound(tmp_path: Path) -> None:
    arguments = ["--brief", "--orders", "60", "--seeds", "1", "--seconds", "6"]

    assert plan.main([*arguments, "--results", str(tmp_path)]) == 0

    lines = [
        json.loads(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()
    ]
    assert {(line["bench"], line["case"]) for line in lines} == {
        ("plan", "60 orders, seed 1")
    }
    figures = {line["figure"]: line["value"] for line in lines}
    # Dates are relative to today: a lot that no plan could place by its date is counted apart.
    assert figures["orders"] + figures["orders nobody can serve"] == 60
    assert figures["orders"] > 50
    assert figures["rules broken"] == 0
    assert figures["steps"] > 60
    best = max(
        figures[f"value by {rule}"] for rule in ("priority", "due_date", "density", "slack")
    )
    assert 0 < best <= figures["value"] <= figures["bound"] <= figures["sum of all values"]
    assert 0 < figures["seconds to first plan"] < figures["seconds"]
    assert figures["peak memory of all processes"] > 50
