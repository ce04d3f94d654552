"""Bookings as tables: taken out for spreadsheets, and taken in from them."""
