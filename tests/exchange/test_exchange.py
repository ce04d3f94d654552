"""Bookings out into files and in from them: the same rules, all rows or none."""

import csv
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from openpyxl import load_workbook
from werkzeug.test import TestResponse

from platform_booking import db
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking, Source
from platform_booking.catalog.models import Resource
from platform_booking.exchange import columns, services, tables
from platform_booking.notices.models import Notice
from tests.bookings.callers import Program, make_token
from tests.factories import (
    make_booking,
    make_member,
    make_operator,
    make_project,
    make_resource,
    writing,
)
from tests.feeds.reading import small_park
from tests.visitor import Visitor

ZONE = ZoneInfo("Asia/Shanghai")
FORM = "%Y-%m-%d %H:%M"


class Desk:
    """Hands files in as a member, on the page and by the API."""

    def __init__(self, client: Visitor) -> None:
        self.client, self.park = client, small_park()
        with writing() as session:
            token = make_token(session, self.park.mine)
        self.program = Program(client, token)
        self.client.enter(self.park.mine)

    def row(self, hours: int = 0, *, minutes: int = 60, **more: Any) -> dict[str, Any]:
        starts_at = self.park.soon + timedelta(hours=hours)
        ends_at = starts_at + timedelta(minutes=minutes)
        return {
            "resource": self.park.tool.code,
            "starts_at": starts_at.astimezone(ZONE).strftime(FORM),
            "ends_at": ends_at.astimezone(ZONE).strftime(FORM),
            **more,
        }

    def api(
        self, *rows: dict[str, Any], dry_run: bool = False, **more: Any
    ) -> TestResponse:
        path = f"/bookings/import?dry_run={str(dry_run).lower()}"
        data = more.pop("data", None) or table(*rows)
        answer = self.program(
            "POST", path, data=data, content_type=more.pop("kind", "text/csv"), **more
        )
        assert isinstance(answer, TestResponse)
        return answer

    def page(self, data: bytes, act: str = "book", token: str = "") -> TestResponse:
        return self.client.submit(
            "/bookings/import?lang=en",
            {
                "act": act,
                "token": token or str(uuid4()),
                "file": (io.BytesIO(data), "t.csv"),
            },
            content_type="multipart/form-data",
        )


def table(*rows: dict[str, Any]) -> bytes:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def booked() -> list[Booking]:
    with writing() as session:
        return list(session.scalars(sa.select(Booking).order_by(Booking.starts_at)))


@pytest.fixture
def desk(app: Flask, client: Visitor) -> Desk:
    return Desk(client)


def test_every_row_of_a_file_becomes_a_booking(desk: Desk) -> None:
    answer = desk.api(desk.row(), desk.row(2), desk.row(4, quantity="1"))
    assert answer.status_code == 201, answer.text
    made = booked()
    assert {str(b.public_id) for b in made} == set(answer.json["bookings"])
    assert [b.starts_at for b in made] == [
        desk.park.soon + timedelta(hours=h) for h in (0, 2, 4)
    ]
    assert {b.source for b in made} == {Source.IMPORT}
    assert {b.member_id for b in made} == {desk.park.mine.id}


@pytest.mark.parametrize("seconds", [services.CHECKED_SECONDS, 0])
def test_a_dry_run_lists_every_fault_and_writes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(services, "CHECKED_SECONDS", seconds)  # 0: row by row
    with writing() as session:
        make_booking(
            session, resource=desk.park.tool, organisation=desk.park.other_firm,
            starts_at=desk.park.soon + timedelta(hours=8),
        )  # fmt: skip
    answer = desk.api(
        desk.row(),  # 2: fine
        desk.row(2, minutes=-60),  # 3: ends before it begins
        desk.row(4) | {"starts_at": "tomorrow", "quantity": "many"},  # 4
        desk.row(6) | {"resource": "NOWHERE"},  # 5
        desk.row(8),  # 6: taken by another firm
        desk.row(0),  # 7: taken by row 2
        desk.row(10, project="=1+1"),  # 8
        desk.row(12, project="unknown"),  # 9
        dry_run=True,
    )
    assert answer.status_code == 200, answer.text
    found = {(f["row"], f["column"], f["rule"]) for f in answer.json["faults"]}
    assert {(row, column) for row, column, _ in found} >= {
        (3, "ends_at"), (4, "starts_at"), (4, "quantity"), (5, "resource"), (6, "starts_at"),
        (7, "starts_at"), (8, "project"), (9, "project"),
    }  # fmt: skip
    assert (6, "starts_at", "capacity_taken") in found
    assert (7, "starts_at", "capacity_taken") in found
    (seventh,) = (f for f in answer.json["faults"] if f["row"] == 7)
    assert seventh["message"].startswith("第 2 行")
    assert 2 not in {row for row, _, _ in found}
    assert all(f["message"] for f in answer.json["faults"])
    assert answer.json["rows"] == 8
    assert answer.json["bookings"] == []
    assert len(booked()) == 1
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count(Notice.id))) == 0


def test_a_dry_run_without_faults_writes_nothing_either(desk: Desk) -> None:
    answer = desk.api(desk.row(), dry_run=True)
    assert (answer.status_code, answer.json["faults"]) == (200, [])
    assert booked() == []


def test_others_book_between_the_rows_of_a_dry_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = []

    def and_a_rival(work: Callable[[], Any]) -> Any:
        done = retrying(work)
        with writing() as session:
            session.execute(sa.select(Resource.id).with_for_update(nowait=True))
        through.append(1)
        return done

    monkeypatch.setattr(services, "CHECKED_SECONDS", 0)
    monkeypatch.setattr(services, "retrying", and_a_rival)
    answer = desk.api(desk.row(), desk.row(2), desk.row(4), dry_run=True)
    assert (answer.status_code, answer.json["faults"]) == (200, [])
    assert len(through) == 3


def test_an_import_that_takes_too_long_gives_its_locks_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_SECONDS", 0)
    answer = desk.api(desk.row(), desk.row(2))
    assert answer.status_code == 422
    assert [v["rule"] for v in answer.json["violations"]] == ["too_slow"]
    assert booked() == []


def test_whoever_meets_a_held_lock_is_told_to_come_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "_PATIENCE", 0)  # one lock times out
    slot = {
        "resource_id": str(desk.park.tool.public_id),
        "starts_at": desk.park.soon.isoformat(),
        "ends_at": (desk.park.soon + timedelta(hours=1)).isoformat(),
    }
    began = time.monotonic()
    with writing() as session:
        session.execute(sa.select(Resource.id).with_for_update())
        answer = desk.program("POST", "/bookings", json=slot)
    assert time.monotonic() - began < 5
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"] == "2"
    assert answer.json["code"] == "busy"
    assert booked() == []


def test_one_faulty_row_keeps_every_row_out(desk: Desk) -> None:
    answer = desk.api(desk.row(), desk.row(2), desk.row(2))
    assert answer.status_code == 422
    (violation,) = answer.json["violations"]
    assert violation["where"].startswith("rows[4]")
    assert violation["rule"] == "capacity_taken"
    assert booked() == []


BROKEN = {
    "past": {"hours": -100},
    "end before start": {"minutes": -60},
    "unknown project": {"project": "nothing"},
    "quantity": {"quantity": 9},
    "too long": {"minutes": 60 * 30},
    "taken": {"hours": 50},
}


@pytest.mark.parametrize("case", BROKEN)
def test_page_api_and_import_give_the_same_refusals(desk: Desk, case: str) -> None:
    park = desk.park
    with writing() as session:
        tool = session.merge(park.tool)
        tool.self_run, tool.policy = True, {"max_minutes": 600}
        make_booking(
            session, resource=tool, organisation=park.other_firm,
            starts_at=park.soon + timedelta(hours=50),
        )  # fmt: skip
    row = desk.row(**BROKEN[case])
    given = BROKEN[case] | {}
    starts_at = datetime.strptime(row["starts_at"], FORM).replace(tzinfo=ZONE)
    ends_at = datetime.strptime(row["ends_at"], FORM).replace(tzinfo=ZONE)
    project = str(uuid4()) if "project" in given else None
    slot = {
        "resource_id": str(park.tool.public_id),
        "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat(),
        "quantity": given.get("quantity", 1),
    }
    api = desk.program("POST", "/bookings", json=slot | {"project_id": project})
    imported = desk.api(row)
    page = desk.client.submit(
        f"/bookings/new?resource={park.tool.public_id}",
        {
            "starts_at": row["starts_at"].replace(" ", "T"),
            "ends_at": row["ends_at"].replace(" ", "T"),
            "quantity": str(given.get("quantity", 1)),
            "project_id": project or "",
        },
    )
    assert api.status_code in {409, 422}, api.text
    expected = {v["rule"] for v in api.json.get("violations", ())} or {api.json["code"]}
    assert {v["rule"] for v in imported.json["violations"]} == expected
    assert page.status_code == api.status_code
    for violation in api.json.get("violations", ()):
        messages = [v["message"] for v in imported.json["violations"]]
        assert violation["message"] in messages
        assert violation["message"] in page.text
    assert len(booked()) == 1


def test_what_was_taken_out_can_be_taken_in_again(desk: Desk) -> None:
    with writing() as session:
        project = make_project(session, desk.park.firm)
    assert desk.api(desk.row(project=project.code), desk.row(2)).status_code == 201
    for form in ("csv", "xlsx"):
        kept = desk.program("GET", f"/bookings/export?format={form}").data
        with writing() as session:
            session.execute(sa.update(Booking).values(state="cancelled"))
        kind = tables.MIMETYPES[form]
        answer = desk.api(data=kept, kind=kind)
        assert answer.status_code == 201, answer.text
        with writing() as session:
            session.execute(sa.text("DELETE FROM booking WHERE status = 'cancelled'"))
        made = booked()
        assert [b.starts_at for b in made] == [
            desk.park.soon, desk.park.soon + timedelta(hours=2)
        ]  # fmt: skip
        assert [b.project_id for b in made] == [project.id, None]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_goes_into_a_tool_comes_out_with_it_and_in_again(
    desk: Desk, form: str
) -> None:
    with writing() as session:
        friend = make_member(session, organisation_id=desk.park.firm.id)
        tool = session.merge(desk.park.tool)
        tool.wafer_mm, tool.flags_allowed = [200], ["AU"]
    declared = {"wafer_mm": 200, "class_rank": 3, "flags": "AU", "buddy": friend.email}
    made = desk.api(desk.row(**declared))
    assert made.status_code == 201, made.text
    kept = desk.program("GET", f"/bookings/export?format={form}").data
    with writing() as session:
        session.execute(sa.update(Booking).values(state="cancelled"))
    answer = desk.api(data=kept, kind=tables.MIMETYPES[form])
    assert answer.status_code == 201, answer.text
    with writing() as session:
        found = session.scalars(sa.select(Booking).where(Booking.active)).one()
        assert (found.wafer_mm, found.class_rank, found.flags) == (200, 3, ["AU"])
        assert found.buddy_id == friend.id
    if form == "xlsx":
        _heads, values = load_workbook(io.BytesIO(kept)).active.values
        told = dict(zip(columns.WRITTEN, values, strict=True))
        assert told["starts_at"] == desk.park.soon.astimezone(ZONE).replace(tzinfo=None)
        assert (told["quantity"], told["wafer_mm"]) == (1, 200)


def test_a_table_from_a_chinese_excel_is_taken_in(desk: Desk) -> None:
    row = desk.row()
    text = "\n".join(
        [
            "资源,开始,结束,数量",
            f"{row['resource']},{row['starts_at'].replace('-', '/')},"
            f"{row['ends_at'].replace('-', '/')},1",
        ]
    )
    answer = desk.api(data=text.encode("gbk"))
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("heading", "rule"),
    [
        ("resource,starts_at", "column_missing"),
        ("resource,starts_at,ends_at,colour", "unknown_column"),
        ("resource,starts_at,ends_at,ends_at", "column_twice"),
    ],
)
def test_a_wrong_heading_is_named(desk: Desk, heading: str, rule: str) -> None:
    answer = desk.api(data=f"{heading}\n1,2,3,4\n".encode(), dry_run=True)
    assert [f["rule"] for f in answer.json["faults"]] == [rule]


def test_rubbish_is_refused_and_nothing_half_done(desk: Desk) -> None:
    for data in (b"\x00\x01\x02" * 99, b"PK\x03\x04 nothing", b"\xd0\xcf\x11\xe0..."):
        answer = desk.api(data=data)
        assert answer.status_code == 422, answer.text
        assert answer.json["violations"][0]["rule"] == "unreadable"
    assert desk.api(data=b"a", kind="image/png").status_code == 415
    assert desk.api(data=b"x" * (12 << 20)).status_code == 413
    assert booked() == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_file_of_too_many_rows_is_refused_with_what_to_do(
    desk: Desk, dry_run: bool
) -> None:
    rows = [desk.row()] * 151
    answer = desk.api(*rows, dry_run=dry_run)
    assert answer.status_code == 422, answer.text
    (broken,) = answer.json["violations"]
    assert (broken["rule"], broken["where"]) == ("too_many", "file")
    assert broken["limit"] == 150
    page = desk.page(table(*rows), "check" if dry_run else "book")
    assert page.status_code == 422
    assert "there are more than 150 rows; divide the file" in page.text
    assert "at most 150 rows" in page.text
    assert booked() == []


def test_other_bodies_stay_small(desk: Desk) -> None:
    answer = desk.program("POST", "/bookings", data=b"x" * (2 << 20))
    assert answer.status_code == 413


def test_a_repeated_key_takes_a_file_in_once(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    first = desk.api(desk.row(), headers=headers)
    again = desk.api(desk.row(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert len(booked()) == 1


def test_a_repeated_key_knows_a_file_that_comes_as_a_form(desk: Desk) -> None:
    def sent(*rows: dict[str, Any]) -> TestResponse:
        return desk.api(
            data={"file": (io.BytesIO(table(*rows)), "t.csv")},
            kind="multipart/form-data",
            headers={"Idempotency-Key": "one"},
        )

    first, again = sent(desk.row()), sent(desk.row())
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert first.json == again.json
    other = sent(desk.row(2))
    assert other.status_code == 422
    assert [v["rule"] for v in other.json["violations"]] == ["idempotency_key_reused"]
    assert len(booked()) == 1


def test_a_key_of_a_dry_run_is_not_the_key_of_the_import(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    assert desk.api(desk.row(), headers=headers, dry_run=True).status_code == 200
    answer = desk.api(desk.row(), headers=headers)
    assert answer.status_code == 422
    assert [v["rule"] for v in answer.json["violations"]] == ["idempotency_key_reused"]


def test_a_key_is_free_again_after_a_refusal(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    assert desk.api(desk.row(), desk.row(), headers=headers).status_code == 422
    assert booked() == []
    assert desk.api(desk.row(), headers=headers).status_code == 201


def test_a_token_that_may_only_read_takes_nothing_in(desk: Desk) -> None:
    with writing() as session:
        desk.program.token = make_token(session, desk.park.mine, scopes=("read",))
    assert desk.api(desk.row()).status_code == 403


def test_the_page_checks_and_then_books_once(desk: Desk) -> None:
    data = table(desk.row(), desk.row(2))
    checked = desk.page(data, "check")
    assert checked.status_code == 200
    assert "All 2 rows can be booked" in checked.text
    assert booked() == []
    token = str(uuid4())
    assert desk.page(data, token=token).status_code == 302
    assert len(booked()) == 2
    assert desk.page(data, token=token).status_code == 302, "a second click"
    assert len(booked()) == 2
    more = desk.page(table(desk.row(4)), token=token)
    assert more.status_code == 302, "another file with the form of the first"
    assert len(booked()) == 3
    refused = desk.page(data)
    assert refused.status_code == 422
    assert "2 faults in 2 rows" in refused.text
    assert desk.client.submit("/bookings/import", {"act": "book"}).status_code == 422


def test_an_operator_takes_in_for_firms_on_his_platform_only(desk: Desk) -> None:
    park = desk.park
    with writing() as session:
        operator = make_operator(session, session.merge(park.tool).platform)
        elsewhere = make_resource(session)
        desk.program.token = make_token(session, operator)
    firm = park.firm.name_zh
    there = desk.row(organisation=firm)
    foreign = desk.row(2, organisation=firm) | {"resource": elsewhere.code}
    answer = desk.api(there, foreign)
    assert answer.status_code == 422
    assert {v["where"] for v in answer.json["violations"]} == {"rows[3]"}
    assert desk.api(there).status_code == 201
    assert [b.organisation_id for b in booked()] == [park.firm.id]


def test_another_firms_codes_are_as_good_as_none(desk: Desk) -> None:
    with writing() as session:
        foreign = make_project(session, desk.park.other_firm)
        make_member(session, organisation=desk.park.other_firm, email="spy@firm.example")

    def told(code: str) -> list[Any]:
        answer = desk.api(desk.row(project=code), dry_run=True)
        return list(answer.json["faults"])

    assert told(foreign.code) == told("NOTHING") != []


def test_an_export_keeps_to_ones_own_and_to_the_lists_filters(desk: Desk) -> None:
    park = desk.park
    with writing() as session:
        for firm, hours in ((park.firm, 0), (park.firm, 48), (park.other_firm, 4)):
            make_booking(
                session, resource=park.tool, organisation=firm,
                starts_at=park.soon + timedelta(hours=hours),
            )  # fmt: skip

    def rows(path: str) -> list[dict[str, str]]:
        answer = desk.client.get(path)
        assert answer.status_code == 200, answer.text
        assert "attachment" in answer.headers["Content-Disposition"]
        text = answer.data.decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))

    assert len(rows("/bookings/export?format=csv")) == 2
    assert len(rows("/bookings/export?format=csv&show=past")) == 0
    until = (park.soon + timedelta(hours=24)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(rows(f"/api/v1/bookings/export?to={until}")) == 1
    assert len(rows("/api/v1/bookings/export?state=cancelled")) == 0
    with writing() as session:
        operator = make_operator(session, session.merge(park.tool).platform)
    desk.client.enter(operator)
    assert len(rows("/api/v1/bookings/export")) == 3
    day = park.soon.astimezone(ZONE).date()
    found = rows(f"/bookings/export?format=csv&day={day}")
    assert {row["organisation"] for row in found} <= {
        park.firm.name_zh, park.other_firm.name_zh
    }  # fmt: skip
    assert found
    assert "/bookings/export" in desk.client.get("/bookings").text


def test_b27_an_export_disarms_what_a_firm_has_typed(desk: Desk) -> None:
    evil = '=HYPERLINK("http://evil.example","x")'
    with writing() as session:
        project = make_project(session, desk.park.firm, code=evil)
        make_booking(
            session, resource=desk.park.tool, organisation=desk.park.firm,
            starts_at=desk.park.soon, project_id=project.id,
        )  # fmt: skip
    text = desk.client.get("/bookings/export?format=csv").data.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["project"] == f"'{evil}"
    data = desk.client.get("/bookings/export?format=xlsx").data
    sheet = load_workbook(io.BytesIO(data)).worksheets[0]
    cells = [cell for line in sheet.iter_rows() for cell in line]
    assert f"'{evil}" in [cell.value for cell in cells]
    assert not [cell for cell in cells if cell.data_type == "f"]


def test_an_import_that_keeps_others_waiting_for_too_long_is_taken_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_SECONDS", -1)
    answer = desk.api(desk.row(), desk.row(2))
    assert [v["rule"] for v in answer.json["violations"]] == ["too_slow"]
    assert booked() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("starts_at", "0001-01-01 00:00"),
        ("starts_at", "9999-12-31 23:00"),
        ("ends_at", "9999-12-31 23:59"),
        ("quantity", "0"),
        ("quantity", "1000000000"),
        ("quantity", "1e9"),
        ("resource", "=R1"),
        ("starts_at", "=NOW()"),
        ("ends_at", "+1"),
        ("quantity", "=1+1"),
        ("project", "@SUM(A1)"),
    ],
)
def test_one_strange_cell_is_named_and_keeps_every_row_out(
    desk: Desk, column: str, value: str
) -> None:
    answer = desk.api(desk.row(project=""), desk.row(2, project="") | {column: value})
    assert answer.status_code == 422, answer.text
    places = {v["where"] for v in answer.json["violations"]}
    assert any(p.startswith("rows[3]") and p.endswith(column) for p in places), places
    assert not [p for p in places if p.startswith("rows[2]")]
    assert booked() == []


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\x00", "预约".encode("utf-16-le")])
def test_a_file_with_bytes_of_another_encoding_keeps_every_row_out(
    desk: Desk, bad: bytes
) -> None:
    good = table(desk.row(project=""), desk.row(2, project=""))
    answer = desk.api(data=good[:-2] + bad + b"\r\n")
    assert answer.status_code == 422, answer.text
    assert all(v["message"] for v in answer.json["violations"])
    assert booked() == []


def test_a_time_that_the_clocks_skip_is_named(make_app: Any) -> None:
    """02:30 on 28 March 2027 in Berlin."""
    app = make_app(timezone="Europe/Berlin")
    with app.app_context():
        desk = Desk(app.test_client())
        skipped = {"starts_at": "2027-03-28 02:30", "ends_at": "2027-03-28 03:45"}
        for form in ("2027-03-28 02:30", "2027/03/28 02:30"):
            answer = desk.api(desk.row() | skipped | {"starts_at": form})
            (violation,) = answer.json["violations"]
            assert violation["where"] == "rows[2].starts_at"
            assert "园区时钟" in violation["message"]
        assert booked() == []
