"""The kinds of fields that a catalogue file is made of: stricter than JSON is."""

import re
from typing import Any

from marshmallow import ValidationError, fields, validate

from platform_booking.texts import is_plain

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST = 10_000_000
"""No number of a file is larger: 19 years in minutes, 0.1 m² of a shuttle in 0.01 mm²."""

_CLOCK = re.compile(r"(\d\d):(\d\d)", re.ASCII)


class Whole(fields.Integer):
    """A whole number as JSON writes one: no text, no fraction, no true or false."""

    def __init__(self, least: int, most: int = MOST, **options: Any) -> None:
        options.setdefault("required", "load_default" not in options)
        super().__init__(validate=validate.Range(min=least, max=most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError("not a whole number, such as 90")
        return value


class Prose(fields.String):
    """Text for people: something in it, nothing that a database cannot keep."""

    def __init__(self, least: int = 1, most: int = 200, **options: Any) -> None:
        super().__init__(validate=validate.Length(min=least, max=most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options)
        if not is_plain(text):
            raise ValidationError("contains characters that no text may have")
        return text


class Flag(fields.Boolean):
    """`true` or `false`, and nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("neither true nor false")
        return value


class ClockPair(fields.Field[list[str]]):
    """Two times of day, `["09:00", "17:30"]`; the second may be "24:00"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> list[str]:
        if not (isinstance(value, list) and len(value) == 2):
            raise ValidationError('two times of day are expected, as ["09:00", "17:30"]')
        start, end = (minute_of_day(v) for v in value)
        if start is None or end is None:
            raise ValidationError(f"{value!r}: times of day run from 00:00 to 24:00")
        if end <= start:
            raise ValidationError(
                f"{value!r}: the end is not after the start; hours past midnight are"
                " written as two, to 24:00 and on the next day from 00:00"
            )
        return value


class TimeOfDay(fields.Field[str]):
    """A time of day at which something begins, from "00:00" to "23:59"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str:
        minute = minute_of_day(value)
        if minute is None or minute == 1440:
            raise ValidationError(f"{value!r} is not a time of day, such as 09:00")
        return str(value)


def minute_of_day(text: object) -> int | None:
    """Return minutes since midnight of "HH:MM", 1440 for "24:00", None if it is neither."""
    read = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if read is None:
        return None
    hour, minute = int(read[1]), int(read[2])
    value = hour * 60 + minute
    return value if minute < 60 and value <= 1440 else None
