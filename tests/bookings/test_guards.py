"""The guards of the schema, asked in SQL, past every rule and service.

Each breach is tried twice: with the guard in force it is refused, and with the guard taken
away it goes through, so that the refusal is the guard's and nobody else's.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from platform_booking.bookings import services
from platform_booking.bookings.asking import Relocation
from platform_booking.bookings.models import Booking
from platform_booking.embedded import Urls
from tests.bookings import sweep
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
NO_TRIGGER = "DROP TRIGGER booking_guard ON booking"
NO_EXCLUSION = "ALTER TABLE booking DROP CONSTRAINT booking_no_overlap"
REFUSED = (psycopg.errors.ExclusionViolation, psycopg.errors.CheckViolation)

BOOK = """
INSERT INTO booking (public_id, resource_id, platform_id, organisation_id, unary, starts_at,
                     ends_at, quantity, recipe_id, occurrence_id, status, source, version,
                     created_at, updated_at)
VALUES (gen_random_uuid(), %(resource)s, 0, %(firm)s, %(unary)s, %(starts)s, %(ends)s,
        %(quantity)s, %(recipe)s, %(occurrence)s, %(status)s, 'person', 1, now(), now())
RETURNING id
"""


@dataclass
class Park:
    """One resource of each kind, and two firms."""

    unary: int
    pool: int  # of four
    oven: int
    shuttle: int
    recipe: int  # for three
    other_recipe: int
    run: int  # two hours from MONDAY, for ten
    firm: int
    rival: int


@pytest.fixture
def park(app: Flask) -> Park:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        shuttle = make_resource(session, kind="event")
        return Park(
            unary=make_resource(session).id,
            pool=make_resource(session, kind="pooled", capacity=4).id,
            oven=oven.id,
            shuttle=shuttle.id,
            recipe=make_recipe(session, oven, capacity=3).id,
            other_recipe=make_recipe(session, oven, capacity=3).id,
            run=make_occurrence(session, shuttle, capacity=10).id,
            firm=make_organisation(session).id,
            rival=make_organisation(session).id,
        )


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1))


@pytest.fixture
def owner(database: Urls) -> Iterator[psycopg.Connection]:
    with connected(database.owner) as connection:
        yield connection


@pytest.fixture
def job(database: Urls) -> Iterator[psycopg.Connection]:
    """What sees and may write every row: only the guards stand in its way."""
    with connected(database.job) as connection:
        yield connection


def book(
    connection: psycopg.Connection,
    park: Park,
    kind: str = "unary",
    *,
    at: float = 0,
    hours: float = 1,
    **changed: Any,
) -> int:
    row = {
        "resource": getattr(park, kind),
        "firm": park.firm,
        "unary": kind == "unary",
        "starts": MONDAY + at * HOUR,
        "ends": MONDAY + (at + hours) * HOUR,
        "quantity": 1,
        "recipe": park.recipe if kind == "oven" else None,
        "occurrence": park.run if kind == "shuttle" else None,
        "status": "confirmed",
    }
    found = connection.execute(BOOK, row | changed).fetchone()
    assert found is not None
    return found[0]


def refused(
    connection: psycopg.Connection, statement: Any, *args: Any, **more: Any
) -> bool:
    """Tell whether a guard refuses; what was tried is undone either way."""
    try:
        with connection.transaction(force_rollback=True):
            if callable(statement):
                statement(connection, *args, **more)
            else:
                connection.execute(statement, *args)
    except REFUSED:
        return True
    return False


def without(owner: psycopg.Connection, *harms: str) -> None:
    for harm in harms:
        owner.execute(harm)
    owner.commit()


OVERLAPS = {
    "equal": (2, 2),
    "contained": (2.5, 1),
    "containing": (1, 4),
    "over its start": (1, 2),
    "over its end": (3, 2),
    "from its start": (2, 1),
    "to its end": (3, 1),
}


def test_a_unary_resource_serves_one_at_a_time_by_either_guard_alone(
    job: psycopg.Connection, owner: psycopg.Connection, park: Park
) -> None:
    book(job, park, at=2, hours=2)
    job.commit()

    def all_refused() -> dict[str, bool]:
        found = {
            name: refused(job, book, park, at=at, hours=hours)
            for name, (at, hours) in OVERLAPS.items()
        }
        job.commit()
        return found

    everything = dict.fromkeys(OVERLAPS, True)
    assert all_refused() == everything
    without(owner, NO_EXCLUSION)
    assert all_refused() == everything, "the trigger alone"
    without(
        owner,
        "ALTER TABLE booking DISABLE TRIGGER booking_guard",
        "ALTER TABLE booking ADD CONSTRAINT booking_no_overlap EXCLUDE USING gist"
        " (int4range(resource_id, resource_id, '[]') WITH =,"
        " tstzrange(starts_at, ends_at) WITH &&)"
        " WHERE (unary AND status IN ('offered', 'requested', 'confirmed', 'in_use'))"
        " DEFERRABLE INITIALLY IMMEDIATE",
    )
    assert all_refused() == everything, "the constraint alone"
    without(owner, NO_EXCLUSION)
    assert all_refused() == dict.fromkeys(OVERLAPS, False), "neither"


def test_stays_that_touch_do_not_overlap(job: psycopg.Connection, park: Park) -> None:
    for kind in ("unary", "oven"):
        book(job, park, kind, at=2, hours=2)
        book(job, park, kind, at=1, hours=1)
        book(job, park, kind, at=4, hours=1)
    for at in (2, 3, 1):
        book(job, park, "pool", at=at, hours=1, quantity=4)


def test_a_pool_is_full_when_its_peak_is_and_not_before(
    job: psycopg.Connection, owner: psycopg.Connection, park: Park
) -> None:
    book(job, park, "pool", at=0, hours=2, quantity=2)
    book(job, park, "pool", at=1, hours=2, quantity=1)  # three in the second hour
    book(job, park, "pool", at=3, hours=1, quantity=4)  # begins as the others end
    job.commit()
    breaches = [
        {"at": 0, "hours": 4, "quantity": 1},
        {"at": 1, "hours": 1, "quantity": 2},
        {"at": 0.5, "hours": 0.75, "quantity": 2},
        {"at": 3.5, "hours": 5, "quantity": 1},
        {"at": 6, "hours": 1, "quantity": 5},
    ]
    assert [refused(job, book, park, "pool", **b) for b in breaches] == [True] * 5
    assert not refused(job, book, park, "pool", at=0, hours=3, quantity=1)
    assert not refused(job, book, park, "pool", at=0, hours=1, quantity=2)
    job.commit()
    without(owner, NO_TRIGGER)
    assert [refused(job, book, park, "pool", **b) for b in breaches] == [False] * 5


def test_a_batch_runs_one_recipe_from_one_start_to_one_end(
    job: psycopg.Connection, owner: psycopg.Connection, park: Park
) -> None:
    book(job, park, "oven", hours=2, quantity=2)
    job.commit()
    breaches = [
        {"hours": 2, "recipe": park.other_recipe},
        {"hours": 1},
        {"hours": 3},
        {"at": 1, "hours": 2},
        {"hours": 2, "quantity": 2},  # three fit
        {"at": 9, "recipe": None},
        {"at": 9, "kind": "oven", "recipe": 10**6},
    ]
    without_kind = [{k: v for k, v in b.items() if k != "kind"} for b in breaches]
    assert [refused(job, book, park, "oven", **b) for b in without_kind] == [True] * 7
    assert not refused(job, book, park, "oven", hours=2, firm=park.rival)
    job.commit()
    without(
        owner, NO_TRIGGER, "ALTER TABLE booking DROP CONSTRAINT fk_booking_recipe_id_recipe"
    )
    assert [refused(job, book, park, "oven", **b) for b in without_kind] == [False] * 7


def test_an_event_takes_bookings_of_its_dated_run_up_to_its_room(
    job: psycopg.Connection, owner: psycopg.Connection, park: Park
) -> None:
    book(job, park, "shuttle", hours=2, quantity=8)
    job.commit()
    breaches = [
        {"hours": 2, "quantity": 3},
        {"hours": 1},
        {"at": 1, "hours": 2},
        {"hours": 2, "occurrence": None},
    ]
    assert [refused(job, book, park, "shuttle", **b) for b in breaches] == [True] * 4
    assert not refused(job, book, park, "shuttle", hours=2, quantity=2)
    job.commit()
    without(owner, NO_TRIGGER)
    assert [refused(job, book, park, "shuttle", **b) for b in breaches] == [False] * 4


def test_coming_back_into_force_is_guarded_like_coming_anew(
    job: psycopg.Connection, park: Park
) -> None:
    gone = book(job, park, status="cancelled")
    book(job, park)
    job.commit()
    revive = "UPDATE booking SET status = 'confirmed' WHERE id = %s"
    assert refused(job, revive, (gone,))
    for state in ("offered", "requested", "in_use"):
        assert refused(job, f"UPDATE booking SET status = '{state}' WHERE id = %s", (gone,))
    assert not refused(job, "UPDATE booking SET status = 'lapsed' WHERE id = %s", (gone,))


def test_growing_and_moving_are_guarded_like_coming_anew(
    job: psycopg.Connection, park: Park
) -> None:
    book(job, park, at=2)
    mine = book(job, park, at=0)
    book(job, park, "pool", quantity=3)
    units = book(job, park, "pool", quantity=1)
    job.commit()
    longer = "UPDATE booking SET ends_at = %s WHERE id = %s"
    assert refused(job, longer, (MONDAY + 3 * HOUR, mine))
    assert not refused(job, longer, (MONDAY + 2 * HOUR, mine))
    assert refused(job, "UPDATE booking SET quantity = 2 WHERE id = %s", (units,))
    elsewhere = (
        "UPDATE booking SET resource_id = %s, starts_at = %s, ends_at = %s WHERE id = %s"
    )
    taken, free = MONDAY + 2 * HOUR, MONDAY + 5 * HOUR
    assert refused(job, elsewhere, (park.unary, taken, taken + HOUR, units))
    assert not refused(job, elsewhere, (park.unary, free, free + HOUR, units))


def test_a_writer_cannot_talk_the_guards_out_of_it(
    job: psycopg.Connection, park: Park
) -> None:
    """Neither a false `unary` nor a false platform is believed."""
    first = book(job, park)
    row = "SELECT unary, platform_id FROM booking WHERE id = %s"
    platform = "SELECT platform_id FROM resource WHERE id = %s"
    right = (True, job.execute(platform, (park.unary,)).fetchone()[0])
    job.execute("UPDATE booking SET unary = false, platform_id = 7 WHERE id = %s", (first,))
    assert job.execute(row, (first,)).fetchone() == right
    job.commit()
    assert refused(job, book, park, unary=False)


RESOURCE_BREACHES = {
    "a pool is cut below its peak": "UPDATE resource SET capacity = 2 WHERE id = {pool}",
    "a unary resource becomes a pool": (
        "UPDATE resource SET kind = 'pooled' WHERE id = {unary}"
    ),
    "an oven becomes an event": "UPDATE resource SET kind = 'event' WHERE id = {oven}",
}
OCCURRENCE_BREACHES = {
    "it is put off": (
        "UPDATE occurrence SET starts_at = starts_at + '1h', ends_at = ends_at + '1h'"
        " WHERE id = {run}"
    ),
    "its room is cut": "UPDATE occurrence SET capacity = 7 WHERE id = {run}",
    "it goes to another resource": (
        "UPDATE occurrence SET resource_id = {unary} WHERE id = {run}"
    ),
    "it is struck out": "DELETE FROM occurrence WHERE id = {run}",
}
RECIPE_BREACHES = {
    "its room is cut": "UPDATE recipe SET capacity = 1 WHERE id = {recipe}",
    "it goes to another resource": (
        "UPDATE recipe SET resource_id = {unary} WHERE id = {recipe}"
    ),
    "it is struck out": "DELETE FROM recipe WHERE id = {recipe}",
}


@pytest.mark.parametrize(
    ("table", "breaches"),
    [
        ("resource", RESOURCE_BREACHES),
        ("occurrence", OCCURRENCE_BREACHES),
        ("recipe", RECIPE_BREACHES),
    ],
)
def test_what_bookings_stand_on_is_not_pulled_away(
    database: Urls,
    job: psycopg.Connection,
    owner: psycopg.Connection,
    park: Park,
    table: str,
    breaches: dict[str, str],
) -> None:
    book(job, park)
    book(job, park, "pool", quantity=2)
    book(job, park, "pool", at=0.5, quantity=1)
    book(job, park, "oven", quantity=2)
    book(job, park, "shuttle", hours=2, quantity=8)
    job.commit()
    without(  # foreign keys would stop some of it as well: the guard shall do it alone
        owner,
        "ALTER TABLE booking DROP CONSTRAINT fk_booking_recipe_id_recipe",
        "ALTER TABLE booking DROP CONSTRAINT fk_booking_occurrence_id_occurrence",
    )
    asked = {name: sql.format(**vars(park)) for name, sql in breaches.items()}
    assert {n: refused(job, sql) for n, sql in asked.items()} == dict.fromkeys(asked, True)
    job.commit()
    without(owner, f"DROP TRIGGER {table}_guard ON {table}")
    assert {n: refused(job, sql) for n, sql in asked.items()} == dict.fromkeys(asked, False)


def test_what_no_booking_needs_may_be_taken_away(
    job: psycopg.Connection, park: Park
) -> None:
    book(job, park, "pool", quantity=3)
    book(job, park, "pool", at=1, quantity=2)
    book(job, park, "oven", quantity=2)
    gone = book(job, park, "shuttle", hours=2, quantity=8)
    job.execute("UPDATE booking SET status = 'cancelled' WHERE id = %s", (gone,))
    long_ago = datetime(2024, 1, 1, tzinfo=MONDAY.tzinfo)
    book(job, park, starts=long_ago, ends=long_ago + HOUR)
    job.commit()
    for allowed in (
        "UPDATE resource SET capacity = 3 WHERE id = {pool}",
        "UPDATE resource SET kind = 'pooled' WHERE id = {unary}",  # its one stay is over
        "UPDATE recipe SET capacity = 2 WHERE id = {recipe}",
        "UPDATE recipe SET code = 'renamed' WHERE id = {recipe}",
        "DELETE FROM recipe WHERE id = {other_recipe}",
        "UPDATE occurrence SET capacity = 1 WHERE id = {run}",
    ):
        assert not refused(job, allowed.format(**vars(park))), allowed


def test_a_session_that_plays_the_replica_is_guarded_all_the_same(
    database: Urls, owner: psycopg.Connection, park: Park
) -> None:
    """Ordinary triggers sleep then, and so does the check of a deferrable constraint."""
    with connected(database.superuser) as replica:
        replica.execute("SET session_replication_role = replica")
        book(replica, park)
        book(replica, park, "pool", quantity=2)
        replica.commit()
        cut = f"UPDATE resource SET capacity = 1 WHERE id = {park.pool}"
        assert refused(replica, book, park)
        assert refused(replica, book, park, "pool", quantity=3)
        assert refused(replica, cut)
        replica.commit()
        without(
            owner,
            "ALTER TABLE booking ENABLE TRIGGER booking_guard",
            "ALTER TABLE resource ENABLE TRIGGER resource_guard",
        )
        assert not refused(replica, book, park)
        assert not refused(replica, book, park, "pool", quantity=3)
        assert not refused(replica, cut)


def test_no_role_that_serves_can_switch_a_guard_off(database: Urls, park: Park) -> None:
    tried = (
        "ALTER TABLE booking DISABLE TRIGGER booking_guard",
        "ALTER TABLE booking DISABLE TRIGGER ALL",
        "DROP TRIGGER booking_guard ON booking",
        NO_EXCLUSION,
        "DROP FUNCTION booking_guard() CASCADE",
        "ALTER FUNCTION peak_use SECURITY INVOKER",
        "CREATE OR REPLACE FUNCTION peak_use(which int, from_at timestamptz,"
        " to_at timestamptz, except_id bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SET session_replication_role = replica",
        "SET ROLE pb_guard",
        "SET ROLE pb_owner",
        "ALTER TABLE booking DISABLE ROW LEVEL SECURITY",
        "TRUNCATE booking",
    )
    for url in (database.web, database.job):
        with connected(url) as connection:
            for harm in tried:
                with (
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                    connection.transaction(),
                ):
                    connection.execute(harm)


def test_the_guards_see_what_the_writer_may_not(database: Urls, park: Park) -> None:
    """A firm that sees none of its rival's bookings cannot book over them either."""
    with connected(database.web) as web:
        _enter(web, park.firm)
        book(web, park)
        book(web, park, "pool", quantity=3)
        web.commit()
        _enter(web, park.rival)
        assert web.execute("SELECT count(*) FROM booking").fetchone() == (0,)
        assert refused(web, book, park, firm=park.rival)
        assert refused(web, book, park, "pool", quantity=2, firm=park.rival)
        assert not refused(web, book, park, "pool", quantity=1, firm=park.rival)


def test_two_bookings_of_a_full_pool_swap_places_in_one_go(app: Flask, park: Park) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled", capacity=4)
        early = make_booking(session, resource=pool, quantity=4)
        late = make_booking(session, resource=pool, quantity=4, starts_at=MONDAY + HOUR)

    def there(mover: Booking, place: Booking) -> Relocation:
        return Relocation(
            booking_id=mover.id,
            version=mover.version,
            resource_id=pool.id,
            starts_at=place.starts_at,
            ends_at=place.ends_at,
            quantity=4,
        )

    with writing() as session:
        services.relocate_all(
            session, [there(early, late), there(late, early)], now=LONG_AGO
        )
    with writing() as session:
        assert session.get(Booking, early.id).starts_at == MONDAY + HOUR
        assert session.get(Booking, late.id).starts_at == MONDAY


LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
WRITERS, TRIES = 9, 60
RETRY = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
)


def _enter(connection: psycopg.Connection, firm: int) -> None:
    connection.execute(
        "SELECT set_config('app.member', '1', false),"
        " set_config('app.organisation', %s, false)",
        (str(firm),),
    )


def _storm(database: Urls, park: Park, *, tries: int) -> Counter[str]:
    """Let writers of all isolation levels book the same few hours of every kind at once."""
    told: Counter[str] = Counter()
    counting = threading.Lock()
    ready = threading.Barrier(WRITERS)

    def write(n: int) -> None:
        level, firm = LEVELS[n % 3], (park.firm, park.rival)[n % 2]
        with connected(database.web) as connection:
            _enter(connection, firm)
            connection.commit()
            ready.wait()
            for i in range(tries):
                step = n * 31 + i * 7
                kind = ("unary", "pool", "oven", "shuttle")[step % 4]
                # The hours wanted move on with the storm, so that there is always room left.
                more: dict[str, Any] = {"at": i + (step % 5) / 2, "hours": 1 + step % 2}
                if kind == "oven":
                    more = {"at": i + step % 3, "hours": 1}
                    more["recipe"] = (park.recipe, park.other_recipe)[step % 3 == 0]
                if kind == "shuttle":
                    more = {"hours": 2}
                what = "booked"
                try:
                    with connection.transaction():
                        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
                        # The snapshot of the two stronger levels is taken here, before the
                        # guard: what rivals do meanwhile must not be lost on it.
                        connection.execute("SELECT count(*) FROM booking")
                        book(connection, park, kind, firm=firm, **more)
                except REFUSED:
                    what = "refused"
                except RETRY:
                    what = "again"
                with counting:
                    told[f"{level}: {what}"] += 1

    threads = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


@pytest.mark.race
def test_writers_of_every_isolation_level_together_keep_within_capacity(
    database: Urls, park: Park
) -> None:
    told = _storm(database, park, tries=TRIES)
    print(f"\n{sum(told.values())} attempts: {dict(sorted(told.items()))}")
    held = sweep.committed(database.superuser)
    assert list(sweep.faults(held)) == []
    assert sum(told.values()) == WRITERS * TRIES
    assert len(held) == sum(n for what, n in told.items() if what.endswith("booked"))
    assert all(told[f"{level}: booked"] for level in LEVELS)


@pytest.mark.race
def test_without_the_guards_writers_of_every_isolation_level_overbook(
    database: Urls, owner: psycopg.Connection, park: Park
) -> None:
    without(owner, NO_TRIGGER, NO_EXCLUSION)
    _storm(database, park, tries=20)
    found = {
        fault.partition(" at ")[0]
        for fault in sweep.faults(sweep.committed(database.superuser))
    }
    assert len(found) == 4


@pytest.mark.race
def test_a_guard_that_only_locks_would_overbook_at_repeatable_read(
    database: Urls, owner: psycopg.Connection, park: Park
) -> None:
    """Why the trigger raises a counter: see DECISIONS 4. Two writers suffice."""
    definition = owner.execute(
        "SELECT pg_get_functiondef('booking_guard'::regproc)"
    ).fetchone()[0]
    raised = "UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = NEW.resource_id RETURNING * INTO r;"
    assert raised in definition

    def both_book() -> bool:
        with connected(database.job) as first, connected(database.job) as second:
            for one in (first, second):
                one.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            second.execute("SELECT 1 FROM booking")  # its snapshot: nothing is booked
            book(first, park, "pool", quantity=3)
            first.commit()
            try:
                book(second, park, "pool", quantity=3)
                second.commit()
            except (*REFUSED, *RETRY):
                second.rollback()
                return False
            return True

    assert not both_book()
    owner.execute("UPDATE booking SET status = 'cancelled'")
    locks = "SELECT * INTO r FROM resource WHERE id = NEW.resource_id FOR NO KEY UPDATE;"
    owner.execute(definition.replace(raised, locks))
    owner.execute("UPDATE booking SET status = 'cancelled'")
    owner.commit()
    assert both_book()
