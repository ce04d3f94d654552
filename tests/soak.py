"""Long and mixed: every deed on every kind of resource by sixteen clients at once.

`make soak` makes 20,000 attempts over HTTP – create, move, cancel, approve, wait, accept, pass –
on a service as it runs in production, two schedulers beside it. What the database holds is
judged meanwhile and in the end by `tests.bookings.sweep`, which shares nothing with the guard.
Then the guard is taken away: the judge must notice within ten seconds. At last sixty answers
are lost to killed workers, and asked for again.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask

from benchmarks.park import empty_service, server
from benchmarks.report import RESULTS, Report
from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.embedded import Urls
from platform_booking.waitlist import offering
from tests.bookings import sweep
from tests.bookings.callers import make_token
from tests.bookings.lost_answers import lose
from tests.factories import (
    make_member,
    make_occurrence,
    make_operator,
    make_organisation,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.service import ROOT, Service

ATTEMPTS, KEYS = 20_000, 60
CLIENTS, PROCESSES, FIRMS, WORKERS, SCHEDULERS = 16, 4, 8, 2, 2
RUNS = 45
SECONDS = 10  # within which the judge must notice that the guard is gone
_LOOK = 2  # seconds between two looks of the judge
_ACCEPTED, _REFUSED = range(200, 400), {403, 404, 409, 412, 422}
_PUT_OFF = 503  # many are at it: told to come again


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak; return 0 when nothing was violated."""
    given = _parser().parse_args(arguments)
    with Report("soak", results=given.results) as report:
        report.surroundings("all")
        with server() as postgres, empty_service(postgres, "soak") as app:
            urls = postgres.urls("soak")
            ground = _ground()
            with Service(urls, workers=WORKERS) as service:
                ground["url"] = service.url
                _mixed(report, app, urls, ground, attempts=given.attempts)
                _lost(report, urls, keys=given.keys)
                _without_the_guard(report, urls, ground)
        return min(report.missed, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    parser.add_argument("--keys", type=int, default=KEYS, help="whose answers are lost")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    return parser


def _ground() -> dict[str, Any]:
    """Make two resources of each kind, one of them with approval, and who wants them."""
    base = utcnow().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=3)
    ground: dict[str, Any] = {"base": base.isoformat()}
    with writing() as session:
        platform = make_platform(session)
        for kind, capacity in (("unary", 1), ("pooled", 4), ("batch", 6), ("event", 20)):
            ground[kind] = []
            for policy in ({}, {"approval_hours": 48}):
                tool = make_resource(
                    session,
                    kind=kind,
                    capacity=capacity,
                    platform_id=platform.id,
                    policy=policy,
                )
                one: dict[str, Any] = {"id": str(tool.public_id)}
                if kind == "batch":
                    made = [make_recipe(session, tool, duration_min=120) for _ in range(2)]
                    one["recipes"] = [str(recipe.public_id) for recipe in made]
                if kind == "event":
                    one["runs"] = list(_runs(session, tool, base))
                ground[kind].append(one)
        firms = [make_organisation(session) for _ in range(FIRMS)]
        ground["people"] = [
            {
                "number": n,
                "token": make_token(
                    session, make_member(session, organisation=firms[n % FIRMS])
                ),
                "operator": _operator(session, platform),
            }
            for n in range(CLIENTS)
        ]
    return ground


def _runs(session: Any, tool: Any, base: Any) -> Iterator[dict[str, str]]:
    for n in range(RUNS):
        starts_at = base + n * timedelta(hours=12)
        run = make_occurrence(session, tool, starts_at=starts_at)
        yield {
            "id": str(run.public_id),
            "starts_at": run.starts_at.isoformat(),
            "ends_at": run.ends_at.isoformat(),
        }


def _operator(session: Any, platform: Platform) -> str:
    return make_token(session, make_operator(session, platform))


@contextmanager
def _clients(ground: dict[str, Any], *, attempts: int) -> Iterator[list[Any]]:
    """Let all clients loose, in processes of their own."""
    task = ground | {"attempts": attempts // CLIENTS, "clients_in_all": CLIENTS}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.soaking"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    try:
        for n, process in enumerate(running):
            mine = {"clients": ground["people"][n::PROCESSES]}
            json.dump(task | mine, process.stdin)
            process.stdin.close()
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(10)
            process.stdout.close()


@contextmanager
def _schedulers(app: Flask) -> Iterator[None]:
    """Offer what becomes free, as two schedulers that know nothing of each other."""
    stop = threading.Event()

    def tend() -> None:
        watch = offering.Watch()
        with app.app_context(), acting_as(JOB):
            while not stop.wait(0.1):
                offering.tend(watch, zone=app.config["SETTINGS"].zone)

    threads = [threading.Thread(target=tend) for _ in range(SCHEDULERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def _mixed(
    report: Report, app: Flask, urls: Urls, ground: dict[str, Any], *, attempts: int
) -> None:
    case = f"{attempts:,} attempts mixed"
    violations: set[str] = set()
    began, looks = time.monotonic(), 0
    with _schedulers(app), _clients(ground, attempts=attempts) as running:
        told: list[dict[str, Any]] = []
        reading = threading.Thread(
            target=lambda: told.extend(json.load(process.stdout) for process in running)
        )
        reading.start()
        while reading.is_alive():
            violations.update(sweep.faults(sweep.committed(urls.superuser)))
            looks += 1
            reading.join(_LOOK)
        seconds = time.monotonic() - began
    violations.update(sweep.faults(sweep.committed(urls.superuser)))
    statuses = sum((Counter(one["statuses"]) for one in told), Counter())
    booked = {which for one in told for which in one["booked"]}
    accepted = refused = put_off = 0
    done: Counter[str] = Counter()
    for name, number in statuses.items():
        deed, _, status = name.partition(" ")
        if int(status) in _ACCEPTED:
            accepted += number
            done[deed] += number
        elif int(status) in _REFUSED:
            refused += number
        elif int(status) == _PUT_OFF:
            put_off += number
    strange = statuses.total() - accepted - refused - put_off
    report.figure(case, "attempts", statuses.total(), "attempts", at_least=attempts)
    report.figure(case, "accepted", accepted, "attempts")
    report.figure(case, "refused", refused, "attempts")
    report.figure(case, "put off with Retry-After", put_off, "attempts")
    report.figure(case, "answered otherwise", strange, "attempts", at_most=0)
    for deed in sorted(done):
        report.figure(case, f"accepted: {deed}", done[deed], "attempts")
    report.figure(case, "violations", len(violations), "places", at_most=0)
    report.figure(
        case,
        "told and not there, or there and not told",
        len(booked ^ _there(urls)),
        "bookings",
        at_most=0,
    )
    report.figure(case, "looks of the judge", looks + 1, "looks")
    report.figure(case, "seconds", seconds, "s")
    for violation in sorted(violations)[:10]:
        print(violation, file=sys.stderr)


def _there(urls: Urls) -> set[str]:
    with psycopg.connect(urls.superuser.replace("+psycopg", "", 1)) as connection:
        return {
            str(row[0])
            for row in connection.execute(
                "SELECT public_id FROM booking WHERE source = 'person'"
            )
        }


def _lost(report: Report, urls: Urls, *, keys: int) -> None:
    began = time.monotonic()
    told = lose(urls, keys=keys)
    case = f"{keys} answers lost to killed workers"
    wrong = [one for one in told if not one.once]
    report.figure(case, "not booked just once", len(wrong), "keys", at_most=0)
    report.figure(case, "seconds", time.monotonic() - began, "s")


def _without_the_guard(report: Report, urls: Urls, ground: dict[str, Any]) -> None:
    with psycopg.connect(urls.owner.replace("+psycopg", "", 1)) as connection:
        connection.execute("DROP TRIGGER booking_guard ON booking")
        connection.execute("ALTER TABLE booking DROP CONSTRAINT booking_no_overlap")
    found: list[str] = []
    began = time.monotonic()
    with _clients(ground, attempts=ATTEMPTS) as running:
        while not found and any(process.poll() is None for process in running):
            found = list(sweep.faults(sweep.committed(urls.superuser)))
            if time.monotonic() - began > 6 * SECONDS:
                break
    took = time.monotonic() - began if found else None
    report.figure("without the guard", "noticed after", took, "s", at_most=SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
