"""Many clients want the same at once, over HTTP, from a service as it runs in production.

Sixteen clients of eight firms in four processes make 600 attempts on a resource of each
kind, with `--whole` 2,000. What the database holds in the end is judged by `sweep`, which shares nothing with the
guard. The same race with the guard taken away shows that the judge would have noticed.
"""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from platform_booking.embedded import Urls
from tests.bookings import sweep
from tests.bookings.callers import make_token
from tests.factories import (
    MONDAY,
    make_member,
    make_organisation,
    make_recipe,
    make_resource,
    writing,
)
from tests.service import ROOT, Service

pytestmark = pytest.mark.race

CLIENTS, PROCESSES, FIRMS, WORKERS = 16, 4, 8, 2
ATTEMPTS, ATTEMPTS_IN_ALL = 600, 2_000
SLOT = timedelta(minutes=30)


@dataclass
class Field:
    """Where the race is run: three resources and those who want them."""

    unary: str
    pool: str
    oven: str
    recipes: tuple[str, ...]
    tokens: tuple[str, ...]


@dataclass
class Attempt:
    """What one client asked for, and what it was told."""

    client: int
    resource: str
    starts_at: datetime
    ends_at: datetime
    status: int
    code: str | None
    booking: str | None
    sent: float
    answered: float

    def meets(self, other: "Attempt") -> bool:
        """Whether both want some of the same time of the same resource."""
        return (
            self.resource == other.resource
            and self.starts_at < other.ends_at
            and other.starts_at < self.ends_at
        )

    def beside(self, other: "Attempt") -> bool:
        """Whether both were under way at the same moment."""
        return self.sent < other.answered and other.sent < self.answered


@dataclass
class Outcome:
    """What a race came to."""

    attempts: list[Attempt]
    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def accepted(self) -> list[Attempt]:
        """The attempts that became bookings."""
        return [a for a in self.attempts if a.status == 201]

    def overlapping(self) -> int:
        """Count the attempts that wanted what another client was asking for just then."""
        racing: set[int] = set()
        in_order = sorted(enumerate(self.attempts), key=lambda pair: pair[1].sent)
        under_way: list[tuple[int, Attempt]] = []
        for n, attempt in in_order:
            under_way = [(m, a) for m, a in under_way if a.answered > attempt.sent]
            for m, other in under_way:
                if attempt.meets(other) and attempt.beside(other):
                    racing |= {n, m}
            under_way.append((n, attempt))
        return len(racing)


@pytest.fixture
def ground(app: Flask) -> Field:
    with writing() as session:
        unary = make_resource(session, kind="unary")
        pool = make_resource(session, kind="pooled", capacity=4)
        oven = make_resource(session, kind="batch", capacity=6)
        recipes = [
            make_recipe(session, oven, capacity=6, duration_min=120) for _ in range(2)
        ]
        firms = [make_organisation(session) for _ in range(FIRMS)]
        members = [
            make_member(session, organisation=firms[n % FIRMS]) for n in range(CLIENTS)
        ]
        return Field(
            unary=str(unary.public_id),
            pool=str(pool.public_id),
            oven=str(oven.public_id),
            recipes=tuple(str(r.public_id) for r in recipes),
            tokens=tuple(make_token(session, m) for m in members),
        )


def wanted(
    ground: Field, draw: random.Random, *, attempts: int
) -> Iterator[dict[str, Any]]:
    """Yield slots that crowd each resource about twice over, in the order they are asked.

    The window moves on with the race, so that clients meet in the same hours all along.
    """
    for n in range(attempts):
        kind = draw.choice(("unary", "pool", "oven"))
        more: dict[str, Any] = {}
        if kind == "unary":
            first, length = int(n * 0.35) + draw.randrange(40), draw.randint(1, 3)
        elif kind == "pool":
            first, length = int(n * 0.15) + draw.randrange(20), draw.randint(1, 4)
            more = {"quantity": draw.randint(1, 2)}
        else:
            run = int(n * 0.07) + draw.randrange(10)
            # A run of two hours; now and then one that begins in the middle of another.
            first, length = 4 * run + (2 if draw.random() < 0.1 else 0), 4
            more = {
                "quantity": draw.randint(1, 3),
                "recipe_id": draw.choice(ground.recipes),
            }
        yield {
            "resource_id": getattr(ground, kind),
            "starts_at": (MONDAY + first * SLOT).isoformat(),
            "ends_at": (MONDAY + (first + length) * SLOT).isoformat(),
            **more,
        }


def race(url: str, ground: Field, *, attempts: int, seed: int) -> Outcome:
    """Let all clients loose on the service; return what each was told."""
    draw = random.Random(seed)
    bodies = list(wanted(ground, draw, attempts=attempts))
    clients = [
        {
            "number": n,
            "token": ground.tokens[n],
            "attempts": [
                # Every second one with a key, as programs that retry send it.
                {"body": body, "key": f"race-{n}-{i}" if i % 2 else None}
                for i, body in enumerate(bodies[n::CLIENTS])
            ],
        }
        for n in range(CLIENTS)
    ]
    began = time.monotonic()
    with processes(PROCESSES) as running:
        for n, process in enumerate(running):
            json.dump({"url": url, "clients": clients[n::PROCESSES]}, process.stdin)
            process.stdin.close()
        lines = [json.loads(line) for process in running for line in process.stdout]
        assert [process.wait(60) for process in running] == [0] * PROCESSES
    attempts_made = [
        Attempt(
            client=line["client"],
            resource=line["body"]["resource_id"],
            starts_at=datetime.fromisoformat(line["body"]["starts_at"]),
            ends_at=datetime.fromisoformat(line["body"]["ends_at"]),
            status=line["status"],
            code=line["code"],
            booking=line["id"],
            sent=line["sent"],
            answered=line["answered"],
        )
        for line in lines
    ]
    assert len(attempts_made) == attempts
    return Outcome(
        attempts_made,
        time.monotonic() - began,
        Counter(a.status for a in attempts_made),
    )


@contextmanager
def processes(number: int) -> Iterator[Sequence[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.bookings.racers"]
    running = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    try:
        yield running
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
            process.wait(10)
            process.stdout.close()


def ids_in_force(database: Urls) -> set[str]:
    with psycopg.connect(database.superuser.replace("+psycopg", "", 1)) as connection:
        return {str(row[0]) for row in connection.execute("SELECT public_id FROM booking")}


def test_hundreds_of_attempts_at_once_never_fill_a_resource_beyond_its_capacity(
    database: Urls, ground: Field, request: pytest.FixtureRequest
) -> None:
    whole = request.config.getoption("--whole")
    attempts = ATTEMPTS_IN_ALL if whole else ATTEMPTS
    with Service(database, workers=WORKERS) as service:
        outcome = race(service.url, ground, attempts=attempts, seed=1)
    held = sweep.committed(database.superuser)
    share = len(outcome.accepted) / attempts
    by_resource = Counter(a.resource for a in outcome.accepted)
    print(
        f"\n{attempts} attempts in {outcome.seconds:.1f} s, {outcome.overlapping()} of them"
        f" beside a rival's for the same time; accepted {share:.0%}:"
        f" unary {by_resource[ground.unary]}, pooled {by_resource[ground.pool]},"
        f" batch {by_resource[ground.oven]}; statuses {dict(outcome.statuses)}"
    )
    assert list(sweep.faults(held)) == []
    assert set(outcome.statuses) == {201, 409}, outcome.statuses
    assert share >= 0.25
    assert all(by_resource.values())
    assert len(by_resource) == 3
    assert outcome.overlapping() >= 100, "hardly anybody has met: this proves nothing"
    # What was acknowledged is there, and nothing else is.
    assert {a.booking for a in outcome.accepted} == ids_in_force(database)


def test_without_the_guards_the_same_race_breaks_every_capacity(
    database: Urls, ground: Field
) -> None:
    """The judge can tell: what the race above shows is the guard's work."""
    with Service(database, workers=WORKERS) as service:
        with psycopg.connect(database.owner.replace("+psycopg", "", 1)) as connection:
            connection.execute("DROP TRIGGER booking_guard ON booking")
            connection.execute("ALTER TABLE booking DROP CONSTRAINT booking_no_overlap")
        outcome = race(service.url, ground, attempts=160, seed=1)
    found = list(sweep.faults(sweep.committed(database.superuser)))
    print(f"\nwithout the guard: {len(found)} places beyond capacity, as {found[:1]}")
    assert found
    assert len({fault.partition(" at ")[0] for fault in found}) == 3
    assert not [a for a in outcome.attempts if a.status >= 500]
