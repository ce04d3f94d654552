"""A process of clients that book over HTTP as fast as they can: `python -m …racers`.

Standard input is one JSON object: the service's address and, for each client, its token and
its attempts. Standard output is, in the end, one line of JSON for each attempt: who, what was
asked, the status, the booking's id, and when it was sent and answered by the machine's clock.
"""

import http.client
import json
import random
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit


def run(task: dict[str, Any]) -> None:
    """Let every client make its attempts, all at once."""
    ready = threading.Barrier(len(task["clients"]))
    told: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=_book_all, args=(task["url"], client, ready, told))
        for client in task["clients"]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for line in told:
        print(json.dumps(line))


def _book_all(
    url: str, client: dict[str, Any], ready: threading.Barrier, told: list[dict[str, Any]]
) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    pause = random.Random(client["number"])
    ready.wait()
    for attempt in client["attempts"]:
        time.sleep(pause.uniform(0, 0.01))  # jitter: clients drift apart and meet again
        headers = {
            "Authorization": f"Bearer {client['token']}",
            "Content-Type": "application/json",
        }
        if attempt["key"]:
            headers["Idempotency-Key"] = attempt["key"]
        sent = time.monotonic()
        connection.request("POST", "/api/v1/bookings", json.dumps(attempt["body"]), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read() or "null")
        told.append(
            {
                "client": client["number"],
                "body": attempt["body"],
                "status": answer.status,
                "code": body.get("code"),
                "id": body.get("id"),
                "sent": sent,
                "answered": time.monotonic(),
            }
        )
    connection.close()


if __name__ == "__main__":
    run(json.load(sys.stdin))
