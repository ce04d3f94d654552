"""What benchmarks print and keep."""

import json
from pathlib import Path

import pytest

from benchmarks.report import Report

FIELDS = ["bench", "case", "figure", "value", "unit", "target", "met"]


def kept(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "some.jsonl").read_text().splitlines()]


def test_what_is_printed_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Report("some", results=tmp_path) as report:
        report.figure("a case", "steps", 3, "steps")
        report.figure("a case", "ratio", 1.05, "ratio", at_least=1.04)

    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == kept(tmp_path)
    assert [list(line) for line in printed] == [FIELDS, FIELDS]
    assert [list(line.values())[1:] for line in printed] == [
        ["a case", "steps", 3, "steps", None, None],
        ["a case", "ratio", 1.05, "ratio", 1.04, True],
    ]


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (1.04, {"at_least": 1.04}, True),
        (1.039, {"at_least": 1.04}, False),
        (1.15, {"at_most": 1.15}, True),
        (1.16, {"at_most": 1.15}, False),
        (0, {"at_most": 0}, True),
        (None, {"at_most": 1.15}, False),
    ],
)
def test_a_figure_says_whether_it_meets_its_target(
    tmp_path: Path, value: float | None, target: dict[str, float], met: bool
) -> None:
    with Report("some", results=tmp_path) as report:
        report.figure("a case", "ratio", value, "ratio", **target)

    assert [line["met"] for line in kept(tmp_path)] == [met]
    assert report.missed == (not met)


def test_a_run_that_breaks_off_leaves_the_results_of_the_last_one(tmp_path: Path) -> None:
    with Report("some", results=tmp_path) as report:
        report.figure("a case", "steps", 3, "steps")

    def broken_off() -> None:
        with Report("some", results=tmp_path) as report:
            report.figure("a case", "steps", 4, "steps")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()

    assert [line["value"] for line in kept(tmp_path)] == [3]
