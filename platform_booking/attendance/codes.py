"""The six digits by which a kiosk knows whose booking is meant. Pure.

They follow from the service's secret, the booking and who runs it: nothing is stored, a
hand-over changes them, and nobody derives them from what a page shows.
"""

import hmac
from hashlib import sha256
from uuid import UUID

DIGITS = 6


def code_of(secret_key: str, booking_id: UUID, member_id: int | None) -> str:
    """Return the check-in code of a booking for whoever runs it."""
    told = f"check-in|{booking_id}|{member_id or ''}".encode()
    number = int.from_bytes(hmac.new(secret_key.encode(), told, sha256).digest()[:8], "big")
    return f"{number % 10**DIGITS:0{DIGITS}}"


def is_code_of(
    typed: str, secret_key: str, booking_id: UUID, member_id: int | None
) -> bool:
    """Tell whether what was typed is a booking's code, in constant time."""
    expected = code_of(secret_key, booking_id, member_id)
    return hmac.compare_digest(typed.encode(), expected.encode())
