"""Files that come in: read where they can be, refused in a sentence where they cannot."""

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime

import pytest
from openpyxl import Workbook, load_workbook

from platform_booking.app import create_app
from platform_booking.config import Settings
from platform_booking.exchange import tables
from platform_booking.exchange.tables import Formula, Unreadable
from tests.cluster import TEST_SECRET

NINE = datetime.fromisoformat("2027-03-08T09:00:00")
TABLE = "resource,starts_at,备注\nR1,2027-03-08 09:00,刻蚀深硅槽的设备预约\n"


@pytest.fixture(autouse=True, scope="module")
def _in_app() -> Iterator[None]:
    """Word messages in the park's language; no database is asked."""
    nowhere = Settings(
        database_url="postgresql+psycopg://pb_web@127.0.0.1:1/nowhere",
        secret_key=TEST_SECRET,
    )
    with create_app(nowhere).app_context():
        yield


def workbook(*rows: list[object]) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_tables_are_read_in_the_encodings_that_spreadsheets_write(encoding: str) -> None:
    rows = tables.read(TABLE.encode(encoding))
    assert rows[0].cells == ("resource", "starts_at", "备注")
    assert rows[1].cells == ("R1", "2027-03-08 09:00", "刻蚀深硅槽的设备预约")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_headings_own(separator: str) -> None:
    rows = tables.read(f"a{separator}b\n1{separator}2\n".encode())
    assert rows[1].cells == ("1", "2")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"\x00\x01\x02\x03" * 50,
        bytes(range(256)) * 4,
        b"\x89PNG\r\n\x1a\n" + bytes(range(200)),
        b"\xd0\xcf\x11\xe0" + b"x" * 100,
        b"PK\x03\x04 but no archive",
        b'a,b\n"open,1\n',
        b"a\n" + b"x" * 200_000,
        b"a\n" + b"1\n" * (tables.MOST_ROWS + 1),
        b"a\n" + b"x" * tables.MOST_BYTES,
    ],
    ids=[
        "empty", "blank", "binary", "all bytes", "picture", "old Excel", "no archive",
        "open quotation", "long cell", "many rows", "large",
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(Unreadable) as refusal:
        tables.read(data)
    assert len(str(refusal.value)) >= 4


def test_as_many_rows_as_are_allowed_are_read() -> None:
    assert len(tables.read(b"a\n" + b"1\n" * tables.MOST_ROWS)) == tables.MOST_ROWS + 1


def test_a_workbook_with_empty_rows_loses_none_below_them() -> None:
    gap: list[list[object]] = [[]] * tables.MOST_ROWS
    assert tables.read(workbook(["a"], *gap, ["last"]))[-1].cells == ("last",)


def test_a_sheet_that_goes_on_too_far_is_refused_and_not_cut_off() -> None:
    gap: list[list[object]] = [[]] * 5_000
    with pytest.raises(Unreadable, match="5000"):
        tables.read(workbook(["a"], *gap, ["last"]))


def test_a_workbook_is_read_with_its_dates_and_numbers() -> None:
    rows = tables.read(workbook(["resource", "starts_at", "quantity"], ["R1", NINE, 2]))
    assert rows[1].number == 2
    assert rows[1].cells == ("R1", NINE, 2)


def test_formulas_are_found_and_never_worked_out() -> None:
    (_, row) = tables.read(workbook(["a", "b"], ["=1+1", "=HYPERLINK(1)"]))
    assert all(isinstance(cell, Formula) for cell in row.cells)
    (_, row) = tables.read(b"a,b,c,d\n=1+1,+1,@SUM(A1),-1\n")
    assert [isinstance(cell, Formula) for cell in row.cells] == [True, True, True, False]


def test_a_workbook_that_unpacks_to_far_more_than_it_is_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", b"0" * (65 << 20))
    assert len(out.getvalue()) < 1 << 20
    with pytest.raises(Unreadable):
        tables.read(out.getvalue())


def test_entities_that_grow_are_refused() -> None:
    sheet = workbook(["a"], ["x"])
    grown = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
    <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>"""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheet)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                text = grown + text.replace(b"<row", b"<!-- --><row")
            if name == "xl/workbook.xml":
                text = grown + text
            new.writestr(name, text)
    with pytest.raises(Unreadable):
        tables.read(out.getvalue())


def test_a_sheet_with_one_cell_at_its_far_end_is_not_read_up_to_there() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"] = "resource"
    sheet["XFD1048576"] = "far"
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(Unreadable, match="5000"):
        tables.read(out.getvalue())


@pytest.mark.parametrize("first", list("=+-@\t\r"))
def test_b27_no_cell_that_is_written_is_a_formula(first: str) -> None:
    evil = f"{first}cmd|' /C calc'!A0"
    text = tables.as_csv([["name"], [evil]]).decode("utf-8-sig")
    assert f"'{evil}" in text
    book = load_workbook(io.BytesIO(tables.as_xlsx([["name"], [evil]], title="预约")))
    cell = book.worksheets[0]["A2"]
    assert cell.data_type != "f"
    assert str(cell.value).startswith("'")


def test_what_was_written_here_is_read_again_as_it_was() -> None:
    rows = [["name", "n"], ["=1+1", "-3"], ["刻蚀", "2"]]
    for data in (tables.as_csv(rows), tables.as_xlsx(rows, title="t")):
        again = [list(row.cells) for row in tables.read(data)]
        assert again == rows
