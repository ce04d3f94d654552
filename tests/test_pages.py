"""Every page in a browser: both languages, light and dark, for a reader and on a phone.

The reader is asked (axe) in one of both languages and themes, of the next page in the other,
with `--whole` in both. No page asks another machine for anything, breaks its content security policy, writes an
error to the console, or runs what a firm typed into its texts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from flask import Flask

from tests.factories import writing
from tests.security.park import Park, built
from tests.security.recipes import RECIPES
from tests.security.test_policy_walk import Cell, _Filler, routes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ROLES = ("anonymous", "engineer_a", "admin_a", "operator_1", "park", "kiosk_1")
NOT_PAGES = (
    "static", "bootstrap.static", "web.healthz", "web.readyz", "api-docs.openapi_json",
    "swagger_ui.show", "board.feed", "usage.sheet", "plans.progress", "plans.events",
    "plans.forcing_progress",
    "feeds.calendar", "exchange.download",
)  # fmt: skip
# Views of pages that an address of its own opens; `$name` is an id of the park.
MORE = {
    "/plans/{plan}?show=left_out": ("operator_1",),
    "/plans/{plan}?show=late": ("operator_1",),
    "/plans/{plan}?show=kept": ("operator_1",),
    "/board?from={from}": ("engineer_a", "operator_1"),
    "/orders/new?capability=ETCH.DRIE": ("engineer_a",),
    "/find": ("engineer_a",),
    "/find?capability=TEST.ANY&with=TEST.ANY&more=1": ("engineer_a",),
    "/bookings/new": ("engineer_a", "operator_1"),
    "/bookings?show=past": ("engineer_a",),
    "/nowhere": ("anonymous", "engineer_a"),
    "/staff/nowhere": ("park",),
    "/organisations": ("engineer_a",),  # 403
}
SCRIPT = '"><img src=x onerror="window.harmed = 1"><script>window.harmed = 1</script>'
TEXTS = {
    "organisation": ("name_zh", "name_en", "contract_ref"),
    "member": ("name",),
    "project": ("name", "code"),
    "orders": ("title", "note"),
    "step": ("name",),
    "outage": ("reason",),
    "approval": ("note",),
}
FAST_AXE = {"resultTypes": ["violations"]}
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def park(app: Flask) -> Park:
    """The walk's park; every text that a person can type tries to run as a script."""
    made = built(app)
    with writing() as session:
        for table, columns in TEXTS.items():
            for column in columns:
                session.execute(
                    sa.text(f"UPDATE {table} SET {column} = {column} || :script"),
                    {"script": SCRIPT},
                )
    return made


class Watched:
    """A browser's window of one member, in one language and theme; keeps what goes wrong."""

    def __init__(self, page: "Page", url: str, who: str) -> None:
        self.page, self._url, self._who = page, url, who
        self.faults: list[str] = []
        self._path, self._status = "", 0
        page.on("request", lambda r: self._asked(r.url))
        page.on("response", lambda r: self._answered(r.url, r.status))
        page.on("pageerror", lambda e: self.fault(f"script: {e}"))
        page.on(
            "console",
            lambda said: (
                self.fault(f"console: {said.text}") if said.type == "error" else None
            ),
        )

    def fault(self, what: str) -> None:
        page_itself = "Failed to load resource" in what and self._status >= 400
        if not page_itself:
            self.faults.append(f"{self._path} as {self._who}: {what}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).hostname not in (None, "", "127.0.0.1"):
            self.fault(f"asked another machine: {url}")

    def _answered(self, url: str, status: int) -> None:
        if urlsplit(url).path == urlsplit(self._path).path:
            self._status = status
        elif status >= 400:
            self.fault(f"{url} answered {status}")

    def open(self, path: str) -> int:
        self._path, self._status = path, 0
        loaded = "networkidle" if path.startswith("/board") else "load"
        answer = self.page.goto(self._url + path, wait_until=loaded)
        assert answer is not None
        if answer.status >= 500:
            self.fault(f"answered {answer.status}")
        return answer.status

    def judge(self, options: dict[str, Any]) -> None:
        """Let axe look at the page."""
        found = Axe().run(self.page, options=options).response["violations"]
        for violation in found:
            if violation["impact"] in {"serious", "critical"}:
                where = [n["html"][:160] for n in violation["nodes"][:3]]
                self.fault(f"{violation['id']} ({self._look()}): {where}")

    def _look(self) -> str:
        return str(self.page.evaluate("document.documentElement.dataset.bsTheme"))

    def expect_language(self, lang: str) -> None:
        found = self.page.evaluate("document.documentElement.lang")
        if found != lang:
            self.fault(f"its language is {found}, not {lang}")

    def expect_theme(self, theme: str) -> None:
        if self._look() != theme:
            self.fault(f"is {self._look()}, not {theme}")

    def switch_theme(self, to: str) -> None:
        """Press the switch; what the colours are in the dark, the dark window judges."""
        self.page.locator("[data-theme-switch]").first.evaluate("e => e.click()")
        self.expect_theme(to)

    def expect_to_fit_a_phone(self) -> None:
        self.page.set_viewport_size(PHONE)
        wide = self.page.evaluate(
            "[document.documentElement.scrollWidth, innerWidth,"
            " [...document.querySelectorAll('body *')].filter(e =>"
            " e.getBoundingClientRect().right > innerWidth + 1 &&"
            " !e.closest('.table-responsive, .visually-hidden, [data-scrolls], .overflow-auto'))"
            ".slice(0, 2).map(e => e.outerHTML.slice(0, 120))]"
        )
        if wide[0] > wide[1]:
            self.fault(f"is {wide[0]} px wide on a phone: {wide[2]}")
        squeezed = self.page.evaluate(
            "[...document.querySelectorAll('.table-responsive > table:not(.w-auto) td')]"
            ".filter(e => e.clientWidth && e.clientWidth < 64 && e.innerText.length > 12)"
            ".slice(0, 2).map(e => e.outerHTML.slice(0, 120))"
        )
        if squeezed:
            self.fault(f"squeezes its list on a phone: {squeezed}")
        self.page.set_viewport_size(WIDE)

    def expect_no_harm(self) -> None:
        if self.page.evaluate("window.harmed"):
            self.fault("ran a script that a person had typed")


@contextmanager
def window(
    browser: "Browser", url: str, park: Park, who: str, *, lang: str, scheme: Any
) -> Iterator[Watched]:
    context = browser.new_context(
        viewport=WIDE,
        color_scheme=scheme,
        reduced_motion="reduce",  # no colour is judged half-way
        timezone_id="Asia/Shanghai",
        locale=lang,
    )
    cookies = {"lang": "en" if lang == "en" else "zh"}
    session = park.visitors[who].get_cookie("session")
    if session is not None:
        cookies["session"] = session.value
    kiosk = park.visitors[who].get_cookie("kiosk", path="/kiosk")
    if kiosk is not None:
        cookies["kiosk"] = kiosk.value
    context.add_cookies([{"name": n, "value": v, "url": url} for n, v in cookies.items()])
    try:
        yield Watched(context.new_page(), url, who)
    finally:
        context.close()


def addresses(app: Flask, park: Park) -> dict[str, list[str]]:
    """Return the pages that each role opens."""
    fill = _Filler(park.ids, public=park.ids)
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    for method, endpoint in routes(app):
        if method != "GET" or endpoint in NOT_PAGES or endpoint.endswith("_api"):
            continue
        if endpoint.partition(".")[0].endswith("_api"):
            continue
        recipe = RECIPES[f"GET {endpoint}"]
        path = app.url_map.bind("localhost").build(endpoint, fill(recipe.path))
        if recipe.query:
            path += "?" + urlencode(fill(recipe.query))
        for role in ROLES:
            cell = Cell("GET", endpoint, role)
            # A page that looks alike to several roles is opened by firm and by staff.
            alike = role == "admin_a" and not Cell("GET", endpoint, "engineer_a").refused
            alike |= role == "park" and not Cell("GET", endpoint, "operator_1").refused
            alike |= role != "anonymous" and cell.permission.roles is None
            if endpoint == "home.index" or not (cell.refused or alike):
                found[role].append(path)
    for path, roles in MORE.items():
        for role in roles:
            found[role].append(path.format(**park.ids))
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_fit_for_everybody(
    app: Flask,
    park: Park,
    live_url: str,
    browser: "Browser",
    role: str,
    request: pytest.FixtureRequest,
) -> None:
    paths = addresses(app, park)[role]
    whole = request.config.getoption("--whole")
    assert len(paths) >= 2
    faults: list[str] = []
    with window(browser, live_url, park, role, lang="zh-CN", scheme="light") as seen:
        for path in paths:
            seen.open(path)
            seen.expect_language("zh-CN")
            if whole or path in paths[::2]:
                seen.judge(FAST_AXE)
            seen.expect_no_harm()
            seen.expect_to_fit_a_phone()
            seen.switch_theme("dark")
            seen.switch_theme("light")
        faults += seen.faults
    with window(browser, live_url, park, role, lang="en", scheme="dark") as seen:
        for path in paths:
            seen.open(path)
            seen.expect_language("en")
            seen.expect_theme("dark")
            if whole or path in paths[1::2]:
                seen.judge(FAST_AXE)
            seen.expect_to_fit_a_phone()
        faults += seen.faults
    assert "\n".join(faults) == ""


def test_the_description_of_the_api_is_shown_under_our_policy(
    park: Park, live_url: str, browser: "Browser"
) -> None:
    with window(browser, live_url, park, "engineer_a", lang="en", scheme="light") as seen:
        seen.open("/api/docs/")
        seen.page.get_by_text("/api/v1/orders/check").first.wait_for()
        assert "\n".join(seen.faults) == ""
