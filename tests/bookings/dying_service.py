"""The service with a way to die at its commit, for gunicorn: `tests.bookings.dying_service:app`.

A request with the header `Die: before` kills its worker when the transaction that it has
written is about to be committed; with `Die: after`, when PostgreSQL has committed it and
nothing of the answer has been sent. SIGKILL: nothing is cleaned up, as in a power cut.
"""

import os
import signal

import sqlalchemy as sa
from flask import g, has_request_context, request
from sqlalchemy.orm import Session

from wsgi import app

__all__ = ["app"]


@sa.event.listens_for(sa.Engine, "commit")
def _before(_connection: sa.Connection) -> None:
    """Stand before the commit of a whole transaction, never of a savepoint."""
    if not has_request_context():
        return
    if request.headers.get("Die") == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    g.committing = True


@sa.event.listens_for(Session, "after_commit")
def _after(_session: Session) -> None:
    """Stand behind it; a savepoint's end is told here, too, and has no commit before it."""
    if not has_request_context() or not g.pop("committing", False):
        return
    if request.headers.get("Die") == "after":
        os.kill(os.getpid(), signal.SIGKILL)
