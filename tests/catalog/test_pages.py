"""Pages of the catalogue: what they show, to whom, and what they cost."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from platform_booking.app import create_app
from platform_booking.catalog.models import CalendarException, Resource
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.embedded import Urls
from tests.board.viewing import statements
from tests.catalog.looking import RIVAL, ZONE, Park, looks, today_at
from tests.cluster import settings_for
from tests.factories import make_calendar, make_occurrence, make_resource, writing

PAGES = ("/platforms", "/platforms/FAB", "/resources/ETCH-1", "/resources/MPW-1")


@pytest.fixture
def park(app: Flask) -> Park:
    return Park()


def words(answer: TestResponse) -> str:
    """Return what an answer says, without its tags."""
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def read(app: Flask, park: Park, path: str, *, lang: str = "en", by: Any = None) -> str:
    visitor = looks(app, by or park.engineer)
    return words(visitor.get(path, query_string={"lang": lang}))


@pytest.mark.parametrize("path", PAGES)
def test_visitors_must_sign_in(app: Flask, park: Park, path: str) -> None:
    answer = app.test_client().get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_member_sees_them_and_nobody_sees_whose_the_bookings_are(
    app: Flask, park: Park, path: str, lang: str
) -> None:
    for member in (park.engineer, park.operator, park.stranger, park.park):
        assert RIVAL not in read(app, park, path, lang=lang, by=member)


@pytest.mark.parametrize("path", ["/platforms/NONE", "/resources/NONE"])
def test_what_is_not_there_is_not_found(app: Flask, park: Park, path: str) -> None:
    assert looks(app, park.engineer).get(path).status_code == 404


def test_platforms_are_listed_with_their_resources_and_their_load(
    app: Flask, park: Park
) -> None:
    text = read(app, park, "/platforms")
    # 84 h + 168 h × 2/4 + 1 h of three times 336 h; the shuttle plays no part
    assert re.search(r"Fab FAB Site \d+ 4 17 %", text), text
    assert re.search(r"Lab LAB Site \d+ 1 0 %", text), text


def test_a_platform_without_resources_in_service_is_left_out(
    app: Flask, park: Park
) -> None:
    with writing() as session:
        session.get_one(Resource, park.probe.id).active = False
    assert "LAB" not in read(app, park, "/platforms")


def test_a_platforms_resources_are_listed_with_load_and_the_next_free_time(
    app: Flask, park: Park
) -> None:
    text = read(app, park, "/platforms/FAB")
    assert "Resource ETCH-1" not in text  # it has a name of its own
    assert re.search(r"Deep etcher ETCH-1 25 % now ETCH.DRIE one job at a time", text)
    assert re.search(r"POOL-1 25 % now .* 4 seats at once", text)
    assert re.search(r"MPW-1 25 % \d{4}-\d\d-\d\d 09:00 .* 90 mm² a run", text)
    assert "100 · 150" in text
    assert "OLD-1" not in text
    assert "PROBE-1" not in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"kind": "pooled"}, {"POOL-1"}),
        ({"capability": "ETCH.DRIE"}, {"ETCH-1"}),
        ({"q": "deep ETCH"}, {"ETCH-1"}),
        ({"q": "urn-1"}, {"FURN-1"}),
        ({"q": "100%"}, set()),
        ({"kind": "unary", "q": "pool"}, set()),
        ({"kind": "nonsense"}, set()),
        ({}, {"ETCH-1", "POOL-1", "FURN-1", "MPW-1"}),
    ],
)
def test_a_platforms_resources_are_filtered(
    app: Flask, park: Park, query: dict[str, str], shown: set[str]
) -> None:
    answer = looks(app, park.engineer).get("/platforms/FAB", query_string=query)
    assert set(re.findall(r"/resources/([\w-]+)", answer.text)) == shown


def test_a_tool_that_is_taken_now_is_free_when_its_booking_ends(
    app: Flask, park: Park
) -> None:
    with writing() as session:
        park._book(session, park.probe, days=0, minutes=48 * 60)
    free = today_at(0, days=2).strftime("%Y-%m-%d %H:%M")
    assert re.search(rf"PROBE-1 14 % {free}", read(app, park, "/platforms/LAB"))
    assert f"Next free {free}" in read(app, park, "/resources/PROBE-1")


def test_a_stay_that_must_be_attended_begins_when_somebody_is_there(
    app: Flask, park: Park
) -> None:
    hour = (utcnow().astimezone(ZONE).hour + 2) % 24  # Not now: it would be free at once.
    opens, closes = f"{hour:02}:00", f"{hour:02}:05"
    with writing() as session:
        attended = {day: [[opens, closes]] for day in ("mon", "tue", "wed", "thu", "fri")}
        calendar = make_calendar(session, attended=attended, keeps_holidays=False)
        make_resource(
            session,
            code="CHAMBER",
            platform_id=park.lab.id,
            calendar_id=calendar.id,
            stay_rule="ends",
        )
    assert re.search(
        rf"Next free \d{{4}}-\d\d-\d\d {opens}", read(app, park, "/resources/CHAMBER")
    )


def test_a_resource_shows_its_facts_limits_and_prices_in_words(
    app: Flask, park: Park
) -> None:
    with writing() as session:
        row = session.get_one(Resource, park.etcher.id)
        row.self_run = True
        row.setup_minutes = 15
        row.policy = {
            "min_minutes": 30, "max_minutes": 240, "per_day": 1, "gap_minutes": 180,
            "future_minutes": 720, "horizon_days": 14, "notice_days": 1, "cutoff_hours": 16,
            "no_show_minutes": 30, "late_cancel_hours": 24, "walk_up": True,
            "lifted": {"sat": [["00:00", "24:00"]]},
        }  # fmt: skip
        row.rate = {
            "unit": {"zh": "元/机时", "en": "CNY per tool-hour"},
            "academic": [60, 80.5], "sme": [90, 1200], "industrial": [120, 160],
        }  # fmt: skip
        row.notes = {
            "zh": "自带掩模版。", "en": "Bring your own mask.", "readpoints_h": [168, 1000],
            "samples_per_unit": 80, "hazard": {"zh": "氢氟酸", "en": "hydrofluoric acid"},
            "owner_first": True, "spare_hours_week": 30, "spare_lots_month": 6,
            "sets_flag": "AU", "token_costs": [{"name": {"zh": "甲", "en": "base"}, "tokens": 4}],
        }  # fmt: skip
    text = read(app, park, "/resources/ETCH-1")
    for said in (
        "1 h, of which 15 min for set-up", "From 30 min to 4 h at a time.",
        "At most 1 booking a day for one person.", "At least 3 h between two bookings",
        "At most 12 h booked ahead", "At most 14 days ahead.", "At least 1 day before",
        "16 h before", "lapses 30 min after its start", "less than 24 h before",
        "Used without booking", "do not hold at off-peak hours", "60–80.5 CNY per tool-hour",
        "90–1,200 CNY", "Bring your own mask.", "after 168, 1,000 h", "80 samples",
        "Hazard: hydrofluoric acid.", "The owner comes first", "30 h a week", "6 lots a month",
        "flag AU", "base: 4 tokens.", "orders are not bound by them.",
    ):  # fmt: skip
        assert said in text, said
    assert "自带掩模版。" in read(app, park, "/resources/ETCH-1", lang="zh")


def test_limits_of_bookings_are_shown_where_staff_run_the_tool_too(
    app: Flask, park: Park
) -> None:
    with writing() as session:
        session.get_one(Resource, park.etcher.id).policy = {"max_minutes": 240}
    assert "At most 4 h at a time." in read(app, park, "/resources/ETCH-1")


def test_orders_are_named_only_where_a_limit_could_be_taken_to_bind_them(
    app: Flask, park: Park
) -> None:
    with writing() as session:
        row = session.get_one(Resource, park.etcher.id)
        row.self_run, row.policy = True, {"late_cancel_hours": 24}
    text = read(app, park, "/resources/ETCH-1")
    assert "less than 24 h before" in text
    assert "orders are not bound" not in text


def test_the_week_is_shown_with_its_exceptions(app: Flask, park: Park) -> None:
    day = today_at(0, days=4).date()
    with writing() as session:
        calendar = make_calendar(
            session,
            weekly={"mon": [["13:00", "17:30"], ["09:00", "12:00"]]},
            offhours={"mon": [["16:00", "17:30"]]},
            attended={"mon": [["10:00", "11:00"]]},
            keeps_holidays=True,
        )
        session.add_all(
            [
                CalendarException(
                    calendar_id=calendar.id, on_date=day, hours=[], note="inspection"
                ),
                CalendarException(
                    calendar_id=calendar.id, on_date=day - timedelta(days=90), hours=[]
                ),
            ]
        )
        session.get_one(Resource, park.etcher.id).calendar_id = calendar.id
    text = read(app, park, "/resources/ETCH-1")
    assert "Monday 09:00–12:00, 13:00–17:30 10:00–11:00 16:00–17:30" in text
    assert "Tuesday closed – –" in text
    assert "Closed on statutory holidays. Staff keep statutory holidays." in text
    assert f"{day} closed inspection" in text
    assert str(day - timedelta(days=90)) not in text


def test_recipes_in_service_are_shown_with_their_capacity(app: Flask, park: Park) -> None:
    text = read(app, park, "/resources/FURN-1")
    assert re.search(r"TEST.ANY TEST.ANY 100 1 h 25 1 Class 3", text), text
    assert "GONE" not in text


def test_coming_runs_are_shown_with_what_is_left_of_them(app: Flask, park: Park) -> None:
    text = read(app, park, "/resources/MPW-1")
    assert re.search(r"90 mm² 22.5 mm² 67.5 mm²", text), text
    assert "Opening hours" not in text


def test_two_runs_at_the_same_time_are_told_apart(app: Flask, park: Park) -> None:
    with writing() as session:
        make_occurrence(
            session, park.shuttle, starts_at=park.run.starts_at, capacity=100, code="TWIN"
        )
    assert "1 mm² 0 mm² 1 mm²" in read(app, park, "/resources/MPW-1")


def test_the_fortnight_is_drawn_and_told_in_a_table_behind(app: Flask, park: Park) -> None:
    answer = looks(app, park.engineer).get("/resources/ETCH-1?lang=en")
    text = words(answer)
    assert answer.text.count('class="lane"') == 14
    day = today_at(0, days=5)
    assert re.search(rf"{day:%m-%d} \w+ 24.0 12.0 50 % 12:00–24:00", text), (
        text
    )  # the booking of 84 h ends there at noon
    assert 'role="img"' in answer.text
    assert "style=" not in answer.text


def test_a_resource_out_of_service_says_so_and_offers_nothing(
    app: Flask, park: Park
) -> None:
    answer = looks(app, park.engineer).get("/resources/OLD-1?lang=en")
    assert "out of service" in words(answer)
    assert not re.search(r'href="/(bookings|orders)/new\?resource', answer.text)


def test_engineers_are_led_to_book_and_to_order(app: Flask, park: Park) -> None:
    answer = looks(app, park.engineer).get("/resources/ETCH-1")
    assert 'href="/bookings/new?resource=ETCH-1"' in answer.text
    assert 'href="/orders/new?resource=ETCH-1&amp;capability=ETCH.DRIE"' in answer.text
    for path in re.findall(r'href="(/(?:bookings|orders)/new\?[^"]+)"', answer.text):
        assert looks(app, park.engineer).get(unescape(path)).status_code == 200
    assert "/orders/new?" not in looks(app, park.operator).get("/resources/ETCH-1").text


@pytest.mark.parametrize("path", PAGES)
def test_pages_that_show_demo_data_say_so_whatever_the_setting(
    app: Flask, park: Park, path: str
) -> None:
    assert "示范数据" not in read(app, park, path)
    with writing() as session:
        for code in ("ETCH-1", "MPW-1"):
            row = session.query(Resource).filter_by(code=code).one()
            row.demo = True
    assert "示范数据" in read(app, park, path)


def test_an_empty_park_says_how_it_is_filled(database: Urls) -> None:
    app = create_app(settings_for(database))
    with app.app_context():
        park = Park()
        with writing() as session:
            for row in session.query(Resource):
                row.active = False
        assert "catalog load FILE" in read(app, park, "/platforms")
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@pytest.mark.parametrize(
    ("path", "most"),
    [("/platforms", 9), ("/platforms/FAB", 10), ("/resources/ETCH-1", 13)],
)
def test_a_page_costs_as_many_statements_whatever_the_park_holds(
    app: Flask, park: Park, path: str, most: int
) -> None:
    visitor = looks(app, park.engineer)
    counts = []
    for more in (0, 12):
        if more:
            park.more(more)
        with statements(db.engine) as asked:
            assert visitor.get(path).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= most, asked
