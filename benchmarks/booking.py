"""What a booking costs, how many can be made a second, and whether that lasts.

One after another, requests go to the application in this process, so that its statements
can be counted and its processor time is told apart from PostgreSQL's. In a crowd, 16
clients ask gunicorn as it runs in production, on a PostgreSQL whose commits reach the disk.
"""

import argparse
import gc
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

from flask import Flask
from werkzeug.test import TestResponse

from benchmarks.asking import Client, Cost, measure, slot, statements
from benchmarks.filling import EVERY, fill
from benchmarks.growth import measure_growth
from benchmarks.park import empty_service, server
from benchmarks.report import RESULTS, Report
from benchmarks.serving import Crowd, crowd, serving
from benchmarks.tools import CLIENTS, Tools, make_tools, tomorrow
from platform_booking.embedded import Urls

BOOKINGS = 240  # one after another
CROWD = 1200  # in a crowd, of each case
SPREAD = 20  # tools that a crowd shares
WORKERS = 2  # of gunicorn
WINDOW = 10_000  # bookings that the board draws
MANY = 1_000_000
ASKS = 60

MOST_STATEMENTS = 10
MOST_CPU_MS = 12.0
FEED_STATEMENTS = 6
FEED_CPU_MS = 250.0
LEAST_SPREAD = 60.0  # accepted bookings a second
LEAST_HOT = 40.0
P99_MS = 1000.0

_TOOLS = 200
_LOOKS = 10  # at the board
_WARM = 20  # requests before any is counted
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_TAKEN = "refused as taken"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case; return 0 when all of them ran."""
    given = _parser().parse_args(arguments)
    with Report("booking", results=given.results) as report:
        report.surroundings("all")
        with server({}) as postgres, empty_service(postgres, "booking") as app:
            urls = postgres.urls("booking")
            tools = make_tools(_TOOLS)
            gc.collect()
            gc.freeze()  # as a worker of gunicorn does
            _one_by_one(report, app, tools, bookings=given.bookings)
            _crowds(report, urls, tools, bookings=given.crowd)
            _board(report, app, urls, tools, bookings=given.window)
        if given.rows:
            measure_growth(report, many=given.rows, asks=given.asks)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.booking", description=__doc__
    )
    parser.add_argument("--bookings", type=int, default=BOOKINGS, help="one after another")
    parser.add_argument("--crowd", type=int, default=CROWD, help="by 16 clients, each case")
    parser.add_argument("--window", type=int, default=WINDOW, help="bookings on the board")
    parser.add_argument(
        "--rows", type=int, default=MANY, help="bookings in the large table; 0: none"
    )
    parser.add_argument("--asks", type=int, default=ASKS, help="of each sort, for growth")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    return parser


def _one_by_one(report: Report, app: Flask, tools: Tools, *, bookings: int) -> None:
    base, warm = tomorrow() + 100 * _DAY, min(_WARM, bookings)
    ask = [Client(app, person) for person in tools.people]
    wishes = [
        slot(tools.public_ids[n % SPREAD], base + n // SPREAD * _HOUR)
        for n in range(_WARM + bookings)
    ]

    keys = count()

    def book(n: int, **more: str) -> TestResponse:
        """Let a client book one of the wishes, with a key of its own."""
        key = {"Idempotency-Key": f"one-{next(keys)}"}
        return ask[n % CLIENTS](
            "POST", "/api/v1/bookings", json=wishes[n] | more, headers=key
        )

    def several(*, status: int, **more: str) -> Cost:
        asks = [partial(book, n, **more) for n in range(warm + bookings)]
        measure(asks[:warm], status=status)
        return measure(asks[warm:], status=status)

    _cost(report, "accepted", several(status=201))
    nothing = str(tools.public_ids[0])  # no project has this id
    _cost(report, "refused by a rule", several(status=422, project_id=nothing))
    _cost(report, f"{_TAKEN}, alternatives looked up", several(status=409))
    with _no_alternatives(app):
        _cost(report, f"{_TAKEN}, no alternatives", several(status=409))


@contextmanager
def _no_alternatives(app: Flask) -> Iterator[None]:
    """Let refusals tell no more than what is wrong, within the block."""
    told, app.extensions["refusals_tell_more"] = app.extensions["refusals_tell_more"], []
    yield
    app.extensions["refusals_tell_more"] = told


def _cost(report: Report, case: str, cost: Cost) -> None:
    most = max(cost.statements)
    report.figure(case, "statements, most", most, "statements", at_most=MOST_STATEMENTS)
    report.figure(
        case, "savepoints and their ends, most", max(cost.savepoints), "statements"
    )
    report.figure(case, "CPU, mean", cost.mean_cpu_ms, "ms", at_most=MOST_CPU_MS)
    report.figure(case, "CPU, median", statistics.median(cost.cpu_ms), "ms")
    report.figure(case, "time, median", cost.median_wall_ms, "ms")


def _crowds(report: Report, urls: Urls, tools: Tools, *, bookings: int) -> None:
    base = tomorrow() + 20 * _DAY
    with serving(urls, workers=WORKERS) as url:
        few = range(min(8 * CLIENTS, bookings))
        wishes = [slot(tools.public_ids[-1], base + n * _HOUR) for n in few]
        crowd(url, tools.people, wishes, name="warm")
        wishes = [
            slot(tools.public_ids[n % SPREAD], base + n // SPREAD * 2 * _HOUR)
            for n in range(bookings)
        ]
        told = crowd(url, tools.people, wishes, name="spread")
        _told(report, f"{CLIENTS} clients, {SPREAD} tools", told, at_least=LEAST_SPREAD)
        wishes = [slot(tools.public_ids[SPREAD], base + n * _HOUR) for n in range(bookings)]
        told = crowd(url, tools.people, wishes, name="hot")
        _told(report, f"{CLIENTS} clients, one tool", told, at_least=LEAST_HOT)


def _told(report: Report, case: str, told: Crowd, *, at_least: float) -> None:
    rate = told.accepted / told.seconds
    report.figure(case, "accepted", told.accepted, "bookings")
    report.figure(case, "refused", told.refused, "bookings", at_most=0)
    report.figure(case, "accepted a second", rate, "bookings/s", at_least=at_least)
    report.figure(case, "p50", told.quantile(0.5), "ms")
    report.figure(case, "p99", told.quantile(0.99), "ms", at_most=P99_MS)


def _board(report: Report, app: Flask, urls: Urls, tools: Tools, *, bookings: int) -> None:
    base = tomorrow()
    until = base + EVERY * (bookings // _TOOLS)
    fill(urls, tools, rows=bookings, until=until)
    window = {"from": base.isoformat(), "to": until.isoformat()}
    for who, person in (
        ("all of them", tools.staff),
        ("an eighth of them", tools.people[0]),
    ):
        client = Client(app, person, browser=True)
        ask = partial(client, "GET", "/board/feed", query_string=window)
        first = ask()
        tag, body = first.headers["ETag"], first.get_json()
        drawn = len(body["bookings"]) + len(body["busy"])
        case = f"board, {bookings:,} bookings, seeing {who}"
        whole = measure([ask] * _LOOKS, status=200)
        most = max(whole.statements)
        report.figure(case, "drawn", drawn, "bookings", at_least=bookings)
        report.figure(case, "statements, most", most, "statements", at_most=FEED_STATEMENTS)
        report.figure(case, "CPU, mean", whole.mean_cpu_ms, "ms", at_most=FEED_CPU_MS)
        report.figure(case, "time, median", whole.median_wall_ms, "ms")
        with statements() as asked:
            again = measure(
                [partial(ask, headers={"If-None-Match": tag})] * _LOOKS, status=304
            )
        report.figure(
            case, "statements of a 304, most", max(again.statements), "statements"
        )
        looks = sum("booking" in s or "busy(" in s for s in asked)
        report.figure(case, "of them reading a booking", looks, "statements", at_most=0)
        report.figure(case, "CPU of a 304, mean", again.mean_cpu_ms, "ms")


if __name__ == "__main__":
    raise SystemExit(main())
