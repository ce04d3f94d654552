"""Offers under rivals: nothing is offered twice, nobody holds two places by one entry."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings import services as bookings
from platform_booking.bookings.models import Booking, Source, Waiting
from platform_booking.bookings.states import ACTIVE, BookingState, WaitingState
from platform_booking.catalog import services as catalog
from platform_booking.catalog.models import OutageKind
from platform_booking.catalog.rules import NewOutage
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.errors import BookingError
from platform_booking.waitlist import offering, services
from platform_booking.waitlist.offering import Watch
from platform_booking.web.actor import Actor
from tests.attendance.place import Place, made
from tests.factories import make_member, make_resource, writing
from tests.waitlist.queue import HOUR, ZONE, entry_row, offers, run, tomorrow, wait

CLIENTS = 16
LEAST_TURNS, MOST_TURNS = 3, 30  # of a client; it goes on until some offer was taken


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def actor(member) -> Actor:
    return Actor(
        member_id=member.id,
        public_id=member.public_id,
        name=member.name,
        locale="en",
        organisation_id=member.organisation_id,
        organisation_name=None,
        roles=frozenset({"engineer"}),
    )


def at_once(app: Flask, *deeds: Callable[[], object]) -> list[str]:
    """Do everything at the same moment; return what came of each."""
    ready = threading.Barrier(len(deeds))
    told: list[str] = [""] * len(deeds)

    def go(n: int, deed: Callable[[], object]) -> None:
        with app.app_context():
            ready.wait()
            try:
                deed()
                told[n] = "done"
            except BookingError as fault:
                told[n] = fault.code

    threads = [threading.Thread(target=go, args=(n, deed)) for n, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(told), told
    return told


def accepting(member, entry: dict) -> Callable[[], object]:
    row = entry_row(entry)

    def deed() -> None:
        who = actor(member)
        with acting_as(who.identity):
            services.accept(row.public_id, actor=who, now=utcnow(), zone=ZONE)

    return deed


def tending(now=None) -> Callable[[], object]:
    def deed() -> None:
        with acting_as(JOB):
            offering.tend(Watch(), zone=ZONE, now=now)

    return deed


def cancelling(member, booking: Booking) -> Callable[[], object]:
    def deed() -> None:
        who = actor(member)
        with acting_as(who.identity):
            bookings.cancel(booking.public_id, actor=who, now=utcnow())

    return deed


def the_books_are_right() -> None:
    """No entry has two active bookings, and what an entry says its booking says, too."""
    with writing() as session:
        rows = session.execute(
            sa.select(Waiting.id, Waiting.state, Booking.state).outerjoin(
                Booking, Booking.id == Waiting.booking_id
            )
        ).all()
        made_by_offer = session.scalars(
            sa.select(Booking.id).where(
                Booking.source == Source.WAITLIST, Booking.state.in_(ACTIVE)
            )
        ).all()
        named = session.scalars(
            sa.select(Waiting.booking_id).where(Waiting.booking_id.is_not(None))
        ).all()
    for _id, state, booked in rows:
        if state is WaitingState.OFFERED:
            assert booked is BookingState.OFFERED
    assert max(Counter(named).values(), default=0) <= 1
    assert set(made_by_offer) <= set(named)  # else an entry has lost one that it holds


def test_of_two_who_accept_one_offer_one_does(place: Place) -> None:
    for _round in range(5):
        entry = wait(place, place.rival).json
        run()
        told = at_once(place.app, *[accepting(place.rival, entry)] * 2)
        assert sorted(told) == ["done", "illegal_move"]
        the_books_are_right()
        accepted = entry_row(entry)
        with writing() as session:  # make room for the next round
            session.get_one(Booking, accepted.booking_id).state = BookingState.CANCELLED


def test_an_accept_against_the_lapse_ends_in_one_of_both(place: Place) -> None:
    for _round in range(6):
        entry = wait(place, place.rival).json
        run()
        later = utcnow() + timedelta(hours=2)
        told, _swept = at_once(place.app, accepting(place.rival, entry), tending(later))
        row = entry_row(entry)
        the_books_are_right()
        if told == "done":
            assert row.state is WaitingState.ACCEPTED
            with writing() as session:
                session.get_one(Booking, row.booking_id).state = BookingState.CANCELLED
        else:
            assert (row.state, row.passed) == (WaitingState.WAITING, 1)
            with writing() as session:
                session.get_one(Waiting, row.id).state = WaitingState.WITHDRAWN


def test_a_cancelled_place_is_offered_once_by_several_schedulers(place: Place) -> None:
    for _round in range(5):
        held = place.booking(at=tomorrow())
        for member in (place.rival, place.colleague):
            assert wait(place, member).status_code == 201
        told = at_once(
            place.app, cancelling(place.engineer, held), *[tending() for _n in range(3)]
        )
        assert told == ["done"] * 4
        run()
        assert len(offers()) == 1
        the_books_are_right()
        with writing() as session:
            session.execute(sa.update(Waiting).values(state="withdrawn", booking_id=None))
            session.execute(
                sa.update(Booking)
                .where(Booking.state == BookingState.OFFERED)
                .values(state=BookingState.LAPSED)
            )


def declaring(operator, tool, at) -> Callable[[], object]:
    who = replace(actor(operator), platform_ids=(tool.platform_id,))
    new = NewOutage(
        starts_at=at, ends_at=at + HOUR, kind=OutageKind.UNSCHEDULED, reason="pump"
    )

    def deed() -> None:
        with acting_as(who.identity):
            catalog.declare_outage(tool.public_id, new, actor=who, now=utcnow())

    return deed


def test_an_outage_against_accept_and_cancel_drops_nobody(place: Place) -> None:
    with writing() as session:
        pool = make_resource(
            session, kind="pooled", platform_id=place.platform.id, capacity=3
        )
    place.tool = pool
    for n in range(6):
        at = tomorrow() + 24 * n * HOUR  # beside what the displaced are offered
        kept = place.booking(at=at, member_id=place.colleague.id)
        held = place.booking(at=at)
        entry = wait(place, place.rival, at=at).json
        run()
        told = at_once(
            place.app,
            accepting(place.rival, entry),
            cancelling(place.engineer, held),
            declaring(place.operator, pool, at),
            tending(),
        )
        assert told[2:] == ["done", "done"]
        run()
        the_books_are_right()
        with writing() as session:
            states = dict(
                session.execute(
                    sa.select(Booking.id, Booking.state).where(Booking.starts_at == at)
                ).all()
            )
            first_right = set(
                session.scalars(
                    sa.select(Waiting.displaced_id).where(Waiting.displaced_id.in_(states))
                )
            )
        assert not ACTIVE & set(states.values())
        lost = {i for i, state in states.items() if state is BookingState.DISPLACED}
        assert kept.id in lost
        assert first_right == lost
        if told[0] == "done":  # accepted, and displaced then
            assert entry_row(entry).booking_id in lost
        else:
            assert entry_row(entry).state is WaitingState.WAITING


@pytest.mark.race
def test_sixteen_clients_mixed_never_go_beyond_the_capacity(place: Place) -> None:
    with writing() as session:
        pool = make_resource(
            session, kind="pooled", platform_id=place.platform.id, capacity=3
        )
        members = [make_member(session) for _n in range(CLIENTS)]
    place.tool = pool
    at = tomorrow()
    stop, taken = threading.Event(), threading.Event()

    def client(n: int) -> Callable[[], object]:
        member, who, luck = members[n], actor(members[n]), random.Random(n)
        call = place.program(member)

        def deed() -> None:
            for turn in range(MOST_TURNS):
                if turn >= LEAST_TURNS and taken.is_set():
                    break
                start = at + luck.randrange(3) * HOUR
                body = {"resource_id": str(pool.public_id), "quantity": luck.randint(1, 2)}
                end = start + HOUR
                times = {"starts_at": start.isoformat(), "ends_at": end.isoformat()}
                booked = call("POST", "/bookings", json=body | times)
                assert booked.status_code in {201, 409, 422}, booked.text
                if booked.status_code != 201:
                    span = {"from": start.isoformat(), "to": end.isoformat()}
                    call("POST", "/waiting", json=body | span)
                mine = call("GET", "/waiting").json["items"]
                for entry in mine:
                    if entry["state"] == "offered":
                        act = luck.choice(["accept", "accept", "pass", "withdraw"])
                        answer = call("POST", f"/waiting/{entry['id']}/{act}")
                        if act == "accept" and answer.status_code == 200:
                            taken.set()
                held = call("GET", "/bookings?state=confirmed").json["items"]
                if held and luck.random() < 0.8:
                    call("POST", f"/bookings/{luck.choice(held)['id']}/cancel")

        assert who.organisation_id is not None
        return deed

    def scheduler() -> None:
        watch = Watch()
        with acting_as(JOB):
            while not stop.wait(0.05):
                offering.tend(watch, zone=ZONE)

    def last(deed: Callable[[], object]) -> Callable[[], object]:
        def then_stop() -> None:
            try:
                deed()
            finally:
                running.release()

        return then_stop

    running = threading.Semaphore(0)

    def watcher() -> None:
        for _n in range(CLIENTS):
            running.acquire(timeout=100)
        stop.set()

    told = at_once(
        place.app,
        *[last(client(n)) for n in range(CLIENTS)],
        scheduler,
        scheduler,
        watcher,
    )
    assert told == ["done"] * (CLIENTS + 3)
    the_books_are_right()
    with writing() as session:
        rows = session.execute(
            sa.select(Booking.starts_at, Booking.quantity).where(
                Booking.resource_id == pool.id, Booking.active
            )
        ).all()
        accepted = session.scalar(
            sa.select(sa.func.count(Waiting.id)).where(
                Waiting.state == WaitingState.ACCEPTED
            )
        )
    level: Counter = Counter()
    for start, quantity in rows:
        level[start] += quantity
    assert max(level.values()) <= 3
    assert accepted  # the race was one
