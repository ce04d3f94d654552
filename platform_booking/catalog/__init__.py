"""Platforms, resources, capabilities, calendars, outages, qualifications, routes."""
