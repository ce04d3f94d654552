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


class Change(StrEnum):
    """What a placement does to what is in force."""

    NEW = "new"
    MOVED = "moved"
    KEPT = "kept"


def may_move(before: PlanState, after: PlanState) -> bool:
    """Tell whether a plan may go from one state to another."""
    return after in PLAN_MOVES.get(before, frozenset())
