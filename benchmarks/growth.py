"""Whether a table of many bookings is as quick as one of few."""

import statistics
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Flask

from benchmarks.asking import Client, measure, slot
from benchmarks.filling import AHEAD, TAKEN, fill
from benchmarks.park import empty_service, server
from benchmarks.report import Report
from benchmarks.tools import FIRST, Tools, make_tools, tomorrow

FEW = 10_000
TOOLS = 200
TIMES = 1.5  # as long as with few, at most
_ROUNDS = 5  # by turns, so that a busy moment of the machine meets both


@dataclass(slots=True)
class _Park:
    """A database with its bookings."""

    app: Flask
    tools: Tools
    wall_ms: dict[str, list[float]] = field(default_factory=dict)

    def run(self, round_: int, *, each: int, base: datetime) -> None:
        """Ask for everything some times more."""
        programs = [Client(self.app, person) for person in self.tools.people]
        staff = Client(self.app, self.tools.staff, browser=True)
        few = range(each * round_, each * (round_ + 1))
        created = measure(
            (
                # In the free hours between two that are taken.
                lambda n=n: programs[n % len(programs)](  # type: ignore[misc]
                    "POST",
                    "/api/v1/bookings",
                    json=slot(self.tools.public_ids[n], base + TAKEN),
                )
                for n in few
            ),
            status=201,
        )
        board = measure(
            (lambda: staff("GET", "/board/feed", query_string=_day(base)) for _ in few),
            status=200,
        )
        found = measure(
            (
                lambda n=n: programs[n % len(programs)](  # type: ignore[misc]
                    "GET",
                    "/api/v1/availability",
                    query_string={"capability": FIRST, "minutes": 60},
                )
                for n in few
            ),
            status=200,
        )
        for what, cost in (("create", created), ("feed", board), ("availability", found)):
            self.wall_ms.setdefault(what, []).extend(cost.wall_ms)


def measure_growth(report: Report, *, many: int, asks: int) -> None:
    """Report create, feed and availability with few and with many bookings, by turns.

    `asks` is how often each is asked for.
    """
    each = max(1, asks // _ROUNDS)
    base = tomorrow()
    until = base + AHEAD
    with server() as postgres:
        parks: dict[int, _Park] = {}
        with (
            empty_service(postgres, "few") as few_app,
            empty_service(postgres, "many") as many_app,
        ):
            for name, rows, app in (("few", FEW, few_app), ("many", many, many_app)):
                with app.app_context():
                    tools = make_tools(TOOLS)
                    began = time.monotonic()
                    fill(postgres.urls(name), tools, rows=rows, until=until)
                    took = time.monotonic() - began
                    report.figure(_case(rows), "seconds to load", took, "s")
                    parks[rows] = _Park(app, tools)
                    parks[rows].run(0, each=each, base=base)
                    parks[rows].wall_ms.clear()  # the first round warms caches
            for round_ in range(1, 1 + _ROUNDS):
                for park in parks.values():
                    with park.app.app_context():
                        park.run(round_, each=each, base=base)
    for what in parks[FEW].wall_ms:
        times = {n: statistics.median(park.wall_ms[what]) for n, park in parks.items()}
        for rows, ms in times.items():
            report.figure(_case(rows), f"{what}, median", ms, "ms")
        report.figure(
            _case(many),
            f"{what}, times that with {FEW:,} bookings",
            times[many] / times[FEW],
            "ratio",
            at_most=TIMES,
        )


def _case(rows: int) -> str:
    return f"{rows:,} bookings in the table"


def _day(base: datetime) -> dict[str, str]:
    return {"from": base.isoformat(), "to": (base + timedelta(days=1)).isoformat()}
