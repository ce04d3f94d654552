"""A publisher that is killed at its n-th commit: `python -m tests.planning.dying_publisher`.

Arguments: the plan's row id, which commit, and whether to die before or after it.
"""

import os
import signal
import sys

from sqlalchemy import event
from sqlalchemy.orm import Session

from platform_booking.app import create_app
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.planning import publication


def main(plan_id: int, commit: int, moment: str) -> None:
    """Publish, and die where told; savepoints count as commits too."""
    seen = 0

    def count(_session: Session) -> None:
        nonlocal seen
        seen += 1
        if seen == commit:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Session, f"{moment}_commit", count)
    with create_app().app_context(), acting_as(JOB):
        publication.publish(plan_id, now=utcnow())
    print(seen)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
