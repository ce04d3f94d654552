"""A process of clients that book over HTTP as fast as they are answered.

Standard input is one JSON object: the service's address and, for each client, its token
and the bodies it sends. Standard output is one: the status and the seconds of every
request, and how long it all took.
"""

import http.client
import json
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Let all clients begin at once; return what they were told, and how soon."""
    ready = threading.Barrier(len(task["clients"]) + 1)
    told: list[tuple[int, float]] = []
    threads = [
        threading.Thread(target=_book_all, args=(task["url"], client, ready, told))
        for client in task["clients"]
    ]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    return {"seconds": time.monotonic() - began, "answers": told}


def _book_all(
    url: str,
    client: dict[str, Any],
    ready: threading.Barrier,
    told: list[tuple[int, float]],
) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {
        "Authorization": f"Bearer {client['token']}",
        "Content-Type": "application/json",
    }
    ready.wait()
    for n, body in enumerate(client["bodies"]):
        # With a key, as programs that retry send it.
        headers["Idempotency-Key"] = f"{client['name']}-{n}"
        sent = time.monotonic()
        connection.request("POST", "/api/v1/bookings", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        told.append((answer.status, time.monotonic() - sent))
    connection.close()


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
