"""A catalogue is written whole or not at all, again and again."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import selectinload

from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog import loader
from platform_booking.catalog.models import (
    Calendar,
    CalendarException,
    CatalogueLoad,
    ChangeoverTime,
    MaterialsClass,
    Occurrence,
    Platform,
    Qualification,
    Recipe,
    Resource,
    ResourceCapability,
    ResourceKind,
    RouteStep,
    RouteTemplate,
    Travel,
)
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.errors import RulesBroken
from tests.catalog.example import DROP, changed, example_text
from tests.factories import make_booking, make_organisation, writing

ZONE = ZoneInfo("Asia/Shanghai")
FIRST_DAY = datetime(2027, 3, 8, 1, tzinfo=UTC)
TABLES = (
    Calendar, CalendarException, ChangeoverTime, MaterialsClass, Occurrence, Platform,
    Recipe, Resource, ResourceCapability, RouteStep, RouteTemplate, Travel,
)  # fmt: skip


def load(*changes: tuple[str, Any], now: datetime = FIRST_DAY) -> loader.Loaded:
    """Load the documented example with changes."""
    return load_text(changed(*changes), now=now)


def load_text(text: str, *, now: datetime = FIRST_DAY) -> loader.Loaded:
    with writing() as session:
        return loader.load(session, loader.parsed(text), now=now, zone=ZONE)


def refused(*changes: tuple[str, Any]) -> list[str]:
    """Load the documented example with changes, which must be refused."""
    with pytest.raises(RulesBroken) as fault:
        load(*changes)
    return [violation.message for violation in fault.value.violations]


def everything() -> dict[str, list[Any]]:
    """Return every row of the catalogue with its ids and versions."""
    found = {}
    with acting_as(JOB):
        for table in TABLES:
            rows = db.session.execute(sa.select(sa.inspect(table).local_table)).all()
            found[table.__tablename__] = sorted(map(repr, rows))
    return found


@pytest.fixture
def loaded(app: Flask) -> None:
    """The documented example, loaded on its first day."""
    load()


def rows(model: type[Any], *related: Any) -> list[Any]:
    """Return what a table holds now."""
    with acting_as(JOB):
        options = [selectinload(one) for one in related]
        return list(db.session.scalars(sa.select(model).options(*options)).all())


def one(model: type[Any], code: str, *related: Any) -> Any:
    (found,) = (row for row in rows(model, *related) if row.code == code)
    return found


def able(code: str) -> set[str]:
    """Return what a resource can do."""
    return {c.code for c in one(Resource, code, Resource.capabilities).capabilities}


def book(code: str, **given: Any) -> int:
    with writing() as session:
        resource = session.scalars(sa.select(Resource).filter_by(code=code)).one()
        given.setdefault("starts_at", utcnow() + timedelta(days=3))
        return int(make_booking(session, resource=resource, **given).id)


def recipe_id(code: str) -> int:
    with acting_as(JOB):
        return db.session.scalars(sa.select(Recipe.id).filter_by(code=code)).one()


def test_the_demo_catalogue_loads_whole(app: Flask) -> None:
    done = load_text(loader.demo_text())
    assert (done.resources, done.routes, done.occurrences, done.retired) == (196, 28, 93, 0)
    with acting_as(JOB):
        kinds = dict(
            db.session.execute(
                sa.select(Resource.kind, sa.func.count()).group_by(Resource.kind)
            ).all()
        )
        assert kinds == {
            ResourceKind.UNARY: 95,
            ResourceKind.BATCH: 56,
            ResourceKind.POOLED: 37,
            ResourceKind.EVENT: 8,
        }
        assert db.session.scalar(sa.select(sa.func.count()).select_from(RouteStep)) == 266
        shuttles = db.session.scalar(
            sa.select(sa.func.count())
            .select_from(Occurrence)
            .where(Occurrence.code.startswith("ICD-MPW"))
        )
        assert shuttles == 21
        assert db.session.scalar(sa.select(sa.func.bool_and(Resource.demo))) is True
        assert db.session.scalars(sa.select(CatalogueLoad.demo)).all() == [True]


@pytest.mark.parametrize(
    "text", [example_text(), loader.demo_text()], ids=["small", "demo"]
)
def test_the_same_file_loaded_twice_changes_nothing(app: Flask, text: str) -> None:
    load_text(text)
    before = everything()
    again = load_text(text, now=FIRST_DAY + timedelta(days=30))
    assert everything() == before
    assert (again.occurrences, again.retired) == (0, 0)


def test_what_differs_is_changed_and_the_rest_is_left_alone(loaded: None) -> None:
    before = everything()
    aligner = one(Resource, "FAB-ALN-1").public_id
    load(
        ("resources[0].name.en", "Contact aligner"),
        ("resources[0].typical_minutes", 90),
        ("resources[0].changeovers[0].minutes", 45),
        ("resources[0].changeovers[1]", DROP),
        ("travel[0].minutes", 60),
        ("travel[1]", DROP),
        ("routes[0].steps[1].duration_min", 150),
    )
    row = one(Resource, "FAB-ALN-1")
    assert (row.public_id, row.name_en, row.typical_minutes) == (
        aligner,
        "Contact aligner",
        90,
    )
    changes = rows(ChangeoverTime)
    assert [(c.before, c.after, c.minutes) for c in changes] == [("100", "150", 45)]
    assert [t.minutes for t in rows(Travel)] == [60]
    route = one(RouteTemplate, "RT-OXIDE", RouteTemplate.steps)
    assert [s.duration_min for s in route.steps] == [420, 150]
    after = everything()
    for untouched in ("recipe", "occurrence", "calendar", "platform", "route_template"):
        assert after[untouched] == before[untouched]
    others = [line for line in before["resource"] if "FAB-ALN-1" not in line]
    assert [line for line in after["resource"] if "FAB-ALN-1" not in line] == others


def test_an_owner_is_an_organisation_that_is_registered_here(loaded: None) -> None:
    with writing() as session:
        firm = make_organisation(session)
    (line,) = refused(("resources[0].owner", "NOBODY"))
    assert line.startswith("resources[0].owner: no organisation is registered here")
    load(("resources[0].owner", firm.registration_no))
    assert firm.id in {r.owner_id for r in rows(Resource)}


def test_levels_of_a_qualification_are_loaded(loaded: None) -> None:
    level = {"zh": "日间", "en": "daytime", "hours": {"mon": [["08:00", "18:00"]]}}
    load(("qualifications[0].levels", {"day": level}))
    (needed,) = rows(Qualification)
    assert needed.levels == {"day": level}
    (line,) = refused(
        (
            "qualifications[0].levels",
            {"day": {**level, "hours": {"mon": [["08:00", "12:00"], ["11:00", "18:00"]]}}},
        )
    )
    assert line.startswith("qualifications[0].levels.day.hours.mon: the hours overlap")


def test_a_capability_goes_and_another_comes(loaded: None) -> None:
    load(
        ("resources[2].capabilities", ["STRESS", "SHUTTLE"]),
        ("resources[3].capabilities", ["SHUTTLE"]),
    )
    assert able("LAB-LIFE-1") == {
        "STRESS",
        "SHUTTLE",
    }
    load()
    assert able("LAB-LIFE-1") == {"STRESS"}


def test_new_opening_hours_raise_the_guard_first(loaded: None) -> None:
    before = {r.code: r.guard_seq for r in rows(Resource)}
    load(
        ("calendars[0].weekly.mon", [["10:00", "17:30"]]),
        ("calendars[0].exceptions[0].hours", [["10:00", "11:00"]]),
    )
    calendar = one(Calendar, "DAY", Calendar.exceptions)
    assert calendar.weekly["mon"] == [["10:00", "17:30"]]
    assert {e.on_date: e.hours for e in calendar.exceptions} == {
        date(2027, 3, 10): [["10:00", "11:00"]],
        date(2027, 3, 13): [["09:00", "12:00"]],
    }
    after = {r.code: r.guard_seq for r in rows(Resource)}
    assert {code for code in after if after[code] > before[code]} == {"FAB-ALN-1"}


def test_a_resource_that_is_gone_goes_out_of_service_with_its_bookings_kept(
    loaded: None,
) -> None:
    booking = book("LAB-LIFE-1")
    assert load(("resources[2]", DROP)).retired == 1
    assert one(Resource, "LAB-LIFE-1").active is False
    assert next(b.state for b in rows(Booking) if b.id == booking) is BookingState.CONFIRMED
    assert load(("resources[2]", DROP)).retired == 0
    load()
    assert one(Resource, "LAB-LIFE-1").active is True


def test_a_recipe_or_route_that_is_gone_serves_nobody_new(loaded: None) -> None:
    load(("resources[1].recipes[1]", DROP), ("routes", []))
    assert one(Recipe, "OX-150").active is False
    assert one(Recipe, "OX-100").active is True
    assert one(RouteTemplate, "RT-OXIDE").active is False
    load()
    assert one(Recipe, "OX-150").active is True
    assert one(RouteTemplate, "RT-OXIDE").active is True


def test_a_run_that_is_gone_takes_nobody_more(loaded: None) -> None:
    load(("occurrences", []), now=FIRST_DAY)
    assert one(Occurrence, "FAB-MPW-2704").closes_at == FIRST_DAY
    load()
    assert one(Occurrence, "FAB-MPW-2704").closes_at == datetime(
        2027, 3, 17, 16, tzinfo=UTC
    )


def test_a_run_that_staff_have_dated_is_closed_by_no_file(loaded: None) -> None:
    before = one(Occurrence, "FAB-MPW-2704").closes_at
    with writing() as session:
        session.execute(sa.update(Occurrence).values(by_staff=True))
    load(("occurrences", []), now=FIRST_DAY)
    assert one(Occurrence, "FAB-MPW-2704").closes_at == before


def test_the_least_fill_and_quotas_of_a_run_come_from_the_file(loaded: None) -> None:
    run = one(Occurrence, "FAB-MPW-2704")
    assert (run.min_fill, run.quotas) == (5400, {})  # 0.6 of 9,000
    load(("occurrences[0].min_fill", 100))
    assert one(Occurrence, "FAB-MPW-2704").min_fill == 100
    assert refused(("occurrences[0].min_fill", 9001), ("occurrences[0].quotas", {"X9": 1}))


def test_dates_of_a_run_are_the_parks(loaded: None) -> None:
    run = one(Occurrence, "FAB-MPW-2704")
    assert run.starts_at == datetime(2027, 4, 15, 1, tzinfo=UTC)  # 09:00 in the park
    assert run.ends_at - run.starts_at == timedelta(days=1)
    assert run.phases == {
        "upload_opens": "2027-04-01",
        "upload_closes": "2027-04-15",
        "frozen": "2027-04-22",
        "wafer_start": "2027-05-10",
        "out": "2027-07-19",
        "least_fill": 0.6,
    }


RELATIVE = (
    ("occurrences[0].date", DROP),
    ("occurrences[0].day", 9),
    ("occurrences[0].closes_date", DROP),
    ("occurrences[0].closes_day", 3),
    ("occurrences[0].phases", {"out_day": 104}),
)


def test_days_count_from_the_first_load_and_later_loads_leave_the_date(app: Flask) -> None:
    load(*RELATIVE)
    load(*RELATIVE, ("occurrences[0].capacity", 8000), now=FIRST_DAY + timedelta(days=30))
    run = one(Occurrence, "FAB-MPW-2704")
    assert run.starts_at == datetime(2027, 3, 17, 1, tzinfo=UTC)
    assert run.closes_at == datetime(2027, 3, 10, 16, tzinfo=UTC)
    assert run.phases == {"out": "2027-06-20"}
    assert run.capacity == 8000


def test_the_park_knows_what_day_it_is_when_utc_does_not(app: Flask) -> None:
    load(*RELATIVE, now=datetime(2027, 3, 8, 17, tzinfo=UTC))  # the 9th in the park
    run = one(Occurrence, "FAB-MPW-2704")
    assert run.starts_at == datetime(2027, 3, 18, 1, tzinfo=UTC)


def test_a_class_gets_a_new_name_but_never_a_new_rank(loaded: None) -> None:
    load(("materials.classes[0].name.en", "Very clean"))
    assert one(MaterialsClass, "CLEAN").name_en == "Very clean"
    assert refused(
        ("materials.classes[0].rank", 1), ("materials.classes[1].rank", 2), ("routes", [])
    ) == [
        "materials.classes[0].rank: CLEAN was loaded with rank 0, which orders carry; give"
        " the new rank a new class",
        "materials.classes[1].rank: GENERAL was loaded with rank 1, which orders carry; give"
        " the new rank a new class",
    ]


def test_changes_that_bookings_stand_in_the_way_of_are_refused_all_of_them(
    loaded: None,
) -> None:
    book("FAB-ALN-1")
    book("LAB-LIFE-1", quantity=10)
    book("FAB-OX-1", quantity=30, recipe_id=recipe_id("OX-100"))
    run = one(Occurrence, "FAB-MPW-2704")
    book(
        "FAB-MPW",
        occurrence_id=run.id,
        quantity=5000,
        starts_at=run.starts_at,
        minutes=1440,
    )
    before = everything()
    lines = refused(
        ("resources[0].kind", "pooled"),
        ("resources[0].name.en", "Another"),
        ("resources[1].recipes[0].capacity", 29),
        ("resources[2].capacity", 9),
        ("resources[2].name.en", "Another"),
        ("occurrences[0].capacity", 4999),
        ("travel[0].minutes", 1),
    )
    assert lines == [
        "resources[0].kind: FAB-ALN-1 has bookings as unary; cancel or move them before it"
        " becomes pooled",
        "resources[2].capacity: more than 9 of LAB-LIFE-1 are booked at once; cancel or move"
        " bookings first",
        "resources[1].recipes[0].capacity: a run of OX-100 is booked with more than 29;"
        " cancel or move loads first",
        "occurrences[0]: FAB-MPW-2704 is booked, so its times stay and its capacity does not"
        " fall below what is taken; cancel bookings first",
    ]
    assert everything() == before  # nothing half written
    assert refused(("occurrences[0].date", "2027-04-16")) == [lines[-1]]
    assert refused(("resources[2].platform", "FAB")) == [
        "resources[2].platform: LAB-LIFE-1 has bookings, which stay with their platform;"
        " cancel or move them first"
    ]


def test_what_is_booked_still_fits_goes_through(loaded: None) -> None:
    book("LAB-LIFE-1", quantity=10)
    book("FAB-ALN-1", starts_at=utcnow() - timedelta(days=3))  # over
    load(("resources[2].capacity", 10), ("resources[0].kind", "event"))
    assert one(Resource, "LAB-LIFE-1").capacity == 10
    assert one(Resource, "FAB-ALN-1").kind is ResourceKind.EVENT


def test_a_fault_halfway_leaves_nothing_behind(app: Flask) -> None:
    content = loader.parsed(example_text())
    content["routes"][0]["steps"][1]["name"]["en"] = "a\0b"  # passes no check, by design
    with pytest.raises(sa.exc.DataError), writing() as session:
        loader.load(session, content, now=FIRST_DAY, zone=ZONE)
    assert not any(everything().values())
    assert rows(CatalogueLoad) == []


def test_each_load_is_remembered_and_audited(loaded: None) -> None:
    load(("version", "2027-04"))
    loads = sorted(rows(CatalogueLoad), key=lambda entry: entry.id)
    assert [entry.version for entry in loads] == ["2027-03", "2027-04"]
    assert loads[0].content_hash != loads[1].content_hash
    assert loads[0].extras["priority_classes"][0]["weight"] == 4
    acts = [entry.act for entry in rows(AuditEntry)]
    assert acts == ["catalogue.load"] * 2


def test_two_loads_at_once_go_one_after_the_other(app: Flask, loaded: None) -> None:
    """Each on its own connection; without the lock both would add the new resource."""
    new = {
        "code": "NEW", "platform": "FAB", "name": {"zh": "新", "en": "New"}, "kind": "unary",
        "capacity": 1, "calendar": "DAY", "class": "GENERAL", "typical_minutes": 60,
        "capabilities": ["LITHO"],
    }  # fmt: skip
    content = loader.parsed(changed(("resources[]", new)))
    faults: list[BaseException] = []
    start = threading.Barrier(2)

    def run() -> None:
        try:
            with app.app_context(), acting_as(JOB):
                start.wait(10)
                with transaction() as own:
                    loader.load(own, content, now=FIRST_DAY, zone=ZONE)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert one(Resource, "NEW").active
