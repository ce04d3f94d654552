"""Orders handed in, amended and withdrawn: whole or not at all, never against the night."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.bookings.states import BookingState
from platform_booking.db import db
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NotFound,
    PreconditionFailed,
    RulesBroken,
)
from platform_booking.notices.models import Notice
from platform_booking.orders.models import Order, Step, StepLag
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import publication
from tests.factories import (
    JOB,
    MONDAY,
    acting_as,
    make_member,
    make_organisation,
    make_park_admin,
    make_project,
    make_recipe,
    make_resource,
    writing,
)
from tests.orders.asked import (
    DAY,
    HOUR,
    NOW,
    amend,
    asked,
    broken,
    make_route,
    step,
    submit,
    withdraw,
)
from tests.planning.nights import approve_all, book_step, quick_solve, run_night


@pytest.fixture
def engineer(app: Flask):
    with writing() as session:
        return make_member(session)


def stored(order: Order) -> Order:
    with writing() as session:
        found = session.get_one(Order, order.id)
        _ = found.steps, found.lags
        return found


def told(order: Order) -> list[str]:
    with writing() as session:
        acts = session.scalars(
            sa.select(AuditEntry.act)
            .where(AuditEntry.subject == f"order {order.public_id}")
            .order_by(AuditEntry.id)
        ).all()
        kinds = session.scalars(sa.select(Notice.kind).order_by(Notice.id)).all()
    return [*acts, *kinds]


def test_an_order_is_kept_with_its_steps_its_record_and_its_notice(
    app: Flask, engineer
) -> None:
    with writing() as session:
        etcher = make_resource(session, capabilities=("ETCH",))
        make_resource(session, capabilities=("ANNEAL",))
        project = make_project(session, make_organisation(session))
        project.organisation_id = engineer.organisation_id
    new = asked(
        step("ETCH", quantity=1),
        step("ANNEAL", lag_min_min=5, lag_max_min=240),
        project_id=project.public_id,
        note="小心",
    )
    handed = submit(app, engineer, new)
    order = stored(handed.order)
    assert order.state is OrderState.SUBMITTED
    assert order.organisation_id == engineer.organisation_id
    assert order.project_id == project.id
    assert [s.name for s in order.steps] == ["ETCH", "ANNEAL"]
    assert order.steps[0].resource_ids == [etcher.id]
    assert [(lag.before, lag.after, lag.least_min, lag.most_min) for lag in order.lags] == [
        (0, 1, 5, 240)
    ]
    assert told(order) == ["order.submit", "order.submitted"]
    assert handed.earliest is not None
    assert handed.earliest.starts_at == MONDAY


def test_an_order_that_breaks_rules_leaves_nothing_behind(app: Flask, engineer) -> None:
    with pytest.raises(RulesBroken):
        submit(app, engineer, asked(step("NO.SUCH")))
    with writing() as session:
        for table in (Order, Step, StepLag, AuditEntry, Notice):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_who_belongs_to_no_organisation_hands_in_nothing(app: Flask) -> None:
    with writing() as session:
        park = make_park_admin(session)
    with pytest.raises(Forbidden):
        submit(app, park)


def test_a_foreign_project_is_as_unknown_as_none(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
        foreign = make_project(session, make_organisation(session))
    with pytest.raises(RulesBroken) as refused:
        submit(app, engineer, asked(project_id=foreign.public_id))
    assert [(v.rule, v.where) for v in refused.value.violations] == [
        ("unknown_project", "project_id")
    ]


def test_an_amended_order_asks_for_the_new_and_waits_again(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer, asked(step(), step(), step())).order
    with writing() as session:
        session.execute(sa.update(Step).values(state=StepState.PLACED))
    new = asked(step(duration_min=90), title="另一个", deadline_at=MONDAY + 6 * DAY)
    amended = amend(app, engineer, order, new)
    now_kept = stored(order)
    assert (now_kept.title, now_kept.version) == ("另一个", 2)
    assert amended.order.version == 2
    assert [(s.position, s.duration_min, s.state) for s in now_kept.steps] == [
        (0, 90, StepState.WAITING)
    ]
    assert now_kept.lags == []
    assert told(order) == [
        "order.submit", "order.amend", "order.submitted", "order.amended",
    ]  # fmt: skip
    with writing() as session:
        entry = session.scalars(sa.select(AuditEntry).filter_by(act="order.amend")).one()
    assert entry.detail == {"fields": ["deadline_at", "steps", "title"]}


def test_an_amendment_of_an_older_version_is_refused(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer).order
    amend(app, engineer, order, asked(title="first"))
    with pytest.raises(PreconditionFailed):
        amend(app, engineer, order, asked(title="second"), version=1)
    assert stored(order).title == "first"


def test_of_two_amendments_at_once_one_is_refused(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer).order
    outcomes: list[str] = []

    def one(title: str) -> None:
        with app.app_context():
            try:
                amend(app, engineer, order, asked(title=title))
                outcomes.append("kept")
            except PreconditionFailed:
                outcomes.append("stale")
            finally:
                db.session.remove()

    rivals = [threading.Thread(target=one, args=(f"title {n}",)) for n in range(4)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert sorted(outcomes) == ["kept", "stale", "stale", "stale"]
    assert stored(order).version == 2


def test_a_broken_amendment_leaves_the_order_as_it_was(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer).order
    with pytest.raises(RulesBroken):
        amend(app, engineer, order, asked(step("NO.SUCH")))
    kept = stored(order)
    assert (kept.version, [s.name for s in kept.steps]) == (1, ["TEST.ANY"])


@pytest.mark.parametrize("state", [StepState.BOOKED, StepState.RUNNING, StepState.DONE])
def test_an_order_of_which_something_is_booked_is_not_amended(
    app: Flask, engineer, state: StepState
) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer, asked(step(), step())).order
    with writing() as session:
        session.get_one(Step, order.steps[1].id).state = state
    with pytest.raises(IllegalMove):
        amend(app, engineer, order, asked())


def test_a_withdrawn_order_is_not_amended(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer).order
    withdraw(app, engineer, order)
    with pytest.raises(IllegalMove):
        amend(app, engineer, order, asked(), version=2)


def test_the_order_of_another_firm_is_not_there(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
        stranger = make_member(session)
        # Even one whom row-level security would let through: a park administrator.
        both = make_member(session, roles=("engineer", "park_admin"))
    order = submit(app, engineer).order
    for other in (stranger, both):
        with pytest.raises(NotFound):
            amend(app, other, order, asked())
        with pytest.raises(NotFound):
            withdraw(app, other, order)
    assert stored(order).state is OrderState.SUBMITTED


def test_withdrawing_cancels_every_booking_to_come(app: Flask, engineer) -> None:
    with writing() as session:
        tool = make_resource(session)
    order = submit(app, engineer, asked(step(), step())).order
    with writing() as session:
        kept = session.get_one(Order, order.id)
        bookings = [
            book_step(session, s, tool, starts_at=MONDAY + n * HOUR)
            for n, s in enumerate(kept.steps)
        ]
    withdraw(app, engineer, order)
    kept = stored(order)
    assert kept.state is OrderState.WITHDRAWN
    assert {s.state for s in kept.steps} == {StepState.WAITING}
    with writing() as session:
        for booking in bookings:
            found = session.get_one(type(booking), booking.id)
            assert found.state is BookingState.CANCELLED
    assert told(order)[-1] == "order.withdrawn"


def test_withdrawing_late_is_marked_as_late(app: Flask, engineer) -> None:
    with writing() as session:
        tool = make_resource(session, policy={"late_cancel_hours": 24})
    order = submit(app, engineer, asked(step(), step())).order
    with writing() as session:
        kept = session.get_one(Order, order.id)
        soon = book_step(session, kept.steps[0], tool, starts_at=MONDAY)
        later = book_step(session, kept.steps[1], tool, starts_at=MONDAY + 2 * DAY)
    withdraw(app, engineer, order, now=MONDAY - HOUR)
    with writing() as session:
        states = [session.get_one(type(b), b.id).state for b in (soon, later)]
    assert states == [BookingState.LATE_CANCELLED, BookingState.CANCELLED]


@pytest.mark.parametrize("begun", ["step", "booking", "clock"])
def test_what_has_begun_is_not_withdrawn(app: Flask, engineer, begun: str) -> None:
    with writing() as session:
        tool = make_resource(session)
    order = submit(app, engineer, asked(step(), step())).order
    with writing() as session:
        kept = session.get_one(Order, order.id)
        first = book_step(session, kept.steps[0], tool, starts_at=MONDAY)
        second = book_step(session, kept.steps[1], tool, starts_at=MONDAY + HOUR)
        if begun == "step":
            kept.steps[0].state = StepState.RUNNING
        if begun == "booking":
            first.state = BookingState.IN_USE
    now = MONDAY + timedelta(minutes=5) if begun == "clock" else NOW
    with pytest.raises(IllegalMove):
        withdraw(app, engineer, order, now=now)
    with writing() as session:
        assert session.get_one(type(second), second.id).state is BookingState.CONFIRMED
    assert stored(order).state is OrderState.SUBMITTED


def test_an_order_is_withdrawn_once(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer).order
    with pytest.raises(PreconditionFailed):
        withdraw(app, engineer, order, version=7)
    withdraw(app, engineer, order, version=1)
    with pytest.raises(IllegalMove):
        withdraw(app, engineer, order)


@pytest.mark.parametrize("deed", ["amend", "withdraw"])
def test_who_changes_an_order_while_the_night_searches_wins(
    app: Flask, engineer, deed: str
) -> None:
    """The draft must not place what is not asked for any more."""
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer, asked(step(), step())).order
    other = submit(app, engineer).order

    def meanwhile(problem, options):
        if deed == "amend":
            amend(app, engineer, order, asked(step(duration_min=30)))
        else:
            withdraw(app, engineer, order)
        return quick_solve(problem, options)

    outcome = run_night(app, solve=meanwhile)
    assert (outcome.asked, outcome.placed) == (2, 1)
    assert {s.state for s in stored(order).steps} == {StepState.WAITING}
    assert {s.state for s in stored(other).steps} == {StepState.PLACED}


def test_a_placed_order_that_is_amended_is_not_published(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    order = submit(app, engineer, asked(step(), step())).order
    outcome = run_night(app)
    assert outcome.placed == 1
    amend(app, engineer, order, asked(step(duration_min=30)))
    approve_all(outcome.plan_id)
    with acting_as(JOB):
        published = publication.publish(outcome.plan_id, now=NOW)
    assert (published.booked, published.overtaken) == ((), (order.id,))
    assert [s.state for s in stored(order).steps] == [StepState.WAITING]
    again = run_night(app, night=MONDAY.date())
    assert again.placed == 1
    assert [s.state for s in stored(order).steps] == [StepState.PLACED]


def test_submission_takes_a_bounded_number_of_statements(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session, capabilities=("ETCH",))
        furnace = make_resource(session, kind="batch", capabilities=("ANNEAL",))
        make_recipe(session, furnace)
        make_route(
            session,
            *({"capability": c} for c in ("ETCH", "ANNEAL") * 10),
            code="LONG",
            class_rank=3,
        )
    counted: dict[str, int] = {}
    for name, new in {
        "one": asked(step("ETCH")),
        "many": asked(route="LONG", deadline_at=MONDAY + 20 * DAY),
    }.items():
        statements: list[str] = []

        def seen(_c, _cursor, statement, *_more, into=statements) -> None:
            into.append(statement)

        sa.event.listen(db.engines[None], "before_cursor_execute", seen)
        submit(app, engineer, new)
        sa.event.remove(db.engines[None], "before_cursor_execute", seen)
        counted[name] = len(statements)
    # identity 1, firm 1, offer 9, estimate 13, rows 3, lags 1, record and notice 2
    assert counted["many"] <= counted["one"] + 2
    assert counted["many"] <= 36


def test_an_order_may_use_only_what_its_firm_and_project_are_entitled_to(app) -> None:
    with writing() as session:
        firm = make_organisation(session, nda_ref="")
        member = make_member(session, organisation=firm)
        taught = make_project(session, firm, purpose="teaching")
        secret = make_resource(session, policy={"nda_needed": True})
        school = make_resource(session, policy={"licence_use": ["teaching"]})
        open_to_all = make_resource(session)

    def asked_of(*tools, **given):
        return asked(step(resources=tuple(t.code for t in tools)), **given)

    where = {
        (v.rule, v.where)
        for tools in ((secret,), (school,), (secret, school))
        for v in broken(app, member, asked_of(*tools))
    }
    told = "no_resource_entitled"
    assert where == {(told, "steps[0].capability"), (told, "project_id")}

    handed = submit(app, member, asked_of(secret, school, open_to_all))
    assert stored(handed.order).steps[0].resource_ids == [open_to_all.id]
    handed = submit(app, member, asked_of(secret, school, project_id=taught.public_id))
    assert stored(handed.order).steps[0].resource_ids == [school.id]
