"""What people are told: an outbox written with the deed, delivered after the commit."""
