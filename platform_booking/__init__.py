"""Booking and nightly scheduling of public semiconductor platforms."""
