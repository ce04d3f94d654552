"""The demo catalogue keeps the facts of the field, also those that are easily lost."""

from datetime import timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from platform_booking.bookings.rules import RULES
from platform_booking.bookings.rules.registry import Binds
from platform_booking.catalog import loader
from platform_booking.catalog.filefields import minute_of_day
from platform_booking.catalog.fileformat import PolicySchema
from platform_booking.catalog.hours import Hours, spans, week_of
from platform_booking.catalog.models import ResourceKind, StayRule
from tests.factories import MONDAY

ZONE = ZoneInfo("Asia/Shanghai")


@cache
def content() -> loader.Content:
    return loader.parsed(loader.demo_text())


@cache
def by_code(part: str) -> dict[str, Any]:
    return {entry["code"]: entry for entry in content()[part]}


def resource(code: str) -> Any:
    return by_code("resources")[code]


def steps() -> list[tuple[Any, Any]]:
    return [(route, step) for route in content()["routes"] for step in route["steps"]]


def test_it_is_marked_as_demo_data_and_names_itself_so() -> None:
    assert content()["demo"] is True
    assert "示范" in content()["title"]


def test_it_holds_everything_that_the_field_offers() -> None:
    assert len(by_code("platforms")) == 8
    assert len(by_code("resources")) == 196
    assert len(by_code("routes")) == 28
    assert len(by_code("capabilities")) == 162
    assert len(steps()) == 266
    assert len([o for o in by_code("occurrences") if "-MPW-" in o]) == 21
    assert {code: p["site"] for code, p in by_code("platforms").items()}["NFB"] == "RSR"


def test_no_list_of_flags_means_any_and_an_empty_one_means_none() -> None:
    allowed = [r["flags_allowed"] for r in content()["resources"]]
    assert allowed.count(None) == 113
    assert any(flags == [] for flags in allowed)


def test_changeovers_from_and_to_anything_are_written_out_pair_by_pair() -> None:
    minutes = {
        (c["before"], c["after"]): c["minutes"]
        for c in resource("MAT-MOCVD-01")["changeovers"]
    }
    families = {"undoped", "C-doped", "Si"}
    assert {minutes[family, "Mg"] for family in families} == {240}  # any to Mg
    assert {minutes["Mg", family] for family in families} == {960}  # Mg to any
    assert minutes["undoped", "Si"] == 120
    implanter = {
        (c["before"], c["after"]): c["minutes"]
        for c in resource("MEM-IMP-01")["changeovers"]
    }
    assert {m for (_, after), m in implanter.items() if after == "B/BF2"} == {60}
    assert {m for (_, after), m in implanter.items() if after == "As"} == {80}


def test_every_dry_etcher_of_the_class_has_its_recipe_families() -> None:
    etchers = [
        code
        for code, r in by_code("resources").items()
        if {c["before"] for c in r["changeovers"]} == {"1", "2"}
    ]
    assert len(etchers) >= 8
    assert {"DEV-RIE-01", "MEM-DRIE-61", "NFB-DRIE-01"} <= set(etchers)


def test_a_steps_set_up_family_is_one_that_its_tools_know() -> None:
    for route, step in steps():
        known = {
            family
            for code in step["candidates"]
            for change in resource(code)["changeovers"]
            for family in (change["before"], change["after"])
        } | {r["family"] for c in step["candidates"] for r in resource(c)["recipes"]}
        if step["family"] is not None:
            assert step["family"] in known, (route["code"], step["seq"])
    families = {(r["code"], s["seq"]): s["family"] for r, s in steps()}
    assert families["RT-MEM-03", 4] == "B/BF2"  # the boron implant
    assert families["RT-SIC-02", 3] == "Al"  # the p-type implant of a SiC diode
    assert families["RT-NFB-05", 4] == "GaAs/InP"  # the ridge of a III-V laser


def test_hours_until_midnight_end_at_24_and_off_hours_past_midnight_are_two() -> None:
    two_shifts = by_code("calendars")["S2"]["weekly"]
    assert two_shifts["sat"] == [["08:00", "24:00"]]
    assert "sun" not in two_shifts
    off = by_code("calendars")["H24"]["offhours"]
    assert off["mon"] == [["00:00", "08:00"], ["18:00", "24:00"]]
    assert off["sun"] == [["00:00", "24:00"]]


def test_limits_that_are_lifted_out_of_prime_time_say_so_in_hours() -> None:
    lifted = {
        r["code"]: r["policy"]["lifted"]
        for r in content()["resources"]
        if "lifted" in r["policy"]
    }
    assert lifted.keys() == {"TST-SEM-01", "TST-FIB-01", "NFB-EBL-01", "NFB-LDW-01"}
    assert lifted["NFB-EBL-01"]["mon"] == [["00:00", "07:00"], ["18:00", "24:00"]]
    assert lifted["NFB-LDW-01"]["mon"] == [["00:00", "08:00"], ["18:00", "24:00"]]


def test_every_kind_of_limit_is_met_on_some_resource() -> None:
    met = {key for r in content()["resources"] for key in r["policy"]}
    assert met == PolicySchema().fields.keys()
    assert any(q["levels"] for q in content()["qualifications"])


def test_every_rule_with_a_policy_binds_on_some_resource() -> None:
    """A limit of those who run a tool themselves would never be met on another one."""
    every = {key for r in content()["resources"] for key in r["policy"]}
    run = {key for r in content()["resources"] if r["self_run"] for key in r["policy"]}
    for rule in RULES.values():
        assert {*rule.policy} <= (every if rule.binds is not Binds.RUNNER else run), (
            rule.code
        )


def test_what_a_resource_is_used_with_can_be_booked_for_as_short() -> None:
    for r in content()["resources"]:
        for capability in r["policy"].get("requires", ()):
            least = min(
                other["policy"].get("min_minutes", 5)
                for other in content()["resources"]
                if capability in other["capabilities"]
            )
            assert least <= r["policy"]["min_minutes"], r["code"]


def test_the_ways_that_an_etcher_shares_its_week_are_those_that_its_notes_tell() -> None:
    etcher = resource("NFB-ICP-01")
    days = {w["flags"][0]: set(w["hours"]) for w in etcher["policy"]["class_windows"]}
    assert days == {"IIIV": {"wed", "thu", "fri", "sat"}, "GAN": {"sun", "mon", "tue"}}
    assert "from Wednesday to Saturday" in etcher["notes"]["en"]


@pytest.mark.parametrize(
    ("code", "least"), [("MEM-DIF-01", 25), ("MEM-LPC-01", 15), ("MEM-LPC-02", 25)]
)
def test_a_furnace_that_needs_a_least_load_has_it_in_every_recipe(
    code: str, least: int
) -> None:
    assert {r["min_load"] for r in resource(code)["recipes"]} == {least}


def test_the_capacity_of_a_run_depends_on_the_wafer_size() -> None:
    def by_size(code: str) -> dict[int, int]:
        return {r["wafer_mm"]: r["capacity"] for r in resource(code)["recipes"]}

    assert by_size("MAT-MOCVD-01") == {150: 8, 200: 5}
    assert by_size("MAT-MOCVD-02") == {50: 19, 100: 6, 150: 3}
    assert by_size("NFB-PECVD-01") == {100: 3, 150: 1}
    assert resource("MAT-MOCVD-02")["capacity"] == 19  # that of its largest run


def test_a_chamber_that_opens_at_read_points_only_starts_all_its_loads_together() -> None:
    for code in ("TST-H3TRB-01", "TST-H3TRB-02"):
        chamber = resource(code)
        assert chamber["kind"] is ResourceKind.BATCH
        assert chamber["stay"] is StayRule.ENDS
        assert chamber["notes"]["readpoints_h"] == [168, 500, 1000]


def test_simulations_cost_tokens_and_the_list_is_there() -> None:
    pool = resource("ICD-LIC-ANA")
    assert (pool["kind"], pool["capacity"], pool["unit"]) == (
        ResourceKind.POOLED,
        120,
        "token",
    )
    assert sorted(cost["tokens"] for cost in pool["notes"]["token_costs"]) == [2, 4, 6, 8]


def test_shuttle_area_is_counted_in_hundredths_of_a_square_millimetre() -> None:
    shuttle = resource("ICD-MPW-180")
    assert shuttle["unit"] == "0.01 mm2"
    assert shuttle["capacity"] == 9000  # 90 mm²
    assert shuttle["policy"]["min_area_001mm2"] == 250
    assert shuttle["policy"]["area_step_001mm2"] == 50  # half a square millimetre
    areas = {s["quantity"] for _, s in steps() if s["capability"].startswith("MPW.")} - {
        None
    }
    assert 350 in areas  # 3.5 mm²


def test_a_steps_quantity_stands_where_it_is_given() -> None:
    htrb = [s for _, s in steps() if s["capability"] == "REL.HTRB" and s["quantity"]]
    assert htrb
    co_uses = [s["co_uses"] for _, s in steps() if s["co_uses"]]
    assert {"capability": "HPC.CPU", "quantity": 96} in co_uses[0]
    assert len(co_uses) == 3


def test_some_lots_are_larger_than_a_run() -> None:
    larger = [
        (route["code"], step["seq"])
        for route, step in steps()
        for code in step["candidates"]
        if resource(code)["kind"] is ResourceKind.BATCH
        and (step["quantity"] or route["lot_size"])
        > max(r["capacity"] for r in resource(code)["recipes"])
    ]
    assert larger


def test_limits_of_a_tool_stand_above_those_of_its_class_of_tools() -> None:
    grower = resource("MAT-PVT-01")["policy"]
    assert (grower["min_minutes"], grower["max_minutes"]) == (7200, 17280)
    for r in content()["resources"]:
        most = r["policy"].get("max_minutes")
        if r["self_run"] and most is not None:
            assert r["typical_minutes"] <= most, r["code"]


def test_steps_may_be_served_by_platforms_outside_the_routes_own() -> None:
    outside = [
        step
        for route, step in steps()
        if any(
            resource(c)["platform"] not in route["platforms"] for c in step["candidates"]
        )
    ]
    assert len(outside) == 27


def test_a_release_in_hydrofluoric_vapour_is_not_done_off_hours() -> None:
    tool = resource("NFB-VHF-01")
    weekly = by_code("calendars")[tool["calendar"]]["weekly"]
    assert weekly.keys() == {"mon", "tue", "wed", "thu", "fri"}
    assert weekly["mon"] == [["08:00", "18:00"]]
    assert tool["notes"]["hazard"]["en"] == "hydrofluoric acid"


def test_every_step_of_every_route_can_begin_and_end_in_some_week() -> None:
    """Also the stresses of 1,000 hours, which no open window could hold."""
    for route, step in steps():
        assert any(_can_stand(resource(code), step) for code in step["candidates"]), (
            route["code"],
            step["seq"],
        )
    over_a_window = [
        step
        for _, step in steps()
        if step["duration_min"] > 10080
        and all(resource(c)["stay"] is not StayRule.INSIDE for c in step["candidates"])
    ]
    assert len(over_a_window) >= 6


def _can_stand(tool: Any, step: Any) -> bool:
    if tool["kind"] is ResourceKind.EVENT or tool["stay"] is StayRule.WORKING:
        return True
    calendar = by_code("calendars")[tool["calendar"]]
    ends = tool["stay"] is StayRule.ENDS
    week = (calendar["attended"] or calendar["weekly"]) if ends else calendar["weekly"]
    minutes = step["duration_min"]
    if tool["kind"] is ResourceKind.BATCH:
        minutes = min(
            r["duration_min"]
            for r in tool["recipes"]
            if r["duration_min"] >= minutes and r["capability"] == step["capability"]
        )
    lasts = timedelta(minutes=minutes)
    opening = spans(
        Hours(week=week_of(week), keeps_holidays=False),
        from_at=MONDAY,
        to_at=MONDAY + timedelta(days=100),
        zone=ZONE,
    )
    if not ends:
        return any(closes - opens >= lasts for opens, closes in opening)
    grid = timedelta(minutes=5)
    moment = MONDAY
    while moment < MONDAY + timedelta(days=7):
        if _attended(moment, opening) and _attended(moment + lasts, opening, at_end=True):
            return True
        moment += grid
    return False


def _attended(moment: Any, opening: Any, *, at_end: bool = False) -> bool:
    if at_end:
        return any(opens < moment <= closes for opens, closes in opening)
    return any(opens <= moment < closes for opens, closes in opening)


def test_shuttles_and_classes_are_dated_from_the_day_of_loading() -> None:
    for entry in content()["occurrences"]:
        assert entry["date"] is None
        assert entry["day"] >= 0
        assert minute_of_day(entry["time"]) in {540, 840}  # 09:00, 14:00
    soonest = {o["resource"]: o["day"] for o in reversed(content()["occurrences"])}
    assert min(day for code, day in soonest.items() if "MPW" in code) <= 14
    assert soonest["NFB-TRN-01"] <= 14


def test_notes_are_told_in_both_languages() -> None:
    noted = [r["notes"] for r in content()["resources"] if {"zh", "en"} & r["notes"].keys()]
    assert len(noted) >= 40
    assert all({"zh", "en"} <= notes.keys() for notes in noted)
