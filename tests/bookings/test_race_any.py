"""T-CAP-3: many ask at once for any tool of a kind, with a pooled licence beside it.

Easy!Appointments books a provider twice when it picks him for two users at once. Here as
many are served as there are tools, no more and, where one is faster, no fewer: whoever
loses a tool gets the next one.
"""

import json
from collections import Counter
from typing import Any

import psycopg
import pytest
from flask import Flask

from platform_booking.embedded import Urls
from tests.bookings import sweep
from tests.bookings.asking import HOUR, iso
from tests.bookings.callers import make_token
from tests.bookings.test_race import processes
from tests.factories import MONDAY, make_member, make_resource, writing
from tests.service import Service

pytestmark = pytest.mark.race

CLIENTS, HOURS, TOOLS, PROCESSES = 8, 15, 5, 2


def test_as_many_as_there_are_tools_are_served_and_never_one_twice(
    database: Urls, app: Flask
) -> None:
    """B7: of a capability with alternatives, and of what is booked beside."""
    with writing() as session:
        tools = [make_resource(session, capabilities=("DRIE",)) for _ in range(TOOLS)]
        pools = [
            make_resource(session, kind="pooled", capacity=3, capabilities=("TCAD",))
            for _ in range(2)
        ]
        tokens = [make_token(session, make_member(session)) for _ in range(CLIENTS)]
    told = _race(database, tokens)
    held = sweep.committed(database.superuser)
    assert list(sweep.faults(held)) == []
    served = Counter(line["body"]["starts_at"] for line in told if line["status"] == 201)
    print(
        f"\n{Counter(line['status'] for line in told)}; served per hour {served.values()}"
    )
    assert {line["status"] for line in told} == {201, 409}
    refused = {line["code"] for line in told if line["status"] == 409}
    assert refused == {"capacity_taken"}
    assert set(served.values()) == {TOOLS}
    assert len(served) == HOURS
    groups = _groups(database)
    assert len(groups) == TOOLS * HOURS
    mates = {t.id for t in tools}, {p.id for p in pools}
    for members in groups.values():  # a tool and a licence each: all or none
        assert [len(set(members) & kind) for kind in mates] == [1, 1]


def _race(database: Urls, tokens: list[str]) -> list[dict[str, Any]]:
    bodies = [
        {
            "capability": "DRIE",
            "with": [{"capability": "TCAD"}],
            "starts_at": iso(MONDAY + n * HOUR),
            "ends_at": iso(MONDAY + (n + 1) * HOUR),
        }
        for n in range(HOURS)
    ]
    clients = [
        {
            "number": number,
            "token": token,
            "attempts": [
                {"body": body, "key": f"{number}-{n}" if n % 2 else None}
                for n, body in enumerate(bodies)
            ],
        }
        for number, token in enumerate(tokens)
    ]
    with Service(database, workers=2) as service, processes(PROCESSES) as running:
        for n, process in enumerate(running):
            task = {"url": service.url, "clients": clients[n::PROCESSES]}
            json.dump(task, process.stdin)
            process.stdin.close()
        told = [json.loads(line) for process in running for line in process.stdout]
        assert [process.wait(60) for process in running] == [0] * PROCESSES
    return told


def _groups(database: Urls) -> dict[Any, list[int]]:
    url = database.superuser.replace("+psycopg", "", 1)
    with psycopg.connect(url) as connection:
        found: dict[Any, list[int]] = {}
        for group, resource in connection.execute(
            "SELECT group_id, resource_id FROM booking"
        ):
            found.setdefault(group, []).append(resource)
    return found
