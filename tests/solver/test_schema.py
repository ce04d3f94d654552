"""The published form of the files is what the reader takes and the writer makes."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import solver
from solver.errors import BadFile
from solver.formats.json_format import (
    plan_to_data,
    problem_from_data,
    problem_to_data,
)
from solver.formats.schema import KINDS, schema
from solver.options import Options
from solver.problem import Problem
from solver.solve import solve
from tests.solver.factories import make_job, make_problem, make_step
from tests.solver.random_park import random_problem

PUBLISHED = Path(solver.__file__).parent / "schema"


def valid(name: str, data: Any) -> bool:
    return Draft202012Validator(schema(name)).is_valid(data)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_published_schema_is_that_of_the_dataclasses(name: str) -> None:
    stated = KINDS[name][0].replace("/", "-")
    published = json.loads((PUBLISHED / f"{stated}.json").read_text())
    Draft202012Validator.check_schema(published)
    assert published == schema(name), f"python -m solver schema {name}"


def test_every_problem_and_plan_that_is_written_is_of_the_schema() -> None:
    for seed in range(20):
        problem = random_problem(Random(seed))
        assert valid("problem", problem_to_data(problem))
        plan = solve(problem, Options(waves=1, workers=1))
        assert valid("plan", plan_to_data(plan))


def small() -> Problem:
    return make_problem(make_job("a", make_step()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("horizon"),
        lambda d: d.update(surprise=1),
        lambda d: d.update(horizon="100"),
        lambda d: d.update(horizon=10.5),
        lambda d: d["resources"][0].update(kind="magic"),
        lambda d: d["resources"][0].update(open=[[1, 2, 3]]),
        lambda d: d["jobs"][0].update(due=1 << 60),
        lambda d: d.update(format="problem/2"),
        lambda d: d.update(format="problem/0"),
        lambda d: d.pop("format"),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(spoil: Any) -> None:
    data = json.loads(json.dumps(problem_to_data(small())))
    assert valid("problem", data)
    problem_from_data(data)
    spoil(data)
    assert not valid("problem", data)
    with pytest.raises(BadFile):
        problem_from_data(data)


def test_another_version_is_named_in_the_refusal() -> None:
    data = problem_to_data(small()) | {"format": "problem/2"}
    with pytest.raises(BadFile) as refused:
        problem_from_data(data)
    assert refused.value.faults == ('format: must be "problem/1", it is "problem/2"',)
