"""A catalogue file is read, or every fault of it is named with its path."""

import json
import re
from typing import Any

import pytest

from platform_booking.catalog import fileformat
from platform_booking.catalog.reading import parsed
from platform_booking.errors import RulesBroken
from tests.catalog.example import DOC, DROP, changed, example, example_text

HUGE = 10**12


def faults_of(text: str | bytes) -> list[str]:
    with pytest.raises(RulesBroken) as refused:
        parsed(text)
    for violation in refused.value.violations:
        assert violation.where == violation.message.partition(": ")[0]
    return [violation.message for violation in refused.value.violations]


def test_the_documented_example_is_sound() -> None:
    content = parsed(example_text())
    assert {r["kind"].value for r in content["resources"]} == {
        "unary",
        "pooled",
        "batch",
        "event",
    }


def test_every_field_of_the_format_is_documented_and_no_other() -> None:
    text = DOC.read_text(encoding="utf-8")
    prose = text.replace(f"```json\n{example_text()}```", "")
    told = set(re.findall(r"`([a-z_]+[a-z0-9_]*)`", prose))
    known = set()
    for schema in vars(fileformat).values():
        if isinstance(schema, type) and issubclass(schema, fileformat.Shape):
            for name, field in schema().fields.items():
                known.add(field.data_key or name)
    milestones = {
        f"{name}_{kind}" for name in fileformat.PHASES for kind in ("day", "date")
    }
    assert known - told == milestones  # these are told as `…_date` and `…_day`
    words = {
        "unary", "pooled", "batch", "event", "inside", "ends", "working", "true", "false",
        "null", "mon", "sun", "wafer", "board", "licence", "unit",
    }  # fmt: skip
    assert told - known - words == set(fileformat.PHASES)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parsed(b"\xef\xbb\xbf" + example_text().encode())["title"] == "A small park"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"format": 1,\n "title": }', "line 2, column 11: not JSON"),
        ("", "line 1, column 1: not JSON"),
        ("[]", "file: not one JSON object"),
        ("null", "file: not one JSON object"),
        ('"a"', "file: not one JSON object"),
        ("[" * 200_000, "file: nested too deeply"),
        ('{"a": NaN}', "file: NaN is no number"),
        ('{"a": -Infinity}', "file: -Infinity is no number"),
        ('{"a": ' + "9" * 5000 + "}", "file: "),
        (
            '{"sites": [{"code": "A", "code": "B"}]}',
            "file: the field 'code' of 'B' is given twice",
        ),
        ('{"title": "半导体"}'.encode("gbk"), "line 1: not UTF-8 (byte 12 of the file)"),
        (b'{"a": 1,\n"b": "\xff"}', "line 2: not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "line 1: not UTF-8"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_json_object_in_utf_8_is_said_so(text: str | bytes, fault: str) -> None:
    (line,) = faults_of(text)
    assert line.startswith(fault)


# Each change of the example breaks one thing, and the line that names it begins as told.
BROKEN: list[tuple[str, Any, str]] = [
    # Shape.
    ("format", 2, "format: format 2 is unknown here"),
    ("format", DROP, "format: Missing data"),
    ("title", DROP, "title: Missing data"),
    ("title", "", "title: Length must be"),
    ("demo", "yes", "demo: neither true nor false"),
    ("colour", "red", "colour: not a field of this format; see docs/"),
    ("resources[0].colour", "red", "resources[0].colour: not a field of this format"),
    ("resources[0].policy.max_minute", 5, "resources[0].policy.max_minute: not a field"),
    ("resources", {}, "resources: Not a valid list"),
    ("resources[0]", 7, "resources[0]: an object is expected"),
    ("resources[0].code", "a b", "resources[0].code: letters, digits"),
    ("resources[0].code", "", "resources[0].code: letters, digits"),
    ("resources[0].code", "A\n", "resources[0].code: letters, digits"),
    ("resources[0].name.zh", DROP, "resources[0].name.zh: Missing data"),
    ("resources[0].name.en", "a\0b", "resources[0].name.en: contains characters"),
    ("resources[0].name.en", "a\ud800", "resources[0].name.en: contains characters"),
    ("resources[0].name", "aligner", "resources[0].name: an object is expected"),
    ("resources[0].kind", "single", "resources[0].kind: Must be one of: unary, pooled"),
    ("resources[0].stay", "always", "resources[0].stay: Must be one of: inside, ends"),
    ("resources[0].capacity", -1, "resources[0].capacity: Must be greater"),
    ("resources[0].capacity", 0, "resources[0].capacity: Must be greater"),
    ("resources[1].capacity", HUGE, "resources[1].capacity: Must be greater"),
    ("resources[0].capacity", "1", "resources[0].capacity: not a whole number"),
    ("resources[0].capacity", 1.0, "resources[0].capacity: not a whole number"),
    ("resources[0].capacity", True, "resources[0].capacity: not a whole number"),
    ("resources[0].typical_minutes", -5, "resources[0].typical_minutes: Must be"),
    ("resources[0].setup_minutes", -1, "resources[0].setup_minutes: Must be"),
    ("resources[0].capabilities", [], "resources[0].capabilities: Shorter than"),
    ("resources[0].wafer_mm[0]", -100, "resources[0].wafer_mm[0]: Must be"),
    ("resources[0].rate.sme", [5], "resources[0].rate.sme: Length must be 2"),
    ("resources[0].rate.sme", [-5, 9], "resources[0].rate.sme[0]: Must be"),
    ("resources[0].changeovers[0].minutes", -1, "resources[0].changeovers[0].minutes: Must"),
    ("resources[0].notes.zh", "x" * 1001, "resources[0].notes.zh: Length must be"),
    ("travel[0].minutes", -1, "travel[0].minutes: Must be"),
    ("calendars[0].weekly.monday", [], "calendars[0].weekly.monday: Must be one of: mon"),
    ("calendars[0].weekly.mon", [["09:00"]], "calendars[0].weekly.mon[0]: two times of day"),
    ("calendars[0].weekly.mon", "9-17", "calendars[0].weekly.mon: Not a valid list"),
    ("calendars[0].weekly.mon[0]", ["9:00", "17:00"], "calendars[0].weekly.mon[0]: "),
    ("calendars[0].weekly.mon[0]", ["09:00", "24:30"], "calendars[0].weekly.mon[0]: "),
    ("calendars[0].weekly.mon[0]", ["09:00", "25:00"], "calendars[0].weekly.mon[0]: "),
    ("calendars[0].weekly.mon[0]", ["09:00", "09:60"], "calendars[0].weekly.mon[0]: "),
    ("calendars[0].weekly.mon[0]", ["24:00", "24:00"], "calendars[0].weekly.mon[0]: "),
    ("calendars[0].weekly.mon[0]", [9, 17], "calendars[0].weekly.mon[0]: "),
    ("calendars[0].weekly.mon[0]", ["０９:００", "17:00"], "calendars[0].weekly.mon[0]: "),
    ("calendars[1].offhours.mon[0]", ["18:00", "08:00"], "calendars[1].offhours.mon[0]: "),
    ("calendars[0].exceptions[0].date", "10.3.2027", "calendars[0].exceptions[0].date: Not"),
    ("calendars[0].exceptions[0].hours", DROP, "calendars[0].exceptions[0].hours: Missing"),
    ("materials.classes", [], "materials.classes: Shorter than"),
    ("materials.classes[0].rank", -1, "materials.classes[0].rank: Must be"),
    ("priority_classes", [], "priority_classes: Shorter than"),
    ("priority_classes[0].weight", 0, "priority_classes[0].weight: Must be"),
    ("platforms[0].freeze_hours", -1, "platforms[0].freeze_hours: Must be"),
    ("occurrences[0].time", "24:00", "occurrences[0].time: '24:00' is not a time of day"),
    ("occurrences[0].time", "soon", "occurrences[0].time: 'soon' is not a time of day"),
    ("occurrences[0].date", "2027-02-30", "occurrences[0].date: Not a valid date"),
    ("occurrences[0].phases.least_fill", 1.5, "occurrences[0].phases.least_fill: Must"),
    ("routes[0].steps", [], "routes[0].steps: Shorter than"),
    ("routes[0].steps[0].duration_min", 0, "routes[0].steps[0].duration_min: Must be"),
    ("routes[0].steps[0].lag_min_min", -1, "routes[0].steps[0].lag_min_min: Must be"),
    ("demand", {"hour_of_day": {"0": 1}, "day_of_week": {}}, "demand.hour_of_day: Length"),
    # Between the parts.
    (
        "resources[0].capabilities[0]",
        "LITH",
        "resources[0].capabilities[0]: 'LITH' is not among the file's capabilities; did you"
        " mean LITHO?",
    ),
    (
        "resources[0].calendar",
        "DAYS",
        "resources[0].calendar: 'DAYS' is not among the file's calendars; did you mean DAY?",
    ),
    ("resources[0].class", "ZZ", "resources[0].class: 'ZZ' is not among the file's classes"),
    ("resources[0].platform", "X", "resources[0].platform: 'X' is not among the file's"),
    ("resources[0].qualification", "X", "resources[0].qualification: 'X' is not among"),
    ("resources[1].flags_allowed", ["PB"], "resources[1].flags_allowed[0]: 'PB' is not"),
    ("resources[0].notes.sets_flag", "PB", "resources[0].notes.sets_flag: 'PB' is not"),
    ("resources[0].capacity", 2, "resources[0].capacity: a unary resource takes one job"),
    ("resources[0].wafer_mm", [100, 100], "resources[0].wafer_mm[1]: 100 is given twice"),
    ("resources[0].policy.min_minutes", 300, "resources[0].policy.min_minutes: 300 exceeds"),
    ("resources[0].policy.grid_minutes", 25, "resources[0].policy.grid_minutes: 25 is not"),
    ("resources[0].policy.requires", ["AREA"], "resources[0].policy.requires[0]: 'AREA' is"),
    (
        "resources[0].policy.class_windows",
        [{"flags": ["XX"], "hours": {}}],
        "resources[0].policy.class_windows[0].flags[0]: 'XX' is not",
    ),
    (
        "resources[0].policy.class_windows",
        [{"hours": {}}],
        "resources[0].policy.class_windows[0]: name the classes",
    ),
    (
        "resources[0].policy.lifted.sat",
        [["00:00", "12:00"], ["11:00", "24:00"]],
        "resources[0].policy.lifted.sat: the hours overlap",
    ),
    ("resources[0].calendar", "DATED", "resources[0].calendar: DATED never opens"),
    ("resources[0].typical_minutes", 600, "resources[0].typical_minutes: 600 exceeds the"),
    (
        "resources[0].changeovers[]",
        {"before": "100", "after": "150", "minutes": 5},
        "resources[0].changeovers[2]: 100 to 150 is given twice",
    ),
    ("resources[1].recipes", [], "resources[1].recipes: a batch resource needs a recipe"),
    ("resources[0].recipes", [{
        "code": "R", "capability": "LITHO", "wafer_mm": None, "class": "CLEAN",
        "duration_min": 60, "capacity": 1,
    }], "resources[0].recipes: only batch resources have recipes; this one is unary"),
    ("resources[1].recipes[1].code", "OX-100", "resources[1].recipes[1].code: 'OX-100' is"),
    ("resources[1].recipes[0].capability", "LITHO", "resources[1].recipes[0].capability: FAB"),
    ("resources[1].recipes[0].class", "X", "resources[1].recipes[0].class: 'X' is not"),
    ("resources[1].recipes[0].min_load", 51, "resources[1].recipes[0].min_load: 51 exceeds"),
    ("resources[1].recipes[0].capacity", 51, "resources[1].recipes[0].capacity: 51 exceeds"),
    ("resources[1].recipes[0].wafer_mm", 75, "resources[1].recipes[0].wafer_mm: FAB-OX-1"),
    ("resources[1].code", "FAB-ALN-1", "resources[1].code: 'FAB-ALN-1' is already that of"),
    ("sites[1].code", "EAST", "sites[1].code: 'EAST' is already that of sites[0]"),
    ("materials.classes[1].rank", 0, "materials.classes[1].rank: 0 is already the rank of"),
    ("travel[0].from", "SOUTH", "travel[0].from: 'SOUTH' is not among the file's sites"),
    ("travel[0].to", "EAST", "travel[0].to: the same as from"),
    ("travel[1]", {"from": "EAST", "to": "WEST", "minutes": 5}, "travel[1]: EAST to WEST is"),
    ("platforms[1].site", "SOUTH", "platforms[1].site: 'SOUTH' is not among"),
    (
        "calendars[0].weekly.mon",
        [["09:00", "12:00"], ["11:00", "17:00"]],
        "calendars[0].weekly.mon: the hours overlap; write them as one",
    ),
    (
        "calendars[0].exceptions[1].hours",
        [["09:00", "12:00"], ["11:00", "13:00"]],
        "calendars[0].exceptions[1].hours: the hours overlap",
    ),
    ("calendars[0].exceptions[1].date", "2027-03-10", "calendars[0].exceptions[1].date: "),
    ("calendars[0].attended.sat", [["09:00", "12:00"]], "calendars[0].attended.sat: not"),
    ("occurrences[0].resource", "FAB-OX-1", "occurrences[0].resource: FAB-OX-1 is batch"),
    ("occurrences[0].resource", "FAB-MPX", "occurrences[0].resource: 'FAB-MPX' is not"),
    ("occurrences[0].day", 3, "occurrences[0].day: give either day or date"),
    ("occurrences[0].date", DROP, "occurrences[0].day: give either day or date"),
    ("occurrences[0].closes_date", "2027-05-01", "occurrences[0].closes_date: registration"),
    ("occurrences[0].closes_day", 3, "occurrences[0].closes_day: give either"),
    ("occurrences[0].phases.out_day", 3, "occurrences[0].phases.out_day: give either"),
    ("routes[0].platforms[0]", "X", "routes[0].platforms[0]: 'X' is not among"),
    ("routes[0].class", "X", "routes[0].class: 'X' is not among the file's classes"),
    ("routes[0].flags", ["X"], "routes[0].flags[0]: 'X' is not among the file's flags"),
    ("routes[0].steps[1].seq", 1, "routes[0].steps[1].seq: 1 does not follow 1"),
    ("routes[0].steps[0].capability", "X", "routes[0].steps[0].capability: 'X' is not"),
    ("routes[0].steps[0].class_after", "X", "routes[0].steps[0].class_after: 'X' is not"),
    ("routes[0].steps[0].sets_flag", "X", "routes[0].steps[0].sets_flag: 'X' is not"),
    ("routes[0].steps[0].lag_max_min", 5, "routes[0].steps[0].lag_max_min: 5 is below"),
    ("routes[0].steps[0].candidates[0]", "X", "routes[0].steps[0].candidates[0]: 'X' is not"),
    (
        "routes[0].steps[0].candidates[0]",
        "FAB-ALN-1",
        "routes[0].steps[0].candidates[0]: FAB-ALN-1 cannot do 'OXIDE'",
    ),
    (
        "routes[0].steps[0].candidates[]",
        "FAB-OX-1",
        "routes[0].steps[0].candidates[1]: 'FAB-OX-1' is given twice",
    ),
    (
        "routes[0].steps[1].co_uses",
        [{"capability": "LITHE", "quantity": 1}],
        "routes[0].steps[1].co_uses[0].capability: 'LITHE' is not among",
    ),
    ("organisations", [{
        "code": "A", "name": {"zh": "甲", "en": "A"}, "size": "small", "priority": "KEY",
    }], "organisations[0].priority: 'KEY' is not among the file's priority_classes"),
    # A lot that nothing can take.
    ("routes[0].class", "GENERAL", "routes[0].steps[0].candidates: none can take the lot: "
     "FAB-OX-1 takes no class beyond CLEAN"),
    ("routes[0].flags", ["AU"], "routes[0].steps[0].candidates: none can take the lot: "
     "FAB-OX-1 must not see AU"),
    ("routes[0].wafer_mm", 75, "routes[0].steps[0].candidates: none can take the lot: "
     "FAB-OX-1 takes no wafers of 75 mm"),
    ("routes[0].steps[0].duration_min", 421, "routes[0].steps[0].candidates: none can take "
     "the lot: FAB-OX-1 has no recipe for it"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "fault"), BROKEN, ids=[f"{p}={v!r:.30}" for p, v, _ in BROKEN]
)
def test_each_fault_is_named_with_its_path(path: str, value: Any, fault: str) -> None:
    lines = faults_of(changed((path, value)))
    assert [line for line in lines if line.startswith(fault)], lines


def test_a_capability_that_nothing_can_do_is_named() -> None:
    text = changed(
        ("capabilities[]", {"code": "CMP", "name": {"zh": "抛光", "en": "CMP"}}),
        ("routes[0].steps[1].capability", "CMP"),
    )
    assert faults_of(text) == [
        "routes[0].steps[1].capability: no resource of the file can do 'CMP'"
    ]


def test_a_recipe_longer_than_the_hours_of_its_furnace_is_named() -> None:
    text = changed(
        ("resources[1].calendar", "DAY"), ("resources[1].recipes[1].duration_min", 511)
    )
    assert faults_of(text) == [
        "resources[1].recipes[1].duration_min: 511 exceeds the longest open stretch of DAY,"
        " 510"
    ]


def test_a_step_too_long_for_every_candidates_hours_is_named() -> None:
    text = changed(
        ("routes[0].steps[1].duration_min", 511),
        ("routes[0].steps[1].candidates", ["FAB-ALN-1"]),
    )
    assert faults_of(text) == [
        "routes[0].steps[1].candidates: none can take the lot: FAB-ALN-1 is never open for"
        " 511 min"
    ]


def test_all_faults_are_told_at_once_those_of_shape_and_those_between_the_parts() -> None:
    text = changed(
        ("resources[0].capacity", "one"),  # shape; the entry is left out of what follows
        ("resources[1].calendar", "RUNS"),
        ("resources[3].code", "FAB-OX-1"),
        ("travel[0].minutes", -1),
        ("travel[1].to", "SOUTH"),
        ("routes[0].steps[1].candidates", ["FAB-ALN-1", "FAB-ALN-9"]),
        ("calendars[0].weekly.tue", [["09:00", "12:00"], ["11:00", "13:00"]]),
        ("colour", "red"),
    )
    assert {line.partition(": ")[0] for line in faults_of(text)} == {
        "resources[0].capacity",
        "resources[1].calendar",
        "resources[3].code",
        "travel[0].minutes",
        "travel[1].to",
        "routes[0].steps[1].candidates[1]",  # FAB-ALN-1 is there, though its shape is wrong
        "calendars[0].weekly.tue",
        "occurrences[0].resource",  # FAB-MPW has been renamed
        "colour",
    }


def test_an_entry_of_a_wrong_shape_is_told_what_else_it_names_wrong() -> None:
    text = changed(
        ("resources[0].capacity", "one"),
        ("resources[0].calendar", "NEVER"),
        ("resources[0].platform", 7),  # of no shape: nothing more is said of it
        ("travel[0].minutes", -1),
        ("travel[0].to", "NOWHERE"),
    )
    assert [line.partition(": ")[0] for line in faults_of(text)] == [
        "travel[0].minutes",
        "resources[0].platform",
        "resources[0].capacity",
        "travel[0].to",
        "resources[0].calendar",
    ]


def test_what_nobody_knows_is_not_blamed_on_those_who_cannot_do_it() -> None:
    (line,) = faults_of(changed(("routes[0].steps[1].capability", "NO.SUCH")))
    assert line.startswith("routes[0].steps[1].capability: 'NO.SUCH' is not among")


def test_nothing_is_blamed_for_a_part_that_could_not_be_read() -> None:
    assert faults_of(changed(("calendars", "see the wall"))) == [
        "calendars: Not a valid list."
    ]
    assert faults_of(changed(("materials", DROP))) == [
        "materials: Missing data for required field."
    ]


def test_a_file_with_a_fault_in_every_entry_names_them_all() -> None:
    content = example()
    for resource in content["resources"]:
        resource["capacity"] = -1
    lines = faults_of(json.dumps(content))
    assert [line.partition(": ")[0] for line in lines] == [
        f"resources[{n}].capacity" for n in range(4)
    ]
