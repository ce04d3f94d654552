"""The night: claimed by one, solved without a connection, kept whole or not at all."""

import json
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.catalog.models import Outage, OutageKind, Platform
from platform_booking.db import JOB, acting_as, db
from platform_booking.embedded import Urls
from platform_booking.errors import (
    Fenced,
    IllegalMove,
    NightFailed,
    NightRunning,
    NightStopped,
)
from platform_booking.notices.models import Notice
from platform_booking.orders.models import Order, StepLag
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import claims, nightly
from platform_booking.planning.apart import SolverDied
from platform_booking.planning.models import (
    Approval,
    JobRequest,
    Night,
    Plan,
    PlanProblem,
    PublicationPart,
)
from platform_booking.planning.proposal import NO_COMPONENT
from platform_booking.planning.states import (
    ApprovalState,
    Change,
    Failure,
    Overtaken,
    PlanState,
)
from solver.allocation import Allocation
from solver.options import Options
from solver.problem import Placement, Problem
from tests.factories import (
    MONDAY,
    add_step,
    make_member,
    make_operator,
    make_order,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.planning.nights import (
    HOUR,
    NIGHT,
    NOW,
    OPENS,
    book_step,
    bookings_of,
    left_out_of,
    plan_row,
    quick_solve,
    rows_of,
    run_night,
    settings_of,
    step_states,
)

PLACED, WAITING, BOOKED = StepState.PLACED, StepState.WAITING, StepState.BOOKED


def two_orders_for_one_place() -> tuple[Order, Order]:
    """Make two orders of which one resource has room for one: the first gets it."""
    with writing() as session:
        tool = make_resource(session)
        first, second = (
            make_order(session, resource=tool, deadline_at=MONDAY + HOUR, submitted_at=at)
            for at in (NOW - 2 * HOUR, NOW - HOUR)
        )
        return first, second


def meanwhile(
    deed: Callable[[Problem, Options], object],
) -> Callable[[Problem, Options], Allocation]:
    """Return a search during which something happens."""

    def solve(problem: Problem, options: Options) -> Allocation:
        deed(problem, options)
        return quick_solve(problem, options)

    return solve


def elsewhere(app: Flask, deed: Callable[[], object]) -> list[object]:
    """Do something in a thread of its own; return what came of it, or what it raised."""
    answers: list[object] = []

    def run() -> None:
        with app.app_context():
            try:
                answers.append(deed())
            except Exception as fault:
                answers.append(fault)
            finally:
                db.session.remove()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return answers


def expire_lease() -> None:
    with writing() as session:
        session.execute(
            sa.text("UPDATE night SET lease_until = now() - interval '1 second'")
        )


def plans() -> list[Plan]:
    with writing() as session:
        return list(session.scalars(sa.select(Plan).order_by(Plan.id)))


def notices() -> list[Notice]:
    with writing() as session:
        return list(session.scalars(sa.select(Notice).order_by(Notice.id)))


# What is kept


def test_a_draft_holds_what_is_placed_what_is_not_and_why(app: Flask) -> None:
    placed, left = two_orders_for_one_place()
    outcome = run_night(app)
    plan = plan_row(outcome.plan_id)
    assert plan.state is PlanState.DRAFT
    assert (plan.night, plan.asked, plan.placed, plan.fcfs_placed) == (NIGHT, 2, 1, 1)
    (row,) = rows_of(plan.id)
    assert row.order_id == placed.id
    assert (row.starts_at, row.ends_at) == (MONDAY, MONDAY + HOUR)
    assert (row.change, row.order_version) == (Change.NEW, placed.version)
    assert step_states(placed) == [PLACED]
    assert step_states(left) == [WAITING]
    reason = left_out_of(plan.id)[left.id]
    assert reason.cause == "full"
    assert reason.detail["blocked"][0]["occupant"] == "placement"
    assert reason.ways_out[0]["relaxation"] == "later_deadline"
    assert reason.ways_out[0]["minutes"] == 60
    assert outcome.left_out == (("full", "1"),)


def test_a_draft_states_its_value_its_bound_and_the_yardstick(app: Flask) -> None:
    """Both orders are worth 300, and one fits."""
    two_orders_for_one_place()
    plan = plan_row(run_night(app).plan_id)
    assert (plan.value, plan.fcfs_value) == (300, 300)
    assert 300 <= plan.bound < 600
    assert (plan.waves, plan.seed) == (0, 1)


def test_a_draft_waits_for_the_platforms_that_something_changes_for(app: Flask) -> None:
    with writing() as session:
        asked = make_platform(session, approval_hours=7)
        make_resource(session, platform_id=make_platform(session, approval_hours=99).id)
        tool = make_resource(session, platform_id=asked.id)
        make_order(session, resource=tool)
    plan = plan_row(run_night(app).plan_id)
    with writing() as session:
        approvals = session.scalars(sa.select(Approval).filter_by(plan_id=plan.id)).all()
        parts = session.scalars(sa.select(PublicationPart.component)).all()
    assert [(a.platform_id, a.state) for a in approvals] == [
        (asked.id, ApprovalState.PENDING)
    ]
    assert plan.approve_until == NOW + 7 * HOUR
    assert parts == [0]


def test_who_is_left_out_is_told_so_and_nobody_else(app: Flask) -> None:
    _, left = two_orders_for_one_place()
    run_night(app)
    (notice,) = notices()
    assert (notice.kind, notice.organisation_id) == ("order.left_out", left.organisation_id)
    assert notice.payload == {
        "order": str(left.public_id),
        "cause": "full",
        "night": NIGHT.isoformat(),
    }


def test_a_kept_night_solved_again_has_the_same_value(app: Flask) -> None:
    with writing() as session:
        tools = [make_resource(session) for _ in range(2)]
        for n in range(12):
            order = make_order(
                session,
                resource=tools[n % 2],
                duration_min=60 * (1 + n % 5),
                deadline_at=MONDAY + 6 * HOUR,
            )
            add_step(session, order, resource=tools[(n + 1) % 2])
    outcome = run_night(app, waves=1)
    with writing() as session:
        content = session.get_one(PlanProblem, outcome.plan_id)
    same, again = nightly.replay(plan_row(outcome.plan_id), content, workers=1)
    assert same
    assert again.value == outcome.value > 0


def test_the_night_counts_shares_as_the_setting_says(app: Flask) -> None:
    with writing() as session:
        make_order(session, resource=make_resource(session))
    outcome = run_night(app, settings=settings_of(app, fairness=200))
    with writing() as session:
        kept = session.get_one(PlanProblem, outcome.plan_id)
        problem = json.loads(zlib.decompress(kept.content))
    assert problem["alpha"] == 200
    (share,) = problem["shares"]
    assert share["entitled"] == problem["jobs"][0]["value"]


def test_an_order_that_stays_is_kept_without_asking_anybody(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        booking = book_step(session, order.steps[0], tool, starts_at=MONDAY)
    outcome = run_night(app)
    (row,) = rows_of(outcome.plan_id)
    assert (row.change, row.component) == (Change.KEPT, NO_COMPONENT)
    assert row.booking_id == row.previous_booking_id == booking.id
    assert step_states(order) == [BOOKED]
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Approval)) == 0


def test_an_order_that_an_outage_drives_away_moves_and_names_what_it_leaves(
    app: Flask,
) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        booking = book_step(session, order.steps[0], tool, starts_at=MONDAY)
        session.add(
            Outage(
                resource_id=tool.id,
                starts_at=MONDAY,
                ends_at=MONDAY + 2 * HOUR,
                kind=OutageKind.UNSCHEDULED,
            )
        )
    outcome = run_night(app)
    (row,) = rows_of(outcome.plan_id)
    assert (row.change, row.component) == (Change.MOVED, 0)
    assert (row.previous_booking_id, row.previous_version) == (booking.id, 1)
    assert row.booking_id is None
    assert row.starts_at >= MONDAY + 2 * HOUR
    assert step_states(order) == [BOOKED]  # nothing has happened yet


def test_a_booked_order_that_finds_no_other_place_keeps_its_bookings(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool, deadline_at=MONDAY + HOUR)
        book_step(session, order.steps[0], tool, starts_at=MONDAY)
        session.add(
            Outage(
                resource_id=tool.id,
                starts_at=MONDAY,
                ends_at=MONDAY + 2 * HOUR,
                kind=OutageKind.UNSCHEDULED,
            )
        )
    outcome = run_night(app)
    assert left_out_of(outcome.plan_id).keys() == {order.id}
    assert step_states(order) == [BOOKED]
    assert len(bookings_of(order)) == 1
    assert notices() == []


def test_loads_of_one_run_belong_together_and_others_do_not(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        make_recipe(session, oven, min_load=4)
        sharing = [
            make_order(session, resource=oven, quantity=2, deadline_at=MONDAY + HOUR)
            for _ in range(2)
        ]
        alone = make_order(session, resource=make_resource(session))
    component = {r.order_id: r.component for r in rows_of(run_night(app).plan_id)}
    assert component[sharing[0].id] == component[sharing[1].id]
    assert component[alone.id] != component[sharing[0].id]


def test_what_is_held_beside_a_resource_has_a_row_of_its_own(app: Flask) -> None:
    with writing() as session:
        tool, seats = make_resource(session), make_resource(session, kind="pooled")
        order = make_order(session, resource=tool)
        order.steps[0].co_uses = [[seats.id, 3]]
    rows = rows_of(run_night(app).plan_id)
    assert {(r.resource_id, r.quantity) for r in rows} == {(tool.id, 1), (seats.id, 3)}
    assert len({r.component for r in rows}) == 1
    assert {r.platform_id for r in rows} == {tool.platform_id, seats.platform_id}


# Older plans


def test_a_new_draft_replaces_the_older_one(app: Flask) -> None:
    one, two = two_orders_for_one_place()
    first = run_night(app)
    with writing() as session:
        session.get_one(Order, one.id).state = OrderState.WITHDRAWN
    second = run_night(app)
    assert plan_row(first.plan_id).state is PlanState.SUPERSEDED
    with writing() as session:
        part = session.scalars(sa.select(PublicationPart).filter_by(plan_id=first.plan_id))
        assert [p.withheld for p in part] == ["superseded"]
    assert [r.order_id for r in rows_of(second.plan_id)] == [two.id]
    assert step_states(one) == [WAITING]
    assert step_states(two) == [PLACED]


def test_a_plan_half_published_is_closed_by_the_next_night(app: Flask) -> None:
    two_orders_for_one_place()
    first = run_night(app)
    with writing() as session:
        session.get_one(Plan, first.plan_id).state = PlanState.PUBLISHING
    run_night(app, night=NIGHT + timedelta(days=1))
    plan = plan_row(first.plan_id)
    assert (plan.state, plan.published_at) == (PlanState.PUBLISHED, NOW)


@pytest.mark.parametrize("state", [PlanState.PUBLISHING, PlanState.PUBLISHED])
def test_a_night_that_is_published_is_not_run_again(app: Flask, state: PlanState) -> None:
    two_orders_for_one_place()
    first = run_night(app)
    with writing() as session:
        session.get_one(Plan, first.plan_id).state = state
    with pytest.raises(IllegalMove):
        run_night(app)
    assert [p.state for p in plans()] == [state]
    with writing() as session:
        assert session.get_one(Night, NIGHT).fence == 1  # nothing half done


def test_a_plan_asked_for_early_does_not_stand_in_the_scheduled_nights_way(
    app: Flask,
) -> None:
    two_orders_for_one_place()
    early = run_night(app)
    with writing() as session:
        session.get_one(Plan, early.plan_id).state = PlanState.PUBLISHING
    with pytest.raises(IllegalMove):  # it was begun after the night was due
        run_night(app, scheduled_at=NOW)
    night = run_night(app, scheduled_at=NOW + timedelta(minutes=1))
    assert plan_row(night.plan_id).state is PlanState.DRAFT
    assert plan_row(early.plan_id).state is PlanState.PUBLISHED


# What happens meanwhile


def test_no_connection_is_held_while_the_solver_searches(app: Flask) -> None:
    two_orders_for_one_place()
    held: list[int] = []

    def look(_problem: Problem, _options: Options) -> None:
        held.extend(engine.pool.checkedout() for engine in db.engines.values())

    run_night(app, solve=meanwhile(look))
    assert held == [0, 0]


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(days=30)])
def test_a_night_is_run_by_one_runner_at_a_time(app: Flask, now) -> None:
    """However late the second one's own clock says it is."""
    two_orders_for_one_place()
    answers: list[object] = []

    def rival(_problem: Problem, _options: Options) -> None:
        answers.extend(elsewhere(app, lambda: run_night(app, now=now)))

    run_night(app, solve=meanwhile(rival))
    assert [type(a) for a in answers] == [NightRunning]
    assert "2027-03-07 01:00" in str(answers[0])  # since when it runs
    assert [p.state for p in plans()] == [PlanState.DRAFT]


def test_a_runner_that_went_silent_is_taken_over_and_keeps_nothing(app: Flask) -> None:
    placed = two_orders_for_one_place()
    answers: list[nightly.Outcome] = []

    def taken_over(_problem: Problem, _options: Options) -> None:
        expire_lease()
        answers.extend(elsewhere(app, lambda: run_night(app)))

    with pytest.raises(Fenced):
        run_night(app, solve=meanwhile(taken_over))
    first, second = plans()
    assert (first.state, first.error) == (PlanState.FAILED, Failure.SILENT)
    assert (second.state, second.id) == (PlanState.DRAFT, answers[0].plan_id)
    assert rows_of(first.id) == []
    assert len(rows_of(second.id)) == 1
    assert sorted(s for o in placed for s in step_states(o)) == [PLACED, WAITING]


def test_the_heartbeat_keeps_the_night_and_shows_how_far_it_is(app: Flask) -> None:
    two_orders_for_one_place()
    settings = settings_of(app, lease_seconds=1)

    def outlive_the_lease(problem: Problem, options: Options) -> None:
        quick_solve(problem, options)  # reports
        first = lease()
        wait_for(lambda: lease() > first + timedelta(seconds=1))
        wait_for(lambda: plans()[0].progress.get("value") == 300)

    run_night(app, settings=settings, solve=meanwhile(outlive_the_lease))
    assert plans()[0].state is PlanState.DRAFT


def lease():
    with writing() as session:
        return session.get_one(Night, NIGHT).lease_until


def wait_for(true: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_a_search_that_was_taken_over_is_told_to_stop(app: Flask) -> None:
    two_orders_for_one_place()

    def taken_over(_problem: Problem, options: Options) -> None:
        assert options.should_stop is not None
        assert not options.should_stop()
        expire_lease()
        with writing() as session:
            claims.claim(session, NIGHT, runner="another", lease_seconds=60)
        wait_for(options.should_stop)

    with pytest.raises(Fenced):
        run_night(
            app,
            settings=settings_of(app, lease_seconds=1),
            solve=meanwhile(taken_over),
        )


def test_a_search_that_is_stopped_leaves_the_night_to_whoever_comes_next(
    app: Flask,
) -> None:
    two_orders_for_one_place()
    stop = threading.Event()
    with pytest.raises(NightStopped):
        run_night(app, solve=meanwhile(lambda *_: stop.set()), should_stop=stop.is_set)
    run_night(app)
    first, second = plans()
    assert (first.state, first.error) == (PlanState.FAILED, Failure.STOPPED)
    assert second.state is PlanState.DRAFT


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({"state": OrderState.WITHDRAWN}, Overtaken.WITHDRAWN),
        ({"title": "another"}, Overtaken.AMENDED),
    ],
)
def test_what_its_people_changed_meanwhile_is_left_out_by_name(
    app: Flask, changed: dict, how: Overtaken
) -> None:
    with writing() as session:
        tool = make_resource(session)
        order, other = (make_order(session, resource=tool) for _ in range(2))

    def change(_problem: Problem, _options: Options) -> None:
        with writing() as session:
            row = session.get_one(Order, order.id)
            for name, value in changed.items():
                setattr(row, name, value)

    outcome = run_night(app, solve=meanwhile(change))
    assert (outcome.asked, outcome.placed) == (2, 1)
    assert [r.order_id for r in rows_of(outcome.plan_id)] == [other.id]
    left = left_out_of(outcome.plan_id)[order.id]
    assert (left.cause, left.detail) == ("overtaken", {"why": how})
    assert step_states(order) == [WAITING]
    assert notices() == []


def test_what_another_plan_booked_meanwhile_is_not_placed_twice(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)

    def book(_problem: Problem, _options: Options) -> None:
        with writing() as session:
            step = session.get_one(Order, order.id).steps[0]
            book_step(session, step, session.merge(tool), starts_at=MONDAY)

    outcome = run_night(app, solve=meanwhile(book))
    assert rows_of(outcome.plan_id) == []
    assert left_out_of(outcome.plan_id)[order.id].detail == {"why": Overtaken.BOOKED}
    assert step_states(order) == [BOOKED]


# What goes wrong


def failing(_problem: Problem, _options: Options) -> Allocation:
    raise MemoryError("no more")


def overbooked(problem: Problem, options: Options) -> Allocation:
    """Place every job at once where the first one is."""
    found = quick_solve(problem, options)
    first = found.placements[0]
    placements = tuple(
        sorted(
            (replace(first, job=job.id) for job in problem.jobs),
            key=lambda p: (p.job, p.step),
        )
    )
    return replace(found, placements=placements, value=600, bound=600, reasons=())


def boasting(problem: Problem, options: Options) -> Allocation:
    return replace(quick_solve(problem, options), value=10_000)


def dreaming(problem: Problem, options: Options) -> Allocation:
    found = quick_solve(problem, options)
    stranger = Placement("999", 0, 0, start=400, end=412)
    return replace(found, placements=(*found.placements, stranger))


@pytest.mark.parametrize("solve", [failing, overbooked, boasting, dreaming])
def test_a_night_that_fails_says_so_and_leaves_everything_as_it_was(
    app: Flask, solve
) -> None:
    orders = two_orders_for_one_place()
    earlier = run_night(app, night=NIGHT - timedelta(days=1))
    before = [step_states(o) for o in orders]
    with pytest.raises(NightFailed):
        run_night(app, solve=solve)
    kept, failed = plans()
    assert (failed.state, failed.error) == (PlanState.FAILED, Failure.NO_PLAN)
    assert failed.finished_at is not None
    assert rows_of(failed.id) == []
    assert (kept.id, kept.state) == (earlier.plan_id, PlanState.DRAFT)
    assert [step_states(o) for o in orders] == before
    assert run_night(app).placed == 1  # and may be run again at once


def dying(times: int, seen: list[Options]) -> Callable[[Problem, Options], Allocation]:
    """Return a search whose process is killed so many times."""

    def solve(problem: Problem, options: Options) -> Allocation:
        seen.append(options)
        if len(seen) <= times:
            raise SolverDied("the search ended with -9")
        return quick_solve(problem, options)

    return solve


def test_a_search_that_dies_is_tried_once_more_with_less(app: Flask) -> None:
    two_orders_for_one_place()
    seen: list[Options] = []
    outcome = run_night(app, solve=dying(1, seen), waves=None, seconds=100.0)
    assert outcome.placed == 1
    first, again = seen
    assert (first.seconds, again.seconds) == (100.0, 50.0)
    assert again.workers == 1


def test_a_night_without_a_plan_raises_the_alarm_with_every_operator(app: Flask) -> None:
    two_orders_for_one_place()
    with writing() as session:
        platform = make_platform(session)
        operators = [make_operator(session, platform).id for _ in range(2)]
        make_operator(session, platform, active=False)
        make_member(session)
    seen: list[Options] = []
    with pytest.raises(NightFailed, match="-9"):
        run_night(app, solve=dying(2, seen))
    assert len(seen) == 2
    assert told("plan.failed") == operators


def test_operators_are_told_of_the_draft_that_waits_for_them(app: Flask) -> None:
    first, _second = two_orders_for_one_place()
    with writing() as session:
        platform = session.get_one(Platform, first.platform_ids[0])
        mine, _other = make_operator(session, platform), make_operator(session)
        waits = mine.id
    run_night(app)
    assert told("plan.waiting") == [waits]


def told(kind: str) -> list[int | None]:
    """Return the members who were told something, in order."""
    with writing() as session:
        return list(
            session.scalars(
                sa.select(Notice.member_id).filter_by(kind=kind).order_by(Notice.member_id)
            )
        )


def test_who_has_had_enough_gets_the_best_so_far(app: Flask) -> None:
    two_orders_for_one_place()

    def had_enough(_problem: Problem, options: Options) -> None:
        assert options.enough is not None
        assert not options.enough()
        with writing() as session:
            asked = JobRequest(
                job="finish", subject={"plan": plans()[0].id}, requested_at=NOW
            )
            session.add(asked)
        wait_for(options.enough)

    assert run_night(app, solve=meanwhile(had_enough)).placed == 1
    with writing() as session:
        request = session.scalars(sa.select(JobRequest)).one()
    assert request.finished_at is not None
    assert (request.outcome, request.failed) == ("finished", False)


def test_a_catalogue_that_contradicts_itself_fails_the_night(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        make_recipe(session, oven, min_load=5)
    with pytest.raises(NightFailed, match=r"recipes\[0\]\.min_load"):
        run_night(app)
    assert plans()[0].error == Failure.BAD_PROBLEM


def test_an_order_that_contradicts_itself_is_left_out_and_costs_nobody_the_night(
    app: Flask,
) -> None:
    with writing() as session:
        tool = make_resource(session)
        odd, sound = (make_order(session, resource=tool) for _ in range(2))
        add_step(session, odd, resource=tool)
        session.add(
            StepLag(order_id=odd.id, before=1, after=0, organisation_id=odd.organisation_id)
        )
    outcome = run_night(app)
    assert (outcome.asked, outcome.placed) == (2, 1)
    assert [r.order_id for r in rows_of(outcome.plan_id)] == [sound.id]
    assert left_out_of(outcome.plan_id)[odd.id].cause == "contradictory"
    assert [n.kind for n in notices()] == ["order.left_out"]


def test_bookings_of_an_order_that_contradicts_itself_stand(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        odd = make_order(session, resource=tool)
        add_step(session, odd, resource=tool)
        for n, step in enumerate(odd.steps):
            book_step(session, step, tool, starts_at=OPENS + 2 * n * HOUR)
        session.add(
            StepLag(order_id=odd.id, before=1, after=0, organisation_id=odd.organisation_id)
        )
        make_order(session, resource=tool, earliest_at=OPENS)
    seen: list[Problem] = []
    outcome = run_night(app, solve=meanwhile(lambda problem, _: seen.append(problem)))
    assert len(seen[0].stays) == 2
    (row,) = rows_of(outcome.plan_id)
    assert row.starts_at == OPENS + HOUR  # between them


def test_no_word_of_the_database_is_kept_when_it_fails(app: Flask, database: Urls) -> None:
    two_orders_for_one_place()

    def break_table(_problem: Problem, _options: Options) -> None:
        address = database.owner.replace("+psycopg", "", 1)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("ALTER TABLE left_out RENAME TO elsewhere")

    with pytest.raises(sa.exc.ProgrammingError):
        run_night(app, solve=meanwhile(break_table))
    assert [(p.state, p.error) for p in plans()] == [(PlanState.FAILED, Failure.UNEXPECTED)]


def test_a_night_under_load_is_kept_although_people_work_on_its_orders(app: Flask) -> None:
    """Amendments that hold one step and want the next must not cost the night."""
    with writing() as session:
        tool = make_resource(session)
        made = [make_order(session, resource=tool) for _ in range(20)]
    stop = threading.Event()

    def work() -> int:
        deeds = 0
        with acting_as(JOB):
            while not stop.is_set():
                for order in made[:3]:
                    with writing() as session:
                        row = session.get_one(Order, order.id, with_for_update=True)
                        row.note = f"{deeds}"
                        row.steps[0].name = f"{deeds}"
                    deeds += 1
        return deeds

    done: list[object] = []
    thread = threading.Thread(target=lambda: done.extend(elsewhere(app, work)))
    thread.start()
    try:
        outcome = run_night(app)
    finally:
        stop.set()
        thread.join(60)
    assert outcome.asked == 20
    assert outcome.placed >= 17
    assert isinstance(done[0], int)
