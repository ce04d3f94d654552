"""What becomes of a booking: answered, confirmed, begun, ended, handed over, missed."""
