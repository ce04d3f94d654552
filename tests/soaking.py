"""A process of clients that do everything one can do with bookings: `python -m tests.soaking`.

Standard input is one JSON object: the service's address, what there is to book, how many
attempts each client makes, and for each client its token and an operator's. Standard output is
one: how often each deed came to which status, and the ids of what was booked.
"""

import http.client
import json
import random
import sys
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

KINDS = ("unary", "pooled", "batch", "event")
DEEDS = {"create": 8, "move": 4, "cancel": 3, "approve": 2, "wait": 2, "answer": 3}
"""How often each is tried; where there is nothing to do it to, something is booked."""
EACH = 5  # attempts on one connection: kept for long, all might end at one process
HALF = timedelta(minutes=30)


class Client:
    """One member, and the operator who answers requests beside him."""

    def __init__(self, task: dict[str, Any], client: dict[str, Any]) -> None:
        self.task, self.client = task, client
        self.dice = random.Random(client["number"])
        self.connection = http.client.HTTPConnection(
            urlsplit(task["url"]).netloc, timeout=60
        )
        self.base = datetime.fromisoformat(task["base"])
        self.held: list[tuple[str, str, str]] = []  # id, kind, resource
        self.statuses: Counter[str] = Counter()
        self.booked: list[str] = []

    def run(self, ready: threading.Barrier) -> None:
        ready.wait()
        for n in range(self.task["attempts"]):
            if n % EACH == 0:
                self.connection.close()  # the next request opens it, to whoever answers
            (deed,) = self.dice.choices(list(DEEDS), list(DEEDS.values()))
            # The time that is wanted moves on, so that clients meet all along.
            getattr(self, deed)(n * self.task["clients_in_all"])
        self.connection.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        token = headers.pop("token", self.client["token"])
        headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        text = None if method == "GET" else json.dumps(body or {})
        self.connection.request(method, f"/api/v1{path}", text, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")

    def attempt(self, deed: str, path: str, body: Any = None, **headers: str) -> Any:
        """Write something: what is counted. Return the answer if it was accepted."""
        method = headers.pop("method", "POST")
        status, answer = self.ask(method, path, body, **headers)
        self.statuses[f"{deed} {status}"] += 1
        return answer if status < 400 else None

    def wish(self, n: int, kind: str, resource: str | None = None) -> dict[str, Any]:
        """Return a slot that others want as well."""
        dice, there = self.dice, self.task[kind]
        more: dict[str, Any] = {}
        resource = resource or dice.choice(there)["id"]
        tool = next(one for one in there if one["id"] == resource)
        if kind == "event":
            run = tool["runs"][min(len(tool["runs"]) - 1, n // 500 + dice.randrange(3))]
            times = {"starts_at": run["starts_at"], "ends_at": run["ends_at"]}
            more = {"occurrence_id": run["id"], "quantity": dice.randint(1, 2)}
            return {"resource_id": resource, **times, **more}
        if kind == "unary":
            first, length = n // 20 + dice.randrange(30), dice.randint(1, 3)
        elif kind == "pooled":
            first, length = n // 40 + dice.randrange(16), dice.randint(1, 4)
            more = {"quantity": dice.randint(1, 2)}
        else:
            first, length = 4 * (n // 125 + dice.randrange(6)), 4
            first += 2 * (dice.random() < 0.1)  # in the middle of another run
            more = {
                "quantity": dice.randint(1, 3),
                "recipe_id": dice.choice(tool["recipes"]),
            }
        return {
            "resource_id": resource,
            "starts_at": (self.base + first * HALF).isoformat(),
            "ends_at": (self.base + (first + length) * HALF).isoformat(),
            **more,
        }

    def create(self, n: int) -> None:
        kind = self.dice.choice(KINDS)
        body = self.wish(n, kind)
        key = {"Idempotency-Key": f"{self.client['number']}-{n}"} if n % 2 else {}
        made = self.attempt("create", "/bookings", body, **key)
        if made:
            self.booked.append(made["id"])
            self.held.append((made["id"], kind, body["resource_id"]))

    def move(self, n: int) -> None:
        if not self.held:
            return self.create(n)
        which, kind, resource = self.dice.choice(self.held)
        body = self.wish(n, kind, resource)
        changed = ("quantity",) if kind == "event" else ("starts_at", "ends_at", "quantity")
        self.attempt(
            "move",
            f"/bookings/{which}",
            {name: body[name] for name in changed if name in body},
            method="PATCH",
            **{"If-Match": self.dice.choice(("*", '"1"', '"2"'))},
        )
        return None

    def cancel(self, n: int) -> None:
        if not self.held:
            return self.create(n)
        which = self.held.pop(self.dice.randrange(len(self.held)))
        self.attempt("cancel", f"/bookings/{which[0]}/cancel")
        return None

    def approve(self, n: int) -> None:
        """As the operator; several choose among the same requests."""
        staff = self.client["operator"]
        _status, found = self.ask("GET", "/requests?limit=50", token=staff)
        if not found["items"]:
            return self.create(n)
        which = self.dice.choice(found["items"])["id"]
        if self.dice.random() < 0.8:
            self.attempt("approve", f"/bookings/{which}/approve", token=staff)
        else:
            reason = {"reason": "soak"}
            self.attempt("decline", f"/bookings/{which}/decline", reason, token=staff)
        return None

    def wait(self, n: int) -> None:
        body = self.wish(n, self.dice.choice(("unary", "pooled", "batch")))
        body["from"], body["to"] = body.pop("starts_at"), body.pop("ends_at")
        self.attempt("wait", "/waiting", body)

    def answer(self, n: int) -> None:
        """Accept or pass what is offered; now and then wait no longer."""
        _status, found = self.ask("GET", "/waiting?limit=50")
        own = found["items"]
        offered = [one["id"] for one in own if one["state"] == "offered"]
        if offered:
            deed = self.dice.choice(("accept", "accept", "accept", "pass"))
            self.attempt(deed, f"/waiting/{self.dice.choice(offered)}/{deed}")
        elif len(own) > 5:
            which = self.dice.choice(own)["id"]
            self.attempt("withdraw", f"/waiting/{which}/withdraw")
        else:
            self.wait(n)


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Let every client of this process make its attempts, all at once."""
    ready = threading.Barrier(len(task["clients"]))
    clients = [Client(task, one) for one in task["clients"]]
    threads = [threading.Thread(target=one.run, args=(ready,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "statuses": dict(sum((one.statuses for one in clients), Counter())),
        "booked": [which for one in clients for which in one.booked],
        "attempts": sum(one.statuses.total() for one in clients),
    }


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
