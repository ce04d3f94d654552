"""The catalogue's pages in a browser: judged by axe, on a phone, by keyboard."""

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask

from platform_booking.catalog.models import Resource
from tests.board.viewing import cookie_of
from tests.catalog.looking import Park
from tests.factories import writing

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGES = (
    "/platforms", "/platforms/FAB", "/resources/ETCH-1", "/resources/POOL-1",
    "/resources/FURN-1", "/resources/MPW-1",
)  # fmt: skip


@pytest.fixture
def seen(app: Flask, live_url: str, page: "Page") -> "Page":
    """Open a browser for the operator of a small park with an outage and demo data."""
    park = Park()
    park.outage(park.etcher)
    with writing() as session:
        session.get_one(Resource, park.furnace.id).demo = True
    page.context.add_cookies(
        [{"name": "session", "value": cookie_of(app, park.operator), "url": live_url}]
    )
    page.set_default_timeout(20_000)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(live_url: str, seen: "Page", scheme: Any) -> None:
    seen.emulate_media(color_scheme=scheme)
    faults = []
    for path in PAGES:
        seen.goto(live_url + path + "?lang=en")
        seen.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        faults += [
            (path, f["id"], [n["html"][:200] for n in f["nodes"]])
            for f in Axe().run(seen).response["violations"]
        ]
    assert faults == [], "\n".join(map(str, faults))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_what_an_engineer_sees(
    app: Flask, live_url: str, page: "Page", scheme: Any
) -> None:
    park = Park()
    page.context.add_cookies(
        [{"name": "session", "value": cookie_of(app, park.engineer), "url": live_url}]
    )
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_url}/resources/ETCH-1?lang=zh")
    found = Axe().run(page).response["violations"]
    assert [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in found] == []


@pytest.mark.parametrize("width", [360, 1920])
def test_nothing_runs_over_the_edge(live_url: str, seen: "Page", width: int) -> None:
    seen.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        for lang in ("zh", "en"):
            seen.goto(f"{live_url}{path}?lang={lang}")
            seen.evaluate(
                "document.querySelectorAll('details').forEach(d => d.open = true)"
            )
            assert seen.evaluate("document.documentElement.scrollWidth") <= width, path


def test_an_outage_is_declared_by_keyboard_alone(live_url: str, seen: "Page") -> None:
    seen.goto(f"{live_url}/resources/POOL-1?lang=en")
    seen.locator("summary", has_text="Declare an outage").focus()
    seen.keyboard.press("Enter")
    seen.locator("#f-reason").focus()
    seen.keyboard.type("pump")
    seen.keyboard.press("Enter")
    seen.wait_for_selector("text=Declared.")
    assert seen.locator("#outages").get_by_text("pump").count() == 1
