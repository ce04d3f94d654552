"""The states of plans and approvals, as tables."""

from enum import StrEnum


class PlanState(StrEnum):
    """Where a plan stands."""

    RUNNING = "running"
    DRAFT = "draft"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    LAPSED = "lapsed"
    REJECTED = "rejected"


OPEN = frozenset({PlanState.DRAFT, PlanState.PUBLISHING})
"""States in which platforms may still decide, and what they approve may be published."""

DECIDED = frozenset(
    {PlanState.PUBLISHING, PlanState.PUBLISHED, PlanState.LAPSED, PlanState.REJECTED}
)
"""States in which orders of the draft have become bookings, or will not."""

PLAN_MOVES: dict[PlanState, frozenset[PlanState]] = {
    PlanState.RUNNING: frozenset({PlanState.DRAFT, PlanState.FAILED}),
    PlanState.DRAFT: frozenset(
        {PlanState.PUBLISHING, PlanState.SUPERSEDED, PlanState.LAPSED, PlanState.REJECTED}
    ),
    PlanState.PUBLISHING: frozenset({PlanState.PUBLISHED}),
    PlanState.PUBLISHED: frozenset({PlanState.ROLLED_BACK}),
}


class ApprovalState(StrEnum):
    """What one platform says of a plan."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


LAPSED = "lapsed"
"""The note of an approval that a platform has let go by in silence."""


class Change(StrEnum):
    """What a placement does to what is in force."""

    NEW = "new"
    MOVED = "moved"
    KEPT = "kept"


class Overtaken(StrEnum):
    """How the day has overtaken an order that the night had placed."""

    WITHDRAWN = "withdrawn"
    AMENDED = "amended"
    BOOKED = "booked"  # or otherwise no longer what the night has seen
    OUTAGE = "outage"
    OUT_OF_SERVICE = "out_of_service"
    TAKEN = "taken"
    PAST = "past"  # its time had come before it was published


class Failure(StrEnum):
    """Why a night has no plan."""

    BAD_PROBLEM = "bad_problem"  # what was read contradicts itself
    NO_PLAN = "no_plan"  # the solver failed, or the checker refused what it made
    SILENT = "silent"  # its runner went silent and was taken over
    STOPPED = "stopped"  # the service was ended meanwhile
    UNEXPECTED = "unexpected"


def may_move(before: PlanState, after: PlanState) -> bool:
    """Tell whether a plan may go from one state to another."""
    return after in PLAN_MOVES.get(before, frozenset())
