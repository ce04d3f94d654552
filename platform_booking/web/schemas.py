"""What every schema shares: unknown fields refused, instants with a zone, honest text."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from marshmallow import RAISE, Schema, ValidationError, fields

from platform_booking.texts import is_plain
from platform_booking.web.i18n import named


class StrictSchema(Schema):
    """A schema that refuses what it does not know."""

    class Meta:
        """Unknown fields are mistakes; say so."""

        unknown = RAISE

    error_messages = {"type": _l("Send an object: {…}.")}  # noqa: RUF012 - marshmallow's form

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        known = [field.data_key or name for name, field in self.load_fields.items()]
        self.error_messages["unknown"] = _l(
            "Unknown here; known are %(names)s.", names=", ".join(sorted(known))
        )


class Instant(fields.AwareDateTime):
    """An instant on the wire: ISO 8601 with a zone; given out in UTC."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own form
        "invalid": _l("Not a date and time. Write it as 2027-03-08T09:00:00+08:00."),
        "invalid_awareness": _l(
            "The time zone is missing. Add one, as in 2027-03-08T09:00:00+08:00."
        ),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(format="iso", **options)

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> datetime:
        moment = super()._deserialize(value, attr, data, **options)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type="datetime") from None


class Day(fields.Date):
    """A date on the wire."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own form
        "invalid": _l("Not a date. Write it as 2026-12-01.")
    }


class Choice(fields.Enum):  # type: ignore[type-arg]
    """One of a few words, which a refusal names."""

    def __init__(self, enum: type[Enum], **options: Any) -> None:
        super().__init__(enum, by_value=True, **options)

    def make_error(self, key: str, **told: Any) -> ValidationError:
        """Return the refusal; marshmallow fills in no lazy text."""
        if key != "unknown":
            return super().make_error(key, **told)
        return ValidationError(_("Must be one of: %(choices)s.", choices=self.choices_text))


class Named(fields.String):
    """`organisation_zh` or `organisation_en` of a thing, by the request's language."""

    def __init__(self, field: str = "name", **options: Any) -> None:
        super().__init__(**options)
        self._field = field

    def get_value(
        self, obj: Any, attr: str, accessor: object = None, default: object = None
    ) -> Any:
        """Return the name, None where there is none."""
        return named(obj, self._field) or None


class Text(fields.String):
    """Text of a person: nothing that misleads or cannot be kept; trimmed."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **options)).strip()
        if not is_plain(text):
            raise ValidationError(str(_l("Contains characters that no text may have.")))
        return text
