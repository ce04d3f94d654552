"""Bookings as calendars: feeds at secret addresses, single entries, mails with them."""
