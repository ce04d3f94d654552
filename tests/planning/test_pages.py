"""The pages of plans in a browser: alive, by keyboard, on a phone, for every eye."""

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import expect

from platform_booking.clock import utcnow
from platform_booking.planning.models import Approval, JobRequest, Plan
from platform_booking.planning.states import ApprovalState, PlanState
from tests.board.viewing import cookie_of
from tests.factories import writing
from tests.planning.reviewed import Reviewed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

KINDS = ("new", "moved", "left_out", "kept")


@pytest.fixture
def plan(app: Flask) -> Reviewed:
    return Reviewed(app)


@pytest.fixture
def seen(app: Flask, plan: Reviewed, live_url: str, page: "Page") -> "Page":
    """A page of the operator."""
    page.context.add_cookies(
        [{"name": "session", "value": cookie_of(app, plan.operator), "url": live_url}]
    )
    return page


def change(plan: Reviewed, **values: object) -> None:
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        for name, value in values.items():
            setattr(row, name, value)


def test_a_search_is_watched_until_it_is_done(
    plan: Reviewed, live_url: str, seen: "Page"
) -> None:
    report = {
        "phase": "improve", "wave": 2, "value": 12345, "seconds": 7.5, "bound": None,
        "rate": 1234.5, "left": 47.5,
    }  # fmt: skip
    change(plan, state=PlanState.RUNNING, progress=report)
    seen.goto(f"{live_url}{plan.path}?lang=en")
    told = seen.get_by_role("status")
    expect(told).to_have_text(
        "Improving, 7.5 s; value so far 12,345; 1,235 more a second, 48 s to go",
        timeout=20_000,
    )
    change(plan, progress={**report, "phase": "explain", "seconds": 9, "bound": 20000})
    expect(told).to_have_text(
        "Finding reasons and ways out, 9 s; value so far 12,345; proven bound 20,000",
        timeout=20_000,
    )
    change(plan, state=PlanState.DRAFT)
    expect(seen.get_by_role("button", name="Approve")).to_be_visible(timeout=20_000)


def test_a_publication_is_watched_until_it_is_done(
    plan: Reviewed, live_url: str, seen: "Page"
) -> None:
    with writing() as session:
        row = JobRequest(
            job="publish", subject={"plan": plan.row_id}, requested_at=utcnow()
        )
        session.add(row)
    seen.goto(f"{live_url}{plan.path}?lang=en")
    expect(seen.get_by_role("status")).to_have_text("The publication is under way …")
    with writing() as session:
        session.get_one(JobRequest, row.id).finished_at = utcnow()
        session.get_one(Plan, plan.row_id).state = PlanState.PUBLISHED
    expect(seen.locator("h1 .badge")).to_have_text("published", timeout=20_000)
    expect(seen.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_plan_is_approved_by_keyboard_alone(
    plan: Reviewed, live_url: str, seen: "Page"
) -> None:
    seen.goto(f"{live_url}{plan.path}?lang=en")
    seen.get_by_label(plan.mine.name_en).focus()
    seen.keyboard.press("Tab")
    seen.keyboard.type("checked with the fab")
    seen.keyboard.press("Tab")
    seen.keyboard.press("Enter")
    expect(seen.get_by_text("checked with the fab")).to_be_visible()
    with writing() as session:
        said = session.get_one(Approval, (plan.row_id, plan.mine.id))
    assert (said.state, said.note) == (ApprovalState.APPROVED, "checked with the fab")


@pytest.mark.parametrize("width", [360, 1920])
def test_nothing_runs_over_the_edge(
    plan: Reviewed, live_url: str, seen: "Page", width: int
) -> None:
    seen.set_viewport_size({"width": width, "height": 800})
    for path in ("/plans", *(f"{plan.path}?show={kind}" for kind in KINDS)):
        for lang in ("zh", "en"):
            seen.goto(f"{live_url}{path}{'&' if '?' in path else '?'}lang={lang}")
            seen.evaluate(
                "document.querySelectorAll('details').forEach(d => d.open = true)"
            )
            assert seen.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    plan: Reviewed, live_url: str, seen: "Page", scheme: Any
) -> None:
    seen.emulate_media(color_scheme=scheme)
    faults = []
    for path in ("/plans", *(f"{plan.path}?show={kind}" for kind in KINDS)):
        seen.goto(f"{live_url}{path}")
        seen.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        faults += [
            (path, fault["id"], [n["html"][:150] for n in fault["nodes"]])
            for fault in Axe().run(seen).response["violations"]
        ]
    assert faults == []
