"""The order form in a browser: rows without a round trip, and no second order by a slip."""

import re

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page, expect

from platform_booking.accounts import passwords
from platform_booking.orders.models import Order
from tests.factories import make_member, make_resource, writing

PASSWORD = "a long pass word"


@pytest.fixture
def form(app: Flask, live_url: str, page: Page) -> Page:
    """Sign an engineer in and open the form."""
    with writing() as session:
        engineer = make_member(session, password_hash=passwords.hashed(PASSWORD))
        for code, able in {
            "ETC-1": ("ETCH.DRIE",),
            "TST-1": ("TEST.CP",),
            "ALL-1": ("ETCH.DRIE", "TEST.CP"),
        }.items():
            make_resource(session, code=code, capabilities=able)
    page.goto(f"{live_url}/sign-in?lang=en")
    page.fill("[name=email]", engineer.email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.goto(f"{live_url}/orders/new")
    return page


def orders() -> list[Order]:
    with writing() as session:
        found = list(session.scalars(sa.select(Order).order_by(Order.id)))
        for order in found:
            _ = order.steps
        return found


def tools(page: Page, row: int) -> list[str]:
    """Return the tools that a row's list offers."""
    options = page.locator(f"[name='steps[{row}].resources[0]'] option")
    return sorted(o.get_attribute("value") for o in options.all())


@pytest.mark.browser
def test_steps_are_added_and_taken_away_and_the_order_is_handed_in(form: Page) -> None:
    expect(form.locator("[data-when=steps]")).to_be_hidden()
    form.check("#k-steps")
    expect(form.locator("[data-when=route]")).to_be_hidden()
    expect(form.locator("[data-remove]")).to_be_hidden()  # a lone step stays
    assert tools(form, 0) == ["", "ALL-1", "ETC-1", "TST-1"]
    form.select_option("[name='steps[0].capability']", "ETCH.DRIE")
    assert tools(form, 0) == ["", "ALL-1", "ETC-1"]
    form.fill("[name='steps[0].duration_min']", "2")
    expect(form.locator("[name='steps[0].lag_min_min']")).to_be_hidden()
    for _ in range(2):
        form.click("[data-add]")
    expect(form.locator("[data-number]").nth(2)).to_have_text("3")
    expect(form.locator("[name='steps[2].capability']")).to_be_focused()
    form.select_option("[name='steps[2].resources[0]']", "TST-1")
    expect(form.locator("[name='steps[2].capability']")).to_have_value("TEST.CP")
    form.fill("[name='steps[2].lag_max_min']", "4")
    form.locator("[data-remove]").nth(1).click()
    expect(form.locator("[data-number]")).to_have_text(["1", "2"])
    form.get_by_role("button", name="Check and show the earliest date").click()
    expect(form.locator("[role=status]")).to_contain_text("Every rule is kept.")
    assert orders() == []
    form.dblclick("button[value=submit]")
    form.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}"))
    (order,) = orders()
    assert [s.duration_min for s in order.steps] == [120, 60]
    expect(form.locator("h1")).to_contain_text(order.title)


@pytest.mark.browser
def test_the_way_back_and_a_second_try_lead_to_the_first_order(form: Page) -> None:
    form.check("#k-steps")
    form.select_option("[name='steps[0].capability']", "TEST.CP")
    form.click("button[value=submit]")
    form.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}"))
    first = form.url
    form.go_back()
    form.check("#k-steps")
    form.select_option("[name='steps[0].capability']", "TEST.CP")
    form.click("button[value=submit]")
    form.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}"))
    assert form.url == first
    assert len(orders()) == 1
    form.click("details.withdraw summary")
    form.click("details.withdraw button")
    expect(form.locator("h1")).to_contain_text("withdrawn")


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_usable_by_everybody_and_fit_a_phone(
    form: Page, theme: str, live_url: str
) -> None:
    form.emulate_media(color_scheme=theme)
    form.set_viewport_size({"width": 360, "height": 740})
    form.reload()
    form.check("#k-steps")
    form.click("[data-add]")
    form.fill("[name='steps[0].duration_min']", "long")
    form.click("button[value=submit]")
    expect(form.locator("[aria-invalid=true]").first).to_be_visible()
    clean(form)
    form.fill("[name='steps[0].duration_min']", "")
    form.select_option("[name='steps[0].capability']", "TEST.CP")
    form.click("button[value=submit]")
    form.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}"))
    clean(form)
    form.goto(f"{live_url}/orders")
    clean(form)


def clean(page: Page) -> None:
    """Assert that axe finds nothing and that nothing runs out of the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
