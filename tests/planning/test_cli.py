"""What `plan run` shows: a bar in a terminal, plain lines elsewhere."""

import os
import pty
import subprocess
import sys
from uuid import uuid4

from platform_booking.planning import cli
from platform_booking.planning.nightly import Outcome
from tests.service import ROOT

SHOW = """
from platform_booking.planning.cli import shown
from solver.options import Progress
with shown(seconds=10.0) as report:
    for phase, wave, bound, at in (
        ("greedy", 0, None, 0.5), ("improve", 1, None, 6.0), ("improve", 2, None, 9.9),
        ("bound", 0, None, 10.0), ("bound", 0, 1500, 11.0), ("explain", 0, None, 11.1),
    ):
        report(Progress(phase, wave, 0, 1234, bound, at))
"""
OUTCOME = Outcome(
    plan_id=1,
    public_id=uuid4(),
    asked=10,
    placed=8,
    value=1100,
    fcfs_value=1000,
    fcfs_placed=7,
    bound=1250,
    left_out=(("full", "1"), ("route_too_long", "1")),
    seconds=10.0,
)
AFTERWARDS = [
    "Proving how much better any plan could be ...",
    "Finding out why the others were left out, and what would bring them in ...",
]


def said(error: int) -> None:
    subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, stderr=error, check=True)


def test_without_a_terminal_progress_is_plain_lines_now_and_then() -> None:
    reader, writer = os.pipe()
    said(writer)
    os.close(writer)
    with open(reader) as lines:
        assert lines.read().splitlines() == ["6 s: value 1,234 after 1 waves", *AFTERWARDS]


def test_in_a_terminal_a_bar_fills_and_stays() -> None:
    keyboard, terminal = pty.openpty()
    said(terminal)
    shown = os.read(keyboard, 100_000).decode()
    os.close(terminal)
    os.close(keyboard)
    assert "Searching" in shown
    assert " 60%" in shown
    assert "100%  value 1,234" in shown
    lines = shown.split("\r\n")
    assert [line for line in lines if line.endswith("...")] == AFTERWARDS


def test_the_summary_says_in_words_what_a_night_brought() -> None:
    assert cli.summary(OUTCOME) == [
        "8 of 10 orders placed (first come, first served: 7)",
        "value 1,100, 1.100 times first come, first served",
        "proven: no plan is worth more than 1,250 (gap 12.0%)",
        "left out: 2",
        "  1 find no room beside what is placed or booked",
        "  1 are routes that do not fit before their deadline as a whole",
    ]
