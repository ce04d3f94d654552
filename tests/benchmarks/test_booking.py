"""The benchmark of booking, on a small table."""

import json
from pathlib import Path

from benchmarks import booking


def test_a_small_table_is_measured_from_statements_to_growth(tmp_path: Path) -> None:
    little = [
        "--bookings",
        "3",
        "--crowd",
        "32",
        "--window",
        "1000",
        "--rows",
        "20000",
        "--asks",
        "5",
    ]

    assert booking.main([*little, "--results", str(tmp_path)]) == 0

    lines = [
        json.loads(line) for line in (tmp_path / "booking.jsonl").read_text().splitlines()
    ]
    figures = {(line["case"], line["figure"]): line for line in lines}
    # What does not depend on the machine holds however small the case is.
    for case in ("accepted", "refused by a rule", "refused as taken, no alternatives"):
        assert figures[case, "statements, most"]["met"], case
        assert figures[case, "CPU, mean"]["value"] > 0
    for case in ("16 clients, 20 tools", "16 clients, one tool"):
        assert figures[case, "accepted"]["value"] == 32
        assert figures[case, "refused"]["value"] == 0
        assert 0 < figures[case, "p50"]["value"] <= figures[case, "p99"]["value"]
    for who in ("all of them", "an eighth of them"):
        case = f"board, 1,000 bookings, seeing {who}"
        assert figures[case, "drawn"]["met"]
        assert figures[case, "statements, most"]["met"]
        assert figures[case, "of them reading a booking"]["met"]
    for what in ("create", "feed", "availability"):
        ratio = figures[
            "20,000 bookings in the table", f"{what}, times that with 10,000 bookings"
        ]
        assert ratio["value"] > 0
        assert ratio["target"] == 1.5
