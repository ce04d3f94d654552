"""Tables in files, CSV and XLSX, read and written. Pure: bytes in, cells out.

What comes from outside is bounded before it is unpacked, and no cell is ever a formula: not
when it is read, nor for the spreadsheet that opens what is written here.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charset_normalizer import from_bytes
from flask_babel import gettext as _

CSV, XLSX = "csv", "xlsx"
MIMETYPES = {
    CSV: "text/csv",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MOST_BYTES = 10 << 20
MOST_ROWS = 150  # each is a booking: all of them hold their locks until the last is made
_MOST_LINES = 5_000  # of a sheet, with the empty ones
_MOST_UNPACKED = 64 << 20
_MOST_PARTS = 200
_MOST_COLUMNS = 60
_LONGEST_CELL = 500
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_HALF_SECOND = timedelta(milliseconds=500)
_CONTROL = frozenset(map(chr, range(32))) - {"\t", "\n", "\r"}

Cell = str | int | float | datetime


class Unreadable(Exception):
    """A file is no table that can be read; the message says why and what to do."""


class TooManyRows(Unreadable):
    """A table has more rows than may come in at once."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that would be worked out. It is refused where it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row, numbered as a spreadsheet shows it; empty cells are ""."""

    number: int
    cells: tuple[Cell | Formula, ...]


def read(data: bytes) -> list[Row]:
    """Return every row that is not empty, the heading first.

    Raises
    ------
    Unreadable
    """
    if not data:
        raise Unreadable(_("the file is empty"))
    if len(data) > MOST_BYTES:
        raise Unreadable(_("the file is larger than %(n)s MiB", n=MOST_BYTES >> 20))
    if data.startswith(_OLD_EXCEL):
        raise Unreadable(_("this is an old Excel file; save it as .xlsx or .csv"))
    rows = _from_xlsx(data) if data.startswith(b"PK\x03\x04") else _from_csv(data)
    found: list[Row] = []
    for row in rows:
        if not any(cell != "" for cell in row.cells):
            continue
        found.append(Row(row.number, _without_end(row.cells)))
        if len(found) > MOST_ROWS + 1:
            raise TooManyRows(
                _("there are more than %(n)s rows; divide the file", n=MOST_ROWS)
            )
    if not found:
        raise Unreadable(_("the file is empty"))
    return found


def _without_end(cells: Sequence[Cell | Formula]) -> tuple[Cell | Formula, ...]:
    """Return the cells up to the last that is not empty."""
    last = max(n for n, cell in enumerate(cells) if cell != "")
    return tuple(cells[: last + 1])


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def as_csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Write rows; with a mark that tells Excel the encoding."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([_as_text(cell) for cell in row])
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(rows: Iterable[Sequence[Cell]], *, title: str) -> bytes:
    """Write rows as the one sheet of a workbook; numbers and times are such there."""
    from openpyxl import Workbook  # noqa: PLC0415 - heavy: it takes numpy along

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in rows:
        sheet.append([_as_value(cell) for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _as_text(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat()
    return guarded(cell) if isinstance(cell, str) else str(cell)


def _as_value(cell: Cell) -> Cell:
    """Return a cell as a sheet keeps it: times without a zone, unless two are called so."""
    if isinstance(cell, datetime):
        twice = cell.utcoffset() != cell.replace(fold=1 - cell.fold).utcoffset()
        return cell.isoformat() if twice else cell.replace(tzinfo=None)
    return _storable(guarded(cell)) if isinstance(cell, str) else cell


def _storable(text: str) -> str:
    return "".join(c for c in text if c not in _CONTROL)


def _from_csv(data: bytes) -> Iterator[Row]:
    text = _decoded(data)
    heading = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            yield Row(number, tuple(map(_of_csv, cells[:_MOST_COLUMNS])))
    except csv.Error:
        raise Unreadable(
            _(
                "row %(n)s cannot be read: a quotation mark is open, or a cell is too long",
                n=number + 1,
            )
        ) from None


def _of_csv(text: str) -> Cell | Formula:
    text = text.strip()
    if text.startswith("'") and text[1:].startswith(_DANGEROUS):
        return text[1:]  # as it was written here
    if text.startswith(("=", "+", "@")):
        return Formula(text[:_LONGEST_CELL])
    return text


def _decoded(data: bytes) -> str:
    """Return a text: UTF-8, UTF-16 with its mark, or Chinese as Excel saves it (GBK)."""
    text = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = _tried(data, "utf-16")
    if text is None:
        text = _tried(data, "utf-8-sig")
    if text is None:
        best = from_bytes(data, cp_isolation=["gb18030", "big5"]).best()
        text = _tried(data, best.encoding) if best is not None else None
    if text is None or not _CONTROL.isdisjoint(text):
        raise Unreadable(
            _("this is no text that can be read; save the table as CSV UTF-8 or .xlsx")
        )
    return text


def _tried(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _from_xlsx(data: bytes) -> Iterator[Row]:
    from openpyxl import load_workbook  # noqa: PLC0415 - heavy: it takes numpy along

    _insist_on_its_size(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        try:
            if not book.worksheets:
                raise Unreadable(_("the workbook has no sheet"))
            rows = book.worksheets[0].iter_rows(
                max_row=_MOST_LINES + 1, max_col=_MOST_COLUMNS
            )
            for number, cells in enumerate(rows, start=1):
                if number > _MOST_LINES:  # what stands there would be lost unseen
                    raise Unreadable(
                        _(
                            "the sheet goes on below row %(n)s; delete the rows there,"
                            " empty ones, too, or save it as .csv",
                            n=_MOST_LINES,
                        )
                    )
                yield Row(number, tuple(map(_of_xlsx, cells)))
        finally:
            book.close()
    except Unreadable:
        raise
    except Exception:  # whatever openpyxl stumbles over: nothing of it is ours
        raise Unreadable(
            _("this is no workbook that can be read; save it anew as .xlsx or .csv")
        ) from None


def _insist_on_its_size(data: bytes) -> None:
    """Refuse what unpacks to far more than it is; no part yields more than it declares."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise Unreadable(
            _("this is no workbook that can be read; save it anew as .xlsx or .csv")
        ) from None
    if len(parts) > _MOST_PARTS or sum(p.file_size for p in parts) > _MOST_UNPACKED:
        raise Unreadable(_("the workbook is too large inside; save the one sheet as .csv"))


def _of_xlsx(cell: Any) -> Cell | Formula:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return Formula(str(value)[:_LONGEST_CELL])
    if isinstance(value, datetime):  # Excel counts days: a second may be short of whole
        return (value + _HALF_SECOND).replace(microsecond=0)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    if text.startswith("'") and text[1:].startswith(_DANGEROUS):
        return text[1:]
    return Formula(text[:_LONGEST_CELL]) if text.startswith("=") else text
