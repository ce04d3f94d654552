"""The states of a booking, as a table."""

from enum import StrEnum


class BookingState(StrEnum):
    """Where a booking stands."""

    OFFERED = "offered"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IN_USE = "in_use"
    COMPLETED = "completed"
    ABORTED = "aborted"
    DECLINED = "declined"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"
    LATE_CANCELLED = "late_cancelled"
    NO_SHOW = "no_show"
    DISPLACED = "displaced"


class WaitingState(StrEnum):
    """Where somebody's waiting for a resource stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    LAPSED = "lapsed"  # the window is over
    WITHDRAWN = "withdrawn"


ACTIVE = frozenset(
    {
        BookingState.OFFERED,
        BookingState.REQUESTED,
        BookingState.CONFIRMED,
        BookingState.IN_USE,
    }
)
"""States that take up capacity."""

SPENT = frozenset(
    {
        BookingState.COMPLETED,
        BookingState.ABORTED,
        BookingState.NO_SHOW,
        BookingState.LATE_CANCELLED,
    }
)
"""States that take up no capacity any more and still count towards caps and quotas."""

TOOK_PLACE = frozenset({BookingState.COMPLETED, BookingState.ABORTED, BookingState.NO_SHOW})
"""States that take up no capacity any more and were loads of their run to its end."""

MOVES: dict[BookingState, frozenset[BookingState]] = {
    BookingState.OFFERED: frozenset(
        {BookingState.REQUESTED, BookingState.CONFIRMED, BookingState.LAPSED}
    ),
    BookingState.REQUESTED: frozenset(
        {
            BookingState.CONFIRMED,
            BookingState.DECLINED,
            BookingState.LAPSED,
            BookingState.CANCELLED,
            BookingState.DISPLACED,
        }
    ),
    BookingState.CONFIRMED: frozenset(
        {
            BookingState.IN_USE,
            BookingState.COMPLETED,
            BookingState.CANCELLED,
            BookingState.LATE_CANCELLED,
            BookingState.NO_SHOW,
            BookingState.LAPSED,  # not confirmed once more in time: DECISIONS 25
            BookingState.DISPLACED,
        }
    ),
    BookingState.IN_USE: frozenset(
        {BookingState.COMPLETED, BookingState.ABORTED, BookingState.DISPLACED}
    ),
}


def may_move(before: BookingState, after: BookingState) -> bool:
    """Tell whether a booking may go from one state to another."""
    return after in MOVES.get(before, frozenset())
