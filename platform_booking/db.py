"""The database: one declarative base, one place that commits, one door for identities.

Who reads is told to PostgreSQL at the start of each transaction (`app.member`,
`app.organisation`, `app.platforms`, `app.park`), and row-level security does the rest. The
scheduler and the command line speak as `pb_job`, which sees every row. People's
transactions wait for nobody long: the service would rather say that it is busy.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    SessionTransaction,
    mapped_column,
    registry,
)

from platform_booking.errors import Busy

RETRIED = frozenset({"40001", "40P01", "55P03"})
"""Serialisation failure, deadlock, lock timeout: another try may well succeed."""

T = TypeVar("T")
_TRIES = 6
_PATIENCE = 2.5
"""Seconds from the first try after which a person is not let wait through another one."""

_OPEN = "transaction_open"
_ENCLOSING = "enclosing"
_TOLD = "identity_told"


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An instant. Aware values only; comes back in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        """Refuse naive values: an instant without a zone is a guess."""
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime; give it a time zone")
        return value

    def process_result_value(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        """Return the instant in UTC, whatever the connection's zone."""
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Ancestor of every table."""

    registry = registry(
        type_annotation_map={
            datetime: UtcDateTime,
            date: sa.Date,
            dict[str, Any]: JSONB,
            list[Any]: JSONB,
            list[int]: ARRAY(sa.Integer),
            list[str]: ARRAY(sa.Text),
            str: sa.Text,
            bytes: sa.LargeBinary,
        },
        metadata=sa.MetaData(
            naming_convention={
                "ix": "ix_%(column_0_N_label)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
    )


def enum_column(kind: type[Enum]) -> sa.Enum:
    """Return a column type that stores a string enum by value, checked by the database."""
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=kind.__name__.lower(),
        values_callable=lambda members: [m.value for m in members],
        length=24,
    )


class PublicId:
    """A table whose rows are known outside by a random id."""

    public_id: Mapped[UUID] = mapped_column(unique=True, default=uuid4)


@dataclass(frozen=True, slots=True)
class Identity:
    """For whom the database answers: what row-level security is told."""

    member_id: int | None = None
    organisation_id: int | None = None
    platform_ids: tuple[int, ...] = ()  # platforms that the member operates
    park: bool = False  # park administrators see everything
    job: bool = False  # the scheduler and the command line, as pb_job


NOBODY = Identity()
JOB = Identity(job=True)
_identity: ContextVar[Identity] = ContextVar("identity", default=NOBODY)


def current_identity() -> Identity:
    """Return for whom the database answers now."""
    return _identity.get()


def assume(identity: Identity) -> None:
    """Let the database answer for `identity` from now on: at the start of each request."""
    db.session.remove()
    _identity.set(identity)


@contextmanager
def acting_as(identity: Identity) -> Iterator[None]:
    """Let the database answer for `identity` within the block."""
    token = _identity.set(identity)
    db.session.remove()  # a transaction begun for somebody else must not be read on
    try:
        yield
    finally:
        db.session.remove()
        _identity.reset(token)


class _Session(FlaskSession):
    """A session that connects as pb_job for jobs, and as pb_web for people."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        if _identity.get().job:
            return db.engines["job"]
        return super().get_bind(*args, **kwargs)


db = SQLAlchemy(
    model_class=Base,
    session_options={"class_": _Session, "expire_on_commit": False},
)
if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


_TELL = sa.text(
    "SELECT set_config('app.member', :member, true),"
    " set_config('app.organisation', :organisation, true),"
    " set_config('app.platforms', :platforms, true),"
    " set_config('app.park', :park, true),"
    " set_config('lock_timeout', '2s', true),"
    " set_config('statement_timeout', '5s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true)"
)


@event.listens_for(_Session, "after_begin")
def _tell_identity(
    session: Session, transaction: SessionTransaction, connection: sa.Connection
) -> None:
    identity = _identity.get()
    if identity.job or (transaction.nested and session.info.get(_TOLD) == identity):
        return
    # What a savepoint is told may be rolled back with it, or stay: then tell each again.
    session.info[_TOLD] = None if transaction.nested else identity
    _tell(connection, identity)


def _tell(connection: sa.Connection, identity: Identity) -> None:
    connection.execute(
        _TELL,
        {
            "member": str(identity.member_id or ""),
            "organisation": str(identity.organisation_id or ""),
            "platforms": "{" + ",".join(map(str, identity.platform_ids)) + "}",
            "park": "yes" if identity.park else "no",
        },
    )


@contextmanager
def enclosing() -> Iterator[Session]:
    """Let one `transaction()` inside take part in this one, which commits.

    For what must be kept with the deed itself but is no part of it: the answer under an
    Idempotency-Key. The deed runs in a savepoint, so that it may be tried again. Several
    deeds may follow one another, and an `enclosing()` inside another takes part in it.
    """
    session = cast("Session", db.session())
    if session.info.get(_OPEN) == _ENCLOSING:
        with session.begin_nested():
            yield session
        return
    session.info[_OPEN] = _ENCLOSING
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info[_OPEN] = False


@contextmanager
def transaction() -> Iterator[Session]:
    """Run one unit of work: commit at the end of the block, roll back if it raises.

    Raises
    ------
    RuntimeError
        If one is already open in this context; pass the session instead.
    """
    session = cast("Session", db.session())
    if session.info.get(_OPEN) == _ENCLOSING:
        session.info[_OPEN] = True
        try:
            with session.begin_nested():
                yield session
        finally:
            session.info[_OPEN] = _ENCLOSING
        return
    if session.info.get(_OPEN):
        raise RuntimeError("transaction() does not nest; pass the session instead")
    session.info[_OPEN] = True
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info[_OPEN] = False


@contextmanager
def deeds_of(session: Session, organisation_id: int) -> Iterator[None]:
    """Do within the caller's transaction what follows for an organisation from his deed.

    He may see less of it than is to be done: what it has booked together stands on others'
    platforms, too. Jobs see all, and stay who they are.
    """
    before = _identity.get()
    if before.job:
        yield
        return
    session.flush()  # as whoever did it
    theirs = Identity(member_id=before.member_id, organisation_id=organisation_id)
    token = _identity.set(theirs)
    try:
        with session.begin_nested():
            yield
            session.flush()  # as the organisation
    finally:
        _identity.reset(token)
    _tell(session.connection(), before)


def release_connection() -> None:
    """End a read without keeping its connection, before something slow."""
    db.session().rollback()


def retrying(work: Callable[[], T]) -> T:
    """Run one whole unit of work, again where the database asks for another try.

    `work` opens its own transaction. The waits between tries grow and are jittered, so that
    rivals do not meet again. Nobody waits for longer than two locks time out; jobs do.

    Raises
    ------
    Busy
        If others hold what is needed for longer than all tries.
    """
    until = time.monotonic() + _PATIENCE
    for attempt in range(1, _TRIES + 1):
        try:
            return work()
        except DBAPIError as fault:
            if sqlstate(fault) not in RETRIED:
                raise
            if time.monotonic() > until and not _identity.get().job:
                break
            if attempt < _TRIES:
                time.sleep(random.uniform(0.005, 0.02 * 2**attempt))  # noqa: S311 - jitter
    raise Busy


def sqlstate(fault: DBAPIError) -> str:
    """Return the five characters that name the fault, "" if there are none."""
    return getattr(fault.orig, "sqlstate", None) or ""
