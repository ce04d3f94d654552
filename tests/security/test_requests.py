"""What a request may pretend: another host, another site's form, another way back."""

import re
from collections.abc import Callable
from typing import cast
from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from platform_booking.accounts import passwords
from platform_booking.accounts.models import Member
from platform_booking.config import read
from platform_booking.errors import Misconfigured
from tests.factories import make_member, make_park_admin, writing
from tests.visitor import Visitor, bearer

PASSWORD = "correct horse battery"
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
ELSEWHERE = [
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example",
    "\\\\evil.example", "\\/evil.example", "/\\/evil.example", "https://evil.example",
    "http:evil.example", "https:evil.example", "https:/evil.example", "HTTPS://EVIL.EXAMPLE",
    "//evil.example/%2f..", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example",
    " //evil.example", "\t//evil.example", "\x00//evil.example", "//\x00evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x",
    "//user@evil.example", "https://127.0.0.1@evil.example", "//127.0.0.1:80@evil.example",
    "/%0d%0aLocation:%20//evil.example", "/x\r\nLocation: //evil.example",
    "//evil.example:80", "//[::1]@evil.example", "///[", "//[", "ftp://evil.example",
    "．．//evil.example", "／／evil.example", "/／evil.example", "//evil。example", "evil.example",
    "?next=//evil.example", "#//evil.example", "", "/.//evil.example", "/..//evil.example",
]  # fmt: skip


@pytest.fixture
def engineer(app: Flask) -> Member:
    with writing() as session:
        return make_member(
            session, email="li@firm.example", password_hash=passwords.hashed(PASSWORD)
        )


def goes_to(answer: TestResponse) -> str:
    """Return the host that a browser would go to: it reads \\ as /, and drops tabs."""
    assert answer.status_code == 302
    (location,) = answer.headers.getlist("Location")
    assert "\r" not in location
    assert "\n" not in location
    seen = location.replace("\\", "/").replace("\t", "")
    return urlsplit(urljoin("http://localhost/sign-in", seen)).netloc


def test_nobody_is_led_elsewhere_after_signing_in(
    client: Visitor, engineer: Member
) -> None:
    """B24: whatever a link to the way in, or its form, says of the way back."""
    assert len(ELSEWHERE) >= 30
    entering = {"email": "li@firm.example", "password": PASSWORD}
    for number, target in enumerate(ELSEWHERE):
        in_query = f"/sign-in?next={quote(target)}"
        (kept,) = re.findall('name="next" value="([^"]*)"', client.get(in_query).text)
        assert kept.startswith("/"), target
        assert not kept.startswith("//"), target
        if number % 2:
            answer = client.submit(in_query, entering)
        else:
            answer = client.submit("/sign-in", entering | {"next": target})
        assert goes_to(answer) == "localhost", target


def test_a_way_back_within_the_service_is_kept(client: Visitor, engineer: Member) -> None:
    asked = client.get("/account?lang=en")
    assert asked.headers["Location"] == "/sign-in?next=/account?lang%3Den"
    entering = {"email": "li@firm.example", "password": PASSWORD}
    answer = client.submit(asked.headers["Location"], entering)
    assert answer.headers["Location"] == "/account?lang=en"


def test_a_forged_host_is_refused_everywhere(client: Visitor, engineer: Member) -> None:
    """B25: no page and no mail can be made to link to another host."""
    client.enter(engineer)
    for path in ("/", "/account", "/sign-in", "/static/site.css", "/nowhere", "/api/v1/plans",
                 "/healthz"):  # fmt: skip
        for host in ("evil.example", "localhost.evil.example", "evil.example:8000",
                     "127.0.0.1.evil.example", "localhost@evil.example", "a b", "..", ""):  # fmt: skip
            for method in ("GET", "POST"):
                answer = client.open(path, method=method, headers={"Host": host})
                assert answer.status_code == 400, (path, host, method)
                assert "evil" not in answer.text + str(answer.headers)


def test_a_forwarded_host_is_not_believed_without_a_proxy(
    client: Visitor, engineer: Member
) -> None:
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
        "X-Host": "evil.example",
        "X-Original-URL": "/organisations",
        "X-Rewrite-URL": "/organisations",
    }
    answer = client.enter(engineer).get("/account", headers=forged)
    assert answer.status_code == 200
    assert "evil" not in answer.text + str(answer.headers)
    assert "Strict-Transport-Security" not in answer.headers


def test_a_configured_proxy_is_believed_and_its_host_checked(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(proxies=1, base_url="https://booking.example.cn")
    visitor = cast("Visitor", app.test_client())
    there = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "booking.example.cn"}
    answer = visitor.get("/", headers=there)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"]
    forged = there | {"X-Forwarded-Host": "evil.example"}
    assert visitor.get("/", headers=forged).status_code == 400


def test_other_names_of_the_service_are_named_in_the_settings(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(trusted_hosts=("booking.intern",))
    visitor = app.test_client()
    assert visitor.get("/", headers={"Host": "booking.intern"}).status_code == 200
    assert visitor.get("/", headers={"Host": "other.intern"}).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"PB_BASE_URL": "booking.example.cn"},
        {"PB_BASE_URL": "https://"},
        {"PB_BASE_URL": "http://["},
        {"PB_BASE_URL": "https://booking.example.cn/?x"},
        {"PB_PROXIES": "-1"},
        {"PB_PROXIES": "many"},
    ],
)
def test_a_wrong_address_stops_the_start(wrong: dict[str, str]) -> None:
    plain = {"DATABASE_URL": "postgresql://x@127.0.0.1/x", "SECRET_KEY": "x" * 32}
    with pytest.raises(Misconfigured, match=next(iter(wrong))):
        read(plain | wrong)


def unsafe_routes(app: Flask) -> list[tuple[str, str]]:
    """Return every method and path that changes something, ids made up."""
    made_up = {"uuid": "6f0c1d1e-7c1f-4a52-9d5c-0f0f0f0f0f0f", "int": "1"}
    found = []
    for rule in app.url_map.iter_rules():
        values = {
            name: made_up.get(_converter(rule._converters[name]), "x")
            for name in rule.arguments
        }
        with app.test_request_context():
            path = app.url_map.bind("localhost").build(rule.endpoint, values)
        found += [(method, path) for method in sorted(UNSAFE & (rule.methods or set()))]
    return found


def _converter(converter: object) -> str:
    return type(converter).__name__.removesuffix("Converter").lower()


def test_no_form_of_another_site_is_taken(app: Flask, client: Visitor) -> None:
    """Every unsafe route, with the session that a browser adds by itself."""
    with writing() as session:
        members = [
            make_member(session, roles=("organisation_admin", "engineer")),
            make_park_admin(session),
        ]
    routes = unsafe_routes(app)
    assert len(routes) >= 12
    for member in members:
        client.enter(member)
        stranger = cast("Visitor", app.test_client()).enter(member)
        for method, path in routes:
            foreign = {"X-CSRFToken": stranger.csrf_token()}
            for headers in (
                {},
                {"X-CSRFToken": "made.up"},
                foreign,
                {"Authorization": "x"},
            ):
                answer = client.open(path, method=method, headers=headers)
                assert answer.status_code == 403, (method, path, headers)


def test_a_visitors_form_of_another_site_is_not_taken_either(client: Visitor) -> None:
    """Signing a victim in as somebody else is an attack, too."""
    for path in ("/sign-in", "/sign-out", "/register", "/invitation/x"):
        assert client.post(path, data={"email": "li@firm.example"}).status_code == 403


def test_a_program_needs_no_form_token_but_its_own(
    client: Visitor, engineer: Member
) -> None:
    assert client.post("/api/v1/plans", headers=bearer("made up")).status_code == 401
    assert client.enter(engineer).post("/api/v1/plans").status_code == 403
