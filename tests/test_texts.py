"""Texts hold nothing that misleads their reader."""

import pytest

from platform_booking.texts import is_plain


@pytest.mark.parametrize("text", ["刻蚀 3 µm\n\tsecond line", "عربي", "👩‍🔬 e\u0301", ""])
def test_what_people_write_is_plain(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text", ["a\x00", "\x1b[31m", "abc\u202egnp", "\u2066x\u2069", "\ud83d", "\x85"]
)
def test_what_controls_or_turns_the_text_is_not(text: str) -> None:
    assert not is_plain(text)
