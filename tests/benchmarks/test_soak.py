"""The soak, for some seconds: each deed is done, and what it must not find is not there."""

import json
from pathlib import Path

import pytest

from tests import soak

pytestmark = pytest.mark.race


def test_a_short_soak_finds_nothing_wrong_and_a_missing_guard(tmp_path: Path) -> None:
    little = ["--attempts", "320", "--keys", "2", "--results", str(tmp_path)]
    assert soak.main(little) == 0
    lines = [
        json.loads(line) for line in (tmp_path / "soak.jsonl").read_text().splitlines()
    ]
    figures = {(line["case"], line["figure"]): line["value"] for line in lines}
    mixed = {figure: v for (case, figure), v in figures.items() if case.endswith("mixed")}
    assert mixed["attempts"] == 320
    assert mixed["violations"] == 0
    assert mixed["accepted"] > 100
    assert mixed["refused"] > 20
    for deed in ("create", "move", "cancel", "approve", "wait"):
        assert mixed[f"accepted: {deed}"] > 0, deed
    assert 0 < figures["without the guard", "noticed after"] < soak.SECONDS
