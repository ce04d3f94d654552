"""Who may call what. One table declares it (`platform_booking.policy`); this enforces it.

A route without an entry does not start. Whose rows a permitted caller sees is row-level
security's affair; `relation` states it, so that a test can walk every cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flask import Flask, request

from platform_booking.errors import (
    Forbidden,
    Misconfigured,
    ScopeMissing,
    Unauthenticated,
)
from platform_booking.web.actor import KIOSK, Actor, optional_actor, optional_kiosk


class Relation(StrEnum):
    """Whose objects a caller meets behind an endpoint."""

    NONE = "none"  # no tenant's data at all
    SELF = "self"  # the caller's own account
    OWN = "own"  # his organisation's
    OPERATED = "operated"  # of the platforms that he operates
    OWN_OR_OPERATED = "own_or_operated"
    MASKED = "masked"  # everybody's, as busy only; his own in full
    PARK = "park"  # all
    DEVICE = "device"  # a kiosk: bookings of its platform, as busy, and by code


@dataclass(frozen=True, slots=True)
class Permission:
    """What one endpoint allows."""

    roles: frozenset[str] | None  # None: everybody, signed in or not
    action: str
    relation: Relation
    writes: bool  # a token needs the scope "write"
    most_bytes: int | None = None  # of a body, where it may be larger than others
    programs: bool = True  # API tokens may, too


def visitors(action: str) -> Permission:
    """Allow everybody, signed in or not: nothing of a tenant may be behind it."""
    return Permission(None, action, Relation.NONE, writes=False)


def allow(
    *roles: str,
    action: str,
    relation: Relation,
    writes: bool = False,
    most_bytes: int | None = None,
    programs: bool | None = None,
) -> Permission:
    """Allow members who hold one of the roles.

    What is a member's own self (passwords, tokens) is not for his tokens: a token must not
    make tokens. `programs` says that it may none the less.
    """
    by_programs = relation is not Relation.SELF if programs is None else programs
    return Permission(frozenset(roles), action, relation, writes, most_bytes, by_programs)


def kiosks(action: str) -> Permission:
    """Allow kiosks, and no member: these routes act for a device."""
    return Permission(frozenset({KIOSK}), action, Relation.DEVICE, writes=False)


def init_app(app: Flask, policy: Mapping[str, Permission]) -> None:
    """Enforce a policy on every route."""

    @app.before_request
    def permit() -> None:
        if request.endpoint is None:
            return  # no such route: 404 follows
        permission, actor = policy[request.endpoint], optional_actor()
        check(permission, actor)
        if permission.roles and actor and actor.scopes is not None and not _is_api():
            raise Forbidden  # pages make members, links and tokens: not for programs
        if permission.most_bytes is not None:
            request.max_content_length = permission.most_bytes  # before anything is read

    app.extensions["policy"] = policy


def _is_api() -> bool:
    return request.path.startswith("/api/")


def check(permission: Permission, actor: Actor | None) -> None:
    """Let a caller through.

    Raises
    ------
    Unauthenticated
        If nobody is signed in and somebody must be.
    Forbidden
        If the caller holds none of the roles, or his token lacks the scope.
    """
    if permission.roles is None:
        return
    if KIOSK in permission.roles and optional_kiosk() is not None:
        return
    if actor is None:
        raise Unauthenticated
    if not permission.roles & actor.roles:
        raise Forbidden
    if actor.scopes is not None:
        if not permission.programs:
            raise Forbidden
        needed = "write" if permission.writes else "read"
        if needed not in actor.scopes:
            raise ScopeMissing


def verify(app: Flask, policy: Mapping[str, Permission]) -> None:
    """Refuse to start with a route that the policy does not know, or the reverse.

    Raises
    ------
    Misconfigured
        Names the routes.
    """
    routes = {rule.endpoint for rule in app.url_map.iter_rules()}
    unknown, idle = sorted(routes - policy.keys()), sorted(policy.keys() - routes)
    strays = sorted(
        endpoint
        for endpoint, permission in policy.items()
        if (permission.relation is Relation.DEVICE) > endpoint.startswith(f"{KIOSK}.")
    )
    if strays:
        raise Misconfigured(f"no kiosk reaches these routes: {', '.join(strays)}")
    if unknown:
        raise Misconfigured(f"routes without an entry in policy.py: {', '.join(unknown)}")
    if idle:
        raise Misconfigured(f"entries of policy.py without a route: {', '.join(idle)}")
