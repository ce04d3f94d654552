"""What no text of a person may hold."""

import re

_MISLEADING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def is_plain(text: str) -> bool:
    """Tell whether a text can be kept, and is read in the order in which it was written.

    It has no control characters but tabs and line ends, nothing that turns the direction
    of what follows (Unicode TR 36), and no half of a surrogate pair.
    """
    return _MISLEADING.search(text) is None
