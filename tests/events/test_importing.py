"""Dated runs come in from files: all rows or none, by the rules of the page."""

import io
from typing import Any

import sqlalchemy as sa

from platform_booking.catalog.models import Occurrence
from tests.events.test_runs import Yard, yard
from tests.factories import writing

__all__ = ["yard"]  # the fixture

HEADING = "code,starts_at,ends_at,closes_at,capacity,min_fill,quotas.SME,phases.out"
GOOD = "MPW-{n},2031-03-0{n} 09:00,2031-03-0{n} 18:00,2031-02-01 12:00,100,40,60,2031-06-02"


def hand_in(yard: Yard, *rows: str, who: str = "operator", dry_run: bool = False) -> Any:
    path = f"/resources/{yard.shuttle.public_id}/occurrences/import"
    return yard.call(
        who, "POST", f"{path}?dry_run={str(dry_run).lower()}",
        data="\n".join((HEADING, *rows)).encode(), content_type="text/csv",
    )  # fmt: skip


def runs() -> list[Occurrence]:
    with writing() as session:
        return list(session.scalars(sa.select(Occurrence).order_by(Occurrence.code)))


def test_every_row_of_a_file_becomes_a_run(yard: Yard) -> None:
    rows = GOOD.format(n=1), GOOD.format(n=2)
    checked = hand_in(yard, *rows, dry_run=True)
    assert checked.status_code == 200, checked.text
    assert checked.json == {"rows": 2, "faults": [], "runs": []}
    assert runs() == []
    answer = hand_in(yard, *rows)
    assert answer.status_code == 201, answer.text
    first, second = runs()
    assert answer.json["runs"] == [str(first.public_id), str(second.public_id)]
    assert (first.code, first.capacity, first.min_fill) == ("MPW-1", 100, 40)
    assert (first.quotas, first.phases["out"]) == ({"SME": 60}, "2031-06-02")


def test_one_faulty_row_keeps_every_row_out_and_all_faults_are_told(yard: Yard) -> None:
    rows = (
        GOOD.format(n=1),
        GOOD.format(n=1),
        "MPW-3,never,2031-03-03 18:00,,many,0,,",
        "MPW-4,2031-03-04 18:00,2031-03-04 09:00,,0,0,,",
    )
    answer = hand_in(yard, *rows)
    assert answer.status_code == 422
    told = {v["where"] for v in answer.json["violations"]}
    assert told >= {"rows[3].code", "rows[4].starts_at", "rows[4].capacity"}
    assert any(where.startswith("rows[5]") for where in told)
    assert hand_in(yard, *rows, dry_run=True).json["faults"]
    assert runs() == []


def test_a_wrong_heading_is_named(yard: Yard) -> None:
    path = f"/resources/{yard.shuttle.public_id}/occurrences/import"
    answer = yard.call(
        "operator", "POST", path, data=b"code,colour\nX,red", content_type="text/csv"
    )
    rules = {v["rule"] for v in answer.json["violations"]}
    assert rules == {"unknown_column", "column_missing"}


def test_nobody_dates_runs_of_a_platform_that_he_does_not_operate(yard: Yard) -> None:
    assert hand_in(yard, who="stranger").status_code in {403, 404}
    assert hand_in(yard, GOOD.format(n=1), who="stranger").status_code in {403, 404}
    assert runs() == []


def test_the_page_checks_and_then_dates(yard: Yard) -> None:
    browser = yard.browser("operator")
    path = f"/resources/{yard.shuttle.code}/runs/import"

    def sent(act: str, row: str) -> Any:
        data = f"{HEADING}\n{row}".encode()
        return browser.post(path, {"act": act, "file": (io.BytesIO(data), "runs.csv")})

    assert "can be dated" in sent("check", GOOD.format(n=1)).text
    assert "not a whole number" in sent("date", GOOD.format(n=1).replace("100", "x")).text
    assert runs() == []
    assert sent("date", GOOD.format(n=1)).status_code == 302
    assert [run.code for run in runs()] == ["MPW-1"]
