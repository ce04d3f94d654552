"""The limits of bookings on a resource: its policy, read and changed by who operates it."""
