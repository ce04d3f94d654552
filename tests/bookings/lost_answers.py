"""Bookings whose answers are lost, since the worker that made them is killed.

Each is asked for with an Idempotency-Key of its own; the client knows nothing and asks
again, twice at the same moment. The resource has room for every repetition: nothing but the
key keeps the second booking out.
"""

import http.client
import json
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg

from platform_booking.embedded import Urls
from tests.bookings.asking import slot
from tests.bookings.callers import make_token
from tests.factories import MONDAY, make_member, make_resource, writing
from tests.service import Service

WORKERS = 3
MOMENTS = ("before", "after")
HOUR = timedelta(hours=1)
Answer = tuple[int, Any] | None
"""Status and body; None where the connection ended without an answer."""


@dataclass(frozen=True)
class Told:
    """What became of one key."""

    moment: str  # before or after the commit: when the worker was killed
    first: Answer
    written: int  # bookings when the worker had died
    again: list[Answer]
    booked: int  # bookings in the end

    @property
    def once(self) -> bool:
        """Tell whether it died where it was told to, and was booked once for all that."""
        one, other = self.again
        return (
            self.first is None
            and self.written == (self.moment == "after")
            and one is not None
            and one[0] == 201
            and one == other
            and self.booked == 1
        )


def lose(database: Urls, *, keys: int) -> list[Told]:
    """Have a worker killed before or after each of so many commits, by turns; ask again.

    Needs the application of the database.
    """
    with writing() as session:
        pool = make_resource(session, kind="pooled", capacity=50)
        token = make_token(session, make_member(session))
    url = database.superuser.replace("+psycopg", "", 1)
    dying = "tests.bookings.dying_service:app"
    with (
        psycopg.connect(url, autocommit=True) as connection,
        Service(database, workers=WORKERS, preloaded=dying) as service,
    ):

        def there(n: int) -> int:
            return connection.execute(
                "SELECT count(*) FROM booking b JOIN resource r ON r.id = b.resource_id"
                " WHERE r.public_id = %s AND b.starts_at = %s",
                (pool.public_id, MONDAY + n * HOUR),
            ).fetchone()[0]

        told = []
        for n in range(keys):
            wish, key = slot(pool, at=MONDAY + n * HOUR), f"key-{n}"
            moment = MOMENTS[n % 2]
            first = _ask(service.url, token, key, wish, Die=moment)
            written = there(n)
            again = _twice_at_once(service.url, token, key, wish)
            told.append(Told(moment, first, written, again, there(n)))
        return told


def _ask(url: str, token: str, key: str, wish: dict[str, str], **headers: str) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers |= {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    try:
        connection.request("POST", "/api/v1/bookings", json.dumps(wish), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return None
    finally:
        connection.close()


def _twice_at_once(url: str, token: str, key: str, wish: dict[str, str]) -> list[Answer]:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(_ask(url, token, key, wish)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
