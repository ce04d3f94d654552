"""What a night says of each organisation's share: what it asked for, and what it had."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import event

from platform_booking.accounts.models import Organisation
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.orders.models import Order
from platform_booking.orders.snapshot import work_value
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.shares import WINDOW
from platform_booking.planning.snapshot import read
from solver.options import Options
from solver.problem import Problem, Share
from solver.solve import solve
from tests.factories import MONDAY, make_member, make_order, make_resource, writing
from tests.planning.nights import NOW, ZONE

LATELY = NOW - timedelta(days=3)
HOUR_OF_SME = work_value(60, 1)


def night(fairness: int = 100) -> Problem:
    with acting_as(JOB), transaction() as session:
        return read(session, now=NOW, zone=ZONE, fairness=fairness).problem


def ordered(session, member, tool, step: StepState, **given) -> Order:
    order = make_order(
        session, resource=tool, member=member, **{"submitted_at": LATELY, **given}
    )
    order.steps[0].state = step
    session.flush()
    return order


def test_the_share_counts_what_was_had_and_what_was_not_in_the_weeks_before(
    app: Flask,
) -> None:
    with writing() as session:
        tool, member = make_resource(session), make_member(session)
        ordered(session, member, tool, StepState.WAITING)  # of tonight
        ordered(session, member, tool, StepState.DONE)
        ordered(session, member, tool, StepState.WAITING, state=OrderState.EXPIRED)
        ordered(session, member, tool, StepState.WAITING, state=OrderState.WITHDRAWN)
        before = NOW - WINDOW - timedelta(hours=1)
        ordered(session, member, tool, StepState.DONE, submitted_at=before)
        firm = str(member.organisation_id)
    problem = night()
    assert problem.alpha == 100
    assert problem.shares == (
        Share(firm, entitled=3 * HOUR_OF_SME, served=1 * HOUR_OF_SME),
    )


def test_a_weight_entitles_to_more(app: Flask) -> None:
    with writing() as session:
        member = make_member(session)
        session.get_one(Organisation, member.organisation_id).share_weight = 3
        make_order(session, resource=make_resource(session), member=member)
    (share,) = night().shares
    assert share.entitled == 3 * HOUR_OF_SME


def test_without_fairness_nobodys_share_is_looked_up(app: Flask) -> None:
    with writing() as session:
        make_order(session, resource=make_resource(session))
    problem = night(fairness=0)
    assert (problem.shares, problem.alpha) == ((), 0)


def test_who_got_nothing_last_week_is_served_before_who_got_all(app: Flask) -> None:
    # One hour is open to both; the one that was served asks for a little more work.
    with writing() as session:
        tool = make_resource(session)
        had, missed = make_member(session), make_member(session)
        ordered(session, had, tool, StepState.DONE, duration_min=600)
        ordered(session, missed, tool, StepState.WAITING, duration_min=600,
                state=OrderState.EXPIRED)  # fmt: skip
        span = {
            "earliest_at": MONDAY,
            "deadline_at": MONDAY + timedelta(hours=1, minutes=30),
        }
        wants = make_order(session, resource=tool, member=had, duration_min=70, **span)
        needs = make_order(session, resource=tool, member=missed, duration_min=60, **span)
        wants_id, needs_id = str(wants.id), str(needs.id)

    def placed(fairness: int) -> set[str]:
        plan = solve(night(fairness), Options(waves=1, workers=1))
        return {p.job for p in plan.placements}

    assert placed(0) == {wants_id}
    assert placed(100) == {needs_id}


def test_shares_are_looked_up_in_two_statements_whatever_there_is(app: Flask) -> None:
    def statements(fairness: int) -> int:
        seen: list[str] = []
        engine = db.engines["job"]

        def note(_c, _k, statement, *_rest) -> None:
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            night(fairness)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    with writing() as session:
        tool = make_resource(session)
        for _ in range(4):
            ordered(session, make_member(session), tool, StepState.DONE)
            make_order(session, resource=tool)
    assert statements(100) - statements(0) == 2
