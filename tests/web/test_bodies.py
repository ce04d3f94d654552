"""Whoever sends a body that cannot be read is told what is wrong with it and the cure."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.bookings.callers import Program, make_token
from tests.factories import make_member, writing

JSON = "application/json"


@pytest.fixture
def call(client: FlaskClient) -> Program:
    with writing() as session:
        return Program(client, make_token(session, make_member(session)))


def sent(call: Program, body: bytes, **more: Any) -> Any:
    answer = call("POST", "/orders/check?lang=en", data=body, **more)
    assert answer.content_type == "application/problem+json"
    return answer


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_not_sent_as_json_is_told_how(
    call: Program, kind: str | None
) -> None:
    answer = sent(call, b'{"title": "x"}', content_type=kind)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
    (told,) = answer.json["violations"]
    assert "send Content-Type: application/json" in told["message"]
    assert (kind or "no content type") in told["message"]
    assert told["where"] == "Content-Type"


def test_json_by_any_of_its_names_is_read(call: Program) -> None:
    for kind in (JSON, f"{JSON}; charset=utf-8", "application/merge-patch+json"):
        assert sent(call, b"{}", content_type=kind).status_code == 422, kind


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"title": "x",\n  \'note\': 1}', "line 2, column 3; names and texts stand in"),
        (b'{"title": "x"', "line 1, column 14"),
        (b'{"title": "\xff"}', "not UTF-8"),
        (b'{"title": ' + b"9" * 5000 + b"}", "too long"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_is_told_where_and_the_cure(
    call: Program, body: bytes, said: str
) -> None:
    answer = sent(call, body, content_type=JSON)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    (told,) = answer.json["violations"]
    assert said in told["message"]
