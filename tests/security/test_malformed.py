"""Whatever is sent, no route answers with a fault of its own (5xx).

The API is asked through its own description: every field of every body and every query
argument takes nasty values. Pages are asked through their own forms and links. Every
field takes every third value, the next field those after them; with `--whole` it takes all.
"""

import itertools
import json
import re
import time
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.security.park import Park, built
from tests.security.recipes import RECIPES
from tests.security.test_policy_walk import Cell, _Filler, routes

SLOW = 10.0  # seconds
PRINCIPALS = ("engineer_a", "admin_a", "operator_1", "park", "anonymous")
RAW = {
    "cut off": b'{"a": ',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "NaN": b"NaN",
    "infinite": b"1e400",
    "long number": b"9" * 5000,
    "half a pair": b'{"title": "\\ud800"}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "twice the same key": b'{"title": "a", "title": "b", "night": 1, "night": 2}',
    "5 MB": b'{"title": "' + b"x" * 5_000_000 + b'"}',
}
VALUES: list[Any] = [
    None, True, "", "\x00", "\ud800", "x" * 20_000, -1, 2**31, 10**30, 1.5, float("inf"), [],
    {"a": [None]}, [None], ["x"] * 5000, "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00", "9999-12-31", "2027-03-08T09:00:00",
    "00000000-0000-0000-0000-000000000000",
]  # fmt: skip
TEXTS = [
    "", "\x00", "x" * 20_000, "\u202e\U0001f600", "-1", "9" * 30, "9" * 5000, "1e400", "NaN",
    "0001-01-01T00:00", "9999-12-31T23:59", "9999-12-31", "²", "<script>alert(1)</script>",
]  # fmt: skip
VERSIONS = ["", "x", '"9999999999999999999999"', 'W/"1"', '"1", "2"', "*", "é"]
KEYS = ["", "x" * 256, "é", "a\tb", "🙂"]
WORST = ["\x00", "9" * 30, "9999-12-31T23:59"]


@pytest.fixture
def ask(app: Flask, request: pytest.FixtureRequest) -> "Asker":
    return Asker(built(app), whole=request.config.getoption("--whole"))


class Asker:
    """Asks, and keeps what went wrong."""

    def __init__(self, park: Park, *, whole: bool) -> None:
        self.park = park
        self._whole, self._turn = whole, itertools.count()
        self.faults: list[str] = []
        self.asked = 0

    def __call__(self, who: str, method: str, path: str, what: str, **request: Any) -> None:
        headers = self.park.headers[who] | request.pop("headers", {})
        begun = time.monotonic()
        answer = self.park.visitors[who].open(
            path, method=method, headers=headers, **request
        )
        self.asked += 1
        self._judge(answer, f"{method} {path} as {who} with {what}", begun)

    def some(self, values: Iterable[Any]) -> list[Any]:
        """Return every third value, beginning with another one each time; or all."""
        every = list(values)
        return every if self._whole else every[next(self._turn) % 3 :: 3]

    def _judge(self, answer: TestResponse, what: str, begun: float) -> None:
        if answer.status_code >= 500:
            self.faults.append(f"{what}: {answer.status_code}")
        if time.monotonic() - begun > SLOW:
            self.faults.append(f"{what}: took {time.monotonic() - begun:.0f} s")
        if "alert(1)</script>" in answer.text and answer.mimetype == "text/html":
            self.faults.append(f"{what}: a script comes back as it was sent")


def allowed(endpoint: str, method: str) -> str | None:
    """Return somebody whom the policy lets through."""
    return next(
        (p for p in PRINCIPALS if not Cell(method, endpoint, p).refused
         and (p != "anonymous" or Cell(method, endpoint, p).permission.roles is None)),
        None,
    )  # fmt: skip


def address(app: Flask, park: Park, method: str, endpoint: str) -> str:
    fill = _Filler(park.ids, public=park.ids)
    recipe = RECIPES[f"{method} {endpoint}"]
    return app.url_map.bind("localhost").build(endpoint, fill(recipe.path))


def is_api(endpoint: str) -> bool:
    return endpoint.partition(".")[0].endswith("_api")


def test_no_body_breaks_a_route_of_the_api(app: Flask, ask: Asker) -> None:
    for method, endpoint in routes(app):
        if method == "GET" or not is_api(endpoint):
            continue
        who = allowed(endpoint, method)
        assert who is not None
        path = address(app, ask.park, method, endpoint)
        for what, raw in ask.some(RAW.items()):
            ask(who, method, path, what, data=raw, content_type="application/json")
        ask(who, method, path, "nothing")
        ask(who, method, path, "a form", data={"title": "x"})
        for version in ask.some(VERSIONS):
            ask(
                who,
                method,
                path,
                f"If-Match {version}",
                json={},
                headers={"If-Match": version},
            )
        for once in ask.some(KEYS):
            ask(
                who, method, path, f"key {once}", json={}, headers={"Idempotency-Key": once}
            )
    assert ask.asked > 100
    assert "\n".join(ask.faults) == ""


def test_no_field_breaks_a_route_of_the_api(app: Flask, ask: Asker) -> None:
    described = described_api(ask.park)
    fill = _Filler(ask.park.ids, public=ask.park.ids)
    met = set()
    for method, endpoint in routes(app):
        if not is_api(endpoint):
            continue
        who = allowed(endpoint, method)
        path = address(app, ask.park, method, endpoint)
        assert who is not None
        operation = described.operation(method, path)
        for name in described.arguments(operation):
            for value in ask.some(TEXTS):
                met.add(name)
                ask(who, method, path, f"{name}={value[:40]!r}", query_string={name: value})
        base = fill(RECIPES[f"{method} {endpoint}"].json or {})
        for where, body in described.bodies(operation, base, ask):
            met.add(where.rpartition("=")[0])
            ask(
                who,
                method,
                path,
                where,
                data=json.dumps(body),
                content_type="application/json",
            )
    print(f"{ask.asked} requests")
    assert {"limit", "night", "title", "steps.capability", "starts_at"} <= met
    assert "\n".join(ask.faults) == ""


class described_api:  # noqa: N801 - reads as a function
    """The service's own description of itself."""

    def __init__(self, park: Park) -> None:
        told = park.visitors["park"].get("/api/v1/openapi.json").get_json()
        self._paths, self._schemas = told["paths"], told["components"]["schemas"]

    def operation(self, method: str, path: str) -> dict[str, Any]:
        for template, operations in self._paths.items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
                shared = operations.get("parameters", [])
                if method.lower() in operations:
                    found = dict(operations[method.lower()])
                    found["parameters"] = found.get("parameters", []) + shared
                    return found
        raise AssertionError(f"the description lacks {method} {path}")

    def arguments(self, operation: dict[str, Any]) -> list[str]:
        return [p["name"] for p in operation["parameters"] if p.get("in") == "query"]

    def bodies(
        self, operation: dict[str, Any], base: dict[str, Any], ask: Asker
    ) -> Iterator[tuple[str, Any]]:
        """Yield bodies with one field wrong: what and how."""
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            return
        for name, inner in self._fields(schema).items():
            for value in ask.some(VALUES):
                yield f"{name}={str(value)[:40]!r}", {**base, name: value}
            item = self._resolved(inner.get("items", {}))
            for deeper in item.get("properties", {}):
                first = (base.get(name) or [{}])[0]
                for value in ask.some(VALUES):
                    body = {**base, name: [{**first, deeper: value}]}
                    yield f"{name}.{deeper}={str(value)[:40]!r}", body

    def _fields(self, schema: dict[str, Any]) -> dict[str, Any]:
        return dict(self._resolved(schema).get("properties", {}))

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return dict(self._schemas[schema["$ref"].rpartition("/")[2]])
        return schema


class Page(HTMLParser):
    """The forms of a page, and the query arguments of its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.arguments: set[tuple[str, str]] = set()
        self._fields: dict[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
            method = given.get("method", "get").upper()
            self.forms.append((method, given.get("action", ""), self._fields))
        elif tag in {"input", "select", "textarea", "button"} and self._fields is not None:
            if given.get("name"):
                self._fields.setdefault(given["name"], given.get("value", "x"))
        elif tag == "a" and given.get("href", "").startswith("/"):
            parts = urlsplit(given["href"])
            for name, _ in parse_qsl(parts.query):
                self.arguments.add((parts.path, name))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None


def test_no_form_and_no_link_breaks_a_page(app: Flask, ask: Asker) -> None:
    forms: dict[tuple[str, str, str, frozenset[str]], dict[str, str]] = {}
    arguments: dict[tuple[str, str], str] = {}
    for method, endpoint in routes(app):
        if method != "GET" or is_api(endpoint) or endpoint.startswith(("api", "swagger")):
            continue
        for who in PRINCIPALS:
            cell = Cell(method, endpoint, who)
            if cell.refused or (who == "anonymous") != (cell.permission.roles is None):
                continue
            path = address(app, ask.park, method, endpoint)
            query = _Filler(ask.park.ids, public=ask.park.ids)(cell.recipe.query)
            page = Page(ask.park.visitors[who].get(path, query_string=query).text)
            for kind, action, fields in page.forms:
                target = urlsplit(action).path or path
                if target != "/sign-out":
                    forms.setdefault(
                        (kind, _shape(target), who, frozenset(fields)),
                        fields | {"": target},
                    )
            for target, name in page.arguments | {(path, name) for name in query}:
                arguments.setdefault((_shape(target), name), f"{who} {target}")
    for (kind, _, who, _), fields in forms.items():
        target = fields.pop("")
        fields.pop("csrf_token", None)
        how = "query_string" if kind == "GET" else "data"
        for value in ask.some(TEXTS):  # everywhere at once, and the worst one by one
            ask(who, kind, target, repr(value[:30]), **{how: dict.fromkeys(fields, value)})
        for name in fields:
            for value in ask.some(WORST):
                sent = fields | {name: value}
                ask(who, kind, target, f"{name}={value[:30]!r}", **{how: sent})
    for (_, name), told in arguments.items():
        who, _, target = told.partition(" ")
        for value in ask.some(TEXTS):
            ask(who, "GET", target, f"?{name}={value[:30]!r}", query_string={name: value})
    print(f"{len(forms)} forms, {len(arguments)} arguments of links, {ask.asked} requests")
    assert len(forms) >= 10
    assert len(arguments) >= 3
    assert "\n".join(ask.faults) == ""


def _shape(path: str) -> str:
    return re.sub(r"[0-9a-f-]{36}", "ID", path)


def test_no_address_breaks_a_route(app: Flask, ask: Asker) -> None:
    odd = ["%00", "..%2f..%2fetc", "%ff", "é", "x" * 3000, "a%0ab", "0", "-1", "%2e%2e"]
    for rule in app.url_map.iter_rules():
        if not rule.arguments:
            continue
        for value in odd:
            path = re.sub(r"<[^>]+>", value, rule.rule)
            for who in ask.some(("anonymous", "park", "engineer_a")):
                ask(who, "GET", path, "an odd address")
    assert "\n".join(ask.faults) == ""
