"""What the database says when many want the same, in the words of the house.

The guards answer with constraint names and SQLSTATEs. Their texts show rows of other
organisations, so nothing of them leaves this module.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from platform_booking.errors import (
    CapacityTaken,
    Conflict,
    NotFound,
    RulesBroken,
    Violation,
)

RETRIED = frozenset({"40001", "40P01", "55P03"})
"""Serialisation failure, deadlock, lock timeout: another try may well succeed."""

LOCK_TIMEOUT_MS = 3_000
_TRIES = 6
_EXCLUSION, _CHECK, _FOREIGN_KEY = "23P01", "23514", "23503"

T = TypeVar("T")


def wait_briefly(session: Session) -> None:
    """Let this transaction wait for locks for seconds only, never for ever."""
    session.execute(sa.text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))


@contextmanager
def capacity_conflicts() -> Iterator[None]:
    """Turn what the guards refuse within the block into errors of the house.

    The database transaction, or the savepoint that the caller has set, is spent then.

    Raises
    ------
    CapacityTaken
        If the resource has no room in that time.
    RulesBroken
        If a batch lacks a recipe of its resource, or an interval or quantity is impossible.
    NotFound
        If something that the booking names is gone.
    """
    try:
        yield
    except DBAPIError as fault:
        state = sqlstate(fault)
        if state in RETRIED:
            raise
        if state == _EXCLUSION:
            raise CapacityTaken from None
        if state == _FOREIGN_KEY:
            raise NotFound from None
        if state == _CHECK:
            raise RulesBroken([_broken(constraint(fault))]) from None
        raise


def retrying(work: Callable[[], T]) -> T:
    """Run one whole unit of work, again where the database asks for another try.

    `work` opens its own transaction. The waits between tries grow and are jittered, so that
    rivals do not meet again.

    Raises
    ------
    Conflict
        If others hold what is needed for longer than all tries.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return work()
        except DBAPIError as fault:
            if sqlstate(fault) not in RETRIED:
                raise
            if attempt < _TRIES:
                time.sleep(random.uniform(0.005, 0.02 * 2**attempt))  # noqa: S311 - jitter
    raise Conflict


def sqlstate(fault: DBAPIError) -> str:
    """Return the five characters that name the fault, "" if there are none."""
    return getattr(fault.orig, "sqlstate", None) or ""


def constraint(fault: DBAPIError) -> str:
    """Return the name of the constraint that was broken, "" if there is none."""
    return getattr(getattr(fault.orig, "diag", None), "constraint_name", None) or ""


def _broken(name: str) -> Violation:
    if name == "booking_recipe":
        return Violation("recipe_required", "a batch needs a recipe", "recipe_id")
    return Violation("impossible", "the end must be after the start", "ends_at")
