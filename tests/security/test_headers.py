"""What every answer carries, errors and files too, and what it never says."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from platform_booking.accounts import passwords
from platform_booking.clock import utcnow
from platform_booking.embedded import Urls
from tests.factories import make_member, make_organisation, make_park_admin, writing
from tests.security.park import built
from tests.security.test_policy_walk import ASSETS, Cell, Walk, routes
from tests.visitor import Visitor

PRINCIPALS = ("anonymous", "engineer_a", "admin_a", "operator_1", "park", "write_token_a")


def directives(policy: str) -> dict[str, set[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {name: set(values) for name, *values in parts}


def faults_of(answer: TestResponse, *, asset: bool, signed_in: bool) -> Iterator[str]:
    """Yield what an answer lacks."""
    csp = directives(answer.headers.get("Content-Security-Policy", "x"))
    for name in ("default-src", "script-src", "style-src", "form-action"):
        if csp.get(name) != {"'self'"}:
            yield f"{name} is {csp.get(name)}"
    for name in ("object-src", "base-uri", "frame-ancestors"):
        if csp.get(name) != {"'none'"}:
            yield f"{name} is {csp.get(name)}"
    if "unsafe" in str(csp):
        yield "something unsafe is allowed"
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ):
        if answer.headers.getlist(name) != [value]:
            yield f"{name} is {answer.headers.getlist(name)}"
    kept = answer.headers.get("Cache-Control", "")
    if not asset and "no-store" not in kept:
        yield f"may be kept: {kept!r}"
    if not asset and signed_in and "private" not in kept:
        yield f"may be shared: {kept!r}"
    if not asset and "Cookie" not in answer.headers.get("Vary", ""):
        yield "does not vary with the cookie"
    for name in ("Server", "X-Powered-By", "Access-Control-Allow-Origin"):
        if name in answer.headers:
            yield f"carries {name}"
    if re.search(
        r"\bon[a-z]+=\"|<style|\sstyle=|javascript:", answer.text
    ) and "html" in str(answer.content_type):
        yield "has an inline script or style"


def test_every_answer_of_every_route_carries_the_headers(app: Flask) -> None:
    """B28, for caches: `no-store`, `private` and `Vary: Cookie` on every answer."""
    cells = [Cell(m, e, p) for m, e in routes(app) for p in PRINCIPALS]
    walk = Walk(app, built(app), cells)
    faults = []
    for cell in sorted(cells, key=lambda c: c.endpoint == "accounts.sign_out"):
        answer = walk.ask(cell)
        signed_in = cell.principal != "anonymous" and answer.status_code < 300
        found = faults_of(answer, asset=cell.endpoint in ASSETS, signed_in=signed_in)
        faults += [f"{cell} {answer.status_code}: {fault}" for fault in found]
    assert "\n".join(faults) == ""


def test_errors_carry_them_too(app: Flask, client: Visitor) -> None:
    big = {"data": b"x" * (1024 * 1024 + 1)}
    for path in ("/nowhere", "/static/nowhere.css", "/api/v1/nowhere"):
        for answer, status in (
            (client.get(path), 404),
            (client.open(path, method="BREW"), 404),
            (client.get("/", headers={"Host": "evil.example"}), 400),
            (client.delete("/healthz"), 405),
            (client.post("/sign-in", headers={"Authorization": "Bearer x"}, **big), 401),
        ):
            assert answer.status_code in {status, 405, 403, 302}, path
            asset = path.startswith("/static")
            assert list(faults_of(answer, asset=asset, signed_in=False)) == [], path


def test_a_page_served_over_https_asks_for_https_ever_after(client: Visitor) -> None:
    answer = client.get("/", base_url="https://localhost")
    assert int(answer.headers["Strict-Transport-Security"].split("=")[1]) >= 31536000
    assert "Strict-Transport-Security" not in client.get("/").headers


def test_cookies_are_for_this_host_over_https_and_not_for_scripts(
    make_app: Callable[..., Flask], app: Flask
) -> None:
    with writing() as session:
        make_member(session, email="li@x.example", password_hash=passwords.hashed("p" * 12))
    secure = cast("Visitor", make_app(secure_cookies=True).test_client())
    visits = [secure.get("/sign-in?lang=en", base_url="https://localhost")]
    (token,) = set(re.findall(r'csrf_token" value="([^"]+)', visits[0].text))
    form = {"email": "li@x.example", "password": "p" * 12, "csrf_token": token}
    visits.append(secure.post("/sign-in", data=form, base_url="https://localhost"))
    cookies = [c for v in visits for c in v.headers.getlist("Set-Cookie")]
    assert {c.partition("=")[0] for c in cookies} == {"__Host-session", "lang"}
    for cookie in cookies:
        parts = {part.strip() for part in cookie.split(";")}
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= parts, cookie
        assert not any(part.startswith("Domain") for part in parts), cookie


def test_a_session_holds_no_more_than_who_and_which_epoch(
    client: Visitor, app: Flask
) -> None:
    with writing() as session:
        make_member(session, email="li@x.example", password_hash=passwords.hashed("p" * 12))
    client.submit("/sign-in", {"email": "li@x.example", "password": "p" * 12})
    with client.session_transaction() as session:
        assert set(session) <= {"_permanent", "member", "epoch", "csrf_token", "_flashes"}


@pytest.fixture
def park(app: Flask) -> Visitor:
    with writing() as session:
        make_organisation(session)
        return cast("Visitor", app.test_client()).enter(make_park_admin(session))


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert body["status"] == status
    assert body["type"] == f"urn:platform-booking:{body['code']}"
    assert body["title"]
    return cast("dict[str, Any]", body)


def test_what_the_database_says_reaches_nobody(
    park: Visitor, database: Urls, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its details show rows; they must not be in an answer, nor in the logs."""
    engine = sa.create_engine(database.superuser, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE member ADD CONSTRAINT canary CHECK (name <> 'CANARY-X')")
        )
    form = {"person": "CANARY-X", "email": "x@x.example", "roles": "park_admin"}
    answer = park.submit("/staff?lang=en", form)
    assert answer.status_code in {422, 500}
    headers = {"X-CSRFToken": park.csrf_token()}
    with engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE job_request ADD CONSTRAINT canary CHECK (job <> 'night')")
        )
    night = (utcnow() + timedelta(days=1)).date().isoformat()
    api = park.post("/api/v1/plans", json={"night": night}, headers=headers)
    assert problem(api, 500)["code"] == "error"
    said = answer.text + api.text + "".join(capfd.readouterr())
    assert "canary" not in said.lower().replace('value="canary-x"', "")
    for word in ("psycopg", "sqlalche", "violates", "Failing row", "INSERT INTO"):
        assert word not in said, word


def test_every_kind_of_refusal_is_a_problem_document(app: Flask, park: Visitor) -> None:
    token = {"X-CSRFToken": park.csrf_token()}
    plans = "/api/v1/plans"
    assert problem(park.get("/api/v1/nowhere"), 404)["code"] == "not_found"
    assert problem(park.get(f"{plans}/x"), 404)["code"] == "not_found"
    assert problem(park.delete(plans, headers=token), 405)
    assert problem(park.post(plans, json={}), 403)["code"] == "forged"
    stranger = cast("Visitor", app.test_client())
    assert problem(stranger.get(plans), 401)["code"] == "unauthenticated"
    for raw in (b"{", b"\xff", b"[" * 100_000, b"{'night': 1}"):
        answer = park.post(plans, data=raw, content_type="application/json", headers=token)
        assert problem(answer, 400)["code"] == "malformed", raw[:20]
    for body in ({}, {"night": "x"}, {"night": "2027-03-08", "more": 1}, [], 1, "x", None):
        found = problem(park.post(plans, json=body, headers=token), 422)
        assert found["violations"][0]["message"]
    many = park.post(plans, data=b" " * (1024 * 1024 + 1), headers=token)
    assert problem(many, 413)["code"] == "too_large"
    assert problem(park.get(f"{plans}?limit=0"), 422)["violations"][0]["where"] == "limit"
    plain = park.post(plans, data=b"{}", content_type="text/plain", headers=token)
    assert problem(plain, 415)["violations"]


def test_a_form_that_is_too_large_is_told_so(client: Visitor) -> None:
    answer = client.submit("/register?lang=en", {"name_zh": "x" * (1024 * 1024)})
    assert answer.status_code == 413
    assert "This is too large; 1 MiB is the most." in answer.text
