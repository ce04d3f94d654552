"""Bookings within a caller's transaction: made, moved and released, all or none."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings import services
from platform_booking.bookings.asking import NewBooking, Relocation
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.errors import (
    CapacityTaken,
    IllegalMove,
    NotFound,
    RulesBroken,
    StaleVersion,
)
from tests.factories import (
    LONG_AGO,
    MONDAY,
    make_booking,
    make_occurrence,
    make_organisation,
    make_recipe,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)


def stay(resource, organisation, *, at=MONDAY, hours=1, **more) -> NewBooking:
    return NewBooking(
        resource_id=resource.id,
        organisation_id=organisation.id,
        starts_at=at,
        ends_at=at + hours * HOUR,
        **more,
    )


def active_bookings(resource) -> int:
    with writing() as session:
        return session.scalar(
            sa.select(sa.func.count()).where(
                Booking.resource_id == resource.id, Booking.active
            )
        )


def test_a_free_slot_becomes_a_booking(app: Flask) -> None:
    with writing() as session:
        etcher, firm = make_resource(session), make_organisation(session)
        booking = services.confirm(session, stay(etcher, firm), now=LONG_AGO)
        assert booking.id
        assert booking.state is BookingState.CONFIRMED
    assert active_bookings(etcher) == 1


def test_a_taken_slot_is_refused_without_the_database_words(app: Flask) -> None:
    with writing() as session:
        etcher, firm = make_resource(session), make_organisation(session)
        services.confirm(session, stay(etcher, firm), now=LONG_AGO)
    with pytest.raises(CapacityTaken) as refusal, writing() as session:
        services.confirm(session, stay(etcher, firm, at=MONDAY + HOUR / 2), now=LONG_AGO)
    assert str(refusal.value) == ""
    assert refusal.value.__cause__ is None
    assert active_bookings(etcher) == 1


def test_bookings_made_together_are_made_all_or_none(app: Flask) -> None:
    with writing() as session:
        first, second = make_resource(session), make_resource(session)
        firm = make_organisation(session)
        services.confirm(session, stay(second, firm), now=LONG_AGO)
    with pytest.raises(CapacityTaken), writing() as session:
        services.confirm_all(session, [stay(first, firm), stay(second, firm)], now=LONG_AGO)
    assert active_bookings(first) == 0


def test_bookings_made_together_come_back_in_the_order_they_were_given(app: Flask) -> None:
    with writing() as session:
        first, second = make_resource(session), make_resource(session)
        firm = make_organisation(session)
        made = services.confirm_all(
            session, [stay(second, firm), stay(first, firm)], now=LONG_AGO
        )
    assert [b.resource_id for b in made] == [second.id, first.id]


def test_an_order_overtaken_can_be_left_out_within_a_savepoint(app: Flask) -> None:
    with writing() as session:
        etcher, firm = make_resource(session), make_organisation(session)
        services.confirm(session, stay(etcher, firm), now=LONG_AGO)
        with pytest.raises(CapacityTaken), session.begin_nested():
            services.confirm(session, stay(etcher, firm), now=LONG_AGO)
        services.confirm(session, stay(etcher, firm, at=MONDAY + HOUR), now=LONG_AGO)
    assert active_bookings(etcher) == 2


def test_a_batch_without_its_recipe_is_refused(app: Flask) -> None:
    with writing() as session:
        oven, firm = make_resource(session, kind="batch"), make_organisation(session)
    with pytest.raises(RulesBroken) as refusal, writing() as session:
        services.confirm(session, stay(oven, firm), now=LONG_AGO)
    assert [v.rule for v in refusal.value.violations] == ["recipe_required"]


def test_loads_of_two_firms_share_a_run_up_to_its_capacity(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        recipe = make_recipe(session, oven, capacity=5)
        for _ in range(2):
            firm = make_organisation(session)
            services.confirm(
                session, stay(oven, firm, quantity=2, recipe_id=recipe.id), now=LONG_AGO
            )
    with pytest.raises(CapacityTaken), writing() as session:
        services.confirm(
            session, stay(oven, firm, quantity=2, recipe_id=recipe.id), now=LONG_AGO
        )


def test_a_resource_that_is_gone_is_not_found(app: Flask) -> None:
    with writing() as session:
        etcher, firm = make_resource(session), make_organisation(session)
    etcher.id += 1_000
    with pytest.raises(NotFound), writing() as session:
        services.confirm(session, stay(etcher, firm), now=LONG_AGO)


def relocation(booking: Booking, **changed) -> Relocation:
    return Relocation(
        **{
            "booking_id": booking.id,
            "version": booking.version,
            "resource_id": booking.resource_id,
            "starts_at": booking.starts_at,
            "ends_at": booking.ends_at,
            "quantity": booking.quantity,
            "recipe_id": booking.recipe_id,
            **changed,
        }
    )


def test_two_bookings_swap_places_in_one_go(app: Flask) -> None:
    with writing() as session:
        etcher = make_resource(session)
        early = make_booking(session, resource=etcher, starts_at=MONDAY)
        late = make_booking(session, resource=etcher, starts_at=MONDAY + HOUR)
    swap = [
        relocation(early, starts_at=late.starts_at, ends_at=late.ends_at),
        relocation(late, starts_at=early.starts_at, ends_at=early.ends_at),
    ]
    with writing() as session:
        services.relocate_all(session, swap, now=LONG_AGO)
    with writing() as session:
        moved = session.get(Booking, early.id)
        assert (moved.starts_at, moved.version) == (MONDAY + HOUR, early.version + 1)
        assert moved.state is early.state
        assert session.get(Booking, late.id).starts_at == MONDAY


def test_the_loads_of_a_run_move_together(app: Flask) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        recipe = make_recipe(session, oven)
        loads = [
            make_booking(session, resource=oven, starts_at=MONDAY, recipe_id=recipe.id)
            for _ in range(2)
        ]
    half = HOUR / 2
    with writing() as session:
        services.relocate_all(
            session,
            [
                relocation(b, starts_at=b.starts_at + half, ends_at=b.ends_at + half)
                for b in loads
            ],
            now=LONG_AGO,
        )
    with writing() as session:
        assert {session.get(Booking, b.id).starts_at for b in loads} == {MONDAY + half}


def test_a_booking_that_has_changed_since_it_was_read_does_not_move(app: Flask) -> None:
    with writing() as session:
        etcher = make_resource(session)
        booking = make_booking(session, resource=etcher, starts_at=MONDAY)
    stale = relocation(booking, version=booking.version - 1)
    with pytest.raises(StaleVersion), writing() as session:
        services.relocate_all(session, [stale], now=LONG_AGO)


def test_a_move_that_finds_no_room_leaves_everything_where_it_was(app: Flask) -> None:
    with writing() as session:
        etcher = make_resource(session)
        staying = make_booking(session, resource=etcher, starts_at=MONDAY)
        moving = make_booking(session, resource=etcher, starts_at=MONDAY + 2 * HOUR)
    with pytest.raises(CapacityTaken), writing() as session:
        services.relocate_all(
            session,
            [relocation(moving, starts_at=staying.starts_at, ends_at=staying.ends_at)],
            now=LONG_AGO,
        )
    with writing() as session:
        unmoved = session.get(Booking, moving.id)
        assert (unmoved.starts_at, unmoved.state) == (moving.starts_at, moving.state)


def test_a_released_booking_frees_its_place(app: Flask) -> None:
    with writing() as session:
        etcher, firm = make_resource(session), make_organisation(session)
        booking = services.confirm(session, stay(etcher, firm), now=LONG_AGO)
        services.release_all(session, [booking.id], to=BookingState.CANCELLED, now=LONG_AGO)
        services.confirm(session, stay(etcher, firm), now=LONG_AGO)
    assert active_bookings(etcher) == 1


def test_a_booking_that_is_over_cannot_be_released(app: Flask) -> None:
    with writing() as session:
        etcher, firm = make_resource(session), make_organisation(session)
        booking = services.confirm(
            session, stay(etcher, firm, state=BookingState.COMPLETED), now=LONG_AGO
        )
    with pytest.raises(IllegalMove), writing() as session:
        services.release_all(session, [booking.id], to=BookingState.CANCELLED, now=LONG_AGO)


def test_an_event_takes_bookings_of_its_occurrence_only(app: Flask) -> None:
    with writing() as session:
        shuttle, firm = make_resource(session, kind="event"), make_organisation(session)
        run = make_occurrence(session, shuttle, capacity=10)
    with acting_as(JOB), transaction() as session:
        services.confirm(
            session,
            stay(shuttle, firm, hours=2, quantity=10, occurrence_id=run.id),
            now=LONG_AGO,
        )
    with pytest.raises(CapacityTaken), writing() as session:
        services.confirm(
            session, stay(shuttle, firm, hours=2, occurrence_id=run.id), now=LONG_AGO
        )
