"""What people do with plans: ask, decide, publish, and what is refused with a sentence."""

import threading
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.db import JOB, acting_as, db
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NightRunning,
    NotFound,
    RulesBroken,
)
from platform_booking.notices.models import Notice
from platform_booking.orders.states import StepState
from platform_booking.planning import publication, rules, services
from platform_booking.planning.models import Approval, JobRequest, Plan
from platform_booking.planning.states import ApprovalState, PlanState
from platform_booking.web.actor import OPERATOR, PARK_ADMIN, Actor
from tests.factories import (
    make_operator,
    make_order,
    make_park_admin,
    make_platform,
    make_resource,
    writing,
)
from tests.planning.nights import (
    HOUR,
    NIGHT,
    NOW,
    ZONE,
    approve_for,
    left_out_of,
    plan_row,
    run_night,
    step_states,
)

MORNING = NOW + 8 * HOUR


def actor_of(member, *platforms, park: bool = False) -> Actor:
    return Actor(
        member_id=member.id,
        public_id=member.public_id,
        name=member.name,
        locale="en",
        organisation_id=None,
        organisation_name=None,
        roles=frozenset({PARK_ADMIN if park else OPERATOR}),
        platform_ids=tuple(p.id for p in platforms),
    )


class Morning:
    """A draft of two platforms, and who may decide."""

    def __init__(self, app: Flask) -> None:
        with writing() as session:
            self.one, self.two, self.idle = (make_platform(session) for _ in range(3))
            self.orders = [
                make_order(session, resource=make_resource(session, platform_id=p.id))
                for p in (self.one, self.two)
            ]
            self.operator = actor_of(make_operator(session, self.one), self.one)
            self.stranger = actor_of(make_operator(session, self.idle), self.idle)
            self.park = actor_of(make_park_admin(session), park=True)
        outcome = run_night(app)
        self.plan_id, self.row_id = outcome.public_id, outcome.plan_id

    def decide(self, actor: Actor, *platforms, approve: bool = True, note: str = "") -> int:
        with acting_as(actor.identity):
            return services.decide(
                self.plan_id,
                tuple(p.id for p in platforms),
                approve=approve,
                note=note,
                actor=actor,
                now=MORNING,
            )

    def publish(self, actor: Actor) -> UUID:
        with acting_as(actor.identity):
            return services.request_publication(self.plan_id, actor=actor, now=MORNING)

    def states(self) -> dict[int, ApprovalState]:
        with writing() as session:
            found = session.scalars(sa.select(Approval).filter_by(plan_id=self.row_id))
            return {a.platform_id: a.state for a in found}


@pytest.fixture
def morning(app: Flask) -> Morning:
    return Morning(app)


def ask_for(night: date, actor: Actor, *, now=MORNING) -> UUID:
    with acting_as(actor.identity):
        return services.request_night(night, actor=actor, now=now, zone=ZONE)


def requests() -> list[JobRequest]:
    with writing() as session:
        return list(session.scalars(sa.select(JobRequest).order_by(JobRequest.id)))


def broken(fault) -> list[tuple[str, str]]:
    return [(v.rule, v.where) for v in fault.value.violations]


# Asking for a night


def test_a_night_that_is_asked_for_waits_for_the_scheduler(morning: Morning) -> None:
    tomorrow = NIGHT + timedelta(days=1)
    asked = ask_for(tomorrow, morning.operator)
    (row,) = requests()
    assert (row.public_id, row.job, row.subject) == (
        asked,
        "night",
        {"night": tomorrow.isoformat()},
    )
    assert row.member_id == morning.operator.member_id


@pytest.mark.parametrize(
    ("days", "rule"),
    [(-1, "night_is_past"), (2, "night_is_far"), (4000, "night_is_far")],
)
def test_a_night_that_is_over_or_far_is_refused_in_a_sentence(
    morning: Morning, days: int, rule: str
) -> None:
    with pytest.raises(RulesBroken) as fault:
        ask_for(NIGHT + timedelta(days=days), morning.park)
    assert broken(fault) == [(rule, "night")]
    assert "2027-03-07" in fault.value.violations[0].message
    assert requests() == []


def test_a_night_is_over_when_the_parks_day_is() -> None:
    before_midnight = NOW + 22 * HOUR + timedelta(minutes=59)
    after = before_midnight + timedelta(minutes=1)
    assert not list(rules.broken_by_night(NIGHT, now=before_midnight, zone=ZONE))
    assert list(rules.broken_by_night(NIGHT, now=after, zone=ZONE))


def test_a_night_is_asked_for_once(morning: Morning) -> None:
    ask_for(NIGHT, morning.operator)
    with pytest.raises(NightRunning) as fault:
        ask_for(NIGHT, morning.park)
    assert "2027-03-07 09:00" in str(fault.value)  # since when it is asked for
    assert len(requests()) == 1


def test_of_many_who_ask_at_once_one_is_heard(app: Flask, morning: Morning) -> None:
    ready = threading.Barrier(4)
    answers: list[object] = []

    def ask() -> None:
        with app.app_context():
            ready.wait()
            try:
                answers.append(ask_for(NIGHT, morning.park))
            except NightRunning as fault:
                answers.append(fault)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(isinstance(a, UUID) for a in answers) == [False, False, False, True]
    assert len(requests()) == 1


def test_a_night_that_runs_is_not_asked_for_again(morning: Morning) -> None:
    with writing() as session:
        session.get_one(Plan, morning.row_id).state = PlanState.RUNNING
    with pytest.raises(NightRunning):
        ask_for(NIGHT, morning.park)


@pytest.mark.parametrize("state", [PlanState.PUBLISHING, PlanState.PUBLISHED])
def test_a_night_that_is_published_is_not_asked_for_again(
    morning: Morning, state: PlanState
) -> None:
    with writing() as session:
        session.get_one(Plan, morning.row_id).state = state
    with pytest.raises(RulesBroken) as fault:
        ask_for(NIGHT, morning.park)
    assert broken(fault) == [("night_is_published", "night")]


# Deciding


def test_an_operator_decides_for_his_platform_and_no_other(morning: Morning) -> None:
    with pytest.raises(RulesBroken) as fault:
        morning.decide(morning.operator, morning.one, morning.two)
    assert broken(fault) == [("not_operated", "platforms")]
    assert morning.decide(morning.operator, morning.one, note="好") == 1
    assert morning.states() == {
        morning.one.id: ApprovalState.APPROVED,
        morning.two.id: ApprovalState.PENDING,
    }
    with writing() as session:
        row = session.get_one(Approval, (morning.row_id, morning.one.id))
        deed = session.scalars(sa.select(AuditEntry).filter_by(act="plan.approve")).one()
    assert (row.decided_by, row.decided_at, row.note) == (
        morning.operator.member_id,
        MORNING,
        "好",
    )
    assert (deed.member_id, deed.platform_id) == (row.decided_by, morning.one.id)


def test_an_operator_of_other_platforms_decides_nothing(morning: Morning) -> None:
    with pytest.raises(Forbidden):
        morning.decide(morning.stranger, morning.one)
    assert set(morning.states().values()) == {ApprovalState.PENDING}


def test_the_park_decides_for_everybody(morning: Morning) -> None:
    assert morning.decide(morning.park, morning.one, morning.two, morning.idle) == 2


def test_there_is_nothing_to_decide_where_a_plan_changes_nothing(
    morning: Morning,
) -> None:
    with pytest.raises(RulesBroken) as fault:
        morning.decide(morning.stranger, morning.idle)
    assert broken(fault) == [("decided", "platforms")]


def test_a_decision_stands(morning: Morning) -> None:
    morning.decide(morning.operator, morning.one)
    with pytest.raises(RulesBroken) as fault:
        morning.decide(morning.operator, morning.one, approve=False)
    assert broken(fault) == [("decided", "platforms")]
    assert morning.states()[morning.one.id] is ApprovalState.APPROVED


@pytest.mark.parametrize(
    "state", [s for s in PlanState if s not in (PlanState.DRAFT, PlanState.PUBLISHING)]
)
def test_a_closed_plan_is_neither_decided_nor_published(
    morning: Morning, state: PlanState
) -> None:
    with writing() as session:
        session.get_one(Plan, morning.row_id).state = state
    for deed in (
        lambda: morning.decide(morning.park, morning.one),
        lambda: morning.publish(morning.park),
    ):
        with pytest.raises(RulesBroken) as fault:
            deed()
        assert broken(fault) == [("plan_is_closed", "")]


def test_a_plan_that_is_not_there_is_not_found(morning: Morning) -> None:
    morning.plan_id = uuid4()
    with pytest.raises(NotFound):
        morning.decide(morning.park, morning.one)
    with pytest.raises(NotFound):
        morning.publish(morning.park)


def test_nothing_is_decided_while_a_publication_is_under_way(morning: Morning) -> None:
    morning.decide(morning.operator, morning.one)
    morning.publish(morning.operator)
    with pytest.raises(IllegalMove) as fault:
        morning.decide(morning.park, morning.two)
    assert fault.value.details()["violations"]
    assert morning.states()[morning.two.id] is ApprovalState.PENDING
    with writing() as session:
        session.execute(sa.update(JobRequest).values(finished_at=NOW))
    assert morning.decide(morning.park, morning.two) == 1


# Asking for publication


def test_what_is_approved_may_be_published_once(morning: Morning) -> None:
    morning.decide(morning.operator, morning.one)
    morning.publish(morning.operator)
    (row,) = requests()
    assert (row.job, row.subject) == ("publish", {"plan": morning.row_id})
    with pytest.raises(RulesBroken) as fault:
        morning.publish(morning.park)
    assert broken(fault) == [("publication_asked", "")]
    assert len(requests()) == 1


def test_what_nobody_has_approved_is_not_asked_for(morning: Morning) -> None:
    with pytest.raises(RulesBroken) as fault:
        morning.publish(morning.operator)
    assert broken(fault) == [("nothing_approved", "")]


def test_what_is_published_already_is_not_asked_for(morning: Morning) -> None:
    approve_for(morning.row_id, morning.one)
    with acting_as(JOB):
        assert not publication.publish(morning.row_id, now=MORNING).finished
    with pytest.raises(RulesBroken) as fault:
        morning.publish(morning.park)
    assert broken(fault) == [("nothing_approved", "")]


def test_an_operator_of_none_of_its_platforms_publishes_nothing(
    morning: Morning,
) -> None:
    morning.decide(morning.operator, morning.one)
    with pytest.raises(Forbidden):
        morning.publish(morning.stranger)
    assert requests() == []


# Deadlines


def close(now) -> tuple[int, ...]:
    with acting_as(JOB):
        return services.close_undecided(now=now)


def test_a_plan_that_nobody_approved_lapses_at_its_deadline(morning: Morning) -> None:
    deadline = plan_row(morning.row_id).approve_until
    assert close(deadline) == ()
    assert plan_row(morning.row_id).state is PlanState.DRAFT
    assert close(deadline + HOUR) == ()
    assert plan_row(morning.row_id).state is PlanState.LAPSED
    assert [step_states(o) for o in morning.orders] == [[StepState.WAITING]] * 2
    assert {w.cause for w in left_out_of(morning.row_id).values()} == {"not_approved"}
    with writing() as session:
        told = session.scalars(
            sa.select(Notice.organisation_id).filter_by(kind="order.not_approved")
        ).all()
    assert sorted(told) == sorted(o.organisation_id for o in morning.orders)


def test_a_plan_that_all_reject_is_closed_at_once(morning: Morning) -> None:
    morning.decide(morning.park, morning.one, morning.two, approve=False)
    close(MORNING)
    assert plan_row(morning.row_id).state is PlanState.REJECTED
    assert [step_states(o) for o in morning.orders] == [[StepState.WAITING]] * 2


def test_at_the_deadline_what_is_approved_is_due(morning: Morning) -> None:
    morning.decide(morning.operator, morning.one)
    deadline = plan_row(morning.row_id).approve_until
    assert close(deadline) == ()
    assert close(deadline + HOUR) == (morning.row_id,)
    assert morning.states()[morning.two.id] is ApprovalState.REJECTED


def test_a_plan_that_changes_nothing_waits_for_its_deadline(app: Flask) -> None:
    plan_id = run_night(app).plan_id
    close(MORNING)
    assert plan_row(plan_id).state is PlanState.DRAFT
    close(NOW + 24 * HOUR)
    assert plan_row(plan_id).state is PlanState.LAPSED
