"""What the database says when many want the same, in the words of the house.

The guards answer with constraint names and SQLSTATEs. Their texts show rows of other
organisations, so nothing of them leaves this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from platform_booking.db import RETRIED, retrying, sqlstate
from platform_booking.errors import (
    CapacityTaken,
    NotFound,
    RulesBroken,
    Violation,
)

__all__ = [
    "RETRIED",
    "capacity_conflicts",
    "constraint",
    "retrying",
    "sqlstate",
    "wait_briefly",
]

LOCK_TIMEOUT_MS = 3_000
_EXCLUSION, _CHECK, _FOREIGN_KEY = "23P01", "23514", "23503"


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


def constraint(fault: DBAPIError) -> str:
    """Return the name of the constraint that was broken, "" if there is none."""
    return getattr(getattr(fault.orig, "diag", None), "constraint_name", None) or ""


def _broken(name: str) -> Violation:
    if name == "booking_recipe":
        return Violation("recipe_required", "a batch needs a recipe", "recipe_id")
    return Violation("impossible", "the end must be after the start", "ends_at")
