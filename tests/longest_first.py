"""The order in which two workers share the files: what takes long is begun first.

A file that runs a minute and is begun last leaves the other worker idle for that minute.
"""

from collections import Counter
from collections.abc import Callable, Iterable

USUAL = 0.2  # seconds of a test
# Seconds of the files that take far longer than their number of tests tells; two cores.
SECONDS = {
    "tests/test_demo.py": 120,
    "tests/test_pages.py": 115,
    "tests/bookings/test_race.py": 88,
    "tests/security/test_malformed.py": 74,
    "tests/planning/test_scheduler.py": 42,
    "tests/planning/test_ways_out.py": 37,
    "tests/benchmarks/test_booking.py": 29,
    "tests/security/test_policy_walk.py": 27,
    "tests/planning/test_bound_of_a_night.py": 25,
    "tests/board/test_feed.py": 25,
    "tests/benchmarks/test_soak.py": 24,
    "tests/bookings/test_race_any.py": 18,
    "tests/bookings/test_lost_answers.py": 15,
    "tests/bookings/test_failures_of_peers.py": 15,
    "tests/test_night_to_morning.py": 15,
    "tests/waitlist/test_races.py": 15,
    "tests/planning/test_publication_crash.py": 15,
    "tests/planning/test_pages.py": 15,
    "tests/solver/test_improve.py": 30,
    "tests/solver/test_wishes.py": 20,
    "tests/solver/test_dask.py": 19,
    "tests/solver/test_fairness.py": 18,
    "tests/benchmarks/test_solver.py": 9,
}


def places(nodeids: Iterable[str]) -> Callable[[str], tuple[float, str]]:
    """Return a sort key: files by the seconds that they take, their own tests as they are."""
    tests = Counter(_file(nodeid) for nodeid in nodeids)

    def place(nodeid: str) -> tuple[float, str]:
        file = _file(nodeid)
        return -SECONDS.get(file, USUAL * tests[file]), file

    return place


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
