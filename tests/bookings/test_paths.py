"""Every path into, out of and along a place races every other one, over HTTP."""

import time

import psycopg
import pytest
from flask import Flask

from platform_booking.embedded import Urls
from tests.bookings import sweep
from tests.bookings.ground import Ground
from tests.bookings.rounds import COMING, Told, alone, race
from tests.service import Service

pytestmark = pytest.mark.race

ROUNDS, WORKERS = 20, 2
SECONDS = 10  # within which the judge must notice that the guard is gone


def test_no_two_paths_together_fill_a_place_beyond_its_capacity(
    database: Urls, app: Flask
) -> None:
    """B3, B4, B7: twenty rounds of two users, and twenty of eight, in two processes."""
    ground = Ground.make(app)
    total = Told()
    with Service(database, workers=WORKERS) as service:
        without_rivals = alone(service.url, ground)
        for users in (2, 8):
            for told in race(service.url, ground, rounds=ROUNDS, users=users, seed=users):
                assert told.strange() == []
                total.statuses.update(told.statuses)
    print(f"\n{without_rivals}")
    # A run lasts as long as its recipe: there is nothing to extend.
    assert {path for path, status in without_rivals.items() if status >= 400} == {
        ("batch", "extend"),
        ("batch", "kiosk"),
    }
    assert list(sweep.faults(sweep.committed(database.superuser))) == []
    refused = {deed for (deed, status), n in total.statuses.items() if status >= 400}
    print(f"\n{total.attempts} attempts: {sorted(total.statuses.items())}")
    # Else nobody has met anybody, and this proves nothing.
    assert set(COMING) - refused == set()


def test_the_judge_notices_within_ten_seconds_that_the_guard_is_gone(
    database: Urls, app: Flask
) -> None:
    ground = Ground.make(app)
    with Service(database, workers=WORKERS) as service:
        with psycopg.connect(database.owner.replace("+psycopg", "", 1)) as connection:
            connection.execute("DROP TRIGGER booking_guard ON booking")
            connection.execute("ALTER TABLE booking DROP CONSTRAINT booking_no_overlap")
            # What the trigger copies; without it a booking belongs to no platform.
            connection.execute("ALTER TABLE booking ALTER platform_id DROP NOT NULL")
        began = time.monotonic()
        for _ in race(service.url, ground, rounds=ROUNDS, users=8, seed=3):
            found = list(sweep.faults(sweep.committed(database.superuser)))
            if found:
                break
        took = time.monotonic() - began
    assert found
    assert took < SECONDS
