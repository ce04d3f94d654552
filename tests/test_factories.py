"""The builders of rows, and that two tests never see each other's rows."""

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings.models import Booking
from platform_booking.db import acting_as, db
from platform_booking.orders.models import Order
from tests.factories import (
    identity_of,
    make_booking,
    make_member,
    make_occurrence,
    make_operator,
    make_order,
    make_park_admin,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)


@pytest.mark.parametrize("run", [1, 2])
def test_each_test_starts_with_an_empty_database(app: Flask, run: int) -> None:
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 0
        make_order(session, resource=make_resource(session))
        assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 1


def test_what_is_built_is_seen_by_whom_it_belongs_to_and_by_nobody_else(app: Flask) -> None:
    with writing() as session:
        platform = make_platform(session)
        etcher = make_resource(session, platform_id=platform.id)
        owner, stranger = make_member(session), make_member(session)
        order = make_order(session, resource=etcher, member=owner)
        operator, park = make_operator(session, platform), make_park_admin(session)
        elsewhere = make_operator(session, make_platform(session))
        sees = {
            identity_of(session, owner): [order.id],
            identity_of(session, stranger): [],
            identity_of(session, operator): [order.id],
            identity_of(session, elsewhere): [],
            identity_of(session, park): [order.id],
        }
    for identity, expected in sees.items():
        with acting_as(identity):
            assert list(db.session.scalars(sa.select(Order.id))) == expected


def test_every_kind_of_resource_can_be_booked(app: Flask) -> None:
    with writing() as session:
        furnace = make_resource(session, kind="batch")
        shuttle = make_resource(session, kind="event")
        run = make_occurrence(session, shuttle)
        make_booking(session, resource=make_resource(session))
        make_booking(session, resource=make_resource(session, kind="pooled"), quantity=4)
        make_booking(session, resource=furnace, recipe_id=make_recipe(session, furnace).id)
        make_booking(session, resource=shuttle, occurrence_id=run.id, minutes=120)
        assert session.scalar(sa.select(sa.func.count()).select_from(Booking)) == 4
