"""Qualifications of members on the wire."""

from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from platform_booking.bookings.schemas import FirmSchema, NamedSchema, PersonSchema
from platform_booking.qualifying.services import NewGrant
from platform_booking.web.schemas import Day, StrictSchema, Text


class NewGrantSchema(StrictSchema):
    """Body of `POST /api/v1/member-qualifications`."""

    member_id = fields.UUID(load_default=None, allow_none=True)
    email = Text(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=254),
        metadata={"description": "Instead of `member_id`: of one who is new here."},
    )
    qualification = Text(required=True, validate=validate.Length(min=1, max=40))
    level = Text(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=40),
        metadata={"description": "One of the qualification's; at all hours without."},
    )
    expires_on = Day(
        load_default=None,
        allow_none=True,
        metadata={"description": "The last day; for good without."},
    )

    @validates_schema
    def one_of_two(self, data: dict[str, Any], **_: object) -> None:
        """Insist on either."""
        if (data["member_id"] is None) == (not data["email"]):
            raise ValidationError(_l("Give either member_id or email."), "member_id")

    @post_load
    def new(self, data: dict[str, Any], **_: object) -> NewGrant:
        """Freeze what is asked."""
        return NewGrant(**data)


class QualificationSchema(NamedSchema):
    """What is learnt. It has no id; its code is unique."""

    class Meta:
        """Less than other named things."""

        exclude = ("id",)


class HeldSchema(Schema):
    """A qualification that a member holds."""

    member = fields.Nested(PersonSchema, required=True)
    organisation = fields.Nested(FirmSchema, allow_none=True, required=True)
    qualification = fields.Nested(QualificationSchema, required=True)
    level = fields.String(allow_none=True, required=True)
    expires_on = fields.Date(allow_none=True, required=True)
