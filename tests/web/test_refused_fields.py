"""What a schema refuses is named with its place, and with what would do instead."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, ValidationError, fields, validate

from platform_booking.web.field_faults import in_words
from tests.bookings.callers import Program, make_token
from tests.factories import (
    make_member,
    make_operator,
    make_platform,
    make_resource,
    writing,
)


@pytest.fixture
def call(client: FlaskClient) -> Program:
    with writing() as session:
        platform = make_platform(session)
        make_resource(session, platform_id=platform.id)
        return Program(client, make_token(session, make_operator(session, platform)))


def told(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(v["where"], v["message"]) for v in answer.json["violations"]]


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"7"])
def test_a_body_that_is_no_object_is_told_so(call: Program, body: bytes) -> None:
    sent = {"data": body, "content_type": "application/json"}
    answer = call("POST", "/plans?lang=en", **sent)
    assert told(answer) == [("body", "Send an object: {…}.")]


def test_a_step_that_is_no_object_is_told_by_its_place(client: FlaskClient) -> None:
    with writing() as session:
        engineer = Program(client, make_token(session, make_member(session)))
    answer = engineer("POST", "/orders/check?lang=en", json={"steps": [7]})
    assert ("steps[0]", "Send an object: {…}.") in told(answer)


def test_a_date_that_is_none_is_told_how_to_write_one(call: Program) -> None:
    answer = call("POST", "/plans?lang=en", json={"night": "xx"})
    assert told(answer) == [("night", "Not a date. Write it as 2026-12-01.")]


def test_a_field_that_is_unknown_is_told_which_are_known(call: Program) -> None:
    answer = call("POST", "/plans?lang=en", json={"night": "2027-03-07", "nigth": 1})
    assert told(answer) == [("nigth", "Unknown here; known are night.")]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/plans", "limit, offset"),
        ("/orders", "limit, offset, platform, state"),
        ("/resources", "capability, kind, limit, offset, platform, q"),
    ],
)
def test_a_filter_that_is_unknown_is_refused_and_the_known_ones_named(
    call: Program, path: str, known: str
) -> None:
    answer = call("GET", f"{path}?cursor=zzz&limit=0&lang=en")
    places = dict(told(answer))
    assert places["cursor"] == f"Unknown here; known are {known}."
    assert "limit" in places  # everything at once
    assert call("GET", f"{path}?limit=1&lang=en").status_code == 200


def test_a_filter_that_may_come_several_times_still_does(call: Program) -> None:
    answer = call("GET", "/bookings?state=confirmed&state=in_use&lang=en")
    assert answer.status_code == 200, answer.text


def test_a_word_that_is_none_of_a_few_is_told_which_there_are(call: Program) -> None:
    declared = {"starts_at": "2027-03-08T09:00:00+08:00", "kind": "strange"}
    answer = call("POST", f"/resources/{uuid4()}/outages?lang=en", json=declared)
    said = dict(told(answer))["kind"]
    assert said.startswith("Must be one of: ")
    assert "unscheduled" in said


def test_no_choice_of_any_schema_is_refused_with_a_gap_in_its_sentence(app: Flask) -> None:
    seen = 0
    with app.test_request_context():
        for name, field in choices():
            with pytest.raises(ValidationError) as fault:
                field.deserialize("no such word")
            assert "{" not in str(fault.value.messages), name
            seen += 1
    assert seen > 10


def choices() -> Iterator[tuple[str, fields.Field[Any]]]:
    """Yield every field of the service that takes one of a few words."""
    for schema in everything_below(Schema):
        if not schema.__module__.startswith("platform_booking."):
            continue
        for name, field in schema._declared_fields.items():
            inner = field.inner if isinstance(field, fields.List) else field
            if isinstance(inner, fields.Enum):
                yield f"{schema.__name__}.{name}", inner


def everything_below(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from everything_below(child)


def _schemas(of: type[Schema] = Schema) -> Iterator[type[Schema]]:
    for one in of.__subclasses__():
        own = one.__module__.startswith("platform_booking.")
        if own and not one.__module__.endswith("fileformat"):  # the shell speaks English
            yield one
        yield from _schemas(one)


def _within(field: Any) -> Iterator[Any]:
    yield field
    if isinstance(field, fields.List):
        yield from _within(field.inner)


def _told_of(field: Any) -> Iterator[object]:
    """Yield what a field may say, and what its validators say of what they refuse."""
    filled = {"choices": "a, b", "input": "x", "obj_type": "date", "awareness": "aware"}
    for key, message in field.error_messages.items():
        aware = key == "invalid_awareness" and isinstance(field, fields.Date)
        if key != "format" and not aware:  # of what is given out; a day has no zone
            yield str(message).format(**filled)
    for check in field.validators:
        least, most = getattr(check, "min", None), getattr(check, "max", None)
        if isinstance(check, validate.Length):
            refused = ["x" * (most + 1)] if most else []
            refused += [""] if least else []
        elif isinstance(check, validate.Range):
            refused = [most + 1] if most is not None else []
            refused += [least - 1] if least is not None else []
        else:
            refused = ["\n no such thing \n"]
        for value in refused:
            with pytest.raises(ValidationError) as fault:
                check(value)
            yield from fault.value.messages


def test_whatever_a_field_may_say_is_said_in_chinese(app: Flask) -> None:
    lacking, seen = set(), 0
    with app.test_request_context("/?lang=zh"):
        for schema in _schemas():
            for outer in schema().load_fields.values():
                for field in _within(outer):
                    for message in _told_of(field):
                        seen += 1
                        if not re.search("[\u4e00-\u9fff]", in_words(message)):
                            lacking.add(f"{schema.__name__}.{field.name}: {message}")
    assert seen > 500
    assert "\n".join(sorted(lacking)) == ""


@pytest.mark.parametrize(
    ("query", "message"),
    [("limit=0", "须不小于 1 且不大于"), ("limit=x", "不是有效的整数。")],
)
def test_a_field_is_refused_in_chinese(call: Program, query: str, message: str) -> None:
    answer = call("GET", f"/bookings?lang=zh&{query}")
    assert message in told(answer)[0][1]
