"""Tables of bookings on the wire."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from platform_booking.bookings.queries import Wanted
from platform_booking.bookings.schemas import BookingArgs
from platform_booking.exchange import tables
from platform_booking.web.schemas import StrictSchema


class ExportArgs(BookingArgs):
    """Filters of the list of bookings, and the file's form."""

    class Meta(BookingArgs.Meta):
        """All in one file: no pages."""

        exclude = ("limit", "offset")

    format = fields.String(
        load_default=tables.CSV, validate=validate.OneOf([tables.CSV, tables.XLSX])
    )

    @post_load
    def page(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        """Make of the filters what a query takes."""
        wanted = Wanted(
            resource_id=data["resource"],
            platform_id=data["platform"],
            from_at=data["from_at"],
            to_at=data["to_at"],
            states=tuple(data["state"]),
        )
        return {"wanted": wanted, "form": data["format"]}


class ImportArgs(StrictSchema):
    """Whether a file is only checked."""

    dry_run = fields.Boolean(load_default=False)


class RowFaultSchema(Schema):
    """What is wrong with a row, numbered as a spreadsheet shows it; 0 for the file."""

    row = fields.Integer(required=True)
    column = fields.String(required=True)
    rule = fields.String(required=True)
    message = fields.String(required=True)


class ImportSchema(Schema):
    """What came of a file; `bookings` is empty after a dry run."""

    rows = fields.Integer(required=True)
    faults = fields.List(fields.Nested(RowFaultSchema), required=True)
    bookings = fields.List(fields.UUID(), required=True)
