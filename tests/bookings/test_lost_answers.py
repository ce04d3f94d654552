"""P3: whoever repeats a request with its Idempotency-Key has booked once, whatever died."""

from collections import Counter

import pytest
from flask import Flask

from platform_booking.embedded import Urls
from tests.bookings.lost_answers import lose

pytestmark = pytest.mark.race

KEYS = 20  # the soak loses sixty answers


def test_who_repeats_a_request_whose_worker_was_killed_has_booked_once(
    database: Urls, app: Flask
) -> None:
    told = lose(database, keys=KEYS)
    assert Counter(one.moment for one in told) == {"before": KEYS // 2, "after": KEYS // 2}
    assert [one for one in told if not one.once] == []
