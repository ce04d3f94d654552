"""The states of orders and steps, as tables."""

from collections.abc import Iterable
from enum import StrEnum


class StepState(StrEnum):
    """Where one step of an order stands."""

    WAITING = "waiting"
    PLACED = "placed"
    BOOKED = "booked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class OrderState(StrEnum):
    """Where an order stands. Only the first four are stored; the rest is derived."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    PLACED = "placed"
    BOOKED = "booked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


STEP_MOVES: dict[StepState, frozenset[StepState]] = {
    StepState.WAITING: frozenset({StepState.PLACED, StepState.SKIPPED}),
    StepState.PLACED: frozenset({StepState.BOOKED, StepState.WAITING}),
    StepState.BOOKED: frozenset({StepState.RUNNING, StepState.DONE, StepState.WAITING}),
    StepState.RUNNING: frozenset({StepState.DONE, StepState.FAILED, StepState.SKIPPED}),
    StepState.FAILED: frozenset({StepState.WAITING}),
}

STORED = frozenset(
    {OrderState.DRAFT, OrderState.SUBMITTED, OrderState.WITHDRAWN, OrderState.EXPIRED}
)


def may_move(before: StepState, after: StepState) -> bool:
    """Tell whether a step may go from one state to another."""
    return after in STEP_MOVES.get(before, frozenset())


def order_state(stored: OrderState, steps: Iterable[StepState]) -> OrderState:
    """Return the state that an order shows: the stored one, or what its steps tell."""
    if stored is not OrderState.SUBMITTED:
        return stored
    seen = set(steps)
    if StepState.FAILED in seen:
        return OrderState.FAILED
    if seen and seen <= {StepState.DONE, StepState.SKIPPED}:
        return OrderState.DONE
    if seen & {StepState.RUNNING, StepState.DONE}:
        return OrderState.RUNNING
    if seen and seen <= {StepState.BOOKED}:
        return OrderState.BOOKED
    if seen and seen <= {StepState.PLACED, StepState.BOOKED}:
        return OrderState.PLACED
    return OrderState.SUBMITTED
