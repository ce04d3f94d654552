"""What the particulars of an organisation and of a person must be. Pure."""

import re
from collections.abc import Iterator, Mapping

from flask_babel import gettext as _

from platform_booking.errors import Violation
from platform_booking.texts import is_plain

SIZES = ("SME-micro", "SME-small", "SME-medium", "large", "academic")
MOST_CHARACTERS = 120  # of a name, of a contract's number
_MOST_OF_AN_ADDRESS = 254  # RFC 5321, 4.5.3.1
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_REGISTRATION = re.compile(r"[0-9A-Z]{18}")


def application_faults(given: Mapping[str, str]) -> Iterator[Violation]:
    """Yield what is wrong with an organisation's particulars; the password is not asked."""
    if not given["name_zh"]:
        yield Violation("name", _("Enter the organisation's name."), "name_zh")
    if not _REGISTRATION.fullmatch(given["registration_no"]):
        yield Violation(
            "registration_no",
            _("The unified social credit code has 18 digits and capital letters."),
            "registration_no",
        )
    if given["size"] not in SIZES:
        yield Violation("size", _("Choose one of the sizes."), "size")
    if not (given["contract_ref"] or given["nda_ref"]):
        yield Violation(
            "contract_missing",
            _("Name the contract or the NDA that you have signed with the park."),
            "contract_ref",
        )
    for where in ("name_zh", "name_en", "contract_ref", "nda_ref"):
        yield from text_faults(given[where], where)
    yield from person_faults(given["person"], given["email"])


def person_faults(name: str, email: str) -> Iterator[Violation]:
    """Yield what is wrong with a person's name and address."""
    if not name:
        yield Violation("person", _("Enter the person's name."), "person")
    yield from text_faults(name, "person")
    if not _EMAIL.fullmatch(email) or len(email) > _MOST_OF_AN_ADDRESS or "\x00" in email:
        yield Violation(
            "email", _("Not an e-mail address, such as li@example.cn."), "email"
        )


def text_faults(text: str, where: str) -> Iterator[Violation]:
    """Yield what is wrong with a line of text."""
    if len(text) > MOST_CHARACTERS:
        yield Violation(
            "too_long",
            _("At most %(most)s characters are allowed.", most=MOST_CHARACTERS),
            where,
        )
    if not is_plain(text) or any(ord(c) < 32 for c in text):
        yield Violation("text", _("This contains characters that no text may have."), where)
