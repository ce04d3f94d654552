"""What a night reads: rows become a problem on the five-minute grid."""

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from platform_booking.accounts.models import Organisation, OrganisationState
from platform_booking.bookings.models import Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import (
    CalendarException,
    CatalogueLoad,
    ChangeoverTime,
    Outage,
    OutageKind,
    ResourceKind,
    StayRule,
    Travel,
)
from platform_booking.db import JOB, acting_as, db
from platform_booking.orders.models import StepLag
from platform_booking.orders.snapshot import FIRST_RIGHT
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.snapshot import MOVE_PENALTY
from solver.faults import faults
from solver.problem import Changeover, Job, Kind, Lag, Occurrence, Problem, Stay, Use
from solver.problem import StayRule as SolverStay
from tests.factories import (
    LONG_AGO,
    MONDAY,
    add_step,
    make_booking,
    make_calendar,
    make_member,
    make_occurrence,
    make_order,
    make_organisation,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.planning.nights import HOUR, MIDNIGHT, NOW, OPENS, book_step, slot, snapshot_of

DAY = 24 * HOUR
MINUTE = timedelta(minutes=1)


def problem_of(now=NOW) -> Problem:
    """Read the night's problem, which must never contradict itself."""
    problem = snapshot_of(now).problem
    assert list(faults(problem)) == []
    return problem


def only_job(problem: Problem) -> Job:
    (job,) = problem.jobs
    return job


def test_the_grid_begins_at_the_parks_midnight_and_nothing_new_starts_in_the_freeze(
    app: Flask,
) -> None:
    with writing() as session:
        make_resource(session, platform_id=make_platform(session, freeze_hours=24).id)
    snapshot = snapshot_of()
    assert snapshot.park.grid.origin_at == MIDNIGHT
    assert snapshot.problem.earliest == slot(OPENS) == 25 * 12
    assert snapshot.problem.horizon == 14 * 24 * 12


def test_the_longest_freeze_and_horizon_of_any_platform_hold_for_the_park(
    app: Flask,
) -> None:
    with writing() as session:
        make_platform(session, freeze_hours=12, horizon_days=21)
        make_platform(session, freeze_hours=48, horizon_days=7)
        make_resource(session)
    problem = problem_of()
    assert problem.earliest == slot(NOW + 48 * HOUR)
    assert problem.horizon == 21 * 24 * 12


def test_a_duration_rounds_up_and_the_orders_times_round_inwards(app: Flask) -> None:
    with writing() as session:
        make_order(
            session,
            resource=make_resource(session),
            duration_min=61,
            earliest_at=MONDAY + 2 * MINUTE,
            deadline_at=MONDAY + DAY + 4 * MINUTE,
        )
    job = only_job(problem_of())
    assert job.steps[0].alternatives[0].duration == 13
    assert job.release == slot(MONDAY) + 1
    assert job.deadline == slot(MONDAY + DAY)
    assert job.steps[0].windows == ((slot(MONDAY) + 1, slot(MONDAY + DAY)),)


def test_lags_round_so_that_a_limit_is_never_broken(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        add_step(session, order, resource=tool)
        session.add(lag_of(order, least_min=11, most_min=29))
    assert only_job(problem_of()).lags == (Lag(0, 1, least=3, most=5),)


def lag_of(order, *, before=0, after=1, **given) -> StepLag:
    return StepLag(
        order_id=order.id,
        before=before,
        after=after,
        organisation_id=order.organisation_id,
        **given,
    )


def test_lags_that_no_whole_slot_can_keep_leave_their_order_out_and_no_other(
    app: Flask,
) -> None:
    """11 to 14 minutes are 3 slots at least and 2 at most."""
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        add_step(session, order, resource=tool)
        session.add(lag_of(order, least_min=11, most_min=14))
        sound = make_order(session, resource=tool)
    jobs = problem_of().job_by_id()
    assert jobs[str(order.id)].steps[1].windows == ()
    assert jobs[str(sound.id)].steps[0].windows


def test_a_steps_windows_round_inwards_and_are_put_in_order(app: Flask) -> None:
    windows = [
        (MONDAY + 6 * HOUR, MONDAY + 8 * HOUR),
        (MONDAY + MINUTE, MONDAY + 2 * HOUR + MINUTE),
        (MONDAY + HOUR, MONDAY + 3 * HOUR),
        (MONDAY + 4 * HOUR + MINUTE, MONDAY + 4 * HOUR + 6 * MINUTE),  # no whole slot
    ]
    with writing() as session:
        order = make_order(session, resource=make_resource(session))
        order.steps[0].windows = [[a.isoformat(), b.isoformat()] for a, b in windows]
    assert only_job(problem_of()).steps[0].windows == (
        (slot(MONDAY) + 1, slot(MONDAY + 3 * HOUR)),
        (slot(MONDAY + 6 * HOUR), slot(MONDAY + 8 * HOUR)),
    )


def test_what_may_not_begin_within_the_horizon_waits_for_a_later_night(app: Flask) -> None:
    far = MONDAY + 100 * DAY
    with writing() as session:
        tool = make_resource(session)
        make_order(session, resource=tool, earliest_at=far, deadline_at=far + DAY)
        windowed = make_order(session, resource=tool, deadline_at=far + DAY)
        windowed.steps[0].windows = [[far.isoformat(), (far + DAY).isoformat()]]
        soon = make_order(session, resource=tool, deadline_at=far)
    job = only_job(problem_of())
    assert job.id == str(soon.id)
    assert job.deadline == problem_of().calendar_end


@pytest.mark.parametrize("state", [OrderState.DRAFT, OrderState.WITHDRAWN])
def test_only_what_is_submitted_is_allocated(app: Flask, state: OrderState) -> None:
    with writing() as session:
        make_order(session, resource=make_resource(session), state=state)
    assert problem_of().jobs == ()


def test_an_order_past_its_deadline_is_not_asked_any_more(app: Flask) -> None:
    with writing() as session:
        make_order(
            session,
            resource=make_resource(session),
            earliest_at=LONG_AGO,
            deadline_at=NOW,
        )
    assert problem_of().jobs == ()


def test_orders_of_a_suspended_organisation_are_not_allocated(app: Flask) -> None:
    with writing() as session:
        order = make_order(session, resource=make_resource(session))
        firm = session.get_one(Organisation, order.organisation_id)
        firm.state = OrganisationState.SUSPENDED
    assert problem_of().jobs == ()


def test_first_come_goes_by_submission(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        later = make_order(session, resource=tool, submitted_at=LONG_AGO + DAY)
        sooner = make_order(session, resource=tool, submitted_at=LONG_AGO)
    ranks = {job.id: job.submitted for job in problem_of().jobs}
    assert ranks[str(sooner.id)] < ranks[str(later.id)]


def test_an_orders_worth_grows_with_its_class_and_less_than_with_its_hours(
    app: Flask,
) -> None:
    """16 h: 2 + 16 ** 0.75 = 10 points; one hour: 3 points; a point counts 100."""
    with writing() as session:
        session.add(
            CatalogueLoad(
                loaded_at=LONG_AGO,
                title="",
                version="1",
                demo=False,
                content_hash="",
                extras={"priority_classes": [{"code": "KEY", "weight": 3}]},
            )
        )
        tool = make_resource(session)
        short = make_order(session, resource=tool)
        key = make_order(session, resource=tool, priority_class="KEY")
        long = make_order(session, resource=tool, duration_min=16 * 60)
        longest = make_order(session, resource=tool, duration_min=1000 * 60)
    jobs = problem_of().job_by_id()
    assert jobs[str(short.id)].value == 300
    assert jobs[str(key.id)].value == 900
    assert jobs[str(long.id)].value == 1000
    assert jobs[str(longest.id)].value == round(100 * (2 + 100**0.75))


def test_half_of_the_worth_is_lost_between_the_wished_date_and_the_deadline(
    app: Flask,
) -> None:
    with writing() as session:
        make_order(
            session,
            resource=make_resource(session),
            due_at=MONDAY + DAY,
            deadline_at=MONDAY + DAY + HOUR,
        )
    job = only_job(problem_of())
    assert job.due == slot(MONDAY + DAY)
    assert job.late_cost == job.value // 2 // 12


def test_a_displaced_order_is_worth_more_and_served_first(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        usual, displaced = (make_order(session, resource=tool) for _ in range(2))
        displaced.steps[0].first_right = True
    jobs = problem_of().job_by_id()
    usual_job, displaced_job = jobs[str(usual.id)], jobs[str(displaced.id)]
    assert displaced_job.value == FIRST_RIGHT * usual_job.value
    assert displaced_job.priority == FIRST_RIGHT * usual_job.priority


def test_a_unary_resource_takes_one_and_a_pool_takes_what_is_asked(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        pool = make_resource(session, kind="pooled", capacity=4)
        one = make_order(session, resource=tool, quantity=25)
        three = make_order(session, resource=pool, quantity=3)
        five = make_order(session, resource=pool, quantity=5)
    jobs = problem_of().job_by_id()
    assert jobs[str(one.id)].steps[0].alternatives[0].quantity == 1
    assert jobs[str(three.id)].steps[0].alternatives[0].quantity == 3
    assert jobs[str(five.id)].steps[0].alternatives == ()  # more than the pool has


def test_a_load_runs_in_the_recipe_that_fits_it(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=25)
        make_recipe(session, oven, duration_min=30)  # too short for the step
        make_recipe(session, oven, duration_min=95, wafer_mm=200)  # another size
        fits = make_recipe(session, oven, duration_min=91, wafer_mm=150)
        make_recipe(session, oven, duration_min=240, wafer_mm=150)  # longer than need be
        make_order(session, resource=oven, quantity=5, wafer_mm=150, duration_min=90)
        order = make_order(session, resource=oven, quantity=5, duration_min=90)
        order.steps[0].wafer_mm = 150
    alternative = problem_of().job_by_id()[str(order.id)].steps[0].alternatives[0]
    assert (alternative.recipe, alternative.duration) == (str(fits.id), 19)
    assert alternative.quantity == 5


def test_a_lot_larger_than_a_run_becomes_runs_that_each_keep_the_lags(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=25)
        make_recipe(session, oven)
        tool = make_resource(session)
        order = make_order(session, resource=oven, quantity=60)
        add_step(session, order, resource=tool)
        session.add(lag_of(order, most_min=60))
    snapshot = snapshot_of()
    job = only_job(snapshot.problem)
    assert [s.alternatives[0].quantity for s in job.steps] == [20, 20, 20, 1]
    assert job.lags == tuple(Lag(run, 3, least=0, most=12) for run in range(3))
    parts = snapshot.asked[job.id].parts
    assert [(p.step_id, p.number, p.quantity) for p in parts] == [
        *((order.steps[0].id, n, 20) for n in range(3)),
        (order.steps[1].id, 0, 1),
    ]


def test_what_is_held_beside_a_resource_goes_with_it(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        seats = make_resource(session, kind="pooled")
        order = make_order(session, resource=tool)
        order.steps[0].co_uses = [[seats.id, 2]]
    (alternative,) = only_job(problem_of()).steps[0].alternatives
    assert alternative.also == (Use(seats.code, 2),)


@pytest.mark.parametrize("kind", ["pooled", "batch"])
def test_a_step_whose_companion_cannot_serve_has_no_alternative(
    app: Flask, kind: str
) -> None:
    with writing() as session:
        seats = make_resource(session, kind=kind, active=kind == "batch")
        order = make_order(session, resource=make_resource(session))
        order.steps[0].co_uses = [[seats.id, 2]]
    assert only_job(problem_of()).steps[0].alternatives == ()


def test_a_resource_out_of_service_serves_nobody(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session, active=False)
        make_order(session, resource=tool)
        make_booking(session, resource=tool)
    problem = problem_of()
    assert problem.resources == ()
    assert problem.stays == ()
    assert only_job(problem).steps[0].alternatives == ()


def test_bookings_in_force_are_stays_on_the_grid(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        make_booking(session, resource=tool, starts_at=MONDAY, family="gold")
        make_booking(
            session, resource=tool, starts_at=MONDAY + 3 * HOUR + MINUTE, minutes=60
        )
        make_booking(session, resource=tool, starts_at=MIDNIGHT - DAY)  # over
        make_booking(session, resource=tool, starts_at=MIDNIGHT - HOUR, minutes=90)
        for n, state in enumerate((BookingState.CANCELLED, BookingState.COMPLETED)):
            make_booking(
                session, resource=tool, starts_at=MONDAY + (9 + n) * HOUR, state=state
            )
    at = slot(MONDAY)
    assert problem_of().stays == (
        Stay(tool.code, at, at + 12, family="gold"),
        Stay(tool.code, at + 36, at + 49),  # a minute of a slot takes the slot
        Stay(tool.code, -12, 6),
    )


def test_a_run_of_a_batch_may_be_joined_when_it_lies_on_the_grid_beyond_the_freeze(
    app: Flask,
) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        recipe = make_recipe(session, oven)
        for starts_at in (OPENS - HOUR, OPENS, OPENS + 3 * HOUR + MINUTE):
            make_booking(
                session,
                resource=oven,
                starts_at=starts_at,
                minutes=60,
                quantity=2,
                recipe_id=recipe.id,
            )
    stays = problem_of().stays
    assert [s.joinable for s in stays] == [False, True, False]
    assert {(s.recipe, s.quantity) for s in stays} == {(str(recipe.id), 2)}


def test_dated_runs_are_offered_while_registration_is_open(app: Flask) -> None:
    with writing() as session:
        shuttle = make_resource(session, kind="event", capacity=30)
        open_run = make_occurrence(session, shuttle)
        closed = make_occurrence(
            session, shuttle, starts_at=MONDAY + DAY, closes_at=NOW - HOUR
        )
        for run in (open_run, closed):
            make_booking(
                session,
                resource=shuttle,
                starts_at=run.starts_at,
                minutes=120,
                quantity=7,
                occurrence_id=run.id,
            )
        make_order(session, resource=shuttle, quantity=5)
    problem = problem_of()
    at = slot(MONDAY)
    assert problem.occurrences == (
        Occurrence(str(open_run.id), shuttle.code, at, at + 24, 30),
    )
    (stay,) = problem.stays
    assert (stay.occurrence, stay.quantity) == (str(open_run.id), 7)
    assert only_job(problem).steps[0].alternatives[0].quantity == 5


def test_bookings_that_a_plan_made_beyond_the_freeze_may_move_at_a_price(
    app: Flask,
) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        booking = book_step(session, order.steps[0], tool, starts_at=MONDAY + HOUR)
    snapshot = snapshot_of()
    job = only_job(snapshot.problem)
    assert job.mandatory
    assert job.move_cost == job.value // MOVE_PENALTY
    (placement,) = job.previous
    at = slot(MONDAY + HOUR)
    assert (placement.step, placement.start, placement.end) == (0, at, at + 12)
    assert snapshot.problem.stays == ()
    (held,) = snapshot.held[order.steps[0].id]
    assert (held.booking_id, held.version) == (booking.id, booking.version)


@pytest.mark.parametrize(
    "changed",
    [
        {"starts_at": OPENS - HOUR},  # within the freeze
        {"source": Source.PERSON},  # somebody picked this slot
        {"state": BookingState.REQUESTED},
        {"state": BookingState.IN_USE},
    ],
)
def test_bookings_that_may_not_move_stand(app: Flask, changed: dict) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        booking = book_step(
            session, order.steps[0], tool, **{"starts_at": MONDAY, **changed}
        )
    problem = problem_of()
    assert problem.jobs == ()
    at = slot(booking.starts_at)
    assert problem.stays == (Stay(tool.code, at, at + 12),)


def test_an_order_moves_with_all_of_its_bookings_or_not_at_all(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        add_step(session, order, resource=tool)
        book_step(session, order.steps[0], tool, starts_at=OPENS - HOUR)
        book_step(session, order.steps[1], tool, starts_at=MONDAY + HOUR)
    problem = problem_of()
    assert problem.jobs == ()
    assert len(problem.stays) == 2


def test_a_step_moves_with_its_companions_or_not_at_all(app: Flask) -> None:
    with writing() as session:
        tool, seats = make_resource(session), make_resource(session, kind="pooled")
        order = make_order(session, resource=tool)
        (step,) = order.steps
        step.co_uses = [[seats.id, 1]]
        book_step(session, step, tool, starts_at=MONDAY)
        book_step(session, step, seats, starts_at=MONDAY, state=BookingState.IN_USE)
    problem = problem_of()
    assert problem.jobs == ()
    assert len(problem.stays) == 2


def test_an_order_that_runs_stands_where_it_is(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        order = make_order(session, resource=tool)
        add_step(session, order, resource=tool)
        for step, starts_at in zip(order.steps, (NOW, MONDAY), strict=True):
            book_step(session, step, tool, starts_at=starts_at)
        order.steps[0].state = StepState.RUNNING
    problem = problem_of()
    assert problem.jobs == ()
    assert [s.start for s in problem.stays] == [slot(NOW), slot(MONDAY)]


def test_every_run_of_a_split_lot_and_every_companion_may_move(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=4)
        recipe = make_recipe(session, oven)
        seats = make_resource(session, kind="pooled")
        order = make_order(session, resource=oven, quantity=8)
        (step,) = order.steps
        step.co_uses = [[seats.id, 1]]
        for part in range(2):
            starts_at = MONDAY + 2 * part * HOUR
            for resource, more in ((oven, {"recipe_id": recipe.id}), (seats, {})):
                book_step(
                    session,
                    step,
                    resource,
                    starts_at=starts_at,
                    part=part,
                    quantity=4 if resource is oven else 1,
                    **more,
                )
    problem = problem_of()
    assert [p.start for p in only_job(problem).previous] == [
        slot(MONDAY),
        slot(MONDAY + 2 * HOUR),
    ]
    assert problem.stays == ()


def test_an_order_on_a_resource_that_could_not_serve_it_any_more_stands(
    app: Flask,
) -> None:
    with writing() as session:
        tool, other = make_resource(session), make_resource(session)
        order = make_order(session, resource=tool)
        book_step(session, order.steps[0], other, starts_at=MONDAY)
    problem = problem_of()
    assert problem.jobs == ()
    assert len(problem.stays) == 1


def test_a_stay_of_a_thousand_hours_is_seen_whole_past_the_horizon(app: Flask) -> None:
    with writing() as session:
        sockets = make_resource(session, kind="pooled", stay_rule=StayRule.ENDS)
        make_booking(
            session, resource=sockets, starts_at=MONDAY + 10 * DAY, minutes=1000 * 60
        )
        make_order(
            session,
            resource=sockets,
            duration_min=1000 * 60,
            deadline_at=MONDAY + 56 * DAY,
        )
    problem = problem_of()
    (stay,) = problem.stays
    assert stay.end - stay.start == 1000 * 12
    assert stay.end > problem.horizon
    alternative = only_job(problem).steps[0].alternatives[0]
    assert (alternative.duration, alternative.stay) == (12_000, SolverStay.ENDS)
    assert problem.calendar_end >= problem.horizon + 1000 * 12


def test_outages_are_cut_out_whole_slots_at_a_time(app: Flask) -> None:
    with writing() as session:
        tool = make_resource(session)
        for start, end in (
            (MONDAY + MINUTE, MONDAY + HOUR + MINUTE),
            (MONDAY + HOUR, MONDAY + 2 * HOUR),
            (MIDNIGHT - DAY, MIDNIGHT + MINUTE),
            (MIDNIGHT - DAY, MIDNIGHT),
        ):
            session.add(
                Outage(
                    resource_id=tool.id,
                    starts_at=start,
                    ends_at=end,
                    kind=OutageKind.SCHEDULED,
                )
            )
    (resource,) = problem_of().resources
    assert resource.outages == ((0, 1), (slot(MONDAY), slot(MONDAY + 2 * HOUR)))


def test_opening_hours_follow_the_week_the_holidays_and_the_exceptions(app: Flask) -> None:
    """3 and 4 May 2027, a Monday and a Tuesday, are holidays."""
    days = ("mon", "tue", "wed", "thu", "fri")
    with writing() as session:
        calendar = make_calendar(
            session,
            weekly={d: [["09:02", "17:28"]] for d in days},
            keeps_holidays=True,
        )
        session.add(
            CalendarException(calendar_id=calendar.id, on_date=date(2027, 3, 8), hours=[])
        )
        make_resource(session, calendar_id=calendar.id)
    (resource,) = problem_of().resources
    tuesday = slot(MONDAY + DAY)  # 08:00
    assert resource.open[0] == (tuesday + 13, tuesday + 9 * 12 + 5)  # 09:05 to 17:25
    holidays = slot(MONDAY + 56 * DAY), slot(MONDAY + 58 * DAY)
    assert resource.open[-1][1] > holidays[1]
    assert not [s for s in resource.open if s[0] < holidays[1] and holidays[0] < s[1]]


def test_who_loads_and_unloads_decides_where_only_the_ends_are_attended(
    app: Flask,
) -> None:
    with writing() as session:
        calendar = make_calendar(session, attended={"tue": [["09:00", "10:00"]]})
        for rule in (StayRule.INSIDE, StayRule.ENDS):
            make_resource(session, calendar_id=calendar.id, stay_rule=rule)
    inside, ends = problem_of().resources
    assert len(inside.open) == 1
    tuesday = slot(MONDAY + DAY)
    assert ends.open[0] == (tuesday + 12, tuesday + 24)


def test_ways_between_sites_and_changeovers_round_up(app: Flask) -> None:
    with writing() as session:
        here = make_resource(session)
        there = make_resource(session)
        here_site, there_site = here.platform.site_id, there.platform.site_id
        session.add(Travel(from_site_id=here_site, to_site_id=there_site, minutes=31))
        session.add(
            ChangeoverTime(resource_id=here.id, before="gold", after="lift", minutes=16)
        )
    problem = problem_of()
    resources = problem.resource_by_id()
    one, two = resources[here.code], resources[there.code]
    assert problem.travel[one.site][two.site] == 7
    assert problem.travel[two.site][one.site] == 0
    assert one.changeovers == (Changeover("gold", "lift", 4),)
    assert two.changeovers == ()


def test_nobody_is_named_in_a_problem(app: Flask) -> None:
    with writing() as session:
        firm = make_organisation(session, name_zh="CANARY", name_en="CANARY")
        member = make_member(session, organisation=firm, name="CANARY")
        order = make_order(
            session,
            resource=make_resource(session),
            member=member,
            title="CANARY",
            note="CANARY",
        )
        order.steps[0].name = "CANARY"
    assert "CANARY" not in repr(problem_of())


def test_a_night_is_read_in_as_many_statements_whatever_it_holds(app: Flask) -> None:
    asked = [statements_of_a_reading(more=n) for n in (2, 20)]
    assert asked[0] == asked[1]
    assert asked[0] < 30


def statements_of_a_reading(*, more: int) -> int:
    with writing() as session:
        for _ in range(more):
            tool, oven = make_resource(session), make_resource(session, kind="batch")
            recipe = make_recipe(session, oven)
            make_booking(session, resource=tool)
            booked = make_order(session, resource=oven)
            book_step(
                session,
                booked.steps[0],
                oven,
                starts_at=MONDAY + DAY,
                recipe_id=recipe.id,
            )
            order = make_order(session, resource=tool)
            add_step(session, order, resource=oven)
            session.add(lag_of(order))
    seen: list[str] = []

    def count(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    with acting_as(JOB):
        engine = db.engines["job"]
        event.listen(engine, "before_cursor_execute", count)
        try:
            snapshot_of()
        finally:
            event.remove(engine, "before_cursor_execute", count)
    return len(seen)


def test_kinds_of_the_catalogue_and_of_the_solver_are_the_same() -> None:
    assert {k.value for k in ResourceKind} == {k.value for k in Kind}
    assert {r.value for r in StayRule} == {r.value for r in SolverStay}


def test_a_booking_whose_recipe_is_gone_blocks_its_time_and_the_night_goes_on(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        recipe = make_recipe(session, oven)
        make_booking(session, resource=oven, starts_at=MONDAY, recipe_id=recipe.id)
        recipe.active = False
        code = oven.code
    (stay,) = problem_of().stays
    assert stay == Stay(code, slot(MONDAY), slot(MONDAY + HOUR))
    assert f"is no recipe of {code}" in caplog.text
