"""`python -m platform_booking.demo`, which `make run` calls."""

import os
import signal
from types import FrameType


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


# Loading the service takes a second in which nothing runs yet that must be stopped.
signal.signal(signal.SIGINT, _end_at_once)

from platform_booking.demo.running import main  # noqa: E402 - the signal comes first

main()
