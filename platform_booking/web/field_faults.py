"""What marshmallow says of a field, in the reader's language.

It speaks English alone and fills its values in itself; its sentences are known again here
by their form.
"""

import re

from flask_babel import lazy_gettext as _l

_SAID = (
    (r"Missing data for required field\.", _l("Missing data for required field.")),
    (r"Field may not be null\.", _l("Field may not be null.")),
    (r"Invalid value\.|Invalid input\.", _l("Invalid value.")),
    (r"Invalid type\.|Invalid input type\.", _l("Send an object: {…}.")),
    (r"Unknown field\.", _l("Unknown field.")),
    (r"Not a valid integer\.", _l("Not a valid integer.")),
    (r"Not a valid number\.", _l("Not a valid number.")),
    (r"Number too large\.", _l("Number too large.")),
    (
        r"Special numeric values \(nan or infinity\) are not permitted\.",
        _l("Special numeric values (nan or infinity) are not permitted."),
    ),
    (r"Not a valid boolean\.", _l("Not a valid boolean.")),
    (r"Not a valid string\.", _l("Not a valid string.")),
    (r"Not a valid utf-8 string\.", _l("Not a valid utf-8 string.")),
    (r"Not a valid UUID\.", _l("Not a valid UUID.")),
    (r"Not a valid URL\.", _l("Not a valid URL.")),
    (r"Not a valid list\.", _l("Not a valid list.")),
    (r"Not a valid mapping type\.", _l("Not a valid mapping type.")),
    (
        r"Not a valid date\.|Not a valid date: .*",
        _l("Not a date. Write it as 2026-12-01."),
    ),
    (r"Must be one of: (?P<choices>.*)\.", _l("Must be one of: %(choices)s.")),
    (
        r"Longer than maximum length (?P<max>.*)\.",
        _l("Longer than maximum length %(max)s."),
    ),
    (
        r"Shorter than minimum length (?P<min>.*)\.",
        _l("Shorter than minimum length %(min)s."),
    ),
    (
        r"Length must be between (?P<min>.*) and (?P<max>.*)\.",
        _l("Length must be between %(min)s and %(max)s."),
    ),
    (r"Length must be (?P<equal>.*)\.", _l("Length must be %(equal)s.")),
    (
        r"Must be greater than or equal to (?P<min>.*) and less than or equal to"
        r" (?P<max>.*)\.",
        _l("Must be greater than or equal to %(min)s and less than or equal to %(max)s."),
    ),
    (
        r"Must be greater than (?P<min>\S+) and less than or equal to (?P<max>.*)\.",
        _l("Must be greater than %(min)s and less than or equal to %(max)s."),
    ),
    (
        r"Must be greater than or equal to (?P<min>.*)\.",
        _l("Must be greater than or equal to %(min)s."),
    ),
    (r"Must be greater than (?P<min>.*)\.", _l("Must be greater than %(min)s.")),
    (
        r"Must be less than or equal to (?P<max>.*)\.",
        _l("Must be less than or equal to %(max)s."),
    ),
    (r"not a whole number, such as 90", _l("Not a whole number, such as 90.")),
    (r"neither true nor false", _l("Neither true nor false.")),
    (
        r"two times of day are expected, .*",
        _l('Write two times of day, as ["09:00", "17:30"].'),
    ),
    (
        r"(?P<value>\[.*\]): times of day run .*",
        _l("%(value)s: times of day run from 00:00 to 24:00."),
    ),
    (
        r"(?P<value>\[.*\]): the end is not after the start; .*",
        _l(
            "%(value)s: the end is not after the start; write hours past midnight as two,"
            " to 24:00 and on the next day from 00:00."
        ),
    ),
    (
        r"letters, digits and \./_\+- only, .*",
        _l("Letters, digits and ./_+- only, 80 at most, the first a letter or digit."),
    ),
    (
        r"String does not match expected pattern\.",
        _l("String does not match expected pattern."),
    ),
)
_KNOWN = [(re.compile(form, re.DOTALL), sentence) for form, sentence in _SAID]


def in_words(message: object) -> str:
    """Return a message about a field as its reader understands it."""
    text = str(message)
    for form, sentence in _KNOWN:
        found = form.fullmatch(text)
        if found is not None:
            values = found.groupdict()
            return str(sentence) % values if values else str(sentence)
    return text
