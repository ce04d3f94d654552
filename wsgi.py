"""What gunicorn and `flask --app wsgi` load."""

from platform_booking.app import create_app

app = create_app()
