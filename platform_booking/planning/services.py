"""What people do with a plan: ask for a night, approve or reject, ask for publication."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.db import transaction
from platform_booking.errors import Forbidden, IllegalMove, NightRunning, NotFound
from platform_booking.planning.models import Approval, JobRequest, Plan
from platform_booking.planning.publication import withhold
from platform_booking.planning.states import ApprovalState, PlanState
from platform_booking.web.actor import Actor

NIGHT, PUBLISH = "night", "publish"
_DECIDABLE = (PlanState.DRAFT, PlanState.PUBLISHING)


def request_night(night: date, *, actor: Actor, now: datetime) -> UUID:
    """Ask the scheduler to run a night; return the request's id.

    Raises
    ------
    NightRunning
        If that night is running, or has been asked for and not begun.
    IllegalMove
        If that night's plan is being published or has been.
    """
    with transaction() as session:
        states = session.scalars(sa.select(Plan.state).filter_by(night=night)).all()
        if PlanState.RUNNING in states or _asked(
            session, NIGHT, {"night": night.isoformat()}
        ):
            raise NightRunning
        if {PlanState.PUBLISHING, PlanState.PUBLISHED} & set(states):
            raise IllegalMove
        return _request(session, NIGHT, {"night": night.isoformat()}, actor=actor, now=now)


def decide(
    plan_id: UUID,
    platform_ids: tuple[int, ...],
    *,
    approve: bool,
    note: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Approve or reject a plan for platforms; return how many decided by this.

    Platforms that have decided already stay as they are.

    Raises
    ------
    NotFound
        If there is no such plan.
    Forbidden
        If the actor operates none of these platforms.
    IllegalMove
        If the plan is not open for decisions, or all of these platforms have decided.
    """
    allowed = platform_ids if actor.is_park else tuple(
        p for p in platform_ids if p in actor.platform_ids
    )  # fmt: skip
    with transaction() as session:
        plan = session.scalars(
            sa.select(Plan).filter_by(public_id=plan_id).with_for_update(read=True)
        ).one_or_none()
        if plan is None:
            raise NotFound
        if not allowed:
            raise Forbidden
        if plan.state not in _DECIDABLE:
            raise IllegalMove
        rows = session.scalars(
            sa.select(Approval)
            .where(Approval.plan_id == plan.id, Approval.platform_id.in_(allowed))
            .where(Approval.state == ApprovalState.PENDING)
            .order_by(Approval.platform_id)
            .with_for_update()
        ).all()
        if not rows:
            raise IllegalMove
        for row in rows:
            row.state = ApprovalState.APPROVED if approve else ApprovalState.REJECTED
            row.decided_by, row.decided_at, row.note = actor.member_id, now, note
            audit.record(
                session,
                act="plan.approve" if approve else "plan.reject",
                subject=f"plan {plan.public_id}",
                platform_id=row.platform_id,
            )
        return len(rows)


def request_publication(plan_id: UUID, *, actor: Actor, now: datetime) -> UUID:
    """Ask the scheduler to publish what has been approved; return the request's id.

    Raises
    ------
    NotFound
        If there is no such plan.
    IllegalMove
        If the plan is no draft, or no platform has approved it, or it has been asked for.
    """
    with transaction() as session:
        plan = session.scalars(sa.select(Plan).filter_by(public_id=plan_id)).one_or_none()
        if plan is None:
            raise NotFound
        approved = session.scalar(
            sa.select(Approval.plan_id)
            .filter_by(plan_id=plan.id, state=ApprovalState.APPROVED)
            .limit(1)
        )
        subject = {"plan": plan.id}
        if (
            plan.state not in _DECIDABLE
            or not approved
            or _asked(session, PUBLISH, subject)
        ):
            raise IllegalMove
        return _request(session, PUBLISH, subject, actor=actor, now=now)


def close_undecided(*, now: datetime) -> tuple[int, ...]:
    """Close the drafts that nobody will publish; let silent platforms lapse.

    Acts as pb_job. A platform that is silent at the plan's deadline has lapsed. A draft
    that no platform has approved by then, or that all have rejected, is closed and its
    orders wait again.

    Returns
    -------
    tuple[int, ...]
        Plans past their deadline that hold approved work: they are to be published now.
    """
    due: list[int] = []
    with transaction() as session:
        plans = session.scalars(
            sa.select(Plan)
            .where(Plan.state.in_(_DECIDABLE))
            .order_by(Plan.id)
            .with_for_update()
        ).all()
        for plan in plans:
            late = plan.approve_until is not None and plan.approve_until < now
            if late:
                session.execute(
                    sa.update(Approval)
                    .where(Approval.plan_id == plan.id)
                    .where(Approval.state == ApprovalState.PENDING)
                    .values(state=ApprovalState.REJECTED, decided_at=now, note="lapsed")
                )
            states = set(
                session.scalars(sa.select(Approval.state).filter_by(plan_id=plan.id))
            )
            if late and ApprovalState.APPROVED in states:
                due.append(plan.id)
            elif plan.state is PlanState.DRAFT and states <= {ApprovalState.REJECTED}:
                plan.state = PlanState.LAPSED if late else PlanState.REJECTED
                withhold(session, plan.id, why=plan.state.value)
                audit.record(
                    session,
                    act=f"plan.{plan.state.value}",
                    subject=f"plan {plan.public_id}",
                )
    return tuple(due)


def _asked(session: Session, job: str, subject: Mapping[str, object]) -> bool:
    found = session.scalar(
        sa.select(JobRequest.id)
        .where(JobRequest.job == job, JobRequest.subject == dict(subject))
        .where(JobRequest.finished_at.is_(None))
        .limit(1)
    )
    return found is not None


def _request(
    session: Session,
    job: str,
    subject: Mapping[str, object],
    *,
    actor: Actor,
    now: datetime,
) -> UUID:
    row = JobRequest(
        job=job, subject=dict(subject), member_id=actor.member_id, requested_at=now
    )
    session.add(row)
    audit.record(session, act=f"{job}.request", subject=f"{job} {subject}")
    session.flush()  # row.public_id
    return row.public_id
