"""Bookings: resources held for a time. The guards of the schema keep them apart."""
