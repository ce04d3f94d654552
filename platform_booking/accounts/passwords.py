"""Passwords: argon2id at 19 MiB, 2 passes, 1 lane (OWASP password storage, 2024)."""

from collections.abc import Iterator
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_babel import gettext as _

from platform_booking.errors import Violation

LEAST, MOST = 12, 128
_COMMON = frozenset(
    {
        "123456789012", "1234567890123", "password1234", "passwordpassword", "qwerty123456",
        "qwertyuiop12", "111111111111", "000000000000", "administrator", "abcdefghijkl",
        "iloveyou1234", "123123123123", "adminadmin12", "changeme1234", "letmein12345",
        "welcome12345", "suzhou123456", "platform1234",
    }
)  # fmt: skip
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def violations(password: str, *, email: str) -> Iterator[Violation]:
    """Yield what is wrong with a new password."""
    if not LEAST <= len(password) <= MOST:
        yield Violation(
            "password_length",
            _(
                "The password needs %(least)s to %(most)s characters.",
                least=LEAST,
                most=MOST,
            ),
            "password",
        )
    name = email.partition("@")[0].lower()
    if password.lower() in _COMMON or len(set(password)) < 4 or password.lower() == name:
        yield Violation(
            "password_common", _("This password is too easy to guess."), "password"
        )


def hashed(password: str) -> str:
    """Return the hash to keep."""
    return _hasher.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Tell whether a password is the one kept; as slow for an account that is not there."""
    try:
        return _hasher.verify(kept or _decoy(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _decoy() -> str:
    return _hasher.hash("no account has this password")
