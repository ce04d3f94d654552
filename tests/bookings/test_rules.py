"""House rules for picking a slot: each has a test that names it, and they come together."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import Babel

from platform_booking.bookings.picked import Asker, Bookable, Picked, Run, Slot
from platform_booking.bookings.rules import FARTHEST, LONGEST, fits_hours, violations
from platform_booking.catalog.models import ResourceKind, StayRule
from tests.factories import MONDAY

NOW = MONDAY - timedelta(days=3)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Sentences need a language, and nothing else of an application."""
    app = Flask(__name__)
    Babel(app, default_locale="en")
    with app.app_context():
        yield


def slot(*, at: timedelta = timedelta(), hours: float = 1, **more) -> Slot:
    start = MONDAY + at
    return Slot(starts_at=start, ends_at=start + hours * HOUR, **more)


def tool(kind: ResourceKind = ResourceKind.UNARY, **changed) -> Bookable:
    """A tool that is open for a fortnight around MONDAY."""
    return Bookable(
        **{
            "name": "Etcher",
            "kind": kind,
            "stay": StayRule.INSIDE,
            "capacity": 1,
            "opening": ((NOW, MONDAY + 14 * DAY),),
            **changed,
        }
    )


def broken(picked: Picked, *, now: datetime = NOW) -> dict[str, str]:
    """Return the broken rules with the field that each blames."""
    found = {v.rule: v.where for v in violations(picked, now=now)}
    assert all(v.message for v in violations(picked, now=now))
    return found


def pick(asked: Slot | None = None, on: Bookable | None = None, **more) -> Picked:
    return Picked(slot=asked or slot(), on=on or tool(), **more)


def test_a_good_slot_breaks_no_rule() -> None:
    assert broken(pick()) == {}


def test_unknown_organisation() -> None:
    by = Asker(organisation_known=False, contract_on_file=False, nda_on_file=False)
    assert broken(pick(by=by)) == {"unknown_organisation": "organisation_id"}


def test_no_contract() -> None:
    neither = Asker(contract_on_file=False, nda_on_file=False)
    assert broken(pick(by=neither)) == {"no_contract": ""}
    assert broken(pick(by=Asker(contract_on_file=False))) == {}
    assert broken(pick(by=Asker(nda_on_file=False))) == {}


def test_not_qualified() -> None:
    by = Asker(qualification_needed="DRIE")
    assert broken(pick(by=by)) == {"not_qualified": "resource_id"}
    assert broken(pick(by=replace(by, qualified=True))) == {}


def test_qualification_expires() -> None:
    """It must hold on the local day on which the stay ends."""
    by = Asker(
        qualification_needed="DRIE", qualified=True, qualified_until=date(2027, 3, 8)
    )
    assert broken(pick(slot(hours=15), by=by, zone=SHANGHAI)) == {}  # 23:00 in the park
    late = pick(slot(hours=17), by=by, zone=SHANGHAI)  # 01:00 on the ninth
    assert broken(late) == {"qualification_expires": "ends_at"}
    assert broken(replace(late, by=replace(by, qualification_needed=""))) == {}


def test_unknown_project() -> None:
    by = Asker(project_named=True)
    assert broken(pick(by=by)) == {"unknown_project": "project_id"}
    assert broken(pick(by=replace(by, project_known=True))) == {}


def test_inactive() -> None:
    assert broken(pick(on=tool(active=False))) == {"inactive": "resource_id"}


def test_empty() -> None:
    for hours in (0, -1):
        assert broken(pick(slot(hours=hours))) == {"empty": "ends_at"}


def test_past() -> None:
    late = slot(at=NOW - MONDAY - HOUR)
    assert broken(pick(late)) == {"past": "starts_at"}
    assert broken(pick(slot(at=NOW - MONDAY))) == {}


def test_too_far() -> None:
    far = slot(at=NOW - MONDAY + FARTHEST + DAY)
    assert broken(pick(far)) == {"too_far": "starts_at"}


def test_over_a_year() -> None:
    assert broken(pick(slot(hours=24 * 367))) == {"over_a_year": "ends_at"}
    year = tool(opening=((NOW, MONDAY + LONGEST),))
    assert broken(pick(slot(hours=24 * 366), year)) == {}


def test_the_ends_of_time_break_rules_and_nothing_else() -> None:
    first = Slot(
        starts_at=datetime.min.replace(tzinfo=UTC), ends_at=datetime.max.replace(tzinfo=UTC)
    )
    capped = tool(self_run=True, per_day=1, future_min=60, gap_min=60, horizon_days=14)
    by = Asker(
        qualification_needed="X", qualified=True, qualified_until=date(2027, 1, 1),
        held=((MONDAY, MONDAY + HOUR),),
    )  # fmt: skip
    found = broken(pick(first, capped, by=by, zone=SHANGHAI))
    assert {"past", "over_a_year", "qualification_expires"} <= found.keys()
    last = replace(first, starts_at=first.ends_at - HOUR)
    assert "too_far" in broken(pick(last, capped, by=by, zone=SHANGHAI))


def test_grid() -> None:
    off = Slot(
        starts_at=MONDAY + timedelta(minutes=3), ends_at=MONDAY + timedelta(seconds=3601)
    )
    assert [v.where for v in violations(pick(off), now=NOW) if v.rule == "grid"] == [
        "starts_at",
        "ends_at",
    ]
    shuttle = tool(ResourceKind.EVENT)
    dated = Run(occurrence_named=True, occurrence_fits=True)
    assert broken(pick(off, shuttle, run=dated)) == {}  # a dated run has its own times


def test_closed_where_the_whole_stay_must_be_inside() -> None:
    """Open 09:00 to 12:00 and from 13:00."""
    opening = ((MONDAY + HOUR, MONDAY + 4 * HOUR), (MONDAY + 5 * HOUR, MONDAY + 9 * HOUR))
    on = tool(opening=opening)
    assert broken(pick(slot(at=HOUR, hours=3), on)) == {}
    for at, hours in ((0, 2), (3, 3), (4, 1), (8, 2)):
        assert broken(pick(slot(at=at * HOUR, hours=hours), on)) == {"closed": "starts_at"}


def test_closed_where_only_the_ends_must_be_attended() -> None:
    opening = ((MONDAY + HOUR, MONDAY + 4 * HOUR), (MONDAY + 5 * HOUR, MONDAY + 9 * HOUR))
    for rule in (StayRule.ENDS, StayRule.WORKING):
        on = tool(opening=opening, stay=rule)
        for at, hours, fits in ((1, 8, True), (3, 2, False), (4, 2, False), (0, 2, False)):
            assert fits_hours(slot(at=at * HOUR, hours=hours), on) is fits
        assert broken(pick(slot(hours=2), on)) == {"closed": "starts_at"}


def test_a_dated_run_is_not_asked_for_opening_hours() -> None:
    shuttle = tool(ResourceKind.EVENT, opening=())
    dated = Run(occurrence_named=True, occurrence_fits=True)
    assert broken(pick(on=shuttle, run=dated)) == {}


def test_outage() -> None:
    on = tool(outages=((MONDAY + HOUR, MONDAY + 2 * HOUR),))
    assert broken(pick(slot(hours=2), on)) == {"outage": "starts_at"}
    assert broken(pick(slot(hours=1), on)) == {}  # it ends as the outage begins
    assert broken(pick(slot(at=2 * HOUR), on)) == {}


def binds(cap, bad, named, good) -> None:
    """A limit binds engineers on any tool, staff on tools that users run themselves."""
    assert broken(pick(bad, tool(self_run=True, **cap))) == named
    assert broken(pick(good, tool(self_run=True, **cap))) == {}
    assert broken(pick(bad, tool(self_run=False, **cap))) == named, "staff run it"
    for runs_it in (True, False):
        staff = Asker(staff=True, runs_it=runs_it)
        assert broken(pick(bad, tool(self_run=True, **cap), by=staff)) == named
        assert broken(pick(bad, tool(**cap), by=staff)) == {}


def test_too_short() -> None:
    binds({"least_min": 120}, slot(), {"too_short": "ends_at"}, slot(hours=2))


def test_too_long() -> None:
    binds({"most_min": 60}, slot(hours=2), {"too_long": "ends_at"}, slot())


def test_beyond_horizon() -> None:
    binds({"horizon_days": 2}, slot(), {"beyond_horizon": "starts_at"}, slot(at=-DAY))


def test_short_notice() -> None:
    binds({"notice_hours": 96}, slot(), {"short_notice": "starts_at"}, slot(at=DAY))


def test_coarse_grid() -> None:
    quarter = slot(at=timedelta(minutes=15))
    binds({"grid_min": 30}, quarter, {"coarse_grid": "ends_at"}, slot(hours=1.5))


def test_per_day() -> None:
    """Two stays begin on that day in the park's zone: 08:00, and 23:30 of the same day."""
    held = ((MONDAY, MONDAY + HOUR), (MONDAY + 15.5 * HOUR, MONDAY + 17 * HOUR))
    on, by = tool(self_run=True, per_day=2), Asker(held=held)
    again = pick(slot(at=3 * HOUR), on, by=by, zone=SHANGHAI)
    assert broken(again) == {"per_day": "starts_at"}
    assert broken(replace(again, slot=slot(at=16 * HOUR))) == {}  # past midnight there
    assert broken(replace(again, by=Asker(held=held[:1]))) == {}
    assert broken(replace(again, on=replace(on, self_run=False))) == {
        "per_day": "starts_at"
    }
    assert broken(replace(again, by=replace(by, runs_it=False))) == {}, (
        "for an organisation"
    )


def test_future_minutes() -> None:
    held = ((MONDAY + DAY, MONDAY + DAY + 2 * HOUR),)
    on, by = tool(self_run=True, future_min=180), Asker(held=held)
    assert broken(pick(slot(hours=1), on, by=by)) == {}
    assert broken(pick(slot(hours=2), on, by=by)) == {"future_minutes": "ends_at"}
    assert broken(pick(slot(hours=2), on, by=replace(by, runs_it=False))) == {}


def test_gap() -> None:
    held = ((MONDAY + 4 * HOUR, MONDAY + 5 * HOUR),)
    on, by = tool(self_run=True, gap_min=120), Asker(held=held)
    for at, rule in (
        (1, {}),
        (2, {"gap": "starts_at"}),
        (6, {"gap": "starts_at"}),
        (7, {}),
    ):
        assert broken(pick(slot(at=at * HOUR), on, by=by)) == rule
    assert broken(pick(slot(at=2 * HOUR), on, by=replace(by, runs_it=False))) == {}


def test_recipe_length() -> None:
    on = tool(kind=ResourceKind.BATCH)
    run = Run(recipe_named=True, recipe_fits=True, recipe_min=120)
    assert broken(pick(slot(hours=2), on, run=run)) == {}
    for hours in (1, 3):
        assert broken(pick(slot(hours=hours), on, run=run)) == {"recipe_length": "ends_at"}


def test_cut_off() -> None:
    on = tool(kind=ResourceKind.BATCH, cutoff_hours=16)
    run = Run(recipe_named=True, recipe_fits=True, recipe_min=60)
    until = MONDAY - 16 * HOUR
    assert broken(pick(slot(), on, run=run), now=until) == {}
    assert broken(pick(slot(), on, run=run), now=until + HOUR) == {"cut_off": "starts_at"}
    staff = Asker(runs_it=False)
    assert broken(pick(slot(), on, run=run, by=staff), now=until + HOUR) == {}


def test_wafers_undeclared() -> None:
    on = tool(wafer_mm=(150,))
    assert broken(pick(on=on)) == {"wafers_undeclared": "wafer_mm"}
    assert broken(pick(slot(wafer_mm=150), on)) == {"wafers_undeclared": "class_rank"}
    assert broken(pick(slot(wafer_mm=150, class_rank=3), on)) == {}


def test_wafer_size() -> None:
    on = tool(wafer_mm=(100, 150))
    assert broken(pick(slot(wafer_mm=200, class_rank=3), on)) == {"wafer_size": "wafer_mm"}
    assert broken(pick(slot(wafer_mm=200))) == {}  # wafers play no part there


def test_materials_class() -> None:
    on = tool(class_rank=1)
    assert broken(pick(slot(class_rank=2), on)) == {"materials_class": "class_rank"}
    assert broken(pick(slot(class_rank=1), on)) == {}


def test_material_flags() -> None:
    on = tool(flags_allowed=frozenset({"POLY"}))
    assert broken(pick(slot(flags=("AU", "POLY")), on)) == {"material_flags": "flags"}
    assert broken(pick(slot(flags=("POLY",)), on)) == {}
    assert broken(pick(slot(flags=("AU",)))) == {}


def test_recipe_required() -> None:
    oven = tool(ResourceKind.BATCH)
    for run in (Run(), Run(recipe_named=True)):
        assert broken(pick(on=oven, run=run)) == {"recipe_required": "recipe_id"}
    assert broken(pick(on=oven, run=Run(recipe_named=True, recipe_fits=True))) == {}


def test_recipe_wafer_size() -> None:
    run = Run(recipe_named=True, recipe_fits=True, recipe_wafer_mm=150)
    oven = tool(ResourceKind.BATCH)
    small = slot(wafer_mm=100)
    assert broken(pick(small, oven, run=run)) == {"recipe_wafer_size": "recipe_id"}
    assert broken(pick(slot(wafer_mm=150), oven, run=run)) == {}


def test_no_recipe() -> None:
    run = Run(recipe_named=True, recipe_fits=True)
    assert broken(pick(run=run)) == {"no_recipe": "recipe_id"}


def test_occurrence_required() -> None:
    shuttle = tool(ResourceKind.EVENT)
    for run in (Run(), Run(occurrence_named=True)):
        assert broken(pick(on=shuttle, run=run)) == {"occurrence_required": "occurrence_id"}


def test_registration_closed() -> None:
    shuttle = tool(ResourceKind.EVENT)
    run = Run(occurrence_named=True, occurrence_fits=True, closes_at=NOW)
    assert broken(pick(on=shuttle, run=run)) == {"registration_closed": "occurrence_id"}
    assert broken(pick(on=shuttle, run=replace(run, closes_at=NOW + HOUR))) == {}


def test_run_called_off() -> None:
    shuttle = tool(ResourceKind.EVENT)
    run = Run(occurrence_named=True, occurrence_fits=True, called_off=True)
    assert broken(pick(on=shuttle, run=run)) == {"run_called_off": "occurrence_id"}


def test_one_seat() -> None:
    """A class seats each member once; another event gives him what he asks for."""
    room = tool(ResourceKind.EVENT, capacity=100, is_class=True)
    run = Run(occurrence_named=True, occurrence_fits=True)
    assert broken(pick(on=room, run=run)) == {}
    two = pick(slot(quantity=2), room, run=run)
    assert broken(two) == {"one_seat": "quantity"}
    again = pick(on=room, run=run, by=Asker(held=(slot().stretch,)))
    assert broken(again) == {"one_seat": "occurrence_id"}
    for seen in (two, again):
        assert broken(replace(seen, on=replace(room, is_class=False))) == {}
        staff = replace(seen.by, staff=True)
        assert broken(replace(seen, by=staff)) == {}


def test_class_quota() -> None:
    """What firms of the class hold, and what is asked for, together."""
    shuttle = tool(ResourceKind.EVENT, capacity=100)
    run = Run(
        occurrence_named=True,
        occurrence_fits=True,
        class_quota=10,
        class_held=6,
    )
    assert broken(pick(slot(quantity=4), shuttle, run=run)) == {}
    over = pick(slot(quantity=5), shuttle, run=run)
    assert broken(over) == {"class_quota": "quantity"}
    (told,) = violations(over, now=NOW)
    assert (told.limit, told.actual) == (10, 11)
    assert "4 of that are left" in told.message
    assert broken(replace(over, run=replace(run, class_quota=None))) == {}


def test_no_occurrence() -> None:
    run = Run(occurrence_named=True, occurrence_fits=True)
    assert broken(pick(run=run)) == {"no_occurrence": "occurrence_id"}


def test_quantity() -> None:
    pool = tool(ResourceKind.POOLED, capacity=4)
    for quantity in (0, -1, 5, 10**9):
        assert broken(pick(slot(quantity=quantity), pool)) == {"quantity": "quantity"}
    assert broken(pick(slot(quantity=4), pool)) == {}


def test_quantity_in_steps_from_a_least_amount() -> None:
    """A shuttle sells area from 150 in steps of 25, in hundredths of a square millimetre."""
    shuttle = tool(
        ResourceKind.EVENT, capacity=10_000, least_quantity=150, quantity_step=25
    )
    run = Run(occurrence_named=True, occurrence_fits=True)
    for quantity, rule in (
        (125, {"quantity": "quantity"}),
        (160, {"quantity": "quantity"}),
        (175, {}),
    ):
        assert broken(pick(slot(quantity=quantity), shuttle, run=run)) == rule


def test_all_broken_rules_come_at_once() -> None:
    found = broken(
        pick(
            slot(at=timedelta(minutes=1), hours=3, quantity=9, flags=("AU",)),
            tool(
                active=False,
                self_run=True,
                most_min=60,
                flags_allowed=frozenset(),
                outages=((MONDAY, MONDAY + DAY),),
                opening=(),
            ),
            by=Asker(project_named=True, qualification_needed="DRIE"),
            run=Run(recipe_named=True, occurrence_named=True),
        )
    )
    assert found.keys() == {
        "inactive", "not_qualified", "unknown_project", "grid", "too_long", "closed",
        "outage", "material_flags", "no_recipe", "no_occurrence", "quantity",
    }  # fmt: skip
