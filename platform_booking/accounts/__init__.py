"""Organisations, members, roles, sign-in."""
