"""An approved draft becomes bookings: whole orders, once, and never over the day's deeds."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Organisation
from platform_booking.bookings import services as bookings
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Outage, OutageKind, Resource
from platform_booking.db import JOB, acting_as, db
from platform_booking.errors import Fenced, IllegalMove, NotFound
from platform_booking.notices.models import Notice
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import counting, publication, queries, settling
from platform_booking.planning.models import Approval, LeftOut, PublicationPart
from platform_booking.planning.publication import Published
from platform_booking.planning.states import ApprovalState, Change, Overtaken, PlanState
from solver.allocation import Allocation
from solver.options import Options
from solver.problem import Problem
from solver.value import value_of
from tests.factories import (
    MONDAY,
    add_step,
    make_booking,
    make_order,
    make_platform,
    make_project,
    make_recipe,
    make_resource,
    writing,
)
from tests.planning.nights import (
    HOUR,
    NIGHT,
    NOW,
    approve_all,
    approve_for,
    book_step,
    bookings_of,
    left_out_of,
    plan_row,
    rows_of,
    run_night,
    slot,
    step_states,
)
from tests.planning.schedulers import wait_until

MORNING = NOW + 8 * HOUR
PLACED, WAITING, BOOKED = StepState.PLACED, StepState.WAITING, StepState.BOOKED


def publish(plan_id: int, *, now=MORNING) -> Published:
    with acting_as(JOB):
        return publication.publish(plan_id, now=now)


def night_then_morning(app: Flask, **given: object) -> Published:
    """Run the night, let everybody approve, publish."""
    outcome = run_night(app, **given)
    approve_all(outcome.plan_id)
    return publish(outcome.plan_id)


def placed_elsewhere(*starts: int):
    """Return a search that puts the n-th job, all of it, at the n-th of these slots."""

    def solve(problem: Problem, _options: Options) -> Allocation:
        jobs = sorted(problem.jobs, key=lambda job: int(job.id))
        placements = tuple(
            sorted(
                (
                    replace(p, start=start, end=start + p.end - p.start)
                    for job, start in zip(jobs, starts, strict=True)
                    for p in job.previous
                ),
                key=lambda p: (p.job, p.step),
            )
        )
        value = value_of(problem, placements)
        return Allocation(placements=placements, value=value, bound=value)

    return solve


def notices_of(order: Order) -> list[str]:
    with writing() as session:
        found = session.scalars(sa.select(Notice).order_by(Notice.id))
        return [n.kind for n in found if n.payload.get("order") == str(order.public_id)]


def all_bookings() -> list[Booking]:
    with writing() as session:
        return list(
            session.scalars(
                sa.select(Booking)
                .where(Booking.active)
                .order_by(Booking.resource_id, Booking.starts_at)
            )
        )


def database_clock() -> datetime:
    with writing() as session:
        return session.scalar(sa.select(sa.func.clock_timestamp()))


def one_order(session, **given) -> Order:
    return make_order(session, resource=make_resource(session), **given)


# What is approved


def test_what_is_approved_becomes_bookings(app: Flask) -> None:
    with writing() as session:
        tool, seats = make_resource(session), make_resource(session, kind="pooled")
        order = make_order(session, resource=tool)
        order.steps[0].co_uses = [[seats.id, 2]]
        add_step(session, order, resource=tool)
        firm = session.get_one(Organisation, order.organisation_id)
        order.project_id = make_project(session, firm).id
    before = database_clock()
    done = night_then_morning(app)
    assert (done.booked, done.overtaken, done.finished) == ((order.id,), (), True)
    made = bookings_of(order)
    assert [(b.resource_id, b.quantity) for b in sorted(made, key=lambda b: b.id)] == [
        (tool.id, 1),
        (tool.id, 1),
        (seats.id, 2),
    ]
    assert {(b.source, b.state) for b in made} == {(Source.PLAN, BookingState.CONFIRMED)}
    assert {b.organisation_id for b in made} == {order.organisation_id}
    assert {b.member_id for b in made} == {order.submitted_by}
    assert {b.project_id for b in made} == {order.project_id}
    assert step_states(order) == [BOOKED, BOOKED]
    assert {r.booking_id for r in rows_of(done.plan_id)} == {b.id for b in made}
    plan = plan_row(done.plan_id)
    assert plan.state is PlanState.PUBLISHED
    assert before <= plan.published_at <= database_clock()  # when it was done
    assert notices_of(order) == ["order.placed"]


def test_what_is_approved_during_a_publication_is_left_for_another(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing() as session:
        here, there = make_platform(session), make_platform(session)
        mine, others = (
            make_order(session, resource=make_resource(session, platform_id=p.id))
            for p in (here, there)
        )
    plan_id = run_night(app).plan_id
    approve_for(plan_id, here)
    settle = settling.settle

    def approve() -> None:
        with app.app_context():
            approve_for(plan_id, there)
            db.session.remove()

    def approving_meanwhile(*args: object, **more: object):
        other = threading.Thread(target=approve)
        other.start()
        other.join(30)
        return settle(*args, **more)

    monkeypatch.setattr(settling, "settle", approving_meanwhile)
    first = publish(plan_id)
    assert (first.booked, first.withheld, first.finished) == ((mine.id,), 1, False)
    assert bookings_of(others) == []
    monkeypatch.undo()
    second = publish(plan_id)
    assert (second.booked, second.finished) == ((others.id,), True)


def test_an_order_across_platforms_waits_for_all_of_them(app: Flask) -> None:
    with writing() as session:
        here, there = make_platform(session), make_platform(session)
        near = make_resource(session, platform_id=here.id)
        far = make_resource(session, platform_id=there.id)
        alone = make_order(session, resource=near)
        across = make_order(session, resource=near)
        add_step(session, across, resource=far)
    plan_id = run_night(app).plan_id
    approve_for(plan_id, here)
    first = publish(plan_id)
    assert (first.booked, first.withheld, first.finished) == ((alone.id,), 1, False)
    assert plan_row(plan_id).state is PlanState.PUBLISHING
    assert bookings_of(across) == []
    approve_for(plan_id, there)
    second = publish(plan_id)
    assert (second.booked, second.finished) == ((across.id,), True)
    assert len(bookings_of(across)) == 2
    assert len(bookings_of(alone)) == 1


def test_what_a_platform_rejects_waits_again_and_is_told(app: Flask) -> None:
    with writing() as session:
        yes, no = make_platform(session), make_platform(session)
        kept = make_order(session, resource=make_resource(session, platform_id=yes.id))
        across = make_order(session, resource=make_resource(session, platform_id=yes.id))
        add_step(session, across, resource=make_resource(session, platform_id=no.id))
    plan_id = run_night(app).plan_id
    approve_for(plan_id, yes)
    with writing() as session:
        session.get_one(Approval, (plan_id, no.id)).state = ApprovalState.REJECTED
    done = publish(plan_id)
    assert (done.booked, done.finished) == ((kept.id,), True)
    assert step_states(across) == [WAITING, WAITING]
    assert left_out_of(plan_id)[across.id].cause == "not_approved"
    assert notices_of(across) == ["order.not_approved"]
    with writing() as session:
        parts = session.scalars(sa.select(PublicationPart)).all()
    assert sorted(p.withheld for p in parts) == ["", "not_approved"]


def test_what_one_rejects_does_not_wait_for_the_silence_of_another(app: Flask) -> None:
    with writing() as session:
        yes, no, silent = (make_platform(session) for _ in range(3))
        tools = [make_resource(session, platform_id=p.id) for p in (yes, no, silent)]
        make_order(session, resource=tools[0])
        rejected = make_order(session, resource=tools[1])
        waiting = make_order(session, resource=tools[2])
    plan_id = run_night(app).plan_id
    approve_for(plan_id, yes)
    with writing() as session:
        session.get_one(Approval, (plan_id, no.id)).state = ApprovalState.REJECTED
    assert publish(plan_id).withheld == 1
    assert step_states(rejected) == [WAITING]
    assert step_states(waiting) == [PLACED]


def test_what_nobody_has_approved_is_not_published(app: Flask) -> None:
    with writing() as session:
        order = one_order(session)
    plan_id = run_night(app).plan_id
    with pytest.raises(IllegalMove):
        publish(plan_id)
    assert plan_row(plan_id).state is PlanState.DRAFT
    assert step_states(order) == [PLACED]


def test_each_component_is_a_transaction_of_its_own(app: Flask) -> None:
    with writing() as session:
        orders = [one_order(session) for _ in range(3)]
    done = night_then_morning(app)
    assert done.booked == tuple(o.id for o in orders)
    with writing() as session:
        made_in = session.scalars(sa.text("SELECT DISTINCT xmin::text FROM booking")).all()
    assert len(made_in) == 3


def test_there_must_be_such_a_plan(app: Flask) -> None:
    with pytest.raises(NotFound):
        publish(4711)


# Once


def test_a_plan_is_published_once(app: Flask) -> None:
    with writing() as session:
        order = one_order(session)
    done = night_then_morning(app)
    with pytest.raises(IllegalMove):
        publish(done.plan_id)
    assert len(bookings_of(order)) == 1
    assert notices_of(order) == ["order.placed"]


def test_a_publisher_that_was_taken_over_changes_nothing(app: Flask) -> None:
    with writing() as session:
        orders = [one_order(session) for _ in range(2)]
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    with acting_as(JOB):
        slow, _ready = publication._begin(plan_id)
        publication._begin(plan_id)
        with pytest.raises(Fenced):
            publication.publish_component(plan_id, 0, fence=slow, now=MORNING)
        with pytest.raises(Fenced):
            publication._finish(plan_id, slow, now=MORNING)
    assert all_bookings() == []
    assert publish(plan_id).booked == tuple(o.id for o in orders)


def test_a_component_is_published_once(app: Flask) -> None:
    """Or given up: then it is not published at all."""
    with writing() as session:
        orders = [one_order(session) for _ in range(2)]
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    with acting_as(JOB):
        fence, _ready = publication._begin(plan_id)
        with writing() as session:
            session.get_one(PublicationPart, (plan_id, 1)).withheld = "not_approved"
        answers = [
            publication.publish_component(plan_id, number, fence=fence, now=MORNING)
            for number in (0, 0, 1)
        ]
    assert answers == [([orders[0].id], []), ([], []), ([], [])]
    assert notices_of(orders[0]) == ["order.placed"]
    assert len(all_bookings()) == 1


def test_publishers_at_once_book_everything_once(app: Flask) -> None:
    with writing() as session:
        orders = [one_order(session) for _ in range(6)]
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    ready = threading.Barrier(3)
    answers: list[object] = []

    def race() -> None:
        with app.app_context():
            ready.wait()
            try:
                answers.append(publish(plan_id))
            except (Fenced, IllegalMove) as fault:
                answers.append(fault)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 3
    assert plan_row(plan_id).state is PlanState.PUBLISHED
    assert [len(bookings_of(order)) for order in orders] == [1] * 6
    assert [notices_of(order) for order in orders] == [["order.placed"]] * 6


def test_a_new_draft_fences_the_publication_of_the_old_one(app: Flask) -> None:
    with writing() as session:
        one_order(session)
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    with acting_as(JOB):
        fence, _ready = publication._begin(plan_id)
    run_night(app, night=NIGHT + timedelta(days=1))
    with acting_as(JOB), pytest.raises(Fenced):
        publication.publish_component(plan_id, 0, fence=fence, now=MORNING)
    assert all_bookings() == []


# What the day has overtaken


def overtaken_by(app: Flask, deed) -> tuple[Published, Order]:
    """Place one order of two steps, let something happen, publish."""
    with writing() as session:
        tools = [make_resource(session) for _ in range(2)]
        order = make_order(session, resource=tools[0])
        add_step(session, order, resource=tools[1])
        other = make_order(session, resource=make_resource(session))
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    with writing() as session:
        deed(session, session.get_one(Order, order.id), tools[1])
    done = publish(plan_id)
    assert done.booked == (other.id,)
    assert done.overtaken == (order.id,)
    assert done.finished
    assert bookings_of(order) == []  # whole or not at all
    assert step_states(order) == [WAITING, WAITING]
    with writing() as session:  # the review shows it as left out, not as placed
        seen = counting.counts(session, plan_id)
        assert (seen.new, seen.left_out) == (1, 1)
        listed, total = queries.placements(session, plan_id, change=Change.NEW)
        assert ([line.order_title for line in listed], total) == ([other.title], 1)
    return done, order


def rival(session, _order, tool) -> None:
    make_booking(session, resource=tool, starts_at=MONDAY + HOUR / 2)


def withdraw(_session, order, _tool) -> None:
    order.state = OrderState.WITHDRAWN


def amend(_session, order, _tool) -> None:
    order.note = "another"


def declare_outage(session, _order, tool) -> None:
    session.add(
        Outage(
            resource_id=tool.id,
            starts_at=MONDAY + HOUR / 2,
            ends_at=MONDAY + 9 * HOUR,
            kind=OutageKind.UNSCHEDULED,
        )
    )


def switch_off(session, _order, tool) -> None:
    session.get_one(Resource, tool.id).active = False


def step_back(_session, order, _tool) -> None:
    order.steps[1].state = WAITING


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        (rival, Overtaken.TAKEN),
        (amend, Overtaken.AMENDED),
        (declare_outage, Overtaken.OUTAGE),
        (switch_off, Overtaken.OUT_OF_SERVICE),
        (step_back, Overtaken.BOOKED),
    ],
)
def test_an_order_overtaken_by_the_day_is_left_out_whole_named_and_told(
    app: Flask, deed, why: Overtaken
) -> None:
    done, order = overtaken_by(app, deed)
    left = left_out_of(done.plan_id)[order.id]
    assert (left.cause, left.detail) == ("overtaken", {"why": why, "moved": False})
    assert notices_of(order) == ["order.overtaken"]


def test_an_outage_that_is_being_declared_is_waited_for(app: Flask) -> None:
    """Its declaration holds the resource, and commits when publication waits for that."""
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    answers: list[Published] = []

    def morning() -> None:
        with app.app_context():
            answers.append(publish(plan_id))
            db.session.remove()

    publisher = threading.Thread(target=morning)
    with writing() as session:
        row = session.get_one(Resource, tool.id)
        row.guard_seq += 1
        session.flush()
        publisher.start()
        wait_until(lambda: waiting_for_locks(session))
        declare_outage(session, order, tool)
    publisher.join(60)
    assert answers[0].overtaken == (order.id,)
    assert bookings_of(order) == []
    assert left_out_of(plan_id)[order.id].detail["why"] == Overtaken.OUTAGE


def waiting_for_locks(session) -> bool:
    session.execute(sa.text("SELECT pg_stat_clear_snapshot()"))  # else as it was at first
    found = session.scalar(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
    )
    return bool(found)


def test_an_order_that_was_withdrawn_is_named_and_nobody_is_told(app: Flask) -> None:
    done, order = overtaken_by(app, withdraw)
    assert left_out_of(done.plan_id)[order.id].detail["why"] == Overtaken.WITHDRAWN
    assert notices_of(order) == []


def test_nothing_is_booked_in_the_past(app: Flask) -> None:
    """A plan that was approved and forgotten."""
    with writing() as session:
        early = one_order(session)
        late = one_order(session, earliest_at=MONDAY + 48 * HOUR)
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    done = publish(plan_id, now=MONDAY + 24 * HOUR)
    assert done.booked == (late.id,)
    assert left_out_of(plan_id)[early.id].detail["why"] == Overtaken.PAST


def test_an_overtaken_order_is_tried_again_by_the_next_night(app: Flask) -> None:
    _, order = overtaken_by(app, rival)
    run_night(app, night=NIGHT + timedelta(days=1))
    assert step_states(order) == [PLACED, PLACED]


def test_a_load_that_is_withdrawn_leaves_the_others_of_its_run(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        make_recipe(session, oven, min_load=4)
        loads = [
            make_order(session, resource=oven, quantity=2, deadline_at=MONDAY + HOUR)
            for _ in range(2)
        ]
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    with writing() as session:
        session.get_one(Order, loads[0].id).state = OrderState.WITHDRAWN
    done = publish(plan_id)
    assert (done.booked, done.overtaken) == ((loads[1].id,), (loads[0].id,))


def test_of_loads_that_share_a_run_those_that_still_fit_are_booked(app: Flask) -> None:
    """A rival has taken half of the run's room: one of the two loads finds none."""
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        recipe = make_recipe(session, oven)
        loads = [
            make_order(session, resource=oven, quantity=2, deadline_at=MONDAY + HOUR)
            for _ in range(2)
        ]
    plan_id = run_night(app).plan_id
    approve_all(plan_id)
    with writing() as session:
        make_booking(
            session, resource=oven, starts_at=MONDAY, quantity=2, recipe_id=recipe.id
        )
    done = publish(plan_id)
    assert len(done.booked) == len(done.overtaken) == 1
    assert set(done.booked + done.overtaken) == {o.id for o in loads}


# What moves


def booked(session, tool, *, at, **given) -> Order:
    """Make an order that an earlier plan has booked."""
    more = given.pop("booking", {})
    order = make_order(session, resource=tool, **given)
    book_step(session, order.steps[0], tool, starts_at=at, **more)
    return order


def start_of(order: Order):
    (booking,) = bookings_of(order)
    return booking.starts_at


def test_a_booking_moves_and_keeps_its_name(app: Flask) -> None:
    with writing() as session:
        order = booked(session, make_resource(session), at=MONDAY)
    before = bookings_of(order)[0]
    outcome = run_night(app, solve=placed_elsewhere(slot(MONDAY + 3 * HOUR)))
    assert start_of(order) == MONDAY  # a draft moves nothing
    approve_all(outcome.plan_id)
    done = publish(outcome.plan_id)
    (after,) = bookings_of(order)
    assert done.booked == (order.id,)
    assert (after.id, after.public_id) == (before.id, before.public_id)
    assert (after.starts_at, after.version) == (MONDAY + 3 * HOUR, before.version + 1)
    assert step_states(order) == [BOOKED]
    assert notices_of(order) == ["order.moved"]


def test_a_move_to_another_platform_goes_with_its_step(app: Flask) -> None:
    with writing() as session:
        here, there = make_resource(session), make_resource(session)
        order = booked(session, here, at=MONDAY, deadline_at=MONDAY + HOUR)
        order.steps[0].resource_ids = [here.id, there.id]
        declare_outage(session, order, here)
    done = night_then_morning(app)
    assert done.booked == (order.id,)
    (booking,) = bookings_of(order)
    assert (booking.resource_id, booking.platform_id) == (there.id, there.platform_id)
    with writing() as session:
        tie = session.scalars(sa.select(StepBooking)).one()
    assert tie.platform_id == there.platform_id


def test_two_bookings_swap_their_places(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        early = booked(session, tool, at=MONDAY)
        late = booked(session, tool, at=MONDAY + HOUR)
    done = night_then_morning(
        app, solve=placed_elsewhere(slot(MONDAY + HOUR), slot(MONDAY))
    )
    assert done.booked == (early.id, late.id)
    assert (start_of(early), start_of(late)) == (MONDAY + HOUR, MONDAY)


def test_a_booking_that_has_changed_since_stays_where_its_people_put_it(
    app: Flask,
) -> None:
    with writing() as session:
        order = booked(session, make_resource(session), at=MONDAY)
    plan_id = run_night(app, solve=placed_elsewhere(slot(MONDAY + 3 * HOUR))).plan_id
    approve_all(plan_id)
    with writing() as session:
        booking = session.get_one(Booking, bookings_of(order)[0].id)
        booking.starts_at += 5 * HOUR
        booking.ends_at += 5 * HOUR
    done = publish(plan_id)
    assert done.overtaken == (order.id,)
    assert start_of(order) == MONDAY + 5 * HOUR
    assert step_states(order) == [BOOKED]
    assert left_out_of(plan_id)[order.id].detail == {
        "why": Overtaken.BOOKED,
        "moved": True,
    }


def test_a_cancelled_booking_does_not_come_back(app: Flask) -> None:
    with writing() as session:
        order = booked(session, make_resource(session), at=MONDAY)
    plan_id = run_night(app, solve=placed_elsewhere(slot(MONDAY + 3 * HOUR))).plan_id
    approve_all(plan_id)
    ids = [b.id for b in bookings_of(order)]
    with writing() as session:
        bookings.release_all(session, ids, to=BookingState.CANCELLED, now=MORNING)
    assert publish(plan_id).overtaken == (order.id,)
    assert bookings_of(order) == []


@pytest.mark.parametrize("leaves", [True, False])
def test_who_takes_the_place_that_another_leaves_comes_only_if_he_leaves(
    app: Flask, leaves: bool
) -> None:
    """The one who stands there moves an hour later; the other must have just his place."""
    with writing() as session:
        tool = make_resource(session)
        standing = booked(session, tool, at=MONDAY)
        coming = booked(session, tool, at=MONDAY + 3 * HOUR)
    plan_id = run_night(
        app, solve=placed_elsewhere(slot(MONDAY + HOUR), slot(MONDAY))
    ).plan_id
    approve_all(plan_id)
    if not leaves:
        with writing() as session:
            session.get_one(Booking, bookings_of(standing)[0].id).updated_at = MORNING
    done = publish(plan_id)
    if leaves:
        assert done.booked == (standing.id, coming.id)
        assert (start_of(standing), start_of(coming)) == (MONDAY + HOUR, MONDAY)
    else:
        assert done.overtaken == (standing.id, coming.id)
        assert (start_of(standing), start_of(coming)) == (MONDAY, MONDAY + 3 * HOUR)


def test_who_waits_for_another_to_leave_is_tried_again_when_he_has_left(
    app: Flask,
) -> None:
    """Of three in a chain the third finds half of his place taken: the others still move.

    The first comes before the second in every attempt, and wants the second's place.
    """
    with writing() as session:
        tool = make_resource(session)
        one = booked(session, tool, at=MONDAY + HOUR)
        two = booked(session, tool, at=MONDAY)
        three = booked(session, tool, at=MONDAY + 6 * HOUR, duration_min=120)
    plan_id = run_night(
        app,
        solve=placed_elsewhere(slot(MONDAY), slot(MONDAY + 3 * HOUR), slot(MONDAY + HOUR)),
    ).plan_id
    approve_all(plan_id)
    assert len({r.component for r in rows_of(plan_id)}) == 1
    with writing() as session:
        make_booking(session, resource=tool, starts_at=MONDAY + 2 * HOUR)
    done = publish(plan_id)
    assert done.booked == (one.id, two.id)
    assert done.overtaken == (three.id,)
    assert (start_of(one), start_of(two)) == (MONDAY, MONDAY + 3 * HOUR)
    assert left_out_of(plan_id)[three.id].detail["why"] == Overtaken.TAKEN


@pytest.mark.parametrize("taken", [False, True])
def test_the_loads_of_a_run_move_together_or_stay_together(app: Flask, taken: bool) -> None:
    """Half an hour later; or, when the last of it is taken, not at all."""
    half = HOUR / 2
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        recipe = make_recipe(session, oven)
        loads = [
            booked(
                session,
                oven,
                at=MONDAY,
                quantity=2,
                booking={"quantity": 2, "recipe_id": recipe.id},
            )
            for _ in range(2)
        ]
    at = slot(MONDAY + half)
    plan_id = run_night(app, solve=placed_elsewhere(at, at)).plan_id
    approve_all(plan_id)
    if taken:
        with writing() as session:
            make_booking(
                session, resource=oven, starts_at=MONDAY + HOUR, recipe_id=recipe.id
            )
    done = publish(plan_id)
    expected = MONDAY if taken else MONDAY + half
    assert {start_of(load) for load in loads} == {expected}
    assert (done.overtaken if taken else done.booked) == tuple(o.id for o in loads)


def test_a_load_never_moves_away_from_its_run_because_the_others_could_not(
    app: Flask,
) -> None:
    """There is room for one load where both were to go: both stay."""
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        recipe = make_recipe(session, oven)
        loads = [
            booked(
                session,
                oven,
                at=MONDAY,
                quantity=2,
                booking={"quantity": 2, "recipe_id": recipe.id},
            )
            for _ in range(2)
        ]
    at = slot(MONDAY + 5 * HOUR)
    plan_id = run_night(app, solve=placed_elsewhere(at, at)).plan_id
    approve_all(plan_id)
    with writing() as session:
        make_booking(
            session,
            resource=oven,
            starts_at=MONDAY + 5 * HOUR,
            quantity=2,
            recipe_id=recipe.id,
        )
    assert publish(plan_id).overtaken == tuple(o.id for o in loads)
    assert {start_of(load) for load in loads} == {MONDAY}


def test_a_place_taken_by_a_move_is_never_given_twice(app: Flask) -> None:
    """A newcomer and a mover, and a rival who came by day: no resource is overbooked."""
    with writing() as session:
        pool = make_resource(session, kind="pooled", capacity=2)
        orders = [
            booked(session, pool, at=MONDAY + n * HOUR, booking={"quantity": 1})
            for n in range(4)
        ]
    at = slot(MONDAY + 6 * HOUR)
    plan_id = run_night(app, solve=placed_elsewhere(at, at, at + 12, at + 12)).plan_id
    approve_all(plan_id)
    with writing() as session:
        make_booking(session, resource=pool, starts_at=MONDAY + 6 * HOUR, minutes=120)
    done = publish(plan_id)
    assert len(done.booked) == len(done.overtaken) == 2
    assert sorted(start_of(o) for o in orders if o.id in done.booked) == [
        MONDAY + 6 * HOUR,
        MONDAY + 7 * HOUR,
    ]


def test_a_displaced_order_has_its_first_right_until_it_is_booked(app: Flask) -> None:
    with writing() as session:
        order = one_order(session)
        order.steps[0].first_right = True
    night_then_morning(app)
    with writing() as session:
        assert not session.scalars(sa.select(Step)).one().first_right


def test_nothing_of_an_overtaken_order_is_named_twice(app: Flask) -> None:
    _, order = overtaken_by(app, rival)
    with writing() as session:
        named = session.scalars(sa.select(LeftOut.order_id)).all()
    assert named == [order.id]
