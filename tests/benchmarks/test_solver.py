"""The benchmark of the plan, on a small night."""

import json
from pathlib import Path

from benchmarks import solver
from benchmarks.park import NOW, ZONE
from benchmarks.sizes import Size, demand_of, park_of
from platform_booking.catalog.loader import demo_text, parsed


def test_a_small_park_is_measured_from_demand_to_bound(tmp_path: Path) -> None:
    arguments = ["--sizes", "S", "--seeds", "13", "--seconds", "3"]

    assert solver.main([*arguments, "--results", str(tmp_path)]) == 0

    lines = [
        json.loads(line) for line in (tmp_path / "solver.jsonl").read_text().splitlines()
    ]
    assert {(line["bench"], line["case"]) for line in lines} == {
        ("solver", "S, seed 13, load 100%"),
        ("solver", "S, median of 1 seeds"),
    }
    figures = {line["figure"]: line["value"] for line in lines}
    # Dates are relative to today: a lot that no plan could place by its date is counted apart.
    assert figures["orders"] + figures["orders nobody can serve"] == 100
    assert figures["orders"] > 90
    assert figures["rules broken"] == 0
    assert figures["steps"] > 100
    best = max(
        figures[f"value by {rule}"] for rule in ("priority", "due_date", "density", "slack")
    )
    assert 0 < best <= figures["value"] <= figures["bound"] <= figures["sum of all values"]
    first = figures["seconds to a plan that beats first come first served"]
    assert 0 < first < figures["seconds"]
    assert figures["peak memory of all processes"] > 50


def test_a_park_of_two_copies_has_twice_of_everything_and_no_copy_stands_alone() -> None:
    content = parsed(demo_text())
    size = Size(200, copies=2)
    park = park_of(content, size)
    tools = {r["code"]: r for r in park["resources"]}
    assert {"MEM-DIF-01", "MEM-DIF-01-02"} <= tools.keys()
    before = {r["code"]: r for r in content["resources"]}
    assert tools["ICD-EMU-01"]["capacity"] == 2 * before["ICD-EMU-01"]["capacity"]
    assert len(park["routes"]) == 2 * len(content["routes"])

    asked = demand_of(content, size, seed=11, load=1.0, today=NOW, zone=ZONE)
    assert len(asked.wishes) == 200
    firms = [f.registration_no for f in asked.firms]
    assert len(set(firms)) == len(firms)
    assert {w.firm for w in asked.wishes} <= {f.code for f in asked.firms}
    named = {r for w in asked.wishes for s in w.steps for r in s.resources}
    assert named <= tools.keys()
    open_to_both = [
        s.resources
        for w in asked.wishes
        for s in w.steps
        if {r.removesuffix("-02") for r in s.resources} < set(s.resources)
    ]
    assert open_to_both
