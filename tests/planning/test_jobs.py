"""What the scheduler does: each thing once, whoever leads, and nothing left undone."""

import re
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking import jobs
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.notices.models import Notice
from platform_booking.orders.models import Order
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import claims
from platform_booking.planning.models import Approval, JobRequest, JobRun, Plan
from platform_booking.planning.states import ApprovalState, PlanState
from tests.factories import (
    make_operator,
    make_order,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.planning.nights import (
    HOUR,
    ZONE,
    approve_all,
    bookings_of,
    plan_row,
    run_night,
    settings_of,
    step_states,
)


@pytest.fixture
def tonight() -> date:
    return utcnow().astimezone(ZONE).date()


def soon_order(session, **given) -> Order:
    """Make an order for the day after tomorrow, as seen from the real clock."""
    resource = given.pop("resource", None) or make_resource(session)
    return make_order(
        session,
        resource=resource,
        **{
            "earliest_at": utcnow() + 48 * HOUR,
            "deadline_at": utcnow() + 96 * HOUR,
            **given,
        },
    )


def quick(app: Flask, **changed: object):
    return settings_of(app, night_seconds=1, **changed)


def at_the_clock(moment: datetime) -> str:
    return moment.astimezone(ZONE).strftime("%H:%M")


def ask(job: str, subject: dict, **given) -> int:
    with writing() as session:
        row = JobRequest(job=job, subject=subject, **{"requested_at": utcnow(), **given})
        session.add(row)
        session.flush()
        return row.id


def request_row(request_id: int) -> JobRequest:
    with writing() as session:
        return session.get_one(JobRequest, request_id)


def runs() -> dict[date, JobRun]:
    with writing() as session:
        return {run.on_date: run for run in session.scalars(sa.select(JobRun))}


def plan_states() -> list[PlanState]:
    with writing() as session:
        return list(session.scalars(sa.select(Plan.state).order_by(Plan.id)))


def hold_night(night: date, *, lease_seconds: int = 60) -> claims.Claim:
    with writing() as session:
        return claims.claim(session, night, runner="another", lease_seconds=lease_seconds)


# The night


def test_the_night_of_a_date_runs_once(app: Flask, tonight: date) -> None:
    with writing() as session:
        soon_order(session)
    with acting_as(JOB):
        ran = [jobs.run_night(tonight, settings=quick(app)) for _ in range(2)]
    assert ran == [True, False]
    assert plan_states() == [PlanState.DRAFT]
    assert runs()[tonight].outcome == "1 of 1 placed"


def test_schedulers_at_once_run_a_night_once(app: Flask, tonight: date) -> None:
    with writing() as session:
        soon_order(session)
    ready = threading.Barrier(3)
    answers: list[bool] = []

    def race() -> None:
        with app.app_context(), acting_as(JOB):
            ready.wait()
            answers.append(jobs.run_night(tonight, settings=quick(app)))

    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [False, False, True]
    assert plan_states() == [PlanState.DRAFT]


def test_a_night_whose_runner_died_begins_again_when_its_lease_is_over(
    app: Flask, tonight: date
) -> None:
    with writing() as session:
        soon_order(session)
        session.add(JobRun(job="night", on_date=tonight, started_at=utcnow()))
    mine = hold_night(tonight)
    with acting_as(JOB):
        assert not jobs.run_night(tonight, settings=quick(app))
        assert runs()[tonight].finished_at is None
        with writing() as session:
            claims.release(session, mine)
        assert jobs.run_night(tonight, settings=quick(app))
    assert plan_states() == [PlanState.DRAFT]


def test_a_night_that_was_stopped_is_not_done(app: Flask, tonight: date) -> None:
    with writing() as session:
        soon_order(session)
    with acting_as(JOB):
        assert not jobs.run_night(tonight, settings=quick(app), should_stop=lambda: True)
        assert jobs.run_night(tonight, settings=quick(app))
    assert plan_states() == [PlanState.FAILED, PlanState.DRAFT]


def test_a_night_that_failed_is_done_and_says_so(app: Flask, tonight: date) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        make_recipe(session, oven, min_load=99)
    with acting_as(JOB):
        ran = [jobs.run_night(tonight, settings=quick(app)) for _ in range(2)]
    assert ran == [True, False]
    assert runs()[tonight].outcome == "night_failed"


@pytest.mark.parametrize(
    ("night_at", "now", "due"),
    [
        ("01:00", "2027-03-08 01:00", "2027-03-08 01:00"),
        ("01:00", "2027-03-08 00:59", "2027-03-07 01:00"),
        ("23:30", "2027-03-08 00:10", "2027-03-07 23:30"),
    ],
)
def test_the_newest_night_due_may_be_yesterdays(
    app: Flask, night_at: str, now: str, due: str
) -> None:
    local = datetime.strptime(now, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)
    expected = datetime.strptime(due, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)
    found = jobs.last_due(local.astimezone(UTC), settings_of(app, night_at=night_at))
    assert found == expected


def test_a_night_that_nobody_ran_is_caught_up_on(app: Flask) -> None:
    with writing() as session:
        soon_order(session)
    due = utcnow() - HOUR
    with acting_as(JOB):
        assert jobs.catch_up(settings=quick(app, night_at=at_the_clock(due)))
    assert list(runs()) == [due.astimezone(ZONE).date()]


def test_what_is_six_hours_late_is_left_to_the_next_night(app: Flask) -> None:
    due = utcnow() - 6 * HOUR - timedelta(minutes=1)
    with acting_as(JOB):
        assert not jobs.catch_up(settings=quick(app, night_at=at_the_clock(due)))
    assert runs() == {}


def test_a_night_run_by_hand_since_it_was_due_needs_no_other(app: Flask) -> None:
    due = utcnow() - HOUR
    settings = quick(app, night_at=at_the_clock(due))
    run_night(app, night=due.astimezone(ZONE).date(), now=utcnow())
    with acting_as(JOB):
        assert not jobs.catch_up(settings=settings)
    assert plan_states() == [PlanState.DRAFT]


# What people asked for


def test_a_night_that_was_asked_for_is_run(app: Flask, tonight: date) -> None:
    with writing() as session:
        soon_order(session)
    asked = ask("night", {"night": tonight.isoformat()})
    with acting_as(JOB):
        assert jobs.serve_requests(settings=quick(app)) == 1
        assert jobs.serve_requests(settings=quick(app)) == 0
    assert plan_states() == [PlanState.DRAFT]
    row = request_row(asked)
    assert (row.failed, row.outcome) == (False, "1 of 1 placed")
    assert row.finished_at is not None


def test_a_publication_that_was_asked_for_is_done(app: Flask, tonight: date) -> None:
    with writing() as session:
        order = soon_order(session)
    plan_id = run_night(app, night=tonight, now=utcnow()).plan_id
    approve_all(plan_id)
    asked = ask("publish", {"plan": plan_id})
    with acting_as(JOB):
        jobs.serve_requests(settings=quick(app))
    assert request_row(asked).outcome == "1 booked, 0 overtaken"
    assert len(bookings_of(order)) == 1


def test_a_request_that_fails_says_so_to_the_one_who_asked_and_holds_up_nobody(
    app: Flask, tonight: date
) -> None:
    with writing() as session:
        operator = make_operator(session, make_platform(session))
        soon_order(session)
    bad = ask("publish", {"plan": 4711}, member_id=operator.id)
    good = ask("night", {"night": tonight.isoformat()})
    with acting_as(JOB):
        assert jobs.serve_requests(settings=quick(app)) == 2
    row = request_row(bad)
    assert (row.failed, row.outcome) == (True, "not_found")
    assert not request_row(good).failed
    with writing() as session:
        notice = session.scalars(
            sa.select(Notice).where(Notice.kind == "request.failed")
        ).one()
    assert notice.member_id == operator.id
    assert notice.payload["code"] == "not_found"


def test_a_night_asked_for_while_it_runs_is_served_when_it_has_run(
    app: Flask, tonight: date
) -> None:
    with writing() as session:
        order = soon_order(session)
    mine = hold_night(tonight)
    first = ask("night", {"night": tonight.isoformat()})
    other = ask("night", {"night": (tonight + timedelta(days=1)).isoformat()})
    with acting_as(JOB):
        assert jobs.serve_requests(settings=quick(app)) == 1
        assert request_row(first).taken_at is None
        assert request_row(other).finished_at is not None
        with writing() as session:
            claims.release(session, mine)
        assert jobs.serve_requests(settings=quick(app)) == 1
    assert not request_row(first).failed
    assert step_states(order) == [StepState.PLACED]


def test_a_request_that_was_stopped_is_served_by_whoever_leads_next(
    app: Flask, tonight: date
) -> None:
    asked = ask("night", {"night": tonight.isoformat()})
    answers = iter([False, *[True] * 99])
    with acting_as(JOB):
        jobs.serve_requests(settings=quick(app), should_stop=lambda: next(answers))
        assert request_row(asked).taken_at is None
        jobs.serve_requests(settings=quick(app))
    assert request_row(asked).finished_at is not None


def test_what_a_dead_leader_had_begun_is_taken_over(app: Flask, tonight: date) -> None:
    asked = ask("night", {"night": tonight.isoformat()}, taken_at=utcnow())
    with acting_as(JOB):
        assert jobs.serve_requests(settings=quick(app)) == 0
        jobs.adopt_requests()
        assert jobs.serve_requests(settings=quick(app)) == 1
    assert request_row(asked).finished_at is not None


# Deadlines


def late_plan(app: Flask, night: date) -> int:
    plan_id = run_night(app, night=night, now=utcnow()).plan_id
    with writing() as session:
        session.get_one(Plan, plan_id).approve_until = utcnow() - HOUR
    return plan_id


def test_what_is_approved_by_the_deadline_is_published_and_the_silent_lapse(
    app: Flask, tonight: date
) -> None:
    with writing() as session:
        said, silent = make_platform(session), make_platform(session)
        kept, lapsed = (
            soon_order(session, resource=make_resource(session, platform_id=p.id))
            for p in (said, silent)
        )
    plan_id = late_plan(app, tonight)
    with writing() as session:
        session.get_one(Approval, (plan_id, said.id)).state = ApprovalState.APPROVED
    with acting_as(JOB):
        jobs.close_undecided()
    assert plan_row(plan_id).state is PlanState.PUBLISHED
    assert len(bookings_of(kept)) == 1
    assert step_states(lapsed) == [StepState.WAITING]
    with writing() as session:
        silence = session.get_one(Approval, (plan_id, silent.id))
    assert (silence.state, silence.note) == (ApprovalState.REJECTED, "lapsed")


def test_orders_past_their_deadline_expire_and_their_people_are_told(app: Flask) -> None:
    past = {"earliest_at": utcnow() - 9 * HOUR, "deadline_at": utcnow() - HOUR}
    with writing() as session:
        over = soon_order(session, **past)
        booked = soon_order(session, **past)
        booked.steps[0].state = StepState.BOOKED
        open_still = soon_order(session)
    with acting_as(JOB):
        assert jobs.expire_orders() == 1
        assert jobs.expire_orders() == 0
    with writing() as session:
        states = [session.get_one(Order, o.id).state for o in (over, booked, open_still)]
        told = session.scalars(sa.select(Notice)).one()
    assert states == [OrderState.EXPIRED, OrderState.SUBMITTED, OrderState.SUBMITTED]
    assert (told.kind, told.organisation_id) == ("order.expired", over.organisation_id)


# The table


def test_the_table_of_jobs_is_true(app: Flask) -> None:
    """Name and rhythm of every job, as the module's first words state them."""
    assert jobs.__doc__ is not None
    stated = {
        found[1]: found[2]
        for found in (
            re.match(r"(\w[\w ]*?)  +(\S.*?)  +\S", line)
            for line in jobs.__doc__.split("=\n")[1].splitlines()
        )
        if found
    }
    work = jobs._Work(app, threading.Event())
    scheduler = jobs.scheduler_of(work, lambda: False)
    assert stated == {job.id: rhythm(job) for job in scheduler.get_jobs()}


def rhythm(job) -> str:
    seconds = getattr(job.trigger, "interval", timedelta()).total_seconds()
    if not seconds:
        fields = {f.name: str(f) for f in job.trigger.fields if not f.is_default}
        assert (fields["hour"], fields["minute"]) == ("1", "0")  # PB_NIGHT_AT
        return "daily at PB_NIGHT_AT, park time"
    at_start = getattr(job, "next_run_time", None) is not None
    every = {1: "second", 5: "5 seconds", 15: "15 seconds", 60: "minute", 3600: "hour"}[
        int(seconds)
    ]
    return "at start, " * at_start + f"every {every}"
