"""The board in a browser: what it draws, how it is driven, what it costs."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import expect

from platform_booking.accounts.models import Member, Organisation
from platform_booking.catalog.models import Outage, OutageKind
from platform_booking.clock import utcnow
from tests.board.viewing import cookie_of, draft_of, serve
from tests.factories import (
    MONDAY,
    make_booking,
    make_calendar,
    make_capability,
    make_member,
    make_occurrence,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

HOUR = timedelta(hours=1)
FROM = "from=2027-03-07T16:00Z"  # Monday 00:00 in the park
HOURS = {day: [["08:00", "20:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
BARS = ".board-row:not([hidden]) .bar"


class Park:
    """Two platforms with one resource of each kind, and something on all of them."""

    def __init__(self) -> None:
        with writing() as session:
            self.fab = make_platform(session, code="NFB", name_en="Fab", name_zh="纳米平台")
            self.other = make_platform(
                session, code="MEM", name_en="Pilot line", name_zh="中试线"
            )
            self.me = make_member(session)
            self.operator = make_operator(session, self.fab)
            mine = session.get(Organisation, self.me.organisation_id)
            rival = make_organisation(session, name_en="Rival Ltd", name_zh="对手公司")
            calendar = make_calendar(session, weekly=HOURS)
            etcher = make_resource(
                session,
                platform_id=self.fab.id,
                code="A-ETCH",
                name_en="Etcher",
                name_zh="刻蚀机",
                capabilities=("ETCH.DRIE",),
                calendar_id=calendar.id,
            )
            pool = make_resource(
                session, kind="pooled", platform_id=self.fab.id, code="B-POOL", capacity=4
            )
            furnace = make_resource(
                session, kind="batch", platform_id=self.fab.id, code="C-FURN", capacity=6
            )
            shuttle = make_resource(
                session,
                kind="event",
                platform_id=self.other.id,
                code="D-MPW",
                capacity=10000,
                unit="0.01 mm2",
            )
            self.order = make_order(
                session, resource=etcher, member=self.me, title="我们的谐振器"
            )
            booking = make_booking(session, resource=etcher, organisation=mine, minutes=240)
            serve(session, self.order, booking)
            make_booking(
                session,
                resource=etcher,
                organisation=rival,
                starts_at=MONDAY + 5 * HOUR,
                minutes=120,
            )
            theirs = make_order(session, resource=etcher, title="对手的沟槽")
            draft_of(session, theirs, booking, "new", MONDAY + 8 * HOUR)
            recipe = make_recipe(session, furnace, duration_min=180)
            run = make_occurrence(session, shuttle, starts_at=MONDAY + 24 * HOUR)
            for firm in (mine, rival):
                make_booking(session, resource=pool, organisation=firm, minutes=300)
                make_booking(
                    session,
                    resource=furnace,
                    organisation=firm,
                    minutes=180,
                    recipe_id=recipe.id,
                    quantity=2,
                )
                make_booking(
                    session,
                    resource=shuttle,
                    organisation=firm,
                    minutes=120,
                    quantity=2500,
                    occurrence_id=run.id,
                    starts_at=run.starts_at,
                )
            session.add(
                Outage(
                    resource_id=etcher.id,
                    starts_at=MONDAY + 48 * HOUR,
                    ends_at=MONDAY + 56 * HOUR,
                    kind=OutageKind.SCHEDULED,
                    reason="换泵",
                )
            )


Open = Callable[..., "Page"]


@pytest.fixture
def opened(app: Flask, live_url: str, page: "Page") -> Open:
    """Open an address of the board as a member, and wait for its first bar."""

    def open_(
        member: Member, query: str = "", *, lang: str = "en", bars: bool = True
    ) -> "Page":
        page.context.add_cookies(
            [
                {"name": "session", "value": cookie_of(app, member), "url": live_url},
                {"name": "lang", "value": lang, "url": live_url},
            ]
        )
        page.goto(f"{live_url}/board?{query}")
        if bars:
            page.wait_for_selector(BARS)
            page.wait_for_selector("[data-board][aria-busy=false]")
        return page

    return open_


@pytest.fixture
def park(app: Flask) -> Park:
    return Park()


def names(page: "Page") -> list[str]:
    return [str(bar.get_attribute("aria-label")) for bar in page.query_selector_all(BARS)]


def test_ours_is_drawn_in_full_and_everybody_elses_as_busy(
    opened: Open, park: Park
) -> None:
    page = opened(park.me, f"{FROM}&zoom=fortnight")
    told = names(page)

    assert any(
        "我们的谐振器" in name and "confirmed" in name and "03-08 08:00–12:00" in name
        for name in told
    )
    assert any(name == "03-08 13:00–15:00, Busy" for name in told)
    assert any("2 of 4 in use" in name for name in told)
    assert any("Run with 4 of 6 loaded" in name for name in told)
    assert any("50 mm² of 100 mm² taken" in name for name in told)
    assert any("planned outage, 换泵" in name for name in told)
    assert page.locator(".board-row .closed[d*=M]").count() == 1
    assert "Rival" not in page.content()
    assert "对手" not in page.content()


def test_an_operator_sees_titles_and_the_draft_beside(opened: Open, park: Park) -> None:
    page = opened(park.operator, f"{FROM}&zoom=week")
    assert any("对手公司" in name or "Rival Ltd" in name for name in names(page))
    assert not any("draft" in name for name in names(page))

    page.get_by_label("Draft plan").check()
    page.wait_for_selector(".bar.is-draft")

    assert any("new in the draft" in name and "对手的沟槽" in name for name in names(page))
    assert "draft=1" in page.url


@pytest.mark.parametrize("zoom", ["shift", "day", "week", "fortnight", "month"])
def test_the_mark_of_the_present_covers_no_date(
    opened: Open, park: Park, zoom: str
) -> None:
    just_before = utcnow() - timedelta(minutes=10)
    query = f"from={just_before:%Y-%m-%dT%H:%MZ}&zoom={zoom}"
    page = opened(park.me, query, bars=False)
    page.wait_for_selector("[data-board][aria-busy=false]")
    mark = page.locator(".board-now-label").bounding_box()
    assert mark is not None
    others = page.locator(".board-coarse, .board-fine")
    tops = [
        box["y"] for n in range(others.count()) if (box := others.nth(n).bounding_box())
    ]
    assert tops
    assert mark["y"] + mark["height"] <= min(tops)


def test_the_view_is_in_the_address_and_back_goes_back(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=week")

    page.get_by_role("button", name="Day", exact=True).click()
    page.wait_for_url(re.compile("zoom=day"))
    page.locator("[data-platforms] summary").click()
    page.locator("[data-platforms] input[value=MEM]").check()
    page.wait_for_url(re.compile("platform=MEM"))
    expect(page.locator(".board-row:not([hidden])")).to_have_count(2)
    assert page.locator("[data-platforms] summary").inner_text() == "Pilot line"

    page.go_back()
    page.wait_for_url(re.compile("zoom=day$"))
    expect(page.locator(".board-row:not([hidden])")).to_have_count(6)
    page.go_back()
    page.wait_for_url(re.compile("zoom=week"))
    assert page.locator("[data-zoom=week]").get_attribute("aria-pressed") == "true"

    page.goto(page.url.replace("zoom=week", "zoom=week&platform=MEM"))
    page.wait_for_selector(BARS)
    assert page.locator(".board-row:not([hidden])").count() == 2


def test_resources_are_found_by_code_name_and_capability(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=week")
    rows = page.locator(".board-row:not([hidden]):not(.is-group)")
    assert rows.count() == 4

    for text in ("a-etch", "刻蚀", "etch.drie", "fab etcher"):
        page.locator("[data-search]").fill(text)
        expect(page.locator(".board-row:not([hidden]):not(.is-group)")).to_have_count(1)
    page.locator("[data-search]").fill("no such thing")
    expect(page.locator(".board-row:not([hidden])")).to_have_count(0)
    assert page.locator("[data-says]").inner_text() == "No resource matches."


def test_the_keyboard_reaches_every_bar_and_opens_it(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=day")
    page.locator("[data-as-table]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "rowheader"

    page.keyboard.press("ArrowDown")
    assert "A-ETCH" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowRight")
    assert "我们的谐振器" in page.evaluate(
        "document.activeElement.getAttribute('aria-label')"
    )
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert page.locator("[data-details-title]").inner_text() == "我们的谐振器"
    assert "A-ETCH" in page.locator("[data-details-body]").inner_text()
    assert (
        page.locator("dialog a").first.get_attribute("href")
        == f"/orders/{park.order.public_id}"
    )
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")

    page.keyboard.press("ArrowRight")
    assert "Busy" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowDown")  # the bar of the next row that is nearest
    assert "2 of 4 in use" in page.evaluate(
        "document.activeElement.getAttribute('aria-label')"
    )
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "rowheader"
    page.keyboard.press("-")
    page.wait_for_url(re.compile("zoom=days"))
    assert "3 days from" in page.locator("[data-says]").inner_text()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".board-name[aria-expanded=false]")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"


def test_wheel_and_mouse_move_and_zoom_in_time(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=week")
    box = page.locator("[data-body]").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 50
    page.mouse.move(x, y)

    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    page.wait_for_url(re.compile("zoom=days"))

    before = re.compile(f"^(?!{re.escape(page.url)}$)")
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 300)
    page.keyboard.up("Shift")
    page.wait_for_url(before)
    before = re.compile(f"^(?!{re.escape(page.url)}$)")
    page.mouse.down()
    page.mouse.move(x - 200, y, steps=4)
    page.mouse.up()
    page.wait_for_url(before)
    assert page.locator("dialog[open]").count() == 0  # a drag is no click

    page.get_by_role("button", name="Today").click()
    page.wait_for_selector(".board-now:not([hidden])")


def test_a_click_opens_and_its_closing_returns_the_focus(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=day")
    page.locator(".bar.is-busy", has_not_text="/").first.click()
    page.wait_for_selector("dialog[open]")

    assert "Taken by somebody else." in page.locator("dialog").inner_text()
    page.get_by_role("button", name="Close").click()
    page.wait_for_selector("dialog[open]", state="detached")
    assert "Busy" in page.evaluate("document.activeElement.getAttribute('aria-label')")


@pytest.mark.parametrize("zoom", ["shift", "day", "week", "quarter"])
def test_no_bar_is_drawn_longer_than_it_lasts(opened: Open, park: Park, zoom: str) -> None:
    # The stay of 08:00 to 12:00 ends just before this view, which draws some time before it too.
    page = opened(park.operator, f"from=2027-03-08T04:30Z&zoom={zoom}&draft=1")

    drawn = page.evaluate(
        "[...document.querySelectorAll('.board-row:not([hidden]) .bar')]"
        ".map((bar) => [bar.ariaLabel, bar.getBoundingClientRect().width, parseFloat(bar.style.width)])"
    )

    assert [bar for bar in drawn if bar[1] > bar[2] + 0.5] == []


def test_news_are_drawn_without_a_reload(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=week")
    with writing() as session:
        resource_id = park.order.steps[0].resource_ids[0]
        make_booking(
            session,
            resource=session.get(type(make_resource(session)), resource_id),
            starts_at=MONDAY + 30 * HOUR,
            minutes=600,
        )

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    page.wait_for_selector("[aria-label^='03-09 14:00']")


def test_a_session_that_has_ended_is_said(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=week")
    page.context.clear_cookies()

    page.get_by_role("button", name="Later").click()

    page.wait_for_selector("[data-note]:not([hidden])")
    assert "no longer signed in" in page.locator("[data-note]").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened: Open, park: Park, page: "Page", scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(park.operator, f"{FROM}&zoom=fortnight&draft=1")
    faults = Axe().run(page).response["violations"]
    page.locator(".bar").first.click()
    page.wait_for_selector("dialog[open]")
    faults += Axe().run(page).response["violations"]
    page.goto(page.url + "&as=table")
    faults += Axe().run(page).response["violations"]

    assert [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in faults] == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1920, 1080)])
def test_nothing_runs_over_the_edge(
    opened: Open, park: Park, page: "Page", width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for query in (f"{FROM}&zoom=day", f"{FROM}&zoom=day&as=table"):
        opened(park.operator, query, lang="zh", bars="table" not in query)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_speaks_chinese(opened: Open, park: Park) -> None:
    page = opened(park.me, f"{FROM}&zoom=week", lang="zh")

    assert any("占用" in name for name in names(page))
    assert page.locator(".board-row.is-group").first.get_attribute("aria-label") is None
    assert "纳米平台" in page.locator(".board-row.is-group").first.inner_text()
    assert page.get_by_role("button", name="两周").count() == 1


def test_without_scripts_the_table_is_offered(
    app: Flask, live_url: str, page: "Page", park: Park
) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(
        [{"name": "session", "value": cookie_of(app, park.me), "url": live_url}]
    )
    plain = context.new_page()
    plain.goto(f"{live_url}/board?{FROM}&zoom=week&lang=en")

    plain.get_by_role("button", name="Show as table").click()

    expect(plain.get_by_role("heading", name="Board as table")).to_have_count(1)
    assert "as=table" in plain.url
    context.close()


# What it costs.

MANY = """
INSERT INTO booking (public_id, resource_id, platform_id, organisation_id, unary, starts_at, ends_at, quantity,
                     recipe_id, status, source, version, created_at, updated_at)
SELECT gen_random_uuid(), r.id, 0, CASE WHEN n % 5 = 0 THEN :mine ELSE :rival END, false,
       :monday + n * interval '400 minutes' + (r.id % 7) * interval '20 minutes',
       :monday + n * interval '400 minutes' + (r.id % 7) * interval '20 minutes' + interval '1 minute' * (60 + (n * 37 + r.id * 13) % 300),
       1, (SELECT min(c.id) FROM recipe c WHERE c.resource_id = r.id), 'confirmed', 'person', 1, now(), now()
  FROM resource r, generate_series(0, 49) n
"""


def crowd() -> tuple[Member, Member]:
    """Make 200 resources with 10,000 bookings of a fortnight; return an engineer and the park."""
    with writing() as session:
        me, park = make_member(session), make_park_admin(session)
        rival = make_organisation(session)
        platforms = [make_platform(session) for _ in range(8)]
        calendars = [make_calendar(session, weekly=HOURS) for _ in range(3)]
        make_capability(session, "ETCH.DRIE")
        for n in range(200):
            kind = "pooled" if n % 7 == 0 else "batch" if n % 11 == 0 else "unary"
            resource = make_resource(
                session,
                kind=kind,
                platform_id=platforms[n // 25].id,
                calendar_id=calendars[n % 3].id,
            )
            if kind == "batch":
                make_recipe(session, resource)
        session.execute(
            sa.text(MANY), {"mine": me.organisation_id, "rival": rival.id, "monday": MONDAY}
        )
    return me, park


FRAMES = """async (steps) => {
  const body = document.querySelector('[data-body]');
  const frame = () => new Promise(requestAnimationFrame);
  const spent = [];
  for (let n = 0; n < steps; n += 1) {
    const begun = performance.now();
    body.scrollTop += 60;
    body.dispatchEvent(new WheelEvent('wheel', { deltaX: 60, cancelable: true }));
    await frame(); await frame();
    spent.push(performance.now() - begun);
  }
  return spent.reduce((a, b) => a + b) / steps;
}"""


ROUGHEST = """() => Math.max(0, ...[...document.querySelectorAll('.bar.is-level')]
  .filter((bar) => bar.item.rough).map((bar) => bar.offsetWidth))"""


def test_ten_thousand_bookings_are_painted_soon_with_few_nodes(
    opened: Open, app: Flask
) -> None:
    engineer, park = crowd()
    for member, zooms in (
        (engineer, ("fortnight", "quarter", "day")),
        (park, ("fortnight", "quarter")),
    ):
        for zoom in zooms:
            page = opened(member, f"{FROM}&zoom={zoom}")
            painted = page.evaluate("performance.now()")
            nodes = page.evaluate("document.querySelectorAll('*').length")
            step = page.evaluate(FRAMES, 40)
            after = page.evaluate("document.querySelectorAll('*').length")
            size = page.evaluate(
                "performance.getEntriesByType('resource').filter((r) => r.name.includes('/feed'))"
                ".reduce((sum, r) => sum + r.decodedBodySize, 0)"
            )
            print(
                f"{'park' if member is park else 'engineer'} {zoom}: painted {painted:.0f} ms, {nodes} nodes,"
                f" {after} after scrolling, {step:.1f} ms a step, {size / 1024:.0f} KiB of feed"
            )
            assert max(nodes, after) < 3500
            widest = page.evaluate(ROUGHEST)
            assert widest < 45, "a step told by its most covers more than a glance"
            assert painted < 15_000
            assert step < 500
