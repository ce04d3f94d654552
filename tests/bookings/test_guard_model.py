"""T-CAP-1: the guard of the schema is, step by step, a brute-force model of occupancy.

Hypothesis books, moves, resizes, cancels, revives and exchanges bookings of a unary, a pooled
and a batch resource in SQL. The model knows nothing but a line of half hours and counts
what lies on each of them. At every step the guard and the model must say the same, and the
table must hold what the model holds. Guards that are wrong in one place each show that a
difference would be found.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from platform_booking.bookings.states import ACTIVE, BookingState
from platform_booking.embedded import Urls
from tests.factories import MONDAY, make_organisation, make_recipe, make_resource, writing

HALF = timedelta(minutes=30)
SLOTS = 6  # few, so that bookings meet
REFUSED = (psycopg.errors.ExclusionViolation, psycopg.errors.CheckViolation)
CAREFUL = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
# A wrong guard is only to be found, not to be told in the shortest way.
BRIEF = settings(
    CAREFUL,
    max_examples=400,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    database=None,
)

BOOK = """
INSERT INTO booking (public_id, resource_id, platform_id, organisation_id, unary, starts_at,
                     ends_at, quantity, recipe_id, status, source, version, created_at,
                     updated_at)
VALUES (gen_random_uuid(), %(resource)s, 0, %(firm)s, false, %(starts_at)s, %(ends_at)s,
        %(quantity)s, %(recipe)s, %(status)s, 'person', 1, now(), now())
RETURNING id
"""
CHANGE = """
UPDATE booking SET resource_id = %(resource)s, starts_at = %(starts_at)s,
       ends_at = %(ends_at)s, quantity = %(quantity)s, recipe_id = %(recipe)s,
       status = %(status)s
 WHERE id = %(id)s
"""
HELD = """
SELECT id, resource_id, starts_at, ends_at, quantity, recipe_id, status FROM booking
"""


@dataclass(frozen=True)
class Park:
    """What can be booked: the rooms are of resources, and of recipes for batches."""

    unary: int
    pool: int
    oven: int
    rooms: dict[int, int]
    recipes: dict[int, int]  # of the oven: of another class, and of another wafer size
    foreign: int  # a recipe of another oven
    firm: int

    def resources(self) -> tuple[int, int, int]:
        return self.unary, self.pool, self.oven


@dataclass(frozen=True)
class Row:
    """One booking, on a line of half hours."""

    resource: int
    start: int
    end: int
    quantity: int
    recipe: int | None
    status: str

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    def values(self) -> dict[str, object]:
        return {
            "resource": self.resource,
            "starts_at": MONDAY + self.start * HALF,
            "ends_at": MONDAY + self.end * HALF,
            "quantity": self.quantity,
            "recipe": self.recipe,
            "status": self.status,
        }


def allowed(park: Park, others: list[Row], row: Row) -> bool:
    """Tell by counting, half hour by half hour, whether a booking may be."""
    if row.start >= row.end or row.quantity < 1:
        return False
    if not row.active:
        return True
    room = park.rooms[row.resource]
    if row.resource == park.oven:
        if row.recipe not in park.recipes:
            return False
        room = park.recipes[row.recipe]
    for slot in range(row.start, row.end):
        there = [
            other
            for other in others
            if other.active
            and other.resource == row.resource
            and other.start <= slot < other.end
        ]
        if row.resource == park.oven and any(
            (other.start, other.end, other.recipe) != (row.start, row.end, row.recipe)
            for other in there
        ):
            return False
        if row.quantity + sum(other.quantity for other in there) > room:
            return False
    return True


class Occupancy(RuleBasedStateMachine):
    """Everything that may be done to the table `booking`, done to a model as well."""

    rows = Bundle("rows")

    def __init__(self, connection: psycopg.Connection, park: Park, *resources: int) -> None:
        super().__init__()
        self.drawn = drawn(park, resources or park.resources())
        self.connection, self.park = connection, park
        self.model: dict[int, Row] = {}
        self.taken = self.refused = 0

    @initialize()
    def begin(self) -> None:
        self.connection.execute("SELECT 1")  # opens the transaction that teardown drops

    def teardown(self) -> None:
        self.connection.rollback()
        told["taken"] += self.taken
        told["refused"] += self.refused

    def _tried(self, statement: str, row: Row, key: int | None = None) -> int | None:
        """Write a row; return its id, or None when it is refused. Model and guard agree."""
        others = [other for n, other in self.model.items() if n != key]
        expected = allowed(self.park, others, row)
        values = row.values() | {"firm": self.park.firm, "id": key}
        try:
            with self.connection.transaction():
                cursor = self.connection.execute(statement, values)
                if key is None:
                    key = cursor.fetchone()[0]
        except REFUSED as refusal:
            if expected:
                raise AssertionError(
                    f"the guard refuses {row} beside {others}"
                ) from refusal
            self.refused += 1
            return None
        assert expected, f"the guard lets {row} in beside {others}"
        self.taken += 1
        self.model[key] = row
        return key

    @rule(target=rows, data=st.data())
    def book(self, data: st.DataObject) -> object:
        made = self._tried(BOOK, data.draw(self.drawn))
        return multiple() if made is None else made

    @rule(key=rows, data=st.data())
    def put_elsewhere(self, key: int, data: st.DataObject) -> None:
        """Move to another time, resource and recipe, with another quantity, all at once."""
        other = data.draw(self.drawn)
        self._tried(CHANGE, replace(other, status=self.model[key].status), key)

    @rule(key=rows, start=st.integers(-1, 1), end=st.integers(-1, 1))
    def shift_or_resize(self, key: int, start: int, end: int) -> None:
        row = self.model[key]
        self._tried(CHANGE, replace(row, start=row.start + start, end=row.end + end), key)

    @rule(key=rows, quantity=st.integers(0, 3))
    def take_more_or_less(self, key: int, quantity: int) -> None:
        self._tried(CHANGE, replace(self.model[key], quantity=quantity), key)

    @rule(key=rows, status=st.sampled_from((*sorted(BookingState), *sorted(ACTIVE) * 3)))
    def change_state(self, key: int, status: BookingState) -> None:
        """Whatever the table of states says: the database must be right by itself."""
        self._tried(CHANGE, replace(self.model[key], status=status.value), key)

    @rule(key=consumes(rows))
    def delete(self, key: int) -> None:
        self.connection.execute("DELETE FROM booking WHERE id = %s", (key,))
        del self.model[key]

    @invariant()
    def the_table_holds_what_the_model_holds(self) -> None:
        held = {
            row[0]: (row[1], *row[2:])
            for row in self.connection.execute(HELD)  # of this transaction alone
        }
        assert held == {
            key: tuple(row.values().values()) for key, row in self.model.items()
        }


told = {"taken": 0, "refused": 0}


def drawn(park: Park, resources: tuple[int, ...]) -> st.SearchStrategy[Row]:
    """Draw bookings of which many meet, and some are no bookings at all."""

    recipes = [*park.recipes, *park.recipes, None, park.foreign]
    states = (*sorted(ACTIVE), *sorted(ACTIVE), "cancelled", "no_show")
    anywhere = st.integers(0, SLOTS - 1)

    def of(resource: int) -> st.SearchStrategy[Row]:
        oven = resource == park.oven
        # Loads share a run only where its times are the same: most are of a few.
        start = st.one_of(st.sampled_from((0, 2, 4)), anywhere) if oven else anywhere
        return st.builds(
            lambda begins, lasts, quantity, recipe, state: Row(
                resource, begins, begins + lasts, quantity, recipe, state
            ),
            start,
            st.sampled_from((2, 2, 2, 1, 3, 0) if oven else (1, 2, 3, 4, 1, 2, 0, -1)),
            st.sampled_from((1, 1, 1, 2) if resource == park.unary else (1, 1, 1, 2, 3, 0)),
            st.sampled_from(recipes) if oven else st.none(),
            st.sampled_from(states),
        )

    return st.sampled_from(resources).flatmap(of)


@pytest.fixture
def park(app: Flask) -> Park:
    with writing() as session:
        unary = make_resource(session)
        pool = make_resource(session, kind="pooled", capacity=2)
        oven = make_resource(session, kind="batch", capacity=4)
        foreign = make_resource(session, kind="batch")
        recipes = [
            make_recipe(session, oven, capacity=3),
            make_recipe(session, oven, capacity=2, class_rank=oven.class_rank),
            make_recipe(session, oven, capacity=3, wafer_mm=150),
        ]
        return Park(
            unary=unary.id,
            pool=pool.id,
            oven=oven.id,
            rooms={unary.id: 1, pool.id: 2, oven.id: 4},
            recipes={recipe.id: recipe.capacity for recipe in recipes},
            foreign=make_recipe(session, foreign).id,
            firm=make_organisation(session).id,
        )


@pytest.fixture
def job(database: Urls) -> Iterator[psycopg.Connection]:
    """What sees and may write every row: only the guards stand in its way."""
    with psycopg.connect(database.job.replace("+psycopg", "", 1)) as connection:
        yield connection


def test_the_guard_says_at_every_step_what_the_model_says(
    job: psycopg.Connection, park: Park
) -> None:
    """B5, B6: overlaps count once, touching is no overlap, and no change is overlooked."""
    told.update(taken=0, refused=0)
    run_state_machine_as_test(lambda: Occupancy(job, park), settings=CAREFUL)
    print(f"\n{told['taken']} steps taken and {told['refused']} refused")
    assert told["taken"] > 500
    assert told["refused"] > 500


WRONG = {
    "starts count before ends": (
        "pool",
        "peak_use(int, timestamptz, timestamptz, bigint)",
        "(ORDER BY at, delta)",
        "(ORDER BY at, delta DESC)",
    ),
    "what is counted is how many there are": (
        "pool",
        "peak_use(int, timestamptz, timestamptz, bigint)",
        "SELECT b.starts_at, b.ends_at, b.quantity",
        "SELECT b.starts_at, b.ends_at, 1 AS quantity",
    ),
    "all that overlaps is added up": (
        "pool",
        "peak_use(int, timestamptz, timestamptz, bigint)",
        "greatest(starts_at, from_at) AS at",
        "from_at AS at",
    ),
    "a booking stands in its own way": (
        "pool",
        "peak_use(int, timestamptz, timestamptz, bigint)",
        "AND b.id IS DISTINCT FROM except_id",
        "",
    ),
    "what waits for approval takes no room": (
        "pool",
        "booking_guard()",
        "NOT IN ('offered', 'requested', ",
        "NOT IN (",
    ),
    "runs of one recipe may overlap": (
        "oven",
        "booking_guard()",
        "(b.starts_at, b.ends_at, b.recipe_id) IS DISTINCT FROM"
        " (NEW.starts_at, NEW.ends_at, NEW.recipe_id)",
        "b.recipe_id IS DISTINCT FROM NEW.recipe_id",
    ),
    "runs of any recipe may be shared": (
        "oven",
        "booking_guard()",
        "(b.starts_at, b.ends_at, b.recipe_id) IS DISTINCT FROM"
        " (NEW.starts_at, NEW.ends_at, NEW.recipe_id)",
        "(b.starts_at, b.ends_at) IS DISTINCT FROM (NEW.starts_at, NEW.ends_at)",
    ),
    "a recipe of another oven will do": (
        "oven",
        "booking_guard()",
        "c.id = NEW.recipe_id AND c.resource_id = NEW.resource_id",
        "c.id = NEW.recipe_id",
    ),
    "a run takes what the oven takes": (
        "oven",
        "booking_guard()",
        "IF peak_use(",
        "room := r.capacity; IF peak_use(",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_guard_that_is_wrong_in_one_place_is_told_from_the_model(
    database: Urls, job: psycopg.Connection, park: Park, wrong: str
) -> None:
    kind, function, right, instead = WRONG[wrong]
    with psycopg.connect(database.owner.replace("+psycopg", "", 1)) as owner:
        definition = owner.execute(
            "SELECT pg_get_functiondef(%s::regprocedure)", (function,)
        ).fetchone()[0]
        assert right in definition
        owner.execute(definition.replace(right, instead).encode())
    with pytest.raises(AssertionError, match="the guard"):
        run_state_machine_as_test(
            lambda: Occupancy(job, park, getattr(park, kind)), settings=BRIEF
        )
