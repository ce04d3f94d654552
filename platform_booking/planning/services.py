"""What people do with a plan: ask for a night, approve or reject, ask for publication.

And ask what forcing an order in would displace.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog.models import Platform
from platform_booking.db import transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NightRunning,
    NotFound,
    RulesBroken,
)
from platform_booking.orders.models import Order
from platform_booking.planning import claims, publication, queries, reasons, rules
from platform_booking.planning.models import Approval, JobRequest, Plan
from platform_booking.planning.states import LAPSED, OPEN, ApprovalState, PlanState
from platform_booking.web.actor import Actor

NIGHT, PUBLISH, FORCE = "night", "publish", "force"
FINISH = claims.FINISH


def request_night(night: date, *, actor: Actor, now: datetime, zone: ZoneInfo) -> UUID:
    """Ask the scheduler to run a night; return the request's id.

    Raises
    ------
    RulesBroken
        If the night is over or far away, or its plan is being published or has been.
    NightRunning
        If that night is running, or has been asked for and not begun.
    """
    if broken := list(rules.broken_by_night(night, now=now, zone=zone)):
        raise RulesBroken(broken)
    with transaction() as session:
        states = set(session.scalars(sa.select(Plan.state).filter_by(night=night)))
        if broken := list(rules.broken_by_plans(night, states)):
            raise RulesBroken(broken)
        since, subject = queries.running_since(session, night), {"night": night.isoformat()}
        asked = None
        if since is None:
            asked = _request(session, NIGHT, subject, actor=actor, now=now)
        if asked is None:
            waiting = queries.asked_since(session, NIGHT, subject)
            raise NightRunning(rules.night_running(night, since=since, asked=waiting))
        return asked


def decide(
    plan_id: UUID,
    platform_ids: tuple[int, ...] | None,
    *,
    approve: bool,
    note: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Approve or reject a plan for platforms; return how many decided by this.

    Platforms that have decided already stay as they are. None stands for all that the
    actor operates; the park, which operates none, must name them.

    Raises
    ------
    NotFound
        If there is no such plan.
    Forbidden
        If the actor operates none of these platforms.
    IllegalMove
        If it is being published: what was approved when that was asked for, and no more.
    RulesBroken
        If the plan is not open for decisions, all of these platforms have decided, some
        are others', or none are named by the park.
    """
    unnamed = platform_ids is None and actor.is_park and not actor.platform_ids
    asked_for = set(actor.platform_ids if platform_ids is None else platform_ids)
    allowed = {p for p in asked_for if actor.is_park or p in actor.platform_ids}
    with transaction() as session:
        plan = session.scalars(
            sa.select(Plan).filter_by(public_id=plan_id).with_for_update(read=True)
        ).one_or_none()
        if plan is None:
            raise NotFound
        if not allowed and not unnamed:
            raise Forbidden
        if foreign := asked_for - allowed:
            codes = _codes(session, foreign)
            raise RulesBroken([rules.platforms_of_others(codes)])
        if queries.is_being_published(session, plan.id):
            raise IllegalMove(rules.being_published())
        asked = session.scalars(
            sa.select(Approval)
            .filter_by(plan_id=plan.id)
            .order_by(Approval.platform_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()
        pending = [row for row in asked if row.state is ApprovalState.PENDING]
        rows = [row for row in pending if unnamed or row.platform_id in allowed]
        if broken := list(rules.broken_by_decision(plan.state, pending=len(rows))):
            raise RulesBroken(broken)
        if unnamed:
            codes = _codes(session, {row.platform_id for row in rows})
            raise RulesBroken([rules.platforms_unnamed(codes)])
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


def _codes(session: Session, platform_ids: Set[int]) -> Sequence[str]:
    """Return the codes of platforms, in the catalogue's order."""
    return session.scalars(
        sa.select(Platform.code)
        .where(Platform.id.in_(platform_ids))
        .order_by(Platform.position, Platform.id)
    ).all()


def request_publication(plan_id: UUID, *, actor: Actor, now: datetime) -> UUID:
    """Ask the scheduler to publish what has been approved; return the request's id.

    Raises
    ------
    NotFound
        If there is no such plan.
    Forbidden
        If the actor operates none of the platforms that the plan is for.
    RulesBroken
        If the plan is not open, or there is nothing approved that is not published, or it
        has been asked for.
    """
    with transaction() as session:
        plan = session.scalars(
            sa.select(Plan)
            .filter_by(public_id=plan_id)
            .with_for_update(key_share=True)  # who is deciding decides before us, or not
        ).one_or_none()
        if plan is None:
            raise NotFound
        concerned = set(
            session.scalars(sa.select(Approval.platform_id).filter_by(plan_id=plan.id))
        )
        if not actor.is_park and not concerned & set(actor.platform_ids):
            raise Forbidden
        ready = publication.ready_parts(session, plan.id)
        broken = list(rules.broken_by_publication(plan.state, ready=len(ready)))
        asked = None
        if not broken:
            asked = _request(session, PUBLISH, {"plan": plan.id}, actor=actor, now=now)
        if asked is None:
            raise RulesBroken(broken or [rules.publication_asked()])
        return asked


def request_forcing(plan_id: UUID, order_id: UUID, *, actor: Actor, now: datetime) -> UUID:
    """Ask what forcing an order into a plan would displace; return the request's id.

    Who asks while the same question waits is given the request that is there.

    Raises
    ------
    NotFound
        If there is no such plan, or it neither leaves the order out nor places it late, as
        far as the actor may see.
    RulesBroken
        If the plan is not open, or nobody stands in the order's way.
    """
    with transaction() as session:
        plan = queries.plan(session, plan_id)
        line = reasons.explained(session, plan.id, order_id)
        if broken := list(rules.broken_by_forcing(plan.state, forcible=line.forcible)):
            raise RulesBroken(broken)
        order = session.scalar(sa.select(Order.id).filter_by(public_id=order_id))
        subject = {"plan": plan.id, "order": order}
        return _request_once(session, FORCE, subject, actor=actor, now=now)


def request_finish(plan_id: UUID, *, actor: Actor, now: datetime) -> UUID:
    """Ask a night to improve its plan no more and keep the best; return the request's id.

    The night answers within seconds, and then proves its bound and finds the reasons. Who
    asks while that is asked already is given the request that is there.

    Raises
    ------
    NotFound
        If there is no such plan.
    RulesBroken
        If its search is over.
    """
    with transaction() as session:
        plan = queries.plan(session, plan_id)
        if broken := list(rules.broken_by_finish(plan.state)):
            raise RulesBroken(broken)
        return _request_once(session, FINISH, {"plan": plan.id}, actor=actor, now=now)


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
            sa.select(Plan).where(Plan.state.in_(OPEN)).order_by(Plan.id).with_for_update()
        ).all()
        for plan in plans:
            late = plan.approve_until is not None and plan.approve_until < now
            if late:
                session.execute(
                    sa.update(Approval)
                    .where(Approval.plan_id == plan.id)
                    .where(Approval.state == ApprovalState.PENDING)
                    .values(state=ApprovalState.REJECTED, decided_at=now, note=LAPSED)
                )
            said = set(
                session.scalars(sa.select(Approval.state).filter_by(plan_id=plan.id))
            )
            if late and ApprovalState.APPROVED in said:
                due.append(plan.id)
            elif plan.state is PlanState.DRAFT and (
                late or said == {ApprovalState.REJECTED}
            ):
                _close(session, plan, late=late, now=now)
    return tuple(due)


def _close(session: Session, plan: Plan, *, late: bool, now: datetime) -> None:
    plan.state = PlanState.LAPSED if late else PlanState.REJECTED
    publication.withhold(
        session,
        publication.open_parts(session, plan.id),
        plan_id=plan.id,
        why=plan.state.value,
        now=now,
    )
    audit.record(session, act=f"plan.{plan.state.value}", subject=f"plan {plan.public_id}")


def _request_once(
    session: Session,
    job: str,
    subject: Mapping[str, object],
    *,
    actor: Actor,
    now: datetime,
) -> UUID:
    """Leave a request, or find the same one that is there already."""
    return (
        _request(session, job, subject, actor=actor, now=now)
        or session.scalars(
            sa.select(JobRequest.public_id).where(
                JobRequest.job == job,
                JobRequest.subject == subject,
                JobRequest.finished_at.is_(None),
            )
        ).one()
    )


def _request(
    session: Session,
    job: str,
    subject: Mapping[str, object],
    *,
    actor: Actor,
    now: datetime,
) -> UUID | None:
    """Leave a request for the scheduler; None if the same one waits or runs already."""
    asked = session.scalar(
        postgresql.insert(JobRequest)
        .values(
            public_id=uuid4(),
            job=job,
            subject=dict(subject),
            member_id=actor.member_id,
            requested_at=now,
            failed=False,
            outcome="",
        )
        .on_conflict_do_nothing()
        .returning(JobRequest.public_id)
    )
    if asked is not None:
        audit.record(session, act=f"{job}.request", subject=f"{job} {subject}")
    return asked
