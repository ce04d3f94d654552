"""What runs on this machine, as `ps` tells it."""

import os
import subprocess
import time
from pathlib import Path


def processes() -> dict[int, tuple[int, str]]:
    """Return every process of the machine: its parent and its command line."""
    listing = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=,ppid=,args="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = (line.split(maxsplit=2) for line in listing.splitlines())
    return {int(pid): (int(parent), " ".join(rest)) for pid, parent, *rest in rows}


def processes_naming(path: Path) -> list[str]:
    return [
        command
        for pid, (_, command) in processes().items()
        if str(path) in command and pid != os.getpid()
    ]


def wait_until_gone(path: Path) -> None:
    deadline = time.monotonic() + 30
    while processes_naming(path):
        assert time.monotonic() < deadline, processes_naming(path)
        time.sleep(0.05)


def offspring(pid: int) -> dict[int, str]:
    """Return every process that descends from one, with its command line."""
    everybody = processes()
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        children = {p: c for p, (parent, c) in everybody.items() if parent in parents}
        found |= children
        parents = set(children)
    return found


def still_there(started: dict[int, str]) -> dict[int, str]:
    """Return those of `started` that run on."""
    now = {pid: command for pid, (_, command) in processes().items()}
    return {pid: command for pid, command in started.items() if now.get(pid) == command}
