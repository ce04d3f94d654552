"""The Flask-facing kit: who asks, what he may, how errors, languages and pages look."""
