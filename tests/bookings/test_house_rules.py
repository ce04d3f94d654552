"""House rules for who may book what with whom: each has a test that names it."""

import ast
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from platform_booking.bookings import rulebook
from platform_booking.bookings.picked import Asker, Buddy, ClassWindow, QuotaUse
from platform_booking.bookings.rules import RULES, SOFT, remaining, violations
from platform_booking.bookings.rules.caps import barred_until
from platform_booking.catalog.fileformat import PolicySchema
from platform_booking.catalog.hours import Hours
from platform_booking.errors import Violation
from tests.bookings.test_rules import (
    DAY,
    HOUR,
    NOW,
    SHANGHAI,
    _english,
    broken,
    pick,
    slot,
    tool,
)
from tests.factories import MONDAY

__all__ = ["_english"]  # sentences need a language
DOC = Path(__file__).parent.parent.parent / "docs" / "rules.md"
DAYTIME = Hours(week=(((8 * 60, 18 * 60),),) * 5 + ((), ()), keeps_holidays=False)
NIGHT = Hours(
    week=(((0, 480), (1080, 1440)),) * 5 + (((0, 1440),),) * 2, keeps_holidays=False
)


def run_by(on=None, asked=None, **by):
    """A slot on a tool that a member runs himself, in the park's zone."""
    return pick(asked, tool(self_run=True, **(on or {})), by=Asker(**by), zone=SHANGHAI)


def by_staff(picked):
    return replace(picked, by=replace(picked.by, runs_it=False))


def test_every_rule_has_a_test_that_names_it() -> None:
    named = {
        node.name
        for path in Path(__file__).parent.glob("test_*rules.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert [c for c in RULES if not any(n.startswith(f"test_{c}") for n in named)] == []


def test_the_book_of_rules_is_what_the_rules_say() -> None:
    assert DOC.read_text(encoding="utf-8") == rulebook.text()


def test_rules_name_keys_that_a_policy_has() -> None:
    keys = {key for rule in RULES.values() for key in rule.policy}
    assert keys <= PolicySchema().fields.keys()


def test_staff_set_soft_rules_aside_and_hard_ones_never() -> None:
    both = [Violation("too_long", "x"), Violation("no_contract", "y")]
    assert {"too_long"} <= SOFT
    assert "no_contract" not in SOFT
    assert remaining(both, reason="why", staff=True) == (both[1:], ("too_long",))
    assert remaining(both, reason="", staff=True) == (both, ())
    left, aside = remaining(both, reason="why", staff=False)
    assert [v.rule for v in left] == ["too_long", "no_contract", "not_staff"]
    assert aside == ()


def test_a_refusal_carries_the_limit_and_what_stands_against_it() -> None:
    (told,) = violations(run_by({"most_min": 60}, slot(hours=2)), now=NOW)
    assert told.told() == {
        "rule": "too_long",
        "message": told.message,
        "where": "ends_at",
        "limit": 60,
        "actual": 120,
    }
    assert "60" in told.message
    assert "120" in told.message


def test_caps_are_lifted_at_off_peak_hours() -> None:
    """A stay within them is not bound and does not count; one that begins before is."""
    night = ((MONDAY + 10 * HOUR, MONDAY + 15 * HOUR),)  # 18:00 to 23:00 there
    on = {"lifted": NIGHT, "most_min": 60, "per_day": 1, "future_min": 120, "gap_min": 60}
    assert broken(run_by(on, slot(at=10 * HOUR, hours=5))) == {}
    assert "too_long" in broken(run_by(on, slot(at=9 * HOUR, hours=5)))
    assert broken(run_by(on, slot(at=9.5 * HOUR, hours=0.5), held=night)) == {}
    assert "per_day" in broken(
        run_by({**on, "lifted": None}, slot(at=9.5 * HOUR, hours=0.5), held=night)
    )


def test_horizon_and_notice_are_never_lifted() -> None:
    on = {"lifted": NIGHT, "horizon_days": 1, "notice_hours": 96}
    found = broken(run_by(on, slot(at=12 * HOUR)))
    assert found.keys() == {"beyond_horizon", "short_notice"}


def test_per_day_counts_a_stay_over_midnight_on_both_days() -> None:
    """NEMO counts only stays that begin and end on one day; such a one is free there."""
    over = ((MONDAY + 15 * HOUR, MONDAY + 18 * HOUR),)  # 23:00 to 02:00 there
    for at in (HOUR, 20 * HOUR):
        assert broken(run_by({"per_day": 1}, slot(at=at), held=over)) == {
            "per_day": "starts_at"
        }
    assert broken(run_by({"per_day": 1}, slot(at=41 * HOUR), held=over)) == {}
    asked = slot(at=15.5 * HOUR, hours=2)  # over midnight itself
    tomorrow = ((MONDAY + 30 * HOUR, MONDAY + 31 * HOUR),)
    assert "per_day" in broken(run_by({"per_day": 1}, asked, held=tomorrow))


def test_per_day_counts_a_missed_stay() -> None:
    missed = ((MONDAY, MONDAY + HOUR),)
    assert "per_day" in broken(run_by({"per_day": 1}, slot(at=4 * HOUR), past=missed))


def test_future_bookings() -> None:
    held = ((MONDAY + DAY, MONDAY + DAY + HOUR), (MONDAY + 2 * DAY, MONDAY + 2.1 * DAY))
    picked = run_by({"future_count": 2}, held=held)
    assert broken(picked) == {"future_bookings": "starts_at"}
    assert broken(run_by({"future_count": 3}, held=held)) == {}
    assert broken(by_staff(picked)) == {}


def test_rolling() -> None:
    """At most 4 h in any 3 days: 3 h two days ago and 1 h tomorrow leave none today."""
    held = ((MONDAY + DAY, MONDAY + DAY + HOUR),)
    past = ((MONDAY - 2 * DAY, MONDAY - 2 * DAY + 2 * HOUR),)
    on = {"rolling": ((240, 3),)}
    assert broken(run_by(on, slot(hours=2), held=held)) == {}
    assert broken(run_by(on, slot(hours=2), past=past)) == {}
    # From two days ago to tomorrow's hour are more than three days: 2 + 2 are within.
    assert broken(run_by(on, slot(hours=2), held=held, past=past)) == {}
    assert broken(run_by(on, slot(hours=2.5), held=held, past=past)) == {
        "rolling": "ends_at"
    }
    assert broken(by_staff(run_by(on, slot(hours=5)))) == {}


def test_banned() -> None:
    """Three within thirty days bar for ten days from the third on."""
    on = {"no_show_limit": 3, "no_show_days": 30, "ban_days": 10}
    missed = tuple(NOW - n * DAY for n in (25, 12, 4))
    assert broken(run_by(on, no_shows=missed)) == {"banned": "resource_id"}
    assert broken(run_by(on, no_shows=missed[:2])) == {}
    assert broken(by_staff(run_by(on, no_shows=missed))) == {}
    served = tuple(NOW - n * DAY for n in (35, 25, 10))
    assert broken(run_by(on, no_shows=served)) == {}
    rare = barred_until(missed, limit=3, within=20 * DAY, length=DAY)
    assert rare is None


def test_level_hours() -> None:
    by = {
        "qualification_needed": "DRIE",
        "qualified": True,
        "level": "day",
        "level_hours": DAYTIME,
    }
    assert broken(run_by(asked=slot(hours=10), **by)) == {}  # 08:00 to 18:00
    assert broken(run_by(asked=slot(hours=11), **by)) == {"level_hours": "starts_at"}
    assert broken(run_by(asked=slot(hours=11), **by | {"level_hours": None})) == {}


def test_no_nda() -> None:
    secret = tool(nda_needed=True)
    assert broken(pick(on=secret, by=Asker(nda_on_file=False))) == {"no_nda": ""}
    assert broken(pick(on=secret)) == {}


def test_licence_use() -> None:
    """Without a project it is commercial work."""
    seats = tool(licence_use=frozenset({"teaching", "academic"}))
    assert broken(pick(on=seats)) == {"licence_use": "project_id"}
    assert broken(pick(on=seats, by=Asker(purpose="academic"))) == {}
    free = tool(licence_use=None)
    assert broken(pick(on=free)) == {}


@pytest.mark.parametrize("of_project", [False, True])
def test_quota(of_project: bool) -> None:
    use = QuotaUse(
        period="week",
        span=(MONDAY - 24 * HOUR, MONDAY + 144 * HOUR),
        limit_min=600,
        held_min=540,
        of_project=of_project,
    )
    assert broken(pick(by=Asker(quotas=(use,)))) == {}
    over = replace(use, held_min=545)
    assert broken(pick(by=Asker(quotas=(over,)))) == {"quota": "ends_at"}
    (told,) = violations(pick(by=Asker(quotas=(over,))), now=NOW)
    assert (told.limit, told.actual) == (600, 605)
    assert "55 at most" in told.message  # what is left


def test_taken_back() -> None:
    on = tool(taken_back=((MONDAY, MONDAY + HOUR),))
    assert broken(pick(on=on)) == {"taken_back": "starts_at"}
    assert broken(pick(slot(at=HOUR), on)) == {}


def test_buddy_needed() -> None:
    """From 18:00 on nobody works alone."""
    on = {"offhours": NIGHT}
    late = slot(at=9 * HOUR, hours=2)
    assert broken(run_by(on, slot(at=9 * HOUR))) == {}
    assert broken(run_by(on, late)) == {"buddy_needed": "buddy_id"}
    assert broken(run_by(on, late, buddy=Buddy())) == {}
    assert broken(by_staff(run_by(on, late))) == {}


def test_buddy_unknown() -> None:
    assert broken(run_by(buddy=Buddy(known=False))) == {"buddy_unknown": "buddy_id"}


def test_buddy_is_runner() -> None:
    assert broken(run_by(buddy=Buddy(runner=True))) == {"buddy_is_runner": "buddy_id"}


def test_buddy_not_qualified() -> None:
    named = {"buddy_not_qualified": "buddy_id"}
    assert broken(run_by(buddy=Buddy(qualified=False))) == named
    expired = Buddy(qualified_until=date(2027, 3, 7))
    assert broken(run_by(buddy=expired)) == named
    assert broken(run_by(buddy=replace(expired, qualified_until=date(2027, 3, 8)))) == {}


def test_buddy_elsewhere() -> None:
    there = Buddy(elsewhere=((MONDAY, MONDAY + HOUR),))
    assert broken(run_by(buddy=there)) == {"buddy_elsewhere": "buddy_id"}
    assert broken(run_by(asked=slot(at=HOUR), buddy=there)) == {}


def test_promised_as_buddy() -> None:
    stays = ((MONDAY + HOUR, MONDAY + 2 * HOUR),)
    on = {"offhours": NIGHT}
    asked = slot(hours=2)
    assert broken(run_by(on, asked, buddy_elsewhere=stays)) == {
        "promised_as_buddy": "starts_at"
    }
    assert broken(run_by(on, slot(hours=1), buddy_elsewhere=stays)) == {}


def test_area_needed() -> None:
    on = {"requires": ("AREA.WET", "UTIL.N2")}
    day = ((MONDAY, MONDAY + 24 * HOUR),)
    assert broken(run_by(on, has={"AREA.WET": day})) == {"area_needed": "resource_id"}
    assert broken(run_by(on, has=dict.fromkeys(on["requires"], day))) == {}
    short = {"AREA.WET": day, "UTIL.N2": ((MONDAY, MONDAY + HOUR / 2),)}
    assert broken(run_by(on, has=short)) == {"area_needed": "resource_id"}


def test_class_window() -> None:
    """Gold goes in on weekdays from 08:00 to 18:00."""
    window = ClassWindow(
        classes=frozenset({"METAL"}), flags=frozenset({"AU"}), hours=DAYTIME
    )
    on = tool(class_windows=(window,))
    late = slot(at=9 * HOUR, hours=2)
    named = {"class_window": "starts_at"}
    assert broken(pick(late, on, zone=SHANGHAI)) == {}
    assert broken(pick(replace(late, flags=("AU",)), on, zone=SHANGHAI)) == named
    assert broken(pick(late, on, zone=SHANGHAI, class_code="METAL")) == named
    early = replace(slot(hours=2), flags=("AU",))
    assert broken(pick(early, on, zone=SHANGHAI)) == {}


def test_a_year_of_stays_is_judged_within_a_blink() -> None:
    held = tuple((MONDAY + n * DAY, MONDAY + n * DAY + HOUR) for n in range(1, 60))
    on = {"per_day": 9, "rolling": ((6000, 30),), "lifted": NIGHT, "gap_min": 60}
    assert broken(run_by(on, held=held)) == {}
